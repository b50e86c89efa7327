#include "lib/scoring/circuit_breaker.h"

#include <optional>

#include "gtest/gtest.h"

namespace attune::scoring {
namespace {

using State = CircuitBreaker::State;

// Three failures in a row open it, for ten seconds. Time is the test's.
class CircuitBreakerTest : public ::testing::Test {
 protected:
  void Fail(int times = 1) {
    for (int i = 0; i < times; ++i) {
      const auto permit = breaker_.TryPass(now_);
      ASSERT_TRUE(permit.has_value()) << i;
      breaker_.ReportFailure(*permit, now_);
    }
  }
  void Hurry(int times = 1) {
    for (int i = 0; i < times; ++i) {
      const auto permit = breaker_.TryPass(now_);
      ASSERT_TRUE(permit.has_value()) << i;
      breaker_.ReportHurried(*permit, now_);
    }
  }
  void Succeed() {
    const auto permit = breaker_.TryPass(now_);
    ASSERT_TRUE(permit.has_value());
    breaker_.ReportSuccess(*permit);
  }
  bool Passes() { return breaker_.TryPass(now_).has_value(); }
  State StateNow() const { return breaker_.state(now_); }

  absl::Time now_ = absl::UnixEpoch();
  CircuitBreaker breaker_{{.failures = 3, .open_for = absl::Seconds(10)}};
};

TEST_F(CircuitBreakerTest, OpensAfterSoManyFailuresInARow) {
  Fail(2);
  Succeed();
  Fail(2);
  EXPECT_EQ(StateNow(), State::kClosed) << "a success starts the count anew";
  Fail();
  EXPECT_EQ(StateNow(), State::kOpen);
  EXPECT_FALSE(Passes());
  now_ += absl::Seconds(10) - absl::Nanoseconds(1);
  EXPECT_FALSE(Passes());
}

TEST_F(CircuitBreakerTest, LetsOneCallAtATimeTry) {
  Fail(3);
  now_ += absl::Seconds(10);
  EXPECT_EQ(StateNow(), State::kHalfOpen);
  const auto trial = breaker_.TryPass(now_);
  ASSERT_TRUE(trial.has_value());
  EXPECT_FALSE(Passes());
  breaker_.ReportSuccess(*trial);
  EXPECT_EQ(StateNow(), State::kClosed);
  EXPECT_TRUE(Passes());
  EXPECT_TRUE(Passes());
}

TEST_F(CircuitBreakerTest, OpensForAsLongAgainWhenTheTrialFails) {
  Fail(3);
  now_ += absl::Seconds(15);
  Fail();
  EXPECT_EQ(StateNow(), State::kOpen);
  now_ += absl::Seconds(9);
  EXPECT_FALSE(Passes());
  now_ += absl::Seconds(1);
  Succeed();
  EXPECT_EQ(StateNow(), State::kClosed);
  Fail(2);
  EXPECT_EQ(StateNow(), State::kClosed) << "failures of before are forgotten";
}

TEST_F(CircuitBreakerTest, WhatWasBegunBeforeAChangeSaysNothingAboutIt) {
  const auto slow = breaker_.TryPass(now_);
  const auto slower = breaker_.TryPass(now_);
  ASSERT_TRUE(slow && slower);
  Fail(3);
  breaker_.ReportSuccess(*slow);
  EXPECT_EQ(StateNow(), State::kOpen);
  now_ += absl::Seconds(10);
  const auto trial = breaker_.TryPass(now_);
  ASSERT_TRUE(trial.has_value());
  breaker_.ReportFailure(*slower, now_);
  EXPECT_EQ(StateNow(), State::kHalfOpen);
  breaker_.ReportSuccess(*trial);
  EXPECT_EQ(StateNow(), State::kClosed);
}

TEST_F(CircuitBreakerTest, OpensAfterFourTimesAsManyCallsGivenUpEarly) {
  Hurry(11);
  Succeed();
  Hurry(11);
  EXPECT_EQ(StateNow(), State::kClosed) << "a success starts the count anew";
  Hurry();
  EXPECT_EQ(StateNow(), State::kOpen);
}

TEST_F(CircuitBreakerTest, ATrialGivenUpEarlyOpensAgain) {
  Fail(3);
  now_ += absl::Seconds(10);
  Hurry();
  EXPECT_EQ(StateNow(), State::kOpen);
  now_ += absl::Seconds(10);
  Succeed();
  EXPECT_EQ(StateNow(), State::kClosed);
}

TEST_F(CircuitBreakerTest, AClockSetBackDoesNotKeepItOpen) {
  now_ += absl::Hours(1);
  Fail(3);
  EXPECT_FALSE(Passes());
  now_ -= absl::Minutes(30);
  EXPECT_EQ(StateNow(), State::kHalfOpen);
  Succeed();
  EXPECT_EQ(StateNow(), State::kClosed);
}

}  // namespace
}  // namespace attune::scoring
