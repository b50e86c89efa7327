#ifndef ATTUNE_SERVICE_RPC_EXECUTOR_H_
#define ATTUNE_SERVICE_RPC_EXECUTOR_H_

#include <atomic>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "lib/base/mutex.h"
#include "service/rpc/scratch.h"

namespace attune::rpc {

// Threads for handlers that may block: a disk sync on a polling thread would stall every call of
// its queue, health checks too. Tasks run in the order in which they were posted, on whichever
// thread is free. Thread-safe.
//
// The queue itself has no limit: who posts bounds what it posts, see Admission.
class Executor {
 public:
  using Task = std::function<void(Scratch& scratch)>;

  // REQUIRES: threads >= 1.
  explicit Executor(int threads);
  // Runs what is queued, then joins.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // The task must not throw.
  void Post(Task task) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run(int index);

  std::vector<std::thread> threads_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

// Lets in a limited number of holders at a time. Thread-safe, lock-free.
class Admission {
 public:
  explicit Admission(int limit) : free_(limit) {}

  // False: the limit is reached.
  bool TryEnter() {
    if (free_.fetch_sub(1, std::memory_order_acquire) > 0) return true;
    Leave();
    return false;
  }
  void Leave() { free_.fetch_add(1, std::memory_order_release); }

 private:
  std::atomic<int> free_;
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_EXECUTOR_H_
