#ifndef ATTUNE_LIB_EXPRESSION_EVALUATOR_H_
#define ATTUNE_LIB_EXPRESSION_EVALUATOR_H_

#include "lib/expression/machine.h"
#include "lib/expression/rule_set.h"

namespace attune::expression {

// Evaluates the expressions of a rule set for one decision after the other. Allocates nothing when
// the values in play are numbers, booleans, strings by reference and lists from the record. Not
// thread-safe: one per thread, made once.
//
//   evaluator.StartDecision(customer_and_context);
//   for (const Treatment& treatment : treatments) {
//     evaluator.StartCandidate(treatment.attributes);
//     for (const RuleId rule : treatment.rules) {
//       if (evaluator.Test(rule) != Verdict::kTrue) ...
//     }
//   }
class Evaluator {
 public:
  // The rule set must outlive the evaluator.
  explicit Evaluator(const RuleSet& rules)
      : rules_(rules), machine_(rules.plan(), rules.limits()) {}

  // What the host's functions and lazy variables find in CallContext::host().
  void set_host(void* host) { machine_.context().set_host(host); }

  // `slots`: the values of the variables of this scope, by slot. They must stay where and as they
  // are until the next call: what was computed from them is remembered. Values that were returned
  // before are invalid after StartDecision. Both take O(1).
  void StartDecision(const Value* slots) { machine_.StartDecision(slots); }
  // REQUIRES: StartDecision was called; must come before a rule of scope kCandidate is evaluated.
  void StartCandidate(const Value* slots) { machine_.StartCandidate(slots); }

  // The value, or an error.
  Value Evaluate(RuleId rule) { return machine_.Run(rules_.root(rule)); }
  // The same for a condition. What is no bool is an error.
  Verdict Test(RuleId rule) { return machine_.RunTest(rules_.root(rule)); }
  // Why the last Test returned kError.
  const Value& error() const { return machine_.error(); }

  const RuleSet& rules() const { return rules_; }
  Machine& machine() { return machine_; }

 private:
  const RuleSet& rules_;
  Machine machine_;
};

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_EVALUATOR_H_
