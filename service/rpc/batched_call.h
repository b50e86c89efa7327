#ifndef ATTUNE_SERVICE_RPC_BATCHED_CALL_H_
#define ATTUNE_SERVICE_RPC_BATCHED_CALL_H_

#include "service/rpc/batch_queue.h"
#include "service/rpc/unary_call.h"

namespace attune::rpc {

// A unary call that is answered on the executor together with the others of its method that wait,
// unless too many do already.
class BatchedUnaryCall final : public UnaryCall {
 public:
  using UnaryCall::UnaryCall;

 protected:
  void OnStarted() override;
  bool WatchesCancellation() const override { return true; }

 private:
  // Runs batches of a method, one per task, until none is left.
  static void PostBatch(const Method& method, Executor& executor);
  static void RunBatch(const Method& method, Scratch& scratch);
  // Lets the handler answer all calls whose requests can be read.
  static void AnswerBatch(const Method& method, absl::Span<BatchedUnaryCall* const> calls,
                          Scratch& scratch);
  // The last that is done with the call here: it may be another one as soon as gRPC has the answer.
  void EndBatched(const RpcStatus& status, const google::protobuf::Message* response);
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_BATCHED_CALL_H_
