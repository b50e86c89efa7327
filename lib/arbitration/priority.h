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

inline Terms TermsOf(const catalog::Treatment& treatment, const Worth& worth, double propensity,
                     double context_weight) {
  return {.propensity = propensity,
          .context_weight = context_weight,
          .value = worth.value,
          .lever = treatment.lever,
          .cost = worth.cost};
}

// What a treatment is worth on the channel of a slot; nullopt: it can't be computed. nullptr: the
// strategy computes no worth, all is written.
inline std::optional<Worth> WorthBy(WorthSource* source, const catalog::Treatment& treatment,
                                    int index, int slot) {
  if (source == nullptr) return Worth{treatment.value, treatment.cost};
  return source->WorthOf(index, slot);
}

// The priority of a treatment on the channel of a slot by the formula of the strategy; nullopt: the
// formula can't tell. nullptr: the strategy has none, the priority is the default one.
inline std::optional<double> PriorityBy(PriorityFormula* formula, const Settings& settings,
                                        int treatment, int slot, const Terms& terms) {
  if (formula == nullptr) return PriorityOf(terms, settings.without);
  return formula->Evaluate(treatment, slot, terms);
}

// What arbitration compares a treatment by. What a formula of the strategy can't tell is not known
// and 0; without a worth there is no priority. One by one, not as optional values, because what is
// copied as a whole waits until each part is written, for every candidate.
struct Rating {
  bool knows_worth = false;
  bool knows_priority = false;
  Worth worth;
  double priority = 0;
};

// That of the treatment with this index on the channel of a slot.
inline Rating RatingOf(const Computed& computed, const Settings& settings,
                       const catalog::Treatment& treatment, int index, int slot, double propensity,
                       double context_weight) {
  Rating rating;
  if (computed.worth == nullptr) {
    rating.worth.value = treatment.value;
    rating.worth.cost = treatment.cost;
  } else if (const auto worth = computed.worth->WorthOf(index, slot)) {
    rating.worth = *worth;
  } else {
    return rating;
  }
  rating.knows_worth = true;
  const Terms terms = TermsOf(treatment, rating.worth, propensity, context_weight);
  if (computed.priority == nullptr) {
    rating.priority = PriorityOf(terms, settings.without);
  } else if (const auto priority = computed.priority->Evaluate(index, slot, terms)) {
    rating.priority = *priority;
  } else {
    return rating;
  }
  rating.knows_priority = true;
  return rating;
}

// Why such a treatment is not ranked by its priority, which may not be known, at all; nullopt: it
// contends.
inline std::optional<candidates::Reason> WhyNoContender(const Settings& settings,
                                                        const catalog::Treatment& treatment,
                                                        double propensity, const Rating& rating) {
  if (treatment.only_as_fallback) return candidates::Reason::kOnlyAsFallback;
  if (treatment.must_show) return std::nullopt;
  if (propensity < settings.min_propensity) return candidates::Reason::kBelowMinPropensity;
  if (!rating.knows_worth) return candidates::Reason::kValueError;
  if (!rating.knows_priority) return candidates::Reason::kPriorityError;
  if (rating.priority < settings.min_priority) return candidates::Reason::kBelowMinPriority;
  return std::nullopt;
}

}  // namespace attune::arbitration

#endif  // ATTUNE_LIB_ARBITRATION_PRIORITY_H_
