#include "lib/decision/channel_merge.h"

#include <algorithm>
#include <tuple>

#include "lib/arbitration/places.h"
#include "lib/arbitration/priority.h"
#include "lib/decision/decision_pipeline.h"
#include "lib/decision/explanation.h"
#include "lib/policy/contact_explanation.h"

namespace attune::decision {
namespace {

using candidates::Reason;
using candidates::Rejection;
using Fate = ChannelMerge::Fate;

// How far a treatment came: what is looked at, one after the other. What is not requested, stopped
// or outside of its dates is so on every channel.
enum Depth {
  kContent,
  kValidity,
  kChannel,
  kIntent,
  kConsent,
  kRules,
  kContact,
  kScoring,
};

Depth DepthOfCandidate(const Rejection& rejection) {
  return rejection.reason == Reason::kNoContentForChannel ? kContent : kValidity;
}

Depth DepthOfPolicy(const Rejection& rejection) {
  if (rejection.contact_policy >= 0) return kContact;
  switch (rejection.reason) {
    case Reason::kChannelNotApplicable:
      return kChannel;
    case Reason::kIntentNotApplicable:
      return kIntent;
    case Reason::kNoConsent:
      return kConsent;
    default:
      return kRules;
  }
}

// Collects what becomes of the treatments. Lives for one call of MergeChannels.
class Merger {
 public:
  Merger(const strategy::Strategy& strategy, PipelineResult& result)
      : strategy_(strategy), result_(result), fates_(result.merge.fates) {
    fates_.assign(strategy.catalog.treatments.size(), Fate());
  }

  void LookAt(int slot);
  // Adds up which models failed, over the channels.
  void AddFailures(const std::vector<scoring::FailedModel>& failures);
  // Writes the rejections of those that no channel allows.
  void TellRejections();

 private:
  void Reject(const Rejection& rejection, int slot, Depth depth);
  // Do contact policies, which keep the treatment back on both channels, allow it earlier on this
  // one than where the fate tells of? Then the fate has this time.
  bool IsAllowedEarlier(Fate& fate, const Rejection& rejection, int slot) const;
  std::optional<int64_t> AllowedFromOn(int slot, int treatment) const;

