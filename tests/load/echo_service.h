#ifndef ATTUNE_TESTS_LOAD_ECHO_SERVICE_H_
#define ATTUNE_TESTS_LOAD_ECHO_SERVICE_H_

#include "attune/v1/decision_service.pb.h"
#include "service/rpc/rpc_server.h"

namespace attune::load {

// Adds Decide and DecideStream that always give the same answer: a request is
// received and parsed, the answer is serialised and sent, nothing is done in
// between. What is left is what an RPC costs on the engine that attuned uses.
// `answer` outlives the server.
void AddEcho(const attune::v1::DecideResponse& answer, rpc::RpcServer& server);

}  // namespace attune::load

#endif  // ATTUNE_TESTS_LOAD_ECHO_SERVICE_H_
