#include "lib/storage/rocksdb_store.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/base/absl_strings.h"
#include "lib/storage/batch_thread.h"
#include "lib/storage/blob_store.h"
#include "lib/storage/checkpointer.h"
#include "lib/storage/column_families.h"
#include "lib/storage/commit_queue.h"
#include "lib/storage/event_log.h"
#include "lib/storage/event_tail.h"
#include "lib/storage/journal.h"
#include "lib/storage/journal_reader.h"
#include "lib/storage/record_table.h"
#include "lib/storage/rocksdb_format.h"
#include "lib/storage/rocksdb_options.h"
#include "lib/storage/rocksdb_status.h"
#include "lib/storage/stripe_epochs.h"
#include "rocksdb/db.h"
#include "rocksdb/statistics.h"

namespace attune::storage {
namespace {

constexpr char kJournalFolder[] = "/journal";
constexpr char kCheckpointFolder[] = "/checkpoint";

constexpr std::string_view kReadingRecord = "read a customer's record";
constexpr std::string_view kReadingMeta = "read the store's own data";

// What one call of LoadMany asks the database for at once.
constexpr size_t kMaxKeysPerRead = 32;

// What one call of CommitMany writes at once: others need not wait behind a bulk load.
constexpr size_t kMaxCommitsPerWrite = 128;
constexpr size_t kMaxBytesPerWrite = 1 << 20;

// Limits in write buffers: bytes in memory beyond which those who may wait do, and beyond which
// commits are refused; bytes of the journal from which on it is emptied.
constexpr uint64_t kPatientBuffers = 3;
constexpr uint64_t kMaxBuffers = 8;
constexpr uint64_t kJournalBuffers = 4;

// How long one call puts up with back-pressure.
constexpr absl::Duration kMaxWait = absl::Seconds(30);

// What was erased is written down at most so often before it leaves the files.
constexpr int kFlushesPerErasureTime = 24;

// Left free behind the last number when the store was not closed: numbers that were given out and
// lost with the power are never given to anything else.
constexpr uint64_t kGapAfterCrash = 1u << 24;

absl::Status SizeError(std::string_view what, size_t bytes, size_t limit, std::string_view name) {
  return absl::ResourceExhaustedError(absl::StrCat(ToAbsl(what), " has ", bytes, " bytes; at most ",
                                                   limit, " are allowed (", ToAbsl(name), ")"));
}

absl::Status CheckSizes(const CustomerCommit& commit) {
  if (!commit.keep_record && commit.bytes.size() > kMaxRecordBytes) {
    return SizeError("a customer's record", commit.bytes.size(), kMaxRecordBytes,
                     "max_record_bytes");
  }
  if (commit.events.size() > kMaxEventsPerCommit) {
    return absl::ResourceExhaustedError(absl::StrCat("a commit has ", commit.events.size(),
                                                     " events; at most ", kMaxEventsPerCommit,
                                                     " are allowed (max_events_per_commit)"));
  }
  for (const Event& event : commit.events) {
    if (event.payload.size() > kMaxEventBytes) {
      return SizeError("an event", event.payload.size(), kMaxEventBytes, "max_event_bytes");
    }
  }
  const size_t bytes = BytesOf(commit);
  if (bytes > kMaxCommitBytes) {
    return SizeError("a commit", bytes, kMaxCommitBytes, "max_commit_bytes");
  }
  return absl::OkStatus();
}

// The version number of what the database has answered; 0: there is no record.
absl::StatusOr<uint64_t> VersionOf(const rocksdb::Status& status, std::string_view value) {
  if (status.IsNotFound()) return 0;
  if (!status.ok()) return ToAbslStatus(status, kReadingRecord);
  const std::optional<uint64_t> version = StoredVersion(value);
  if (!version.has_value()) return absl::DataLossError("a stored record is too short");
  return *version;
}

// A store with everything in it, made by OpenRocksDbStore.
class RocksDbStore : public StateStore {
 public:
  RocksDbStore(std::unique_ptr<rocksdb::DB> db, const ColumnFamilies& families,
               const RocksDbSetup& setup, const RocksDbOptions& options);
  ~RocksDbStore() override;

