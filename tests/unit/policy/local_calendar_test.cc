// Quiet hours and weekdays by the customer's clock, on both sides of each change of it.
#include "lib/policy/local_calendar.h"

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/policy/contact_fixture.h"

namespace attune::policy {
namespace {

absl::TimeZone Zone(const std::string& name) {
  absl::TimeZone zone;
  EXPECT_TRUE(absl::LoadTimeZone(name, &zone)) << name;
  return zone;
}

int64_t Ms(const std::string& utc) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, utc, &time, &error)) << utc << ": " << error;
  return absl::ToUnixMillis(time);
}

struct PeriodCase {
  std::string name;
  std::string zone;
  DailyPeriod period;
  std::string now;  // UTC
  std::string end;  // UTC; empty: not in the period
};

void PrintTo(const PeriodCase& c, std::ostream* out) { *out << c.name; }

constexpr DailyPeriod kNight = {21 * 60, 8 * 60};
constexpr DailyPeriod kNoon = {12 * 60, 13 * 60};
// Over the hour that is skipped or repeated in Berlin and New York.
constexpr DailyPeriod kHalfPastTwo = {2 * 60 + 30, 6 * 60};
constexpr DailyPeriod kUntilHalfPastTwo = {23 * 60, 2 * 60 + 30};
constexpr WeekdaySet kFriday = 1 << 4;

class EndOfPeriodTest : public ::testing::TestWithParam<PeriodCase> {};

TEST_P(EndOfPeriodTest, IsExact) {
  const PeriodCase& c = GetParam();
  const std::optional<int64_t> end = EndOfPeriod(c.period, Zone(c.zone), Ms(c.now));
  if (c.end.empty()) {
    EXPECT_EQ(end, std::nullopt);
  } else {
    ASSERT_TRUE(end);
    EXPECT_EQ(*end, Ms(c.end));
    EXPECT_TRUE(EndOfPeriod(c.period, Zone(c.zone), *end - 1));
    EXPECT_FALSE(EndOfPeriod(c.period, Zone(c.zone), *end));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, EndOfPeriodTest,
    ::testing::ValuesIn(std::vector<PeriodCase>{
        {"JustBefore", "UTC", kNight, "2026-03-01T20:59:59.999Z", ""},
        {"AtTheStart", "UTC", kNight, "2026-03-01T21:00:00Z", "2026-03-02T08:00:00Z"},
        {"AfterMidnight", "UTC", kNight, "2026-03-01T00:00:00Z", "2026-03-01T08:00:00Z"},
        {"JustBeforeTheEnd", "UTC", kNight, "2026-03-01T07:59:59.999Z", "2026-03-01T08:00:00Z"},
        {"AtTheEnd", "UTC", kNight, "2026-03-01T08:00:00Z", ""},
        {"WithinADay", "UTC", kNoon, "2026-03-01T12:30:00Z", "2026-03-01T13:00:00Z"},
        {"OnItsWeekday",
         "UTC",
         {21 * 60, 8 * 60, kFriday},
         "2026-03-06T22:00:00Z",
         "2026-03-07T08:00:00Z"},
        {"TheMorningAfterItsWeekday",
         "UTC",
         {21 * 60, 8 * 60, kFriday},
         "2026-03-07T07:00:00Z",
         "2026-03-07T08:00:00Z"},
        {"OnAnotherWeekday", "UTC", {21 * 60, 8 * 60, kFriday}, "2026-03-07T22:00:00Z", ""},
        // Berlin: +1 until 2026-03-29T01:00Z, +2 until 2026-10-25T01:00Z.
        {"BerlinWinter", "Europe/Berlin", kNight, "2026-03-28T19:59:59Z", ""},
        {"BerlinTheNightThatIsShort", "Europe/Berlin", kNight, "2026-03-28T20:00:00Z",
         "2026-03-29T06:00:00Z"},
        {"BerlinSummer", "Europe/Berlin", kNight, "2026-03-29T19:00:00Z", "2026-03-30T06:00:00Z"},
        {"BerlinTheNightThatIsLong", "Europe/Berlin", kNight, "2026-10-24T19:00:00Z",
         "2026-10-25T07:00:00Z"},
        {"BerlinStartIsSkipped", "Europe/Berlin", kHalfPastTwo, "2026-03-29T01:00:00Z",
         "2026-03-29T04:00:00Z"},
        {"BerlinBeforeTheSkippedStart", "Europe/Berlin", kHalfPastTwo, "2026-03-29T00:59:59Z", ""},
        {"BerlinEndIsSkipped", "Europe/Berlin", kUntilHalfPastTwo, "2026-03-29T00:30:00Z",
         "2026-03-29T01:00:00Z"},
        {"BerlinStartIsRepeated", "Europe/Berlin", kHalfPastTwo, "2026-10-25T00:30:00Z",
         "2026-10-25T05:00:00Z"},
        {"BerlinBetweenTheRepeatedStarts", "Europe/Berlin", kHalfPastTwo, "2026-10-25T01:10:00Z",
         "2026-10-25T05:00:00Z"},
        {"BerlinEndIsRepeated", "Europe/Berlin", kUntilHalfPastTwo, "2026-10-25T00:45:00Z",
         "2026-10-25T01:30:00Z"},
        // New York: -5 until 2026-03-08T07:00Z, -4 until 2026-11-01T06:00Z.
        {"NewYorkTheNightThatIsShort", "America/New_York", kNight, "2026-03-08T02:00:00Z",
         "2026-03-08T12:00:00Z"},
        {"NewYorkTheNightThatIsLong", "America/New_York", kNight, "2026-11-01T01:00:00Z",
         "2026-11-01T13:00:00Z"},
        {"NewYorkBefore", "America/New_York", kNight, "2026-11-01T00:59:59Z", ""},
        // Sydney: +11 until 2026-04-04T16:00Z, +10 until 2026-10-03T16:00Z.
        {"SydneyTheNightThatIsLong", "Australia/Sydney", kNight, "2026-04-04T10:00:00Z",
         "2026-04-04T22:00:00Z"},
        {"SydneyTheNightThatIsShort", "Australia/Sydney", kNight, "2026-10-03T11:00:00Z",
         "2026-10-03T21:00:00Z"},
        {"SydneyAfter", "Australia/Sydney", kNight, "2026-10-03T21:00:00Z", ""},
        // Nine hours and half of one from UTC.
        {"Adelaide", "Australia/Adelaide", kNoon, "2026-07-01T02:30:00Z", "2026-07-01T03:30:00Z"},
    }),
    [](const auto& info) { return info.param.name; });

// Whatever the day: in the period exactly when the clock reads so, unless the clock is changed that
// night; and the end is where it stops.
TEST(EndOfPeriodSweepTest, IsWhatTheClockSays) {
  for (const char* name : {"Europe/Berlin", "America/New_York", "Australia/Sydney",
                           "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham"}) {
    const absl::TimeZone zone = Zone(name);
    for (int64_t ms = Ms("2026-01-01T00:00:00Z"); ms < Ms("2027-01-01T00:00:00Z");
         ms += 97 * kMinute) {
      const absl::CivilSecond local = zone.At(absl::FromUnixMillis(ms)).cs;
      const std::optional<int64_t> end = EndOfPeriod(kNight, zone, ms);
      ASSERT_EQ(end.has_value(), local.hour() >= 21 || local.hour() < 8) << name << " " << local;
      if (!end) continue;
      const absl::CivilSecond at_end = zone.At(absl::FromUnixMillis(*end)).cs;
      ASSERT_EQ(at_end, absl::CivilSecond(absl::CivilDay(at_end)) + 8 * 3600);
      ASSERT_LE(*end - ms, 12 * kHour);
    }
  }
}

TEST(StartOfNextDayTest, IsMidnightByTheCustomersClock) {
  constexpr WeekdaySet kWorkdays = 0x1F;
  const absl::TimeZone berlin = Zone("Europe/Berlin");
  // Saturday 2026-03-28; the clock changes on Sunday.
  EXPECT_EQ(StartOfNextDay(kWorkdays, berlin, Ms("2026-03-27T22:59:59Z")), std::nullopt);
  EXPECT_EQ(StartOfNextDay(kWorkdays, berlin, Ms("2026-03-27T23:00:00Z")),
            Ms("2026-03-29T22:00:00Z"));
  EXPECT_EQ(StartOfNextDay(kWorkdays, berlin, Ms("2026-03-29T21:59:59Z")),
            Ms("2026-03-29T22:00:00Z"));
  EXPECT_EQ(StartOfNextDay(kWorkdays, berlin, Ms("2026-03-29T22:00:00Z")), std::nullopt);
  // Where the clock goes from midnight to one.
  EXPECT_EQ(StartOfNextDay(1 << 6, Zone("America/Havana"), Ms("2026-03-07T12:00:00Z")),
            Ms("2026-03-08T05:00:00Z"));
}

constexpr char kQuiet[] = R"pb(
  contact {
    name: "night"
    quiet_hours { from: "21:00" until: "08:00" }
  }
  contact {
    name: "no_sunday"
    allowed_weekdays {
      weekdays: [ WEEKDAY_MONDAY, WEEKDAY_TUESDAY, WEEKDAY_WEDNESDAY, WEEKDAY_THURSDAY ]
      channels: "mail"
    }
  }
)pb";

