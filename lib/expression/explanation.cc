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
  Explainer(Evaluator& evaluator, Findings& findings)
      : evaluator_(evaluator), findings_(findings) {}

  // REQUIRES: the node came to `verdict`, which is not true.
  void Visit(const ExplainNode& node, Verdict verdict) {
    switch (node.kind) {
      case ExplainNode::Kind::kLeaf:
        return Leaf(node, verdict);
      case ExplainNode::Kind::kAnd:
        return And(node);
      case ExplainNode::Kind::kOr:
        for (const ExplainNode& child : node.children) TestAndVisit(child);
        return;
      case ExplainNode::Kind::kConditional:
        return Conditional(node);
    }
  }

 private:
  Verdict Test(const ExplainNode& node) { return evaluator_.machine().RunTest(node.node); }

  void TestAndVisit(const ExplainNode& node) {
    const Verdict verdict = Test(node);
    if (verdict != Verdict::kTrue) Visit(node, verdict);
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
    Visit(*decisive, first_false != nullptr ? Verdict::kFalse : Verdict::kError);
    sufficient_ = outer;
  }

  void Conditional(const ExplainNode& node) {
    const Verdict condition = Test(node.children[0]);
    if (condition == Verdict::kError) {
      const bool outer = std::exchange(sufficient_, false);
      Visit(node.children[0], condition);
      sufficient_ = outer;
      return;
    }
    TestAndVisit(node.children[condition == Verdict::kTrue ? 1 : 2]);
  }

  void Leaf(const ExplainNode& node, Verdict verdict) {
    Finding& finding = findings_.parts.emplace_back();
    finding.part = &node;
    finding.sufficient = sufficient_;
    finding.result = Value::Bool(false);
    if (verdict == Verdict::kError) {
      Test(node);  // others were tested since
      finding.result = evaluator_.error();
    }
    finding.first_seen = findings_.seen.size();
    for (const Variable* variable : node.variables) {
      const Value value = ValueOf(*variable);
      if (value.kind() != Kind::kOpaque) findings_.seen.push_back({variable, value});
    }
    finding.seen_count = findings_.seen.size() - finding.first_seen;
    if (node.comparison.has_value()) Compare(*node.comparison, verdict, finding);
  }

  void Compare(const SimpleComparison& comparison, Verdict verdict, Finding& finding) {
    const bool is_computed = comparison.variable == nullptr || comparison.needed_node.has_value();
    // What could not be computed was not compared.
    if (is_computed && verdict == Verdict::kError) return;
    finding.needed = comparison.needed;
    if (comparison.needed_node) {
      finding.needed = evaluator_.machine().Run(*comparison.needed_node);
      if (!CanBeShown(finding.needed)) return;
    }
    if (comparison.variable == nullptr) {
      finding.compared_value = evaluator_.machine().Run(comparison.node);
      if (!CanBeShown(finding.compared_value)) return;
    }
    finding.comparison = &comparison;
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
  Findings& findings_;
  bool sufficient_ = true;
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

void Explain(Evaluator& evaluator, RuleId rule, Findings& findings) {
  findings.parts.clear();
  findings.seen.clear();
  const ExplainNode* tree = evaluator.rules().explain_tree(rule);
  if (tree == nullptr) return;
  Explainer explainer(evaluator, findings);
  // An "and" tests all its parts anyway.
  if (tree->kind == ExplainNode::Kind::kAnd) return explainer.Visit(*tree, Verdict::kFalse);
  const Verdict verdict = evaluator.Test(rule);
  if (verdict != Verdict::kTrue) explainer.Visit(*tree, verdict);
}

namespace {

// The child whose error is that of its parent; null when the parent itself failed.
const ExplainNode* FailedChild(Machine& machine, const ExplainNode& part, const Value& error) {
  const auto failed = [&](const ExplainNode& child) {
    const Value value = machine.Run(child.node);
    return value.is_error() && value.error_code() == error.error_code() &&
           value.error_message() == error.error_message();
  };
  if (part.kind != ExplainNode::Kind::kConditional) {
    const auto child = std::find_if(part.children.begin(), part.children.end(), failed);
    return child == part.children.end() ? nullptr : &*child;
  }
  const Value condition = machine.Run(part.children[0].node);
  const ExplainNode& decisive =
      part.children[condition.is_error() ? 0 : (condition.is_true() ? 1 : 2)];
  return failed(decisive) ? &decisive : nullptr;
}

}  // namespace

std::optional<uint32_t> FailedAt(Evaluator& evaluator, RuleId rule) {
  const ExplainNode* part = evaluator.rules().positions(rule);
  const Value error = evaluator.Evaluate(rule);
  if (part == nullptr || !error.is_error()) return std::nullopt;
  while (const ExplainNode* child = FailedChild(evaluator.machine(), *part, error)) part = child;
  return part->range.begin;
}

void AppendNeeded(const SimpleComparison& comparison, const Value& needed, std::string& text) {
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

void AppendNeeded(const Finding& finding, TextBuffer& text) {
  const SimpleComparison& comparison = *finding.comparison;
  if (!comparison.needed_node) {
    text += comparison.needed_text;
    return;
  }
  std::string needed;
  AppendNeeded(comparison, finding.needed, needed);
  text += needed;
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
bool CanHold(const SimpleComparison& comparison, const Value& needed) {
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

bool HasCondition(const SimpleComparison& comparison, const Value& needed) {
  return CanHold(comparison, needed) && FitsCel(needed, kMaxConditionBytes);
}

void AppendCondition(const SimpleComparison& comparison, const Value& needed, std::string& text) {
  if (!HasCondition(comparison, needed)) return;
  const absl::string_view what =
      ToAbsl(comparison.variable != nullptr ? std::string_view(comparison.variable->path)
                                            : comparison.compared);
  const std::string constant = ToCel(needed);
  switch (comparison.relation) {
    case Relation::kPresent:
      return absl::StrAppend(&text, "has(", what, ")");
    case Relation::kAbsent:
      return absl::StrAppend(&text, "!has(", what, ")");
    case Relation::kContains:
      return absl::StrAppend(&text, constant, " in ", what);
    case Relation::kNotContains:
      return absl::StrAppend(&text, "!(", constant, " in ", what, ")");
    case Relation::kNotIn:
      return absl::StrAppend(&text, "!(", what, " in ", constant, ")");
    default:
      return absl::StrAppend(&text, what, " ", ToAbsl(RelationText(comparison.relation)), " ",
                             constant);
  }
}

void AppendDescription(const Findings& findings, const Finding& finding, bool hides,
                       absl::FunctionRef<void(size_t, TextBuffer&)> append_seen, TextBuffer& text) {
  const char* separator = "";
  for (size_t i = finding.first_seen; i < finding.first_seen + finding.seen_count; ++i) {
    text += std::exchange(separator, ", ");
    text += findings.seen[i].variable->path;
    append_seen(i, text);
  }
  if (hides || finding.comparison == nullptr) return;
  const SimpleComparison& comparison = *finding.comparison;
  if (comparison.variable == nullptr) {
    text += separator;
    text += comparison.compared;
    text += " = ";
    text += ToString(finding.compared_value);
  }
  text += ", needed ";
  // The other side is among the values that were just told: say of what this is needed.
  if (comparison.needed_node) {
    text += comparison.variable != nullptr ? std::string_view(comparison.variable->path)
                                           : comparison.compared;
    text += comparison.relation == Relation::kEqual ? " == " : " ";
  }
  AppendNeeded(finding, text);
}

}  // namespace attune::expression
