#ifndef ATTUNE_SERVICE_MODEL_HEALTH_ANSWER_H_
#define ATTUNE_SERVICE_MODEL_HEALTH_ANSWER_H_

#include <string_view>
#include <vector>

#include "attune/v1/model_service.pb.h"
#include "lib/strategy/strategy.h"
#include "service/learner.h"

namespace attune::service {

// "online", "shadow", "logging".
std::string_view AdaptiveModeName(strategy::AdaptiveUse::Mode mode);

// Writes how the model of the report with this index does. `rates`: all that the learner has.
// REQUIRES: the report is of this strategy.
void FillModelHealth(const strategy::Strategy& strategy, const LearnerReport& report, size_t model,
                     const std::vector<RateReport>& rates,
                     attune::v1::ModelServiceGetHealthResponse* response);

// Writes what came of a treatment on a channel. REQUIRES: the rate is of this strategy.
void FillRate(const strategy::Strategy& strategy, const RateReport& rate,
              attune::v1::TreatmentRate* out);

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_MODEL_HEALTH_ANSWER_H_
