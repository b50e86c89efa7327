#include "lib/expression/number_text.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "absl/time/civil_time.h"
#include "lib/base/text.h"

namespace attune::expression {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

std::optional<std::string> NotFinite(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "+Inf" : "-Inf";
  return std::nullopt;
}

template <typename... Format>
std::string Print(double number, Format... format) {
  char buffer[400];  // the largest double has 309 digits
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, number, format...);
  return std::string(buffer, result.ptr);
}

// Reads exactly `digits` digits and moves on; false when there are fewer.
bool TakeDigits(std::string_view& text, int digits, int* number) {
  *number = 0;
  if (text.size() < static_cast<size_t>(digits)) return false;
  for (int i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    *number = *number * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool TakeChar(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// ".123456789": the digits after the ninth are dropped.
bool TakeFraction(std::string_view& text, int32_t* nanos) {
  *nanos = 0;
  if (!TakeChar(text, '.')) return true;
  int32_t unit = kNanosPerSecond / 10;
  size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    *nanos += (text[digits] - '0') * unit;
    unit /= 10;
  }
  text.remove_prefix(digits);
  return digits > 0;
}

// "Z" or "+02:00".
bool TakeOffset(std::string_view& text, int* offset_seconds) {
  *offset_seconds = 0;
  if (TakeChar(text, 'Z') || TakeChar(text, 'z')) return true;
  int sign = 1;
  if (TakeChar(text, '-')) {
    sign = -1;
  } else if (!TakeChar(text, '+')) {
    return false;
  }
  int hours = 0;
  int minutes = 0;
  if (!TakeDigits(text, 2, &hours) || !TakeChar(text, ':') || !TakeDigits(text, 2, &minutes)) {
    return false;
  }
  *offset_seconds = sign * (hours * 3600 + minutes * 60);
  return hours < 24 && minutes < 60;
}

std::string FractionText(int64_t nanos) {
  if (nanos == 0) return "";
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, ".%09d", static_cast<int>(nanos));
  std::string text = buffer;
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

// The nanoseconds of one unit; 0 when there is no such unit.
int64_t TakeUnit(std::string_view& text) {
  struct Unit {
    std::string_view name;
    int64_t nanos;
  };
  // The longer ones first: "ms" is not "m".
  constexpr Unit kUnits[] = {{"ns", 1},
                             {"us", 1000},
                             {"\u00B5s", 1000},
                             {"\u03BCs", 1000},
                             {"ms", 1'000'000},
                             {"s", kNanosPerSecond},
                             {"m", 60 * kNanosPerSecond},
                             {"h", 3600 * kNanosPerSecond}};
  for (const Unit& unit : kUnits) {
    if (text.starts_with(unit.name)) {
      text.remove_prefix(unit.name.size());
      return unit.nanos;
    }
  }
  return 0;
}

// One "1.5h" of a duration, in nanoseconds.
bool TakeTerm(std::string_view& text, __int128* nanos) {
  __int128 whole = 0;
  size_t digits = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    whole = whole * 10 + (text[0] - '0');
    if (whole > std::numeric_limits<int64_t>::max()) return false;
    text.remove_prefix(1);
    ++digits;
  }
  __int128 fraction = 0;
  __int128 scale = 1;
  if (TakeChar(text, '.')) {
    while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
      if (scale < 1'000'000'000'000'000) {
        fraction = fraction * 10 + (text[0] - '0');
        scale *= 10;
      }
      text.remove_prefix(1);
      ++digits;
    }
  }
  if (digits == 0) return false;
  const int64_t unit = TakeUnit(text);
  *nanos = whole * unit + fraction * unit / scale;
  return unit != 0;
}

}  // namespace

std::string DoubleToText(double number) {
  if (const std::optional<std::string> text = NotFinite(number)) return *text;
  if (number == 0) return std::signbit(number) ? "-0" : "0";
  const double magnitude = std::abs(number);
  if (magnitude >= 1e-4 && magnitude < 1e21) return Print(number, std::chars_format::fixed);
  return Print(number, std::chars_format::scientific);
}

