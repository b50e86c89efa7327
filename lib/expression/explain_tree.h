#ifndef ATTUNE_LIB_EXPRESSION_EXPLAIN_TREE_H_
#define ATTUNE_LIB_EXPRESSION_EXPLAIN_TREE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "lib/expression/environment.h"
#include "lib/expression/source.h"
#include "lib/expression/value.h"

namespace attune::expression {

// What a comparison of one variable with a constant asks.
enum class Relation : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,  // in the constant, a list
  kNotIn,
  kContains,  // the variable is a list and has the constant in it
  kNotContains,
  kPresent,  // has(variable); the constant is true
  kAbsent,   // !has(variable); the constant is true
};
// "==", "in", "has", ...
std::string_view RelationText(Relation relation);

// A sub-expression that compares one variable, or something computed, with one constant.
struct SimpleComparison {
  const Variable* variable = nullptr;  // null: what is computed by `node`
  Relation relation = Relation::kEqual;
  Value constant;
  uint32_t node = 0;    // of the plan; of a variable not looked at
  SourceRange range{};  // of what is computed
};

// What a rule is made of, as far as explaining it goes. The plan shares nodes among rules; this
// keeps where each came from.
struct ExplainNode {
  enum class Kind : uint8_t { kLeaf, kAnd, kOr, kConditional };
  Kind kind = Kind::kLeaf;
  SourceRange range;
  uint32_t node = 0;  // of the plan
  std::vector<ExplainNode> children;
  std::vector<const Variable*> variables;      // of a leaf: all that it may look at, each once
  std::optional<SimpleComparison> comparison;  // of a leaf
};

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_EXPLAIN_TREE_H_
