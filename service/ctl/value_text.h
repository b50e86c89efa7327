#ifndef ATTUNE_SERVICE_CTL_VALUE_TEXT_H_
#define ATTUNE_SERVICE_CTL_VALUE_TEXT_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "attune/v1/value.pb.h"
#include "lib/context/value.h"

namespace attune::ctl {

// The type of that name ("bool", "string_list", ...); nullopt when there is none.
std::optional<ValueType> TypeFromName(std::string_view name);

// How people write a value of the type, for messages and help.
std::string_view TypeSyntax(ValueType type);

// Reads `text` as a value of the type into `value`, which refers to `text` when it is a string, and
// to `list`, which is overwritten, when it is a list. White space around it is ignored, except in a
// string. What is accepted:
//   bool         true false yes no t f y n 1 0, in any case
//   int          64 bits, signed, with an optional fraction of zeros ("34.0")
//   double       finite, with a point and without separators of thousands
//   string       UTF-8 without NUL, at most kMaxStringValueBytes, as it is
//   timestamp    RFC 3339 with a T or a space, or a date (midnight UTC): 2026-03-01T10:00:00+01:00
//   string_list  elements separated by ; or |, white space around them and empty ones dropped
// INVALID_ARGUMENT, with what is wrong and what would be right: the text is not such a value.
absl::Status ReadValue(ValueType type, std::string_view text, std::string& list, ValueRef& value);

// The same into a message.
absl::Status ReadValue(ValueType type, std::string_view text, v1::Value& value);

// True when the text is empty as a value of the type, which in a CSV file means: not known.
bool IsEmptyText(ValueType type, std::string_view text);

// The value that `text` most likely stands for, when nothing declares its type: true or false, an
// int, a double, an RFC 3339 timestamp, [a,b] as a string_list, else a string. Text in double
// quotes is a string in any case; inside them, \" and \\ stand for " and \.
// INVALID_ARGUMENT: a quote or a bracket is not closed, or the value is out of bounds.
absl::StatusOr<v1::Value> InferValue(std::string_view text);

// As people read it: true, 12, 3.5, text, 2026-03-01T00:00:00Z, a;b. Empty when no kind is set.
std::string ValueToText(const v1::Value& value);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_VALUE_TEXT_H_
