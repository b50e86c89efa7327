#include "lib/expression/explain_builder.h"

#include <algorithm>

#include "lib/expression/operators.h"

namespace attune::expression {
namespace {

bool IsConstant(const Node& node) { return node.op == Op::kConstant && !node.constant.is_error(); }

Relation Negated(Relation relation) {
  switch (relation) {
    case Relation::kEqual:
      return Relation::kNotEqual;
    case Relation::kNotEqual:
      return Relation::kEqual;
    case Relation::kLess:
      return Relation::kGreaterEqual;
    case Relation::kLessEqual:
      return Relation::kGreater;
    case Relation::kGreater:
      return Relation::kLessEqual;
    case Relation::kGreaterEqual:
      return Relation::kLess;
    case Relation::kIn:
      return Relation::kNotIn;
    case Relation::kNotIn:
      return Relation::kIn;
    case Relation::kContains:
      return Relation::kNotContains;
    case Relation::kNotContains:
      return Relation::kContains;
    case Relation::kPresent:
      return Relation::kAbsent;
    case Relation::kAbsent:
      return Relation::kPresent;
  }
  return relation;
}

void AddVariables(const Expr& expr, std::vector<const Variable*>& variables) {
  if (expr.variable != nullptr &&
      std::find(variables.begin(), variables.end(), expr.variable) == variables.end()) {
    variables.push_back(expr.variable);
  }
  if (expr.operand != nullptr && expr.variable == nullptr && !expr.global_call) {
    AddVariables(*expr.operand, variables);
  }
  for (const Expr* argument : expr.args) AddVariables(*argument, variables);
  if (expr.filter != nullptr) AddVariables(*expr.filter, variables);
  if (expr.body != nullptr) AddVariables(*expr.body, variables);
}

}  // namespace

std::string_view RelationText(Relation relation) {
  constexpr std::string_view kTexts[] = {"==",       "!=",           "<",   "<=",
                                         ">",        ">=",           "in",  "not in",
                                         "contains", "not contains", "has", "has not"};
  return kTexts[static_cast<size_t>(relation)];
}

std::optional<SimpleComparison> ExplainBuilder::Simple(const Expr& expr) const {
  if (expr.variable != nullptr) {
    if (expr.has) return SimpleComparison{expr.variable, Relation::kPresent, Value::Bool(true)};
    return SimpleComparison{expr.variable, Relation::kEqual, Value::Bool(true)};
  }
  if (expr.kind != Expr::Kind::kCall) return std::nullopt;
  if (expr.name == op::kNot) {
    std::optional<SimpleComparison> inner = Simple(*expr.args[0]);
    if (inner.has_value()) inner->relation = Negated(inner->relation);
    return inner;
  }
  std::optional<Comparison> comparison = ComparisonOf(expr.name);
  const bool in = expr.name == op::kIn;
  if (!comparison.has_value() && !in) return std::nullopt;
  const Expr& left = *expr.args[0];
  const Expr& right = *expr.args[1];
  const auto constant = [&](const Expr& side) -> const Value* {
    const auto found = planned_.find(&side);
    if (found == planned_.end()) return nullptr;
    const Node& node = plan_.nodes[found->second];
    return IsConstant(node) ? &node.constant : nullptr;
  };
  if (left.variable != nullptr && !left.has && constant(right) != nullptr) {
    const Relation relation = in ? Relation::kIn : static_cast<Relation>(*comparison);
    return SimpleComparison{left.variable, relation, *constant(right)};
  }
  if (right.variable != nullptr && !right.has && constant(left) != nullptr) {
    const Relation relation =
        in ? Relation::kContains : static_cast<Relation>(Mirrored(*comparison));
    return SimpleComparison{right.variable, relation, *constant(left)};
  }
  const auto computed = [&](const Expr& side, Relation relation, const Value& needed) {
    return SimpleComparison{nullptr, relation, needed, planned_.at(&side), side.range};
  };
  if (in) return std::nullopt;
  if (constant(right) != nullptr && constant(left) == nullptr) {
    return computed(left, static_cast<Relation>(*comparison), *constant(right));
  }
  if (constant(left) != nullptr && constant(right) == nullptr) {
    return computed(right, static_cast<Relation>(Mirrored(*comparison)), *constant(left));
  }
  return std::nullopt;
}

ExplainNode ExplainBuilder::Build(const Expr& root) const {
  ExplainNode tree;
  tree.range = root.range;
  tree.node = planned_.at(&root);
  if (root.kind == Expr::Kind::kCall && root.function != nullptr) {
    if (root.name == op::kAnd) tree.kind = ExplainNode::Kind::kAnd;
    if (root.name == op::kOr) tree.kind = ExplainNode::Kind::kOr;
    if (root.name == op::kConditional) tree.kind = ExplainNode::Kind::kConditional;
  }
  if (tree.kind != ExplainNode::Kind::kLeaf) {
    for (const Expr* argument : root.args) tree.children.push_back(Build(*argument));
    return tree;
  }
  tree.comparison = Simple(root);
  AddVariables(root, tree.variables);
  return tree;
}

void ReplaceNodes(ExplainNode& tree, const std::vector<uint32_t>& replaced) {
  tree.node = replaced[tree.node];
  if (tree.comparison.has_value()) tree.comparison->node = replaced[tree.comparison->node];
  for (ExplainNode& child : tree.children) ReplaceNodes(child, replaced);
}

}  // namespace attune::expression
