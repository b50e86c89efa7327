#ifndef ATTUNE_LIB_POLICY_HISTORY_COUNTS_H_
#define ATTUNE_LIB_POLICY_HISTORY_COUNTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"
#include "lib/policy/contact_policies.h"
#include "lib/policy/interaction_history.h"

namespace attune::policy {

// Which interactions a rule asks for.
struct HistoryQuery {
  Scope of = Scope::kAll;
  int treatment = 0;        // of which, or of whose group; not looked at for kAll
  bool on_channel = false;  // on the decision's channel only
  OutcomeSet outcomes = 0;
};

// A customer's interactions sorted out by treatment and group, whatever the channel is. Reused from
// decision to decision, so that it allocates nothing once it is warm. Not thread-safe.
class SortedHistory {
 public:
  static constexpr int kNone = -1;
  struct Entry {
    int64_t time_ms = 0;
    OutcomeSet kind = 0;
    int channel = kNone;
    int older_of_treatment = kNone;
    int older_of_group = kNone;
  };

  // Forgets the decision before.
  void Reset() { sorted_out_ = false; }
  // Does nothing but the first time in a decision. REQUIRES: the same arguments each time in one.
  void SortOut(const ContactPolicies& names, const catalog::Catalog& catalog,
               InteractionHistory& history);

  // The youngest entry that may be an answer, and the next older one; kNone: there is none.
  // REQUIRES: SortOut was called with this catalog.
  int First(const HistoryQuery& query, const catalog::Catalog& catalog) const;
  int Older(const HistoryQuery& query, int entry) const;
  const Entry& operator[](int entry) const { return entries_[static_cast<size_t>(entry)]; }

 private:
  // The interactions of a treatment or a group, the youngest first.
  struct Chain {
    int youngest = kNone;
    int oldest = kNone;
  };

  void Append(int entry, Chain& chain, int Entry::*older);

  bool sorted_out_ = false;
  std::vector<Entry> entries_;  // the youngest first
  std::vector<Chain> of_treatment_;
  std::vector<Chain> of_group_;
};

// Answers rules about a customer's history. Sorted out by treatment and group when the first rule
// of a decision asks, so that each further question looks at its own interactions only. Reused from
// decision to decision, so that it allocates nothing once it is warm. Not thread-safe.
class HistoryCounts {
 public:
  HistoryCounts() = default;
  HistoryCounts(const HistoryCounts&) = delete;
  HistoryCounts& operator=(const HistoryCounts&) = delete;

  // All must outlive the use of this object. `names` tells what is stored from what the strategy
  // declares. `shared`: what several channels of one decision share, reset before; nullptr: this
  // object sorts out for itself.
  void Reset(const ContactPolicies& names, const catalog::Catalog& catalog,
             const context::DecisionContext& context, InteractionHistory& history,
             SortedHistory* shared = nullptr);

  // How many there were less than the window ago (or lie in the future); nullopt when what is
  // remembered doesn't tell, or when decisions are asked for and can't be remembered now, so that
  // the next decision would not count this one. REQUIRES: window_ms > 0.
  std::optional<int64_t> Count(const HistoryQuery& query, int64_t window_ms);
  // When the last one was, Unix milliseconds; 0 when there was none. Where what is remembered
  // doesn't reach back, the latest moment that it can have been. nullopt as for Count.
  std::optional<int64_t> LastMs(const HistoryQuery& query);

 private:
  static constexpr int kNone = SortedHistory::kNone;
  using Entry = SortedHistory::Entry;

  bool Matches(const HistoryQuery& query, const Entry& entry) const;
  bool Tells(const HistoryQuery& query) const;

  const ContactPolicies* names_ = nullptr;
  const catalog::Catalog* catalog_ = nullptr;
  InteractionHistory* history_ = nullptr;
  int channel_ = 0;
  int64_t now_ms_ = 0;
  SortedHistory own_;
  SortedHistory* sorted_ = &own_;
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_HISTORY_COUNTS_H_
