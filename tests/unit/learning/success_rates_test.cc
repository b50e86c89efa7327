#include "lib/learning/success_rates.h"

#include <cmath>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "lib/base/codec.h"
#include "lib/storage/crc32c.h"
#include "tests/testing/mutations.h"

namespace attune::learning {
namespace {

TEST(WilsonIntervalTest, IsThatOfThePublishedExamples) {
  // Newcombe (Statistics in Medicine, 1998), table I, method 3.
  struct Case {
    uint64_t positives;
    uint64_t shown;
    double low;
    double high;
  };
  for (const Case& c : {Case{81, 263, 0.2553, 0.3662}, Case{15, 148, 0.0624, 0.1605},
                        Case{0, 20, 0, 0.1611}, Case{1, 29, 0.0061, 0.1718}}) {
    const RateInterval interval = WilsonInterval(c.positives, c.shown);
    EXPECT_NEAR(interval.low, c.low, 5e-5);
    EXPECT_NEAR(interval.high, c.high, 5e-5);
    EXPECT_DOUBLE_EQ(interval.rate,
                     static_cast<double>(c.positives) / static_cast<double>(c.shown));
  }
}

TEST(WilsonIntervalTest, StaysWithinZeroAndOne) {
  EXPECT_EQ(WilsonInterval(0, 0).low, 0);
  EXPECT_EQ(WilsonInterval(0, 0).high, 1);
  EXPECT_EQ(WilsonInterval(0, 5).low, 0);
  EXPECT_EQ(WilsonInterval(5, 5).high, 1);
  EXPECT_GT(WilsonInterval(5, 5).low, 0.5);
}

TEST(EstimateRateTest, IsTheMeanOfABetaDistribution) {
  // Beta(1, 19), Beta(4, 26) and Beta(0.5, 0.5), by hand.
  EXPECT_DOUBLE_EQ(EstimateRate(0, 0, 0.05, 20).mean, 0.05);
  EXPECT_NEAR(EstimateRate(0, 0, 0.05, 20).deviation, 0.0475595, 1e-7);
  EXPECT_DOUBLE_EQ(EstimateRate(3, 10, 0.05, 20).mean, 4.0 / 30);
  EXPECT_NEAR(EstimateRate(3, 10, 0.05, 20).deviation, 0.0610541, 1e-7);
  EXPECT_NEAR(EstimateRate(0, 0, 0.5, 1).deviation, std::sqrt(0.125), 1e-12);
}

TEST(SuccessRatesTest, TellsThatSomethingWasAdded) {
  SuccessRates rates;
  EXPECT_EQ(rates.showings(), 0u);
  ASSERT_TRUE(rates.Add(1, 1, true, 0).ok());
  ASSERT_FALSE(rates.Add(1, 1, true, std::nan("")).ok());
  ASSERT_TRUE(rates.Add(2, 1, false, 0).ok());
  EXPECT_EQ(rates.showings(), 2u);
  EXPECT_EQ(SuccessRates::Parse(rates.Serialize())->showings(), 2u);
  SuccessRates other;
  ASSERT_TRUE(other.Add(1, 1, true, 0).ok());
  ASSERT_TRUE(other.Merge(rates).ok());
  EXPECT_EQ(other.showings(), 3u);
}

TEST(SuccessRatesTest, CountsByTreatmentAndChannel) {
  SuccessRates rates;
  ASSERT_TRUE(rates.Add(1, 10, true, 5).ok());
  ASSERT_TRUE(rates.Add(1, 10, false, -1).ok());
  ASSERT_TRUE(rates.Add(1, 11, true, 2).ok());
  ASSERT_TRUE(rates.Add(2, 10, false, 0).ok());
  const SuccessRates::Counts on_ten = rates.Of(1, 10);
  EXPECT_EQ(on_ten.shown, 2);
  EXPECT_EQ(on_ten.positives, 1);
  EXPECT_EQ(on_ten.rewards, 4);
  EXPECT_EQ(on_ten.deviations, 18);  // (5 - 2)^2 + (-1 - 2)^2
  EXPECT_EQ(on_ten.MeanReward(), 2);
  EXPECT_DOUBLE_EQ(on_ten.MeanRewardError(), 3);  // deviation sqrt(18), of two
  EXPECT_EQ(rates.Of(1).shown, 3);
  EXPECT_EQ(rates.Of(1).rewards, 6);
  EXPECT_EQ(rates.Of(3).shown, 0);
  EXPECT_EQ(rates.Of(3).MeanReward(), 0);
}

TEST(SuccessRatesTest, TheErrorOfLargeRewardsThatDifferLittleIsTheirOwn) {
  SuccessRates whole;
  SuccessRates parts[2];
  for (uint32_t i = 0; i < 1000; ++i) {
    const double reward = 1e9 + i % 2;
    ASSERT_TRUE(whole.Add(1, i % 4, true, reward).ok());
    ASSERT_TRUE(parts[i < 300 ? 0 : 1].Add(1, 0, true, reward).ok());
  }
  ASSERT_TRUE(parts[0].Merge(parts[1]).ok());
  // All are half away from their mean.
  const double error = std::sqrt(0.25 * 1000 / 999 / 1000);
  EXPECT_NEAR(whole.Of(1).MeanRewardError(), error, 1e-8);
  EXPECT_NEAR(parts[0].Of(1).MeanRewardError(), error, 1e-8);
}

TEST(SuccessRatesTest, RefusesRewardsThatAreNoNumbersAndCountsNothingOfThem) {
  SuccessRates rates;
  for (const double reward :
       {std::nan(""), std::numeric_limits<double>::infinity(), 1e308, -1.1e12}) {
    EXPECT_EQ(rates.Add(1, 1, true, reward).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(rates.pairs(), 0);
  EXPECT_TRUE(rates.Add(1, 1, true, SuccessRates::kMaxReward).ok());
}

TEST(SuccessRatesTest, IsBounded) {
  SuccessRates rates;
  for (uint32_t i = 0; i < SuccessRates::kMaxPairs; ++i) {
    ASSERT_TRUE(rates.Add(i, 0, false, 0).ok());
  }
  EXPECT_EQ(rates.Add(0, 1, true, 0).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(rates.Add(0, 0, true, 0).ok());
  SuccessRates other;
  ASSERT_TRUE(other.Add(0, 1, true, 0).ok());
  EXPECT_EQ(rates.Merge(other).code(), absl::StatusCode::kResourceExhausted);
}

TEST(SuccessRatesTest, PartsMergeToTheWhole) {
  SuccessRates whole;
  SuccessRates parts[2];
  for (uint32_t i = 0; i < 1000; ++i) {
    const uint32_t treatment = i * i % 17;
    ASSERT_TRUE(whole.Add(treatment, i % 3, i % 5 == 0, i % 11).ok());
    ASSERT_TRUE(parts[i % 2].Add(treatment, i % 3, i % 5 == 0, i % 11).ok());
  }
  ASSERT_TRUE(parts[0].Merge(parts[1]).ok());
  for (uint32_t treatment = 0; treatment < 17; ++treatment) {
    for (uint32_t channel = 0; channel < 3; ++channel) {
      const SuccessRates::Counts merged = parts[0].Of(treatment, channel);
      const SuccessRates::Counts counted = whole.Of(treatment, channel);
      EXPECT_EQ(merged.shown, counted.shown);
      EXPECT_EQ(merged.positives, counted.positives);
      EXPECT_EQ(merged.rewards, counted.rewards);
      EXPECT_NEAR(merged.MeanRewardError(), counted.MeanRewardError(), 1e-12);
    }
  }
  ASSERT_TRUE(whole.Merge(whole).ok());
  EXPECT_EQ(whole.Of(0).shown, 2 * parts[0].Of(0).shown);
}

TEST(SuccessRatesTest, RefusesSumsThatSoManyRewardsCantHave) {
  constexpr double kMost = SuccessRates::kMaxReward;
  struct Case {
    std::string name;
    uint64_t shown;
    uint64_t positives;
    double rewards;
    double deviations;
    bool is_read;
  };
  for (const Case& c :
       {Case{"the most", 2, 2, 2 * kMost, 2 * kMost * kMost, true},
        Case{"more positives than shown", 2, 3, 0, 0, false},
        Case{"too often shown", uint64_t{1} << 53, 0, 0, 0, false},
        Case{"too high rewards", 2, 2, 1e14, 0, false}, Case{"too low", 2, 2, -1e14, 0, false},
        Case{"rewards of none", 0, 0, 1, 0, false},
        Case{"too much deviation", 2, 2, 0, 1e26, false},
        Case{"less than no deviation", 2, 2, 0, -1, false},
        Case{"no number", 2, 2, std::nan(""), 0, false},
        Case{"no number as well", 2, 2, 0, std::nan(""), false}}) {
    std::string bytes;
    PutFixed(bytes, uint8_t{1});
    for (const uint64_t number : {uint64_t{1}, uint64_t{7}, uint64_t{8}, c.shown, c.positives}) {
      PutVarint(bytes, number);
    }
    PutFixed(bytes, c.rewards);
    PutFixed(bytes, c.deviations);
    PutFixed(bytes, storage::Crc32c(bytes));
    EXPECT_EQ(SuccessRates::Parse(bytes).ok(), c.is_read) << c.name;
  }
}

TEST(SuccessRatesTest, ComesBackFromItsBytesAndFromNoOthers) {
  SuccessRates rates;
  for (uint32_t i = 0; i < 12; ++i) ASSERT_TRUE(rates.Add(i % 4, i, i % 2 == 0, i * 0.5).ok());
  const std::string bytes = rates.Serialize();
  const auto read = SuccessRates::Parse(bytes);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->Serialize(), bytes);
  testing::ForEachMutation(bytes, 2000, [&](const std::string& mutated) {
    const auto parsed = SuccessRates::Parse(mutated);
    if (mutated == bytes) return;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kDataLoss);
  });
}

}  // namespace
}  // namespace attune::learning
