#ifndef ATTUNE_LIB_DECISION_CHANNEL_MERGE_H_
#define ATTUNE_LIB_DECISION_CHANNEL_MERGE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "lib/arbitration/channel_choice.h"
#include "lib/candidates/rejection.h"
#include "lib/context/decision_context.h"
#include "lib/scoring/scoring.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

struct PipelineResult;

// Memory of MergeChannels, reused from decision to decision.
struct ChannelMerge {
  // What is to be told of a treatment, as far as the channels were looked at.
  struct Fate {
    bool is_scored = false;  // on one of them; then the rest means nothing
    bool is_rejected = false;
    int depth = 0;  // how far it came
    candidates::Rejection rejection;
    // See AllowedFrom, on the channel of `rejection`; computed only where channels have to be
    // compared.
    bool is_time_known = false;
    std::optional<int64_t> allowed_from_ms;
  };
  std::vector<Fate> fates;  // by index of the treatment
  std::vector<const scoring::ScoredCandidates*> scored;
  arbitration::ChannelChoice choice;
};

// Something that only has to wait until contact policies allow it.
struct Opportunity {
  int treatment = 0;    // index into Catalog::treatments
  int slot = 0;         // of the channel
  int64_t time_ms = 0;  // from when, Unix milliseconds
};

// Makes of what the stages handed over for each open channel one set of candidates, with the
// channel to use each on, and one rejection for each treatment that no channel allows: that of the
// channel on which it came furthest; where contact policies keep it back on several, of the one on
// which they allow it first; else of the first one. Writes the rejections of `candidates`, `policy`
// and `scored`, the scored, and which models failed. `computed` has what formulas of the strategy
// say. REQUIRES: the channels of `result` were made for `context`.
void MergeChannels(const strategy::Strategy& strategy, const context::DecisionContext& context,
                   const arbitration::Computed& computed, PipelineResult& result);

// What contact policies allow first if nothing else happens until then: of those at the same time
// the one of the highest value (one that is computed, by `worth`, as it is now; where it can't be
// told 0), then the first by name. Only what a place of the request takes, what is still valid
// then, and what is not a fallback only. nullopt: there is nothing, or telling it would tell a
// protected time zone. REQUIRES: as for MergeChannels.
std::optional<Opportunity> FindEarliest(const strategy::Strategy& strategy,
                                        const context::DecisionContext& context,
                                        arbitration::WorthSource* worth,
                                        const PipelineResult& result);

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_CHANNEL_MERGE_H_
