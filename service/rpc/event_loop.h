#ifndef ATTUNE_SERVICE_RPC_EVENT_LOOP_H_
#define ATTUNE_SERVICE_RPC_EVENT_LOOP_H_

#include <atomic>
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

// One completion queue and the one thread that polls it and does the work in place. What does not
// say otherwise is called on that thread.
class UnaryCall;

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

  // Calls Finish of the call once the events that have already come are looked at, or a burst is
  // full: answers that leave one after the other wake their client once.
  void FinishSoon(UnaryCall* call) { finished_.push_back(call); }

  // Count the calls that gRPC, or somebody who works for them, holds.
  void OnCallOut() { ++calls_out_; }
  void OnCallBack() { --calls_out_; }

 private:
  static constexpr size_t kMaxBurst = 8;

  void Run();
  void OnEvent(void* tag, bool ok);
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
  std::vector<UnaryCall*> finished_;

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
