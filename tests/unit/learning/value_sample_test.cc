#include "lib/learning/value_sample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace attune::learning {
namespace {

std::string SampleBytes(const ValueSample& sample) {
  std::string bytes;
  sample.Encode(bytes);
  return bytes;
}

TEST(ValueSampleTest, KeepsAllOfAFew) {
  ValueSample sample(2);
  for (uint64_t id = 0; id < ValueSample::kRows; ++id) {
    const auto number = static_cast<double>(id);
    sample.Add(id, {number, -number});
  }
  const std::vector<double> first = sample.Sorted(0);
  ASSERT_EQ(first.size(), ValueSample::kRows);
  EXPECT_EQ(first.front(), 0);
  EXPECT_EQ(first.back(), 999);
  EXPECT_EQ(sample.Sorted(1).front(), -999);
}

TEST(ValueSampleTest, QuantilesOfManyAreNearTheirOwn) {
  ValueSample sample(1);
  constexpr int kMany = 100'000;
  for (uint64_t id = 0; id < kMany; ++id) sample.Add(id, {static_cast<double>(id)});
  const std::vector<double> sorted = sample.Sorted(0);
  ASSERT_EQ(sorted.size(), ValueSample::kRows);
  // Four standard deviations, of 0.5 / sqrt(kRows) at most.
  for (size_t at = 50; at < sorted.size(); at += 50) {
    EXPECT_NEAR(sorted[at] / kMany, static_cast<double>(at) / ValueSample::kRows, 0.064);
  }
}

TEST(ValueSampleTest, DependsOnTheSetAloneAndMergesExactly) {
  ValueSample all(1);
  ValueSample backwards(1);
  ValueSample parts[3] = {ValueSample(1), ValueSample(1), ValueSample(1)};
  constexpr uint64_t kMany = 5000;
  for (uint64_t id = 0; id < kMany; ++id) {
    all.Add(id, {std::sin(static_cast<double>(id))});
    parts[id % 3].Add(id, {std::sin(static_cast<double>(id))});
    const uint64_t other = kMany - 1 - id;
    backwards.Add(other, {std::sin(static_cast<double>(other))});
  }
  EXPECT_EQ(SampleBytes(all), SampleBytes(backwards));
  parts[0].Merge(parts[1]);
  parts[0].Merge(parts[2]);
  parts[0].Merge(parts[0]);
  EXPECT_EQ(SampleBytes(parts[0]), SampleBytes(all));
}

TEST(ValueSampleTest, WhatIsNoFiniteNumberIsMissing) {
  ValueSample sample(1);
  sample.Add(1, {std::nan("")});
  sample.Add(2, {std::numeric_limits<double>::infinity()});
  sample.Add(3, {-std::numeric_limits<double>::infinity()});
  sample.Add(4, {1e308});
  EXPECT_EQ(sample.Sorted(0), std::vector<double>{1e308});
  EXPECT_EQ(sample.rows(), 4);
}

TEST(ValueSampleTest, BothZerosAreOne) {
  ValueSample signs(1);
  ValueSample positive(1);
  for (uint64_t id = 0; id < 100; ++id) {
    signs.Add(id, {id % 2 == 0 ? 0.0 : -0.0});
    positive.Add(id, {0.0});
  }
  EXPECT_EQ(SampleBytes(signs), SampleBytes(positive));
  for (const double zero : signs.Sorted(0)) EXPECT_FALSE(std::signbit(zero));
  std::string stored;
  PutVarint(stored, 1);
  PutFixed(stored, uint64_t{7});
  PutFixed(stored, -0.0);
  ByteReader reader(stored);
  const auto read = ValueSample::Decode(reader, 1);
  ASSERT_TRUE(read.ok());
  EXPECT_FALSE(std::signbit(read->Sorted(0)[0]));
}

TEST(ValueSampleTest, AnIdThatComesAgainIsTheSameExample) {
  ValueSample sample(1);
  sample.Add(7, {1});
  sample.Add(7, {2});
  EXPECT_EQ(sample.Sorted(0), std::vector<double>{1});
}

TEST(ValueSampleTest, GoesOnFromItsBytes) {
  ValueSample sample(2);
  for (uint64_t id = 0; id < 3000; ++id) sample.Add(id, {static_cast<double>(id), std::nan("")});
  const std::string bytes = SampleBytes(sample);
  ByteReader reader(bytes);
  auto read = ValueSample::Decode(reader, 2);
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(SampleBytes(*read), bytes);
  for (uint64_t id = 3000; id < 6000; ++id) {
    sample.Add(id, {1, 2});
    read->Add(id, {1, 2});
  }
  EXPECT_EQ(SampleBytes(*read), SampleBytes(sample));
}

TEST(ValueSampleTest, RefusesMoreRowsThanThereCanBeAndThoseOutOfOrder) {
  std::string too_many;
  PutVarint(too_many, ValueSample::kRows + 1);
  std::string cut_off;
  PutVarint(cut_off, ValueSample::kRows);
  std::string out_of_order;
  PutVarint(out_of_order, 2);
  for (const uint64_t hash : {2, 1}) {
    PutFixed(out_of_order, hash);
    PutFixed(out_of_order, 1.0);
  }
  for (const std::string& bytes : {too_many, cut_off, out_of_order, std::string()}) {
    ByteReader reader(bytes);
    EXPECT_EQ(ValueSample::Decode(reader, 1).status().code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace attune::learning
