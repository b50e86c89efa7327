#ifndef ATTUNE_SERVICE_CTL_SERVER_CONNECTION_H_
#define ATTUNE_SERVICE_CTL_SERVER_CONNECTION_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "attune/v1/customer_service.grpc.pb.h"
#include "attune/v1/decision_service.grpc.pb.h"
#include "attune/v1/model_service.grpc.pb.h"
#include "attune/v1/outcome_service.grpc.pb.h"
#include "attune/v1/strategy_service.grpc.pb.h"
#include "attune/v1/value_service.grpc.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "service/ctl/console.h"
#include "service/ctl/json.h"

namespace attune::ctl {

inline constexpr char kDefaultServer[] = "127.0.0.1:7070";
// For one call that answers at once.
inline constexpr absl::Duration kDefaultTimeout = absl::Seconds(5);

// Options that every command takes.
struct GlobalOptions {
  std::string server = kDefaultServer;
  // For each call to the server. Absent: the command's own default.
  std::optional<absl::Duration> timeout;
  bool json = false;
};

// The connection to a server, made with the first call. Thread-safe.
class ServerConnection {
 public:
  explicit ServerConnection(const GlobalOptions& options);

  v1::CustomerService::Stub& customers() { return *customers_; }
  v1::DecisionService::Stub& decisions() { return *decisions_; }
  v1::ModelService::Stub& models() { return *models_; }
  v1::OutcomeService::Stub& outcomes() { return *outcomes_; }
  v1::StrategyService::Stub& strategies() { return *strategies_; }
  v1::ValueService::Stub& values() { return *values_; }
  // For messages that are serialised already.
  grpc::GenericStub& generic() { return *generic_; }

  // The context of one call, with its deadline.
  std::unique_ptr<grpc::ClientContext> NewContext(absl::Duration default_timeout = kDefaultTimeout);

  // Every feature that the active strategy declares, and its version.
  grpc::Status ListFeatures(std::vector<v1::Feature>& features, std::string& strategy_version);

 private:
  const std::optional<absl::Duration> timeout_;
  std::unique_ptr<v1::CustomerService::Stub> customers_;
  std::unique_ptr<v1::DecisionService::Stub> decisions_;
  std::unique_ptr<v1::ModelService::Stub> models_;
  std::unique_ptr<v1::OutcomeService::Stub> outcomes_;
  std::unique_ptr<v1::StrategyService::Stub> strategies_;
  std::unique_ptr<v1::ValueService::Stub> values_;
  std::unique_ptr<grpc::GenericStub> generic_;
};

// Why a call failed, as an object for people and programs.
Json ErrorJson(const grpc::Status& status, const GlobalOptions& options);

// Tells why a call failed: its code and message, each violation of the request, and what to do.
// With --json, an object {"error": ...} goes to `out` as well. Returns kExitFailure.
int ReportCallError(const Console& console, const GlobalOptions& options,
                    const grpc::Status& status);

// The same for what went wrong on this side.
int ReportError(const Console& console, const GlobalOptions& options, const std::string& message);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_SERVER_CONNECTION_H_
