#include "lib/expression/explanation.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"

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
    const ExplainNode* first_false = nullptr;
    const ExplainNode* failed = nullptr;
    size_t untrue = 0;
    for (const ExplainNode& child : node.children) {
      const Verdict verdict = Test(child);
      if (verdict != Verdict::kTrue) ++untrue;
      if (verdict == Verdict::kFalse && first_false == nullptr) first_false = &child;
      if (verdict == Verdict::kError && failed == nullptr) failed = &child;
    }
    const ExplainNode* decisive = first_false != nullptr ? first_false : failed;
    if (decisive == nullptr) return;
    const bool outer = std::exchange(sufficient_, sufficient_ && untrue == 1);
    Visit(*decisive);
    sufficient_ = outer;
  }

  void Conditional(const ExplainNode& node) {
    const Verdict condition = Test(node.children[0]);
    if (condition == Verdict::kError) {
      const bool outer = std::exchange(sufficient_, false);
      Visit(node.children[0]);
      sufficient_ = outer;
      return;
    }
    const ExplainNode& chosen = node.children[condition == Verdict::kTrue ? 1 : 2];
    if (Test(chosen) != Verdict::kTrue) Visit(chosen);
  }

  std::string_view TextOf(SourceRange range) const {
    return evaluator_.rules().text(rule_).substr(range.begin, range.end - range.begin);
  }

  void Leaf(const ExplainNode& node) {
    Finding& finding = findings_.emplace_back();
    finding.range = node.range;
    finding.node = node.node;
    finding.text = TextOf(node.range);
    finding.sufficient = sufficient_;
    const Verdict verdict = Test(node);
    finding.result =
        verdict == Verdict::kError ? evaluator_.error() : Value::Bool(verdict == Verdict::kTrue);
    for (const Variable* variable : node.variables) {
      const Value value = ValueOf(*variable);
      if (value.kind() != Kind::kOpaque) finding.seen.push_back({variable, value});
    }
    if (!node.comparison.has_value()) return;
    const SimpleComparison& comparison = *node.comparison;
    if (comparison.variable == nullptr) {
      // What could not be computed was not compared.
      if (verdict == Verdict::kError) return;
      finding.compared = TextOf(comparison.range);
      finding.compared_value = evaluator_.machine().Run(comparison.node);
    }
    finding.comparison = &comparison;
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
  bool sufficient_ = true;
  std::vector<Finding> findings_;
};

// Looks for an input that a test accepts.
class InputSearch {
 public:
  InputSearch(const Plan& plan, absl::FunctionRef<bool(const Input&)> accept)
      : plan_(plan), accept_(accept) {}

  bool Visit(uint32_t index) {
    const Node& node = plan_.nodes[index];
    if (ReadsSlot(node) && accept_({node.scope, node.slot, nullptr})) return true;
    if (node.op == Op::kLazy && accept_({node.scope, 0, node.variable})) return true;
    // Nodes are shared: in large parts, without a look at what was seen, some are visited often.
    if (node.weight > kMaxSmall && !seen_.insert(node.first_child).second) return false;
    for (uint32_t i = 0; i < node.child_count; ++i) {
      if (Visit(node.first_child + i)) return true;
    }
    return false;
  }

 private:
  static constexpr uint32_t kMaxSmall = 100;

  const Plan& plan_;
  const absl::FunctionRef<bool(const Input&)> accept_;
  absl::flat_hash_set<uint32_t> seen_;  // children, by the first of them
};

}  // namespace

bool AnyInput(const RuleSet& rules, uint32_t node, absl::FunctionRef<bool(const Input&)> accept) {
  return InputSearch(rules.plan(), accept).Visit(node);
}

std::vector<Input> InputsOf(const RuleSet& rules, uint32_t node) {
  std::vector<Input> inputs;
  AnyInput(rules, node, [&](const Input& input) {
    if (std::find(inputs.begin(), inputs.end(), input) == inputs.end()) inputs.push_back(input);
    return false;
  });
  return inputs;
}

std::vector<Finding> Explain(Evaluator& evaluator, RuleId rule) {
  const ExplainNode* tree = evaluator.rules().explain_tree(rule);
  if (tree == nullptr || evaluator.Test(rule) == Verdict::kTrue) return {};
  return Explainer(evaluator, rule).Run(*tree);
}

std::string NeededText(const SimpleComparison& comparison) {
  const std::string constant = ToString(comparison.constant);
  switch (comparison.relation) {
    case Relation::kEqual:
      return constant;
    case Relation::kNotEqual:
      if (comparison.constant.kind() == Kind::kBool) {
        return comparison.constant.bool_value() ? "false" : "true";
      }
      return "not " + constant;
    case Relation::kIn:
      return "one of " + constant;
    case Relation::kNotIn:
      return "none of " + constant;
    case Relation::kContains:
      return "to contain " + constant;
    case Relation::kNotContains:
      return "not to contain " + constant;
    case Relation::kPresent:
      return "to be known";
    case Relation::kAbsent:
      return "not to be known";
    default:
      return std::string(RelationText(comparison.relation)) + " " + constant;
  }
}

std::string Describe(const Finding& finding, bool (*hidden)(const Variable&, const void* data),
                     const void* data) {
  std::string text;
  bool hides = false;
  for (const SeenValue& seen : finding.seen) {
    if (!text.empty()) text += ", ";
    text += seen.variable->path;
    const bool hide = hidden != nullptr && hidden(*seen.variable, data);
    text += hide ? " is hidden" : " = " + ToString(seen.value);
    if (!hide && !seen.value.present()) text += " (not known)";
    hides |= hide;
  }
  if (hides || finding.comparison == nullptr) return text;
  if (finding.comparison->variable == nullptr) {
    if (!text.empty()) text += ", ";
    text.append(finding.compared).append(" = ").append(ToString(finding.compared_value));
  }
  return text + ", needed " + NeededText(*finding.comparison);
}

}  // namespace attune::expression
