#ifndef ATTUNE_LIB_DECISION_SHADOW_PREDICTIONS_H_
#define ATTUNE_LIB_DECISION_SHADOW_PREDICTIONS_H_

#include <vector>

#include "lib/decision/decision_pipeline.h"
#include "lib/scoring/model.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

// What an adaptive model in mode shadow says of a ranked treatment, for which another one served.
struct ShadowPrediction {
  int scored = 0;         // index into ScoredCandidates::scored
  int model = 0;          // index into ModelSet::models
  double propensity = 0;  // 0 … 1
};

// Memory that predicting takes, reused from decision to decision.
struct ShadowScratch {
  std::vector<int> treatments;
  std::vector<double> propensity;
  std::vector<double> deviation;
  scoring::ModelScratch models;
};

// Asks each adaptive model in mode shadow for the ranked treatments that it learns from, on what
// the models that served saw: models in the order of the strategy, treatments of one by channel,
// then best first. `shadows` is overwritten; it has at most one for each ranked treatment. Does
// nothing where the strategy has no such model, and allocates nothing once `scratch` is warm.
// REQUIRES: the result was made with the strategy, and what its models had learned is still there.
void PredictShadows(const strategy::Strategy& strategy, const PipelineResult& result,
                    ShadowScratch& scratch, std::vector<ShadowPrediction>& shadows);

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_SHADOW_PREDICTIONS_H_
