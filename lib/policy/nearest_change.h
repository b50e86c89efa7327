#ifndef ATTUNE_LIB_POLICY_NEAREST_CHANGE_H_
#define ATTUNE_LIB_POLICY_NEAREST_CHANGE_H_

#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "lib/base/text_buffer.h"
#include "lib/candidates/rejection.h"
#include "lib/expression/explanation.h"
#include "lib/policy/engagement_rules.h"
#include "lib/policy/engagement_state.h"

namespace attune::policy {

// What would have let a treatment pass all its rules.
struct Change {
  enum class Kind : uint8_t {
    kNone,       // there is nothing, it takes more, or it can't be told
    kCondition,  // the comparison as such: "customer.age > 40"
    kValue,      // one value that makes it true: "customer.age == 41"
  };
  Kind kind = Kind::kNone;
  expression::Value value;  // of kValue
};

// Appends the change of a finding as an expression; of kNone nothing.
void AppendChange(const expression::Finding& finding, const Change& change, TextBuffer& text);

// The changes that would have let a treatment pass all its rules. Not thread-safe.
class NearestChange {
 public:
  // REQUIRES: `state` rejected the treatment for a rule and was not Reset since; all three outlive
  // this object.
  NearestChange(const EngagementRules& rules, const EngagementState& state,
                const candidates::Rejection& rejection)
      : rules_(rules), state_(state), rejection_(rejection) {}

  // The change that makes this part of the rule true, if it is all that is missing and all rules of
  // the treatment hold then: the comparison; where other parts of the rules look at the same
  // variable, and not every such value would do, a value at the edge of the comparison that does.
  // It never is of what changes more than what rules see: the channel, the intent, the time, the
  // time zone. `part` is what is known of the part of `finding`.
  Change Of(const expression::Findings& findings, const expression::Finding& finding,
            const RulePart& part);

 private:
  // Does anything beside the rules depend on these?
  bool ReachesBeyondRules(absl::Span<const expression::Input> inputs) const;
  bool CountsContacts() const;
  // Does a model that gives a score look at it?
  bool MovesModels(const expression::Input& input) const;
  // Is the part the only one that looks at what it would change, in all rules of the treatment?
  bool IsAlone(const RulePart& part) const;
  // A value that does where the part is not alone.
  Change ValueFor(const expression::Findings& findings, const expression::Finding& finding,
                  const RulePart& part) const;
  bool OtherRulesHold();

  const EngagementRules& rules_;
  const EngagementState& state_;
  const candidates::Rejection& rejection_;
  std::optional<bool> other_rules_hold_;  // once it was asked
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_NEAREST_CHANGE_H_
