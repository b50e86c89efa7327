#include "service/value_conversion.h"

#include <limits>

namespace attune::service {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;

}  // namespace

absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

int64_t ToUnixMicros(const google::protobuf::Timestamp& timestamp) {
  return absl::ToUnixMicros(ToTime(timestamp));
}

void ToProto(int64_t unix_us, google::protobuf::Timestamp* out) {
  int64_t seconds = unix_us / kMicrosPerSecond;
  int64_t micros = unix_us % kMicrosPerSecond;
  if (micros < 0) {
    --seconds;
    micros += kMicrosPerSecond;
  }
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(micros * 1000));
}

std::optional<ValueRef> ToValueRef(const attune::v1::Value& value, ListBuffers& buffers) {
  using attune::v1::Value;
  switch (value.kind_case()) {
    case Value::kBoolValue:
      return ValueRef::Bool(value.bool_value());
    case Value::kIntValue:
      return ValueRef::Int(value.int_value());
    case Value::kDoubleValue:
      return ValueRef::Double(value.double_value());
    case Value::kStringValue:
      return ValueRef::String(value.string_value());
    case Value::kTimestampValue: {
      const int32_t nanos = value.timestamp_value().nanos();
      if (nanos < 0 || nanos > 999'999'999) {
        return ValueRef::Timestamp(std::numeric_limits<int64_t>::max());
      }
      return ValueRef::Timestamp(ToUnixMicros(value.timestamp_value()));
    }
    case Value::kStringListValue: {
      std::string& encoded = buffers.emplace_back();
      for (const std::string& element : value.string_list_value().values()) {
        AppendListElement(encoded, element);
      }
      return ValueRef::StringList(encoded);
    }
    case Value::KIND_NOT_SET:
      return std::nullopt;
  }
  return std::nullopt;
}

void ToProto(const ValueRef& value, attune::v1::Value* out) {
  switch (value.type()) {
    case ValueType::kBool:
      out->set_bool_value(value.bool_value());
      return;
    case ValueType::kInt:
      out->set_int_value(value.int_value());
      return;
    case ValueType::kDouble:
      out->set_double_value(value.double_value());
      return;
    case ValueType::kString:
      out->set_string_value(value.string_value().data(), value.string_value().size());
      return;
    case ValueType::kTimestamp:
      ToProto(value.timestamp_us(), out->mutable_timestamp_value());
      return;
    case ValueType::kStringList: {
      auto* list = out->mutable_string_list_value();
      value.ForEachElement(
          [list](std::string_view element) { list->add_values(element.data(), element.size()); });
      return;
    }
  }
}

}  // namespace attune::service
