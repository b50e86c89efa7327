#include "lib/expression/explain_builder.h"

#include <algorithm>

#include "lib/expression/explanation.h"
#include "lib/expression/operators.h"

namespace attune::expression {
namespace {

bool IsConstant(const Node& node) { return node.op == Op::kConstant && !node.constant.is_error(); }

// All that it looks at is given.
bool IsGiven(const std::vector<const Variable*>& variables) {
  return std::all_of(variables.begin(), variables.end(),
                     [](const Variable* variable) { return variable->given; });
}

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

std::string_view TextOf(std::string_view rule, SourceRange range) {
  return rule.substr(range.begin, range.end - range.begin);
}

void DescribeLeaf(ExplainNode& leaf, std::string_view text) {
  leaf.text = TextOf(text, leaf.range);
  if (!leaf.comparison) return;
  SimpleComparison& comparison = *leaf.comparison;
  if (comparison.variable == nullptr) comparison.compared = TextOf(text, comparison.range);
  if (comparison.needed_node) return;
  AppendNeeded(comparison, comparison.needed, comparison.needed_text);
  AppendCondition(comparison, comparison.needed, comparison.condition);
}

void DescribeFrom(ExplainNode& tree, std::string_view text, uint32_t& leaves) {
  if (tree.kind == ExplainNode::Kind::kLeaf) {
    tree.leaf = leaves++;
    return DescribeLeaf(tree, text);
  }
  for (ExplainNode& child : tree.children) DescribeFrom(child, text, leaves);
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
    SimpleComparison comparison;
    comparison.variable = expr.variable;
    comparison.relation = expr.has ? Relation::kPresent : Relation::kEqual;
    comparison.needed = Value::Bool(true);
    return comparison;
  }
  if (expr.kind != Expr::Kind::kCall) return std::nullopt;
  if (expr.name == op::kNot) {
    std::optional<SimpleComparison> inner = Simple(*expr.args[0]);
    if (inner.has_value()) inner->relation = Negated(inner->relation);
    return inner;
  }
  const std::optional<Comparison> comparison = ComparisonOf(expr.name);
  const bool in = expr.name == op::kIn;
  if (!comparison.has_value() && !in) return std::nullopt;
  const Expr& left = *expr.args[0];
  const Expr& right = *expr.args[1];
  if (IsMeasured(left, right)) {
    return Compare(left, in ? Relation::kIn : static_cast<Relation>(*comparison), right);
  }
  return Compare(right, in ? Relation::kContains : static_cast<Relation>(Mirrored(*comparison)),
                 left);
}

const Node* ExplainBuilder::NodeOf(const Expr& expr) const {
  const auto found = planned_.find(&expr);
  return found == planned_.end() ? nullptr : &plan_.nodes[found->second];
}

bool ExplainBuilder::IsFixed(const Expr& part) const {
  const Node* node = NodeOf(part);
  // Not all that is constant was computed when it was planned: loops are not.
  return node == nullptr || node->scope == Scope::kConstant;
}

bool ExplainBuilder::IsMeasured(const Expr& left, const Expr& right) const {
  if (IsFixed(left) || IsFixed(right)) return !IsFixed(left);
  std::vector<const Variable*> of_left;
  AddVariables(left, of_left);
  std::vector<const Variable*> of_right;
  AddVariables(right, of_right);
  return !IsGiven(of_left) || IsGiven(of_right);
}

std::optional<SimpleComparison> ExplainBuilder::Compare(const Expr& measured, Relation relation,
                                                        const Expr& needed) const {
  const Node* measured_node = NodeOf(measured);
  const Node* needed_node = NodeOf(needed);
  if (measured_node == nullptr || needed_node == nullptr || IsFixed(measured)) return std::nullopt;
  SimpleComparison comparison;
  comparison.relation = relation;
  if (measured.variable != nullptr && !measured.has) {
    comparison.variable = measured.variable;
  } else {
    comparison.range = measured.range;
  }
  if (IsConstant(*needed_node)) {
    comparison.needed = needed_node->constant;
    // A variable beside a constant has become one node with it.
    if (comparison.variable == nullptr) comparison.node = planned_.at(&measured);
    return comparison;
  }
  comparison.node = planned_.at(&measured);
  comparison.needed_node = planned_.at(&needed);
  return comparison;
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

ExplainNode ExplainBuilder::BuildPositions(const Expr& root) const {
  ExplainNode tree;
  tree.range = {root.at, root.range.end};
  tree.node = planned_.at(&root);
  // What stands in a loop has no value by itself. A name that is in front of a function's is none.
  if (root.operand != nullptr && NodeOf(*root.operand) != nullptr) {
    tree.children.push_back(BuildPositions(*root.operand));
  }
  for (const Expr* argument : root.args) {
    if (NodeOf(*argument) != nullptr) tree.children.push_back(BuildPositions(*argument));
  }
  const bool is_conditional = root.kind == Expr::Kind::kCall && root.name == op::kConditional;
  if (is_conditional && tree.children.size() == 3) tree.kind = ExplainNode::Kind::kConditional;
  return tree;
}

void DescribeLeaves(ExplainNode& tree, std::string_view text) {
  uint32_t leaves = 0;
  DescribeFrom(tree, text, leaves);
}

void ReplaceNodes(ExplainNode& tree, const std::vector<uint32_t>& replaced) {
  tree.node = replaced[tree.node];
  if (tree.comparison.has_value()) {
    SimpleComparison& comparison = *tree.comparison;
    comparison.node = replaced[comparison.node];
    if (comparison.needed_node) comparison.needed_node = replaced[*comparison.needed_node];
  }
  for (ExplainNode& child : tree.children) ReplaceNodes(child, replaced);
}

}  // namespace attune::expression
