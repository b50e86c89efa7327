#ifndef ATTUNE_SERVICE_RPC_HEALTH_SERVICE_H_
#define ATTUNE_SERVICE_RPC_HEALTH_SERVICE_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "grpc/health/v1/health.pb.h"
#include "lib/base/mutex.h"
#include "service/rpc/call.h"
#include "service/rpc/executor.h"

namespace attune::rpc {

// What grpc.health.v1.Health answers. Thread-safe.
//
// Why not grpc::EnableDefaultHealthCheckService: it brings gRPC's callback API into the process,
// whose own threads then poll the same connections and take turns with ours. Measured with one
// polling thread and small calls: half the throughput with one call in flight, a fifth to a quarter
// more CPU per call with 8 or 64.
class HealthService {
 public:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  // "" is the whole server. Watchers learn of it when their loop is woken. Ignored after ShutDown.
  void Set(std::string_view service, bool serving) ABSL_LOCKS_EXCLUDED(mutex_);
  // Everything is NOT_SERVING for good.
  void ShutDown() ABSL_LOCKS_EXCLUDED(mutex_);

  // SERVICE_UNKNOWN when there is no such service.
  Status Get(std::string_view service) const ABSL_LOCKS_EXCLUDED(mutex_);

  // The handler of Check.
  RpcStatus Check(const grpc::health::v1::HealthCheckRequest& request,
                  ReplyOf<grpc::health::v1::HealthCheckResponse> reply) const;

  // Bounds the calls of Watch.
  Admission& watchers() { return watchers_; }

 private:
  Admission watchers_{1024};
  mutable Mutex mutex_;
  std::map<std::string, bool, std::less<>> serving_ ABSL_GUARDED_BY(mutex_);
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
};

// A call of Watch: sends the state of one service whenever it has changed. States that come and go
// while a message is being written are left out.
class WatchCall final : public Call {
 public:
  WatchCall(CallPool& pool, HealthService& health) : Call(pool), health_(health) {}

  void OnWake() override { Pump(); }

 protected:
  void Request(grpc::ServerContext* context, void* tag) override;
  void OnStarted() override;
  void OnWritten(bool ok) override;
  void OnRecycled() override;

 private:
  void Pump();
  void Finish(const RpcStatus& status);

  HealthService& health_;
  grpc::ByteBuffer request_;
  std::optional<grpc::ServerAsyncWriter<grpc::ByteBuffer>> writer_;
  std::string service_;
  std::optional<HealthService::Status> sent_;
  bool admitted_ = false;
  bool writing_ = false;
  bool finishing_ = false;
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_HEALTH_SERVICE_H_
