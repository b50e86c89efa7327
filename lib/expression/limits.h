#ifndef ATTUNE_LIB_EXPRESSION_LIMITS_H_
#define ATTUNE_LIB_EXPRESSION_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace attune::expression {

// What an expression may cost. A limit that is hit is an error with its own name: an issue when the
// expression is compiled, ErrorCode::kCostLimit or kSizeLimit when it is evaluated.
struct Limits {
  // Longest expression, in bytes.
  size_t max_source_bytes = 100'000;
  // How deep expressions, brackets and operators may nest. Bounds the stack of every later step.
  int max_depth = 250;
  // How deep comprehensions and cel.bind may nest.
  int max_comprehension_depth = 16;
  // Most nodes of one syntax tree.
  size_t max_nodes = 50'000;
  // Steps of one evaluation: passes of comprehensions times the size of their body, elements and
  // bytes that functions look at (each function call is one step at least).
  int64_t max_steps = 1'000'000;
  // Longest string that a function may produce, in bytes, and longest list or map, in elements.
  size_t max_string_bytes = 1'000'000;
  size_t max_elements = 100'000;
  // Memory that the values produced since the last reset may take, in bytes.
  size_t max_arena_bytes = 16'000'000;
};

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_LIMITS_H_
