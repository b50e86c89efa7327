#ifndef ATTUNE_LIB_STORAGE_WAL_SYNCER_H_
#define ATTUNE_LIB_STORAGE_WAL_SYNCER_H_

#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/db.h"

namespace attune::storage {

// Brings the write-ahead log to the disk, once for all who wait. Thread-safe. Writers that don't
// ask for it are not held up.
class WalSyncer {
 public:
  // `db` must outlive the syncer.
  explicit WalSyncer(rocksdb::DB* db) : db_(db) {}

  // Returns when everything that was written before the call survives power loss.
  absl::Status Sync();

 private:
  struct Waiter {
    bool done = false;
    absl::Status status;
  };

  void Lead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  rocksdb::DB* const db_;

  absl::Mutex mutex_;
  absl::CondVar changed_;
  bool syncing_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Waiter*> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_WAL_SYNCER_H_
