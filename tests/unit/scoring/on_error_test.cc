// What becomes of treatments whose model gives no usable score.
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/scoring/scoring.h"

namespace attune::scoring {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Source = ScoredCandidate::Source;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Gives every treatment what it is told, or fails as a whole.
class FailingModel : public Model {
 public:
  FailingModel(ModelFailure failure, std::vector<double> by_treatment, double deviation)
      : failure_(failure), by_treatment_(std::move(by_treatment)), deviation_(deviation) {}

  ModelFailure PredictBatch(const Batch& batch, const Predictions& predictions,
                            ModelScratch& scratch) const override {
    Predict(batch.frame, batch.treatments, predictions.propensity, scratch);
    for (double& deviation : predictions.deviation) deviation = deviation_;
    if (failure_ != ModelFailure::kNone) scratch.failure_text = "broken";
    return failure_;
  }
  void Predict(const InputFrame&, absl::Span<const int> treatments, absl::Span<double> propensity,
               ModelScratch&) const override {
    for (size_t i = 0; i < treatments.size(); ++i) {
      propensity[i] = by_treatment_[static_cast<size_t>(treatments[i])];
    }
  }

 private:
  const ModelFailure failure_;
  const std::vector<double> by_treatment_;
  const double deviation_;
};

// Counts how often it is asked.
class WaitingModel : public FailingModel {
 public:
  WaitingModel(ModelFailure failure, int* asked)
      : FailingModel(failure, {.1, .2, .3}, kUnknownDeviation), asked_(*asked) {}

  ModelFailure PredictBatch(const Batch& batch, const Predictions& predictions,
                            ModelScratch& scratch) const override {
    ++asked_;
    return FailingModel::PredictBatch(batch, predictions, scratch);
  }
  bool Waits() const override { return true; }

 private:
  int& asked_;
};

// Three treatments of model 0.
class OnErrorTest : public ::testing::Test {
 protected:
  OnErrorTest() {
    for (int i = 0; i < 3; ++i) catalog_.treatments.emplace_back().model = 0;
  }
  void Add(ModelFailure failure, std::vector<double> by_treatment, OnError on_error = {},
           double deviation = kUnknownDeviation) {
    models_.models.push_back(
        {"m", "m@1", std::make_unique<FailingModel>(failure, std::move(by_treatment), deviation),
         on_error});
  }
  void ScoreAll() {
    const std::vector<int> all = {0, 1, 2};
    Score(models_, catalog_, schema_, context_, {}, all, result_);
  }
  std::vector<std::tuple<int, double, Source>> ScoredBy() const {
    std::vector<std::tuple<int, double, Source>> scored;
    for (const ScoredCandidate& s : result_.scored) {
      scored.emplace_back(s.treatment, s.propensity, s.source);
    }
    return scored;
  }
  std::vector<candidates::Reason> Reasons() const {
    std::vector<candidates::Reason> reasons;
    for (const candidates::Rejection& r : result_.rejected) reasons.push_back(r.reason);
    return reasons;
  }
  static OnError Default(double propensity) {
    return {OnError::Action::kDefaultPropensity, propensity, -1};
  }
  static OnError Fallback(int model) { return {OnError::Action::kFallback, 0, model}; }

