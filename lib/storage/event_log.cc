#include "lib/storage/event_log.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/storage/rocksdb_format.h"
#include "lib/storage/rocksdb_status.h"
#include "rocksdb/convenience.h"

namespace attune::storage {
namespace {

constexpr uint64_t kEndOfLog = std::numeric_limits<uint64_t>::max();
constexpr size_t kScanReadahead = 1 << 20;
constexpr int kErasePerWrite = 1024;

rocksdb::Slice KeyView(const std::array<char, 8>& key) { return {key.data(), key.size()}; }

// Whoever reads the log goes through it once: it must not push the customers out of the cache.
rocksdb::ReadOptions ScanOptions() {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.readahead_size = kScanReadahead;
  return options;
}

absl::Status DamagedEvent(uint64_t position) {
  return absl::DataLossError(
      absl::StrCat("the event at position ", position, " of the log is damaged"));
}

void ToLogEntry(const TailEvent& event, LogEntry& entry) {
  entry.position = event.position;
  entry.customer = event.customer;
  entry.type = event.type;
  entry.payload.assign(event.payload);
}

}  // namespace

EventLog::EventLog(rocksdb::DB* db, const ColumnFamilies& families, EventTail* tail,
                   Checkpointer* checkpointer, absl::Duration flush_every)
    : db_(db),
      families_(families),
      tail_(tail),
      checkpointer_(checkpointer),
      flush_every_(flush_every) {}

absl::Status EventLog::Open() {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), families_.meta, ToSlice(kLogStartKey), &value);
  if (status.IsNotFound()) return absl::OkStatus();
  if (!status.ok()) return ToAbslStatus(status, "read the start of the log");
  if (value.size() != sizeof(uint64_t)) {
    return absl::DataLossError("the start of the log is damaged");
  }
  start_ = DecodeFixed<uint64_t>(value.data());
  return absl::OkStatus();
}

absl::Status EventLog::Read(uint64_t from,
                            const std::function<bool(const LogEntry&)>& visit) const {
  // Memory comes first: what leaves it after this line is held all the same, and what left it
  // before is in the database.
  const EventChunks chunks = tail_->ChunksFrom(from);
  const uint64_t in_memory = chunks.empty() ? kEndOfLog : chunks.front()->first_position();
  if (from == 0 || from < in_memory) {
    absl::StatusOr<bool> go_on = ReadStored(from, in_memory, visit);
    if (!go_on.ok()) return go_on.status();
    if (!*go_on) return absl::OkStatus();
  }
  LogEntry entry;
  for (const auto& chunk : chunks) {
    const bool go_on = chunk->ForEach([&](const TailEvent& event) {
      if (event.position < from) return true;
      ToLogEntry(event, entry);
      return visit(entry);
    });
    if (!go_on) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> EventLog::ReadStored(uint64_t from, uint64_t limit,
                                          const std::function<bool(const LogEntry&)>& visit) const {
  // The iterator comes first: what is trimmed after this line it still sees, and what was trimmed
  // before has moved start_ already.
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(ScanOptions(), families_.log));
  const uint64_t start = start_.load();
  if (from != 0 && from < start) {
    return absl::OutOfRangeError(absl::StrCat("events from position ", from,
                                              " on have left the log by retention; it can be read ",
                                              "from position ", start));
  }
  LogEntry entry;
  for (it->Seek(KeyView(LogKey(std::max(from, start)))); it->Valid(); it->Next()) {
    entry.position = DecodeBigEndian<uint64_t>(it->key().data());
    if (entry.position >= limit) break;
    if (!DecodeEvent(ToView(it->value()), entry)) return DamagedEvent(entry.position);
    if (!visit(entry)) return false;
  }
  if (!it->status().ok()) return ToAbslStatus(it->status(), "read the log");
  return true;
}

absl::StatusOr<std::optional<LogEntry>> EventLog::ReadAt(uint64_t position) const {
  if (position < start_.load()) return std::nullopt;
  LogEntry entry;
  bool found = false;
  for (const auto& chunk : tail_->ChunksFrom(position)) {
    if (chunk->first_position() > position) break;
    chunk->ForEach([&](const TailEvent& event) {
      if (event.position == position) {
        ToLogEntry(event, entry);
        found = true;
      }
      return event.position < position;
    });
  }
  if (found) return entry;
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), families_.log, KeyView(LogKey(position)), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return ToAbslStatus(status, "read an event");
  entry.position = position;
  if (!DecodeEvent(ToView(value), entry)) return DamagedEvent(position);
  return entry;
}

absl::StatusOr<int64_t> EventLog::EraseEventsOf(const CustomerKey& key, uint64_t limit) {
  int64_t erased = 0;
  rocksdb::WriteBatch batch;
  rocksdb::Status written;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(ScanOptions(), families_.log));
  for (it->SeekToFirst(); it->Valid() && written.ok(); it->Next()) {
    const uint64_t position = DecodeBigEndian<uint64_t>(it->key().data());
    if (position >= limit) break;
    const std::string_view value = ToView(it->value());
    if (value.size() < kEventHeaderBytes) return DamagedEvent(position);
    if (!IsEventOf(value, key)) continue;
    ++erased;
    written = batch.Delete(families_.log, it->key());
    if (!written.ok() || batch.Count() < kErasePerWrite) continue;
    written = db_->Write(Durably(), &batch);
    batch.Clear();
  }
  if (!it->status().ok()) return ToAbslStatus(it->status(), "read the log");
  if (written.ok() && batch.Count() > 0) written = db_->Write(Durably(), &batch);
  if (!written.ok()) return ToAbslStatus(written, "erase events");
  if (erased > 0) erased_ = true;
  return erased;
}

