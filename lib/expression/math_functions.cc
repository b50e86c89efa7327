#include <cmath>
#include <cstdlib>
#include <limits>

#include "lib/expression/function.h"

namespace attune::expression {
namespace {

// The greatest (or least) of the values that `next` yields one by one.
template <typename Next>
Value Extreme(CallContext& context, std::string_view name, Ordering better, Next next) {
  Value best;
  bool found = false;
  for (Value value; next(&value); found = true) {
    if (!context.Charge(1)) return context.LimitError();
    if (!value.is_number()) return context.NoOverload(name, &value, 1);
    if (!found || CompareNumbers(value, best) == better) best = value;
  }
  if (found) return best;
  return context.Error(ErrorCode::kInvalidArgument, {name, " of an empty list"});
}

Value ExtremeOf(CallContext& context, std::string_view name, Ordering better, const Value* args,
                size_t count) {
  if (count == 1 && args[0].is_list()) {
    ListReader reader(args[0]);
    return Extreme(context, name, better, [&](Value* value) { return reader.Next(value); });
  }
  const Value* const end = args + count;
  return Extreme(context, name, better, [&](Value* value) {
    if (args == end) return false;
    *value = *args++;
    return true;
  });
}

Value Greatest(CallContext& context, const Value* args, size_t count) {
  return ExtremeOf(context, "math.greatest", Ordering::kGreater, args, count);
}

Value Least(CallContext& context, const Value* args, size_t count) {
  return ExtremeOf(context, "math.least", Ordering::kLess, args, count);
}

// Half away from zero.
double RoundHalfAway(double number) { return std::round(number); }

template <double (*kFunction)(double)>
Value Rounded(CallContext& context, const Value* args, size_t count) {
  if (args[0].kind() != Kind::kDouble) return context.NoOverload("math: rounding", args, count);
  return Value::Double(kFunction(args[0].double_value()));
}

double Ceil(double number) { return std::ceil(number); }
double Floor(double number) { return std::floor(number); }
double Trunc(double number) { return std::trunc(number); }

template <bool (*kTest)(double)>
Value Test(CallContext& context, const Value* args, size_t count) {
  if (args[0].kind() != Kind::kDouble) return context.NoOverload("math: a test", args, count);
  return Value::Bool(kTest(args[0].double_value()));
}

bool IsNan(double number) { return std::isnan(number); }
bool IsInf(double number) { return std::isinf(number); }
bool IsFinite(double number) { return std::isfinite(number); }

Value Abs(CallContext& context, const Value* args, size_t count) {
  switch (args[0].kind()) {
    case Kind::kDouble:
      return Value::Double(std::abs(args[0].double_value()));
    case Kind::kUint:
      return args[0];
    case Kind::kInt:
      if (args[0].int_value() == std::numeric_limits<int64_t>::min()) {
        return Value::Error(ErrorCode::kOverflow, "math.abs: the result is out of range");
      }
      return Value::Int(std::abs(args[0].int_value()));
    default:
      return context.NoOverload("math.abs", args, count);
  }
}

Value Sign(CallContext& context, const Value* args, size_t count) {
  switch (args[0].kind()) {
    case Kind::kDouble: {
      const double number = args[0].double_value();
      if (std::isnan(number)) return args[0];
      return Value::Double(number > 0 ? 1 : number < 0 ? -1 : 0);
    }
    case Kind::kUint:
      return Value::Uint(args[0].uint_value() > 0 ? 1 : 0);
    case Kind::kInt:
      return Value::Int(args[0].int_value() > 0 ? 1 : args[0].int_value() < 0 ? -1 : 0);
    default:
      return context.NoOverload("math.sign", args, count);
  }
}

Value Sqrt(CallContext& context, const Value* args, size_t count) {
  switch (args[0].kind()) {
    case Kind::kDouble:
      return Value::Double(std::sqrt(args[0].double_value()));
    case Kind::kUint:
      return Value::Double(std::sqrt(static_cast<double>(args[0].uint_value())));
    case Kind::kInt:
      return Value::Double(std::sqrt(static_cast<double>(args[0].int_value())));
    default:
      return context.NoOverload("math.sqrt", args, count);
  }
}

// A result with the type of the first operand.
Value Bits(const Value& like, uint64_t bits) {
  return like.kind() == Kind::kUint ? Value::Uint(bits) : Value::Int(static_cast<int64_t>(bits));
}

bool IsInteger(const Value& value) {
  return value.kind() == Kind::kInt || value.kind() == Kind::kUint;
}

template <uint64_t (*kFunction)(uint64_t, uint64_t)>
Value BitOperation(CallContext& context, const Value* args, size_t count) {
  if (!IsInteger(args[0]) || args[0].kind() != args[1].kind()) {
    return context.NoOverload("math: a bit operation", args, count);
  }
  return Bits(args[0], kFunction(args[0].uint_value(), args[1].uint_value()));
}

uint64_t And(uint64_t a, uint64_t b) { return a & b; }
uint64_t Or(uint64_t a, uint64_t b) { return a | b; }
uint64_t Xor(uint64_t a, uint64_t b) { return a ^ b; }
uint64_t ShiftLeft(uint64_t a, uint64_t by) { return by < 64 ? a << by : 0; }
// Zeros come in from the left, also for negative numbers.
uint64_t ShiftRight(uint64_t a, uint64_t by) { return by < 64 ? a >> by : 0; }

Value BitNot(CallContext& context, const Value* args, size_t count) {
  if (!IsInteger(args[0])) return context.NoOverload("math.bitNot", args, count);
  return Bits(args[0], ~args[0].uint_value());
}

template <uint64_t (*kFunction)(uint64_t, uint64_t)>
Value Shift(CallContext& context, const Value* args, size_t count) {
  if (!IsInteger(args[0]) || args[1].kind() != Kind::kInt) {
    return context.NoOverload("math: a shift", args, count);
  }
  if (args[1].int_value() < 0) {
    return Value::Error(ErrorCode::kInvalidArgument, "a shift by a negative number of bits");
  }
  return Bits(args[0], kFunction(args[0].uint_value(), args[1].uint_value()));
}

constexpr std::string_view kBitOverloads = "(int, int) -> int; (uint, uint) -> uint";
constexpr std::string_view kShiftOverloads = "(int, int) -> int; (uint, int) -> uint";

}  // namespace

std::vector<BuiltinFunction> MathFunctions() {
  return {
      // The checker knows these two: any number of numbers, or one list.
      {"math.greatest", Greatest, "(dyn) -> dyn"},
      {"math.least", Least, "(dyn) -> dyn"},
      {"math.ceil", Rounded<Ceil>, "(double) -> double"},
      {"math.floor", Rounded<Floor>, "(double) -> double"},
      {"math.round", Rounded<RoundHalfAway>, "(double) -> double"},
      {"math.trunc", Rounded<Trunc>, "(double) -> double"},
      {"math.isNaN", Test<IsNan>, "(double) -> bool"},
      {"math.isInf", Test<IsInf>, "(double) -> bool"},
      {"math.isFinite", Test<IsFinite>, "(double) -> bool"},
      {"math.abs", Abs, "(int) -> int; (uint) -> uint; (double) -> double"},
      {"math.sign", Sign, "(int) -> int; (uint) -> uint; (double) -> double"},
      {"math.sqrt", Sqrt, "(int) -> double; (uint) -> double; (double) -> double"},
      {"math.bitAnd", BitOperation<And>, kBitOverloads},
      {"math.bitOr", BitOperation<Or>, kBitOverloads},
      {"math.bitXor", BitOperation<Xor>, kBitOverloads},
      {"math.bitNot", BitNot, "(int) -> int; (uint) -> uint"},
      {"math.bitShiftLeft", Shift<ShiftLeft>, kShiftOverloads},
      {"math.bitShiftRight", Shift<ShiftRight>, kShiftOverloads},
  };
}

}  // namespace attune::expression
