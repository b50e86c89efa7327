#ifndef ATTUNE_LIB_EXPRESSION_PLAN_H_
#define ATTUNE_LIB_EXPRESSION_PLAN_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "lib/base/absl_strings.h"
#include "lib/expression/arena.h"
#include "lib/expression/ast.h"
#include "lib/expression/environment.h"
#include "lib/expression/limits.h"
#include "lib/expression/operators.h"
#include "lib/expression/value.h"

namespace attune::expression {

// What one node of a plan does. "Slot" below is the variable `slot` of the node's scope.
enum class Op : uint8_t {
  kConstant,  // constant; may be an error
  kSlot,
  kHasSlot,  // whether the slot's value is known
  kLazy,     // variable->lazy
  kHasLazy,  // whether what the child yields is known
  kLocal,    // variable `slot` of a loop
  kAnd,      // of all children
  kOr,       // of all children
  kNot,
  kConditional,    // child 0 ? child 1 : child 2
  kCompareInt,     // slot against the int `constant`: a bit of `accepted`
  kCompareDouble,  // the same for doubles
  kCompareString,  // the same for strings, equal or not
  kCompare,        // children 0 and 1 by `comparison`
  kInConstants,    // child 0 in the list `constant`
  kSelect,         // child 0 . constant
  kHasField,       // has(child 0 . constant)
  kMatches,        // child 0 against `regex`
  kCall,           // body(children)
  kHostCall,       // the form of `function` that fits the children
  kList,           // of all children
  kMap,            // children: key, value, ...
  kLoop,           // child 0: range, 1: body, 2: filter or nothing
  kBind,           // child 0: value, 1: body
  kMemo,           // child 0, computed once per decision or candidate
};

// Strings or integers of a constant list that is too long to be looked through.
struct ConstantSet {
  const Value* list = nullptr;  // where they come from
  absl::flat_hash_set<absl::string_view> strings;
  absl::flat_hash_set<int64_t> ints;
};

struct Node {
  Op op = Op::kConstant;
  Comparison comparison = Comparison::kEqual;
  uint8_t accepted = 0;  // by `comparison`: bit 0 less, 1 equal, 2 greater, 3 unordered
  Loop loop = Loop::kAll;
  bool index_variable = false;     // of a loop with two variables
  Scope scope = Scope::kConstant;  // of a slot or a memo: which one; otherwise what it depends on
  uint32_t slot = 0;               // of a slot, a memo, a local; the first local of a loop
  uint32_t first_child = 0;        // in Plan::nodes: its children stand side by side
  uint32_t child_count = 0;
  uint32_t weight = 1;  // nodes below, itself included; saturating
  Value constant;
  union {
    const void* data = nullptr;
    const Variable* variable;
    const Function* function;
    const RE2* regex;
    const ConstantSet* set;
  };
  FunctionBody body = nullptr;
};

// Does it look at the variable `slot` of its scope?
inline bool ReadsSlot(const Node& node) {
  return node.op == Op::kSlot || node.op == Op::kHasSlot ||
         (node.op >= Op::kCompareInt && node.op <= Op::kCompareString);
}

// Nodes that refer to each other: equal sub-expressions have their children in common. Immutable
// and thread-safe once built.
struct Plan {
  Plan() : arena(4096) {}

  std::vector<Node> nodes;
  uint32_t memos = 0;
  uint32_t locals = 0;
  // What nodes point to.
  Arena arena;
  std::vector<std::unique_ptr<RE2>> regexes;
  std::deque<ConstantSet> sets;
};

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_PLAN_H_
