#include "lib/expression/operators.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "lib/expression/ast.h"
#include "lib/expression/function.h"
#include "lib/expression/number_text.h"

namespace attune::expression {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

constexpr std::string_view kOrderOverloads =
    "(bool, bool) -> bool; (int, int) -> bool; (uint, uint) -> bool; (double, double) -> bool; "
    "(int, uint) -> bool; (int, double) -> bool; (uint, int) -> bool; (uint, double) -> bool; "
    "(double, int) -> bool; (double, uint) -> bool; (string, string) -> bool; "
    "(bytes, bytes) -> bool; (timestamp, timestamp) -> bool; (duration, duration) -> bool";

Value Overflow() {
  return Value::Error(ErrorCode::kOverflow, "overflow: the result is out of range");
}

Value NoOverload(CallContext& context, std::string_view name, const Value& a, const Value& b) {
  const Value args[] = {a, b};
  return context.NoOverload(name, args, 2);
}

// Brings seconds and nanoseconds into their form: nanos in [0, 1e9).
Value NewTimestamp(int64_t seconds, int64_t nanos) {
  seconds += nanos / kNanosPerSecond;
  nanos %= kNanosPerSecond;
  if (nanos < 0) {
    nanos += kNanosPerSecond;
    --seconds;
  }
  if (!InTimestampRange(seconds)) return Overflow();
  return Value::Timestamp(seconds, static_cast<int32_t>(nanos));
}

// The same for durations: nanos of the sign of the seconds.
Value NewDuration(int64_t seconds, int64_t nanos) {
  seconds += nanos / kNanosPerSecond;
  nanos %= kNanosPerSecond;
  if (seconds > 0 && nanos < 0) {
    --seconds;
    nanos += kNanosPerSecond;
  } else if (seconds < 0 && nanos > 0) {
    ++seconds;
    nanos -= kNanosPerSecond;
  }
  if (!InDurationRange(seconds, nanos)) return Overflow();
  return Value::Duration(seconds, static_cast<int32_t>(nanos));
}

Value Concatenate(CallContext& context, const Value& a, const Value& b) {
  const std::string_view left = a.text();
  const std::string_view right = b.text();
  if (!context.ChargeBytes(left.size() + right.size())) return context.LimitError();
  char* text = context.arena().Allocate<char>(left.size() + right.size());
  if (!left.empty()) std::memcpy(text, left.data(), left.size());
  if (!right.empty()) std::memcpy(text + left.size(), right.data(), right.size());
  const std::string_view all(text, left.size() + right.size());
  return a.kind() == Kind::kString ? Value::String(all) : Value::Bytes(all);
}

Value ConcatenateLists(CallContext& context, const Value& a, const Value& b) {
  const size_t size = ListSize(a) + ListSize(b);
  if (!context.ChargeElements(size)) return context.LimitError();
  Value* items = context.arena().Allocate<Value>(size);
  size_t filled = 0;
  for (const Value* list : {&a, &b}) {
    ListReader reader(*list);
    while (filled < size && reader.Next(&items[filled])) ++filled;
  }
  return Value::List(items, filled);
}

bool IsTime(const Value& value) {
  return value.kind() == Kind::kTimestamp || value.kind() == Kind::kDuration;
}

Value AddTimes(const Value& a, const Value& b) {
  const int64_t seconds = a.seconds() + b.seconds();
  const int64_t nanos = int64_t{a.nanos()} + b.nanos();
  if (a.kind() == Kind::kDuration && b.kind() == Kind::kDuration)
    return NewDuration(seconds, nanos);
  return NewTimestamp(seconds, nanos);
}

// Seconds in range are far from the limits of int64, so that sums of two don't overflow.
bool AddableTimes(const Value& a, const Value& b) {
  return IsTime(a) && IsTime(b) && !(a.kind() == Kind::kTimestamp && b.kind() == Kind::kTimestamp);
}

// The whole number that an index stands for.
std::optional<int64_t> ListIndex(const Value& key) {
  switch (key.kind()) {
    case Kind::kInt:
      return key.int_value();
    case Kind::kUint:
      return key.uint_value() > INT64_MAX ? std::optional<int64_t>(-1) : key.int_value();
    case Kind::kDouble: {
      const double number = key.double_value();
      if (number != std::trunc(number) || std::abs(number) >= 0x1p62) return std::nullopt;
      return static_cast<int64_t>(number);
    }
    default:
      return std::nullopt;
  }
}

Value IndexList(CallContext& context, const Value& list, const Value& key) {
  const std::optional<int64_t> index = ListIndex(key);
  if (!index.has_value()) {
    if (key.kind() == Kind::kDouble) {
      return Value::Error(ErrorCode::kInvalidArgument, "an index must be a whole number");
    }
    return NoOverload(context, "_[_]", list, key);
  }
  const std::optional<Value> element = ListElement(list, *index);
  if (element.has_value()) return *element;
  return Value::Error(ErrorCode::kIndexOutOfRange, "index out of range");
}

Value NoSuchKey(CallContext& context, std::string_view key) {
  return context.Error(ErrorCode::kNoSuchKey, {"no such key: ", key});
}

template <Comparison kComparison>
Value CompareBody(CallContext& context, const Value* args, size_t) {
  return CompareValues(context, kComparison, args[0], args[1]);
}

template <Value (*kOperator)(CallContext&, const Value&, const Value&)>
Value BinaryBody(CallContext& context, const Value* args, size_t) {
  return kOperator(context, args[0], args[1]);
}

Value NegateBody(CallContext& context, const Value* args, size_t) {
  return Negate(context, args[0]);
}

// The evaluator does these itself: they don't always evaluate all operands.
Value ControlBody(CallContext& context, const Value* args, size_t count) {
  return context.NoOverload("operator", args, count);
}

Value SizeBody(CallContext& context, const Value* args, size_t count) {
  switch (args[0].kind()) {
    case Kind::kString: {
      int64_t size = 0;
      for (const char c : args[0].text()) size += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      return Value::Int(size);
    }
    case Kind::kBytes:
      return Value::Int(static_cast<int64_t>(args[0].text().size()));
    case Kind::kList:
    case Kind::kEncodedList:
      return Value::Int(static_cast<int64_t>(ListSize(args[0])));
    case Kind::kMap:
      return Value::Int(args[0].map()->size);
    default:
      return context.NoOverload("size", args, count);
  }
}

Value TypeBody(CallContext&, const Value* args, size_t) { return Value::Type(TypeName(args[0])); }

Value DynBody(CallContext&, const Value* args, size_t) { return args[0]; }

}  // namespace