std::string DoubleToFixedText(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  return Print(number, std::chars_format::fixed);
}

std::string TimestampToText(const Value& timestamp) {
  const absl::CivilSecond civil = absl::CivilSecond(1970, 1, 1) + timestamp.seconds();
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%04lld-%02d-%02dT%02d:%02d:%02d",
                static_cast<long long>(civil.year()), civil.month(), civil.day(), civil.hour(),
                civil.minute(), civil.second());
  return buffer + FractionText(timestamp.nanos()) + "Z";
}

std::string DurationToText(const Value& duration) {
  const bool negative = duration.seconds() < 0 || duration.nanos() < 0;
  return (negative ? "-" : "") + std::to_string(std::abs(duration.seconds())) +
         FractionText(std::abs(duration.nanos())) + "s";
}

std::optional<int64_t> ParseInt(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  int64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<uint64_t> ParseUint(std::string_view text) {
  uint64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<double> ParseDouble(std::string_view text) {
  bool negative = false;
  if (text.starts_with('+') || text.starts_with('-')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  double number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ptr != text.data() + text.size() || text.empty()) return std::nullopt;
  // What is too large is infinite, what is too small is zero.
  if (result.ec == std::errc::result_out_of_range) {
    number = std::strtod(std::string(text).c_str(), nullptr);
  } else if (result.ec != std::errc()) {
    return std::nullopt;
  }
  return negative ? -number : number;
}

std::optional<Value> ParseTimestamp(std::string_view text) {
  int year, month, day, hour, minute, second;
  if (!TakeDigits(text, 4, &year) || !TakeChar(text, '-') || !TakeDigits(text, 2, &month) ||
      !TakeChar(text, '-') || !TakeDigits(text, 2, &day)) {
    return std::nullopt;
  }
  if (!TakeChar(text, 'T') && !TakeChar(text, 't')) return std::nullopt;
  if (!TakeDigits(text, 2, &hour) || !TakeChar(text, ':') || !TakeDigits(text, 2, &minute) ||
      !TakeChar(text, ':') || !TakeDigits(text, 2, &second)) {
    return std::nullopt;
  }
  int32_t nanos = 0;
  int offset = 0;
  if (!TakeFraction(text, &nanos) || !TakeOffset(text, &offset) || !text.empty()) {
    return std::nullopt;
  }
  const absl::CivilSecond civil(year, month, day, hour, minute, second);
  // A civil time is normalised: what changed was no date.
  if (civil.month() != month || civil.day() != day || civil.hour() != hour ||
      civil.minute() != minute || civil.second() != second) {
    return std::nullopt;
  }
  return Value::Timestamp(civil - absl::CivilSecond(1970, 1, 1) - offset, nanos);
}

std::optional<Value> ParseDuration(std::string_view text) {
  const bool negative = TakeChar(text, '-');
  if (!negative) TakeChar(text, '+');
  if (text == "0") return Value::Duration(0, 0);
  if (text.empty()) return std::nullopt;
  __int128 total = 0;
  const __int128 most =
      static_cast<__int128>(std::numeric_limits<int64_t>::max()) * kNanosPerSecond;
  while (!text.empty()) {
    __int128 nanos = 0;
    if (!TakeTerm(text, &nanos)) return std::nullopt;
    total += nanos;
    if (total > most) total = most;
  }
  if (negative) total = -total;
  return Value::Duration(static_cast<int64_t>(total / kNanosPerSecond),
                         static_cast<int32_t>(total % kNanosPerSecond));
}

bool InTimestampRange(int64_t seconds) {
  return seconds >= kMinTimestampSeconds && seconds <= kMaxTimestampSeconds;
}

bool InDurationRange(int64_t seconds, int64_t nanos) {
  if (seconds > kMaxDurationSeconds || seconds < -kMaxDurationSeconds) return false;
  int64_t total = 0;
  return !__builtin_mul_overflow(seconds, kNanosPerSecond, &total) &&
         !__builtin_add_overflow(total, nanos, &total);
}

}  // namespace attune::expression
