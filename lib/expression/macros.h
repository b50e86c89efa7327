#ifndef ATTUNE_LIB_EXPRESSION_MACROS_H_
#define ATTUNE_LIB_EXPRESSION_MACROS_H_

#include "lib/expression/ast.h"
#include "lib/expression/source.h"

namespace attune::expression {

// Turns a call of has, all, exists, exists_one, existsOne, map, filter, transformList, transformMap
// or cel.bind into what it means, in place. Other calls stay as they are; so do calls with another
// number of arguments, which the checker then doesn't find. REQUIRES: call.kind is kCall.
void ExpandMacro(Expr& call, IssueReporter& reporter);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_MACROS_H_
