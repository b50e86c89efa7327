#include "lib/scoring/shared_answers.h"

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/scoring/scoring.h"

namespace attune::scoring {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsNan;

// Answers a tenth of the treatment's index, with half of that as the deviation, and notes what it
// was asked for.
class AskedModel : public Model {
 public:
  ModelFailure PredictBatch(const Batch& batch, const Predictions& predictions,
                            ModelScratch& scratch) const override {
    asked.emplace_back(batch.treatments.begin(), batch.treatments.end());
    Predict(batch.frame, batch.treatments, predictions.propensity, scratch);
    for (size_t i = 0; i < batch.treatments.size(); ++i) {
      predictions.deviation[i] = predictions.propensity[i] / 2;
    }
    if (failure != ModelFailure::kNone) scratch.failure_text = "late";
    return failure;
  }
  void Predict(const InputFrame&, absl::Span<const int> treatments, absl::Span<double> propensity,
               ModelScratch&) const override {
    for (size_t i = 0; i < treatments.size(); ++i) propensity[i] = treatments[i] / 10.0;
  }
  bool Waits() const override { return true; }
  bool DependsOnChannel() const override { return false; }

  ModelFailure failure = ModelFailure::kNone;
  mutable std::vector<std::vector<int>> asked;
};

// The treatments 0 to 3 have model 0, the treatments 4 and 5 have model 1.
class SharedAnswersTest : public ::testing::Test {
 protected:
  SharedAnswersTest() {
    for (int i = 0; i < 6; ++i) catalog_.treatments.emplace_back().model = i < 4 ? 0 : 1;
  }
  ModelFailure Predict(const Model& model, int index, const std::vector<int>& treatments) {
    propensity_.assign(treatments.size(), -7);
    deviation_.assign(treatments.size(), kUnknownDeviation);
    return answers_.Predict(model, index, {frame_, treatments},
                            {absl::MakeSpan(propensity_), absl::MakeSpan(deviation_)}, scratch_);
  }

