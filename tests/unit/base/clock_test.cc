#include "lib/base/clock.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace attune {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'772'000'000);

TEST(ManualClockTest, StandsStillUntilItIsMoved) {
  ManualClock clock(kStart);
  EXPECT_EQ(clock.Now(), kStart);
  EXPECT_EQ(clock.Now(), kStart);
  clock.Advance(absl::Microseconds(3));
  EXPECT_EQ(clock.Now(), kStart + absl::Microseconds(3));
  clock.Set(kStart - absl::Hours(1));
  EXPECT_EQ(clock.Now(), kStart - absl::Hours(1));
}

TEST(ManualClockTest, AdvancesToALaterTimeOnly) {
  ManualClock clock(kStart);
  clock.AdvanceTo(kStart - absl::Seconds(1));
  EXPECT_EQ(clock.Now(), kStart);
  clock.AdvanceTo(kStart + absl::Seconds(1));
  EXPECT_EQ(clock.Now(), kStart + absl::Seconds(1));
}

TEST(ManualClockTest, EndsAtTheLatestOfManyTimes) {
  ManualClock clock(kStart);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&clock, thread] {
      for (int i = 0; i < 1000; ++i) clock.AdvanceTo(kStart + absl::Seconds(4 * i + thread));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(clock.Now(), kStart + absl::Seconds(4 * 999 + 3));
}

TEST(SystemClockTest, ReadsTheTimeOfDay) {
  const SystemClock clock;
  EXPECT_GT(clock.Now(), absl::FromCivil(absl::CivilDay(2024, 1, 1), absl::UTCTimeZone()));
}

}  // namespace
}  // namespace attune
