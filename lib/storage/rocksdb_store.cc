#include "lib/storage/rocksdb_store.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/storage/blob_store.h"
#include "lib/storage/commit_queue.h"
#include "lib/storage/event_log.h"
#include "lib/storage/rocksdb_format.h"
#include "lib/storage/rocksdb_options.h"
#include "lib/storage/rocksdb_status.h"
#include "lib/storage/stripe_epochs.h"
#include "lib/storage/wal_syncer.h"
#include "rocksdb/db.h"
#include "rocksdb/listener.h"
#include "rocksdb/statistics.h"

namespace attune::storage {
namespace {

constexpr std::string_view kReadingRecord = "read a customer's record";

// What one call of CommitMany writes at once: others need not wait behind a bulk load.
constexpr size_t kMaxCommitsPerWrite = 128;

// Notes whether the database has stopped writing after an error, and what flushes and compactions
// wrote. Called from RocksDB's threads.
class StoreListener : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override {
    if (error->severity() >= rocksdb::Status::Severity::kHardError) failed_ = true;
  }
  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override {
    if (info.new_bg_error.ok()) failed_ = false;
  }

  bool failed() const { return failed_; }

 private:
  std::atomic<bool> failed_{false};
};

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
  return absl::OkStatus();
}

class RocksDbStore : public StateStore {
 public:
  RocksDbStore(std::unique_ptr<rocksdb::DB> db, const ColumnFamilies& families,
               std::shared_ptr<rocksdb::Statistics> statistics,
               std::shared_ptr<StoreListener> listener)
      : db_(std::move(db)),
        families_(families),
        statistics_(std::move(statistics)),
        listener_(std::move(listener)),
        queue_(db_.get(), families_, &epochs_),
        syncer_(db_.get()),
        log_(db_.get(), families_, &queue_, &syncer_),
        blobs_(db_.get(), families_, &queue_, &syncer_) {}

  ~RocksDbStore() override {
    for (rocksdb::ColumnFamilyHandle* family :
         {families_.meta, families_.customers, families_.log, families_.blobs}) {
      db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
    }
  }

  // Checks the format, or writes it into a database that is new.
  absl::Status Open(const std::optional<HashKey>& id_key);

  CustomerKey KeyOf(std::string_view customer_id) const override {
    return KeyedHash128(id_key_, customer_id);
  }
  absl::Status Load(const CustomerKey& key, Record& record) const override;
  absl::Status LoadMany(absl::Span<const CustomerKey> keys,
                        absl::Span<Record> records) const override;
  absl::StatusOr<CommitReceipt> Commit(const CustomerCommit& commit,
                                       Durability durability) override;
  std::vector<absl::StatusOr<CommitReceipt>> CommitMany(absl::Span<const CustomerCommit> commits,
                                                        Durability durability) override;
  absl::Status Sync() override { return syncer_.Sync(); }
  absl::StatusOr<Erased> Erase(const CustomerKey& key) override;
  absl::Status ReadLog(uint64_t from,
                       const std::function<bool(const LogEntry&)>& visit) const override {
    return log_.Read(from, visit);
  }
  absl::StatusOr<std::optional<LogEntry>> ReadLogAt(uint64_t position) const override {
    return log_.ReadAt(position);
  }
  absl::Status TrimLog(uint64_t max_bytes) override { return log_.Trim(max_bytes); }
  absl::StatusOr<std::optional<std::string>> GetBlob(std::string_view name) const override {
    return blobs_.Get(name);
  }
  absl::Status PutBlob(std::string_view name, std::string_view bytes) override {
    return blobs_.Put(name, bytes);
  }
  StoreStats Stats() const override;

 private:
  absl::Status InitialiseMeta(const std::optional<HashKey>& id_key);
  uint64_t Property(rocksdb::ColumnFamilyHandle* family, const std::string& name) const;
  uint64_t PropertyOfAll(const std::string& name) const;

