#ifndef ATTUNE_LIB_EXPRESSION_OPERATORS_H_
#define ATTUNE_LIB_EXPRESSION_OPERATORS_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "lib/expression/call_context.h"
#include "lib/expression/value.h"

namespace attune::expression {

// The operators that look at their operands only. No operand is an error.

enum class Comparison : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };
// "==", "!=", "<", ...
std::string_view ComparisonText(Comparison comparison);
// The comparison that a function of this name makes (op::kLess, ...); nullopt: it is none.
std::optional<Comparison> ComparisonOf(std::string_view function);
// What `b ? a` asks where this asks `a ? b`.
Comparison Mirrored(Comparison comparison);
bool Holds(Comparison comparison, Ordering ordering);

Value CompareValues(CallContext& context, Comparison comparison, const Value& a, const Value& b);

Value Add(CallContext& context, const Value& a, const Value& b);
Value Subtract(CallContext& context, const Value& a, const Value& b);
Value Multiply(CallContext& context, const Value& a, const Value& b);
Value Divide(CallContext& context, const Value& a, const Value& b);
Value Modulo(CallContext& context, const Value& a, const Value& b);
Value Negate(CallContext& context, const Value& a);

// container[key]
Value Index(CallContext& context, const Value& container, const Value& key);
// element in container
Value In(CallContext& context, const Value& element, const Value& container);
// operand.field
Value SelectField(CallContext& context, const Value& operand, std::string_view field);
// has(operand.field)
Value HasField(CallContext& context, const Value& operand, std::string_view field);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_OPERATORS_H_