  // Brings everything up; `id_key` is for a database that is new. Call once, before the others.
  absl::Status Open(const std::optional<HashKey>& id_key);

  CustomerKey KeyOf(std::string_view customer_id) const override {
    return KeyedHash128(id_key_, customer_id);
  }
  absl::Status Load(const CustomerKey& key, Record& record) const override;
  absl::Status LoadMany(absl::Span<const CustomerKey> keys,
                        absl::Span<Record> records) const override;
  absl::StatusOr<std::optional<CustomerKey>> Scan(const std::optional<CustomerKey>& after,
                                                  size_t max_records,
                                                  const VisitRecord& visit) const override;
  absl::StatusOr<CommitReceipt> Commit(const CustomerCommit& commit,
                                       Durability durability) override;
  std::vector<absl::StatusOr<CommitReceipt>> CommitMany(absl::Span<const CustomerCommit> commits,
                                                        Durability durability) override;
  absl::Status Flush(uint64_t position) override { return queue_->Flush(position); }
  absl::Status Sync() override;
  absl::StatusOr<Erased> Erase(const CustomerKey& key) override;
  absl::Status ReadLog(uint64_t from,
                       const std::function<bool(const LogEntry&)>& visit) const override {
    return log_->Read(from, visit);
  }
  absl::StatusOr<std::optional<LogEntry>> ReadLogAt(uint64_t position) const override {
    return log_->ReadAt(position);
  }
  LogSpan SpanOfLog() const override {
    return {log_->start(), std::max(recovered_end_, tail_.end())};
  }
  absl::Status TrimLog(uint64_t max_bytes) override { return log_->Trim(max_bytes); }
  absl::Status TrimLogBefore(uint64_t position) override {
    return log_->TrimBefore(std::min(position, SpanOfLog().end));
  }
  absl::StatusOr<std::optional<std::string>> GetBlob(std::string_view name) const override {
    return blobs_.Get(name);
  }
  absl::Status PutBlob(std::string_view name, std::string_view bytes) override;
  absl::StatusOr<std::optional<std::string>> GetBlobPart(std::string_view name, uint64_t offset,
                                                         size_t max_bytes) const override {
    return blobs_.GetPart(name, offset, max_bytes);
  }
  absl::Status DeleteBlob(std::string_view name) override { return blobs_.Delete(name); }
  StoreStats Stats() const override;

 private:
  absl::Status OpenFormat(const std::optional<HashKey>& id_key);
  absl::Status WriteNewFormat(const std::optional<HashKey>& id_key);
  absl::Status OpenFolders();
  absl::StatusOr<Floor> ReadFloor() const;
  absl::StatusOr<JournalStart> Recover(Floor& floor);
  void StartCommits(const JournalStart& start, const Floor& floor);

  bool LoadFromMemory(const CustomerKey& key, Record& record) const;
  // The record of a key at which `it` stands; what is in memory is newer. Keeps nothing in memory.
  absl::Status LoadAt(const rocksdb::Iterator& it, const CustomerKey& key, Record& record) const;
  // Loads records[i] of keys[i] for every index i. REQUIRES: at most kMaxKeysPerRead indexes.
  absl::Status LoadFromDatabase(absl::Span<const size_t> indexes,
                                absl::Span<const CustomerKey> keys,
                                absl::Span<Record> records) const;
  // What the database has answered becomes the record, and stays in memory.
  absl::Status FinishLoad(const CustomerKey& key, const rocksdb::Status& status,
                          std::string_view value, Record& record) const;
  absl::StatusOr<std::optional<std::string>> GetMeta(std::string_view key) const;
  absl::Status PutMeta(std::string_view key, std::string_view value);
  absl::StatusOr<uint64_t> StoredVersionOf(const CustomerKey& key) const;
  uint64_t Property(rocksdb::ColumnFamilyHandle* family, const std::string& name) const;
  uint64_t PropertyOfAll(const std::string& name) const;

