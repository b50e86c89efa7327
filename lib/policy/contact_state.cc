#include "lib/policy/contact_state.h"

#include <algorithm>

namespace attune::policy {

using candidates::Reason;

void ContactState::Reset(const ContactPolicies& policies, const context::DecisionContext& context,
                         InteractionHistory& history, absl::Span<const ValueRef> features) {
  policies_ = &policies;
  channel_ = context.channel;
  now_ms_ = MillisOf(context.time_us);
  history_incomplete_ = false;
  for (const Touched& touched : touched_) cells_[static_cast<size_t>(touched.cell)] = Cell();
  touched_.clear();
  hits_.clear();
  if (cells_.size() < static_cast<size_t>(policies.cells())) {
    cells_.resize(static_cast<size_t>(policies.cells()));
  }
  calendar_.assign(static_cast<size_t>(policies.size()), Calendar::kNotAsked);
  zone_ = policies.clock().ZoneOf(features, &time_zone_unknown_);
  CountHistory(history);
}

void ContactState::CountHistory(InteractionHistory& history) {
  history_unknown_ = !history.customer().available();
  read_only_ = history.customer().read_only();
  complete_after_ms_ = history.complete_after_ms();
  const int64_t longest_ms = policies_->longest_horizon_ms();
  if (longest_ms == 0) return;
  history_unknown_ |= !history.readable();
  // The youngest first, so that what is too old ends the walk.
  const std::vector<customer::Interaction>& interactions = history.interactions();
  for (auto interaction = interactions.rbegin(); interaction != interactions.rend();
       ++interaction) {
    if (AddSaturating(interaction->time_ms, longest_ms) <= now_ms_) break;
    Count(*interaction);
  }
  for (const Touched& touched : touched_) {
    Cell& cell = cells_[static_cast<size_t>(touched.cell)];
    cell.blocked_until_ms = EndOfBlock((*policies_)[touched.policy], cell);
  }
}

void ContactState::Count(const customer::Interaction& interaction) {
  const OutcomeSet kind = policies_->KindOf(interaction);
  if (kind == 0) return;
  const int treatment = policies_->TreatmentOf(interaction.treatment);
  const int channel = policies_->ChannelOf(interaction.channel);
  for (const ContactPolicies::Place& place : policies_->Counting(treatment)) {
    const ContactPolicies::Filter& filter = policies_->filter(place.policy);
    if ((filter.outcomes & kind) == 0) continue;
    if (!filter.any_channel && (channel < 0 || !filter.channels[static_cast<size_t>(channel)])) {
      continue;
    }
    if (AddSaturating(interaction.time_ms, filter.horizon_ms) <= now_ms_) continue;
    AddHit(place, interaction.time_ms, treatment);
  }
}

void ContactState::AddHit(const ContactPolicies::Place& place, int64_t time_ms, int treatment) {
  Cell& cell = cells_[static_cast<size_t>(place.cell)];
  const int hit = static_cast<int>(hits_.size());
  hits_.push_back({time_ms, -1, treatment});
  if (cell.count == 0) {
    touched_.push_back({place.cell, place.policy});
    cell.youngest = hit;
  } else {
    hits_[static_cast<size_t>(cell.oldest)].older = hit;
  }
  cell.oldest = hit;
  ++cell.count;
}

int64_t ContactState::EndOfBlock(const ContactPolicy& policy, const Cell& cell) const {
  if (cell.count < policy.limit) return INT64_MIN;
  if (policy.kind == ContactKind::kSuppression) return EndOfSilence(policy, cell);
  // When so many of the youngest have left the window that fewer than the limit remain.
  int hit = cell.youngest;
  for (int i = 1; i < policy.limit; ++i) hit = hits_[static_cast<size_t>(hit)].older;
  return AddSaturating(hits_[static_cast<size_t>(hit)].time_ms, policy.window_ms);
}

// Walks two hits, `limit` - 1 apart, from the youngest to the oldest: the first two that lie within
// the window are the last that silenced.
int64_t ContactState::EndOfSilence(const ContactPolicy& policy, const Cell& cell) const {
  int last = cell.youngest;
  int first = cell.youngest;
  for (int i = 1; i < policy.limit; ++i) first = hits_[static_cast<size_t>(first)].older;
  for (; first >= 0; first = hits_[static_cast<size_t>(first)].older) {
    const int64_t last_ms = hits_[static_cast<size_t>(last)].time_ms;
    if (policy.limit == 1 ||
        AddSaturating(hits_[static_cast<size_t>(first)].time_ms, policy.window_ms) > last_ms) {
      return AddSaturating(last_ms, policy.silence_ms);
    }
    last = hits_[static_cast<size_t>(last)].older;
  }
  return INT64_MIN;
}

int64_t ContactState::IncompleteUntil(int policy) const {
  if (history_unknown_) return kNever;
  // A decision that can't be remembered would not be counted by the next one.
  if (read_only_ && (policies_->filter(policy).outcomes & kDecidedOnly) != 0) return kNever;
  if (complete_after_ms_ == INT64_MIN) return INT64_MIN;
  return AddSaturating(complete_after_ms_, policies_->filter(policy).horizon_ms);
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
  if (CellOf(place).blocked_until_ms > now_ms_) return Verdict::kBlocked;
  if (IncompleteUntil(place.policy) <= now_ms_) return Verdict::kPasses;
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
  const int64_t until_ms = std::max(CellOf(place).blocked_until_ms, IncompleteUntil(place.policy));
  if (until_ms <= at_ms) return std::nullopt;
  return until_ms;
}

int ContactState::CountIn(const ContactPolicies::Place& place) const {
  return place.cell == ContactPolicies::kNoCell ? 0 : CellOf(place).count;
}

std::optional<ContactState::Youngest> ContactState::YoungestIn(
    const ContactPolicies::Place& place) const {
  if (CountIn(place) == 0) return std::nullopt;
  const Hit& hit = hits_[static_cast<size_t>(CellOf(place).youngest)];
  return Youngest{hit.time_ms, hit.treatment};
}

}  // namespace attune::policy
