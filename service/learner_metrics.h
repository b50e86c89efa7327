#ifndef ATTUNE_SERVICE_LEARNER_METRICS_H_
#define ATTUNE_SERVICE_LEARNER_METRICS_H_

#include "lib/telemetry/metrics.h"
#include "service/learner.h"

namespace attune::service {

// Exports how learning goes, and how well each adaptive model of the strategy predicts; what is not
// known yet is NaN. The learner is asked once per scrape, and must outlive the registry's last one.
void AddLearnerMetrics(telemetry::Registry& registry, const Learner* learner);

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_LEARNER_METRICS_H_
