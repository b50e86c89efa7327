#include "lib/learning/adaptive_model.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::learning {
namespace {

using ::testing::HasSubstr;

const absl::Time kLearningStart = absl::FromUnixSeconds(1'700'000'000);

// So small that it is as good as none.
constexpr double kNoVariance = 1e-9;

std::shared_ptr<const InputLayout> LayoutOf(const std::vector<InputSpec>& inputs,
                                            const std::vector<CrossSpec>& crosses = {}) {
  return *InputLayout::Create(inputs, crosses, {});
}

AdaptiveOptions Unforgetting() {
  AdaptiveOptions options;
  options.half_life = absl::ZeroDuration();
  return options;
}

AdaptiveModel ModelOf(const std::shared_ptr<const InputLayout>& layout,
                      const AdaptiveOptions& options) {
  return *AdaptiveModel::Create(layout, options);
}

// Logistic regression on all examples at once: the most probable weights under a normal prior, by
// Newton's method on dense matrices.
class BatchRegression {
 public:
  explicit BatchRegression(std::vector<double> prior_precisions)
      : prior_(std::move(prior_precisions)) {}

  void Add(std::vector<double> inputs, double label) {
    rows_.push_back(std::move(inputs));
    labels_.push_back(label);
  }

  void Fit() {
    const size_t size = prior_.size();
    weights_.assign(size, 0);
    for (int step = 0; step < 25; ++step) {
      std::vector<double> gradient(size);
      hessian_.assign(size, std::vector<double>(size));
      for (size_t i = 0; i < size; ++i) {
        gradient[i] = -prior_[i] * weights_[i];
        hessian_[i][i] = prior_[i];
      }
      for (size_t row = 0; row < rows_.size(); ++row) {
        const double p = 1 / (1 + std::exp(-LogOdds(rows_[row])));
        for (size_t i = 0; i < size; ++i) {
          gradient[i] += rows_[row][i] * (labels_[row] - p);
          for (size_t j = 0; j < size; ++j) {
            hessian_[i][j] += rows_[row][i] * rows_[row][j] * p * (1 - p);
          }
        }
      }
      const std::vector<double> move = Solve(gradient);
      for (size_t i = 0; i < size; ++i) weights_[i] += move[i];
    }
  }

  double LogOdds(const std::vector<double>& inputs) const {
    double sum = 0;
    for (size_t i = 0; i < inputs.size(); ++i) sum += inputs[i] * weights_[i];
    return sum;
  }

  double Precision(size_t i, size_t j) const { return hessian_[i][j]; }

 private:
  std::vector<double> Solve(std::vector<double> right) const {
    std::vector<std::vector<double>> left = hessian_;
    const size_t size = right.size();
    for (size_t pivot = 0; pivot < size; ++pivot) {
      for (size_t row = pivot + 1; row < size; ++row) {
        const double factor = left[row][pivot] / left[pivot][pivot];
        for (size_t i = pivot; i < size; ++i) left[row][i] -= factor * left[pivot][i];
        right[row] -= factor * right[pivot];
      }
    }
    for (size_t row = size; row-- > 0;) {
      for (size_t i = row + 1; i < size; ++i) right[row] -= left[row][i] * right[i];
      right[row] /= left[row][row];
    }
    return right;
  }

  std::vector<double> prior_;
  std::vector<std::vector<double>> rows_;
  std::vector<double> labels_;
  std::vector<double> weights_;
  std::vector<std::vector<double>> hessian_;
};

// Examples of a known truth: a number, two bools and a category, with a treatment each.
class Customers {
 public:
  explicit Customers(uint64_t seed) : random_(seed) {}

  static std::shared_ptr<const InputLayout> Layout() {
    return LayoutOf({{"age", InputKind::kNumber},
                     {"vip", InputKind::kBool},
                     {"mobile", InputKind::kBool},
                     {"plan", InputKind::kCategory}},
                    {{"vip", "plan"}});
  }

  Example Next() {
    static const std::string plans[] = {"basic", "plus", "family"};
    const double age = 20 + 50 * Uniform();
    const bool vip = Uniform() < 0.3;
    const bool mobile = Uniform() < 0.6;
    const size_t plan = random_() % 3;
    values_ = {InputValue::Number(age), InputValue::Bool(vip), InputValue::Bool(mobile),
               InputValue::Category(plans[plan])};
    Example example;
    example.id = count_;
    example.time = kLearningStart + static_cast<int64_t>(count_) * absl::Minutes(1);
    example.treatment = static_cast<uint32_t>(random_() % 3);
    example.group = example.treatment / 2;
    log_odds_ = -1.5 + 0.02 * (age - 45) + (vip ? 0.8 : 0) - (mobile ? 0.5 : 0) +
                0.3 * static_cast<double>(plan) + 0.4 * example.treatment;
    example.label = Uniform() < 1 / (1 + std::exp(-log_odds_)) ? 1 : 0;
    example.inputs = values_;
    ++count_;
    return example;
  }

  // Of the last one.
  double log_odds() const { return log_odds_; }

 private:
  double Uniform() { return std::uniform_real_distribution<>(0, 1)(random_); }

  std::mt19937_64 random_;
  uint64_t count_ = 0;
  std::vector<InputValue> values_;
  double log_odds_ = 0;
};

TEST(AdaptiveModelTest, ARateIsLearnedAsBatchRegressionLearnsIt) {
  AdaptiveOptions options = Unforgetting();
  options.intercept = {4, kNoVariance, kNoVariance};
  AdaptiveModel model = ModelOf(LayoutOf({}), options);
  BatchRegression batch({1.0 / 4});
  std::mt19937_64 random(3);
  for (uint64_t i = 0; i < 3000; ++i) {
    const double label = random() % 100 < 7 ? 1 : 0;
    ASSERT_TRUE(model.Learn({i, kLearningStart, 1, 1, label, 1, {}}).ok());
    batch.Add({1}, label);
  }
  batch.Fit();
  const Prediction prediction = model.Predict(1, 1, {});
  EXPECT_NEAR(prediction.mean, batch.LogOdds({1}), 0.02);
  EXPECT_NEAR(prediction.variance * batch.Precision(0, 0), 1, 0.03);
  EXPECT_NEAR(
      prediction.deviation,
      prediction.propensity * (1 - prediction.propensity) / std::sqrt(batch.Precision(0, 0)), 1e-3);
}

TEST(AdaptiveModelTest, TheSumOfWeightsIsNearThatOfBatchRegression) {
  AdaptiveOptions options = Unforgetting();
  options.intercept = {2, kNoVariance, kNoVariance};
  options.weight = {0.5, kNoVariance, kNoVariance};
  AdaptiveModel model =
      ModelOf(LayoutOf({{"a", InputKind::kBool}, {"b", InputKind::kBool}}), options);
  // The intercept, and a weight for each value of each.
  BatchRegression batch({0.5, 2, 2, 2, 2});
  const auto row = [](bool a, bool b) {
    return std::vector<double>{1, a ? 0.0 : 1.0, a ? 1.0 : 0.0, b ? 0.0 : 1.0, b ? 1.0 : 0.0};
  };
  std::mt19937_64 random(5);
  for (uint64_t i = 0; i < 20'000; ++i) {
    const bool a = random() % 2 == 0;
    const bool b = random() % 3 == 0;
    const double p = 1 / (1 + std::exp(1.2 - (a ? 1.0 : 0) + (b ? 0.6 : 0)));
    const double label = std::uniform_real_distribution<>(0, 1)(random) < p ? 1 : 0;
    const InputValue values[] = {InputValue::Bool(a), InputValue::Bool(b)};
    ASSERT_TRUE(model.Learn({i, kLearningStart, 1, 1, label, 1, values}).ok());
    batch.Add(row(a, b), label);
  }
  batch.Fit();
  for (const bool a : {false, true}) {
    for (const bool b : {false, true}) {
      const InputValue values[] = {InputValue::Bool(a), InputValue::Bool(b)};
      EXPECT_NEAR(model.Predict(1, 1, values).mean, batch.LogOdds(row(a, b)), 0.1) << a << b;
    }
  }
}

TEST(AdaptiveModelTest, FindsTheTruthOfManyTreatments) {
  AdaptiveModel model = ModelOf(Customers::Layout(), Unforgetting());
  Customers customers(11);
  double excess = 0;
  int measured = 0;
  for (int i = 0; i < 30'000; ++i) {
    const Example example = customers.Next();
    const auto before = model.Learn(example);
    ASSERT_TRUE(before.ok());
    if (i < 10'000) continue;
    const double truth = Sigmoid(customers.log_odds());
    // The expected log-loss beyond that of the truth.
    excess += LogLoss(before->propensity, truth) - LogLoss(truth, truth);
    ++measured;
  }
  EXPECT_LT(excess / measured, 0.004);
  EXPECT_EQ(model.treatments(), 3);
  EXPECT_EQ(model.groups(), 2);
  EXPECT_EQ(model.examples(), 30'000);
}

TEST(AdaptiveModelTest, ANewTreatmentStartsFromWhatItsGroupKnows) {
  AdaptiveModel model = ModelOf(LayoutOf({{"vip", InputKind::kBool}}), Unforgetting());
  std::mt19937_64 random(9);
  uint64_t id = 0;
  for (int i = 0; i < 6000; ++i) {
    const bool vip = random() % 2 == 0;
    const InputValue values[] = {InputValue::Bool(vip)};
    const uint32_t treatment = static_cast<uint32_t>(random() % 6);
    const uint32_t group = treatment / 3;
    // The first group is liked by VIPs, the second by the others.
    const double label = random() % 100 < ((group == 0) == vip ? 40u : 5u) ? 1 : 0;
    ASSERT_TRUE(model.Learn({id++, kLearningStart, treatment, group, label, 1, values}).ok());
  }
  const InputValue vip[] = {InputValue::Bool(true)};
  const InputValue other[] = {InputValue::Bool(false)};
  EXPECT_GT(model.Predict(99, 0, vip).propensity, 0.25);
  EXPECT_LT(model.Predict(99, 0, other).propensity, 0.15);
  EXPECT_LT(model.Predict(99, 1, vip).propensity, 0.15);
  EXPECT_GT(model.Predict(99, 1, other).propensity, 0.25);
  // It is less certain than of a treatment that it knows, and less still of an unknown group.
  EXPECT_GT(model.Predict(99, 0, vip).variance, 1.5 * model.Predict(0, 0, vip).variance);
  EXPECT_GT(model.Predict(99, 7, vip).variance, model.Predict(99, 0, vip).variance);
  // What it is itself like it learns soon.
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(model.Learn({id++, kLearningStart, 99, 0, i % 10 == 0 ? 1.0 : 0.0, 1, vip}).ok());
  }
  EXPECT_NEAR(model.Predict(99, 0, vip).propensity, 0.1, 0.05);
  EXPECT_GT(model.Predict(0, 0, vip).propensity, 0.25);
}

TEST(AdaptiveModelTest, ForgetsByHalfLife) {
  AdaptiveOptions options;
  options.intercept = {2, kNoVariance, kNoVariance};
  options.half_life = absl::ZeroDuration();
  AdaptiveModel unforgetting = ModelOf(LayoutOf({}), options);
  options.half_life = absl::Hours(10);
  AdaptiveModel model = ModelOf(LayoutOf({}), options);
  const double prior = model.Predict(1, 1, {}).variance;
  uint64_t id = 0;
  // For 60 hours every fifth wants it, then three of five do.
  for (int minute = 0; minute < 120 * 60; ++minute) {
    const absl::Time time = kLearningStart + minute * absl::Minutes(1);
    const double label = minute % 5 < (minute < 60 * 60 ? 1 : 3) ? 1 : 0;
    ASSERT_TRUE(model.Learn({id, time, 1, 1, label, 1, {}}).ok());
    ASSERT_TRUE(unforgetting.Learn({id++, time, 1, 1, label, 1, {}}).ok());
  }
  // The first 60 hours count 2^-6 as much as the last.
  EXPECT_NEAR(model.Predict(1, 1, {}).propensity, 0.6, 0.02);
  EXPECT_NEAR(unforgetting.Predict(1, 1, {}).propensity, 0.4, 0.05);
  // Of another treatment come examples of no weight, which move the clock on for 400 hours.
  for (int hour = 0; hour < 400; ++hour) {
    const absl::Time time = kLearningStart + absl::Hours(120 + hour);
    ASSERT_TRUE(model.Learn({id++, time, 2, 2, 0.5, 1e-9, {}}).ok());
  }
  EXPECT_NEAR(model.Predict(1, 1, {}).variance, prior, 1e-6);
  EXPECT_NEAR(model.Predict(1, 1, {}).propensity, 0.5, 1e-6);
}

TEST(AdaptiveModelTest, WrongTimesInTheFutureCostNothing) {
  AdaptiveModel right = ModelOf(LayoutOf({}), {});
  AdaptiveModel wrong = ModelOf(LayoutOf({}), {});
  for (uint64_t i = 0; i < 1000; ++i) {
    Example example{i, kLearningStart + static_cast<int64_t>(i) * absl::Minutes(1), 1, 1, 0, 1, {}};
    example.label = i % 4 == 0 ? 1 : 0;
    example.written = example.time;
    ASSERT_TRUE(right.Learn(example).ok());
    // The first one, and a hundred from a clock that is a year fast.
    if (i == 0) example.time = absl::InfiniteFuture();
    if (i >= 400 && i < 500) example.time += absl::Hours(24 * 365);
    ASSERT_TRUE(wrong.Learn(example).ok());
  }
  EXPECT_EQ(wrong.Serialize(), right.Serialize());
  EXPECT_EQ(wrong.last_update(), kLearningStart + absl::Minutes(999));
  EXPECT_NEAR(wrong.Predict(1, 1, {}).propensity, 0.25, 0.01);
}

TEST(AdaptiveModelTest, HalvesMergeToAboutTheWhole) {
  AdaptiveModel whole = ModelOf(Customers::Layout(), Unforgetting());
  AdaptiveModel first = ModelOf(Customers::Layout(), Unforgetting());
  AdaptiveModel second = ModelOf(Customers::Layout(), Unforgetting());
  Customers customers(21);
  for (int i = 0; i < 20'000; ++i) {
    const Example example = customers.Next();
    ASSERT_TRUE(whole.Learn(example).ok());
    ASSERT_TRUE((i % 2 == 0 ? first : second).Learn(example).ok());
  }
  ASSERT_TRUE(first.Merge(second).ok());
  EXPECT_EQ(first.examples(), whole.examples());
  EXPECT_EQ(first.ExamplesOf(2), whole.ExamplesOf(2));
  double apart = 0;
  constexpr int kAsked = 1000;
  for (int i = 0; i < kAsked; ++i) {
    const Example example = customers.Next();
    const double merged =
        first.Predict(example.treatment, example.group, example.inputs).propensity;
    const double learned =
        whole.Predict(example.treatment, example.group, example.inputs).propensity;
    apart += std::abs(merged - learned) / kAsked;
    EXPECT_NEAR(merged, learned, 0.08);
  }
  EXPECT_LT(apart, 0.02);
}

TEST(AdaptiveModelTest, WhatWasLearnedIsTheSameInEitherOrderOfAMerge) {
  AdaptiveOptions options;
  options.half_life = absl::Hours(24);
  AdaptiveModel one = ModelOf(Customers::Layout(), options);
  AdaptiveModel other = ModelOf(Customers::Layout(), options);
  Customers customers(22);
  for (int i = 0; i < 6000; ++i) {
    const Example example = customers.Next();
    // The second one ends long before the first.
    ASSERT_TRUE((i < 1000 ? other : one).Learn(example).ok());
  }
  AdaptiveModel one_and_other = one;
  AdaptiveModel other_and_one = other;
  ASSERT_TRUE(one_and_other.Merge(other).ok());
  ASSERT_TRUE(other_and_one.Merge(one).ok());
  EXPECT_EQ(one_and_other.last_update(), other_and_one.last_update());
  for (int i = 0; i < 100; ++i) {
    const Example example = customers.Next();
    EXPECT_NEAR(one_and_other.Predict(example.treatment, example.group, example.inputs).mean,
                other_and_one.Predict(example.treatment, example.group, example.inputs).mean, 1e-9);
  }
}

TEST(AdaptiveModelTest, MergingIsRefusedWhereItWouldMeanNothing) {
  AdaptiveModel model = ModelOf(Customers::Layout(), Unforgetting());
  EXPECT_EQ(model.Merge(ModelOf(LayoutOf({}), Unforgetting())).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(model.Merge(ModelOf(Customers::Layout(), {})).code(),
            absl::StatusCode::kFailedPrecondition);
  AdaptiveOptions few = Unforgetting();
  few.max_treatments = 2;
  AdaptiveModel small = ModelOf(LayoutOf({}), few);
  AdaptiveModel large = ModelOf(LayoutOf({}), Unforgetting());
  for (uint32_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(large.Learn({i, kLearningStart, i, 1, 1, 1, {}}).ok());
  }
  const std::string before = small.Serialize();
  EXPECT_EQ(small.Merge(large).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(small.Serialize(), before);
}

TEST(AdaptiveModelTest, RefusesWhatIsNoExampleAndLearnsNothingOfIt) {
  AdaptiveModel model = ModelOf(LayoutOf({{"vip", InputKind::kBool}}), Unforgetting());
  const std::string before = model.Serialize();
  const InputValue values[] = {InputValue::Bool(true)};
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double label : {nan, -0.1, 1.1, infinity, 1e308}) {
    EXPECT_EQ(model.Learn({1, kLearningStart, 1, 1, label, 1, values}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  for (const double weight : {nan, 0.0, -1.0, 1001.0, infinity, 1e308}) {
    EXPECT_EQ(model.Learn({1, kLearningStart, 1, 1, 1, weight, values}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(model.Learn({1, kLearningStart, 1, 1, 1, 1, {}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(model.Learn({1, absl::InfiniteFuture(), 1, 1, 1, 1, values}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(model.Serialize(), before);
}

TEST(AdaptiveModelTest, NoNumberBreaksIt) {
  AdaptiveModel model = ModelOf(LayoutOf({{"x", InputKind::kNumber}}), Unforgetting());
  const double numbers[] = {std::nan(""),
                            1e308,
                            -1e308,
                            std::numeric_limits<double>::infinity(),
                            -std::numeric_limits<double>::infinity(),
                            0,
                            5e-324};
  uint64_t id = 0;
  for (int round = 0; round < 300; ++round) {
    for (const double number : numbers) {
      const InputValue values[] = {InputValue::Number(number)};
      const double label = number > 0 ? 1 : 0;
      const double weight = round % 50 == 0 ? AdaptiveModel::kMaxExampleWeight : 1;
      const auto before = model.Learn({id++, kLearningStart, 1, 1, label, weight, values});
      ASSERT_TRUE(before.ok());
      ASSERT_TRUE(std::isfinite(before->mean) && std::isfinite(before->variance));
    }
  }
  const InputValue low[] = {InputValue::Number(-1e308)};
  const InputValue high[] = {InputValue::Number(1e308)};
  EXPECT_LT(model.Predict(1, 1, low).propensity, 0.1);
  EXPECT_GT(model.Predict(1, 1, high).propensity, 0.9);
}

TEST(AdaptiveModelTest, LabelsMayBeSoftAndExamplesWeighted) {
  AdaptiveModel soft = ModelOf(LayoutOf({}), Unforgetting());
  AdaptiveModel weighted = ModelOf(LayoutOf({}), Unforgetting());
  AdaptiveModel repeated = ModelOf(LayoutOf({}), Unforgetting());
  for (uint64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(soft.Learn({i, kLearningStart, 1, 1, 0.25, 1, {}}).ok());
    ASSERT_TRUE(weighted.Learn({i, kLearningStart, 1, 1, i % 4 == 0 ? 1.0 : 0.0, 3, {}}).ok());
    for (uint64_t j = 0; j < 3; ++j) {
      ASSERT_TRUE(
          repeated.Learn({3 * i + j, kLearningStart, 1, 1, i % 4 == 0 ? 1.0 : 0.0, 1, {}}).ok());
    }
  }
  EXPECT_NEAR(soft.Predict(1, 1, {}).propensity, 0.25, 0.01);
  EXPECT_NEAR(weighted.Predict(1, 1, {}).mean, repeated.Predict(1, 1, {}).mean, 0.02);
  EXPECT_NEAR(weighted.Predict(1, 1, {}).variance / repeated.Predict(1, 1, {}).variance, 1, 0.02);
}

TEST(AdaptiveModelTest, RefusesTreatmentsAndGroupsBeyondItsLimits) {
  AdaptiveOptions options = Unforgetting();
  options.max_treatments = 2;
  options.max_groups = 1;
  AdaptiveModel model = ModelOf(LayoutOf({}), options);
  ASSERT_TRUE(model.Learn({1, kLearningStart, 1, 1, 1, 1, {}}).ok());
  EXPECT_EQ(model.Learn({2, kLearningStart, 2, 2, 1, 1, {}}).status().code(),
            absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(model.Learn({3, kLearningStart, 2, 1, 1, 1, {}}).ok());
  EXPECT_EQ(model.Learn({4, kLearningStart, 3, 1, 1, 1, {}}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(model.Learn({5, kLearningStart, 1, 1, 1, 1, {}}).ok());
  EXPECT_EQ(model.examples(), 3);
}

TEST(AdaptiveModelTest, ATreatmentThatIsNearlyForgottenMakesRoom) {
  AdaptiveOptions options;
  options.half_life = absl::Hours(24);
  options.max_treatments = 3;
  AdaptiveModel model = ModelOf(LayoutOf({}), options);
  const auto learn = [&](uint64_t id, absl::Duration after, uint32_t treatment) {
    return model.Learn({id, kLearningStart + after, treatment, 1, 1, 1, {}}).status();
  };
  for (uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(learn(i, absl::ZeroDuration(), 7).ok());
  for (const uint32_t treatment : {9, 8}) {
    ASSERT_TRUE(learn(10 + treatment, absl::ZeroDuration(), treatment).ok());
  }
  // Each counts one at least.
  const std::string before = model.Serialize();
  EXPECT_EQ(learn(20, absl::ZeroDuration(), 5).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(model.Serialize(), before);
  // An hour later 8 and 9 count less, and the lower number goes; then 9.
  ASSERT_TRUE(learn(21, absl::Hours(1), 5).ok());
  EXPECT_EQ(model.ExamplesOf(8), 0);
  EXPECT_EQ(model.ExamplesOf(9), 1);
  ASSERT_TRUE(learn(22, absl::Hours(1), 8).ok());
  EXPECT_EQ(model.ExamplesOf(9), 0);
  EXPECT_EQ(model.ExamplesOf(5), 1);
  EXPECT_EQ(learn(23, absl::Hours(1), 9).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(model.treatments(), 3);
  EXPECT_EQ(model.examples(), 8);
  // After three days 7 counts half. It goes last; evidence is stored as well.
  auto read = AdaptiveModel::Parse(model.Serialize(), LayoutOf({}), options);
  ASSERT_TRUE(read.ok());
  for (AdaptiveModel* learned : {&model, &*read}) {
    for (const uint32_t treatment : {1, 2, 3}) {
      const absl::Time time = kLearningStart + absl::Hours(72);
      ASSERT_TRUE(learned->Learn({30 + treatment, time, treatment, 1, 1, 1, {}}).ok());
      EXPECT_EQ(learned->ExamplesOf(7), treatment == 3 ? 0 : 4);
    }
  }
  EXPECT_EQ(read->Serialize(), model.Serialize());
}

TEST(AdaptiveModelTest, ALateExampleDoesntMoveATreatmentBackToItsOldGroup) {
  const auto layout = LayoutOf({});
  AdaptiveModel model = ModelOf(layout, Unforgetting());
  const auto learn = [&](uint64_t id, absl::Duration after, uint32_t treatment, uint32_t group,
                         double label) {
    ASSERT_TRUE(model.Learn({id, kLearningStart + after, treatment, group, label, 1, {}}).ok());
  };
  // All like the first group, none the second.
  for (uint64_t i = 0; i < 200; ++i)
    learn(i, absl::ZeroDuration(), 1 + i % 2, 1 + i % 2, 1 - i % 2);
  learn(200, absl::Hours(1), 3, 1, 1);
  const double in_first = model.Predict(3, 1, {}).mean;
  learn(201, absl::Hours(2), 3, 2, 0);
  const double in_second = model.Predict(3, 2, {}).mean;
  EXPECT_LT(in_second, in_first - 0.5);
  auto read = AdaptiveModel::Parse(model.Serialize(), layout, Unforgetting());
  ASSERT_TRUE(read.ok());
  for (AdaptiveModel* learned : {&model, &*read}) {
    ASSERT_TRUE(learned->Learn({202, kLearningStart, 3, 1, 1, 1, {}}).ok());
    EXPECT_NEAR(learned->Predict(3, 2, {}).mean, in_second, 0.3);
    // The group given is not asked.
    EXPECT_EQ(learned->Predict(3, 1, {}).mean, learned->Predict(3, 2, {}).mean);
  }
  // A merge takes the later group as well, though there are more examples of the other.
  AdaptiveModel other = ModelOf(layout, Unforgetting());
  for (uint64_t i = 300; i < 400; ++i) {
    ASSERT_TRUE(other.Learn({i, kLearningStart, 3, 1, 0.5, 1e-9, {}}).ok());
  }
  ASSERT_TRUE(other.Merge(model).ok());
  EXPECT_NEAR(other.Predict(3, 1, {}).mean, model.Predict(3, 2, {}).mean, 1e-6);
}

TEST(AdaptiveModelTest, TellsAllThatIsWrongWithOptions) {
  AdaptiveOptions options;
  options.intercept.all = 0;
  options.intercept.group = 5e-324;
  options.weight.treatment = 1001;
  options.weight.group = std::nan("");
  options.half_life = absl::Hours(-1);
  options.max_groups = 0;
  options.max_treatments = 1u << 24;
  const auto model = AdaptiveModel::Create(LayoutOf({}), options);
  EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument);
  for (const char* problem :
       {"the variance of the intercept of all treatments is 0",
        "the variance of the intercept of groups is 4.94066e-324; it must be 1e-09 to 1000",
        "the variance of the weights of treatments is 1001", "the weights of groups is nan",
        "half_life is -1h", "max_groups must be above 0", "are more than 16777216 weights"}) {
    EXPECT_THAT(std::string(model.status().message()), HasSubstr(problem));
  }
}

TEST(AdaptiveModelTest, KnotsAreSetAnewAsNumbersMove) {
  AdaptiveModel model = ModelOf(LayoutOf({{"x", InputKind::kNumber}}), Unforgetting());
  uint64_t id = 0;
  const auto learn = [&](double x, double label) {
    const InputValue values[] = {InputValue::Number(x)};
    ASSERT_TRUE(model.Learn({id++, kLearningStart, 1, 1, label, 1, values}).ok());
  };
  for (uint64_t i = 1; i < AdaptiveModel::kFirstKnots; ++i) learn(5, 0);
  EXPECT_TRUE(model.encoder().knots()[0].empty());
  learn(5, 0);
  EXPECT_EQ(model.encoder().knots()[0], std::vector<double>{5});
  // All that follows is elsewhere; what was learned at 5 is still known.
  for (int i = 0; i < 4000; ++i) learn(100 + i % 50, i % 50 < 25 ? 0 : 1);
  const std::vector<double>& knots = model.encoder().knots()[0];
  EXPECT_GT(knots.size(), 8);
  EXPECT_TRUE(std::is_sorted(knots.begin(), knots.end()));
  const auto propensity = [&](double x) {
    const InputValue values[] = {InputValue::Number(x)};
    return model.Predict(1, 1, values).propensity;
  };
  EXPECT_LT(propensity(105), 0.1);
  EXPECT_GT(propensity(145), 0.9);
  EXPECT_LT(propensity(5), 0.2);
}

TEST(AdaptiveModelTest, KeepsWhatItLearnedOfANumberThatIsNearlyAlwaysMissing) {
  AdaptiveModel model = ModelOf(LayoutOf({{"x", InputKind::kNumber}}), Unforgetting());
  AdaptiveModel other = ModelOf(LayoutOf({{"x", InputKind::kNumber}}), Unforgetting());
  const InputValue known[] = {InputValue::Number(3)};
  const InputValue missing[] = {InputValue::Missing()};
  for (uint64_t i = 0; i < 70'000; ++i) {
    const bool is_known = i < 200;
    ASSERT_TRUE(
        model.Learn({i, kLearningStart, 1, 1, is_known ? 1.0 : 0.0, 1, is_known ? known : missing})
            .ok());
    ASSERT_TRUE(other.Learn({100'000 + i, kLearningStart, 1, 1, 0, 1, missing}).ok());
  }
  EXPECT_EQ(model.encoder().knots()[0], std::vector<double>{3});
  ASSERT_TRUE(other.Merge(model).ok());
  EXPECT_EQ(other.encoder().knots()[0], std::vector<double>{3});
  for (const AdaptiveModel* learned : {&model, &other}) {
    EXPECT_GT(learned->Predict(1, 1, known).propensity,
              10 * learned->Predict(1, 1, missing).propensity);
  }
}

TEST(AdaptiveModelTest, PredictsThePriorBeforeItLearns) {
  AdaptiveOptions options = Unforgetting();
  for (const double prior : {0.001, 0.05, 0.5, 0.9}) {
    options.prior = prior;
    const AdaptiveModel model = ModelOf(LayoutOf({}), options);
    EXPECT_NEAR(model.Predict(1, 1, {}).propensity, prior, 1e-12);
    // With inputs less is known.
    const std::vector<InputValue> values = {InputValue::Bool(true)};
    const double with_input =
        ModelOf(LayoutOf({{"vip", InputKind::kBool}}), options).Predict(1, 1, values).propensity;
    EXPECT_NEAR(with_input, prior, 0.01);
    EXPECT_GE(std::abs(prior - 0.5), std::abs(with_input - 0.5));
  }
}

TEST(AdaptiveModelTest, GoesOnWithAnotherPrior) {
  AdaptiveOptions options = Unforgetting();
  options.prior = 0.05;
  AdaptiveModel model = ModelOf(LayoutOf({}), options);
  for (uint64_t i = 0; i < 200; ++i) {
    Example example;
    example.id = i;
    example.time = kLearningStart;
    example.treatment = 1;
    example.group = 1;
    example.label = i % 2 == 0 ? 1 : 0;
    ASSERT_TRUE(model.Learn(example).ok());
  }
  EXPECT_NEAR(model.Predict(1, 1, {}).propensity, 0.5, 0.05);
  options.prior = 0.2;
  const auto other = AdaptiveModel::Parse(model.Serialize(), LayoutOf({}), options);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->examples(), 200u);
  EXPECT_NEAR(other->Predict(1, 1, {}).propensity, 0.5, 0.05);
  EXPECT_GT(other->Predict(1, 1, {}).propensity, model.Predict(1, 1, {}).propensity);
}

TEST(AdaptiveModelTest, RefusesAPriorThatIsNoPropensity) {
  for (const double prior : {0.0, 1.0, -0.1, std::numeric_limits<double>::quiet_NaN()}) {
    AdaptiveOptions options;
    options.prior = prior;
    const auto model = AdaptiveModel::Create(LayoutOf({}), options);
    EXPECT_TRUE(absl::IsInvalidArgument(model.status()));
    EXPECT_THAT(std::string(model.status().message()), HasSubstr("the prior is"));
  }
}

}  // namespace
}  // namespace attune::learning
