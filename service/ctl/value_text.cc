#include "service/ctl/value_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"

namespace attune::ctl {
namespace {

using google::protobuf::util::TimeUtil;

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && absl::ascii_isspace(static_cast<uint8_t>(text.front()))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && absl::ascii_isspace(static_cast<uint8_t>(text.back()))) {
    text.remove_suffix(1);
  }
  return text;
}

absl::Status Unreadable(ValueType type, std::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat(Quoted(text, 40), type == ValueType::kInt ? " is not an " : " is not a ",
                   ToAbsl(ValueTypeName(type)), "; write ", ToAbsl(TypeSyntax(type))));
}

std::optional<bool> ReadBool(std::string_view text) {
  for (std::string_view word : {"true", "yes", "1", "t", "y"}) {
    if (absl::EqualsIgnoreCase(ToAbsl(text), ToAbsl(word))) return true;
  }
  for (std::string_view word : {"false", "no", "0", "f", "n"}) {
    if (absl::EqualsIgnoreCase(ToAbsl(text), ToAbsl(word))) return false;
  }
  return std::nullopt;
}

// from_chars takes no plus sign, but a sign is how some programs export numbers.
std::string_view WithoutPlus(std::string_view text) {
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-';
  return plus ? text.substr(1) : text;
}

std::optional<int64_t> ReadWholeNumber(std::string_view text) {
  const char* end = text.data() + text.size();
  int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::optional<int64_t> ReadInt(std::string_view text) {
  text = WithoutPlus(text);
  const char* end = text.data() + text.size();
  int64_t number = 0;
  auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return std::nullopt;
  // Programs that know doubles only write whole numbers as 34.0.
  if (stop != end && *stop == '.' && stop + 1 != end) {
    do {
      ++stop;
    } while (stop != end && *stop == '0');
  }
  if (stop != end) return std::nullopt;
  return number;
}

std::optional<double> ReadDouble(std::string_view text) {
  text = WithoutPlus(text);
  const char* end = text.data() + text.size();
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

bool IsDigits(std::string_view text, std::string_view pattern) {
  if (text.size() < pattern.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const bool digit = absl::ascii_isdigit(static_cast<uint8_t>(text[i]));
    if (pattern[i] == '0' ? !digit : text[i] != pattern[i]) return false;
  }
  return true;
}

constexpr std::string_view kDatePattern = "0000-00-00";
constexpr std::string_view kTimePattern = "00:00:00";

bool LooksLikeTimestamp(std::string_view text) {
  return IsDigits(text, kDatePattern) && text.size() > 19 && (text[10] == 'T' || text[10] == 't') &&
         IsDigits(text.substr(11), kTimePattern);
}

absl::Status ReadTimestamp(std::string_view text, int64_t& unix_us) {
  if (!IsDigits(text, kDatePattern) || text.find('\0') != std::string_view::npos) {
    return Unreadable(ValueType::kTimestamp, text);
  }
  std::string rfc3339(text);
  if (text.size() == kDatePattern.size()) {
    rfc3339 += "T00:00:00Z";
  } else {
    if (rfc3339[10] == ' ' || rfc3339[10] == 't') rfc3339[10] = 'T';
    if (rfc3339.back() == 'z') rfc3339.back() = 'Z';
    const bool has_time = IsDigits(text.substr(11), kTimePattern);
    if (has_time && text.find_first_of("Zz+-", 19) == std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat(
          Quoted(text, 40), " has no time zone; append Z for UTC or an offset such as +01:00"));
    }
  }
  google::protobuf::Timestamp time;
  if (!TimeUtil::FromString(rfc3339, &time)) return Unreadable(ValueType::kTimestamp, text);
  unix_us = time.seconds() * 1'000'000 + time.nanos() / 1000;
  return absl::OkStatus();
}

absl::Status CheckString(std::string_view text) {
  if (text.size() > kMaxStringValueBytes) {
    return absl::InvalidArgumentError(absl::StrCat("has ", text.size(), " bytes; at most ",
                                                   kMaxStringValueBytes, " are allowed"));
  }
  if (text.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError("contains a NUL byte");
  }
  if (!IsValidUtf8(text)) {
    return absl::InvalidArgumentError(absl::StrCat(Quoted(text, 40), " is not valid UTF-8"));
  }
  return absl::OkStatus();
}

// Appends to an encoded list (ValueRef::StringList) that has `count` elements so far.
absl::Status AddElement(std::string_view element, size_t& count, std::string& list) {
  if (absl::Status status = CheckString(element); !status.ok()) return status;
  if (++count > kMaxListElements) {
    return absl::InvalidArgumentError(
        absl::StrCat("has more than ", kMaxListElements, " elements"));
  }
  AppendListElement(list, element);
  return absl::OkStatus();
}

absl::Status ReadList(std::string_view text, std::string& list) {
  list.clear();
  size_t count = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(";|"), text.size());
    const std::string_view element = Trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (element.empty()) continue;
    if (absl::Status status = AddElement(element, count, list); !status.ok()) return status;
  }
  return absl::OkStatus();
}