  const std::string path_;
  const uint64_t write_buffer_bytes_;
  const absl::Duration erasure_time_;
  const RocksDbSetup setup_;
  HashKey id_key_{};            // constant after Open
  uint64_t recovered_end_ = 0;  // no number from it on was found by Open; constant after it
  const std::unique_ptr<rocksdb::DB> db_;
  const ColumnFamilies families_;
  StripeEpochs epochs_;
  mutable RecordTable table_;
  EventTail tail_;
  BlobStore blobs_;
  // Made by Open, in this order.
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<CommitQueue> queue_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<EventLog> log_;
};

RocksDbStore::RocksDbStore(std::unique_ptr<rocksdb::DB> db, const ColumnFamilies& families,
                           const RocksDbSetup& setup, const RocksDbOptions& options)
    : path_(options.path),
      write_buffer_bytes_(options.write_buffer_bytes),
      erasure_time_(absl::Seconds(static_cast<int64_t>(options.erasure_seconds))),
      setup_(setup),
      db_(std::move(db)),
      families_(families),
      table_(options.record_cache_bytes),
      blobs_(db_.get(), families_) {
  // The one thread that merges files: see max_background_jobs in rocksdb_options.cc.
  setup_.db.env->Schedule([](void*) { RunInBackground(); }, nullptr, rocksdb::Env::Priority::LOW);
}

RocksDbStore::~RocksDbStore() {
  if (checkpointer_ != nullptr) {
    // The thread first, so that nothing is written behind the last checkpoint. The object stays:
    // a cut may ask it for the next one. If this fails, the journal is read when the store is
    // opened.
    checkpointer_->Stop();
    if (checkpointer_->Checkpoint().ok()) PutMeta(kClosedKey, "1").IgnoreError();
  }
  for (rocksdb::ColumnFamilyHandle* family :
       {families_.meta, families_.customers, families_.log, families_.blobs}) {
    db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  }
}

absl::Status RocksDbStore::Open(const std::optional<HashKey>& id_key) {
  absl::Status status = OpenFormat(id_key);
  if (status.ok()) status = OpenFolders();
  if (status.ok()) status = blobs_.Open();
  if (!status.ok()) return status;

  absl::StatusOr<Floor> floor = ReadFloor();
  if (!floor.ok()) return floor.status();
  absl::StatusOr<JournalStart> start = Recover(*floor);
  if (!start.ok()) return start.status();
  StartCommits(*start, *floor);
  status = log_->Open();
  if (!status.ok() || start->segments.empty()) return status;
  // A store that can't do this now, for want of space perhaps, can be read all the same.
  status = checkpointer_->Checkpoint();
  if (absl::IsDataLoss(status)) return status;
  if (!status.ok()) checkpointer_->Request();
  return absl::OkStatus();
}

absl::Status RocksDbStore::OpenFormat(const std::optional<HashKey>& id_key) {
  absl::StatusOr<std::optional<std::string>> format = GetMeta(kFormatKey);
  if (!format.ok()) return format.status();
  if (!format->has_value()) {
    if (db_->GetLatestSequenceNumber() != 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("the folder ", path_, " holds a RocksDB database that isn't a store"));
    }
    absl::Status written = WriteNewFormat(id_key);
    if (!written.ok()) return written;
  } else if ((*format)->size() != sizeof kFormatVersion) {
    return absl::DataLossError("the format of the store is damaged");
  } else if (const auto version = DecodeFixed<uint32_t>((*format)->data());
             version != kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the store in ", path_, " has format ", version, ", this program knows format ",
        kFormatVersion, " only: open it with the program that wrote it"));
  }
  absl::StatusOr<std::optional<std::string>> stored_key = GetMeta(kIdKeyKey);
  if (!stored_key.ok()) return stored_key.status();
  if (!stored_key->has_value() || (*stored_key)->size() != id_key_.size()) {
    return absl::DataLossError("the key of customer ids is missing or damaged");
  }
  std::copy((*stored_key)->begin(), (*stored_key)->end(), id_key_.begin());
  return absl::OkStatus();
}

