#include "service/rpc/call.h"

#include <exception>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "service/rpc/event_loop.h"

namespace attune::rpc {
namespace {

bool ParseBytes(grpc::ByteBuffer& bytes, google::protobuf::Message& message) {
  grpc::Slice slice;
  if (bytes.TrySingleSlice(&slice).ok()) {
    return message.ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
  }
  if (bytes.Length() == 0) return message.ParseFromArray(nullptr, 0);
  grpc::ProtoBufferReader reader(&bytes);
  return reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
}

}  // namespace

std::string_view MethodTypeName(MethodType type) {
  switch (type) {
    case MethodType::kUnary:
      return "unary";
    case MethodType::kClientStream:
      return "client_stream";
    case MethodType::kServerStream:
      return "server_stream";
    case MethodType::kBidiStream:
      return "bidi_stream";
  }
  return "unknown";
}

absl::Time CallContext::deadline() const {
  const auto deadline = grpc_context_->deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

std::string CallContext::peer() const { return grpc_context_->peer(); }

Call::Call(CallPool& pool) : pool_(pool), context_(pool.method().info) {
  for (size_t i = 0; i < tags_.size(); ++i) tags_[i] = {this, static_cast<Event>(i)};
}

const Method& Call::method() const { return pool_.method(); }
CallEnvironment& Call::environment() { return pool_.environment(); }

void Call::Arm() {
  server_context_.emplace();
  context_.grpc_context_ = &*server_context_;
  context_.cancelled_.store(false, std::memory_order_relaxed);
  context_.is_second_try_ = false;
  context_.completes_later_ = false;
  if (WatchesCancellation()) server_context_->AsyncNotifyWhenDone(TagOf(Event::kDone));
  Request(&*server_context_, TagOf(Event::kStarted));
}

void Call::OnEvent(Event event, bool ok) {
  if (event == Event::kStarted) {
    if (!ok) {
      pool_.Retire(this);
      return;
    }
    outstanding_ = WatchesCancellation() ? 1 : 0;
    ended_ = false;
    start_time_ = std::chrono::steady_clock::now();
    if (CallObserver* observer = environment().observer) observer->OnStarted(method().info);
    pool_.OnStarted();
    OnStarted();
    return;
  }
  --outstanding_;
  if (event == Event::kRead) OnRead(ok);
  if (event == Event::kWritten) OnWritten(ok);
  if (event == Event::kAnswered) OnAnswered();
  if (event == Event::kDone && server_context_->IsCancelled()) {
    context_.cancelled_.store(true, std::memory_order_relaxed);
  }
  if (outstanding_ > 0) return;
  if (!ended_) End(absl::CancelledError());
  OnRecycled();
  server_context_.reset();
  pool_.Recycle(this);
}

bool Call::DeadlinePassed() const {
  const auto deadline = server_context_->deadline();
  return deadline != std::chrono::system_clock::time_point::max() &&
         deadline <= std::chrono::system_clock::now();
}

Executor& Call::executor() {
  const bool own =
      method().waits_for == WaitsFor::kServers && environment().server_executor != nullptr;
  return own ? *environment().server_executor : *environment().executor;
}

Admission& Call::blocking_calls() {
  return method().waits_for == WaitsFor::kServers ? *environment().server_calls
                                                  : *environment().blocking_calls;
}

RpcStatus Call::TooLate() {
  return absl::DeadlineExceededError("the deadline had passed before the call was looked at");
}

RpcStatus Call::TooManyWait() {
  return RpcStatus::RetryAfter(
      absl::ResourceExhaustedError(
          "too many calls wait for the disk or for another server; try again later"),
      environment().retry_delay);
}

RpcStatus Call::Abandoned() const {
  if (DeadlinePassed()) return TooLate();
  if (context_.cancelled()) return absl::CancelledError("the client is gone");
  return {};
}

grpc::Status Call::End(const RpcStatus& status) {
  ended_ = true;
  const bool cancelled = context_.cancelled();
  if (CallObserver* observer = environment().observer) {
    observer->OnHandled(method().info, cancelled ? absl::StatusCode::kCancelled : status.code(),
                        absl::FromChrono(std::chrono::steady_clock::now() - start_time_));
  }
  if (status.retry_delay() > absl::ZeroDuration()) {
    server_context_->AddTrailingMetadata(
        "grpc-retry-pushback-ms", absl::StrCat(absl::ToInt64Milliseconds(status.retry_delay())));
  }
  return status.ToGrpc();
}

RpcStatus Call::Guarded(absl::FunctionRef<RpcStatus()> body) {
  std::string what = "not a std::exception";
  try {
    return body();
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  if (CallObserver* observer = environment().observer) observer->OnException(method().info, what);
  return absl::InternalError("the handler of this method failed; the server's log says why");
}

RpcStatus Call::Parse(grpc::ByteBuffer& bytes, google::protobuf::Message& request) {
  if (ParseBytes(bytes, request)) return {};
  if (CallObserver* observer = environment().observer) observer->OnMalformed(method().info);
  return absl::InvalidArgumentError(absl::StrCat("the request is not a well-formed ",
                                                 request.GetTypeName(),
                                                 " (Protocol Buffers, strings in UTF-8)"));
}

void Call::Serialize(Reply& reply, grpc::ByteBuffer& bytes) {
  if (reply.has_bytes()) {
    grpc::Slice slice(reply.bytes());
    bytes = grpc::ByteBuffer(&slice, 1);
    return;
  }
  SerializeMessage(reply.message(), bytes);
}

void Call::SerializeMessage(const google::protobuf::Message& message, grpc::ByteBuffer& bytes) {
  grpc::Slice slice(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
  bytes = grpc::ByteBuffer(&slice, 1);
}

RpcStatus Call::Answer(const MessageHandler& handler, grpc::ByteBuffer& request, Scratch& scratch,
                       grpc::ByteBuffer& answer) {
  const absl::Cleanup reset = [&] { scratch.Reset(); };
  return Guarded([&]() -> RpcStatus {
    google::protobuf::Message* message = method().request->New(&scratch.arena());
    RpcStatus status = Parse(request, *message);
    if (!status.ok()) return status;
    Reply reply(*method().response, scratch.arena(), scratch.bytes());
    status = handler(context_, *message, reply);
    if (status.ok()) Serialize(reply, answer);
    return status;
  });
}

CallPool::~CallPool() = default;

void CallPool::Arm() {
  while (!closed_ && waiting_ < method_.waiting_calls) {
    if (spare_.empty()) spare_.push_back(method_.new_call(*this));
    Call* call = spare_.back().release();  // the completion queue owns it now
    spare_.pop_back();
    ++waiting_;
    loop_.OnCallOut();
    call->Arm();
  }
}

void CallPool::OnStarted() {
  --waiting_;
  Arm();
}

void CallPool::Recycle(Call* call) {
  loop_.OnCallBack();
  std::unique_ptr<Call> owned(call);
  if (spare_.size() < static_cast<size_t>(method_.waiting_calls))
    spare_.push_back(std::move(owned));
}

void CallPool::Retire(Call* call) {
  closed_ = true;
  --waiting_;
  loop_.OnCallBack();
  delete call;
}

}  // namespace attune::rpc
