#ifndef ATTUNE_LIB_POLICY_RULE_PARTS_H_
#define ATTUNE_LIB_POLICY_RULE_PARTS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "lib/expression/explanation.h"
#include "lib/expression/rule_set.h"

namespace attune::policy {

// A set of inputs, roughly: those of two sets without a common bit have none in common.
using InputSet = uint64_t;
inline constexpr InputSet kAnyInput = ~InputSet{0};
InputSet InputSetOf(absl::Span<const expression::Input> inputs);

// A part of a rule that explanations look at as a whole: a leaf of its tree. Made when the rules
// are.
struct RulePart {
  uint32_t node = 0;                      // of the rule set's plan
  bool decides = false;                   // it chooses between two other parts
  std::vector<expression::Input> inputs;  // what its value comes from
  InputSet input_set = 0;
  // What would have to change for its comparison to be true. Empty when it is none, looks at
  // nothing, or when the value that it needs would move along.
  std::vector<expression::Input> changed;
  InputSet changed_set = 0;
  bool hides = false;  // it looks at something protected
};

// The parts of a rule, by ExplainNode::leaf; whether they hide something is not told.
std::vector<RulePart> PartsOfRule(const expression::RuleSet& rules,
                                  const expression::ExplainNode& tree);

// A part of the customer's history.
bool IsHistory(const expression::Input& input);

// Is one of them among the others? One interaction is in several parts of the history.
bool MeetsAny(absl::Span<const expression::Input> some, absl::Span<const expression::Input> others);

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_RULE_PARTS_H_
