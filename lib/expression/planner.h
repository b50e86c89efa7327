#ifndef ATTUNE_LIB_EXPRESSION_PLANNER_H_
#define ATTUNE_LIB_EXPRESSION_PLANNER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/base/issue.h"
#include "lib/expression/ast.h"
#include "lib/expression/explain_tree.h"
#include "lib/expression/limits.h"
#include "lib/expression/machine.h"
#include "lib/expression/plan.h"

namespace attune::expression {

// Turns checked expressions into one plan. Equal sub-expressions become one node; constants are
// folded; comparisons of a variable with a constant become one node each. Not thread-safe.
class Planner {
 public:
  explicit Planner(const Limits& limits);

  // What is wrong or doubtful with a constant part of an expression, and where.
  struct Problem {
    Issue::Severity severity = Issue::Severity::kError;
    uint32_t at = 0;
    std::string message;
  };

  // The node of an expression, which may share nodes with others planned before. With
  // `check_constants`, what fails whatever the variables hold is a problem.
  uint32_t Add(const Expr& root, bool check_constants);
  // Of the expression added last.
  const std::vector<Problem>& problems() const { return problems_; }
  // Makes a node what the next definition (0, 1, ...) stands for.
  uint32_t Define(uint32_t node);
  // Says that a node is wanted for many candidates of a decision.
  void Repeat(uint32_t node) { repeated_.push_back(node); }
  // What a rule that was just added is made of.
  ExplainNode Explain(const Expr& root) const;
  // And where its parts stand.
  ExplainNode Positions(const Expr& root) const;
  const Node& node(uint32_t index) const { return plan_->nodes[index]; }

  // A copy of a value that lives as long as the plan.
  Value Keep(const Value& value) { return DeepCopy(value, plan_->arena); }

  // Puts memos before what is used more than once, and children side by side. All that was given
  // out is changed to the nodes to run. The planner is of no more use then.
  std::unique_ptr<const Plan> Build(std::vector<uint32_t>& roots,
                                    std::vector<uint32_t>& definitions,
                                    std::vector<ExplainNode>& trees);

 private:
  // What makes two nodes one.
  struct Key {
    Node node;  // without first_child and weight
    std::vector<uint32_t> children;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  struct KeyEqual {
    bool operator()(const Key& a, const Key& b) const;
  };

  bool IsConstant(uint32_t index) const;
  bool IsTrue(uint32_t index) const { return node(index).constant.is_true() && IsConstant(index); }
  bool IsFalse(uint32_t index) const;
  bool YieldsBool(uint32_t index) const;

  uint32_t Intern(Node node, std::vector<uint32_t> children);
  uint32_t Constant(const Value& value);
  uint32_t Error(ErrorCode code, std::initializer_list<std::string_view> message);
  const uint32_t* Children(uint32_t index) const {
    return children_.data() + node(index).first_child;
  }
  // Makes a node whose children are constants node 0 of a plan of its own.
  void Isolate(uint32_t index, Plan& plan) const;
  // A node that may be folded when all its children are constants.
  uint32_t Pure(Node node, std::vector<uint32_t> children);

  uint32_t Visit(const Expr& expr);
  uint32_t PlanVariable(const Expr& expr);
  uint32_t PlanSelection(const Expr& expr);
  uint32_t PlanCall(const Expr& expr);
  uint32_t PlanLogic(const Expr& expr, bool is_and);
  uint32_t PlanNot(const Expr& expr);
  uint32_t PlanConditional(const Expr& expr);
  uint32_t PlanComparison(Comparison comparison, uint32_t left, uint32_t right);
  bool FuseComparison(Comparison comparison, const Node& slot, const Value& constant, Node* fused);
  uint32_t PlanIn(const Expr& expr);
  uint32_t PlanFunction(const Expr& expr);
  // Reports what the function says about arguments that are constants.
  void CheckArguments(const Expr& call, const std::vector<uint32_t>& children);
  void CheckArgument(const Overload& overload, size_t index, const Expr& argument, uint32_t node);
  // A constant, or those that conditions choose among.
  void CheckChoices(const Overload& overload, size_t index, uint32_t at, uint32_t node);
  // Reports what has constants only and fails.
  void CheckConstant(const Expr& expr, uint32_t index);
  uint32_t PlanMatches(std::vector<uint32_t> children);
  uint32_t PlanLoop(const Expr& expr);

  const ConstantSet* MakeSet(const Value& list);
  void AddMemos(const std::vector<uint32_t>& roots, std::vector<uint32_t>& replaced);
  void PutChildrenSideBySide();

  const Limits limits_;
  // While it is being planned, first_child of a node is its place in children_.
  std::unique_ptr<Plan> plan_;
  std::vector<uint32_t> children_;  // nodes
  absl::flat_hash_map<Key, uint32_t, KeyHash, KeyEqual> known_;
  std::vector<uint64_t> free_locals_;  // by node: the loops' variables that it depends on, as bits
  std::vector<uint32_t> definitions_;  // nodes, by number
  std::vector<uint32_t> repeated_;     // nodes
  // Of the expression added last.
  absl::flat_hash_map<const Expr*, uint32_t> planned_;
  bool check_constants_ = false;
  std::vector<Problem> problems_;
};

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_PLANNER_H_