  HashKey id_key_{};  // constant after Open
  const std::unique_ptr<rocksdb::DB> db_;
  const ColumnFamilies families_;
  const std::shared_ptr<rocksdb::Statistics> statistics_;
  const std::shared_ptr<StoreListener> listener_;
  StripeEpochs epochs_;
  CommitQueue queue_;
  WalSyncer syncer_;
  EventLog log_;
  BlobStore blobs_;
};

absl::Status RocksDbStore::Open(const std::optional<HashKey>& id_key) {
  std::string format;
  const rocksdb::Status read =
      db_->Get(rocksdb::ReadOptions(), families_.meta, ToSlice(kFormatKey), &format);
  if (read.IsNotFound()) {
    if (db_->GetLatestSequenceNumber() != 0) {
      return absl::FailedPreconditionError(
          "the folder holds a RocksDB database that isn't a store");
    }
    absl::Status initialised = InitialiseMeta(id_key);
    if (!initialised.ok()) return initialised;
  } else if (!read.ok()) {
    return ToAbslStatus(read, "read the format of the store");
  } else {
    if (format.size() != sizeof kFormatVersion) {
      return absl::DataLossError("the format of the store is damaged");
    }
    const auto version = DecodeFixed<uint32_t>(format.data());
    if (version != kFormatVersion) {
      return absl::FailedPreconditionError(
          absl::StrCat("the store has format ", version, ", this program knows format ",
                       kFormatVersion, " only: open it with the program that wrote it"));
    }
  }

  std::string stored_key;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), families_.meta, ToSlice(kIdKeyKey), &stored_key);
  if (!status.ok() && !status.IsNotFound()) {
    return ToAbslStatus(status, "read the key of customer ids");
  }
  if (stored_key.size() != id_key_.size()) {
    return absl::DataLossError("the key of customer ids is missing or damaged");
  }
  std::copy(stored_key.begin(), stored_key.end(), id_key_.begin());

  absl::Status opened = log_.Open();
  if (opened.ok()) opened = blobs_.Open();
  return opened;
}

absl::Status RocksDbStore::InitialiseMeta(const std::optional<HashKey>& id_key) {
  const HashKey key = id_key.has_value() ? *id_key : RandomHashKey();
  absl::Status status = queue_.Write([&](rocksdb::WriteBatch& batch) {
    const rocksdb::Slice version(reinterpret_cast<const char*>(&kFormatVersion),
                                 sizeof kFormatVersion);
    rocksdb::Status put = batch.Put(families_.meta, ToSlice(kFormatKey), version);
    if (put.ok()) put = batch.Put(families_.meta, ToSlice(kIdKeyKey), KeySlice(key));
    return ToAbslStatus(put, "write the format of the store");
  });
  if (status.ok()) status = syncer_.Sync();
  return status;
}

absl::Status RocksDbStore::Load(const CustomerKey& key, Record& record) const {
  record.version = {0, epochs_.Note(key)};  // before the read: see StripeEpochs
  record.found = false;
  // Small values that can't be pinned are copied into the record's own buffer.
  rocksdb::PinnableSlice value(&record.bytes);
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), families_.customers, KeySlice(key), &value);
  if (!status.ok()) {
    record.bytes.clear();
    return status.IsNotFound() ? absl::OkStatus() : ToAbslStatus(status, kReadingRecord);
  }
  const std::optional<uint64_t> version = StoredVersion(ToView(value));
  if (!version.has_value()) {
    record.bytes.clear();
    return absl::DataLossError("a stored record is too short");
  }
  record.found = true;
  record.version.number = *version;
  if (value.IsPinned()) {
    record.bytes.assign(value.data() + kRecordHeaderBytes, value.size() - kRecordHeaderBytes);
  } else {
    record.bytes.erase(0, kRecordHeaderBytes);
  }
  return absl::OkStatus();
}