v1::Value ToMessage(const ValueRef& value) {
  v1::Value message;
  switch (value.type()) {
    case ValueType::kBool:
      message.set_bool_value(value.bool_value());
      break;
    case ValueType::kInt:
      message.set_int_value(value.int_value());
      break;
    case ValueType::kDouble:
      message.set_double_value(value.double_value());
      break;
    case ValueType::kString:
      message.set_string_value(std::string(value.string_value()));
      break;
    case ValueType::kTimestamp:
      *message.mutable_timestamp_value() = TimeUtil::MicrosecondsToTimestamp(value.timestamp_us());
      break;
    case ValueType::kStringList:
      message.mutable_string_list_value();
      value.ForEachElement([&](std::string_view element) {
        message.mutable_string_list_value()->add_values(std::string(element));
      });
      break;
  }
  return message;
}

// Takes the quoted string at the start of `text`; nullopt when its quote is not closed.
std::optional<std::string> TakeQuotedString(std::string_view& text) {
  std::string content;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return content;
    }
    const bool escape = text[i] == '\\' && i + 1 < text.size();
    if (escape && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
    content += text[i];
  }
  return std::nullopt;
}

absl::StatusOr<v1::Value> InferQuoted(std::string_view text) {
  std::string_view rest = text;
  const std::optional<std::string> content = TakeQuotedString(rest);
  if (!content.has_value() || !rest.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(text), " must end with the quote that closes it"));
  }
  if (absl::Status status = CheckString(*content); !status.ok()) return status;
  return ToMessage(ValueRef::String(*content));
}

absl::StatusOr<v1::Value> InferList(std::string_view text) {
  const absl::Status malformed = absl::InvalidArgumentError(
      absl::StrCat(Quoted(text), " is not a list; write [a,b] or [\"a,b\",c]"));
  if (text.size() < 2 || text.back() != ']') return malformed;
  std::string_view rest = Trimmed(text.substr(1, text.size() - 2));
  std::string list;
  size_t count = 0;
  while (!rest.empty()) {
    std::string element;
    if (rest.front() == '"') {
      std::optional<std::string> content = TakeQuotedString(rest);
      if (!content.has_value()) return malformed;
      element = *std::move(content);
      rest = Trimmed(rest);
      if (!rest.empty() && rest.front() != ',') return malformed;
    } else {
      const size_t end = std::min(rest.find(','), rest.size());
      element = std::string(Trimmed(rest.substr(0, end)));
      rest.remove_prefix(end);
      if (element.empty()) return malformed;
    }
    if (absl::Status status = AddElement(element, count, list); !status.ok()) return status;
    if (rest.empty()) break;
    rest = Trimmed(rest.substr(1));
    if (rest.empty()) return malformed;
  }
  return ToMessage(ValueRef::StringList(list));
}

}  // namespace

std::optional<ValueType> TypeFromName(std::string_view name) {
  for (const ValueType type : {ValueType::kBool, ValueType::kInt, ValueType::kDouble,
                               ValueType::kString, ValueType::kTimestamp, ValueType::kStringList}) {
    if (name == ValueTypeName(type)) return type;
  }
  return std::nullopt;
}