absl::Status RocksDbStore::WriteNewFormat(const std::optional<HashKey>& id_key) {
  const HashKey key = id_key.has_value() ? *id_key : RandomHashKey();
  const rocksdb::Slice version(reinterpret_cast<const char*>(&kFormatVersion),
                               sizeof kFormatVersion);
  rocksdb::WriteBatch batch;
  rocksdb::Status status = batch.Put(families_.meta, ToSlice(kFormatKey), version);
  if (status.ok()) status = batch.Put(families_.meta, ToSlice(kIdKeyKey), KeySlice(key));
  if (status.ok()) status = batch.Put(families_.meta, ToSlice(kClosedKey), "1");
  if (status.ok()) status = db_->Write(Durably(), &batch);
  return ToAbslStatus(status, "write the format of the store");
}

absl::Status RocksDbStore::OpenFolders() {
  rocksdb::Env* const env = setup_.db.env;
  rocksdb::Status status = env->CreateDirIfMissing(path_ + kJournalFolder);
  if (status.ok()) status = env->CreateDirIfMissing(path_ + kCheckpointFolder);
  // A journal that was synced must not be lost with its folder.
  std::unique_ptr<rocksdb::Directory> folder;
  if (status.ok()) status = env->NewDirectory(path_, &folder);
  if (status.ok()) status = folder->Fsync();
  std::vector<std::string> left_behind;
  if (status.ok()) status = env->GetChildren(path_ + kCheckpointFolder, &left_behind);
  for (const std::string& name : left_behind) {
    env->DeleteFile(path_ + kCheckpointFolder + "/" + name).PermitUncheckedError();
  }
  return ToAbslStatus(status, absl::StrCat("open the folders of the store in ", path_));
}

absl::StatusOr<Floor> RocksDbStore::ReadFloor() const {
  absl::StatusOr<std::optional<std::string>> stored = GetMeta(kFloorKey);
  if (!stored.ok()) return stored.status();
  if (!stored->has_value()) return Floor();
  std::optional<Floor> floor = DecodeFloor(**stored);
  if (!floor.has_value()) return absl::DataLossError("the start of the journal is damaged");
  return *floor;
}

// Brings the journal back into memory; `floor.customers` becomes the count of now.
absl::StatusOr<JournalStart> RocksDbStore::Recover(Floor& floor) {
  bool damaged = false;
  const auto apply = [&](const JournalCommit& commit) {
    switch (commit.change) {
      case RecordChange::kCreate:
        ++floor.customers;
        [[fallthrough]];
      case RecordChange::kReplace:
        table_.Put(commit.key, commit.number, commit.record);
        break;
      case RecordChange::kRemove:
        --floor.customers;
        table_.Remove(commit.key, commit.number);
        break;
      case RecordChange::kKeep:
        break;
    }
    damaged |= !ForEachEvent(commit, [&](uint64_t position, const Event& event) {
      tail_.Append(position, commit.key, event);
    });
  };
  absl::StatusOr<JournalStart> start =
      ReplayJournal(*setup_.db.env->GetFileSystem(), path_ + kJournalFolder, floor.number, apply);
  if (!start.ok()) return start.status();
  if (damaged) return absl::DataLossError("the journal holds events that can't be read");
  tail_.Seal();
  recovered_end_ = start->next_number;

  absl::StatusOr<std::optional<std::string>> closed = GetMeta(kClosedKey);
  if (!closed.ok()) return closed.status();
  if (*closed == "1") {
    absl::Status opened = PutMeta(kClosedKey, "0");
    if (!opened.ok()) return opened;
  } else {
    start->next_number += kGapAfterCrash;
  }
  return start;
}

