#ifndef ATTUNE_SERVICE_RPC_BATCH_QUEUE_H_
#define ATTUNE_SERVICE_RPC_BATCH_QUEUE_H_

#include <cstddef>
#include <deque>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "lib/base/mutex.h"

namespace attune::rpc {

class BatchedUnaryCall;

// What one batch may take, and how many may be worked on.
struct BatchLimits {
  size_t max_calls = 0;  // > 0
  size_t max_bytes = 0;  // of requests; a single one may be larger
  int max_running = 0;   // batches at a time; > 0
};

// The calls of one method that wait to be answered together, in the order in which they came.
// Whoever is told to runs a batch after the other until there is nothing more to run: so the calls
// that come while others wait for the disk are the next batch, and a lone call waits for nobody.
// Thread-safe. Has no limit of its own: see Admission.
class BatchQueue {
 public:
  explicit BatchQueue(const BatchLimits& limits) : limits_(limits) {}

  // The call, whose request has so many bytes, waits from now on. True: the caller must see to it
  // that a batch is taken and run; as many are running as may otherwise, and one of them goes on.
  bool Add(BatchedUnaryCall* call, size_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  // The calls of the next batch, in `calls`, which may be none. REQUIRES: a batch is to be run.
  void Take(std::vector<BatchedUnaryCall*>& calls) ABSL_LOCKS_EXCLUDED(mutex_);

  // A batch was run. True: another one is to be run in its place.
  bool Finish() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Waiting {
    BatchedUnaryCall* call;
    size_t bytes;
  };

  const BatchLimits limits_;
  Mutex mutex_;
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_BATCH_QUEUE_H_
