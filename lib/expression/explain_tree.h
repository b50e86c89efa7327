#ifndef ATTUNE_LIB_EXPRESSION_EXPLAIN_TREE_H_
#define ATTUNE_LIB_EXPRESSION_EXPLAIN_TREE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/expression/environment.h"
#include "lib/expression/source.h"
#include "lib/expression/value.h"

namespace attune::expression {

// What a comparison asks of what is compared.
enum class Relation : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,  // in what is needed, a list
  kNotIn,
  kContains,  // it is a list and has what is needed in it
  kNotContains,
  kPresent,  // has(variable); what is needed is true
  kAbsent,   // !has(variable); what is needed is true
};
// "==", "in", "has", ...
std::string_view RelationText(Relation relation);

// A sub-expression that compares one variable, or something computed, with something else.
struct SimpleComparison {
  const Variable* variable = nullptr;  // null: what is computed by `node`
  Relation relation = Relation::kEqual;
  Value needed;         // the constant, or what `needed_node` came to
  uint32_t node = 0;    // of the plan; not looked at for a variable beside a constant
  SourceRange range{};  // of what is computed
  std::optional<uint32_t> needed_node{};  // of the plan: the other side, when it is no constant
  // What is computed, as written; of a variable empty. Valid as long as the rule set.
  std::string_view compared{};
  // Made once, of a comparison with a constant: what AppendNeeded and AppendCondition append.
  std::string needed_text{};
  std::string condition{};
};

// What a rule is made of, as far as explaining it goes. The plan shares nodes among rules; this
// keeps where each came from.
struct ExplainNode {
  enum class Kind : uint8_t { kLeaf, kAnd, kOr, kConditional };
  Kind kind = Kind::kLeaf;
  SourceRange range;
  uint32_t node = 0;  // of the plan
  std::vector<ExplainNode> children;
  // Of a leaf.
  uint32_t leaf = 0;                       // which one of its rule, from left to right
  std::string_view text;                   // as written; valid as long as the rule set
  std::vector<const Variable*> variables;  // all that it may look at, each once
  std::optional<SimpleComparison> comparison;
};

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_EXPLAIN_TREE_H_
