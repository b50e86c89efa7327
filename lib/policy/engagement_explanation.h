#ifndef ATTUNE_LIB_POLICY_ENGAGEMENT_EXPLANATION_H_
#define ATTUNE_LIB_POLICY_ENGAGEMENT_EXPLANATION_H_

#include <string>
#include <string_view>
#include <vector>

#include "lib/candidates/rejection.h"
#include "lib/policy/engagement_rules.h"
#include "lib/policy/engagement_state.h"

namespace attune::policy {

// A value that a rule looked at.
struct RuleValue {
  std::string_view name;  // "customer.open_incidents"; valid as long as the strategy
  std::string value;      // "2"; empty when it is protected
  bool is_default = false;
  bool is_protected = false;
};

// Why a rule does not hold, in its parts. Nothing tells the value of a protected feature: where a
// part of a rule looked at one, neither that part nor what it needed is printed.
struct RuleExplanation {
  // "suitability no_open_incident: customer.open_incidents = 2, needed 0 (Solve first.)"
  std::string sentence;
  std::string_view rule;     // its name; valid as long as the strategy
  std::string_view because;  // the strategist's sentence; may be empty
  // The parts that were false, as written; where one of several would have been enough, all of
  // them, with " || " between them.
  std::string expression;
  std::vector<RuleValue> values;
  // What a part that is one comparison needed: "0", "< 2", "one of ["a", "b"]"; "a or b" when one
  // of several would have been enough.
  std::string needed;
  // The one comparison that would have let the treatment pass all rules, had it been true:
  // "customer.open_incidents == 0"; see NearestChange. Where one of several would have been enough,
  // with " || " between them. Empty when it would take more.
  std::string nearest_change;
};

// Explains a rejection. REQUIRES: `state` rejected it and was not Reset since; rejection.rule >= 0.
RuleExplanation ExplainRule(const EngagementRules& rules, const EngagementState& state,
                            const candidates::Rejection& rejection);

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_ENGAGEMENT_EXPLANATION_H_