std::string_view ComparisonText(Comparison comparison) {
  constexpr std::string_view kTexts[] = {"==", "!=", "<", "<=", ">", ">="};
  return kTexts[static_cast<size_t>(comparison)];
}

std::optional<Comparison> ComparisonOf(std::string_view function) {
  if (function == op::kEqual) return Comparison::kEqual;
  if (function == op::kNotEqual) return Comparison::kNotEqual;
  if (function == op::kLess) return Comparison::kLess;
  if (function == op::kLessEqual) return Comparison::kLessEqual;
  if (function == op::kGreater) return Comparison::kGreater;
  if (function == op::kGreaterEqual) return Comparison::kGreaterEqual;
  return std::nullopt;
}

Comparison Mirrored(Comparison comparison) {
  switch (comparison) {
    case Comparison::kLess:
      return Comparison::kGreater;
    case Comparison::kLessEqual:
      return Comparison::kGreaterEqual;
    case Comparison::kGreater:
      return Comparison::kLess;
    case Comparison::kGreaterEqual:
      return Comparison::kLessEqual;
    default:
      return comparison;
  }
}

bool Holds(Comparison comparison, Ordering ordering) {
  switch (comparison) {
    case Comparison::kEqual:
      return ordering == Ordering::kEqual;
    case Comparison::kNotEqual:
      return ordering != Ordering::kEqual;
    case Comparison::kLess:
      return ordering == Ordering::kLess;
    case Comparison::kLessEqual:
      return ordering == Ordering::kLess || ordering == Ordering::kEqual;
    case Comparison::kGreater:
      return ordering == Ordering::kGreater;
    case Comparison::kGreaterEqual:
      return ordering == Ordering::kGreater || ordering == Ordering::kEqual;
  }
  return false;
}

Value CompareValues(CallContext& context, Comparison comparison, const Value& a, const Value& b) {
  if (comparison == Comparison::kEqual || comparison == Comparison::kNotEqual) {
    const bool equal = Equals(a, b, context.steps_left());
    if (context.limit_hit()) return context.LimitError();
    return Value::Bool(equal == (comparison == Comparison::kEqual));
  }
  const Ordering ordering = Compare(a, b);
  if (ordering == Ordering::kUndefined) {
    return NoOverload(context, ComparisonText(comparison), a, b);
  }
  return Value::Bool(Holds(comparison, ordering));
}

