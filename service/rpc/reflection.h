#ifndef ATTUNE_SERVICE_RPC_REFLECTION_H_
#define ATTUNE_SERVICE_RPC_REFLECTION_H_

#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "service/rpc/handler.h"

namespace attune::rpc {

// Answers one request of the server reflection protocol out of `pool`; `services` are the full
// names that list_services gives. What is not there is an error_response, never a failed call.
//
// Why not gRPC's reflection plugin: it is installed for every server of the process, and it serves
// with the synchronous API, where every open stream holds a thread of its own.
void AnswerReflection(const google::protobuf::DescriptorPool& pool,
                      const std::vector<std::string>& services,
                      const grpc::reflection::v1alpha::ServerReflectionRequest& request,
                      grpc::reflection::v1alpha::ServerReflectionResponse& response);

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_REFLECTION_H_
