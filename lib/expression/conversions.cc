#include <cmath>
#include <optional>

#include "lib/base/text.h"
#include "lib/expression/function.h"
#include "lib/expression/number_text.h"

namespace attune::expression {
namespace {

Value OutOfRange() { return Value::Error(ErrorCode::kOverflow, "out of range"); }

Value Unreadable(CallContext& context, std::string_view type, std::string_view text) {
  return context.Error(ErrorCode::kInvalidArgument, {type, "(): can't be read: ", text});
}

template <typename T>
Value OrUnreadable(CallContext& context, std::string_view type, std::string_view text,
                   const std::optional<T>& number, Value (*make)(T)) {
  return number.has_value() ? make(*number) : Unreadable(context, type, text);
}

Value ToInt(CallContext& context, const Value* args, size_t count) {
  const Value& value = args[0];
  switch (value.kind()) {
    case Kind::kInt:
      return value;
    case Kind::kUint:
      return value.uint_value() > INT64_MAX ? OutOfRange() : Value::Int(value.int_value());
    case Kind::kDouble: {
      // The borders themselves are left out: near them doubles are far apart.
      const double number = value.double_value();
      if (!(number > -0x1p63 && number < 0x1p63)) return OutOfRange();
      return Value::Int(static_cast<int64_t>(number));
    }
    case Kind::kString:
      return OrUnreadable(context, "int", value.text(), ParseInt(value.text()), Value::Int);
    case Kind::kTimestamp:
      return Value::Int(value.seconds());
    default:
      return context.NoOverload("int", args, count);
  }
}

Value ToUint(CallContext& context, const Value* args, size_t count) {
  const Value& value = args[0];
  switch (value.kind()) {
    case Kind::kUint:
      return value;
    case Kind::kInt:
      return value.int_value() < 0 ? OutOfRange() : Value::Uint(value.uint_value());
    case Kind::kDouble: {
      const double number = value.double_value();
      if (!(number >= 0 && number < 0x1p64)) return OutOfRange();
      return Value::Uint(static_cast<uint64_t>(number));
    }
    case Kind::kString:
      return OrUnreadable(context, "uint", value.text(), ParseUint(value.text()), Value::Uint);
    default:
      return context.NoOverload("uint", args, count);
  }
}

Value ToDouble(CallContext& context, const Value* args, size_t count) {
  const Value& value = args[0];
  switch (value.kind()) {
    case Kind::kDouble:
      return value;
    case Kind::kInt:
      return Value::Double(static_cast<double>(value.int_value()));
    case Kind::kUint:
      return Value::Double(static_cast<double>(value.uint_value()));
    case Kind::kString:
      return OrUnreadable(context, "double", value.text(), ParseDouble(value.text()),
                          Value::Double);
    default:
      return context.NoOverload("double", args, count);
  }
}

Value ToBool(CallContext& context, const Value* args, size_t count) {
  const Value& value = args[0];
  if (value.kind() == Kind::kBool) return value;
  if (value.kind() != Kind::kString) return context.NoOverload("bool", args, count);
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (value.text() == yes) return Value::Bool(true);
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (value.text() == no) return Value::Bool(false);
  }
  return Unreadable(context, "bool", value.text());
}

Value ToString(CallContext& context, const Value* args, size_t count) {
  const Value& value = args[0];
  switch (value.kind()) {
    case Kind::kString:
      return value;
    case Kind::kBool:
      return Value::String(value.bool_value() ? "true" : "false");
    case Kind::kInt:
      return context.NewString(std::to_string(value.int_value()));
    case Kind::kUint:
      return context.NewString(std::to_string(value.uint_value()));
    case Kind::kDouble:
      return context.NewString(DoubleToText(value.double_value()));
    case Kind::kBytes:
      if (!IsValidUtf8(value.text())) {
        return Value::Error(ErrorCode::kInvalidArgument, "string(): the bytes are not valid UTF-8");
      }
      return Value::String(value.text());
    case Kind::kTimestamp:
      return context.NewString(TimestampToText(value));
    case Kind::kDuration:
      return context.NewString(DurationToText(value));
    default:
      return context.NoOverload("string", args, count);
  }
}

Value ToBytes(CallContext& context, const Value* args, size_t count) {
  if (args[0].kind() == Kind::kBytes) return args[0];
  if (args[0].kind() == Kind::kString) return Value::Bytes(args[0].text());
  return context.NoOverload("bytes", args, count);
}

Value ToTimestamp(CallContext& context, const Value* args, size_t count) {
  Value timestamp = args[0];
  switch (args[0].kind()) {
    case Kind::kTimestamp:
      return args[0];
    case Kind::kInt:
      timestamp = Value::Timestamp(args[0].int_value(), 0);
      break;
    case Kind::kString: {
      const std::optional<Value> parsed = ParseTimestamp(args[0].text());
      if (!parsed.has_value()) return Unreadable(context, "timestamp", args[0].text());
      timestamp = *parsed;
      break;
    }
    default:
      return context.NoOverload("timestamp", args, count);
  }
  return InTimestampRange(timestamp.seconds()) ? timestamp : OutOfRange();
}

Value ToDuration(CallContext& context, const Value* args, size_t count) {
  if (args[0].kind() == Kind::kDuration) return args[0];
  if (args[0].kind() != Kind::kString) return context.NoOverload("duration", args, count);
  const std::optional<Value> parsed = ParseDuration(args[0].text());
  if (!parsed.has_value()) return Unreadable(context, "duration", args[0].text());
  return InDurationRange(parsed->seconds(), parsed->nanos()) ? *parsed : OutOfRange();
}

}  // namespace

std::vector<BuiltinFunction> ConversionFunctions() {
  return {
      {"int", ToInt,
       "(int) -> int; (uint) -> int; (double) -> int; (string) -> int; (timestamp) -> int"},
      {"uint", ToUint, "(uint) -> uint; (int) -> uint; (double) -> uint; (string) -> uint"},
      {"double", ToDouble,
       "(double) -> double; (int) -> double; (uint) -> double; (string) -> double"},
      {"bool", ToBool, "(bool) -> bool; (string) -> bool"},
      {"string", ToString,
       "(string) -> string; (bool) -> string; (int) -> string; (uint) -> string; "
       "(double) -> string; (bytes) -> string; (timestamp) -> string; (duration) -> string"},
      {"bytes", ToBytes, "(bytes) -> bytes; (string) -> bytes"},
      {"timestamp", ToTimestamp,
       "(timestamp) -> timestamp; (string) -> timestamp; (int) -> timestamp"},
      {"duration", ToDuration, "(duration) -> duration; (string) -> duration"},
  };
}

}  // namespace attune::expression
