#ifndef ATTUNE_LIB_POLICY_POLICY_H_
#define ATTUNE_LIB_POLICY_POLICY_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"
#include "lib/context/value.h"
#include "lib/customer/customer_record.h"
#include "lib/policy/contact_counts.h"
#include "lib/policy/contact_policies.h"
#include "lib/policy/contact_state.h"
#include "lib/policy/customer_scores.h"
#include "lib/policy/engagement_rules.h"
#include "lib/policy/engagement_state.h"
#include "lib/policy/history_counts.h"
#include "lib/policy/interaction_history.h"
#include "lib/value/standings.h"

namespace attune::policy {

// What no channel matters to of a customer's history, and of scores that models give, for the
// policies of several channels. Reused from decision to decision. Not thread-safe.
struct SharedHistory {
  InteractionHistory history;
  SortedHistory sorted;  // for rules
  SharedScores scores;
  ContactCounts contact;  // REQUIRES: the strategy has contact policies

  // The record that `customer` was parsed from must outlive the use of this object.
  void Reset(const ContactPolicies& policies, const context::DecisionContext& context,
             const customer::CustomerState& customer);
};

// What the policies of one decision look at.
struct PolicyInput {
  const catalog::Catalog& catalog;
  const EngagementRules& engagement;
  const ContactPolicies& contact;
  const context::ContextSchema& schema;
  const context::DecisionContext& context;
  const customer::CustomerState& customer;
  absl::Span<const ValueRef> features;  // one per declared feature
  // The customer base; nullptr: nothing is known of it.
  const value::Standings* standings = nullptr;
  // What several channels of one decision share; it must outlive the use of the result. nullptr:
  // the result has its own.
  SharedHistory* shared_history = nullptr;
};

// What the policies let through. Both lists ascend; together they hold every candidate.
struct PolicyResult {
  std::vector<int> kept;  // indexes into Catalog::treatments
  std::vector<candidates::Rejection> rejected;
  // The rules, as they were evaluated, and what formulas are evaluated on. REQUIRES: the strategy
  // has some.
  EngagementState engagement;
  // Where the customer stands with the contact policies. REQUIRES: the strategy has some.
  ContactState contact;
  // A contact policy, a rule or a formula asked for what the history doesn't tell; the customer's
  // time zone is none, and the default one stood in for it.
  bool history_incomplete = false;
  bool time_zone_unknown = false;

  // Scratch: kept for its capacity. By index of the purpose: what the customer said.
  enum class Said : uint8_t { kNothing, kYes, kNo };
  std::vector<Said> consents;
  InteractionHistory history;
};

// Keeps the candidates that make sense for the channel and the intent, to whose purpose the
// customer consents, for which all rules hold and that the contact policies allow now; in this
// order. Of a customer whose record can't be read (or whose consents or history are damaged) the
// worst is assumed. A pure function of `input`. `result` is overwritten; its capacity is reused.
// REQUIRES: what `input` refers to, and the record that the customer was parsed from, outlive the
// use of `result`; but for the customer itself.
void ApplyPolicies(const PolicyInput& input, absl::Span<const int> candidates,
                   PolicyResult& result);

// Sets history_incomplete and time_zone_unknown when formulas, which later stages evaluate, asked
// for what is not known.
void NoteWhatFormulasFound(const EngagementRules& rules, PolicyResult& result);

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_POLICY_H_
