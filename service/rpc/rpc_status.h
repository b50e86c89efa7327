#ifndef ATTUNE_SERVICE_RPC_RPC_STATUS_H_
#define ATTUNE_SERVICE_RPC_RPC_STATUS_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"
#include "lib/base/violations.h"

namespace attune::rpc {

// How a call ends: an absl::Status with the details that the caller's program needs. Costs nothing
// when it is OK. Not thread-safe; copies are cheap.
class RpcStatus {
 public:
  // OK.
  RpcStatus() = default;
  // No details. Implicit, so that a handler can return what a library returned.
  // NOLINTNEXTLINE(google-explicit-constructor)
  RpcStatus(absl::Status status) : status_(std::move(status)) {}

  // INVALID_ARGUMENT with a google.rpc.BadRequest. REQUIRES: !violations.empty().
  static RpcStatus Invalid(Violations violations);

  // `status` with a google.rpc.RetryInfo; clients that retry by themselves wait as long, too
  // (grpc-retry-pushback-ms). REQUIRES: !status.ok().
  static RpcStatus RetryAfter(absl::Status status, absl::Duration delay);

  bool ok() const { return status_.ok(); }
  absl::StatusCode code() const { return status_.code(); }
  const absl::Status& status() const { return status_; }

  // After how long a retry makes sense; zero: nothing is known about that.
  absl::Duration retry_delay() const { return retry_delay_; }

  // For an error that travels in a message: code, message and all details.
  void ToProto(google::rpc::Status& proto) const;

  // For an error that ends a call. Message and details are cut so that they fit in the 8 KiB of
  // trailing metadata that clients accept: a client that gets more reports RESOURCE_EXHAUSTED
  // instead of the error. The message says how many violations there are.
  grpc::Status ToGrpc() const;

 private:
  void FillProto(size_t max_detail_bytes, google::rpc::Status& proto) const;

  absl::Status status_;
  std::shared_ptr<const Violations> violations_;  // null: none
  absl::Duration retry_delay_ = absl::ZeroDuration();
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_RPC_STATUS_H_
