#ifndef ATTUNE_LIB_STORAGE_GROUP_SYNCER_H_
#define ATTUNE_LIB_STORAGE_GROUP_SYNCER_H_

#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace attune::storage {

// Does a slow thing once for all who wait for it. Thread-safe.
class GroupSyncer {
 public:
  // `sync` brings everything that was done before it was called to the disk.
  explicit GroupSyncer(std::function<absl::Status()> sync) : sync_(std::move(sync)) {}

  // Returns what a call of `sync` returned that began after this call did.
  absl::Status Sync();

 private:
  struct Waiter {
    bool done = false;
    absl::Status status;
  };

  void Lead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::function<absl::Status()> sync_;

  absl::Mutex mutex_;
  absl::CondVar changed_;
  bool syncing_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Waiter*> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_GROUP_SYNCER_H_
