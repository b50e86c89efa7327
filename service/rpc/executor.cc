#include "service/rpc/executor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "service/rpc/thread_name.h"

namespace attune::rpc {

Executor::Executor(int threads) {
  threads_.reserve(threads);
  for (int i = 0; i < threads; ++i) threads_.emplace_back(&Executor::Run, this, i);
}

Executor::~Executor() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

void Executor::Post(Task task) {
  {
    MutexLock lock(mutex_);
    queue_.push_back(std::move(task));
  }
  changed_.NotifyOne();
}

void Executor::Run(int index) {
  SetThreadName(absl::StrCat("rpc-exec-", index));
  Scratch scratch;
  for (;;) {
    Task task;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) changed_.Wait(mutex_);
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task(scratch);
  }
}

}  // namespace attune::rpc