void RocksDbStore::StartCommits(const JournalStart& start, const Floor& floor) {
  journal_ =
      std::make_unique<Journal>(setup_.db.env->GetFileSystem(), path_ + kJournalFolder, start);
  queue_ = std::make_unique<CommitQueue>(
      CommitParts{
          .journal = journal_.get(),
          .table = &table_,
          .tail = &tail_,
          .epochs = &epochs_,
          .stored_version = [this](const CustomerKey& key) { return StoredVersionOf(key); }},
      CommitLimits{.checkpoint_bytes = write_buffer_bytes_,
                   .checkpoint_journal_bytes = kJournalBuffers * write_buffer_bytes_,
                   .patient_bytes = kPatientBuffers * write_buffer_bytes_,
                   .max_bytes = kMaxBuffers * write_buffer_bytes_,
                   .max_journal_bytes = 4 * kJournalBuffers * write_buffer_bytes_,
                   .request_checkpoint = [this] { checkpointer_->Request(); },
                   .checkpoint_status = [this] { return checkpointer_->last_status(); }},
      floor.customers);
  checkpointer_ = std::make_unique<Checkpointer>(
      CheckpointParts{.db = db_.get(),
                      .health = setup_.health.get(),
                      .families = families_,
                      .queue = queue_.get(),
                      .journal = journal_.get(),
                      .table = &table_,
                      .tail = &tail_},
      CheckpointFiles{.meta = rocksdb::Options(setup_.db, setup_.meta),
                      .customers = rocksdb::Options(setup_.db, setup_.customers),
                      .log = rocksdb::Options(setup_.db, setup_.log),
                      .folder = path_ + kCheckpointFolder});
  log_ = std::make_unique<EventLog>(db_.get(), families_, &tail_, checkpointer_.get(),
                                    erasure_time_ / kFlushesPerErasureTime);
}

absl::Status RocksDbStore::Load(const CustomerKey& key, Record& record) const {
  if (LoadFromMemory(key, record)) return absl::OkStatus();
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), families_.customers, KeySlice(key), &value);
  return FinishLoad(key, status, ToView(value), record);
}

absl::Status RocksDbStore::LoadMany(absl::Span<const CustomerKey> keys,
                                    absl::Span<Record> records) const {
  std::array<size_t, kMaxKeysPerRead> missing;
  size_t count = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!LoadFromMemory(keys[i], records[i])) missing[count++] = i;
    if (count == 0 || (count < kMaxKeysPerRead && i + 1 < keys.size())) continue;
    absl::Status status = LoadFromDatabase({missing.data(), count}, keys, records);
    if (!status.ok()) return status;
    count = 0;
  }
  return absl::OkStatus();
}

// False: the database has to be asked.
bool RocksDbStore::LoadFromMemory(const CustomerKey& key, Record& record) const {
  record.found = false;
  record.version = {0, epochs_.Note(key)};  // before the read: see StripeEpochs
  const RecordTable::Lookup lookup = table_.Get(key, record.version.number, record.bytes);
  record.found = lookup == RecordTable::Lookup::kFound;
  if (!record.found) record.bytes.clear();
  return lookup != RecordTable::Lookup::kUnknown;
}

absl::Status RocksDbStore::LoadFromDatabase(absl::Span<const size_t> indexes,
                                            absl::Span<const CustomerKey> keys,
                                            absl::Span<Record> records) const {
  std::array<rocksdb::Slice, kMaxKeysPerRead> slices;
  std::array<rocksdb::PinnableSlice, kMaxKeysPerRead> values;
  std::array<rocksdb::Status, kMaxKeysPerRead> statuses;
  for (size_t i = 0; i < indexes.size(); ++i) slices[i] = KeySlice(keys[indexes[i]]);
  db_->MultiGet(rocksdb::ReadOptions(), families_.customers, indexes.size(), slices.data(),
                values.data(), statuses.data());
  absl::Status first_error;
  for (size_t i = 0; i < indexes.size(); ++i) {
    first_error.Update(
        FinishLoad(keys[indexes[i]], statuses[i], ToView(values[i]), records[indexes[i]]));
  }
  return first_error;
}