// kNow is Sunday, 2026-03-01, 00:00 UTC.
TEST(CalendarPolicyTest, HoldsByTheCustomersOwnClock) {
  ContactWorld world({.strategy = kQuiet});
  // Berlin, the default: one in the morning.
  EXPECT_EQ(world.Reason("plan", 0), "quiet_hours");
  EXPECT_EQ(world.AllowedFromOf("plan"), 7 * kHour);
  EXPECT_EQ(world.SentenceOf("plan"),
            "quiet_hours night: quiet from 21:00 until 08:00, and it is Sun 01:00 in "
            "Europe/Berlin; allowed again from 2026-03-01T07:00:00Z");
  world.LiveIn("America/New_York");
  EXPECT_EQ(world.Reason("plan", 0), "");
  EXPECT_EQ(world.Reason("plan", 2 * kHour), "quiet_hours");
  EXPECT_FALSE(world.result_.time_zone_unknown);
  for (const char* name : {"Mars/Olympus", "/etc/passwd", "../x", "localtime", "UTC\n"}) {
    world.LiveIn(name);
    EXPECT_EQ(world.Reason("plan", 0), "quiet_hours") << name;
    EXPECT_TRUE(world.result_.time_zone_unknown) << name;
  }
}

TEST(CalendarPolicyTest, SeveralPoliciesAllowTheLatestMomentTogether) {
  ContactWorld world({.strategy = kQuiet});
  world.LiveIn("UTC");
  EXPECT_EQ(world.Reason("plan", 12 * kHour, "app"), "");
  EXPECT_EQ(world.Reason("plan", 12 * kHour, "mail"), "weekday_not_allowed");
  // Midnight is quiet: Monday, eight o'clock.
  EXPECT_EQ(world.AllowedFromOf("plan"), kDay + 8 * kHour);
  EXPECT_EQ(world.Reason("alarm", 12 * kHour, "mail"), "");
}

}  // namespace
}  // namespace attune::policy