Value Add(CallContext& context, const Value& a, const Value& b) {
  if (AddableTimes(a, b)) return AddTimes(a, b);
  if (a.is_list() && b.is_list()) return ConcatenateLists(context, a, b);
  if (a.kind() != b.kind()) return NoOverload(context, "+", a, b);
  switch (a.kind()) {
    case Kind::kInt: {
      int64_t sum = 0;
      if (__builtin_add_overflow(a.int_value(), b.int_value(), &sum)) return Overflow();
      return Value::Int(sum);
    }
    case Kind::kUint: {
      uint64_t sum = 0;
      if (__builtin_add_overflow(a.uint_value(), b.uint_value(), &sum)) return Overflow();
      return Value::Uint(sum);
    }
    case Kind::kDouble:
      return Value::Double(a.double_value() + b.double_value());
    case Kind::kString:
    case Kind::kBytes:
      return Concatenate(context, a, b);
    default:
      return NoOverload(context, "+", a, b);
  }
}

Value Subtract(CallContext& context, const Value& a, const Value& b) {
  if (IsTime(a) && IsTime(b)) {
    const int64_t seconds = a.seconds() - b.seconds();
    const int64_t nanos = int64_t{a.nanos()} - b.nanos();
    if (a.kind() == b.kind()) return NewDuration(seconds, nanos);
    if (a.kind() == Kind::kTimestamp) return NewTimestamp(seconds, nanos);
  }
  if (a.kind() != b.kind()) return NoOverload(context, "-", a, b);
  switch (a.kind()) {
    case Kind::kInt: {
      int64_t difference = 0;
      if (__builtin_sub_overflow(a.int_value(), b.int_value(), &difference)) return Overflow();
      return Value::Int(difference);
    }
    case Kind::kUint: {
      uint64_t difference = 0;
      if (__builtin_sub_overflow(a.uint_value(), b.uint_value(), &difference)) return Overflow();
      return Value::Uint(difference);
    }
    case Kind::kDouble:
      return Value::Double(a.double_value() - b.double_value());
    default:
      return NoOverload(context, "-", a, b);
  }
}

Value Multiply(CallContext& context, const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return NoOverload(context, "*", a, b);
  switch (a.kind()) {
    case Kind::kInt: {
      int64_t product = 0;
      if (__builtin_mul_overflow(a.int_value(), b.int_value(), &product)) return Overflow();
      return Value::Int(product);
    }
    case Kind::kUint: {
      uint64_t product = 0;
      if (__builtin_mul_overflow(a.uint_value(), b.uint_value(), &product)) return Overflow();
      return Value::Uint(product);
    }
    case Kind::kDouble:
      return Value::Double(a.double_value() * b.double_value());
    default:
      return NoOverload(context, "*", a, b);
  }
}

namespace {

// What / and % have in common: nullopt when the division is possible.
std::optional<Value> DivisionProblem(CallContext& context, std::string_view name, const Value& a,
                                     const Value& b) {
  if (a.kind() != b.kind() || (a.kind() != Kind::kInt && a.kind() != Kind::kUint)) {
    return NoOverload(context, name, a, b);
  }
  if (b.int_value() == 0) return Value::Error(ErrorCode::kDivisionByZero, "division by zero");
  if (a.kind() == Kind::kInt && b.int_value() == -1 &&
      a.int_value() == std::numeric_limits<int64_t>::min()) {
    return Overflow();
  }
  return std::nullopt;
}

}  // namespace

Value Divide(CallContext& context, const Value& a, const Value& b) {
  if (a.kind() == Kind::kDouble && b.kind() == Kind::kDouble) {
    return Value::Double(a.double_value() / b.double_value());
  }
  if (const std::optional<Value> problem = DivisionProblem(context, "/", a, b)) return *problem;
  if (a.kind() == Kind::kInt) return Value::Int(a.int_value() / b.int_value());
  return Value::Uint(a.uint_value() / b.uint_value());
}

Value Modulo(CallContext& context, const Value& a, const Value& b) {
  if (const std::optional<Value> problem = DivisionProblem(context, "%", a, b)) return *problem;
  if (a.kind() == Kind::kInt) return Value::Int(a.int_value() % b.int_value());
  return Value::Uint(a.uint_value() % b.uint_value());
}

Value Negate(CallContext& context, const Value& a) {
  if (a.kind() == Kind::kDouble) return Value::Double(-a.double_value());
  if (a.kind() != Kind::kInt) return context.NoOverload("-", &a, 1);
  if (a.int_value() == std::numeric_limits<int64_t>::min()) return Overflow();
  return Value::Int(-a.int_value());
}

