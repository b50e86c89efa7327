#include "service/rpc/batch_queue.h"

namespace attune::rpc {

bool BatchQueue::Add(BatchedUnaryCall* call, size_t bytes) {
  MutexLock lock(mutex_);
  waiting_.push_back({call, bytes});
  if (running_ == limits_.max_running) return false;
  ++running_;
  return true;
}

void BatchQueue::Take(std::vector<BatchedUnaryCall*>& calls) {
  calls.clear();
  MutexLock lock(mutex_);
  size_t bytes = 0;
  while (!waiting_.empty() && calls.size() < limits_.max_calls) {
    bytes += waiting_.front().bytes;
    if (bytes > limits_.max_bytes && !calls.empty()) return;
    calls.push_back(waiting_.front().call);
    waiting_.pop_front();
  }
}

bool BatchQueue::Finish() {
  MutexLock lock(mutex_);
  if (!waiting_.empty()) return true;
  --running_;
  return false;
}

}  // namespace attune::rpc
