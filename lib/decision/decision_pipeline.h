#ifndef ATTUNE_LIB_DECISION_DECISION_PIPELINE_H_
#define ATTUNE_LIB_DECISION_DECISION_PIPELINE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "lib/arbitration/arbitration.h"
#include "lib/candidates/candidates.h"
#include "lib/candidates/rejection.h"
#include "lib/context/decision_context.h"
#include "lib/context/value.h"
#include "lib/customer/customer_record.h"
#include "lib/decision/channel_merge.h"
#include "lib/decision/formula_values.h"
#include "lib/decision/rejection_counts.h"
#include "lib/evidence/ramp_shares.h"
#include "lib/policy/policy.h"
#include "lib/scoring/learned_models.h"
#include "lib/scoring/scoring.h"
#include "lib/scoring/shared_answers.h"
#include "lib/stops/stop_set.h"
#include "lib/strategy/strategy.h"
#include "lib/value/standings.h"

namespace attune::decision {

// The stages of a decision, in order.
enum class Stage { kContext, kCustomer, kCandidates, kPolicy, kScoring, kArbitration, kDecision };
inline constexpr int kStages = 7;

// "context", "customer", "candidates", "policy", "scoring", "arbitration", "decision".
std::string_view StageName(Stage stage);

// How long each stage took, in nanoseconds.
struct StageTimes {
  std::array<int64_t, kStages> nanos{};
};

// Measures stages that follow each other: each one ends where the next one starts.
class StageTimer {
 public:
  explicit StageTimer(StageTimes& times) : times_(times), last_(Now()) {}
  // What has passed since the last call (or the construction) was this stage. Adds up, so that a
  // stage may run more than once.
  void Finish(Stage stage) {
    const int64_t now = Now();
    times_.nanos[static_cast<size_t>(stage)] += now - last_;
    last_ = now;
  }

 private:
  static int64_t Now();

  StageTimes& times_;
  int64_t last_;
};

// What the stages handed over for one of several channels that are open.
struct ChannelStages {
  context::DecisionContext context;  // with this channel as the one that is named
  candidates::CandidateSet candidates;
  policy::PolicyResult policy;
  scoring::ScoredCandidates scored;
};

// What each stage of one decision handed to the next. Reused from decision to decision. When the
// channel was left open these are all channels together, see MergeChannels: each candidate is one
// treatment on the channel that was chosen for it, and what it was evaluated with is in `channels`.
struct PipelineResult {
  candidates::CandidateSet candidates;
  policy::PolicyResult policy;
  scoring::ScoredCandidates scored;
  arbitration::ArbitrationResult arbitration;
  // Models of other processes that failed in this decision: they are not asked again when it is
  // made anew, or for another channel. Whoever begins another decision clears it.
  std::vector<scoring::FailedModel> failed_before;
  // What the ranked treatments show as far as formulas of the strategy say it, each on its channel.
  ComputedContent content;
  // What can be used first, when the channel was left open and nothing but a fallback is ranked.
  std::optional<Opportunity> earliest;

  // The first `open_channels` of these are the decision's, by slot; 0: its channel was named.
  std::vector<std::unique_ptr<ChannelStages>> channels;
  size_t open_channels = 0;

  // What a candidate or a rejection with this slot was evaluated with. `asked` is the context of
  // the decision.
  const context::DecisionContext& ContextOf(const context::DecisionContext& asked, int slot) const {
    return open_channels == 0 ? asked : channels[static_cast<size_t>(slot)]->context;
  }
  const policy::PolicyResult& PolicyOf(int slot) const {
    return open_channels == 0 ? policy : channels[static_cast<size_t>(slot)]->policy;
  }
  const scoring::InputFrame& FrameOf(int slot) const {
    return open_channels == 0 ? scored.frame : channels[static_cast<size_t>(slot)]->scored.frame;
  }
  // What was scored on each channel, by slot; empty: the decision's channel was named.
  absl::Span<const scoring::ScoredCandidates* const> scored_by_slot() const {
    if (open_channels == 0) return {};
    return merge.scored;
  }
  int SlotOf(const arbitration::RankedTreatment& ranked) const {
    return scored.scored[static_cast<size_t>(ranked.scored)].slot;
  }
  // The channel that the decision is for: an index into ContextSchema::channels. When it was left
  // open that of the first treatment; with nothing ranked the first of those that are open.
  int ChannelOf(const context::DecisionContext& asked) const {
    return open_channels == 0 || arbitration.ranked.empty()
               ? asked.channel
               : asked.ChannelOf(SlotOf(arbitration.ranked.front()));
  }

  // Calls `visit(const Rejection&)` for every treatment that is not in the ranking, stage by stage.
  template <typename Visitor>
  void ForEachRejection(Visitor visit) const {
    for (const auto& rejection : candidates.rejected) visit(rejection);
    for (const auto& rejection : policy.rejected) visit(rejection);
    for (const auto& rejection : scored.rejected) visit(rejection);
    for (const auto& rejection : arbitration.rejected) visit(rejection);
  }

  // How many treatments were rejected, by reason and rule.
  RejectionCounts rejected_counts;

  // Scratch: kept for its capacity. What the channels of an open decision look at.
  ChannelMerge merge;
  candidates::ReasonsOnAnyChannel on_any_channel;
  policy::SharedHistory history;
  std::vector<int> kept_on_any_channel;
  scoring::SharedAnswers answers;
};

// Decides: a pure function of the strategy, what of it is stopped, the context, the customer's
// state and features, where on [0, 1) exploration's draw falls (without a draw nothing is
// explored), which ramps reach the customer (by default all), and the customer base, for rules that
// ask where the customer stands (nullptr: nobody is known), and what adaptive models have learned
// (nullptr: nothing). Where the channel is open, the
// stages before arbitration run for each of the channels, the policies of all before the scoring.
// `result` is overwritten; its capacity is reused, so that a decision allocates nothing. REQUIRES:
// `context` was normalised against this strategy; `stops` and `reach` were made for its catalog;
// `features` has one value per declared feature; the strategy outlives the use of `result`.
void RunPipeline(const strategy::Strategy& strategy, const stops::StopSet& stops,
                 const context::DecisionContext& context, const customer::CustomerState& customer,
                 absl::Span<const ValueRef> features, std::optional<double> draw, StageTimer& timer,
                 PipelineResult& result, const evidence::RampReach& reach = {},
                 const value::Standings* standings = nullptr,
                 const scoring::LearnedModels* learned = nullptr);

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_DECISION_PIPELINE_H_