  const strategy::Strategy& strategy_;
  PipelineResult& result_;
  std::vector<Fate>& fates_;
};

void Merger::LookAt(int slot) {
  const ChannelStages& stages = *result_.channels[static_cast<size_t>(slot)];
  for (const Rejection& r : stages.candidates.rejected) Reject(r, slot, DepthOfCandidate(r));
  for (const Rejection& r : stages.policy.rejected) Reject(r, slot, DepthOfPolicy(r));
  for (const Rejection& r : stages.scored.rejected) Reject(r, slot, kScoring);
  for (const scoring::ScoredCandidate& candidate : stages.scored.scored) {
    fates_[static_cast<size_t>(candidate.treatment)].is_scored = true;
  }
  AddFailures(stages.scored.failed);
}

void Merger::AddFailures(const std::vector<scoring::FailedModel>& failures) {
  std::vector<scoring::FailedModel>& failed = result_.scored.failed;
  for (const scoring::FailedModel& failure : failures) {
    const auto known = std::find_if(
        failed.begin(), failed.end(),
        [&](const scoring::FailedModel& other) { return other.model == failure.model; });
    if (known == failed.end()) {
      failed.push_back(failure);
    } else {
      known->treatments += failure.treatments;
    }
  }
}

void Merger::Reject(const Rejection& rejection, int slot, Depth depth) {
  Fate& fate = fates_[static_cast<size_t>(rejection.treatment)];
  if (fate.is_scored) return;
  if (fate.is_rejected) {
    if (depth < fate.depth) return;
    if (depth == fate.depth && (depth != kContact || !IsAllowedEarlier(fate, rejection, slot))) {
      return;
    }
  }
  if (depth != fate.depth) fate.is_time_known = false;
  fate.is_rejected = true;
  fate.depth = depth;
  fate.rejection = rejection;
  fate.rejection.slot = slot;
}

bool Merger::IsAllowedEarlier(Fate& fate, const Rejection& rejection, int slot) const {
  if (!MayTellWhenAllowed(strategy_, rejection.treatment)) return false;
  if (!fate.is_time_known) {
    fate.is_time_known = true;
    fate.allowed_from_ms = AllowedFromOn(fate.rejection.slot, rejection.treatment);
  }
  const std::optional<int64_t> here_ms = AllowedFromOn(slot, rejection.treatment);
  if (!here_ms || (fate.allowed_from_ms && *fate.allowed_from_ms <= *here_ms)) return false;
  fate.allowed_from_ms = here_ms;
  return true;
}

std::optional<int64_t> Merger::AllowedFromOn(int slot, int treatment) const {
  return policy::AllowedFrom(strategy_.contact, result_.PolicyOf(slot).contact, treatment);
}

void Merger::TellRejections() {
  result_.candidates.kept.clear();
  result_.candidates.rejected.clear();
  result_.policy.kept.clear();
  result_.policy.rejected.clear();
  result_.scored.rejected.clear();
  for (const Fate& fate : fates_) {
    if (fate.is_scored || !fate.is_rejected) continue;
    if (fate.depth <= kValidity) {
      result_.candidates.rejected.push_back(fate.rejection);
    } else if (fate.depth < kScoring) {
      result_.policy.rejected.push_back(fate.rejection);
    } else {
      result_.scored.rejected.push_back(fate.rejection);
    }
  }
}

}  // namespace

void MergeChannels(const strategy::Strategy& strategy, const context::DecisionContext& context,
                   const arbitration::Computed& computed, PipelineResult& result) {
  Merger merger(strategy, result);
  result.policy.history_incomplete = false;
  result.policy.time_zone_unknown = false;
  result.scored.failed.clear();
  result.merge.scored.clear();
  for (size_t slot = 0; slot < result.open_channels; ++slot) {
    merger.LookAt(static_cast<int>(slot));
    const ChannelStages& stages = *result.channels[slot];
    result.policy.history_incomplete |= stages.policy.history_incomplete;
    result.policy.time_zone_unknown |= stages.policy.time_zone_unknown;
    result.merge.scored.push_back(&stages.scored);
  }
  merger.TellRejections();
  arbitration::ChooseChannels(strategy.arbitration, strategy.catalog, context, result.merge.scored,
                              result.merge.choice, result.scored.scored, computed);
}

std::optional<Opportunity> FindEarliest(const strategy::Strategy& strategy,
                                        const context::DecisionContext& context,
                                        arbitration::WorthSource* worth,
                                        const PipelineResult& result) {
  std::optional<Opportunity> earliest;
  double value_of_earliest = 0;
  const auto treatment_of = [&](int index) -> const catalog::Treatment& {
    return strategy.catalog.treatments[static_cast<size_t>(index)];
  };
  const auto key = [&](const Opportunity& one, double value) {
    return std::tuple(one.time_ms, -value, treatment_of(one.treatment).name_rank, one.slot);
  };
  for (int slot = 0; slot < static_cast<int>(result.open_channels); ++slot) {
    const policy::PolicyResult& policy = result.PolicyOf(slot);
    for (const Rejection& rejection : policy.rejected) {
      if (rejection.contact_policy < 0) continue;
      const catalog::Treatment& treatment = treatment_of(rejection.treatment);
      if (treatment.only_as_fallback ||
          !arbitration::HasPlace(strategy.arbitration, context, treatment, slot) ||
          !MayTellWhenAllowed(strategy, rejection.treatment)) {
        continue;
      }
      const Fate& fate = result.merge.fates[static_cast<size_t>(rejection.treatment)];
      const bool is_known = fate.is_time_known && fate.rejection.slot == slot;
      const std::optional<int64_t> from_ms =
          is_known ? fate.allowed_from_ms
                   : policy::AllowedFrom(strategy.contact, policy.contact, rejection.treatment);
      if (!from_ms || *from_ms > (treatment.valid_until_us - 1) / 1000) continue;
      const Opportunity found = {rejection.treatment, slot, *from_ms};
      if (earliest && found.time_ms > earliest->time_ms) continue;
      const double value = arbitration::WorthBy(worth, treatment, rejection.treatment, slot)
                               .value_or(arbitration::Worth())
                               .value;
      if (earliest && key(found, value) >= key(*earliest, value_of_earliest)) continue;
      earliest = found;
      value_of_earliest = value;
    }
  }
  return earliest;
}

}  // namespace attune::decision
