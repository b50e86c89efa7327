#include "service/health_check.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"

namespace attune::service {
namespace {

// grpc.health.v1.HealthCheckResponse{status: SERVING}: Debian ships no header for the message.
constexpr char kServing[] = "\x08\x01";

}  // namespace

absl::Status CheckHealth(const std::string& address, absl::Duration timeout) {
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  grpc::CompletionQueue queue;
  const grpc::ByteBuffer request(nullptr, 0);  // HealthCheckRequest{}: the server as a whole
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) {
    return absl::UnavailableError(absl::StrCat(address, ": ", status.error_message()));
  }
  grpc::Slice slice;
  if (!response.DumpToSingleSlice(&slice).ok() ||
      std::string(reinterpret_cast<const char*>(slice.begin()), slice.size()) != kServing) {
    return absl::UnavailableError(absl::StrCat(address, ": NOT_SERVING"));
  }
  return absl::OkStatus();
}

}  // namespace attune::service
