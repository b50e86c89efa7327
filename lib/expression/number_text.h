#ifndef ATTUNE_LIB_EXPRESSION_NUMBER_TEXT_H_
#define ATTUNE_LIB_EXPRESSION_NUMBER_TEXT_H_

#include <optional>
#include <string>
#include <string_view>

#include "lib/expression/value.h"

namespace attune::expression {

// The shortest text that reads back as the same number, in scientific notation for very large and
// very small ones: what string(double) returns.
std::string DoubleToText(double number);
// The same without scientific notation: what the verb %s prints.
std::string DoubleToFixedText(double number);

// RFC 3339 in UTC with as many digits of the second as needed.
std::string TimestampToText(const Value& timestamp);
// "1.5s".
std::string DurationToText(const Value& duration);

// All of the text must be the number; nullopt when it isn't or when the number is out of range.
std::optional<int64_t> ParseInt(std::string_view text);
std::optional<uint64_t> ParseUint(std::string_view text);
std::optional<double> ParseDouble(std::string_view text);

// RFC 3339. nullopt when malformed; the range is up to the caller.
std::optional<Value> ParseTimestamp(std::string_view text);
// "1h30m", "-1.5s", "10ms", "3us", "7ns". nullopt when malformed; the range is up to the caller.
std::optional<Value> ParseDuration(std::string_view text);

// Years 1 to 9999; durations are what fits an int64 in nanoseconds: 292 years.
inline constexpr int64_t kMinTimestampSeconds = -62'135'596'800;
inline constexpr int64_t kMaxTimestampSeconds = 253'402'300'799;
inline constexpr int64_t kMaxDurationSeconds = 9'223'372'036;
bool InTimestampRange(int64_t seconds);
bool InDurationRange(int64_t seconds, int64_t nanos);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_NUMBER_TEXT_H_
