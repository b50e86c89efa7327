#ifndef ATTUNE_LIB_EXPRESSION_EXPLANATION_H_
#define ATTUNE_LIB_EXPRESSION_EXPLANATION_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/expression/evaluator.h"
#include "lib/expression/explain_tree.h"

namespace attune::expression {

// A variable and the value that it had. Not every variable has one that can be shown: a lazy one
// that was never asked for has an error.
struct SeenValue {
  const Variable* variable = nullptr;
  Value value;
};

// A part of a rule that decided that the rule did not hold.
struct Finding {
  SourceRange range;
  uint32_t node = 0;            // of the plan
  std::string_view text;        // of the part; valid as long as the rule set
  Value result;                 // false, or the error
  std::vector<SeenValue> seen;  // whose values it looked at, but for opaque ones
  // Set when the part is a comparison whose sides both came to something. Of one variable: then
  // that is among `seen`. Of something computed: then `compared` is the text of that and
  // `compared_value` what it came to.
  std::optional<SimpleComparison> comparison;
  std::string_view compared;
  Value compared_value;
  // Were this part true, the rule would be.
  bool sufficient = true;
};

// Why a rule is not true here: of an "and", the first part that is false (or, if none is, the first
// that failed); of an "or", all parts. Empty when the rule is true or was compiled without
// CompileOptions::explain. Values are valid until the evaluator's next StartDecision.
// REQUIRES: the evaluator is bound as it was when the rule was tested.
std::vector<Finding> Explain(Evaluator& evaluator, RuleId rule);

// A variable that the value of a part comes from, be it by way of a definition.
struct Input {
  Scope scope = Scope::kDecision;
  uint32_t slot = 0;               // of a lazy variable 0
  const Variable* lazy = nullptr;  // null: it has a slot
  friend bool operator==(const Input&, const Input&) = default;
};
// All of them, each once. `node` is one of the rule set's plan.
std::vector<Input> InputsOf(const RuleSet& rules, uint32_t node);

// Appends what a comparison wants: "0", "< 2", "not \"gold\"", "one of [1, 2]", "to contain \"x\"",
// "to be known".
void AppendNeeded(const SimpleComparison& comparison, std::string& text);

// Longest value that a condition names, in bytes: what is longer nobody would read.
inline constexpr size_t kMaxConditionBytes = 200;

// What would make the finding's comparison true, as an expression that can be evaluated:
// `customer.plan in ["a", "b"]`. Empty when nothing would (`customer.age < NaN`), or when it is too
// long to be read. REQUIRES: it has a comparison.
std::string ConditionOf(const Finding& finding);

// Appends "customer.open_incidents = 2, needed 0", or the values seen: "customer.plan = "gold",
// ...". Of two that may both change: "customer.calls = 5, customer.bound = 3, needed customer.calls
// < 3". `hidden` tells for which variables no value may be printed, nor what was needed of them or
// computed from them; may be null: none.
void AppendDescription(const Finding& finding, bool (*hidden)(const Variable&, const void* data),
                       const void* data, std::string& text);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_EXPLANATION_H_
