#ifndef ATTUNE_LIB_DECISION_REJECTION_COUNTS_H_
#define ATTUNE_LIB_DECISION_REJECTION_COUNTS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "lib/candidates/rejection.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

// Why a treatment was dropped, as far as it is counted: the reason and, where it is one, the rule
// or contact policy.
struct RejectionCause {
  candidates::Reason reason = candidates::Reason::kNotRequested;
  std::string_view rule;  // its name, valid as long as the strategy; empty: none
};

// The causes of a strategy are numbered, so that what is made of each one (a label, a counter) can
// be made once and found by its number. A number may stand for nothing: its reason needs a rule.
size_t CauseCount(const strategy::Strategy& strategy);
size_t CauseOf(const strategy::Strategy& strategy, const candidates::Rejection& rejection);
// The name of the rule or contact policy of a cause; empty: none. Valid as long as the strategy.
std::string_view RuleNameOf(const strategy::Strategy& strategy, size_t cause);
// The strategist's sentence about it; may be empty. Valid as long as the strategy.
std::string_view BecauseOf(const strategy::Strategy& strategy, size_t cause);

// Calls `visit(size_t cause, const RejectionCause&)` for every cause of the strategy.
template <typename Visitor>
void ForEachCause(const strategy::Strategy& strategy, Visitor visit);

// How many treatments one decision dropped, by cause. Reused from decision to decision, so that it
// allocates nothing once it is warm. Not thread-safe.
class RejectionCounts {
 public:
  struct Entry {
    size_t cause = 0;
    candidates::Reason reason = candidates::Reason::kNotRequested;
    int count = 0;
  };

  void Clear();
  void Add(const strategy::Strategy& strategy, const candidates::Rejection& rejection);
  // Puts the entries in order: by reason, in the order of the stages, then by cause.
  void Sort();

  // None with a count of 0.
  absl::Span<const Entry> entries() const { return entries_; }
  // Of all causes with this reason.
  int CountOf(candidates::Reason reason) const;

 private:
  std::vector<Entry> entries_;
  std::vector<int> entry_of_cause_;  // 1 + index; 0: none yet
};

// Does a rejection for this reason name a rule or a contact policy?
bool NamesARule(candidates::Reason reason);

template <typename Visitor>
void ForEachCause(const strategy::Strategy& strategy, Visitor visit) {
  for (const candidates::Reason reason : candidates::kAllReasons) {
    if (NamesARule(reason)) continue;
    visit(CauseOf(strategy, {0, reason}), RejectionCause{reason, {}});
  }
  const auto visit_both = [&](const candidates::Rejection& one, candidates::Reason other,
                              std::string_view name) {
    visit(CauseOf(strategy, one), RejectionCause{one.reason, name});
    candidates::Rejection second = one;
    second.reason = other;
    visit(CauseOf(strategy, second), RejectionCause{other, name});
  };
  for (int r = 0; r < strategy.engagement.size(); ++r) {
    const policy::EngagementRule& rule = strategy.engagement[r];
    visit_both({0, policy::ReasonOf(rule.stage), -1, r}, candidates::Reason::kRuleError, rule.name);
  }
  for (int p = 0; p < strategy.contact.size(); ++p) {
    const policy::ContactPolicy& contact = strategy.contact[p];
    visit_both({0, policy::ReasonOf(contact.kind), p}, candidates::Reason::kHistoryIncomplete,
               contact.name);
  }
}

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_REJECTION_COUNTS_H_