  catalog::Catalog catalog_;
  context::ContextSchema schema_;
  context::DecisionContext context_;
  ModelSet models_;
  ScoredCandidates result_;
};

using T = std::tuple<int, double, Source>;

TEST_F(OnErrorTest, SkipsWhatAFailedModelScored) {
  Add(ModelFailure::kTimeout, {.1, .2, .3});
  ScoreAll();
  EXPECT_THAT(ScoredBy(), IsEmpty()) << "what it wrote is not looked at";
  EXPECT_THAT(Reasons(),
              ElementsAre(candidates::Reason::kModelFailed, candidates::Reason::kModelFailed,
                          candidates::Reason::kModelFailed));
  ASSERT_EQ(result_.failed.size(), 1u);
  EXPECT_EQ(result_.failed[0].failure, ModelFailure::kTimeout);
  EXPECT_EQ(result_.failed[0].treatments, 3);
  EXPECT_EQ(result_.failed[0].text, "broken");
  EXPECT_EQ(result_.FailureOf(0), ModelFailure::kTimeout);
}

TEST_F(OnErrorTest, GivesTheDefaultToThoseWithoutAScore) {
  Add(ModelFailure::kNone, {.1, kNaN, .3}, Default(.05), .25);
  ScoreAll();
  EXPECT_THAT(ScoredBy(), ElementsAre(T(0, .1, Source::kModel), T(1, .05, Source::kDefault),
                                      T(2, .3, Source::kModel)));
  EXPECT_EQ(result_.scored[0].deviation, .25);
  EXPECT_EQ(result_.scored[1].deviation, kUnknownDeviation) << "a default has none";
  EXPECT_THAT(result_.rejected, IsEmpty());
  EXPECT_EQ(result_.FailureOf(0), ModelFailure::kNotFinite);
}

TEST_F(OnErrorTest, AsksTheFallbackForThoseWithoutAScore) {
  Add(ModelFailure::kNone, {.1, kNaN, kNaN}, Fallback(1), .25);
  Add(ModelFailure::kNone, {.7, .8, .9}, {}, .5);
  ScoreAll();
  EXPECT_THAT(ScoredBy(), ElementsAre(T(0, .1, Source::kModel), T(1, .8, Source::kFallback),
                                      T(2, .9, Source::kFallback)));
  EXPECT_EQ(result_.scored[2].deviation, .5);
  EXPECT_EQ(ModelOf(models_, catalog_, result_.scored[0]), 0);
  EXPECT_EQ(ModelOf(models_, catalog_, result_.scored[1]), 1);
}

TEST_F(OnErrorTest, WhereTheFallbackFailsItsOwnOnErrorHolds) {
  Add(ModelFailure::kUnavailable, {0, 0, 0}, Fallback(1));
  Add(ModelFailure::kNone, {.7, kNaN, .9}, Default(.2));
  ScoreAll();
  EXPECT_THAT(ScoredBy(), ElementsAre(T(0, .7, Source::kFallback), T(1, .2, Source::kDefault),
                                      T(2, .9, Source::kFallback)));
  EXPECT_EQ(result_.failed.size(), 2u);
}

TEST_F(OnErrorTest, SaysWhyNothingWasLeft) {
  Add(ModelFailure::kUnavailable, {0, 0, 0}, Fallback(1));
  Add(ModelFailure::kNone, {.7, kNaN, .9});
  ScoreAll();
  EXPECT_EQ(result_.scored.size(), 2u);
  EXPECT_THAT(Reasons(), ElementsAre(candidates::Reason::kScoreNotFinite));
}

TEST_F(OnErrorTest, ForgetsTheFailuresOfTheDecisionBefore) {
  Add(ModelFailure::kNone, {.1, kNaN, .3});
  ScoreAll();
  EXPECT_EQ(result_.failed.size(), 1u);
  const std::vector<int> fine = {0, 2};
  Score(models_, catalog_, schema_, context_, {}, fine, result_);
  EXPECT_THAT(result_.failed, IsEmpty());
  EXPECT_THAT(result_.rejected, IsEmpty());
}

TEST_F(OnErrorTest, AModelThatWaitsIsNotAskedAgainInADecision) {
  int asked = 0;
  models_.models.push_back(
      {"m", "m@1", std::make_unique<WaitingModel>(ModelFailure::kTimeout, &asked)});
  const std::vector<int> all = {0, 1, 2};
  std::vector<FailedModel> failed_before;
  for (int i = 0; i < 2; ++i) {
    Score(models_, catalog_, schema_, context_, {}, all, result_, nullptr, &failed_before);
    EXPECT_EQ(asked, 1);
    ASSERT_EQ(result_.failed.size(), 1u);
    EXPECT_EQ(result_.failed[0].failure, ModelFailure::kTimeout);
    EXPECT_EQ(result_.failed[0].text, "broken");
  }
  failed_before.clear();
  Score(models_, catalog_, schema_, context_, {}, all, result_, nullptr, &failed_before);
  EXPECT_EQ(asked, 2) << "another decision";
}

TEST_F(OnErrorTest, AModelThatAlsoFailsAsAFallbackIsToldOnce) {
  Add(ModelFailure::kTimeout, {0, 0, 0}, Fallback(1));
  Add(ModelFailure::kUnavailable, {0, 0, 0}, Default(.2));
  catalog_.treatments[2].model = 1;
  ScoreAll();
  ASSERT_EQ(result_.failed.size(), 2u);
  EXPECT_EQ(result_.failed[1].model, 1);
  EXPECT_EQ(result_.failed[1].treatments, 3);
}

TEST_F(OnErrorTest, ADeviationThatIsNoneIsNotKnown) {
  for (const double deviation : {kNaN, -2.0, std::numeric_limits<double>::infinity()}) {
    models_.models.clear();
    Add(ModelFailure::kNone, {.1, .2, .3}, {}, deviation);
    ScoreAll();
    EXPECT_EQ(result_.scored[0].deviation, kUnknownDeviation);
  }
}

}  // namespace
}  // namespace attune::scoring
