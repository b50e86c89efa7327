#include "service/rpc/health_service.h"

#include "service/rpc/event_loop.h"

namespace attune::rpc {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

void HealthService::Set(std::string_view service, bool serving) {
  MutexLock lock(mutex_);
  if (!shut_down_) serving_.insert_or_assign(std::string(service), serving);
}

void HealthService::ShutDown() {
  MutexLock lock(mutex_);
  shut_down_ = true;
  for (auto& [service, serving] : serving_) serving = false;
}

HealthService::Status HealthService::Get(std::string_view service) const {
  MutexLock lock(mutex_);
  const auto found = serving_.find(service);
  if (found == serving_.end()) return HealthCheckResponse::SERVICE_UNKNOWN;
  return found->second ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

RpcStatus HealthService::Check(const HealthCheckRequest& request,
                               ReplyOf<HealthCheckResponse> reply) const {
  const Status status = Get(request.service());
  if (status == HealthCheckResponse::SERVICE_UNKNOWN) {
    return absl::NotFoundError("the server has no service of this name");
  }
  reply.message().set_status(status);
  return {};
}

void WatchCall::Request(grpc::ServerContext* context, void* tag) {
  writer_.emplace(context);
  method().service->RequestServerStream(method().index_in_service, context, &request_, &*writer_,
                                        pool().loop().queue(), tag);
}

void WatchCall::OnStarted() {
  pool().loop().Link(this);
  admitted_ = health_.watchers().TryEnter();
  if (!admitted_) {
    Finish(RpcStatus::RetryAfter(absl::ResourceExhaustedError("too many watchers"),
                                 environment().retry_delay));
    return;
  }
  HealthCheckRequest request;
  const RpcStatus status = Parse(request_, request);
  if (!status.ok()) {
    Finish(status);
    return;
  }
  service_ = request.service();
  Pump();
}

void WatchCall::OnWritten(bool ok) {
  writing_ = false;
  if (!ok) {
    Finish(absl::CancelledError("the client is gone"));
    return;
  }
  Pump();
}

void WatchCall::Pump() {
  if (writing_ || finishing_) return;
  const HealthService::Status status = health_.Get(service_);
  if (status != sent_) {
    HealthCheckResponse response;
    response.set_status(status);
    const grpc::Slice slice(response.SerializeAsString());
    sent_ = status;
    writing_ = true;
    writer_->Write(grpc::ByteBuffer(&slice, 1), Begin(Event::kWritten));
    return;
  }
  if (environment().drain_phase.load() >= DrainPhase::kDraining) {
    Finish(absl::UnavailableError("the server is shutting down"));
  }
}

void WatchCall::Finish(const RpcStatus& status) {
  if (finishing_) return;
  finishing_ = true;
  writer_->Finish(End(status), Begin(Event::kFinished));
}

void WatchCall::OnRecycled() {
  pool().loop().Unlink(this);
  if (admitted_) health_.watchers().Leave();
  request_.Clear();
  writer_.reset();
  service_.clear();
  sent_.reset();
  admitted_ = writing_ = finishing_ = false;
}

}  // namespace attune::rpc
