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
#include "absl/time/time.h"
#include "lib/storage/checkpointer.h"
#include "lib/storage/column_families.h"
#include "lib/storage/event_tail.h"
#include "lib/storage/state_store.h"
#include "rocksdb/db.h"

namespace attune::storage {

// Reads, trims and cleans the log of a store: the newest events are in memory, the others in the
// database. Thread-safe.
//
// Trimming moves the start of the log and drops the files that lie wholly below it. What is left
// below the start is never read as part of the log and goes with the next files, so that trimming
// rewrites nothing and leaves no tombstones that readers would have to skip.
//
// Erased events are hidden at once; their bytes leave the files later, see
// RocksDbOptions::erasure_seconds.
class EventLog {
 public:
  // Everything passed must outlive the log. What marks events as removed is written to a file, with
  // which they can leave the others, at most once in `flush_every`.
  EventLog(rocksdb::DB* db, const ColumnFamilies& families, EventTail* tail,
           Checkpointer* checkpointer, absl::Duration flush_every);

  // Reads where the log starts. Call once, before the others.
  absl::Status Open();

  // See StateStore.
  absl::Status Read(uint64_t from, const std::function<bool(const LogEntry&)>& visit) const;
  absl::StatusOr<std::optional<LogEntry>> ReadAt(uint64_t position) const;
  absl::Status Trim(uint64_t max_bytes);
  absl::Status TrimBefore(uint64_t position);

  // Every event below was dropped.
  uint64_t start() const { return start_.load(); }
  // Bytes of the log, in the database and in memory; 0 as well when the database can't tell.
  uint64_t bytes() const;

  // Removes the customer's events at positions below `limit` from the database, those below the
  // start as well, and returns when that survives power loss, with how many there were.
  // REQUIRES: a checkpoint has brought them there.
  absl::StatusOr<int64_t> EraseEventsOf(const CustomerKey& key, uint64_t limit);

 private:
  // Visits those in the database from `from` on and below `limit`; returns whether to go on.
  absl::StatusOr<bool> ReadStored(uint64_t from, uint64_t limit,
                                  const std::function<bool(const LogEntry&)>& visit) const;
  // Bytes of the events in the database from position `from` on, estimated.
  absl::StatusOr<uint64_t> EstimateBytes(uint64_t from) const;
  // The smallest start that leaves at most max_bytes in the database.
  absl::StatusOr<uint64_t> FindStart(uint64_t max_bytes) const;
  absl::Status MoveStart(uint64_t start);
  // Drops what is below, if the log does not start there or later already.
  absl::Status DropBelow(uint64_t start) ABSL_EXCLUSIVE_LOCKS_REQUIRED(trim_mutex_);
  absl::Status FlushErased() ABSL_EXCLUSIVE_LOCKS_REQUIRED(trim_mutex_);

  rocksdb::DB* const db_;
  const ColumnFamilies families_;
  EventTail* const tail_;
  Checkpointer* const checkpointer_;
  const absl::Duration flush_every_;
  std::atomic<bool> erased_{false};  // something, since the last flush

  absl::Mutex trim_mutex_;  // one trim at a time
  absl::Time flushed_ ABSL_GUARDED_BY(trim_mutex_) = absl::InfinitePast();
  // Every event below was dropped. Moved on before the events are dropped.
  std::atomic<uint64_t> start_{0};
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_EVENT_LOG_H_
