#ifndef ATTUNE_TESTS_TESTING_EXPRESSION_TREE_EVALUATOR_H_
#define ATTUNE_TESTS_TESTING_EXPRESSION_TREE_EVALUATOR_H_

#include <map>
#include <string>
#include <vector>

#include "lib/expression/ast.h"
#include "lib/expression/call_context.h"
#include "lib/expression/environment.h"

namespace attune::expression {

// Evaluates a checked syntax tree by walking it: no plan, no folding, no memos, no fused nodes, one
// way to do each thing. The yardstick that the real evaluator is compared with. It shares the
// functions' bodies with it, so those need tests of their own.
class TreeEvaluator {
 public:
  // `values`: by the path of the variable.
  TreeEvaluator(const std::map<std::string, Value>& values, const Limits& limits)
      : values_(values), context_(limits) {}

  // The value is valid as long as the evaluator. A limit that is hit is the result.
  Value Evaluate(const Expr& root);

 private:
  Value Eval(const Expr& expr);
  Value Variable(const Expr& expr);
  Value Selection(const Expr& expr);
  Value Call(const Expr& expr);
  Value Logic(const Expr& expr, bool decisive);
  Value Aggregate(const Expr& expr);
  Value EvalLoop(const Expr& expr);
  Value Quantify(const Expr& expr, const std::vector<MapData::Entry>& entries, bool map);
  Value Collect(const Expr& expr, const std::vector<MapData::Entry>& entries, bool map);
  Value Condition(const Expr& expr);
  void SetLocals(const Expr& expr, const MapData::Entry& entry, bool map);

  const std::map<std::string, Value>& values_;
  CallContext context_;
  std::vector<Value> locals_ = std::vector<Value>(64);
};

}  // namespace attune::expression

#endif  // ATTUNE_TESTS_TESTING_EXPRESSION_TREE_EVALUATOR_H_
