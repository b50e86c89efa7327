#ifndef ATTUNE_LIB_SCORING_LEARNED_MODELS_H_
#define ATTUNE_LIB_SCORING_LEARNED_MODELS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "lib/learning/adaptive_snapshot.h"
#include "lib/learning/success_rates.h"

namespace attune::scoring {

// What the models of a strategy had learned at one moment. Immutable once built,
// thread-safe.
struct LearnedModels {
  // What stands before it in the event log was learned, and nothing else: so whoever reads the log
  // up to there has the same models.
  uint64_t position = 0;
  // By index of the model in the strategy; nullptr: the model is of another kind, or has learned
  // nothing. Of the same inputs as the strategy's model.
  std::vector<std::shared_ptr<const learning::AdaptiveSnapshot>> models;
  // Of all treatments and channels; nullptr: no model of the strategy goes by them.
  std::shared_ptr<const learning::SuccessRates> rates;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_LEARNED_MODELS_H_