absl::Status RocksDbStore::FinishLoad(const CustomerKey& key, const rocksdb::Status& status,
                                      std::string_view value, Record& record) const {
  const absl::StatusOr<uint64_t> version = VersionOf(status, value);
  if (!version.ok()) return version.status();
  if (*version == 0) return absl::OkStatus();
  record.found = true;
  record.version.number = *version;
  record.bytes.assign(value.substr(kRecordHeaderBytes));
  table_.Cache(key, *version, record.bytes, epochs_, record.version.token);
  return absl::OkStatus();
}

absl::Status RocksDbStore::LoadAt(const rocksdb::Iterator& it, const CustomerKey& key,
                                  Record& record) const {
  if (LoadFromMemory(key, record)) return absl::OkStatus();
  const absl::StatusOr<uint64_t> version = VersionOf(it.status(), ToView(it.value()));
  if (!version.ok()) return version.status();
  record.found = true;
  record.version.number = *version;
  record.bytes.assign(ToView(it.value()).substr(kRecordHeaderBytes));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<CustomerKey>> RocksDbStore::Scan(
    const std::optional<CustomerKey>& after, size_t max_records, const VisitRecord& visit) const {
  // Memory first. What is dirty now may be in the database after the iterator was made and out of
  // memory before its turn comes: of that the iterator knows too little, so it is loaded afresh.
  const std::vector<CustomerKey> in_memory = table_.DirtyKeys(after);
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, families_.customers));
  if (after) {
    it->Seek(KeySlice(*after));
    if (it->Valid() && it->key() == KeySlice(*after)) it->Next();
  } else {
    it->SeekToFirst();
  }
  auto dirty = in_memory.begin();
  Record record;
  CustomerKey key{};
  for (size_t visited = 0; it->Valid() || dirty != in_memory.end();) {
    if (it->Valid() && it->key().size() != key.size()) {
      return absl::DataLossError("the key of a stored record is malformed");
    }
    if (visited == max_records) return key;
    const bool in_database =
        it->Valid() && (dirty == in_memory.end() || it->key().compare(KeySlice(*dirty)) <= 0);
    absl::Status status;
    if (in_database) {
      std::memcpy(key.data(), it->key().data(), key.size());
      const bool was_dirty = dirty != in_memory.end() && *dirty == key;
      status = was_dirty ? Load(key, record) : LoadAt(*it, key, record);
      if (was_dirty) ++dirty;
      it->Next();
    } else {
      key = *dirty++;
      status = Load(key, record);
    }
    if (!status.ok()) return status;
    if (!record.found) continue;  // removed
    visit(key, record);
    ++visited;
  }
  if (!it->status().ok()) return ToAbslStatus(it->status(), kReadingRecord);
  return std::nullopt;
}

absl::StatusOr<uint64_t> RocksDbStore::StoredVersionOf(const CustomerKey& key) const {
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), families_.customers, KeySlice(key), &value);
  return VersionOf(status, ToView(value));
}

absl::StatusOr<CommitReceipt> RocksDbStore::Commit(const CustomerCommit& commit,
                                                   Durability durability) {
  absl::Status sizes = CheckSizes(commit);
  if (!sizes.ok()) return AsUnwritten(sizes);
  absl::StatusOr<CommitReceipt> result = CommitReceipt{};
  const bool may_wait = durability == Durability::kPower;
  queue_->Commit({&commit, 1}, {&result, 1},
                 may_wait ? absl::Now() + kMaxWait : absl::InfinitePast(),
                 /*flushed_later=*/durability == Durability::kFlush);
  if (durability == Durability::kPower && result.ok()) {
    absl::Status synced = Sync();
    if (!synced.ok()) return synced;
  }
  return result;
}

