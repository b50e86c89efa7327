#ifndef ATTUNE_LIB_EXPRESSION_CHECKER_H_
#define ATTUNE_LIB_EXPRESSION_CHECKER_H_

#include "lib/expression/ast.h"
#include "lib/expression/environment.h"
#include "lib/expression/limits.h"
#include "lib/expression/source.h"

namespace attune::expression {

struct CheckOptions {
  // What the expression must yield; null: anything.
  const Type* result = nullptr;
  // Resolve names only: what does not type-check or is not known fails when it is evaluated.
  bool lenient = false;
};

// Resolves names and finds the type of every node, in place. Reports every problem, goes on after
// each. REQUIRES: ast.root is not null. The environment must outlive the tree.
void Check(Ast& ast, const Environment& environment, const Limits& limits,
           const CheckOptions& options, IssueReporter& reporter);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_CHECKER_H_
