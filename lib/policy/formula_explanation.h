#ifndef ATTUNE_LIB_POLICY_FORMULA_EXPLANATION_H_
#define ATTUNE_LIB_POLICY_FORMULA_EXPLANATION_H_

#include <cstddef>
#include <string>

#include "absl/functional/function_ref.h"
#include "lib/policy/engagement_explanation.h"
#include "lib/policy/engagement_rules.h"
#include "lib/policy/engagement_state.h"
#include "lib/policy/formulas.h"

namespace attune::policy {

// Most values that ForEachSeen and AppendWhatHappened name.
inline constexpr size_t kMaxFormulaValues = 32;

// Calls `visit` with each value that the formula may look at for this treatment, once, in the order
// in which they are written; parts of the history have no value to show. Of a protected one the
// name is told and no text. REQUIRES: `state` was made for `rules`.
void ForEachSeen(const EngagementRules& rules, const EngagementState& state, const Formula& formula,
                 int treatment, absl::FunctionRef<void(const RuleValue&)> visit);

// Appends what the formula came to, which is of no use, and what it looked at: "can't be evaluated:
// division by zero; customer.lines = 0 (not known)", "comes to NaN; ...". Of what looks at
// something protected only the kind of the error is told. REQUIRES: as ForEachSeen; of the formula
// of the priority, `state` was given its terms.
void AppendWhatHappened(const EngagementRules& rules, const EngagementState& state,
                        const Formula& formula, int treatment, std::string& text);

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_FORMULA_EXPLANATION_H_
