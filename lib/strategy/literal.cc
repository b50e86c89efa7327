#include "lib/strategy/literal.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/context/decision_request.h"
#include "lib/strategy/yaml_reader.h"

namespace attune::strategy {
namespace {

OwnedValue ZeroOf(ValueType type) {
  switch (type) {
    case ValueType::kBool:
      return OwnedValue(ValueRef::Bool(false));
    case ValueType::kInt:
      return OwnedValue(ValueRef::Int(0));
    case ValueType::kDouble:
      return OwnedValue(ValueRef::Double(0));
    case ValueType::kString:
      return OwnedValue(ValueRef::String(""));
    case ValueType::kTimestamp:
      return OwnedValue(ValueRef::Timestamp(0));
    case ValueType::kStringList:
      return OwnedValue(ValueRef::StringList(""));
  }
  return OwnedValue();
}

std::string Describe(const v1::Literal& literal) {
  switch (literal.kind_case()) {
    case v1::Literal::kBoolValue:
      return literal.bool_value() ? "true" : "false";
    case v1::Literal::kIntValue:
      return absl::StrCat(literal.int_value());
    case v1::Literal::kDoubleValue:
      return absl::StrCat("the number ", literal.double_value());
    case v1::Literal::kStringValue:
      return absl::StrCat("the text ", Quoted(literal.string_value()));
    case v1::Literal::kListValue:
      return "a list";
    case v1::Literal::KIND_NOT_SET:
      return "empty";
  }
  return "";
}

// What a default of the type looks like.
std::string_view Expected(ValueType type) {
  switch (type) {
    case ValueType::kBool:
      return "true or false";
    case ValueType::kInt:
      return "a whole number";
    case ValueType::kDouble:
      return "a number";
    case ValueType::kString:
      return "text (in quotes when it looks like something else)";
    case ValueType::kTimestamp:
      return "a date such as 2026-03-01 or a time such as 2026-03-01T08:30:00Z";
    case ValueType::kStringList:
      return "a list of texts";
  }
  return "";
}

// nullopt: the literal is of another type.
std::optional<OwnedValue> Convert(const v1::Literal& literal, ValueType type) {
  const auto kind = literal.kind_case();
  if (type == ValueType::kBool && kind == v1::Literal::kBoolValue) {
    return OwnedValue(ValueRef::Bool(literal.bool_value()));
  }
  if (type == ValueType::kInt && kind == v1::Literal::kIntValue) {
    return OwnedValue(ValueRef::Int(literal.int_value()));
  }
  if (type == ValueType::kDouble && kind == v1::Literal::kIntValue) {
    return OwnedValue(ValueRef::Double(static_cast<double>(literal.int_value())));
  }
  if (type == ValueType::kDouble && kind == v1::Literal::kDoubleValue) {
    return OwnedValue(ValueRef::Double(literal.double_value()));
  }
  if (type == ValueType::kString && kind == v1::Literal::kStringValue) {
    return OwnedValue(ValueRef::String(literal.string_value()));
  }
  if (type == ValueType::kTimestamp && kind == v1::Literal::kStringValue) {
    const std::optional<absl::Time> moment = ParseMoment(literal.string_value());
    if (!moment) return std::nullopt;
    return OwnedValue(ValueRef::Timestamp(absl::ToUnixMicros(*moment)));
  }
  if (type == ValueType::kStringList && kind == v1::Literal::kListValue) {
    std::string encoded;
    for (const std::string& element : literal.list_value().values()) {
      AppendListElement(encoded, element);
    }
    return OwnedValue(ValueRef::StringList(encoded));
  }
  return std::nullopt;
}

}  // namespace

ValueType TypeOf(v1::ValueType type) {
  switch (type) {
    case v1::VALUE_TYPE_BOOL:
      return ValueType::kBool;
    case v1::VALUE_TYPE_INT:
      return ValueType::kInt;
    case v1::VALUE_TYPE_STRING:
      return ValueType::kString;
    case v1::VALUE_TYPE_TIMESTAMP:
      return ValueType::kTimestamp;
    case v1::VALUE_TYPE_STRING_LIST:
      return ValueType::kStringList;
    default:
      return ValueType::kDouble;
  }
}

absl::StatusOr<OwnedValue> ValueOf(const v1::Literal& literal, ValueType type) {
  if (literal.kind_case() == v1::Literal::KIND_NOT_SET) return ZeroOf(type);
  std::optional<OwnedValue> value = Convert(literal, type);
  if (!value) {
    return absl::InvalidArgumentError(absl::StrCat("must be ", ToAbsl(Expected(type)),
                                                   " for the type ", ToAbsl(ValueTypeName(type)),
                                                   ", not ", Describe(literal)));
  }
  if (const auto problem = context::ValueProblem(value->ref())) {
    return absl::InvalidArgumentError(*problem);
  }
  return *std::move(value);
}

}  // namespace attune::strategy
