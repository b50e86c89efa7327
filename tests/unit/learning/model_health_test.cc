#include "lib/learning/model_health.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "lib/learning/logistic.h"
#include "lib/storage/crc32c.h"
#include "tests/testing/mutations.h"

namespace attune::learning {
namespace {

const absl::Time kHealthStart = absl::FromUnixSeconds(1'700'000'000);

std::shared_ptr<const InputLayout> HealthLayout() {
  return *InputLayout::Create(
      {{"age", InputKind::kNumber}, {"vip", InputKind::kBool}, {"plan", InputKind::kCategory}}, {},
      {});
}

HealthOptions AllRecent() { return {absl::ZeroDuration()}; }

ModelHealth EmptyHealth() { return ModelHealth(HealthLayout(), AllRecent()); }

struct Scored {
  double propensity = 0;
  double label = 0;
};

// Labels that come true as often as the propensities say.
std::vector<Scored> CalibratedScores(int count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Scored> scores;
  for (int i = 0; i < count; ++i) {
    const double p = Sigmoid(std::normal_distribution<>(-2, 1)(random));
    scores.push_back({p, std::uniform_real_distribution<>(0, 1)(random) < p ? 1.0 : 0.0});
  }
  return scores;
}

void AddScored(const Scored& scored, uint64_t id, ModelHealth& health, double age = 30,
               const char* plan = "basic") {
  const InputValue values[] = {InputValue::Number(age), InputValue::Bool(true),
                               InputValue::Category(plan)};
  ASSERT_TRUE(health.Add({id, kHealthStart, scored.propensity, scored.label, values}).ok());
}

// By its definition: all pairs.
double ExactAuc(const std::vector<Scored>& scores) {
  double above = 0;
  double pairs = 0;
  for (const Scored& positive : scores) {
    if (positive.label == 0) continue;
    for (const Scored& other : scores) {
      if (other.label != 0) continue;
      ++pairs;
      above += positive.propensity > other.propensity    ? 1
               : positive.propensity == other.propensity ? 0.5
                                                         : 0;
    }
  }
  return above / pairs;
}

TEST(ModelHealthTest, AnEmptyOneHasNothingToTell) {
  const HealthReport report = EmptyHealth().Report();
  EXPECT_EQ(report.responses, 0);
  EXPECT_EQ(report.last_update, absl::InfinitePast());
  EXPECT_EQ(report.log_loss, 0);
  EXPECT_FALSE(report.auc.has_value());
  ASSERT_EQ(report.drift.size(), 3);
  EXPECT_FALSE(report.drift[0].has_value());
}

TEST(ModelHealthTest, LogLossAndAucAreThoseOfTheirDefinitions) {
  const std::vector<Scored> scores = CalibratedScores(4000, 1);
  ModelHealth health = EmptyHealth();
  double loss = 0;
  double positives = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    AddScored(scores[i], i, health);
    loss -= std::log(scores[i].label == 1 ? scores[i].propensity : 1 - scores[i].propensity);
    positives += scores[i].label;
  }
  const HealthReport report = health.Report();
  EXPECT_EQ(report.responses, 4000);
  EXPECT_EQ(report.positives, positives);
  EXPECT_EQ(report.recent, 4000);
  EXPECT_EQ(report.last_update, kHealthStart);
  EXPECT_NEAR(report.log_loss, loss / 4000, 1e-9);
  const double rate = positives / 4000;
  EXPECT_NEAR(report.constant_log_loss, -rate * std::log(rate) - (1 - rate) * std::log(1 - rate),
              1e-9);
  ASSERT_TRUE(report.auc.has_value());
  EXPECT_NEAR(*report.auc, ExactAuc(scores), 0.002);
}

TEST(ModelHealthTest, TenBinsTellHowWellItIsCalibrated) {
  ModelHealth right = EmptyHealth();
  ModelHealth wrong = EmptyHealth();
  const std::vector<Scored> scores = CalibratedScores(40'000, 2);
  for (size_t i = 0; i < scores.size(); ++i) {
    AddScored(scores[i], i, right);
    AddScored({std::min(0.999, scores[i].propensity * 2), scores[i].label}, i, wrong);
  }
  double count = 0;
  double last = 0;
  for (const HealthReport::CalibrationBin& bin : right.Report().calibration) {
    EXPECT_NEAR(bin.count, 4000, 1200);  // as equal as buckets allow
    EXPECT_GT(bin.expected, last);
    // Four standard deviations.
    EXPECT_NEAR(bin.observed, bin.expected,
                4 * std::sqrt(bin.expected * (1 - bin.expected) / bin.count));
    count += bin.count;
    last = bin.expected;
  }
  EXPECT_EQ(count, 40'000);
  for (const HealthReport::CalibrationBin& bin : wrong.Report().calibration) {
    EXPECT_GT(bin.expected, 1.3 * bin.observed);
  }
}

TEST(ModelHealthTest, OneRateOnlyIsOneBin) {
  ModelHealth health = EmptyHealth();
  for (uint64_t i = 0; i < 100; ++i) AddScored({0.2, i % 5 == 0 ? 1.0 : 0.0}, i, health);
  const HealthReport report = health.Report();
  EXPECT_EQ(std::count_if(report.calibration.begin(), report.calibration.end(),
                          [](const auto& bin) { return bin.count > 0; }),
            1);
  EXPECT_EQ(report.auc, 0.5);
}

TEST(ModelHealthTest, DriftIsThatOfAHandCountedTable) {
  ModelHealth health = EmptyHealth();
  // 700 basic and 300 plus, then 200 and 800.
  for (uint64_t i = 0; i < 1000; ++i) {
    AddScored({0.5, 0}, i, health, static_cast<double>(i % 10), i % 10 < 7 ? "basic" : "plus");
  }
  EXPECT_FALSE(health.Report().drift[0].has_value());  // nothing is recent yet
  for (uint64_t i = 1000; i < 2000; ++i) {
    AddScored({0.5, 0}, i, health, static_cast<double>(i % 10), i % 10 < 2 ? "basic" : "plus");
  }
  const HealthReport report = health.Report();
  ASSERT_TRUE(report.drift[2].has_value());
  // (0.2 - 0.7) ln(0.2 / 0.7) + (0.8 - 0.3) ln(0.8 / 0.3), but for the halves that are added.
  EXPECT_NEAR(*report.drift[2], 1.1168, 0.02);
  EXPECT_NEAR(*report.drift[0], 0, 1e-9);
  EXPECT_NEAR(*report.drift[1], 0, 1e-9);
}

TEST(ModelHealthTest, NumbersThatMoveOrGoMissingDrift) {
  std::mt19937_64 random(4);
  ModelHealth moved = EmptyHealth();
  ModelHealth missing = EmptyHealth();
  for (uint64_t i = 0; i < 4000; ++i) {
    const double age = std::normal_distribution<>(40, 10)(random);
    AddScored({0.5, 0}, i, moved, i < 2000 ? age : age + 10);
    AddScored({0.5, 0}, i, missing, i < 2000 || i % 2 == 0 ? age : std::nan(""));
  }
  EXPECT_GT(*moved.Report().drift[0], 0.25);
  EXPECT_GT(*missing.Report().drift[0], 0.25);
  ModelHealth constant = EmptyHealth();
  for (uint64_t i = 0; i < 2000; ++i) AddScored({0.5, 0}, i, constant, i < 1500 ? 7 : 8);
  EXPECT_GT(*constant.Report().drift[0], 1);
  ModelHealth extreme = EmptyHealth();
  for (uint64_t i = 0; i < 2000; ++i) {
    AddScored({0.5, 0}, i, extreme, i % 3 == 0 ? 1e308 : i % 3 == 1 ? -1e308 : 0);
  }
  EXPECT_LT(*extreme.Report().drift[0], 0.01);
}

TEST(ModelHealthTest, ChanceIsNoDrift) {
  double sum = 0;
  constexpr int kRuns = 40;
  for (uint64_t run = 0; run < kRuns; ++run) {
    std::mt19937_64 random(100 + run);
    ModelHealth health = EmptyHealth();
    for (uint64_t i = 0; i < 1500; ++i) {
      AddScored({0.5, 0}, i, health, std::normal_distribution<>(40, 10)(random));
    }
    const HealthReport report = health.Report();
    ASSERT_TRUE(report.drift[0].has_value());
    EXPECT_LT(*report.drift[0], 0.1);
    sum += *report.drift[0];
  }
  // Without change the index of these bins is about 0.03; half of the runs are below that, and 0.
  EXPECT_LT(sum / kRuns, 0.01);
}

TEST(ModelHealthTest, AWeightCountsAsManyResponses) {
  ModelHealth weighted = EmptyHealth();
  ModelHealth repeated = EmptyHealth();
  const std::vector<Scored> scores = CalibratedScores(2000, 6);
  const InputValue values[] = {InputValue::Number(1), InputValue::Missing(), InputValue::Missing()};
  for (uint64_t i = 0; i < scores.size(); ++i) {
    Response response{i, kHealthStart, scores[i].propensity, scores[i].label, values};
    for (uint64_t j = 0; j < 1 + i % 3; ++j) ASSERT_TRUE(repeated.Add(response).ok());
    response.weight = static_cast<double>(1 + i % 3);
    ASSERT_TRUE(weighted.Add(response).ok());
  }
  const HealthReport report = weighted.Report();
  const HealthReport expected = repeated.Report();
  EXPECT_EQ(report.responses, 2000);
  EXPECT_EQ(report.recent, expected.recent);
  EXPECT_NEAR(report.log_loss, expected.log_loss, 1e-12);
  EXPECT_NEAR(report.constant_log_loss, expected.constant_log_loss, 1e-12);
  EXPECT_NEAR(*report.auc, *expected.auc, 1e-12);
  for (size_t bin = 0; bin < report.calibration.size(); ++bin) {
    EXPECT_NEAR(report.calibration[bin].observed, expected.calibration[bin].observed, 1e-12);
  }
}

TEST(ModelHealthTest, OldResponsesLoseWeight) {
  ModelHealth health(HealthLayout(), {absl::Hours(1)});
  const InputValue values[] = {InputValue::Number(1), InputValue::Missing(), InputValue::Missing()};
  for (uint64_t i = 0; i < 2000; ++i) {
    // A bad model for 1000 minutes, then a good one.
    const double label = static_cast<double>(i % 2);
    const double p = i < 1000 ? 0.5 : label == 1 ? 0.9 : 0.1;
    const absl::Time time = kHealthStart + static_cast<int64_t>(i) * absl::Minutes(1);
    ASSERT_TRUE(health.Add({i, time, p, label, values}).ok());
  }
  const HealthReport report = health.Report();
  EXPECT_EQ(report.responses, 2000);
  EXPECT_NEAR(report.recent, 1 / (1 - std::exp2(-1.0 / 60)), 0.01);
  EXPECT_NEAR(report.log_loss, -std::log(0.9), 1e-4);
  EXPECT_GT(*report.auc, 0.999);
}

TEST(ModelHealthTest, FewResponsesAgeAsFastAsMany) {
  ModelHealth health(HealthLayout(), {absl::Hours(24 * 7)});
  const InputValue values[] = {InputValue::Number(1), InputValue::Missing(), InputValue::Missing()};
  absl::Time written = kHealthStart;
  for (uint64_t i = 0; i < 200; ++i) {
    written = kHealthStart + static_cast<int64_t>(i) * absl::Hours(48);
    // Every third is said to happen years after it was written.
    const absl::Time time = i % 3 == 0 ? written + absl::Hours(100'000) : written;
    ASSERT_TRUE(health.Add({i, time, 0.5, 1, values, written}).ok());
  }
  EXPECT_EQ(health.Report().last_update, written);
  EXPECT_NEAR(health.Report().recent, 1 / (1 - std::exp2(-2.0 / 7)), 1e-6);
}

TEST(ModelHealthTest, RefusesWhatIsNoResponse) {
  ModelHealth health = EmptyHealth();
  const std::string before = health.Serialize();
  const InputValue values[] = {InputValue::Number(1), InputValue::Missing(), InputValue::Missing()};
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {std::nan(""), -0.1, 1.1, infinity, 1e308}) {
    EXPECT_FALSE(health.Add({1, kHealthStart, bad, 1, values}).ok());
    EXPECT_FALSE(health.Add({1, kHealthStart, 0.5, bad, values}).ok());
  }
  for (const double weight : {std::nan(""), 0.0, -1.0, 1001.0, infinity}) {
    EXPECT_EQ(health.Add({1, kHealthStart, 0.5, 1, values, kHealthStart, weight}).code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(health.Add({1, kHealthStart, 0, 1, values}).ok());
  EXPECT_FALSE(health.Add({1, kHealthStart, 1, 1, values}).ok());
  EXPECT_FALSE(health.Add({1, absl::InfiniteFuture(), 0.5, 1, values}).ok());
  EXPECT_EQ(health.Add({1, kHealthStart, 0.5, 1, {}}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(health.Serialize(), before);
}

TEST(ModelHealthTest, ReplicasMergeToTheWhole) {
  ModelHealth whole = EmptyHealth();
  const std::vector<Scored> scores = CalibratedScores(5000, 8);
  for (uint64_t i = 0; i < 1000; ++i) AddScored(scores[i], i, whole, static_cast<double>(i % 77));
  ModelHealth replicas[] = {whole.NewReplica(), whole.NewReplica()};
  ModelHealth merged = whole;
  for (uint64_t i = 1000; i < 5000; ++i) {
    AddScored(scores[i], i, whole, static_cast<double>(i % 60));
    AddScored(scores[i], i, replicas[i % 2], static_cast<double>(i % 60));
  }
  ASSERT_TRUE(merged.Merge(replicas[0]).ok());
  ASSERT_TRUE(merged.Merge(replicas[1]).ok());
  const HealthReport expected = whole.Report();
  const HealthReport report = merged.Report();
  EXPECT_EQ(report.responses, 5000);
  EXPECT_NEAR(report.log_loss, expected.log_loss, 1e-12);
  EXPECT_NEAR(*report.auc, *expected.auc, 1e-12);
  EXPECT_NEAR(*report.drift[0], *expected.drift[0], 1e-12);
  EXPECT_NEAR(report.calibration[9].observed, expected.calibration[9].observed, 1e-12);
}

TEST(ModelHealthTest, YoungOnesMergeAndSetWhatIsComparedWithTogether) {
  ModelHealth first = EmptyHealth();
  ModelHealth second = EmptyHealth();
  for (uint64_t i = 0; i < 1000; ++i) AddScored({0.5, 1}, i, i % 2 == 0 ? first : second);
  ModelHealth late = EmptyHealth();
  AddScored({0.5, 1}, 1000, late);
  ASSERT_TRUE(first.Merge(second).ok());
  ASSERT_TRUE(late.Merge(first).ok());
  // Drift is told of kMinRecent responses and more.
  for (uint64_t i = 2000; i < 2499; ++i) AddScored({0.5, 1}, i, late);
  EXPECT_FALSE(late.Report().drift[0].has_value());
  AddScored({0.5, 1}, 2499, late);
  EXPECT_TRUE(late.Report().drift[0].has_value());
  EXPECT_EQ(late.Report().responses, 1501);
}

TEST(ModelHealthTest, WhatIsComparedWithOtherResponsesIsNotMerged) {
  ModelHealth first = EmptyHealth();
  ModelHealth second = EmptyHealth();
  for (uint64_t i = 0; i < 1000; ++i) {
    AddScored({0.5, 1}, i, first, static_cast<double>(i));
    AddScored({0.5, 1}, i, second, static_cast<double>(i * i));
  }
  EXPECT_EQ(first.Merge(second).code(), absl::StatusCode::kFailedPrecondition);
  ModelHealth other_half_life(HealthLayout(), {});
  EXPECT_EQ(first.Merge(other_half_life).code(), absl::StatusCode::kFailedPrecondition);
  ModelHealth other_inputs(*InputLayout::Create({}, {}, {}), AllRecent());
  EXPECT_EQ(first.Merge(other_inputs).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ModelHealthTest, GoesOnToTheBitFromItsBytes) {
  ModelHealth health = EmptyHealth();
  const std::vector<Scored> scores = CalibratedScores(1500, 3);
  for (uint64_t i = 0; i < scores.size(); ++i) {
    if (i == 0 || i == 10 || i == 999 || i == 1000 || i == 1200) {
      const std::string bytes = health.Serialize();
      auto read = ModelHealth::Parse(bytes, HealthLayout(), AllRecent());
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_EQ(read->Serialize(), bytes);
      health = *std::move(read);
    }
    AddScored(scores[i], i, health, static_cast<double>(i % 77));
  }
  ModelHealth uninterrupted = EmptyHealth();
  for (uint64_t i = 0; i < scores.size(); ++i) {
    AddScored(scores[i], i, uninterrupted, static_cast<double>(i % 77));
  }
  EXPECT_EQ(health.Serialize(), uninterrupted.Serialize());
}

TEST(ModelHealthTest, DamagedAndForgedBytesAreRefusedOrHarmless) {
  for (const uint64_t responses : {20, 1100}) {
    ModelHealth health = EmptyHealth();
    for (uint64_t i = 0; i < responses; ++i) {
      AddScored({0.3, static_cast<double>(i % 2)}, i, health, static_cast<double>(i % 12));
    }
    const std::string bytes = health.Serialize();
    testing::ForEachMutation(bytes, 500, [&](const std::string& mutated) {
      if (mutated == bytes) return;
      EXPECT_EQ(ModelHealth::Parse(mutated, HealthLayout(), AllRecent()).status().code(),
                absl::StatusCode::kDataLoss);
    });
    const std::string body = bytes.substr(0, bytes.size() - sizeof(uint32_t));
    testing::ForEachMutation(body, 500, [&](std::string mutated) {
      PutFixed(mutated, storage::Crc32c(mutated));
      auto read = ModelHealth::Parse(mutated, HealthLayout(), AllRecent());
      if (!read.ok()) return;
      AddScored({0.3, 1}, responses, *read);
      EXPECT_TRUE(std::isfinite(read->Report().log_loss));
    });
  }
  ModelHealth health = EmptyHealth();
  EXPECT_EQ(ModelHealth::Parse(health.Serialize(), HealthLayout(), {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ModelHealth::Parse(health.Serialize(), *InputLayout::Create({}, {}, {}), AllRecent())
                .status()
                .code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace attune::learning