absl::Status EventLog::Trim(uint64_t max_bytes) {
  absl::MutexLock lock(&trim_mutex_);
  absl::Status flushed = FlushErased();
  if (!flushed.ok()) return flushed;
  const uint64_t in_memory = tail_->bytes();
  absl::StatusOr<uint64_t> bytes = EstimateBytes(start_);
  if (!bytes.ok()) return bytes.status();
  if (*bytes + in_memory <= max_bytes) return absl::OkStatus();

  // What is in memory is small beside any sensible limit: it is brought into the database only when
  // some of it has to go.
  if (in_memory >= max_bytes) {
    absl::Status status = checkpointer_->Checkpoint();
    if (!status.ok()) return status;
  }
  absl::StatusOr<uint64_t> start =
      FindStart(in_memory >= max_bytes ? max_bytes : max_bytes - in_memory);
  if (!start.ok()) return start.status();
  return DropBelow(*start);
}

absl::Status EventLog::TrimBefore(uint64_t position) {
  absl::MutexLock lock(&trim_mutex_);
  if (position <= start_) return absl::OkStatus();
  // Readers look for the start of the log in the database only.
  const EventChunks in_memory = tail_->ChunksFrom(0);
  if (!in_memory.empty() && in_memory.front()->first_position() < position) {
    absl::Status status = checkpointer_->Checkpoint();
    if (!status.ok()) return status;
  }
  return DropBelow(position);
}

uint64_t EventLog::bytes() const {
  const absl::StatusOr<uint64_t> stored = EstimateBytes(start_);
  return tail_->bytes() + (stored.ok() ? *stored : 0);
}

absl::Status EventLog::DropBelow(uint64_t start) {
  if (start <= start_) return absl::OkStatus();
  absl::Status moved = MoveStart(start);
  if (!moved.ok()) return moved;

  const std::array<char, 8> limit_key = LogKey(start);
  const rocksdb::Slice limit = KeyView(limit_key);
  return ToAbslStatus(rocksdb::DeleteFilesInRange(db_, families_.log, nullptr, &limit,
                                                  /*include_end=*/false),
                      "drop files of the log");
}

absl::Status EventLog::FlushErased() {
  const absl::Time now = absl::Now();
  if (!erased_ || now - flushed_ < flush_every_) return absl::OkStatus();
  erased_ = false;
  flushed_ = now;
  const rocksdb::Status status = db_->Flush(rocksdb::FlushOptions(), families_.log);
  if (!status.ok()) erased_ = true;
  return ToAbslStatus(status, "write which events were erased");
}

absl::StatusOr<uint64_t> EventLog::FindStart(uint64_t max_bytes) const {
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(ScanOptions(), families_.log));
  it->SeekToLast();
  if (!it->Valid()) {
    if (!it->status().ok()) return ToAbslStatus(it->status(), "read the log");
    return start_.load();
  }
  // A bisection over positions: sizes shrink while the start moves up.
  uint64_t low = start_;
  uint64_t high = DecodeBigEndian<uint64_t>(it->key().data()) + 1;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    absl::StatusOr<uint64_t> bytes = EstimateBytes(middle);
    if (!bytes.ok()) return bytes.status();
    if (*bytes <= max_bytes) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  if (low == 0) return 0;
  // From the middle of a gap back to the event before it, so that whoever has read everything that
  // is dropped can go on right behind it.
  it->SeekForPrev(KeyView(LogKey(low - 1)));
  if (!it->status().ok()) return ToAbslStatus(it->status(), "read the log");
  return it->Valid() ? DecodeBigEndian<uint64_t>(it->key().data()) + 1 : start_.load();
}

// The start survives power loss before anything is dropped, and readers know it before: nobody
// takes a gap for the absence of events.
absl::Status EventLog::MoveStart(uint64_t start) {
  const rocksdb::Slice value(reinterpret_cast<const char*>(&start), sizeof start);
  const rocksdb::Status status = db_->Put(Durably(), families_.meta, ToSlice(kLogStartKey), value);
  if (!status.ok()) return ToAbslStatus(status, "write the start of the log");
  start_ = start;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> EventLog::EstimateBytes(uint64_t from) const {
  const std::array<char, 8> from_key = LogKey(from);
  const std::array<char, 8> to_key = LogKey(kEndOfLog);
  const rocksdb::Range range(KeyView(from_key), KeyView(to_key));
  uint64_t bytes = 0;
  const rocksdb::Status status = db_->GetApproximateSizes(rocksdb::SizeApproximationOptions(),
                                                          families_.log, &range, 1, &bytes);
  if (!status.ok()) return ToAbslStatus(status, "estimate the size of the log");
  return bytes;
}

}  // namespace attune::storage
