#ifndef ATTUNE_SERVICE_OUTCOME_METRICS_H_
#define ATTUNE_SERVICE_OUTCOME_METRICS_H_

#include <cstddef>
#include <vector>

#include "lib/outcome/outcome.h"
#include "lib/strategy/strategy.h"
#include "lib/telemetry/metrics.h"

namespace attune::service {

// What the service counts about outcomes that are reported. Every label combination is there from
// the start, with 0. Thread-safe; counting takes no lock.
class OutcomeMetrics {
 public:
  OutcomeMetrics(telemetry::Registry& registry, const strategy::Strategy& strategy);

  // A report that was answered; `outcome` is the index of the strategy's outcome.
  void Count(int outcome, outcome::Source source, outcome::Status status);

 private:
  static size_t SeriesOf(int outcome, outcome::Source source, outcome::Status status);

  std::vector<telemetry::Counter*> reports_;  // by SeriesOf
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_OUTCOME_METRICS_H_
