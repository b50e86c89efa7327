#include "service/rpc/bidi_call.h"

#include <utility>

#include "service/rpc/event_loop.h"

namespace attune::rpc {

void BidiCall::Request(grpc::ServerContext* context, void* tag) {
  stream_.emplace(context);
  method().service->RequestBidiStream(method().index_in_service, context, &*stream_,
                                      pool().loop().queue(), tag);
}

void BidiCall::OnStarted() {
  pool().loop().Link(this);
  admitted_ = environment().bidi_streams->TryEnter();
  if (!admitted_) {
    EndInput(RpcStatus::RetryAfter(absl::ResourceExhaustedError("too many streams are open"),
                                   environment().retry_delay));
  }
  OnWake();
  Pump();
}

void BidiCall::OnWake() {
  if (environment().drain_phase.load() < method().ends_in) return;
  EndInput(absl::UnavailableError("the server is shutting down; open a new stream"));
  Pump();
}

void BidiCall::OnRead(bool ok) {
  reading_ = false;
  if (!ok) EndInput({});  // the client has sent everything, or is gone
  if (!input_over_ && method().is_blocking) return PostMessage();
  if (!input_over_) AnswerMessage();
  incoming_.Clear();
  Pump();
}

void BidiCall::AnswerMessage() {
  grpc::ByteBuffer answer;
  RpcStatus status = Answer(method().handler, incoming_, pool().loop().scratch(), answer);
  TakeAnswer(std::move(status), answer);
}

void BidiCall::PostMessage() {
  answering_ = true;
  BeginTask();
  executor().Post([this](Scratch& scratch) {
    posted_status_ = Abandoned();
    if (posted_status_.ok()) {
      posted_status_ = Answer(method().handler, incoming_, scratch, posted_answer_);
    }
    // At once: any later time would wait for the next tick of gRPC's timers.
    answered_.Set(pool().loop().queue(), gpr_time_0(GPR_CLOCK_REALTIME), TagOf(Event::kAnswered));
  });
}

void BidiCall::OnAnswered() {
  answering_ = false;
  TakeAnswer(std::exchange(posted_status_, {}), posted_answer_);
  posted_answer_.Clear();
  incoming_.Clear();
  Pump();
}

void BidiCall::TakeAnswer(RpcStatus status, grpc::ByteBuffer& answer) {
  if (!status.ok()) {
    EndInput(std::move(status));
    return;
  }
  answer_bytes_ += answer.Length();
  answers_.emplace_back().Swap(&answer);
}

void BidiCall::EndInput(RpcStatus status) {
  if (input_over_) return;
  input_over_ = true;
  final_status_ = std::move(status);
}

void BidiCall::OnWritten(bool ok) {
  writing_ = false;
  if (!ok) {
    answers_.clear();
    EndInput(absl::CancelledError("the client is gone"));
  }
  Pump();
}

void BidiCall::Pump() {
  if (finishing_) return;
  if (!writing_ && !answers_.empty()) WriteNext();
  if (input_over_ && !writing_ && !answering_) {
    finishing_ = true;
    stream_->Finish(End(final_status_), Begin(Event::kFinished));
    return;
  }
  const bool room = answers_.size() < environment().max_pending_answers &&
                    answer_bytes_ < environment().max_pending_answer_bytes;
  if (!input_over_ && !reading_ && !answering_ && room) {
    reading_ = true;
    stream_->Read(&incoming_, Begin(Event::kRead));
  }
}

void BidiCall::WriteNext() {
  grpc::ByteBuffer answer;
  answer.Swap(&answers_.front());
  answers_.pop_front();
  answer_bytes_ -= answer.Length();
  writing_ = true;
  // With another answer to follow at once, gRPC may put both in one packet.
  grpc::WriteOptions options;
  if (!answers_.empty()) options.set_buffer_hint();
  stream_->Write(answer, options, Begin(Event::kWritten));
}

void BidiCall::OnRecycled() {
  pool().loop().Unlink(this);
  if (admitted_) environment().bidi_streams->Leave();
  stream_.reset();
  incoming_.Clear();
  answers_.clear();
  answer_bytes_ = 0;
  final_status_ = {};
  admitted_ = reading_ = writing_ = answering_ = input_over_ = finishing_ = false;
}

}  // namespace attune::rpc
