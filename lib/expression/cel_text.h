#ifndef ATTUNE_LIB_EXPRESSION_CEL_TEXT_H_
#define ATTUNE_LIB_EXPRESSION_CEL_TEXT_H_

#include <cstddef>
#include <string>

#include "lib/expression/value.h"

namespace attune::expression {

// The value as an expression that yields it again, whole: 12u, 2.0, "a\nb", b"\xff", [1, 2],
// {"a": true}, timestamp("2026-03-01T00:00:00Z"), duration("90s"), double("NaN"), int.
// REQUIRES: neither an error nor opaque, nor anything in it.
std::string ToCel(const Value& value);

// Whether that has, about, at most so many bytes. What a comprehension made can be short in memory,
// where elements are shared, and longer than any memory as text; this takes no longer than a text
// of `max_bytes` would.
bool FitsCel(const Value& value, size_t max_bytes);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_CEL_TEXT_H_
