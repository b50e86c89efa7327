#include "lib/expression/explanation.h"

namespace attune::expression {
namespace {

class Explainer {
 public:
  Explainer(Evaluator& evaluator, RuleId rule) : evaluator_(evaluator), rule_(rule) {}

  std::vector<Finding> Run(const ExplainNode& tree) {
    Visit(tree);
    return std::move(findings_);
  }

 private:
  Verdict Test(const ExplainNode& node) { return evaluator_.machine().RunTest(node.node); }

  // REQUIRES: the node is not true.
  void Visit(const ExplainNode& node) {
    switch (node.kind) {
      case ExplainNode::Kind::kLeaf:
        return Leaf(node);
      case ExplainNode::Kind::kAnd:
        return And(node);
      case ExplainNode::Kind::kOr:
        for (const ExplainNode& child : node.children) {
          if (Test(child) != Verdict::kTrue) Visit(child);
        }
        return;
      case ExplainNode::Kind::kConditional:
        return Conditional(node);
    }
  }

  void And(const ExplainNode& node) {
    const ExplainNode* failed = nullptr;
    for (const ExplainNode& child : node.children) {
      const Verdict verdict = Test(child);
      if (verdict == Verdict::kFalse) return Visit(child);
      if (verdict == Verdict::kError && failed == nullptr) failed = &child;
    }
    if (failed != nullptr) Visit(*failed);
  }

  void Conditional(const ExplainNode& node) {
    const Verdict condition = Test(node.children[0]);
    if (condition == Verdict::kError) return Visit(node.children[0]);
    const ExplainNode& chosen = node.children[condition == Verdict::kTrue ? 1 : 2];
    if (Test(chosen) != Verdict::kTrue) Visit(chosen);
  }

  void Leaf(const ExplainNode& node) {
    Finding& finding = findings_.emplace_back();
    finding.range = node.range;
    finding.text =
        evaluator_.rules().text(rule_).substr(node.range.begin, node.range.end - node.range.begin);
    const Verdict verdict = Test(node);
    finding.result =
        verdict == Verdict::kError ? evaluator_.error() : Value::Bool(verdict == Verdict::kTrue);
    for (const Variable* variable : node.variables) {
      finding.seen.push_back({variable, ValueOf(*variable)});
    }
    if (node.comparison.has_value()) finding.comparison = &*node.comparison;
  }

  Value ValueOf(const Variable& variable) {
    Machine& machine = evaluator_.machine();
    if (variable.lazy != nullptr) return variable.lazy(machine.context(), variable.data);
    if (variable.definition >= 0) {
      return machine.Run(evaluator_.rules().definition(variable.definition));
    }
    return machine.slot(variable.scope, variable.slot);
  }

  Evaluator& evaluator_;
  const RuleId rule_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> Explain(Evaluator& evaluator, RuleId rule) {
  const ExplainNode* tree = evaluator.rules().explain_tree(rule);
  if (tree == nullptr || evaluator.Test(rule) == Verdict::kTrue) return {};
  return Explainer(evaluator, rule).Run(*tree);
}

std::string Describe(const Finding& finding, bool (*hidden)(const Variable&, const void* data),
                     const void* data) {
  std::string text;
  for (const SeenValue& seen : finding.seen) {
    if (!text.empty()) text += ", ";
    text += seen.variable->path;
    const bool hide = hidden != nullptr && hidden(*seen.variable, data);
    text += hide ? " is hidden" : " = " + ToString(seen.value);
    if (!hide && !seen.value.present()) text += " (not known)";
  }
  if (finding.comparison != nullptr) {
    text.append(", needed ").append(RelationText(finding.comparison->relation));
    text.append(" ").append(ToString(finding.comparison->constant));
  }
  return text;
}

}  // namespace attune::expression
