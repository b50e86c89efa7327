#ifndef ATTUNE_LIB_EXPRESSION_PARSER_H_
#define ATTUNE_LIB_EXPRESSION_PARSER_H_

#include <memory>
#include <string_view>

#include "lib/expression/ast.h"
#include "lib/expression/limits.h"
#include "lib/expression/source.h"

namespace attune::expression {

// Reads an expression and expands its macros. Reports everything that is wrong; what could not be
// read is a node kInvalid. null when nothing sensible came out. `text` must outlive the tree.
std::unique_ptr<Ast> Parse(std::string_view text, const Limits& limits, IssueReporter& reporter);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_PARSER_H_
