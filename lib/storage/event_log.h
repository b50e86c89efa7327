#ifndef ATTUNE_LIB_STORAGE_EVENT_LOG_H_
#define ATTUNE_LIB_STORAGE_EVENT_LOG_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "lib/storage/commit_queue.h"
#include "lib/storage/state_store.h"
#include "lib/storage/wal_syncer.h"
#include "rocksdb/db.h"

namespace attune::storage {

// Reads, trims and cleans the log of a store; events get there by the CommitQueue. Thread-safe.
//
// Trimming moves the start of the log and drops the files that lie wholly below it. What is left
// below the start is never read as part of the log and goes with the next files, so that trimming
// rewrites nothing and leaves no tombstones that readers would have to skip.
class EventLog {
 public:
  // Everything passed must outlive the log.
  EventLog(rocksdb::DB* db, const ColumnFamilies& families, CommitQueue* queue, WalSyncer* syncer);

  // Reads where the log starts. Call once, before the others.
  absl::Status Open();

  // See StateStore.
  absl::Status Read(uint64_t from, const std::function<bool(const LogEntry&)>& visit) const;
  absl::StatusOr<std::optional<LogEntry>> ReadAt(uint64_t position) const;
  absl::Status Trim(uint64_t max_bytes);

  // Removes the customer's events at positions up to `last`, those below the start as well. Returns
  // how many there were.
  absl::StatusOr<int64_t> EraseEventsOf(const CustomerKey& key, uint64_t last);

 private:
  // Bytes of the events at positions in [from, to), estimated.
  absl::StatusOr<uint64_t> EstimateBytes(uint64_t from, uint64_t to) const;
  // The smallest start that leaves at most max_bytes.
  absl::StatusOr<uint64_t> FindStart(uint64_t max_bytes) const;
  absl::Status MoveStart(uint64_t start);

  rocksdb::DB* const db_;
  const ColumnFamilies families_;
  CommitQueue* const queue_;
  WalSyncer* const syncer_;

  absl::Mutex trim_mutex_;  // one trim at a time
  // Every event below was dropped. Moved on before the events are dropped.
  std::atomic<uint64_t> start_{0};
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_EVENT_LOG_H_
