#ifndef ATTUNE_LIB_STORAGE_BATCH_THREAD_H_
#define ATTUNE_LIB_STORAGE_BATCH_THREAD_H_

#include <pthread.h>
#include <sched.h>

namespace attune::storage {

// Makes the calling thread one that works in the background (SCHED_BATCH): when it wakes up it does
// not take the processor from a thread that runs, one that answers calls for example, but waits for
// its turn. Its share of the processors stays that of any other thread, so it can't starve, and
// there is no need to take it back when the work becomes urgent; a lower priority could not be
// taken back without privileges. Best effort: where the system refuses, nothing changes.
inline void RunInBackground() {
  const sched_param no_priority{};
  pthread_setschedparam(pthread_self(), SCHED_BATCH, &no_priority);
}

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_BATCH_THREAD_H_
