#include "service/rpc/client_stream_call.h"

#include "absl/cleanup/cleanup.h"
#include "service/rpc/event_loop.h"

namespace attune::rpc {

void ClientStreamCall::Request(grpc::ServerContext* context, void* tag) {
  reader_.emplace(context);
  method().service->RequestClientStream(method().index_in_service, context, &*reader_,
                                        pool().loop().queue(), tag);
}

void ClientStreamCall::OnStarted() {
  admitted_ = environment().client_streams->TryEnter();
  if (admitted_) {
    reader_->Read(&incoming_, Begin(Event::kRead));
    return;
  }
  const RpcStatus status = RpcStatus::RetryAfter(
      absl::ResourceExhaustedError("too many streams are open"), environment().retry_delay);
  reader_->FinishWithError(End(status), Begin(Event::kFinished));
}

void ClientStreamCall::OnRead(bool ok) {
  BeginTask();
  environment().executor->Post([this, ok](Scratch& scratch) { Run(ok, scratch); });
}

void ClientStreamCall::Run(bool ok, Scratch& scratch) {
  grpc::ByteBuffer answer;
  const RpcStatus status = Work(ok, scratch, answer);
  incoming_.Clear();
  if (ok && status.ok()) {
    reader_->Read(&incoming_, TagOf(Event::kRead));
    return;
  }
  const grpc::Status grpc_status = End(status);
  if (grpc_status.ok()) {
    reader_->Finish(answer, grpc_status, TagOf(Event::kFinished));
  } else {
    reader_->FinishWithError(grpc_status, TagOf(Event::kFinished));
  }
}

RpcStatus ClientStreamCall::Work(bool ok, Scratch& scratch, grpc::ByteBuffer& answer) {
  MutexLock lock(turn_);
  const absl::Cleanup reset = [&] { scratch.Reset(); };
  RpcStatus status = context().cancelled() ? absl::CancelledError("the client is gone")
                                           : TakeTurn(ok, scratch, answer);
  if (!ok || !status.ok()) stream_.reset();
  return status;
}

RpcStatus ClientStreamCall::TakeTurn(bool ok, Scratch& scratch, grpc::ByteBuffer& answer) {
  return Guarded([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) -> RpcStatus {
    if (stream_ == nullptr) stream_ = method().open_stream(context());
    if (ok) {
      google::protobuf::Message* message = method().request->New(&scratch.arena());
      RpcStatus status = Parse(incoming_, *message);
      return status.ok() ? stream_->OnMessage(context(), *message) : status;
    }
    Reply reply(*method().response, scratch.arena(), scratch.bytes());
    RpcStatus status = stream_->OnDone(context(), reply);
    if (status.ok()) Serialize(reply, answer);
    return status;
  });
}

void ClientStreamCall::OnRecycled() {
  if (admitted_) environment().client_streams->Leave();
  admitted_ = false;
  incoming_.Clear();
  reader_.reset();
}

}  // namespace attune::rpc
