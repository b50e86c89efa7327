#ifndef ATTUNE_SERVICE_RPC_METHOD_H_
#define ATTUNE_SERVICE_RPC_METHOD_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace attune::rpc {

enum class MethodType { kUnary, kClientStream, kServerStream, kBidiStream };

// "unary", "client_stream", "server_stream" or "bidi_stream": the values of the label grpc_type.
std::string_view MethodTypeName(MethodType type);

// What a handler that blocks waits for. Each has an executor and a limit of its own.
enum class WaitsFor { kDisk, kServers };

// One method of the server. Immutable while the server lives.
struct MethodInfo {
  int index = 0;  // position in RpcServer::methods(): what an observer indexes its counters by
  std::string service;  // "attune.v1.DecisionService"
  std::string method;   // "Decide"
  MethodType type = MethodType::kUnary;
};

// Is told what becomes of the calls. Thread-safe: calls come from the polling threads and from the
// threads of the executor. They stand on the path of every call: no locks, no allocation.
class CallObserver {
 public:
  virtual ~CallObserver() = default;

  // A call has arrived.
  virtual void OnStarted(const MethodInfo& method) = 0;

  // The answer, or the error, of a call that was started is handed over to gRPC. `duration` begins
  // at OnStarted. A call that the client cancelled or whose connection broke ends as CANCELLED.
  virtual void OnHandled(const MethodInfo& method, absl::StatusCode code,
                         absl::Duration duration) = 0;

  // Bytes of a request that are not a message of the method's type; the call ends with
  // INVALID_ARGUMENT.
  virtual void OnMalformed(const MethodInfo& method) = 0;

  // A handler threw; the call ends with INTERNAL. `what` comes from the exception: log it, do not
  // send it to anybody.
  virtual void OnException(const MethodInfo& method, std::string_view what) = 0;
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_METHOD_H_