  catalog::Catalog catalog_;
  InputFrame frame_;
  ModelScratch scratch_;
  SharedAnswers answers_;
  AskedModel model_;
  std::vector<double> propensity_, deviation_;
};

TEST_F(SharedAnswersTest, AsksOnceForTheCandidatesOfAllChannels) {
  answers_.Reset(catalog_, {0, 2, 3, 4});
  EXPECT_EQ(Predict(model_, 0, {0, 3}), ModelFailure::kNone);
  EXPECT_THAT(propensity_, ElementsAre(0, 0.3));
  EXPECT_THAT(deviation_, ElementsAre(0, 0.15));
  EXPECT_EQ(Predict(model_, 0, {2, 3}), ModelFailure::kNone);
  EXPECT_THAT(propensity_, ElementsAre(0.2, 0.3));
  EXPECT_THAT(deviation_, ElementsAre(0.1, 0.15));
  EXPECT_THAT(model_.asked, ElementsAre(ElementsAre(0, 2, 3)));
}

// As a fallback it is asked for what has another model.
TEST_F(SharedAnswersTest, AsksForWhatItWasNotAskedFor) {
  answers_.Reset(catalog_, {0, 1, 4, 5});
  EXPECT_EQ(Predict(model_, 0, {5, 1}), ModelFailure::kNone);
  EXPECT_THAT(propensity_, ElementsAre(0.5, 0.1));
  EXPECT_EQ(Predict(model_, 0, {4, 5}), ModelFailure::kNone);
  EXPECT_THAT(propensity_, ElementsAre(0.4, 0.5));
  EXPECT_THAT(model_.asked, ElementsAre(ElementsAre(0, 1, 5), ElementsAre(4)));
}

TEST_F(SharedAnswersTest, EachModelHasItsOwn) {
  const AskedModel other;
  answers_.Reset(catalog_, {0, 4});
  EXPECT_EQ(Predict(model_, 0, {0}), ModelFailure::kNone);
  EXPECT_EQ(Predict(other, 1, {4}), ModelFailure::kNone);
  EXPECT_THAT(propensity_, ElementsAre(0.4));
  EXPECT_THAT(model_.asked, ElementsAre(ElementsAre(0)));
  EXPECT_THAT(other.asked, ElementsAre(ElementsAre(4)));
}

TEST_F(SharedAnswersTest, AFailureIsNoAnswer) {
  answers_.Reset(catalog_, {0, 1});
  model_.failure = ModelFailure::kTimeout;
  EXPECT_EQ(Predict(model_, 0, {0}), ModelFailure::kTimeout);
  EXPECT_EQ(scratch_.failure_text, "late");
  model_.failure = ModelFailure::kNone;
  EXPECT_EQ(Predict(model_, 0, {0}), ModelFailure::kNone);
  EXPECT_THAT(propensity_, ElementsAre(0));
  EXPECT_EQ(model_.asked.size(), 2u);
}

TEST_F(SharedAnswersTest, AFailureLeavesWhatIsKnown) {
  answers_.Reset(catalog_, {0, 1, 4, 5});
  EXPECT_EQ(Predict(model_, 0, {0}), ModelFailure::kNone);
  model_.failure = ModelFailure::kTimeout;
  EXPECT_EQ(Predict(model_, 0, {1, 5}), ModelFailure::kTimeout);
  EXPECT_THAT(propensity_, ElementsAre(0.1, IsNan()));
  EXPECT_THAT(deviation_, ElementsAre(0.05, kUnknownDeviation));
  const Predictions predictions{absl::MakeSpan(propensity_), absl::MakeSpan(deviation_)};
  EXPECT_TRUE(answers_.Fill(0, {frame_, {0, 1}}, predictions));
  EXPECT_THAT(propensity_, ElementsAre(0, 0.1));
  EXPECT_FALSE(answers_.Fill(0, {frame_, {5, 1}}, predictions));
  EXPECT_THAT(propensity_, ElementsAre(IsNan(), 0.1));
  EXPECT_FALSE(answers_.Fill(1, {frame_, {4, 5}}, predictions)) << "nobody asked it";
  EXPECT_THAT(propensity_, ElementsAre(IsNan(), IsNan()));
}

// A model that failed on another channel is not asked, but what it answered there counts.
TEST_F(SharedAnswersTest, WhatIsKnownOutlivesAFailureOnAnotherChannel) {
  context::ContextSchema schema;
  ModelSet models;
  const auto add = [&](std::unique_ptr<const Model> model) -> NamedModel& {
    models.models.push_back({.name = "m", .version = "m@1", .model = std::move(model)});
    return models.models.back();
  };
  auto owned = std::make_unique<AskedModel>();
  AskedModel& model = *owned;
  add(std::move(owned)).on_error = {.action = OnError::Action::kDefaultPropensity,
                                    .default_propensity = 0.75};
  answers_.Reset(catalog_, {0, 1});
  std::vector<FailedModel> failed_before;
  ScoredCandidates result;
  const auto score = [&](const std::vector<int>& candidates) {
    Score(models, catalog_, schema, context::DecisionContext(), {}, candidates, result, nullptr,
          &failed_before, &answers_);
    std::vector<double> propensities;
    for (const ScoredCandidate& scored : result.scored) propensities.push_back(scored.propensity);
    return propensities;
  };
  EXPECT_THAT(score({0, 1}), ElementsAre(0, 0.1));
  model.failure = ModelFailure::kTimeout;
  EXPECT_THAT(score({1, 2}), ElementsAre(0.1, 0.75)) << "it was not asked for 2 before";
  EXPECT_EQ(result.failed.front().treatments, 1);
  EXPECT_THAT(score({0, 1}), ElementsAre(0, 0.1));
  EXPECT_THAT(result.failed, IsEmpty());
  EXPECT_THAT(score({1, 3}), ElementsAre(0.1, 0.75));
  EXPECT_EQ(model.asked.size(), 2u) << "not again after it failed";
}

TEST_F(SharedAnswersTest, TheNextDecisionAsksAnew) {
  for (int decision = 0; decision < 2; ++decision) {
    model_.asked.clear();
    answers_.Reset(catalog_, {1});
    EXPECT_EQ(Predict(model_, 0, {1}), ModelFailure::kNone);
    EXPECT_EQ(Predict(model_, 0, {1}), ModelFailure::kNone);
    EXPECT_EQ(Predict(model_, 0, {}), ModelFailure::kNone);
    EXPECT_THAT(propensity_, IsEmpty());
    EXPECT_THAT(model_.asked, ElementsAre(ElementsAre(1)));
  }
}

}  // namespace
}  // namespace attune::scoring