std::string_view TypeSyntax(ValueType type) {
  switch (type) {
    case ValueType::kBool:
      return "true or false (also yes, no, t, f, y, n, 1, 0)";
    case ValueType::kInt:
      return "a whole number of at most 64 bits such as 34";
    case ValueType::kDouble:
      return "a finite number such as 56.95";
    case ValueType::kString:
      return "text";
    case ValueType::kTimestamp:
      return "a date or RFC 3339 such as 2026-03-01 or 2026-03-01T10:00:00Z";
    case ValueType::kStringList:
      return "elements separated by ; such as a;b";
  }
  return "";
}

absl::Status ReadValue(ValueType type, std::string_view text, std::string& list, ValueRef& value) {
  if (type == ValueType::kString) {
    value = ValueRef::String(text);
    return CheckString(text);
  }
  text = Trimmed(text);
  switch (type) {
    case ValueType::kBool: {
      const std::optional<bool> flag = ReadBool(text);
      if (!flag.has_value()) break;
      value = ValueRef::Bool(*flag);
      return absl::OkStatus();
    }
    case ValueType::kInt: {
      const std::optional<int64_t> number = ReadInt(text);
      if (!number.has_value()) break;
      value = ValueRef::Int(*number);
      return absl::OkStatus();
    }
    case ValueType::kDouble: {
      const std::optional<double> number = ReadDouble(text);
      if (!number.has_value()) break;
      value = ValueRef::Double(*number);
      return absl::OkStatus();
    }
    case ValueType::kTimestamp: {
      int64_t unix_us = 0;
      absl::Status status = ReadTimestamp(text, unix_us);
      value = ValueRef::Timestamp(unix_us);
      return status;
    }
    case ValueType::kStringList: {
      absl::Status status = ReadList(text, list);
      value = ValueRef::StringList(list);
      return status;
    }
    case ValueType::kString:
      break;
  }
  return Unreadable(type, text);
}

absl::Status ReadValue(ValueType type, std::string_view text, v1::Value& value) {
  std::string list;
  ValueRef ref;
  if (absl::Status status = ReadValue(type, text, list, ref); !status.ok()) return status;
  value = ToMessage(ref);
  return absl::OkStatus();
}

bool IsEmptyText(ValueType type, std::string_view text) {
  return text.empty() || (type != ValueType::kString && Trimmed(text).empty());
}

absl::StatusOr<v1::Value> InferValue(std::string_view text) {
  if (!text.empty() && text.front() == '"') return InferQuoted(text);
  if (!text.empty() && text.front() == '[') return InferList(text);
  if (text == "true" || text == "false") return ToMessage(ValueRef::Bool(text == "true"));
  if (const std::optional<int64_t> number = ReadWholeNumber(text); number.has_value()) {
    return ToMessage(ValueRef::Int(*number));
  }
  if (const std::optional<double> number = ReadDouble(text); number.has_value()) {
    return ToMessage(ValueRef::Double(*number));
  }
  if (LooksLikeTimestamp(text)) {
    int64_t unix_us = 0;
    if (absl::Status status = ReadTimestamp(text, unix_us); !status.ok()) return status;
    return ToMessage(ValueRef::Timestamp(unix_us));
  }
  if (absl::Status status = CheckString(text); !status.ok()) return status;
  return ToMessage(ValueRef::String(text));
}

std::string ValueToText(const v1::Value& value) {
  switch (value.kind_case()) {
    case v1::Value::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case v1::Value::kIntValue:
      return absl::StrCat(value.int_value());
    case v1::Value::kDoubleValue: {
      std::array<char, 32> buffer;
      const auto result =
          std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.double_value());
      return std::string(buffer.data(), result.ptr);
    }
    case v1::Value::kStringValue:
      return value.string_value();
    case v1::Value::kTimestampValue:
      return TimeUtil::ToString(value.timestamp_value());
    case v1::Value::kStringListValue: {
      std::string text;
      for (const std::string& element : value.string_list_value().values()) {
        absl::StrAppend(&text, text.empty() ? "" : ";", element);
      }
      return text;
    }
    case v1::Value::KIND_NOT_SET:
      break;
  }
  return "";
}

}  // namespace attune::ctl
