#include "lib/storage/group_syncer.h"

namespace attune::storage {

absl::Status GroupSyncer::Sync() {
  Waiter self;
  absl::MutexLock lock(&mutex_);
  waiting_.push_back(&self);
  while (!self.done) {
    if (syncing_) {
      changed_.Wait(&mutex_);
    } else {
      Lead();
    }
  }
  return self.status;
}

// Who comes while the disk is busy may have written too late for this sync and waits for the next.
void GroupSyncer::Lead() {
  std::vector<Waiter*> group;
  group.swap(waiting_);
  syncing_ = true;
  mutex_.Unlock();
  const absl::Status status = sync_();
  mutex_.Lock();
  syncing_ = false;
  for (Waiter* waiter : group) {
    waiter->status = status;
    waiter->done = true;
  }
  changed_.SignalAll();
}

}  // namespace attune::storage
