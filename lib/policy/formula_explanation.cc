#include "lib/policy/formula_explanation.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "lib/base/text.h"
#include "lib/expression/explain_tree.h"

namespace attune::policy {
namespace {

using expression::Value;
using expression::Variable;

void CollectVariables(const expression::ExplainNode& tree, std::vector<const Variable*>& all) {
  for (const expression::ExplainNode& child : tree.children) CollectVariables(child, all);
  for (const Variable* variable : tree.variables) {
    if (std::find(all.begin(), all.end(), variable) == all.end()) all.push_back(variable);
  }
}

Value ValueOfVariable(expression::Evaluator& evaluator, const Variable& variable) {
  expression::Machine& machine = evaluator.machine();
  if (variable.lazy != nullptr) return variable.lazy(machine.context(), variable.data);
  if (variable.definition >= 0) {
    return machine.Run(evaluator.rules().definition(variable.definition));
  }
  return machine.slot(variable.scope, variable.slot);
}

}  // namespace

void ForEachSeen(const EngagementRules& rules, const EngagementState& state, const Formula& formula,
                 int treatment, absl::FunctionRef<void(const RuleValue&)> visit) {
  const expression::ExplainNode* tree = rules.rule_set()->explain_tree(formula.id);
  if (tree == nullptr) return;
  std::vector<const Variable*> variables;
  CollectVariables(*tree, variables);
  expression::Evaluator& evaluator = state.EvaluatorFor(treatment);
  size_t told = 0;
  std::string text;
  for (const Variable* variable : variables) {
    if (told == kMaxFormulaValues) return;
    const Value value = ValueOfVariable(evaluator, *variable);
    if (value.kind() == expression::Kind::kOpaque) continue;
    RuleValue seen;
    seen.name = variable->path;
    seen.is_protected = rules.IsProtected(*variable);
    text.clear();
    if (!seen.is_protected) {
      expression::AppendText(value, text);
      seen.text = text;
      seen.is_default = !value.present();
    }
    visit(seen);
    ++told;
  }
}

void AppendWhatHappened(const EngagementRules& rules, const EngagementState& state,
                        const Formula& formula, int treatment, std::string& text) {
  const Value value = state.Evaluate(formula, treatment);
  if (value.is_error()) {
    // The message may quote a value.
    text += "can't be evaluated: ";
    text += formula.hides ? ErrorCodeName(value.error_code()) : value.error_message();
  } else if (formula.hides) {
    text += "comes to what can't be used";
  } else {
    text += "comes to ";
    expression::AppendText(value, text);
  }
  std::string_view separator = "; ";
  ForEachSeen(rules, state, formula, treatment, [&](const RuleValue& seen) {
    text += separator;
    text += seen.name;
    if (seen.is_protected) {
      text += " is hidden";
    } else {
      text += " = ";
      text += seen.text;
      if (seen.is_default) text += " (not known)";
    }
    separator = ", ";
  });
}

}  // namespace attune::policy
