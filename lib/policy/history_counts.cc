#include "lib/policy/history_counts.h"

#include <algorithm>

namespace attune::policy {

void HistoryCounts::Reset(const ContactPolicies& names, const catalog::Catalog& catalog,
                          const context::DecisionContext& context, InteractionHistory& history,
                          SortedHistory* shared) {
  names_ = &names;
  catalog_ = &catalog;
  history_ = &history;
  channel_ = context.channel;
  now_ms_ = MillisOf(context.time_us);
  sorted_ = shared == nullptr ? &own_ : shared;
  if (shared == nullptr) own_.Reset();
}

void SortedHistory::SortOut(const ContactPolicies& names, const catalog::Catalog& catalog,
                            InteractionHistory& history) {
  if (sorted_out_) return;
  sorted_out_ = true;
  entries_.clear();
  of_treatment_.assign(catalog.treatments.size(), Chain());
  of_group_.assign(catalog.groups.size(), Chain());
  const std::vector<customer::Interaction>& interactions = history.interactions();
  for (auto it = interactions.rbegin(); it != interactions.rend(); ++it) {
    const OutcomeSet kind = names.KindOf(*it);
    if (kind == 0) continue;
    const int entry = static_cast<int>(entries_.size());
    entries_.push_back({it->time_ms, kind, names.ChannelOf(it->channel)});
    const int treatment = names.TreatmentOf(it->treatment);
    if (treatment < 0) continue;
    const int group = catalog.treatments[static_cast<size_t>(treatment)].group;
    Append(entry, of_treatment_[static_cast<size_t>(treatment)], &Entry::older_of_treatment);
    Append(entry, of_group_[static_cast<size_t>(group)], &Entry::older_of_group);
  }
}

void SortedHistory::Append(int entry, Chain& chain, int Entry::*older) {
  if (chain.youngest == kNone) {
    chain.youngest = entry;
  } else {
    entries_[static_cast<size_t>(chain.oldest)].*older = entry;
  }
  chain.oldest = entry;
}

int SortedHistory::First(const HistoryQuery& query, const catalog::Catalog& catalog) const {
  const auto treatment = static_cast<size_t>(query.treatment);
  switch (query.of) {
    case Scope::kTreatment:
      return of_treatment_[treatment].youngest;
    case Scope::kGroup:
      return of_group_[static_cast<size_t>(catalog.treatments[treatment].group)].youngest;
    case Scope::kAll:
      break;
  }
  return entries_.empty() ? kNone : 0;
}

int SortedHistory::Older(const HistoryQuery& query, int entry) const {
  const auto index = static_cast<size_t>(entry);
  switch (query.of) {
    case Scope::kTreatment:
      return entries_[index].older_of_treatment;
    case Scope::kGroup:
      return entries_[index].older_of_group;
    case Scope::kAll:
      break;
  }
  return index + 1 == entries_.size() ? kNone : entry + 1;
}

bool HistoryCounts::Matches(const HistoryQuery& query, const Entry& entry) const {
  return (entry.kind & query.outcomes) != 0 && (!query.on_channel || entry.channel == channel_);
}

bool HistoryCounts::Tells(const HistoryQuery& query) const {
  if (history_->customer().read_only() && (query.outcomes & kDecidedOnly) != 0) return false;
  return history_->readable();
}

std::optional<int64_t> HistoryCounts::Count(const HistoryQuery& query, int64_t window_ms) {
  if (!Tells(query)) return std::nullopt;
  if (AddSaturating(history_->complete_after_ms(), window_ms) > now_ms_ &&
      history_->complete_after_ms() != INT64_MIN) {
    return std::nullopt;
  }
  sorted_->SortOut(*names_, *catalog_, *history_);
  int64_t count = 0;
  for (int i = sorted_->First(query, *catalog_); i != kNone; i = sorted_->Older(query, i)) {
    const Entry& entry = (*sorted_)[i];
    if (AddSaturating(entry.time_ms, window_ms) <= now_ms_) break;
    if (Matches(query, entry)) ++count;
  }
  return count;
}

std::optional<int64_t> HistoryCounts::LastMs(const HistoryQuery& query) {
  if (!Tells(query)) return std::nullopt;
  sorted_->SortOut(*names_, *catalog_, *history_);
  for (int i = sorted_->First(query, *catalog_); i != kNone; i = sorted_->Older(query, i)) {
    const Entry& entry = (*sorted_)[i];
    if (Matches(query, entry)) return entry.time_ms;
  }
  return std::max<int64_t>(history_->complete_after_ms(), 0);
}

}  // namespace attune::policy
