#include "lib/learning/adaptive_snapshot.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/learning/adaptive_model.h"

namespace attune::learning {
namespace {

const absl::Time kSnapshotStart = absl::FromUnixSeconds(1'700'000'000);

AdaptiveModel LearnedModel(int examples) {
  const auto layout = *InputLayout::Create(
      {{"age", InputKind::kNumber}, {"vip", InputKind::kBool}, {"plan", InputKind::kCategory}},
      {{"vip", "plan"}}, {});
  AdaptiveModel model = *AdaptiveModel::Create(layout, {});
  const std::string plans[] = {"basic", "plus", "family"};
  for (int i = 0; i < examples; ++i) {
    const InputValue values[] = {InputValue::Number(i * 7 % 80), InputValue::Bool(i % 3 == 0),
                                 InputValue::Category(plans[i % 3])};
    const auto treatment = static_cast<uint32_t>(10 + i % 7);
    EXPECT_TRUE(model
                    .Learn({static_cast<uint64_t>(i), kSnapshotStart + i * absl::Minutes(9),
                            treatment, treatment % 2, i % 5 == 0 ? 1.0 : 0.0, 1, values})
                    .ok());
  }
  return model;
}

TEST(AdaptiveSnapshotTest, TakesAPredictionApart) {
  const auto snapshot = LearnedModel(3000).MakeSnapshot();
  EncodedInputs encoded;
  PredictionParts parts;
  for (const double age : {-5.0, 33.0, 1e308}) {
    const InputValue values[] = {InputValue::Number(age), InputValue::Bool(true),
                                 InputValue::Category("basic")};
    snapshot->Encode(values, encoded);
    for (uint32_t row = 0; row < snapshot->rows(); ++row) {
      Prediction prediction;
      snapshot->Predict(encoded, {row}, absl::MakeSpan(&prediction, 1));
      snapshot->Explain(encoded, row, parts);
      EXPECT_EQ(Sigmoid(parts.score), prediction.propensity) << "to the last bit";
      ASSERT_EQ(parts.inputs.size(), 3u);
      ASSERT_EQ(parts.crosses.size(), 1u);
      double sum = parts.intercept + parts.crosses[0];
      for (const double amount : parts.inputs) sum += amount;
      EXPECT_NEAR(sum, parts.score, 1e-12);
      EXPECT_NE(parts.inputs[1], 0);
      EXPECT_NE(parts.crosses[0], 0);
    }
  }
}

TEST(AdaptiveSnapshotTest, WithoutExamplesNothingButTheInterceptSaysAnything) {
  const auto snapshot = LearnedModel(0).MakeSnapshot();
  const InputValue values[] = {InputValue::Number(1), InputValue::Missing(),
                               InputValue::Category("plus")};
  EncodedInputs encoded;
  snapshot->Encode(values, encoded);
  PredictionParts parts;
  snapshot->Explain(encoded, 0, parts);
  EXPECT_EQ(parts.inputs, std::vector<double>(3));
  EXPECT_EQ(parts.crosses, std::vector<double>(1));
  EXPECT_EQ(parts.score, parts.intercept);
}

TEST(AdaptiveSnapshotTest, SaysWhatTheModelSays) {
  const AdaptiveModel model = LearnedModel(3000);
  const auto snapshot = model.MakeSnapshot();
  EXPECT_EQ(snapshot->examples(), 3000);
  EXPECT_EQ(snapshot->rows(), 1 + 2 + 7);
  // Known ones, unknown ones of a known group, and of none.
  const std::vector<uint32_t> treatments = {10, 11, 16, 12, 99, 98, 97};
  const std::vector<uint32_t> groups = {0, 1, 0, 0, 0, 1, 5};
  std::vector<uint32_t> rows;
  for (size_t i = 0; i < treatments.size(); ++i) {
    rows.push_back(snapshot->RowOf(treatments[i], groups[i]));
  }
  EncodedInputs encoded;
  std::vector<Prediction> predictions(rows.size());
  for (const double age : {-1e308, 0.0, 33.0, 79.5, 1e308}) {
    const InputValue values[] = {InputValue::Number(age), InputValue::Missing(),
                                 InputValue::Category("plus")};
    snapshot->Encode(values, encoded);
    snapshot->Predict(encoded, rows, absl::MakeSpan(predictions));
    for (size_t i = 0; i < rows.size(); ++i) {
      const Prediction expected = model.Predict(treatments[i], groups[i], values);
      EXPECT_NEAR(predictions[i].mean, expected.mean, 1e-5);
      EXPECT_NEAR(predictions[i].variance, expected.variance, 1e-5);
      EXPECT_NEAR(predictions[i].propensity, expected.propensity, 1e-5);
      EXPECT_NEAR(predictions[i].deviation, expected.deviation, 1e-5);
    }
  }
}

TEST(AdaptiveSnapshotTest, StaysAsItIsWhileTheModelLearns) {
  AdaptiveModel model = LearnedModel(63);  // numbers have no knots yet
  const auto snapshot = model.MakeSnapshot();
  const InputValue values[] = {InputValue::Number(3), InputValue::Bool(true),
                               InputValue::Category("basic")};
  const uint32_t row[] = {snapshot->RowOf(10, 0)};
  const auto predict = [&] {
    EncodedInputs encoded;
    snapshot->Encode(values, encoded);
    Prediction prediction;
    snapshot->Predict(encoded, row, absl::MakeSpan(&prediction, 1));
    return prediction.mean;
  };
  const double before = predict();
  for (uint64_t i = 63; i < 3000; ++i) {
    ASSERT_TRUE(model.Learn({i, kSnapshotStart, 10, 0, 1, 1, values}).ok());
  }
  EXPECT_EQ(predict(), before);
  EXPECT_GT(model.Predict(10, 0, values).mean, before + 1);
}

TEST(AdaptiveSnapshotTest, OfAnEmptyModelKnowsNothing) {
  const AdaptiveModel model = LearnedModel(0);
  const auto snapshot = model.MakeSnapshot();
  EXPECT_EQ(snapshot->RowOf(1, 1), 0);
  const InputValue values[] = {InputValue::Number(3), InputValue::Bool(true),
                               InputValue::Category("basic")};
  EncodedInputs encoded;
  snapshot->Encode(values, encoded);
  const uint32_t row[] = {0};
  Prediction prediction;
  snapshot->Predict(encoded, row, absl::MakeSpan(&prediction, 1));
  EXPECT_EQ(prediction.propensity, 0.5);
  EXPECT_GT(prediction.deviation, 0.2);
}

}  // namespace
}  // namespace attune::learning
