#ifndef ATTUNE_SERVICE_RPC_UNARY_CALL_H_
#define ATTUNE_SERVICE_RPC_UNARY_CALL_H_

#include <optional>

#include "service/rpc/call.h"

namespace attune::rpc {

// A unary call whose handler runs in place: in the very event in which it came. The answer leaves
// at the end of the loop's burst.
class UnaryCall : public Call {
 public:
  using Call::Call;

  // For the loop, after FinishSoon: has the handler left something to before_answers?
  using Call::completes_later;
  // The same: lets the handler answer for a second time.
  void AnswerAgain();
  // Sends the answer that the handler has given. For the loop, once after each FinishSoon.
  void FinishNow();

 protected:
  void Request(grpc::ServerContext* context, void* tag) override;
  void OnStarted() override;
  void OnRecycled() override;
  // The answer is given before a cancellation could be noticed.
  bool WatchesCancellation() const override { return false; }

  // Ends the call. `tag` comes back when gRPC has taken the answer.
  void Finish(const RpcStatus& status, const grpc::ByteBuffer& answer, void* tag);

  grpc::ByteBuffer& request() { return request_; }

 private:
  grpc::ByteBuffer request_;
  // From the handler's return until the answer leaves.
  RpcStatus status_;
  grpc::ByteBuffer answer_;
  void* finish_tag_ = nullptr;
  std::optional<grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>> writer_;
};

// A unary call whose handler may block: it runs on the executor, unless too many do already.
class BlockingUnaryCall final : public UnaryCall {
 public:
  using UnaryCall::UnaryCall;

 protected:
  void OnStarted() override;
  bool WatchesCancellation() const override { return true; }

 private:
  void Run(Scratch& scratch);
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_UNARY_CALL_H_
