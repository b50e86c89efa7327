#include "lib/policy/local_calendar.h"

#include "absl/time/civil_time.h"

namespace attune::policy {
namespace {

constexpr int kMinutesPerDay = 24 * 60;
// Clocks are not set by more, so what is farther off on the wall has come, or has not.
constexpr int kLargestClockChange = 3 * 60;

bool Contains(WeekdaySet days, absl::CivilDay day) {
  return (days >> static_cast<int>(absl::GetWeekday(day)) & 1) != 0;
}

absl::CivilSecond At(absl::CivilDay day, int minute) {
  return absl::CivilSecond(day) + 60 * minute;
}

// The first and the last moment at which the clock reads so; the moment of the change when it is
// set forward over it.
int64_t FirstMs(const absl::TimeZone& zone, absl::CivilSecond reading) {
  const absl::TimeZone::TimeInfo info = zone.At(reading);
  return absl::ToUnixMillis(info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans : info.pre);
}
int64_t LastMs(const absl::TimeZone& zone, absl::CivilSecond reading) {
  const absl::TimeZone::TimeInfo info = zone.At(reading);
  return absl::ToUnixMillis(info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans
                                                                           : info.post);
}

}  // namespace

std::optional<int64_t> EndOfPeriod(const DailyPeriod& period, const absl::TimeZone& zone,
                                   int64_t now_ms) {
  const absl::CivilSecond now = zone.At(absl::FromUnixMillis(now_ms)).cs;
  const absl::CivilDay today(now);
  const int minute = now.hour() * 60 + now.minute();
  const int length = period.until_minute - period.from_minute +
                     (period.until_minute < period.from_minute ? kMinutesPerDay : 0);
  // The latest first: where two meet, the one that ends later counts.
  for (int offset = 1; offset >= -2; --offset) {
    const int start = offset * kMinutesPerDay + period.from_minute - minute;
    if (start > kLargestClockChange || start + length < -kLargestClockChange) continue;
    const absl::CivilDay day = today + offset;
    if (!Contains(period.days, day)) continue;
    if (FirstMs(zone, At(day, period.from_minute)) > now_ms) continue;
    const int64_t end_ms = LastMs(zone, At(day, period.from_minute + length));
    if (end_ms > now_ms) return end_ms;
  }
  return std::nullopt;
}

std::optional<int64_t> StartOfNextDay(WeekdaySet days, const absl::TimeZone& zone, int64_t now_ms) {
  const absl::CivilDay today(zone.At(absl::FromUnixMillis(now_ms)).cs);
  if (Contains(days, today)) return std::nullopt;
  absl::CivilDay next = today + 1;
  while (!Contains(days, next)) ++next;
  const int64_t first_ms = FirstMs(zone, At(next, 0));
  // A clock that is set back over midnight reads the day before once more.
  return first_ms > now_ms ? first_ms : LastMs(zone, At(next, 0));
}

}  // namespace attune::policy
