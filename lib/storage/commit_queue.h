#ifndef ATTUNE_LIB_STORAGE_COMMIT_QUEUE_H_
#define ATTUNE_LIB_STORAGE_COMMIT_QUEUE_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "lib/storage/state_store.h"
#include "lib/storage/stripe_epochs.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace attune::storage {

// The column families of a store; see rocksdb_format.h. Owned by whoever opened the database.
struct ColumnFamilies {
  rocksdb::ColumnFamilyHandle* meta = nullptr;
  rocksdb::ColumnFamilyHandle* customers = nullptr;
  rocksdb::ColumnFamilyHandle* log = nullptr;
  rocksdb::ColumnFamilyHandle* blobs = nullptr;
};

// The one door through which everything is written. Thread-safe.
//
// Callers line up. The first in the line leads: it takes those that wait behind it, checks the
// versions, writes all of it as one batch and wakes the others. So versions are checked by one
// thread at a time, many callers share one write to the disk, a lone caller pays for two turns of a
// mutex, and the numbers that the database gives to the operations of a batch are known beforehand:
// they are the version numbers and the positions of the log, and become visible in order.
//
// A write never waits for flushes and compactions to catch up: it is refused (back-pressure), and
// those who may wait try again from outside of the line.
class CommitQueue {
 public:
  // What one write takes at most, so that a small one does not wait long behind large ones. A
  // single call may be larger.
  static constexpr size_t kMaxGroupBytes = 128 << 10;

  // `db` and the families must outlive the queue.
  CommitQueue(rocksdb::DB* db, const ColumnFamilies& families, StripeEpochs* epochs);

  // Checks and writes the commits as one batch; results[i] becomes what happened to commits[i].
  // With `may_wait`, back-pressure is waited out, up to kMaxStall.
  // REQUIRES: results.size() == commits.size(); sizes within the limits of the store.
  void Commit(absl::Span<const CustomerCommit> commits,
              absl::Span<absl::StatusOr<CommitReceipt>> results, bool may_wait);

  // Writes what `fill` puts into the batch. `fill` runs while nobody else writes, so it may read
  // what it is about to change; it must be quick, and may be called again after back-pressure,
  // which is waited out. Its error ends the call. The batch must not touch records of customers.
  absl::Status Write(absl::FunctionRef<absl::Status(rocksdb::WriteBatch&)> fill);

  // Removes the customer's record. Returns whether there was one, and the number that this write
  // has: events of the customer at higher positions came later.
  struct ErasedRecord {
    bool found = false;
    uint64_t number = 0;
  };
  absl::StatusOr<ErasedRecord> EraseRecord(const CustomerKey& key);

  // Commits that were refused with ABORTED.
  uint64_t conflicts() const { return conflicts_.load(std::memory_order_relaxed); }
  // Bytes handed to the database, keys and values.
  uint64_t written_bytes() const { return written_bytes_.load(std::memory_order_relaxed); }

 private:
  // A caller in the line: it waits with either commits or `fill`.
  struct Pending {
    absl::Span<const CustomerCommit> commits;
    absl::Span<absl::StatusOr<CommitReceipt>> results;
    const absl::FunctionRef<absl::Status(rocksdb::WriteBatch&)>* fill = nullptr;
    size_t bytes = 0;

    absl::Status status;      // of the write as a whole
    bool stalled = false;     // refused by back-pressure, nothing was written
    bool done = false;        // guarded by mutex_
    Pending* next = nullptr;  // guarded by mutex_
    absl::CondVar turn;
  };
  // A change of a record in the batch that is being built; version 0: removed.
  struct Staged {
    CustomerKey key;
    uint64_t version;
  };

  // Returns when the pending one is done; waits out back-pressure if it may.
  void Run(Pending& pending, bool may_wait);
  // Lines up, leads or follows.
  void Enter(Pending& pending);
  // The last of those behind `first` who fit into one batch with it.
  Pending* LastOfGroup(Pending* first) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The following are called by the leader only.
  void WriteGroup(Pending* first, Pending* last);
  void Stage(Pending& pending);
  absl::StatusOr<CommitReceipt> StageCommit(const CustomerCommit& commit);
  void StagePut(rocksdb::ColumnFamilyHandle* family, const rocksdb::Slice& key,
                absl::Span<const rocksdb::Slice> value);
  void StageRecord(const CustomerKey& key, uint64_t version);
  // The version number of the record, with what is staged; 0: there is none.
  absl::StatusOr<uint64_t> CurrentVersion(const CustomerKey& key);
  // The number of the next operation that is put into the batch.
  uint64_t NextNumber() const { return first_number_ + static_cast<uint64_t>(batch_.Count()); }

  rocksdb::DB* const db_;
  const ColumnFamilies families_;
  StripeEpochs* const epochs_;
  std::atomic<uint64_t> conflicts_{0};
  std::atomic<uint64_t> written_bytes_{0};

  absl::Mutex mutex_;
  Pending* head_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Pending* tail_ ABSL_GUARDED_BY(mutex_) = nullptr;

  // Used by the leader only, kept to be reused; handed on from leader to leader under mutex_.
  rocksdb::WriteBatch batch_;
  rocksdb::Status staging_;  // the first error of building the batch: then it is not written
  uint64_t first_number_ = 0;
  std::vector<Staged> staged_;
  std::vector<uint32_t> begun_stripes_;
  std::string read_buffer_;
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_COMMIT_QUEUE_H_