std::vector<absl::StatusOr<CommitReceipt>> RocksDbStore::CommitMany(
    absl::Span<const CustomerCommit> commits, Durability durability) {
  std::vector<absl::StatusOr<CommitReceipt>> results(commits.size(), CommitReceipt{});
  const bool power = durability == Durability::kPower;
  for (size_t i = 0; i < commits.size(); ++i) {
    absl::Status sizes = CheckSizes(commits[i]);
    if (!sizes.ok()) results[i] = AsUnwritten(sizes);
  }
  // A bulk load slows down to what the disk can take.
  const absl::Time wait_until = absl::Now() + kMaxWait;
  // Runs of commits that are not too large, and not too many or too much together.
  for (size_t begin = 0; begin < commits.size();) {
    if (!results[begin].ok()) {
      ++begin;
      continue;
    }
    size_t end = begin + 1;
    for (size_t bytes = BytesOf(commits[begin]); end < commits.size(); ++end) {
      if (end - begin == kMaxCommitsPerWrite || !results[end].ok()) break;
      bytes += BytesOf(commits[end]);
      if (bytes > kMaxBytesPerWrite) break;
    }
    queue_->Commit(commits.subspan(begin, end - begin),
                   absl::MakeSpan(results).subspan(begin, end - begin), wait_until,
                   /*flushed_later=*/durability == Durability::kFlush);
    begin = end;
  }
  if (!power) return results;
  const absl::Status synced = Sync();
  if (synced.ok()) return results;
  for (absl::StatusOr<CommitReceipt>& result : results) {
    if (result.ok()) result = synced;
  }
  return results;
}

absl::Status RocksDbStore::Sync() {
  const absl::Status flushed = queue_->Flush();
  // What is there is synced also when not everything is.
  absl::Status status = journal_->Sync();
  if (status.ok()) {
    queue_->MarkSynced();
  } else {
    // What could not be synced is safe when it is in the database.
    checkpointer_->Request();
  }
  return flushed.ok() ? status : flushed;
}

absl::StatusOr<StateStore::Erased> RocksDbStore::Erase(const CustomerKey& key) {
  // The record first: a decision that is being made with it will be refused, and what is decided
  // from then on is about somebody unknown. The checkpoint takes everything out of the journal,
  // from where it would come back otherwise.
  absl::StatusOr<CommitQueue::Removed> record = queue_->Remove(key);
  if (!record.ok()) return record.status();
  absl::Status status = checkpointer_->Checkpoint();
  if (!status.ok()) return status;
  absl::StatusOr<int64_t> events = log_->EraseEventsOf(key, record->number);
  if (!events.ok()) return events.status();
  return Erased{.record = record->found, .events = *events};
}

absl::Status RocksDbStore::PutBlob(std::string_view name, std::string_view bytes) {
  // A blob may say up to which event it has read: it must not outlive them.
  absl::Status synced = Sync();
  if (!synced.ok()) return synced;
  return blobs_.Put(name, bytes);
}

absl::StatusOr<std::optional<std::string>> RocksDbStore::GetMeta(std::string_view key) const {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), families_.meta, ToSlice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return ToAbslStatus(status, kReadingMeta);
  return value;
}

absl::Status RocksDbStore::PutMeta(std::string_view key, std::string_view value) {
  return ToAbslStatus(db_->Put(Durably(), families_.meta, ToSlice(key), ToSlice(value)),
                      "write the store's own data");
}

uint64_t RocksDbStore::Property(rocksdb::ColumnFamilyHandle* family,
                                const std::string& name) const {
  uint64_t value = 0;
  return db_->GetIntProperty(family, name, &value) ? value : 0;
}

uint64_t RocksDbStore::PropertyOfAll(const std::string& name) const {
  uint64_t value = 0;
  return db_->GetAggregatedIntProperty(name, &value) ? value : 0;
}

