#ifndef ATTUNE_SERVICE_INFERENCE_INFERENCE_CLIENT_H_
#define ATTUNE_SERVICE_INFERENCE_INFERENCE_CLIENT_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "lib/scoring/remote_scorer.h"

namespace attune::service {

// Calls a server of the Open Inference Protocol v2 (proto/inference/grpc_service.proto) over a pool
// of connections, on which calls take turns. Where a server can't be reached, the next endpoint is
// asked while there is time. A connection that breaks is made anew when a call failed on it or
// comes to it, with up to a second between attempts. Answers are at most 4 MiB long. Without TLS:
// the servers belong into the same trusted network.
//
// Ask waits on the thread that calls it, until the deadline at most.
std::unique_ptr<scoring::RemoteTransport> ConnectToInferenceServer(
    const scoring::RemoteSettings& settings);

// Asks the servers in turn, until one answers, what the model takes and gives, and says in what way
// that is not what the settings say, or that none can be asked within `patience`. Empty: all is
// well, or the server does not tell.
std::string InferenceServerProblem(const scoring::RemoteSettings& settings,
                                   absl::Duration patience);

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_INFERENCE_INFERENCE_CLIENT_H_