Value Index(CallContext& context, const Value& container, const Value& key) {
  if (container.is_list()) return IndexList(context, container, key);
  if (container.kind() != Kind::kMap) return NoOverload(context, "_[_]", container, key);
  const Value* value = container.map()->Find(key);
  if (value != nullptr) return *value;
  if (key.kind() == Kind::kString) return NoSuchKey(context, key.text());
  if (key.is_number() || key.kind() == Kind::kBool) {
    return Value::Error(ErrorCode::kNoSuchKey, "no such key");
  }
  return NoOverload(context, "_[_]", container, key);
}

Value In(CallContext& context, const Value& element, const Value& container) {
  if (container.kind() == Kind::kMap) return Value::Bool(container.map()->Find(element) != nullptr);
  if (!container.is_list()) return NoOverload(context, "in", element, container);
  ListReader reader(container);
  Value item;
  while (reader.Next(&item)) {
    if (!context.Charge(1)) return context.LimitError();
    if (Equals(element, item, context.steps_left())) return Value::Bool(true);
  }
  return Value::Bool(false);
}

Value SelectField(CallContext& context, const Value& operand, std::string_view field) {
  if (operand.kind() != Kind::kMap) {
    return context.Error(ErrorCode::kNoOverload,
                         {"a value of type ", TypeName(operand), " has no field ", field});
  }
  const Value* value = operand.map()->Find(Value::String(field));
  return value != nullptr ? *value : NoSuchKey(context, field);
}

Value HasField(CallContext& context, const Value& operand, std::string_view field) {
  if (operand.kind() == Kind::kMap) {
    return Value::Bool(operand.map()->Find(Value::String(field)) != nullptr);
  }
  return context.Error(ErrorCode::kNoOverload,
                       {"a value of type ", TypeName(operand), " has no field ", field});
}

std::vector<BuiltinFunction> OperatorFunctions() {
  return {
      {op::kConditional, ControlBody, "(bool, A, A) -> A"},
      {op::kAnd, ControlBody, "(bool, bool) -> bool"},
      {op::kOr, ControlBody, "(bool, bool) -> bool"},
      {op::kNot, ControlBody, "(bool) -> bool"},
      {op::kEqual, CompareBody<Comparison::kEqual>, "(A, A) -> bool"},
      {op::kNotEqual, CompareBody<Comparison::kNotEqual>, "(A, A) -> bool"},
      {op::kLess, CompareBody<Comparison::kLess>, kOrderOverloads},
      {op::kLessEqual, CompareBody<Comparison::kLessEqual>, kOrderOverloads},
      {op::kGreater, CompareBody<Comparison::kGreater>, kOrderOverloads},
      {op::kGreaterEqual, CompareBody<Comparison::kGreaterEqual>, kOrderOverloads},
      {op::kAdd, BinaryBody<Add>,
       "(int, int) -> int; (uint, uint) -> uint; (double, double) -> double; "
       "(string, string) -> string; (bytes, bytes) -> bytes; (list(A), list(A)) -> list(A); "
       "(timestamp, duration) -> timestamp; (duration, timestamp) -> timestamp; "
       "(duration, duration) -> duration"},
      {op::kSubtract, BinaryBody<Subtract>,
       "(int, int) -> int; (uint, uint) -> uint; (double, double) -> double; "
       "(timestamp, timestamp) -> duration; (timestamp, duration) -> timestamp; "
       "(duration, duration) -> duration"},
      {op::kMultiply, BinaryBody<Multiply>,
       "(int, int) -> int; (uint, uint) -> uint; (double, double) -> double"},
      {op::kDivide, BinaryBody<Divide>,
       "(int, int) -> int; (uint, uint) -> uint; (double, double) -> double"},
      {op::kModulo, BinaryBody<Modulo>, "(int, int) -> int; (uint, uint) -> uint"},
      {op::kNegate, NegateBody, "(int) -> int; (double) -> double"},
      {op::kIndex, BinaryBody<Index>, "(list(A), int) -> A; (map(A, B), A) -> B"},
      {op::kIn, BinaryBody<In>, "(A, list(A)) -> bool; (A, map(A, B)) -> bool"},
      {"size", SizeBody,
       "(string) -> int; (bytes) -> int; (list(A)) -> int; (map(A, B)) -> int; "
       "string.() -> int; bytes.() -> int; list(A).() -> int; map(A, B).() -> int"},
      {"type", TypeBody, "(A) -> type"},
      {"dyn", DynBody, "(A) -> dyn"},
  };
}

}  // namespace attune::expression
