#include "lib/context/value.h"

#include <bit>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/base/text.h"
#include "lib/base/utc_text.h"

namespace attune {

std::string_view ValueTypeName(ValueType type) {
  switch (type) {
    case ValueType::kBool:
      return "bool";
    case ValueType::kInt:
      return "int";
    case ValueType::kDouble:
      return "double";
    case ValueType::kString:
      return "string";
    case ValueType::kTimestamp:
      return "timestamp";
    case ValueType::kStringList:
      return "string_list";
  }
  return "unknown";
}

bool operator==(const ValueRef& a, const ValueRef& b) {
  if (a.type_ != b.type_) return false;
  switch (a.type_) {
    case ValueType::kBool:
    case ValueType::kInt:
    case ValueType::kTimestamp:
      return a.payload_.number == b.payload_.number;
    case ValueType::kDouble:
      return std::bit_cast<uint64_t>(a.payload_.real) == std::bit_cast<uint64_t>(b.payload_.real);
    case ValueType::kString:
    case ValueType::kStringList:
      return a.string_value() == b.string_value();
  }
  return false;
}

std::string ValueRef::ToString() const {
  switch (type_) {
    case ValueType::kBool:
      return bool_value() ? "true" : "false";
    case ValueType::kInt:
      return absl::StrCat(int_value());
    case ValueType::kDouble:
      return absl::StrCat(double_value());
    case ValueType::kString:
      return Quoted(string_value());
    case ValueType::kTimestamp: {
      constexpr int64_t kMs = 1000;
      if (timestamp_us() % kMs == 0) {
        std::string text;
        AppendUtc(timestamp_us() / kMs, text);
        return text;
      }
      return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMicros(timestamp_us()),
                              absl::UTCTimeZone());
    }
    case ValueType::kStringList: {
      constexpr size_t kMaxPrintedBytes = 200;
      std::string text = "[";
      ForEachElement([&](std::string_view element) {
        if (text.size() > kMaxPrintedBytes) return;
        absl::StrAppend(&text, text.size() > 1 ? ", " : "", Quoted(element));
      });
      return absl::StrCat(text, "]");
    }
  }
  return "";
}

OwnedValue::OwnedValue(const ValueRef& value) : ref_(value) {
  if (value.type() == ValueType::kString) {
    bytes_ = value.string_value();
    ref_ = ValueRef::String(bytes_);
  } else if (value.type() == ValueType::kStringList) {
    bytes_ = value.encoded_list();
    ref_ = ValueRef::StringList(bytes_);
  }
  ref_.set_known(value.known());
}

OwnedValue& OwnedValue::operator=(const OwnedValue& other) {
  if (this == &other) return *this;
  bytes_ = other.bytes_;
  ref_ = other.ref_;
  if (ref_.type() == ValueType::kString) ref_ = ValueRef::String(bytes_);
  if (ref_.type() == ValueType::kStringList) ref_ = ValueRef::StringList(bytes_);
  ref_.set_known(other.ref_.known());
  return *this;
}

}  // namespace attune
