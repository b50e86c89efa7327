#include "lib/expression/explanation.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/expression/cel_text.h"

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
    if (node.comparison.has_value()) Compare(*node.comparison, verdict, finding);
  }

  void Compare(const SimpleComparison& comparison, Verdict verdict, Finding& finding) {
    const bool is_computed = comparison.variable == nullptr || comparison.needed_node.has_value();
    // What could not be computed was not compared.
    if (is_computed && verdict == Verdict::kError) return;
    SimpleComparison result = comparison;
    if (comparison.needed_node) {
      result.needed = evaluator_.machine().Run(*comparison.needed_node);
      if (!CanBeShown(result.needed)) return;
    }
    if (comparison.variable == nullptr) {
      const Value value = evaluator_.machine().Run(comparison.node);
      if (!CanBeShown(value)) return;
      finding.compared = TextOf(comparison.range);
      finding.compared_value = value;
    }
    finding.comparison = result;
  }

  static bool CanBeShown(const Value& value) {
    return value.kind() != Kind::kOpaque && !value.is_error();
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

class InputCollector {
 public:
  explicit InputCollector(const Plan& plan) : plan_(plan) {}

  void Visit(uint32_t index) {
    const Node& node = plan_.nodes[index];
    if (ReadsSlot(node)) Add({node.scope, node.slot, nullptr});
    if (node.op == Op::kLazy) Add({node.scope, 0, node.variable});
    // Nodes are shared: without a look at what was seen, some are visited very often.
    if (node.child_count == 0 || !seen_.insert(node.first_child).second) return;
    for (uint32_t i = 0; i < node.child_count; ++i) Visit(node.first_child + i);
  }

  std::vector<Input> Take() { return std::move(inputs_); }

 private:
  void Add(const Input& input) {
    if (std::find(inputs_.begin(), inputs_.end(), input) == inputs_.end()) inputs_.push_back(input);
  }

  const Plan& plan_;
  absl::flat_hash_set<uint32_t> seen_;  // children, by the first of them
  std::vector<Input> inputs_;
};

}  // namespace

std::vector<Input> InputsOf(const RuleSet& rules, uint32_t node) {
  InputCollector collector(rules.plan());
  collector.Visit(node);
  return collector.Take();
}

std::vector<Finding> Explain(Evaluator& evaluator, RuleId rule) {
  const ExplainNode* tree = evaluator.rules().explain_tree(rule);
  if (tree == nullptr || evaluator.Test(rule) == Verdict::kTrue) return {};
  return Explainer(evaluator, rule).Run(*tree);
}

void AppendNeeded(const SimpleComparison& comparison, std::string& text) {
  const Value& needed = comparison.needed;
  switch (comparison.relation) {
    case Relation::kEqual:
      break;
    case Relation::kNotEqual:
      if (needed.kind() == Kind::kBool) {
        text += needed.bool_value() ? "false" : "true";
        return;
      }
      text += "not ";
      break;
    case Relation::kIn:
      text += "one of ";
      break;
    case Relation::kNotIn:
      text += "none of ";
      break;
    case Relation::kContains:
      text += "to contain ";
      break;
    case Relation::kNotContains:
      text += "not to contain ";
      break;
    case Relation::kPresent:
      text += "to be known";
      return;
    case Relation::kAbsent:
      text += "not to be known";
      return;
    default:
      text += RelationText(comparison.relation);
      text += ' ';
  }
  AppendText(needed, text);
}

namespace {

// Is no value of its kind smaller?
bool IsBelowAll(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool:
      return !value.bool_value();
    case Kind::kInt:
      return value.int_value() == std::numeric_limits<int64_t>::min();
    case Kind::kUint:
      return value.uint_value() == 0;
    case Kind::kDouble:
      return value.double_value() == -std::numeric_limits<double>::infinity();
    case Kind::kString:
    case Kind::kBytes:
      return value.text().empty();
    default:
      return false;
  }
}

// Or larger?
bool IsAboveAll(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool:
      return value.bool_value();
    case Kind::kInt:
      return value.int_value() == std::numeric_limits<int64_t>::max();
    case Kind::kUint:
      return value.uint_value() == std::numeric_limits<uint64_t>::max();
    case Kind::kDouble:
      return value.double_value() == std::numeric_limits<double>::infinity();
    default:
      return false;
  }
}

// Could anything be so to what is needed?
bool CanHold(const SimpleComparison& comparison) {
  const Value& needed = comparison.needed;
  const bool is_nan = needed.kind() == Kind::kDouble && std::isnan(needed.double_value());
  switch (comparison.relation) {
    case Relation::kEqual:
    case Relation::kLessEqual:
    case Relation::kGreaterEqual:
    case Relation::kContains:
      return !is_nan;
    case Relation::kLess:
      return !is_nan && !IsBelowAll(needed);
    case Relation::kGreater:
      return !is_nan && !IsAboveAll(needed);
    case Relation::kIn:
      return !needed.is_list() || ListSize(needed) > 0;
    default:
      return true;
  }
}

}  // namespace

std::string ConditionOf(const Finding& finding) {
  const SimpleComparison& comparison = *finding.comparison;
  if (!CanHold(comparison) || !FitsCel(comparison.needed, kMaxConditionBytes)) return "";
  const absl::string_view what =
      ToAbsl(comparison.variable != nullptr ? std::string_view(comparison.variable->path)
                                            : finding.compared);
  const std::string needed = ToCel(comparison.needed);
  switch (comparison.relation) {
    case Relation::kPresent:
      return absl::StrCat("has(", what, ")");
    case Relation::kAbsent:
      return absl::StrCat("!has(", what, ")");
    case Relation::kContains:
      return absl::StrCat(needed, " in ", what);
    case Relation::kNotContains:
      return absl::StrCat("!(", needed, " in ", what, ")");
    case Relation::kNotIn:
      return absl::StrCat("!(", what, " in ", needed, ")");
    default:
      return absl::StrCat(what, " ", ToAbsl(RelationText(comparison.relation)), " ", needed);
  }
}

void AppendDescription(const Finding& finding, bool (*hidden)(const Variable&, const void* data),
                       const void* data, std::string& text) {
  bool hides = false;
  const char* separator = "";
  for (const SeenValue& seen : finding.seen) {
    text += std::exchange(separator, ", ");
    text += seen.variable->path;
    const bool hide = hidden != nullptr && hidden(*seen.variable, data);
    hides |= hide;
    if (hide) {
      text += " is hidden";
      continue;
    }
    text += " = ";
    AppendText(seen.value, text);
    if (!seen.value.present()) text += " (not known)";
  }
  if (hides || !finding.comparison) return;
  if (finding.comparison->variable == nullptr) {
    text += separator;
    text += finding.compared;
    text += " = ";
    AppendText(finding.compared_value, text);
  }
  text += ", needed ";
  // The other side is among the values that were just told: say of what this is needed.
  if (finding.comparison->needed_node) {
    text += finding.comparison->variable != nullptr
                ? std::string_view(finding.comparison->variable->path)
                : finding.compared;
    text += finding.comparison->relation == Relation::kEqual ? " == " : " ";
  }
  AppendNeeded(*finding.comparison, text);
}

}  // namespace attune::expression
