#include "service/rpc/rpc_status.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "google/rpc/error_details.pb.h"
#include "lib/base/text.h"

namespace attune::rpc {
namespace {

// With base64, the message twice (grpc-message and in the details) and the rest of the trailers
// this stays below 8 KiB.
constexpr size_t kMaxMessageBytes = 512;
constexpr size_t kMaxDetailBytes = 4608;

// The message as a protobuf string can hold it, cut to kMaxMessageBytes.
std::string PrintableMessage(const absl::Status& status) {
  const std::string_view message(status.message().data(), status.message().size());
  if (!IsValidUtf8(message)) return Quoted(message, kMaxMessageBytes);
  if (message.size() <= kMaxMessageBytes) return std::string(message);
  size_t size = kMaxMessageBytes;
  const auto continues = [&](size_t i) {
    return (static_cast<uint8_t>(message[i]) & 0xC0) == 0x80;
  };
  while (continues(size)) --size;
  return std::string(message.substr(0, size)) + "...";
}

google::rpc::BadRequest ToBadRequest(const Violations& violations, size_t max_bytes) {
  constexpr size_t kBytesPerEntry = 8;  // tags and lengths
  google::rpc::BadRequest proto;
  size_t bytes = 0;
  for (const Violations::Violation& violation : violations.kept()) {
    bytes += violation.field.size() + violation.description.size() + kBytesPerEntry;
    if (bytes > max_bytes) break;
    auto& entry = *proto.add_field_violations();
    entry.set_field(violation.field);
    entry.set_description(violation.description);
  }
  return proto;
}

}  // namespace

RpcStatus RpcStatus::Invalid(Violations violations) {
  RpcStatus result(violations.ToStatus());
  result.violations_ = std::make_shared<const Violations>(std::move(violations));
  return result;
}

RpcStatus RpcStatus::RetryAfter(absl::Status status, absl::Duration delay) {
  RpcStatus result(std::move(status));
  result.retry_delay_ = delay;
  return result;
}

void RpcStatus::FillProto(size_t max_detail_bytes, google::rpc::Status& proto) const {
  proto.set_code(static_cast<int>(status_.code()));
  proto.set_message(PrintableMessage(status_));
  if (violations_ != nullptr) {
    proto.add_details()->PackFrom(ToBadRequest(*violations_, max_detail_bytes));
  }
  if (retry_delay_ > absl::ZeroDuration()) {
    google::rpc::RetryInfo info;
    const int64_t nanos = absl::ToInt64Nanoseconds(retry_delay_);
    info.mutable_retry_delay()->set_seconds(nanos / 1'000'000'000);
    info.mutable_retry_delay()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
    proto.add_details()->PackFrom(info);
  }
}

void RpcStatus::ToProto(google::rpc::Status& proto) const {
  FillProto(std::numeric_limits<size_t>::max(), proto);
}

grpc::Status RpcStatus::ToGrpc() const {
  if (ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status_.code());
  const bool has_details = violations_ != nullptr || retry_delay_ > absl::ZeroDuration();
  if (!has_details) return grpc::Status(code, PrintableMessage(status_));
  google::rpc::Status proto;
  FillProto(kMaxDetailBytes, proto);
  return grpc::Status(code, proto.message(), proto.SerializeAsString());
}

}  // namespace attune::rpc
