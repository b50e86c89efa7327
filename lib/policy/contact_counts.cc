#include "lib/policy/contact_counts.h"

namespace attune::policy {

void ContactCounts::Reset(const ContactPolicies& policies, int64_t now_ms,
                          InteractionHistory& history) {
  policies_ = &policies;
  now_ms_ = now_ms;
  for (const Touched& touched : touched_) cells_[static_cast<size_t>(touched.cell)] = Cell();
  touched_.clear();
  hits_.clear();
  if (cells_.size() < static_cast<size_t>(policies.cells())) {
    cells_.resize(static_cast<size_t>(policies.cells()));
  }
  CountHistory(history);
}

void ContactCounts::CountHistory(InteractionHistory& history) {
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

void ContactCounts::Count(const customer::Interaction& interaction) {
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

void ContactCounts::AddHit(const ContactPolicies::Place& place, int64_t time_ms, int treatment) {
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

int64_t ContactCounts::EndOfBlock(const ContactPolicy& policy, const Cell& cell) const {
  if (cell.count < policy.limit) return INT64_MIN;
  if (policy.kind == ContactKind::kSuppression) return EndOfSilence(policy, cell);
  // When so many of the youngest have left the window that fewer than the limit remain.
  int hit = cell.youngest;
  for (int i = 1; i < policy.limit; ++i) hit = hits_[static_cast<size_t>(hit)].older;
  return AddSaturating(hits_[static_cast<size_t>(hit)].time_ms, policy.window_ms);
}

// Walks two hits, `limit` - 1 apart, from the youngest to the oldest: the first two that lie within
// the window are the last that silenced.
int64_t ContactCounts::EndOfSilence(const ContactPolicy& policy, const Cell& cell) const {
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

int64_t ContactCounts::IncompleteUntil(int policy) const {
  if (history_unknown_) return kNever;
  // A decision that can't be remembered would not be counted by the next one.
  if (read_only_ && (policies_->filter(policy).outcomes & kDecidedOnly) != 0) return kNever;
  if (complete_after_ms_ == INT64_MIN) return INT64_MIN;
  return AddSaturating(complete_after_ms_, policies_->filter(policy).horizon_ms);
}

std::optional<ContactCounts::Youngest> ContactCounts::YoungestIn(
    const ContactPolicies::Place& place) const {
  if (CountIn(place) == 0) return std::nullopt;
  const Hit& hit = hits_[static_cast<size_t>(CellOf(place).youngest)];
  return Youngest{hit.time_ms, hit.treatment};
}

}  // namespace attune::policy
