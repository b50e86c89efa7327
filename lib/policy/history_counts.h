#ifndef ATTUNE_LIB_POLICY_HISTORY_COUNTS_H_
#define ATTUNE_LIB_POLICY_HISTORY_COUNTS_H_

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

// Answers rules about a customer's history. Sorted out by treatment and group when the first rule
// of a decision asks, on each channel where the channel is open, so that each further question
// looks at its own interactions only. Reused from decision to decision, so that it allocates
// nothing once it is warm. Not thread-safe.
class HistoryCounts {
 public:
  // All must outlive the use of this object. `names` tells what is stored from what the strategy
  // declares.
  void Reset(const ContactPolicies& names, const catalog::Catalog& catalog,
             const context::DecisionContext& context, InteractionHistory& history);

  // How many there were less than the window ago (or lie in the future); nullopt when what is
  // remembered doesn't tell, or when decisions are asked for and can't be remembered now, so that
  // the next decision would not count this one. REQUIRES: window_ms > 0.
  std::optional<int64_t> Count(const HistoryQuery& query, int64_t window_ms);
  // When the last one was, Unix milliseconds; 0 when there was none. Where what is remembered
  // doesn't reach back, the latest moment that it can have been. nullopt as for Count.
  std::optional<int64_t> LastMs(const HistoryQuery& query);

 private:
  static constexpr int kNone = -1;
  struct Entry {
    int64_t time_ms = 0;
    OutcomeSet kind = 0;
    int channel = kNone;
    int older_of_treatment = kNone;
    int older_of_group = kNone;
  };
  // The interactions of a treatment or a group, the youngest first.
  struct Chain {
    int youngest = kNone;
    int oldest = kNone;
  };

  void SortOut();
  void Append(int entry, Chain& chain, int Entry::*older);
  int First(const HistoryQuery& query) const;
  int Older(const HistoryQuery& query, int entry) const;
  bool Matches(const HistoryQuery& query, const Entry& entry) const;
  bool Tells(const HistoryQuery& query) const;

  const ContactPolicies* names_ = nullptr;
  const catalog::Catalog* catalog_ = nullptr;
  InteractionHistory* history_ = nullptr;
  int channel_ = 0;
  int64_t now_ms_ = 0;
  bool sorted_out_ = false;
  std::vector<Entry> entries_;  // the youngest first
  std::vector<Chain> of_treatment_;
  std::vector<Chain> of_group_;
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_HISTORY_COUNTS_H_
