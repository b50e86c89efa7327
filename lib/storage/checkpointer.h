#ifndef ATTUNE_LIB_STORAGE_CHECKPOINTER_H_
#define ATTUNE_LIB_STORAGE_CHECKPOINTER_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "lib/storage/column_families.h"
#include "lib/storage/commit_queue.h"
#include "lib/storage/database_health.h"
#include "lib/storage/event_tail.h"
#include "lib/storage/group_syncer.h"
#include "lib/storage/journal.h"
#include "lib/storage/pacer.h"
#include "lib/storage/record_table.h"
#include "rocksdb/db.h"
#include "rocksdb/options.h"

namespace attune::storage {

// What a checkpoint reads and writes. All must outlive the checkpointer.
struct CheckpointParts {
  rocksdb::DB* db = nullptr;
  const DatabaseHealth* health = nullptr;
  ColumnFamilies families;
  CommitQueue* queue = nullptr;
  Journal* journal = nullptr;
  RecordTable* table = nullptr;
  EventTail* tail = nullptr;
};

// How the files that a checkpoint makes are written, and where.
struct CheckpointFiles {
  rocksdb::Options meta;
  rocksdb::Options customers;
  rocksdb::Options log;
  std::string folder;  // exists; on the file system of the database
};

// Brings what was committed from memory into the database, in a thread of its own: sorted files of
// records and of events, which the database takes over as they are and all at once, together with
// the number at which the journal starts from then on; then the journal's segments are deleted.
// After an error of the database they are written to it like anything else, see DatabaseHealth.
// Thread-safe.
//
// A crash anywhere in between leaves the journal, and what it holds is brought in once more. A
// journal whose end may be lost with the power must not be brought in over a database that is
// further: so nothing is in the database before the floor that tells, unless the journal was
// synced.
class Checkpointer {
 public:
  // Starts the thread.
  Checkpointer(CheckpointParts parts, CheckpointFiles files);
  ~Checkpointer() { Stop(); }
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  // Asks for a checkpoint soon. Cheap. One that fails is tried again after a second, then after
  // two, and so on up to half a minute.
  void Request();

  // Ends the thread; a checkpoint that is under way is finished first. From then on a checkpoint
  // runs only in the thread that calls Checkpoint. May be called again, by one thread at a time.
  void Stop();

  // Returns when everything that was committed before the call is in the database, durably.
  absl::Status Checkpoint();

  // Of the last one; OK: there was none.
  absl::Status last_status() const;

  // Of all files that were made since start.
  uint64_t written_bytes() const { return written_bytes_.load(std::memory_order_relaxed); }

 private:
  void Loop();
  absl::Status CheckpointOnce();
  absl::Status Run();
  // What a checkpoint brings into the database, as key and value in the order of the keys.
  struct Content {
    const RecordTable::DirtyRecords& records;
    const EventChunks& events;
    const std::string& floor;
  };
  using Put =
      absl::FunctionRef<rocksdb::Status(const rocksdb::Slice& key, const rocksdb::Slice& value)>;
  using Delete = absl::FunctionRef<rocksdb::Status(const rocksdb::Slice& key)>;
  rocksdb::Status ForEachRecord(const Content& content, Put put, Delete remove);
  rocksdb::Status ForEachEvent(const Content& content, Put put);

  absl::Status Write(const Content& content, bool journal_synced);
  absl::Status WriteFiles(const Content& content,
                          std::vector<rocksdb::IngestExternalFileArg>& files);
  void DeleteFiles(const std::vector<rocksdb::IngestExternalFileArg>& files);
  // With `in_pieces` not at once: a crash in between leaves a part.
  absl::Status WriteBatches(const Content& content, bool in_pieces);
  absl::Status WaitForCompactions() const;
  bool InAHurry() const { return waiting_ > 0 || stopping_ || parts_.queue->behind(); }

  const CheckpointParts parts_;
  const CheckpointFiles files_;
  GroupSyncer syncer_;
  // Of the one that runs the checkpoint.
  uint64_t file_number_ = 0;
  Pacer pacer_;
  std::atomic<uint64_t> written_bytes_{0};
  std::atomic<int> waiting_{0};  // for a checkpoint to end
  std::atomic<bool> requested_{false};
  std::atomic<bool> stopping_{false};

  mutable absl::Mutex mutex_;
  absl::CondVar wake_;
  absl::Status last_status_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_CHECKPOINTER_H_
