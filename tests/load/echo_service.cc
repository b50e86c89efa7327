#include "tests/load/echo_service.h"

#include <string>

#include "tests/load/stream_codec.h"

namespace attune::load {

namespace pb = attune::v1;

void AddEcho(const pb::DecideResponse& answer, rpc::RpcServer& server) {
  server.AddUnary<pb::DecideRequest, pb::DecideResponse>(
      "/attune.v1.DecisionService/Decide", [&answer](rpc::CallContext&, const pb::DecideRequest&,
                                                     rpc::ReplyOf<pb::DecideResponse> reply) {
        answer.AppendToString(&reply.bytes());
        return rpc::RpcStatus();
      });
  server.AddBidiStream<pb::DecideStreamRequest, pb::DecideStreamResponse>(
      "/attune.v1.DecisionService/DecideStream",
      [&answer](rpc::CallContext&, const pb::DecideStreamRequest& request,
                rpc::ReplyOf<pb::DecideStreamResponse> reply) {
        thread_local std::string bytes;  // kept for its capacity
        answer.SerializeToString(&bytes);
        AppendStreamResponse(request.correlation_id(), bytes, reply.bytes());
        return rpc::RpcStatus();
      });
}

}  // namespace attune::load