StoreStats RocksDbStore::Stats() const {
  using Properties = rocksdb::DB::Properties;
  const RecordTable::Stats table = table_.stats();
  rocksdb::Statistics& statistics = *setup_.db.statistics;
  StoreStats stats;
  stats.customers_estimate = static_cast<uint64_t>(std::max<int64_t>(queue_->customers(), 0));
  stats.log_entries_estimate =
      Property(families_.log, Properties::kEstimateNumKeys) + tail_.events();
  stats.log_bytes = log_->bytes();
  stats.live_bytes = PropertyOfAll(Properties::kLiveSstFilesSize) + journal_->bytes();
  stats.memtable_bytes = table.dirty_bytes + tail_.bytes();
  stats.block_cache_bytes = table.bytes - std::min(table.bytes, table.dirty_bytes) +
                            Property(families_.customers, Properties::kBlockCacheUsage);
  stats.cache_hits = table.hits;
  stats.cache_misses = table.misses;
  stats.compaction_pending_bytes = PropertyOfAll(Properties::kEstimatePendingCompactionBytes);
  stats.written_bytes =
      journal_->appended_bytes() + statistics.getTickerCount(rocksdb::WAL_FILE_BYTES) +
      statistics.getTickerCount(rocksdb::FLUSH_WRITE_BYTES) +
      statistics.getTickerCount(rocksdb::COMPACT_WRITE_BYTES) + checkpointer_->written_bytes();
  stats.write_stopped = queue_->full() || journal_->write_failed() || journal_->sync_failed() ||
                        !checkpointer_->last_status().ok();
  stats.conflicts = queue_->conflicts();
  return stats;
}

bool IsLockHeld(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  return status.IsIOError() && (absl::StrContains(text, "While lock file") ||
                                absl::StrContains(text, "lock hold by current process"));
}

absl::Status OpenError(const rocksdb::Status& status, const std::string& path) {
  if (IsLockHeld(status)) {
    return absl::FailedPreconditionError(
        absl::StrCat("another process has the store in ", path, " open"));
  }
  return ToAbslStatus(status, absl::StrCat("open the store in ", path));
}

// Families that this program doesn't know come from a later one.
absl::Status CheckFamilies(const rocksdb::DBOptions& options, const std::string& path) {
  std::vector<std::string> names;
  const rocksdb::Status status = rocksdb::DB::ListColumnFamilies(options, path, &names);
  if (!status.ok()) return absl::OkStatus();  // there is none yet, or opening says what is wrong
  for (const std::string& name : names) {
    if (name != rocksdb::kDefaultColumnFamilyName && name != kCustomersFamily &&
        name != kLogFamily && name != kBlobsFamily) {
      return absl::FailedPreconditionError(
          absl::StrCat("the database in ", path, " has a part named \"", name,
                       "\": it was written by a later version, or by something else"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateStore>> OpenRocksDbStore(const RocksDbOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.path, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("can't create the folder ", options.path, ": ", error.message()));
  }
  const RocksDbSetup setup = MakeRocksDbSetup(options);
  absl::Status checked = CheckFamilies(setup.db, options.path);
  if (!checked.ok()) return checked;

  const std::vector<rocksdb::ColumnFamilyDescriptor> descriptors = {
      {rocksdb::kDefaultColumnFamilyName, setup.meta},
      {kCustomersFamily, setup.customers},
      {kLogFamily, setup.log},
      {kBlobsFamily, setup.blobs},
  };
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened =
      rocksdb::DB::Open(setup.db, options.path, descriptors, &handles, &db);
  if (!opened.ok()) return OpenError(opened, options.path);
  const ColumnFamilies families = {
      .meta = handles[0], .customers = handles[1], .log = handles[2], .blobs = handles[3]};
  auto store =
      std::make_unique<RocksDbStore>(std::unique_ptr<rocksdb::DB>(db), families, setup, options);
  absl::Status status = store->Open(options.id_key);
  if (!status.ok()) return status;
  return store;
}

}  // namespace attune::storage
