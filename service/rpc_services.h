#ifndef ATTUNE_SERVICE_RPC_SERVICES_H_
#define ATTUNE_SERVICE_RPC_SERVICES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/telemetry/metrics.h"
#include "service/customer_service.h"
#include "service/decision_service.h"
#include "service/history_service.h"
#include "service/metrics.h"
#include "service/model_service.h"
#include "service/options.h"
#include "service/outcome_service.h"
#include "service/rpc/rpc_server.h"
#include "service/strategy_service.h"
#include "service/value_service.h"

namespace attune::service {

// The gRPC face of the services: which method runs where. Thread-safe.
class RpcServices {
 public:
  // What is served.
  struct Services {
    DecisionService& decisions;
    const CustomerService& customers;
    const HistoryService& histories;
    const OutcomeService& outcomes;
    const StrategyService& strategies;
    const ModelService& models;
    const ValueService& values;
  };
  // Serves. The services must outlive what is returned. UNAVAILABLE: the address can't be listened
  // on.
  static absl::StatusOr<std::unique_ptr<RpcServices>> Start(const Options& options,
                                                            telemetry::Registry& registry,
                                                            const Services& services);

  int port() const { return port_; }

  // Health says NOT_SERVING, `delay` passes, then calls in flight get `timeout` to finish.
  void Drain(absl::Duration delay, absl::Duration timeout);

 private:
  class Observer;

  RpcServices(const Options& options, const Services& services);
  ~RpcServices();
  friend std::default_delete<RpcServices>;

  void AddDecisionMethods(DecisionService& decisions);
  void AddCustomerMethods(const CustomerService& customers);
  void AddHistoryMethods(const HistoryService& histories);
  void AddOutcomeMethods(const OutcomeService& outcomes);
  void AddStrategyMethods(const StrategyService& strategies);
  void AddModelMethods(const ModelService& models);
  void AddValueMethods(const ValueService& values);

  // In this order: the observer must outlive the server.
  std::unique_ptr<Observer> observer_;
  rpc::RpcServer server_;
  int port_ = 0;
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_RPC_SERVICES_H_
