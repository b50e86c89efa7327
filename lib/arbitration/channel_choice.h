#ifndef ATTUNE_LIB_ARBITRATION_CHANNEL_CHOICE_H_
#define ATTUNE_LIB_ARBITRATION_CHANNEL_CHOICE_H_

#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "lib/arbitration/arbitration.h"
#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"
#include "lib/scoring/scoring.h"

namespace attune::arbitration {

// Memory of ChooseChannels, reused from decision to decision.
struct ChannelChoice {
  // The best that was found for a treatment so far.
  struct Best {
    int slot = -1;  // -1: no channel allows it
    double priority = 0;
    double value = 0;  // what the good outcome is worth there
    bool contends = false;
    bool is_taken = false;    // a place of the request takes it there
    bool is_default = false;  // its propensity is the default that on_error declares
    // Index into Settings::fallbacks of the first that names it there; 0 where it contends.
    int fallback = 0;
  };
  std::vector<Best> best;            // by index of the treatment
  std::vector<double> group_weight;  // of the channel that is looked at, by group
};

// Chooses for each treatment that was scored for a channel that is open the one to use it on. In
// this order: where it contends (it passes the thresholds, and a place of the request takes it);
// where a place of the request takes it at least, so that it is told to have none only if no
// channel has one; where its propensity is no default that on_error declares; where, contending
// nowhere, it comes first among the fallbacks; where its priority is highest; where the channel
// comes first in the strategy. What room is left in the places has no say: see BestChannelAmong.
// `scored` has the candidates of each channel, by slot. The chosen ones, ascending by treatment,
// are written to `chosen`. `computed` has what the strategy computes: values, costs, the priority;
// where one of them can't be told, the treatment contends only if it must be shown, and its
// priority counts as 0. What is computed to be shown has no say. Allocates nothing once the memory
// is warm.
void ChooseChannels(const Settings& settings, const catalog::Catalog& catalog,
                    const context::DecisionContext& context,
                    absl::Span<const scoring::ScoredCandidates* const> scored,
                    ChannelChoice& memory, std::vector<scoring::ScoredCandidate>& chosen,
                    const Computed& computed = {});

// What the channels of one decision are compared by. Refers to what it is made of.
struct ChannelComparison {
  const Settings& settings;
  const catalog::Catalog& catalog;
  const context::DecisionContext& context;
  absl::Span<const scoring::ScoredCandidates* const> scored;  // by slot
  absl::Span<const double> group_weight;  // context weights, by slot x index of the group
  const Computed& computed;
};

// The channel on which the treatment contends that ChooseChannels would choose if there were only
// those for which `is_wanted(slot)` holds. nullopt: it contends on none of them.
std::optional<ChannelChoice::Best> BestChannelAmong(const ChannelComparison& channels,
                                                    int treatment,
                                                    absl::FunctionRef<bool(int slot)> is_wanted);

// The treatment among the candidates of one channel; nullptr: it is not among them.
const scoring::ScoredCandidate* FindScored(int treatment,
                                           const scoring::ScoredCandidates& candidates);

}  // namespace attune::arbitration

#endif  // ATTUNE_LIB_ARBITRATION_CHANNEL_CHOICE_H_
