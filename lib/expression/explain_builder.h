#ifndef ATTUNE_LIB_EXPRESSION_EXPLAIN_BUILDER_H_
#define ATTUNE_LIB_EXPRESSION_EXPLAIN_BUILDER_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/expression/ast.h"
#include "lib/expression/explain_tree.h"
#include "lib/expression/plan.h"

namespace attune::expression {

// Finds out what a rule is made of, so that it can be explained later: its ands, ors and
// conditionals down to parts that are none, and for each part its node in the plan, the variables
// that it looks at and, where it is one, the comparison. Not thread-safe.
class ExplainBuilder {
 public:
  // `planned` has the node in `plan` of every part of the rule. Both must outlive the builder.
  ExplainBuilder(const Plan& plan, const absl::flat_hash_map<const Expr*, uint32_t>& planned)
      : plan_(plan), planned_(planned) {}

  ExplainNode Build(const Expr& root) const;
  // Every part that has a value by itself, with what it is made of: what FailedAt looks at. Ranges
  // begin where issues of the part point to.
  ExplainNode BuildPositions(const Expr& root) const;

 private:
  // The part as a comparison of one variable, or of something computed.
  std::optional<SimpleComparison> Simple(const Expr& expr) const;
  // Does the part look at nothing that has a value of its own?
  bool IsFixed(const Expr& part) const;
  // Whether the left side is what somebody could change, more than the right one is.
  bool IsMeasured(const Expr& left, const Expr& right) const;
  // `measured` must be so to `needed`; nullopt when nothing was planned for one of them.
  std::optional<SimpleComparison> Compare(const Expr& measured, Relation relation,
                                          const Expr& needed) const;
  // Null when the part is not planned.
  const Node* NodeOf(const Expr& expr) const;

  const Plan& plan_;
  const absl::flat_hash_map<const Expr*, uint32_t>& planned_;
};

// Gives the leaves of a rule's tree their numbers and their texts. `text` is the rule's and must
// outlive the tree.
void DescribeLeaves(ExplainNode& tree, std::string_view text);

// Puts other nodes in place of those of the tree: `replaced` has the new one by the old.
void ReplaceNodes(ExplainNode& tree, const std::vector<uint32_t>& replaced);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_EXPLAIN_BUILDER_H_
