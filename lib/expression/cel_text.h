#ifndef ATTUNE_LIB_EXPRESSION_CEL_TEXT_H_
#define ATTUNE_LIB_EXPRESSION_CEL_TEXT_H_

#include <string>

#include "lib/expression/value.h"

namespace attune::expression {

// The value as an expression that yields it again, whole: 12u, 2.0, "a\nb", b"\xff", [1, 2],
// {"a": true}, timestamp("2026-03-01T00:00:00Z"), duration("90s"), double("NaN"), int.
// REQUIRES: neither an error nor opaque, nor anything in it.
std::string ToCel(const Value& value);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_CEL_TEXT_H_
