#include "lib/policy/contact_state.h"

#include <algorithm>

namespace attune::policy {

using candidates::Reason;

void ContactState::Reset(const ContactPolicies& policies, const context::DecisionContext& context,
                         InteractionHistory& history, absl::Span<const ValueRef> features,
                         const ContactCounts* counts) {
  policies_ = &policies;
  channel_ = context.channel;
  now_ms_ = MillisOf(context.time_us);
  history_incomplete_ = false;
  calendar_.assign(static_cast<size_t>(policies.size()), Calendar::kNotAsked);
  zone_ = policies.clock().ZoneOf(features, &time_zone_unknown_);
  if (counts == nullptr) own_counts_.Reset(policies, now_ms_, history);
  counts_ = counts == nullptr ? &own_counts_ : counts;
}

std::optional<int64_t> ContactState::CalendarBlock(const ContactPolicy& policy,
                                                   int64_t at_ms) const {
  if (policy.kind == ContactKind::kQuietHours) return EndOfPeriod(policy.quiet, zone_, at_ms);
  return StartOfNextDay(policy.days, zone_, at_ms);
}

ContactState::Verdict ContactState::VerdictOf(const ContactPolicies::Place& place) {
  const ContactPolicies::Filter& filter = policies_->filter(place.policy);
  if (!filter.channels[static_cast<size_t>(channel_)]) return Verdict::kPasses;
  if (place.cell == ContactPolicies::kNoCell) {
    Calendar& known = calendar_[static_cast<size_t>(place.policy)];
    if (known == Calendar::kNotAsked) {
      known = CalendarBlock((*policies_)[place.policy], now_ms_) ? Calendar::kBlocked
                                                                 : Calendar::kPasses;
    }
    return known == Calendar::kBlocked ? Verdict::kBlocked : Verdict::kPasses;
  }
  if (counts_->BlockedUntil(place) > now_ms_) return Verdict::kBlocked;
  if (counts_->IncompleteUntil(place.policy) <= now_ms_) return Verdict::kPasses;
  history_incomplete_ = true;
  return Verdict::kHistoryIncomplete;
}

std::optional<candidates::Rejection> ContactState::RejectionOf(int treatment) {
  for (const ContactPolicies::Place& place : policies_->Holding(treatment)) {
    const Verdict verdict = VerdictOf(place);
    if (verdict == Verdict::kPasses) continue;
    const Reason reason = verdict == Verdict::kHistoryIncomplete
                              ? Reason::kHistoryIncomplete
                              : ReasonOf((*policies_)[place.policy].kind);
    return candidates::Rejection{treatment, reason, place.policy};
  }
  return std::nullopt;
}

std::optional<int64_t> ContactState::BlockedUntil(const ContactPolicies::Place& place,
                                                  int64_t at_ms) const {
  const ContactPolicies::Filter& filter = policies_->filter(place.policy);
  if (!filter.channels[static_cast<size_t>(channel_)]) return std::nullopt;
  if (place.cell == ContactPolicies::kNoCell) {
    return CalendarBlock((*policies_)[place.policy], at_ms);
  }
  const int64_t until_ms =
      std::max(counts_->BlockedUntil(place), counts_->IncompleteUntil(place.policy));
  if (until_ms <= at_ms) return std::nullopt;
  return until_ms;
}

}  // namespace attune::policy
