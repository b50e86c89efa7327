#ifndef ATTUNE_LIB_ARBITRATION_PRIORITY_H_
#define ATTUNE_LIB_ARBITRATION_PRIORITY_H_

#include <algorithm>
#include <optional>

#include "absl/types/span.h"
#include "lib/arbitration/arbitration.h"
#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/context_schema.h"

namespace attune::arbitration {

// The context weight of each group for a channel and an intent, by index of the group.
// REQUIRES: `weights` has one place for each group.
inline void WeighGroups(const Settings& settings, int channel, context::IntentIndex intent,
                        absl::Span<double> weights) {
  std::fill(weights.begin(), weights.end(), 0.0);
  for (const ContextWeight& weight : settings.context_weights) {
    if (weight.channels[static_cast<size_t>(channel)] &&
        weight.intents[static_cast<size_t>(intent)]) {
      weights[static_cast<size_t>(weight.group)] += weight.percent;
    }
  }
  for (double& weight : weights) weight = std::max(0.0, 1.0 + weight / 100.0);
}

inline Terms TermsOf(const catalog::Treatment& treatment, double propensity,
                     double context_weight) {
  return {.propensity = propensity,
          .context_weight = context_weight,
          .value = treatment.value,
          .lever = treatment.lever,
          .cost = treatment.cost};
}

// The priority of a treatment on the channel of a slot by the formula of the strategy; nullopt: the
// formula can't tell. nullptr: the strategy has none, the priority is the default one.
inline std::optional<double> PriorityBy(PriorityFormula* formula, const Settings& settings,
                                        int treatment, int slot, const Terms& terms) {
  if (formula == nullptr) return PriorityOf(terms, settings.without);
  return formula->Evaluate(treatment, slot, terms);
}

// Why such a treatment is not ranked by its priority, which may not be known, at all; nullopt: it
// contends.
inline std::optional<candidates::Reason> WhyNoContender(const Settings& settings,
                                                        const catalog::Treatment& treatment,
                                                        double propensity,
                                                        std::optional<double> priority) {
  if (treatment.only_as_fallback) return candidates::Reason::kOnlyAsFallback;
  if (treatment.must_show) return std::nullopt;
  if (propensity < settings.min_propensity) return candidates::Reason::kBelowMinPropensity;
  if (!priority) return candidates::Reason::kPriorityError;
  if (*priority < settings.min_priority) return candidates::Reason::kBelowMinPriority;
  return std::nullopt;
}

}  // namespace attune::arbitration

#endif  // ATTUNE_LIB_ARBITRATION_PRIORITY_H_
