#include "service/rpc/unary_call.h"

#include "service/rpc/event_loop.h"

namespace attune::rpc {

void UnaryCall::Request(grpc::ServerContext* context, void* tag) {
  writer_.emplace(context);
  method().service->RequestUnary(method().index_in_service, context, &request_, &*writer_,
                                 pool().loop().queue(), tag);
}

void UnaryCall::OnStarted() {
  status_ = DeadlinePassed() ? TooLate()
                             : Answer(method().handler, request_, pool().loop().scratch(), answer_);
  finish_tag_ = Begin(Event::kFinished);
  pool().loop().FinishSoon(this);
}

void UnaryCall::AnswerAgain() {
  answer_.Clear();
  BeginSecondTry();
  status_ = Answer(method().handler, request_, pool().loop().scratch(), answer_);
}

void UnaryCall::FinishNow() { Finish(status_, answer_, finish_tag_); }

void UnaryCall::Finish(const RpcStatus& status, const grpc::ByteBuffer& answer, void* tag) {
  const grpc::Status grpc_status = End(status);
  if (grpc_status.ok()) {
    writer_->Finish(answer, grpc_status, tag);
  } else {
    writer_->FinishWithError(grpc_status, tag);
  }
}

void UnaryCall::OnRecycled() {
  request_.Clear();
  status_ = {};
  answer_.Clear();
  writer_.reset();
}

void BlockingUnaryCall::OnStarted() {
  if (DeadlinePassed()) {
    Finish(TooLate(), {}, Begin(Event::kFinished));
    return;
  }
  if (!blocking_calls().TryEnter()) {
    Finish(TooManyWait(), {}, Begin(Event::kFinished));
    return;
  }
  BeginTask();
  executor().Post([this](Scratch& scratch) { Run(scratch); });
}

void BlockingUnaryCall::Run(Scratch& scratch) {
  grpc::ByteBuffer answer;
  RpcStatus status = Abandoned();
  if (status.ok()) status = Answer(method().handler, request(), scratch, answer);
  blocking_calls().Leave();
  Finish(status, answer, TagOf(Event::kFinished));
}

}  // namespace attune::rpc
