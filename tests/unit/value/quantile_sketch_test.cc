#include "lib/value/quantile_sketch.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "tests/testing/effort.h"

namespace attune::value {
namespace {

constexpr int kManyValues = 32'000;  // some more than kMaxNodes

// The percentile by its definition. REQUIRES: sorted.
double ExactPercentile(const std::vector<double>& sorted, double value) {
  const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), value);
  const auto below = static_cast<double>(first - sorted.begin());
  const auto equal = static_cast<double>(last - first);
  return 100 * (below + equal / 2) / static_cast<double>(sorted.size());
}

// The largest error over values of the base and values between them.
double LargestError(const RankTable& table, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double largest = 0;
  const size_t step = std::max<size_t>(1, values.size() / 3000);
  for (size_t i = 0; i < values.size(); i += step) {
    for (const double asked : {values[i], values[i] + 0.37}) {
      largest =
          std::max(largest, std::abs(table.Percentile(asked) - ExactPercentile(values, asked)));
    }
  }
  return largest;
}

struct Distribution {
  std::string name;
  std::function<double(std::mt19937_64&)> draw;
};
void PrintTo(const Distribution& d, std::ostream* out) { *out << d.name; }

class SketchOf : public ::testing::TestWithParam<Distribution> {
 protected:
  std::vector<double> Draw(int count) {
    std::vector<double> values;
    values.reserve(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) values.push_back(GetParam().draw(random_));
    return values;
  }
  std::mt19937_64 random_{7};
};

