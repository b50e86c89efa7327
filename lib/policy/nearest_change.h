#ifndef ATTUNE_LIB_POLICY_NEAREST_CHANGE_H_
#define ATTUNE_LIB_POLICY_NEAREST_CHANGE_H_

#include <string>
#include <vector>

#include "lib/candidates/rejection.h"
#include "lib/expression/explanation.h"
#include "lib/policy/engagement_rules.h"
#include "lib/policy/engagement_state.h"

namespace attune::policy {

// The changes that would have let a treatment pass all its rules. Not thread-safe.
class NearestChange {
 public:
  // REQUIRES: `state` rejected the treatment for a rule and was not Reset since; all three outlive
  // this object.
  NearestChange(const EngagementRules& rules, const EngagementState& state,
                const candidates::Rejection& rejection)
      : rules_(rules), state_(state), rejection_(rejection) {}

  // The change that makes this part of the rule true, if it is all that is missing and all rules of
  // the treatment hold then: the comparison as an expression, "customer.age > 40"; where other
  // parts of the rules look at the same variable, and not every such value would do, one at
  // the edge of the comparison that does: "customer.age == 41". Empty: there is none, it takes
  // more, or it can't be told. It never is of what changes more than what rules see: the channel,
  // the intent, the time, the time zone.
  std::string Of(const expression::Finding& finding) const;

 private:
  // Does anything beside the rules depend on these?
  bool ReachesBeyondRules(absl::Span<const expression::Input> inputs) const;
  bool CountsContacts() const;
  // Is the part the only one that looks at what is changed, in all rules of the treatment?
  bool IsAlone(const RulePart& part, absl::Span<const expression::Input> changed) const;
  bool OtherRulesHold() const;

  const EngagementRules& rules_;
  const EngagementState& state_;
  const candidates::Rejection& rejection_;
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_NEAREST_CHANGE_H_
