#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "lib/expression/function.h"

namespace attune::expression {
namespace {

enum class Field {
  kFullYear,
  kMonth,
  kDayOfYear,
  kDayOfMonth,
  kDate,
  kDayOfWeek,
  kHours,
  kMinutes,
  kSeconds,
  kMilliseconds
};

int64_t CivilField(Field field, const absl::CivilSecond& civil) {
  switch (field) {
    case Field::kFullYear:
      return civil.year();
    case Field::kMonth:
      return civil.month() - 1;
    case Field::kDayOfYear:
      return absl::GetYearDay(absl::CivilDay(civil)) - 1;
    case Field::kDayOfMonth:
      return civil.day() - 1;
    case Field::kDate:
      return civil.day();
    // Ours begins on Monday with 0, the language's on Sunday.
    case Field::kDayOfWeek:
      return (static_cast<int>(absl::GetWeekday(civil)) + 1) % 7;
    case Field::kHours:
      return civil.hour();
    case Field::kMinutes:
      return civil.minute();
    default:
      return civil.second();
  }
}

Value TimestampField(CallContext& context, Field field, const Value* args, size_t count) {
  const Value& timestamp = args[0];
  absl::CivilSecond civil = absl::CivilSecond(1970, 1, 1) + timestamp.seconds();
  if (count == 2) {
    if (args[1].kind() != Kind::kString) return context.NoOverload("a time's field", args, count);
    absl::TimeZone zone;
    if (!context.FindTimeZone(args[1].text(), &zone)) {
      return context.Error(ErrorCode::kInvalidArgument, {"unknown time zone: ", args[1].text()});
    }
    civil = absl::ToCivilSecond(absl::FromUnixSeconds(timestamp.seconds()), zone);
  }
  if (field == Field::kMilliseconds) return Value::Int(timestamp.nanos() / 1'000'000);
  return Value::Int(CivilField(field, civil));
}

template <Field kField>
Value GetField(CallContext& context, const Value* args, size_t count) {
  if (args[0].kind() == Kind::kTimestamp) return TimestampField(context, kField, args, count);
  if (args[0].kind() == Kind::kDuration && count == 1) {
    switch (kField) {
      case Field::kHours:
        return Value::Int(args[0].seconds() / 3600);
      case Field::kMinutes:
        return Value::Int(args[0].seconds() / 60);
      case Field::kSeconds:
        return Value::Int(args[0].seconds());
      case Field::kMilliseconds:
        return Value::Int(args[0].nanos() / 1'000'000);
      default:
        break;
    }
  }
  return context.NoOverload("a time's field", args, count);
}

constexpr std::string_view kTimestampOnly = "timestamp.() -> int; timestamp.(string) -> int";
constexpr std::string_view kBoth =
    "timestamp.() -> int; timestamp.(string) -> int; duration.() -> int";

}  // namespace

std::vector<BuiltinFunction> TimeFunctions() {
  return {
      {"getFullYear", GetField<Field::kFullYear>, kTimestampOnly},
      {"getMonth", GetField<Field::kMonth>, kTimestampOnly},
      {"getDayOfYear", GetField<Field::kDayOfYear>, kTimestampOnly},
      {"getDayOfMonth", GetField<Field::kDayOfMonth>, kTimestampOnly},
      {"getDate", GetField<Field::kDate>, kTimestampOnly},
      {"getDayOfWeek", GetField<Field::kDayOfWeek>, kTimestampOnly},
      {"getHours", GetField<Field::kHours>, kBoth},
      {"getMinutes", GetField<Field::kMinutes>, kBoth},
      {"getSeconds", GetField<Field::kSeconds>, kBoth},
      {"getMilliseconds", GetField<Field::kMilliseconds>, kBoth},
  };
}

}  // namespace attune::expression
