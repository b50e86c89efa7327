#ifndef ATTUNE_LIB_EXPRESSION_MACHINE_H_
#define ATTUNE_LIB_EXPRESSION_MACHINE_H_

#include <cstdint>
#include <vector>

#include "absl/base/attributes.h"
#include "lib/expression/call_context.h"
#include "lib/expression/plan.h"
#include "lib/expression/value.h"

namespace attune::expression {

// What a condition came to.
enum class Verdict : uint8_t { kFalse = 0, kTrue = 1, kError = 2 };

// Runs the nodes of a plan. Reusable; not thread-safe. See Evaluator for what the host uses.
class Machine {
 public:
  // The plan must outlive the machine.
  Machine(const Plan& plan, const Limits& limits);

  CallContext& context() { return context_; }

  // The arrays of variables, by slot. They must stay as they are until the next call: what depends
  // on them is remembered. A new decision forgets the candidate too.
  void StartDecision(const Value* slots);
  void StartCandidate(const Value* slots);

  // The value of a node, with a fresh budget of steps. A limit that is hit is the result.
  Value Run(uint32_t node);
  // The same for a condition. After kError, error() tells why; what is no bool is an error as well.
  Verdict RunTest(uint32_t node);
  const Value& error() const { return error_; }

  const Value& slot(Scope scope, uint32_t slot) const {
    return slots_[static_cast<size_t>(scope)][slot];
  }

 private:
  struct Memo {
    Value value;
    uint64_t epoch = 0;
  };
  class Range;

  Value Eval(const Node& node);
  Verdict Test(const Node& node);
  // The value of a node: where it stands if it is a variable, otherwise put into `computed`.
  const Value& Operand(const Node& node, Value& computed) {
    if (node.op == Op::kSlot) return slot(node.scope, node.slot);
    computed = Eval(node);
    return computed;
  }

  const Node& Child(const Node& node, uint32_t i) const { return nodes_[node.first_child + i]; }
  Verdict Fail(const Value& error) {
    error_ = error;
    return Verdict::kError;
  }
  Value ToValue(Verdict verdict) const {
    return verdict == Verdict::kError ? error_ : Value::Bool(verdict == Verdict::kTrue);
  }
  Verdict ToVerdict(const Value& value);
  // Inlined into what runs conditions: the comparisons that nearly every rule is made of. Each
  // place has a jump of its own then, which the processor learns to predict.
  ABSL_ATTRIBUTE_ALWAYS_INLINE Verdict TestFast(const Node& node);
  Verdict TestSlot(const Node& node);
  Verdict TestNot(const Node& node);
  Verdict TestConditional(const Node& node);
  Verdict TestHasLazy(const Node& node);
  Verdict TestValue(const Node& node);

  Verdict TestAnd(const Node& node);
  Verdict TestOr(const Node& node);
  Verdict TestCompare(const Node& node);
  Verdict TestIn(const Node& node);
  Verdict TestMatches(const Node& node);
  Verdict TestLoop(const Node& node);
  Verdict TestExistsOne(const Node& node, Range& range);
  Verdict TestMemo(const Node& node);
  Value EvalMemo(const Node& node);
  Value EvalField(const Node& node);
  Value EvalCall(const Node& node);
  Value CallHost(const Node& node, const Value* args);
  Value EvalList(const Node& node);
  Value EvalMap(const Node& node);
  Value EvalLoop(const Node& node);
  Value LoopToList(const Node& node, Range& range);
  Value LoopToMap(const Node& node, Range& range);
  Value EvalBind(const Node& node);
  // The next pass of a loop: sets its variables. False at the end, and when the steps are used up.
  bool NextPass(const Node& node, Range& range);

  const Node* const nodes_;  // of the plan
  CallContext context_;
  const Value* slots_[3] = {nullptr, nullptr, nullptr};  // by Scope
  uint64_t epochs_[3] = {1, 1, 1};                       // by Scope
  std::vector<Memo> memos_;
  std::vector<Value> locals_;
  Value error_;
};

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_MACHINE_H_
