#include "service/told_time.h"

#include "gtest/gtest.h"

namespace attune::service {
namespace {

constexpr absl::Duration kLeap = absl::Hours(365 * 24);

class ToldTimeTest : public ::testing::Test {
 protected:
  // What is told when so much has passed since the start and the wall clock is so far off.
  absl::Duration ToldAfter(absl::Duration passed, absl::Duration off = absl::ZeroDuration()) {
    const auto steady = std::chrono::steady_clock::time_point(absl::ToChronoNanoseconds(passed));
    return told_.At(kStart + passed + off, steady) - kStart;
  }

  const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);
  ToldTime told_;
};

TEST_F(ToldTimeTest, FollowsAClockThatIsSlewed) {
  for (int i = 0; i < 100; ++i) {
    const absl::Duration passed = absl::Minutes(i);
    EXPECT_EQ(ToldAfter(passed, absl::Minutes(i)), 2 * passed);
  }
}

TEST_F(ToldTimeTest, GoesOnByTheSteadyClockDuringAJumpEitherWay) {
  for (const absl::Duration leap : {kLeap, -kLeap}) {
    told_ = ToldTime();
    ToldAfter(absl::ZeroDuration());
    EXPECT_EQ(ToldAfter(absl::Minutes(1), leap), absl::Minutes(1));
    EXPECT_EQ(ToldAfter(absl::Minutes(5), leap), absl::Minutes(5));
    EXPECT_EQ(ToldAfter(absl::Minutes(7)), absl::Minutes(7)) << "it is right again";
    EXPECT_EQ(ToldAfter(absl::Minutes(8), leap), absl::Minutes(8)) << "the agreement begins anew";
    EXPECT_EQ(ToldAfter(absl::Minutes(12), leap), absl::Minutes(12));
  }
}

TEST_F(ToldTimeTest, BelievesAJumpThatLastsEitherWay) {
  for (const absl::Duration leap : {kLeap, -kLeap}) {
    told_ = ToldTime();
    ToldAfter(absl::ZeroDuration());
    EXPECT_EQ(ToldAfter(absl::Minutes(1), leap), absl::Minutes(1));
    EXPECT_EQ(ToldAfter(absl::Minutes(6), leap), absl::Minutes(6) + leap);
    EXPECT_EQ(ToldAfter(absl::Minutes(7), leap), absl::Minutes(7) + leap);
  }
}

TEST_F(ToldTimeTest, AJumpThereAndBackIsTwoJumps) {
  ToldAfter(absl::ZeroDuration());
  EXPECT_EQ(ToldAfter(absl::Minutes(1), kLeap), absl::Minutes(1));
  EXPECT_EQ(ToldAfter(absl::Minutes(4), -kLeap), absl::Minutes(4));
  EXPECT_EQ(ToldAfter(absl::Minutes(8), -kLeap), absl::Minutes(8));
  EXPECT_EQ(ToldAfter(absl::Minutes(9), -kLeap), absl::Minutes(9) - kLeap);
}

}  // namespace
}  // namespace attune::service