absl::Status RocksDbStore::LoadMany(absl::Span<const CustomerKey> keys,
                                    absl::Span<Record> records) const {
  for (size_t i = 0; i < keys.size(); ++i) {
    absl::Status status = Load(keys[i], records[i]);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<CommitReceipt> RocksDbStore::Commit(const CustomerCommit& commit,
                                                   Durability durability) {
  absl::Status sizes = CheckSizes(commit);
  if (!sizes.ok()) return sizes;
  absl::StatusOr<CommitReceipt> result = CommitReceipt{};
  queue_.Commit({&commit, 1}, {&result, 1}, durability == Durability::kPower);
  if (durability == Durability::kPower && result.ok()) {
    absl::Status synced = syncer_.Sync();
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
    if (!sizes.ok()) results[i] = sizes;
  }
  // Commits that are too large part the others into runs.
  size_t begin = 0;
  while (begin < commits.size()) {
    if (!results[begin].ok()) {
      ++begin;
      continue;
    }
    size_t end = begin + 1;
    while (end < commits.size() && end - begin < kMaxCommitsPerWrite && results[end].ok()) ++end;
    queue_.Commit(commits.subspan(begin, end - begin),
                  absl::MakeSpan(results).subspan(begin, end - begin), power);
    begin = end;
  }
  if (!power) return results;
  const absl::Status synced = syncer_.Sync();
  if (synced.ok()) return results;
  for (absl::StatusOr<CommitReceipt>& result : results) {
    if (result.ok()) result = synced;
  }
  return results;
}

absl::StatusOr<StateStore::Erased> RocksDbStore::Erase(const CustomerKey& key) {
  // The record first: a decision that is being made with it will be refused, and what is decided
  // from then on is about somebody unknown.
  absl::StatusOr<CommitQueue::ErasedRecord> record = queue_.EraseRecord(key);
  if (!record.ok()) return record.status();
  absl::StatusOr<int64_t> events = log_.EraseEventsOf(key, record->number);
  if (!events.ok()) return events.status();
  absl::Status synced = syncer_.Sync();
  if (!synced.ok()) return synced;
  return Erased{.record = record->found, .events = *events};
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
  StoreStats stats;
  stats.customers_estimate = Property(families_.customers, Properties::kEstimateNumKeys);
  stats.log_entries_estimate = Property(families_.log, Properties::kEstimateNumKeys);
  stats.live_bytes = PropertyOfAll(Properties::kLiveSstFilesSize);
  stats.memtable_bytes = PropertyOfAll(Properties::kSizeAllMemTables);
  stats.block_cache_bytes = Property(families_.customers, Properties::kBlockCacheUsage);
  stats.cache_hits = statistics_->getTickerCount(rocksdb::BLOCK_CACHE_HIT);
  stats.cache_misses = statistics_->getTickerCount(rocksdb::BLOCK_CACHE_MISS);
  stats.compaction_pending_bytes = PropertyOfAll(Properties::kEstimatePendingCompactionBytes);
  stats.written_bytes = statistics_->getTickerCount(rocksdb::WAL_FILE_BYTES) +
                        statistics_->getTickerCount(rocksdb::FLUSH_WRITE_BYTES) +
                        statistics_->getTickerCount(rocksdb::COMPACT_WRITE_BYTES);
  stats.write_stopped =
      listener_->failed() || Property(families_.customers, Properties::kIsWriteStopped) != 0;
  stats.conflicts = queue_.conflicts();
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
  RocksDbSetup setup = MakeRocksDbSetup(options);
  const auto listener = std::make_shared<StoreListener>();
  setup.db.listeners.push_back(listener);
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
  auto store = std::make_unique<RocksDbStore>(
      std::unique_ptr<rocksdb::DB>(db),
      ColumnFamilies{
          .meta = handles[0], .customers = handles[1], .log = handles[2], .blobs = handles[3]},
      setup.db.statistics, listener);
  absl::Status status = store->Open(options.id_key);
  if (!status.ok()) return status;
  return store;
}

}  // namespace attune::storage
