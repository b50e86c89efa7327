#ifndef ATTUNE_SERVICE_STRATEGY_SERVICE_H_
#define ATTUNE_SERVICE_STRATEGY_SERVICE_H_

#include <memory>

#include "absl/status/status.h"
#include "attune/v1/strategy_service.pb.h"
#include "lib/base/clock.h"
#include "lib/base/violations.h"
#include "lib/evidence/evidence_fold.h"
#include "lib/stops/stop_list.h"
#include "lib/strategy/strategy.h"

namespace attune::service {

// attune.v1.StrategyService without its transport: messages in, messages out. SetStop waits for the
// disk and must not run on a thread that serves decisions; it logs every change. Thread-safe. What
// the methods do and answer: strategy_service.proto.
class StrategyService {
 public:
  struct Options {
    std::shared_ptr<const strategy::Strategy> strategy;
    stops::StopList* stops = nullptr;  // outlives the service
    const Clock* clock = nullptr;      // outlives the service
    // Of the strategy's ramps; outlives the service. nullptr: there are none.
    const evidence::EvidenceFold* evidence = nullptr;
  };
  explicit StrategyService(const Options& options) : options_(options) {}

  absl::Status SetStop(const attune::v1::StrategyServiceSetStopRequest& request,
                       attune::v1::StrategyServiceSetStopResponse* response,
                       Violations& violations) const;
  absl::Status ListStops(const attune::v1::StrategyServiceListStopsRequest& request,
                         attune::v1::StrategyServiceListStopsResponse* response,
                         Violations& violations) const;
  absl::Status ListStopChanges(const attune::v1::StrategyServiceListStopChangesRequest& request,
                               attune::v1::StrategyServiceListStopChangesResponse* response,
                               Violations& violations) const;
  absl::Status ListRamps(const attune::v1::StrategyServiceListRampsRequest& request,
                         attune::v1::StrategyServiceListRampsResponse* response,
                         Violations& violations) const;

 private:
  // Reads what is to be switched.
  stops::Target ReadTarget(const attune::v1::StrategyServiceSetStopRequest& request,
                           Violations& violations) const;

  const Options options_;
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_STRATEGY_SERVICE_H_
