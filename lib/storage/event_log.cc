#include "lib/storage/event_log.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/storage/rocksdb_format.h"
#include "lib/storage/rocksdb_status.h"
#include "rocksdb/convenience.h"

namespace attune::storage {
namespace {

constexpr uint64_t kEndOfLog = std::numeric_limits<uint64_t>::max();
constexpr size_t kScanReadahead = 1 << 20;
constexpr size_t kErasePerWrite = 256;

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

absl::Status Decode(uint64_t position, std::string_view value, LogEntry& entry) {
  if (value.size() < kEventHeaderBytes) return DamagedEvent(position);
  entry.position = position;
  entry.type = static_cast<EventType>(value[0]);
  std::copy_n(value.data() + 1, entry.customer.size(),
              reinterpret_cast<char*>(entry.customer.data()));
  entry.payload.assign(value.substr(kEventHeaderBytes));
  return absl::OkStatus();
}

}  // namespace

EventLog::EventLog(rocksdb::DB* db, const ColumnFamilies& families, CommitQueue* queue,
                   WalSyncer* syncer)
    : db_(db), families_(families), queue_(queue), syncer_(syncer) {}

absl::Status EventLog::Open() {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), families_.meta, ToSlice(kLogStartKey), &value);
  if (status.IsNotFound()) return absl::OkStatus();
  if (!status.ok()) return ToAbslStatus(status, "read the start of the log");
  if (value.size() != sizeof(uint64_t))
    return absl::DataLossError("the start of the log is damaged");
  start_ = DecodeFixed<uint64_t>(value.data());
  return absl::OkStatus();
}

absl::Status EventLog::Read(uint64_t from,
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
    const uint64_t position = DecodeBigEndian<uint64_t>(it->key().data());
    absl::Status decoded = Decode(position, ToView(it->value()), entry);
    if (!decoded.ok()) return decoded;
    if (!visit(entry)) return absl::OkStatus();
  }
  return ToAbslStatus(it->status(), "read the log");
}

absl::StatusOr<std::optional<LogEntry>> EventLog::ReadAt(uint64_t position) const {
  if (position < start_.load()) return std::nullopt;
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), families_.log, KeyView(LogKey(position)), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return ToAbslStatus(status, "read an event");
  LogEntry entry;
  absl::Status decoded = Decode(position, ToView(value), entry);
  if (!decoded.ok()) return decoded;
  return entry;
}

absl::StatusOr<int64_t> EventLog::EraseEventsOf(const CustomerKey& key, uint64_t last) {
  const auto erase = [&](std::vector<std::array<char, 8>>& keys) {
    if (keys.empty()) return absl::OkStatus();
    absl::Status status = queue_->Write([&](rocksdb::WriteBatch& batch) {
      for (const auto& log_key : keys) {
        const rocksdb::Status deleted = batch.Delete(families_.log, KeyView(log_key));
        if (!deleted.ok()) return ToAbslStatus(deleted, "erase an event");
      }
      return absl::OkStatus();
    });
    keys.clear();
    return status;
  };

  int64_t erased = 0;
  std::vector<std::array<char, 8>> keys;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(ScanOptions(), families_.log));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const uint64_t position = DecodeBigEndian<uint64_t>(it->key().data());
    if (position > last) break;
    const std::string_view value = ToView(it->value());
    if (value.size() < kEventHeaderBytes) return DamagedEvent(position);
    if (!IsEventOf(value, key)) continue;
    keys.push_back(LogKey(position));
    ++erased;
    if (keys.size() < kErasePerWrite) continue;
    absl::Status status = erase(keys);
    if (!status.ok()) return status;
  }
  if (!it->status().ok()) return ToAbslStatus(it->status(), "read the log");
  absl::Status status = erase(keys);
  if (!status.ok()) return status;
  return erased;
}

absl::Status EventLog::Trim(uint64_t max_bytes) {
  absl::MutexLock lock(&trim_mutex_);
  absl::StatusOr<uint64_t> bytes = EstimateBytes(start_, kEndOfLog);
  if (!bytes.ok()) return bytes.status();
  if (*bytes <= max_bytes) return absl::OkStatus();

  // Sizes are exact in files only, and what is in memory is small beside any sensible limit: it is
  // brought into a file only where the cut would fall into it.
  uint64_t in_memory = 0;
  db_->GetIntProperty(families_.log, rocksdb::DB::Properties::kSizeAllMemTables, &in_memory);
  if (in_memory >= max_bytes) {
    const rocksdb::Status flushed = db_->Flush(rocksdb::FlushOptions(), families_.log);
    if (!flushed.ok()) return ToAbslStatus(flushed, "write the log's newest events to a file");
  }

  absl::StatusOr<uint64_t> start = FindStart(max_bytes);
  if (!start.ok()) return start.status();
  if (*start <= start_) return absl::OkStatus();
  absl::Status moved = MoveStart(*start);
  if (!moved.ok()) return moved;

  const std::array<char, 8> limit_key = LogKey(*start);
  const rocksdb::Slice limit = KeyView(limit_key);
  return ToAbslStatus(rocksdb::DeleteFilesInRange(db_, families_.log, nullptr, &limit,
                                                  /*include_end=*/false),
                      "drop files of the log");
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
    absl::StatusOr<uint64_t> bytes = EstimateBytes(middle, kEndOfLog);
    if (!bytes.ok()) return bytes.status();
    if (*bytes <= max_bytes) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  // From the middle of a gap back to the event before it, so that whoever has read everything that
  // is dropped can go on right behind it.
  it->SeekForPrev(KeyView(LogKey(low == 0 ? 0 : low - 1)));
  if (!it->status().ok()) return ToAbslStatus(it->status(), "read the log");
  return it->Valid() ? DecodeBigEndian<uint64_t>(it->key().data()) + 1 : start_.load();
}

// The start survives power loss before anything is dropped, and readers know it before: nobody
// takes a gap for the absence of events.
absl::Status EventLog::MoveStart(uint64_t start) {
  absl::Status status = queue_->Write([&](rocksdb::WriteBatch& batch) {
    const rocksdb::Slice value(reinterpret_cast<const char*>(&start), sizeof start);
    return ToAbslStatus(batch.Put(families_.meta, ToSlice(kLogStartKey), value),
                        "write the start of the log");
  });
  if (status.ok()) status = syncer_->Sync();
  if (status.ok()) start_ = start;
  return status;
}

absl::StatusOr<uint64_t> EventLog::EstimateBytes(uint64_t from, uint64_t to) const {
  const std::array<char, 8> from_key = LogKey(from);
  const std::array<char, 8> to_key = LogKey(to);
  const rocksdb::Range range(KeyView(from_key), KeyView(to_key));
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  options.include_files = true;
  uint64_t bytes = 0;
  const rocksdb::Status status =
      db_->GetApproximateSizes(options, families_.log, &range, 1, &bytes);
  if (!status.ok()) return ToAbslStatus(status, "estimate the size of the log");
  return bytes;
}

}  // namespace attune::storage
