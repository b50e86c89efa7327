#include "service/rpc/event_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "service/rpc/thread_name.h"
#include "service/rpc/unary_call.h"

namespace attune::rpc {

EventLoop::EventLoop(std::unique_ptr<grpc::ServerCompletionQueue> queue, int index)
    : queue_(std::move(queue)), name_(absl::StrCat("rpc-poll-", index)) {}

EventLoop::~EventLoop() {
  if (thread_.joinable()) return;  // a broken precondition: std::thread ends the process
  // Never started: gRPC wants every queue closed and emptied all the same.
  {
    MutexLock lock(mutex_);
    if (queue_closed_) return;
    queue_closed_ = true;
  }
  queue_->Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
  }
}

void EventLoop::Start(const std::vector<std::unique_ptr<Method>>& methods,
                      CallEnvironment& environment) {
  environment_ = &environment;
  for (const auto& method : methods) {
    pools_.push_back(std::make_unique<CallPool>(*method, *this, environment));
    pools_.back()->Arm();
  }
  thread_ = std::thread(&EventLoop::Run, this);
}

void EventLoop::Wake() {
  MutexLock lock(mutex_);
  if (queue_closed_ || wake_pending_) return;
  wake_pending_ = true;
  wake_.Set(queue_.get(), gpr_time_0(GPR_CLOCK_REALTIME), &wake_tag_);
}

void EventLoop::EndStreamsAt(absl::Time time) {
  MutexLock lock(mutex_);
  if (!queue_closed_) end_streams_.Set(queue_.get(), absl::ToChronoTime(time), &end_streams_tag_);
}

void EventLoop::Stop() {
  stopping_.store(true);
  Wake();
  thread_.join();
}

void EventLoop::Run() {
  SetThreadName(name_);
  void* tag = nullptr;
  bool ok = false;
  while (true) {
    if (burst_.empty()) {
      if (!queue_->Next(&tag, &ok)) return;
      OnEvent(tag, ok);
      continue;
    }
    // A time that is past: takes what has come and waits for nothing. The queue can't have ended:
    // the calls of the burst are out.
    const bool has_come =
        BurstGoesOn() && queue_->AsyncNext(&tag, &ok, gpr_time_0(GPR_CLOCK_MONOTONIC)) ==
                             grpc::CompletionQueue::GOT_EVENT;
    if (has_come) {
      OnEvent(tag, ok);
    } else {
      FinishBurst();
    }
  }
}

void EventLoop::FinishSoon(UnaryCall* call) {
  if (burst_.empty()) burst_start_ = std::chrono::steady_clock::now();
  burst_.push_back(call);
}

bool EventLoop::BurstGoesOn() const {
  return burst_.size() < kMaxBurst &&
         std::chrono::steady_clock::now() - burst_start_ < kMaxBurstTime;
}

void EventLoop::FinishBurst() {
  const auto& before_answers = environment_->before_answers;
  const bool is_to_complete =
      before_answers && std::any_of(burst_.begin(), burst_.end(),
                                    [](const UnaryCall* call) { return call->completes_later(); });
  if (is_to_complete && !before_answers().ok()) {
    for (UnaryCall* call : burst_) {
      if (call->completes_later()) call->AnswerAgain();
    }
  }
  for (UnaryCall* call : burst_) call->FinishNow();
  burst_.clear();
}

void EventLoop::OnEvent(void* tag, bool ok) {
  const Call::Tag event = *static_cast<Call::Tag*>(tag);
  if (event.call != nullptr) {
    event.call->OnEvent(event.event, ok);
  } else {
    OnAlarm(tag);
  }
  if (calls_out_ == 0 && stopping_.load()) CloseQueue();
}

void EventLoop::OnAlarm(const void* tag) {
  if (tag == &wake_tag_) {
    MutexLock lock(mutex_);
    wake_pending_ = false;
  } else {
    environment_->drain_phase = DrainPhase::kEndingStreams;
  }
  for (Call* call : linked_) call->OnWake();
}

void EventLoop::CloseQueue() {
  MutexLock lock(mutex_);
  if (queue_closed_) return;
  queue_closed_ = true;
  // The queue does not end before every alarm has come back.
  end_streams_.Cancel();
  queue_->Shutdown();
}

}  // namespace attune::rpc
