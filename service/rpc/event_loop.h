#ifndef ATTUNE_SERVICE_RPC_EVENT_LOOP_H_
#define ATTUNE_SERVICE_RPC_EVENT_LOOP_H_

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "grpcpp/alarm.h"
#include "grpcpp/grpcpp.h"
#include "lib/base/mutex.h"
#include "service/rpc/call.h"
#include "service/rpc/scratch.h"

namespace attune::rpc {

class UnaryCall;

// One completion queue and the one thread that polls it and does the work in place. What does not
// say otherwise is called on that thread.
//
// Unary calls that came together are answered together: first the work of all, then their answers
// one right after the other, so that gRPC's writes and the client's wake-ups are shared. A burst
// ends as soon as no further event has come, so no answer ever waits for a call to come.
class EventLoop {
 public:
  EventLoop(std::unique_ptr<grpc::ServerCompletionQueue> queue, int index);
  // REQUIRES: Stop() was called if Start() was.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Makes calls of these methods wait for requests and starts the thread. Once, before anything
  // else, on any thread.
  void Start(const std::vector<std::unique_ptr<Method>>& methods, CallEnvironment& environment);

  // Calls OnWake of every linked call soon. Thread-safe.
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);
  // Moves the drain to kEndingStreams at that time. Once. Thread-safe.
  void EndStreamsAt(absl::Time time) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until every call has come back and joins the thread. Once, on any other thread.
  // REQUIRES: the gRPC server is shut down, so that no call stays out for ever.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::ServerCompletionQueue* queue() { return queue_.get(); }
  Scratch& scratch() { return scratch_; }

  // Calls that want to be woken.
  void Link(Call* call) { linked_.insert(call); }
  void Unlink(Call* call) { linked_.erase(call); }

  // Calls FinishNow of the call at the end of the burst that is under way, which it may begin.
  // REQUIRES: an operation of the call has begun, so that it counts as out until then.
  void FinishSoon(UnaryCall* call);

  // Count the calls that gRPC, or somebody who works for them, holds.
  void OnCallOut() { ++calls_out_; }
  void OnCallBack() { --calls_out_; }

 private:
  // What a burst takes at most: calls, and time from its first answer to the last look for another
  // call, so that no answer is kept back long by calls that take long.
  static constexpr size_t kMaxBurst = 8;
  static constexpr std::chrono::microseconds kMaxBurstTime{250};

  void Run();
  void OnEvent(void* tag, bool ok);
  // Whether one more call may be looked at before the answers leave.
  bool BurstGoesOn() const;
  void FinishBurst();
  void OnAlarm(const void* tag) ABSL_LOCKS_EXCLUDED(mutex_);
  void CloseQueue() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  const std::string name_;
  std::thread thread_;

  // Of the polling thread.
  Scratch scratch_;
  std::vector<std::unique_ptr<CallPool>> pools_;
  absl::flat_hash_set<Call*> linked_;
  int calls_out_ = 0;
  std::vector<UnaryCall*> burst_;  // calls whose answers have not left
  std::chrono::steady_clock::time_point burst_start_;

  CallEnvironment* environment_ = nullptr;  // set by Start
  // What comes out of the queue that is no event of a call.
  Call::Tag wake_tag_;
  Call::Tag end_streams_tag_;
  std::atomic<bool> stopping_ = false;

  Mutex mutex_;
  bool queue_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool wake_pending_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Alarm wake_ ABSL_GUARDED_BY(mutex_);
  grpc::Alarm end_streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_EVENT_LOOP_H_
