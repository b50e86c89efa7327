#ifndef ATTUNE_LIB_POLICY_LOCAL_CALENDAR_H_
#define ATTUNE_LIB_POLICY_LOCAL_CALENDAR_H_

#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace attune::policy {

// Days of the week: bit 0 is Monday, bit 6 Sunday.
using WeekdaySet = uint8_t;
inline constexpr WeekdaySet kEveryDay = 0x7F;

// A time of the day that comes back on certain days, by the clock on the wall.
struct DailyPeriod {
  int from_minute = 0;          // since midnight, 0 … 1439
  int until_minute = 0;         // exclusive; on the next day when it lies before `from_minute`
  WeekdaySet days = kEveryDay;  // on which it starts
};

// If `now_ms` (Unix time) lies in the period in the time zone: when the period ends; else nullopt.
// Where the clock is set back over an end of the period it is the longer one: from the first time
// that the clock reads the start until the last time that it reads the end. Where the clock is set
// forward over an end, that is the moment of the change. REQUIRES: the ends differ.
std::optional<int64_t> EndOfPeriod(const DailyPeriod& period, const absl::TimeZone& zone,
                                   int64_t now_ms);

// If `now_ms` lies on none of the days in the time zone: when the next one begins; else nullopt.
// REQUIRES: there is a day.
std::optional<int64_t> StartOfNextDay(WeekdaySet days, const absl::TimeZone& zone, int64_t now_ms);

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_LOCAL_CALENDAR_H_
