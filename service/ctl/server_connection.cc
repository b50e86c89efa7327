#include "service/ctl/server_connection.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "lib/base/text.h"
#include "service/ctl/json.h"
#include "service/ctl/table.h"

namespace attune::ctl {
namespace {

// A batch answers with up to 10000 refused rows and their reasons.
constexpr int kMaxAnswerBytes = 64 << 20;
constexpr int kFeaturesPerPage = 1000;

constexpr std::array<const char*, 17> kCodeNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

std::string CodeName(grpc::StatusCode code) {
  const auto index = static_cast<size_t>(code);
  return index < kCodeNames.size() ? kCodeNames[index] : absl::StrCat("code ", index);
}

std::string Advice(const grpc::Status& status, const GlobalOptions& options) {
  switch (status.error_code()) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::OUT_OF_RANGE:
      return "Mend the request and try again.";
    case grpc::StatusCode::NOT_FOUND:
      return "Check the id.";
    case grpc::StatusCode::ALREADY_EXISTS:
      return "Use another --request_id for another request.";
    case grpc::StatusCode::ABORTED:
      return "Try again in a moment.";
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return "Make room as it says, or try again in a moment.";
    case grpc::StatusCode::FAILED_PRECONDITION:
      return "Do first what it says.";
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return "Try again, or allow more time with --timeout.";
    case grpc::StatusCode::UNAVAILABLE:
      return absl::StrCat("Is attuned running and reachable at ", Quoted(options.server, 200),
                          "? Name another server with --server, or try again in a moment.");
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::StrCat("Is it attuned that listens at ", Quoted(options.server, 200),
                          ", and of the same version as this attunectl?");
    case grpc::StatusCode::DATA_LOSS:
      return "The server's data are damaged: call whoever runs it.";
    default:
      return "See the log of the server.";
  }
}

// What the server says beyond code and message.
struct Details {
  google::rpc::BadRequest violations;
  std::string retry_after;
  google::rpc::ErrorInfo info;
};

Details DetailsOf(const grpc::Status& status) {
  Details details;
  google::rpc::Status rich;
  if (!rich.ParseFromString(status.error_details())) return details;
  google::rpc::RetryInfo retry;
  for (const google::protobuf::Any& any : rich.details()) {
    if (any.Is<google::rpc::BadRequest>()) {
      google::rpc::BadRequest violations;
      if (any.UnpackTo(&violations)) details.violations.MergeFrom(violations);
    } else if (any.Is<google::rpc::ErrorInfo>()) {
      any.UnpackTo(&details.info);
    } else if (any.Is<google::rpc::RetryInfo>() && any.UnpackTo(&retry)) {
      details.retry_after = google::protobuf::util::TimeUtil::ToString(retry.retry_delay());
    }
  }
  return details;
}

// The message without the violations: it repeats the first of them behind a colon.
std::string Heading(const grpc::Status& status, const Details& details) {
  const std::string& message = status.error_message();
  if (details.violations.field_violations().empty()) return message;
  return absl::StrCat(message.substr(0, message.find(": ")), ":");
}

}  // namespace

ServerConnection::ServerConnection(const GlobalOptions& options) : timeout_(options.timeout) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxAnswerBytes);
  const auto channel =
      grpc::CreateCustomChannel(options.server, grpc::InsecureChannelCredentials(), arguments);
  customers_ = v1::CustomerService::NewStub(channel);
  decisions_ = v1::DecisionService::NewStub(channel);
  models_ = v1::ModelService::NewStub(channel);
  outcomes_ = v1::OutcomeService::NewStub(channel);
  strategies_ = v1::StrategyService::NewStub(channel);
  values_ = v1::ValueService::NewStub(channel);
  generic_ = std::make_unique<grpc::GenericStub>(channel);
}

std::unique_ptr<grpc::ClientContext> ServerConnection::NewContext(absl::Duration default_timeout) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(absl::ToChronoTime(absl::Now() + timeout_.value_or(default_timeout)));
  return context;
}

grpc::Status ServerConnection::ListFeatures(std::vector<v1::Feature>& features,
                                            std::string& strategy_version) {
  v1::CustomerServiceListFeaturesRequest request;
  request.set_page_size(kFeaturesPerPage);
  do {
    v1::CustomerServiceListFeaturesResponse response;
    const auto context = NewContext();
    grpc::Status status = customers_->ListFeatures(context.get(), request, &response);
    if (!status.ok()) return status;
    if (!response.next_page_token().empty() && response.next_page_token() == request.page_token()) {
      return {grpc::StatusCode::INTERNAL, "the server lists the same page of features for ever"};
    }
    for (v1::Feature& feature : *response.mutable_features()) {
      features.push_back(std::move(feature));
    }
    strategy_version = response.strategy_version();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return grpc::Status::OK;
}

Json ErrorJson(const grpc::Status& status, const GlobalOptions& options) {
  const Details details = DetailsOf(status);
  Json error = {{"code", CodeName(status.error_code())}, {"message", status.error_message()}};
  for (const auto& violation : details.violations.field_violations()) {
    error["field_violations"].push_back(
        {{"field", violation.field()}, {"description", violation.description()}});
  }
  if (!details.info.reason().empty()) error["reason"] = details.info.reason();
  for (const auto& [name, value] : details.info.metadata()) error["metadata"][name] = value;
  if (!details.retry_after.empty()) error["retry_after"] = details.retry_after;
  error["advice"] = Advice(status, options);
  return error;
}

int ReportCallError(const Console& console, const GlobalOptions& options,
                    const grpc::Status& status) {
  const Details details = DetailsOf(status);
  console.err << "error: " << CodeName(status.error_code()) << ": "
              << TerminalSafe(Heading(status, details)) << "\n";
  for (const auto& violation : details.violations.field_violations()) {
    console.err << "  " << TerminalSafe(violation.field()) << ": "
                << TerminalSafe(violation.description()) << "\n";
  }
  if (!details.info.reason().empty()) {
    console.err << "  reason: " << TerminalSafe(details.info.reason()) << "\n";
  }
  for (const auto& [name, value] : details.info.metadata()) {
    console.err << "  " << TerminalSafe(name) << ": " << TerminalSafe(value) << "\n";
  }
  if (!details.retry_after.empty()) {
    console.err << "  retry after: " << details.retry_after << "\n";
  }
  console.err << Advice(status, options) << "\n";
  if (options.json) WriteJson(console.out, Json{{"error", ErrorJson(status, options)}});
  return kExitFailure;
}

int ReportError(const Console& console, const GlobalOptions& options, const std::string& message) {
  console.err << "error: " << message << "\n";
  if (options.json) {
    WriteJson(console.out, Json{{"error", {{"code", "LOCAL"}, {"message", message}}}});
  }
  return kExitFailure;
}

}  // namespace attune::ctl