// Those that tell most first.
std::vector<Distribution> Distributions() {
  std::vector<Distribution> all = {
      {"SkewedBelowZero", [](auto& r) { return -std::lognormal_distribution<>(3, 2)(r); }},
      {"HalfAreZero",
       [](auto& r) {
         return std::bernoulli_distribution(0.5)(r) ? 0.0 : std::normal_distribution<>(0, 1)(r);
       }},
      {"FewValues", [](auto& r) { return std::uniform_int_distribution<>(-3, 3)(r) * 10.0; }},
      {"Equal", [](auto&) { return 42.5; }},
      {"Normal", [](auto& r) { return std::normal_distribution<>(0, 100)(r); }},
      {"Skewed", [](auto& r) { return std::lognormal_distribution<>(3, 2)(r); }},
      {"AllMagnitudes",
       [](auto& r) { return std::pow(10.0, std::uniform_real_distribution<>(-300, 300)(r)); }},
  };
  if (!testing::kOptimized) all.resize(2);
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, SketchOf, ::testing::ValuesIn(Distributions()),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(SketchOf, PercentilesAreWithinHalfAPercent) {
  const std::vector<double> values = Draw(kManyValues);
  QuantileSketch sketch;
  for (const double value : values) sketch.Add(value);
  EXPECT_LE(sketch.nodes(), QuantileSketch::kMaxNodes);
  const RankTable table = sketch.MakeTable();
  EXPECT_EQ(table.count(), values.size());
  EXPECT_LE(table.max_error(), 0.5);
  EXPECT_LE(LargestError(table, values), table.max_error() + 1e-9);
}

TEST_P(SketchOf, StayRightWhenValuesAreTakenOutAndReplaced) {
  std::vector<double> values = Draw(kManyValues);
  QuantileSketch sketch;
  for (const double value : values) sketch.Add(value);
  // Every second customer changes, a quarter leaves.
  for (size_t i = 0; i < values.size(); i += 2) {
    ASSERT_TRUE(sketch.Remove(values[i]));
    values[i] = GetParam().draw(random_) * 2;
    sketch.Add(values[i]);
  }
  const size_t left = values.size() * 3 / 4;
  for (size_t i = left; i < values.size(); ++i) ASSERT_TRUE(sketch.Remove(values[i]));
  values.resize(left);
  const RankTable table = sketch.MakeTable();
  EXPECT_EQ(table.count(), left);
  EXPECT_LE(table.max_error(), 1);
  EXPECT_LE(LargestError(table, values), table.max_error() + 1e-9);
}

TEST_P(SketchOf, MergesAsIfAllHadBeenAddedToOne) {
  std::vector<double> values = Draw(kManyValues);
  QuantileSketch parts[4];
  for (size_t i = 0; i < values.size(); ++i) parts[i % 4].Add(values[i]);
  QuantileSketch sum;
  for (const QuantileSketch& part : parts) sum.Merge(part);
  EXPECT_LE(sum.nodes(), QuantileSketch::kMaxNodes);
  const RankTable table = sum.MakeTable();
  EXPECT_EQ(table.count(), values.size());
  EXPECT_LE(table.max_error(), 1);
  EXPECT_LE(LargestError(table, values), table.max_error() + 1e-9);
}

TEST_P(SketchOf, AreTheSameAfterTheyWereStored) {
  QuantileSketch sketch;
  for (const double value : Draw(40'000)) sketch.Add(value);
  const std::string bytes = sketch.Encode();
  const absl::StatusOr<QuantileSketch> read = QuantileSketch::Decode(bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->count(), sketch.count());
  EXPECT_EQ(read->max_error(), sketch.max_error());
  EXPECT_EQ(read->Encode(), bytes);
}

TEST(QuantileSketchTest, FewValuesAreExact) {
  QuantileSketch sketch;
  for (const double value : {-5.0, 0.0, 0.0, 10.0}) sketch.Add(value);
  const RankTable table = sketch.MakeTable();
  EXPECT_EQ(table.max_error(), 0);
  EXPECT_EQ(table.Percentile(-6), 0);
  EXPECT_EQ(table.Percentile(-5), 12.5);
  EXPECT_EQ(table.Percentile(-1), 25);
  EXPECT_EQ(table.Percentile(0), 50);
  EXPECT_EQ(table.Percentile(-0.0), 50) << "there is one zero";
  EXPECT_EQ(table.Percentile(5), 75);
  EXPECT_EQ(table.Percentile(10), 87.5);
  EXPECT_EQ(table.Percentile(1e300), 100);
  EXPECT_EQ(table.Percentile(std::numeric_limits<double>::infinity()), 100);
}

TEST(QuantileSketchTest, NobodyIsInTheMiddle) {
  EXPECT_EQ(RankTable().Percentile(3), 50);
  QuantileSketch sketch;
  sketch.Add(7);
  EXPECT_TRUE(sketch.Remove(7));
  EXPECT_FALSE(sketch.Remove(7)) << "there is nothing left";
  EXPECT_EQ(sketch.count(), 0u);
  EXPECT_EQ(sketch.nodes(), 0u);
  EXPECT_EQ(sketch.MakeTable().Percentile(3), 50);
}

TEST(QuantileSketchTest, TellsThatItIsInexactWhenMostValuesAreGone) {
  QuantileSketch sketch;
  std::vector<double> values(60'000);
  std::iota(values.begin(), values.end(), 0.0);
  for (const double value : values) sketch.Add(value);
  for (size_t i = 1000; i < values.size(); ++i) ASSERT_TRUE(sketch.Remove(values[i]));
  EXPECT_EQ(sketch.count(), 1000u);
  EXPECT_GT(sketch.max_error(), 1);
}

TEST(QuantileSketchTest, MergesWithItself) {
  QuantileSketch sketch;
  for (const double value : {1.0, 2.0, 3.0}) sketch.Add(value);
  sketch.Merge(sketch);
  EXPECT_EQ(sketch.count(), 6u);
  EXPECT_EQ(sketch.MakeTable().Percentile(2), 50);
}

TEST(QuantileSketchTest, RefusesDamagedBytes) {
  QuantileSketch sketch;
  for (int i = 0; i < 50; ++i) sketch.Add(i * 1.5 - 20);
  const std::string bytes = sketch.Encode();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(QuantileSketch::Decode(bytes.substr(0, size)).status())) << size;
  }
  EXPECT_TRUE(absl::IsDataLoss(QuantileSketch::Decode(bytes + "x").status()));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    const auto read = QuantileSketch::Decode(damaged);  // no crash; what can be read is bounded
    if (read.ok()) {
      EXPECT_LE(read->nodes(), QuantileSketch::kMaxNodes);
    }
  }
}

}  // namespace
}  // namespace attune::value
