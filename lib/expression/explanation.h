#ifndef ATTUNE_LIB_EXPRESSION_EXPLANATION_H_
#define ATTUNE_LIB_EXPRESSION_EXPLANATION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "lib/base/text_buffer.h"
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
  const ExplainNode* part = nullptr;  // a leaf; valid as long as the rule set
  Value result;                       // false, or the error
  // Null, or the part's comparison when both sides came to something: what was needed and, where
  // that is no variable, what was computed.
  const SimpleComparison* comparison = nullptr;
  Value needed;
  Value compared_value;
  // Were this part true, the rule would be.
  bool sufficient = true;
  // Whose values it looked at, but for opaque ones: so many of Findings::seen, from this one.
  size_t first_seen = 0;
  size_t seen_count = 0;
};

// What was found out about one rule. Reused from rule to rule, so that it allocates nothing when a
// rule has a few parts. Not thread-safe.
struct Findings {
  absl::InlinedVector<Finding, 4> parts;
  absl::InlinedVector<SeenValue, 8> seen;  // by all parts, one after the other

  absl::Span<const SeenValue> SeenBy(const Finding& finding) const {
    return absl::MakeConstSpan(seen).subspan(finding.first_seen, finding.seen_count);
  }
};

// Why a rule is not true here: of an "and", the first part that is false (or, if none is, the first
// that failed); of an "or", all parts. Empty when the rule is true or was compiled without
// CompileOptions::explain. Values are valid until the evaluator's next StartDecision. `findings` is
// overwritten. REQUIRES: the evaluator is bound as it was when the rule was tested.
void Explain(Evaluator& evaluator, RuleId rule, Findings& findings);

// Where the part stands because of which a rule failed, as a byte of its text: the operator, the
// name. Of what fails within a loop that is the loop. nullopt when the rule has a value, or was
// compiled without CompileOptions::positions. REQUIRES: the evaluator is bound.
std::optional<uint32_t> FailedAt(Evaluator& evaluator, RuleId rule);

// A variable that the value of a part comes from, be it by way of a definition.
struct Input {
  Scope scope = Scope::kDecision;
  uint32_t slot = 0;               // of a lazy variable 0
  const Variable* lazy = nullptr;  // null: it has a slot
  friend bool operator==(const Input&, const Input&) = default;
};
// All of them, each once. `node` is one of the rule set's plan.
std::vector<Input> InputsOf(const RuleSet& rules, uint32_t node);

// Appends what a comparison wants, given what is needed: "0", "< 2", "not \"gold\"", "one of
// [1, 2]", "to contain \"x\"", "to be known".
void AppendNeeded(const SimpleComparison& comparison, const Value& needed, std::string& text);
// The same of a finding. REQUIRES: it has a comparison.
void AppendNeeded(const Finding& finding, TextBuffer& text);

// Longest value that a condition names, in bytes: what is longer nobody would read.
inline constexpr size_t kMaxConditionBytes = 200;

// Appends what would make a comparison true, given what is needed, as an expression that can be
// evaluated: `customer.plan in ["a", "b"]`. Nothing when nothing would (`customer.age < NaN`), or
// when it is too long to be read.
void AppendCondition(const SimpleComparison& comparison, const Value& needed, std::string& text);
// Whether it appends anything.
bool HasCondition(const SimpleComparison& comparison, const Value& needed);

// Appends "customer.open_incidents = 2, needed 0", or the values seen: "customer.plan = "gold",
// ...". Of two that may both change: "customer.calls = 5, customer.bound = 3, needed customer.calls
// < 3". `append_seen` appends what is told of the seen value with this index of Findings::seen,
// behind its name: " = 2". With `hides` nothing is said of what was needed or computed.
void AppendDescription(const Findings& findings, const Finding& finding, bool hides,
                       absl::FunctionRef<void(size_t, TextBuffer&)> append_seen, TextBuffer& text);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_EXPLANATION_H_
