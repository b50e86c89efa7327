#include "lib/learning/forward_decay.h"

#include <cmath>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace attune::learning {
namespace {

const absl::Time kDecayStart = absl::FromUnixSeconds(1'700'000'000);

// A sum that is kept as ForwardDecay wants it.
struct DecayedSum {
  explicit DecayedSum(absl::Duration half_life) : decay(half_life) {}

  void Add(absl::Time time, double value) {
    sum *= decay.AdvanceTo(time);
    sum += value * decay.WeightOf(time) / decay.scale();
  }
  double Now() const { return sum * decay.scale(); }

  ForwardDecay decay;
  double sum = 0;
};

TEST(ForwardDecayTest, HalfIsLeftAfterAHalfLife) {
  DecayedSum sum(absl::Hours(8));
  sum.Add(kDecayStart, 1);
  for (int hour = 1; hour <= 8; ++hour) sum.Add(kDecayStart + absl::Hours(hour), 0);
  EXPECT_NEAR(sum.Now(), 0.5, 1e-12);
}

TEST(ForwardDecayTest, WithoutAHalfLifeNothingIsForgotten) {
  DecayedSum sum(absl::ZeroDuration());
  sum.Add(kDecayStart, 1);
  sum.Add(kDecayStart + absl::Hours(1'000'000), 1);
  sum.Add(kDecayStart, 1);
  EXPECT_EQ(sum.Now(), 3);
  EXPECT_EQ(sum.decay.now(), kDecayStart + absl::Hours(1'000'000));
}

TEST(ForwardDecayTest, WhatComesLateCountsAsMuchAsIfItHadComeInTime) {
  DecayedSum in_time(absl::Hours(8));
  in_time.Add(kDecayStart, 3);
  in_time.Add(kDecayStart + absl::Hours(1), 1);
  DecayedSum late(absl::Hours(8));
  late.Add(kDecayStart + absl::Hours(1), 1);
  late.Add(kDecayStart, 3);
  EXPECT_NEAR(in_time.Now(), late.Now(), 1e-12);
}

TEST(ForwardDecayTest, AnEventIsNotLaterThanWhenItWasWritten) {
  const absl::Time before = kDecayStart - absl::Hours(1);
  EXPECT_EQ(TrustedTime(before, kDecayStart), before);
  EXPECT_EQ(TrustedTime(kDecayStart + absl::Hours(1), kDecayStart), kDecayStart);
  EXPECT_EQ(TrustedTime(absl::InfiniteFuture(), kDecayStart), kDecayStart);
}

TEST(ForwardDecayTest, FewEventsForgetAsFastAsMany) {
  constexpr int kDays = 140;
  DecayedSum few(absl::Hours(24 * 7));
  DecayedSum many(absl::Hours(24 * 7));
  few.Add(kDecayStart, 1000);
  many.Add(kDecayStart, 1000);
  for (int hour = 1; hour <= 24 * kDays; ++hour) {
    if (hour % 48 == 0) few.Add(kDecayStart + absl::Hours(hour), 0);
    many.Add(kDecayStart + absl::Hours(hour), 0);
  }
  // 20 half-lives.
  EXPECT_NEAR(few.Now(), std::ldexp(1000, -20), 1e-12);
  EXPECT_NEAR(many.Now(), std::ldexp(1000, -20), 1e-12);
  EXPECT_EQ(few.decay.now(), kDecayStart + absl::Hours(24 * kDays));
}

TEST(ForwardDecayTest, NothingIsLeftOfWhatIsLongAgo) {
  DecayedSum sum(absl::Microseconds(1));
  sum.Add(absl::InfinitePast(), 1000);
  sum.Add(kDecayStart, 3);
  EXPECT_NEAR(sum.Now(), 3, 1e-12);
  sum.Add(absl::InfinitePast(), 7);
  EXPECT_NEAR(sum.Now(), 3, 1e-12);
  // So many half-lives that their number doesn't fit into 32 bits.
  sum.Add(kDecayStart + absl::Microseconds(int64_t{1} << 32), 5);
  EXPECT_NEAR(sum.Now(), 5, 1e-12);
}

TEST(ForwardDecayTest, StaysExactOverManyHalfLives) {
  DecayedSum sum(absl::Hours(1));
  constexpr int kEvents = 10'000;
  for (int i = 0; i < kEvents; ++i) sum.Add(kDecayStart + i * absl::Minutes(6), 1);
  // A geometric series: each step leaves 2^-0.1.
  EXPECT_NEAR(sum.Now(), 1 / (1 - std::exp2(-0.1)), 1e-9);
}

TEST(ForwardDecayTest, MergesSumsOfDifferentTimes) {
  DecayedSum first(absl::Hours(1));
  DecayedSum second(absl::Hours(1));
  DecayedSum both(absl::Hours(1));
  for (int i = 0; i < 2000; ++i) {
    const absl::Time time = kDecayStart + i * absl::Minutes(6);
    (i < 1900 ? first : second).Add(time, i % 7);
    both.Add(time, i % 7);
  }
  const ForwardDecay::Factors factors = first.decay.Merge(second.decay);
  first.sum = first.sum * factors.mine + second.sum * factors.theirs;
  EXPECT_NEAR(first.Now(), both.Now(), 1e-9);
  EXPECT_EQ(first.decay.now(), both.decay.now());
  // With one that has seen nothing.
  DecayedSum empty(absl::Hours(1));
  const ForwardDecay::Factors none = first.decay.Merge(empty.decay);
  EXPECT_EQ(none.mine, 1);
  EXPECT_EQ(none.theirs, 1);
}

TEST(ForwardDecayTest, GoesOnFromItsBytes) {
  ForwardDecay decay(absl::Hours(8));
  for (int i = 0; i < 100; ++i) (void)decay.AdvanceTo(kDecayStart + i * absl::Minutes(59));
  std::string bytes;
  decay.Encode(bytes);
  ByteReader reader(bytes);
  const auto read = ForwardDecay::Decode(reader);
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(read->scale(), decay.scale());
  EXPECT_EQ(read->now(), decay.now());
}

TEST(ForwardDecayTest, RefusesBytesOfAClockThatCantBe) {
  struct Case {
    std::string name;
    int64_t half_life;
    char started;
    int64_t now;
    int64_t landmark;
  };
  for (const Case& c :
       {Case{"a negative half-life", -1, 1, 0, 0}, Case{"neither started nor not", 1, 2, 0, 0},
        Case{"a landmark in the future", 1000, 1, 5000, 6},
        Case{"a landmark that is too far back", 1000, 1, 100'000, 3},
        Case{"a time far away", 1000, 1, int64_t{1} << 61, int64_t{1} << 51},
        Case{"the least time", 1000, 1, std::numeric_limits<int64_t>::min(), 0},
        Case{"the least landmark", 1000, 1, 0, std::numeric_limits<int64_t>::min()},
        Case{"a time before it started", 1000, 0, 5, 0}}) {
    std::string bytes;
    PutVarint(bytes, ZigZag(c.half_life));
    bytes.push_back(c.started);
    PutVarint(bytes, ZigZag(c.now));
    PutVarint(bytes, ZigZag(c.landmark));
    ByteReader reader(bytes);
    EXPECT_EQ(ForwardDecay::Decode(reader).status().code(), absl::StatusCode::kDataLoss) << c.name;
  }
}

}  // namespace
}  // namespace attune::learning
