#include "lib/base/utc_text.h"

#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace attune {
namespace {

std::string Utc(int64_t unix_ms) {
  std::string text = "at ";
  AppendUtc(unix_ms, text);
  return text.substr(3);
}
std::string Expected(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMillis(unix_ms),
                          absl::UTCTimeZone());
}

TEST(UtcTextTest, HasAsManyDigitsAsItTakes) {
  EXPECT_EQ(Utc(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(Utc(1'772'366'400'000), "2026-03-01T12:00:00Z");
  EXPECT_EQ(Utc(1'772'366'400'250), "2026-03-01T12:00:00.25Z");
  EXPECT_EQ(Utc(1'772'366'400'007), "2026-03-01T12:00:00.007Z");
  EXPECT_EQ(Utc(1'772'366'400'100), "2026-03-01T12:00:00.1Z");
  EXPECT_EQ(Utc(-1), "1969-12-31T23:59:59.999Z");
}

TEST(UtcTextTest, AgreesWithTheLibrary) {
  constexpr int64_t kDay = 86'400'000;
  // Every day of the years around a century without and one with a leap day, and every bound.
  for (int64_t day = -26'000; day < 12'000; ++day) {
    ASSERT_EQ(Utc(day * kDay), Expected(day * kDay));
    ASSERT_EQ(Utc(day * kDay - 1), Expected(day * kDay - 1));
  }
  std::mt19937_64 random(3);
  std::uniform_int_distribution<int64_t> any(-40'000'000'000'000, 260'000'000'000'000);
  for (int i = 0; i < 20'000; ++i) {
    const int64_t at = any(random);
    ASSERT_EQ(Utc(at), Expected(at));
  }
  for (const int64_t bound : {int64_t{-30'610'224'000'000}, int64_t{253'402'300'799'999}}) {
    for (const int64_t at : {bound - 1, bound, bound + 1}) EXPECT_EQ(Utc(at), Expected(at));
  }
  for (const int64_t at :
       {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    EXPECT_EQ(Utc(at), Expected(at));
  }
}

}  // namespace
}  // namespace attune
