#ifndef ATTUNE_TESTS_INTEGRATION_CRASH_TARGET_H_
#define ATTUNE_TESTS_INTEGRATION_CRASH_TARGET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "lib/base/mutex.h"
#include "tests/integration/client.h"

namespace attune::crash {

// Where clients find the server, which comes and goes and has another port each time. Thread-safe.
class Target {
 public:
  // There is a server: for all who wait and all who come.
  void Publish(std::shared_ptr<const service::Client> client) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    client_ = std::move(client);
    changed_.NotifyAll();
  }
  // There is none until the next one is published.
  void Withdraw() ABSL_LOCKS_EXCLUDED(mutex_) { Publish(nullptr); }
  // There will be none any more.
  void GiveUp() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    client_ = nullptr;
    given_up_ = true;
    changed_.NotifyAll();
  }
  // Waits for a server; nullptr: there will be none. It may be dead by the time that it is used.
  std::shared_ptr<const service::Client> Await() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    while (client_ == nullptr && !given_up_) changed_.Wait(mutex_);
    return client_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::shared_ptr<const service::Client> client_ ABSL_GUARDED_BY(mutex_);
  bool given_up_ ABSL_GUARDED_BY(mutex_) = false;
};

// What went wrong, counted; the first ones in words. Thread-safe.
class Problems {
 public:
  // So many are kept in words.
  static constexpr size_t kMaxKept = 20;

  void Add(std::string problem) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    ++count_;
    if (kept_.size() < kMaxKept) kept_.push_back(std::move(problem));
  }
  uint64_t count() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return count_;
  }
  std::vector<std::string> kept() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return kept_;
  }

 private:
  mutable Mutex mutex_;
  uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace attune::crash

#endif  // ATTUNE_TESTS_INTEGRATION_CRASH_TARGET_H_
