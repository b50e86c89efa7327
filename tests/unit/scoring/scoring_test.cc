#include "lib/scoring/scoring.h"

#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::scoring {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Gives every treatment what it is told and notes what it was asked for.
class FakeModel : public Model {
 public:
  explicit FakeModel(std::vector<double> by_treatment) : by_treatment_(std::move(by_treatment)) {}

  void Predict(const InputFrame&, absl::Span<const int> treatments, absl::Span<double> propensity,
               ModelScratch&) const override {
    calls_.emplace_back(treatments.begin(), treatments.end());
    for (size_t i = 0; i < treatments.size(); ++i) {
      propensity[i] = by_treatment_[static_cast<size_t>(treatments[i])];
    }
  }

  const std::vector<std::vector<int>>& calls() const { return calls_; }

 private:
  const std::vector<double> by_treatment_;
  mutable std::vector<std::vector<int>> calls_;
};

class ScoreTest : public ::testing::Test {
 protected:
  // Treatment i has the model models[i]; model m answers answers[m].
  void SetUpModels(const std::vector<int>& models, std::vector<std::vector<double>> answers) {
    for (const int model : models) catalog_.treatments.emplace_back().model = model;
    for (std::vector<double>& answer : answers) {
      auto model = std::make_unique<FakeModel>(std::move(answer));
      fakes_.push_back(model.get());
      models_.models.push_back({"fake", "fake@1", std::move(model)});
    }
  }
  void ScoreThem(const std::vector<int>& candidates) {
    Score(models_, catalog_, schema_, context_, {}, candidates, result_);
  }
  std::vector<std::pair<int, double>> Scored() const {
    std::vector<std::pair<int, double>> scored;
    for (const ScoredCandidate& s : result_.scored) scored.emplace_back(s.treatment, s.propensity);
    return scored;
  }

  catalog::Catalog catalog_;
  context::ContextSchema schema_;
  context::DecisionContext context_;
  ModelSet models_;
  std::vector<FakeModel*> fakes_;
  ScoredCandidates result_;
};

TEST_F(ScoreTest, AsksEachModelOnceForItsOwnTreatments) {
  SetUpModels({1, 0, 1, 2, 1}, {{.1, .2, .3, .4, .5}, {.6, .7, .8, .9, .95}, {}});
  ScoreThem({0, 1, 2, 4});
  using Scored1 = std::pair<int, double>;
  EXPECT_THAT(Scored(),
              ElementsAre(Scored1(0, .6), Scored1(1, .2), Scored1(2, .8), Scored1(4, .95)));
  EXPECT_THAT(fakes_[0]->calls(), ElementsAre(ElementsAre(1)));
  EXPECT_THAT(fakes_[1]->calls(), ElementsAre(ElementsAre(0, 2, 4)));
  EXPECT_THAT(fakes_[2]->calls(), IsEmpty());
}

TEST_F(ScoreTest, ForgetsTheDecisionBefore) {
  SetUpModels({0, 0, 1}, {{.1, .2, .3}, {.4, .5, .6}});
  ScoreThem({0, 1, 2});
  ScoreThem({2});
  EXPECT_THAT(Scored(), ElementsAre(std::pair(2, .6)));
  ScoreThem({});
  EXPECT_THAT(Scored(), IsEmpty());
  EXPECT_THAT(result_.rejected, IsEmpty());
}

TEST_F(ScoreTest, CutsToZeroAndOne) {
  SetUpModels({0, 0, 0, 0}, {{-1e300, 1.0000001, 0.0, 1.0}});
  ScoreThem({0, 1, 2, 3});
  EXPECT_THAT(Scored(), ElementsAre(std::pair(0, 0.0), std::pair(1, 1.0), std::pair(2, 0.0),
                                    std::pair(3, 1.0)));
}

TEST_F(ScoreTest, RejectsWhatIsNotFinite) {
  using Limits = std::numeric_limits<double>;
  SetUpModels({0, 0, 1, 0},
              {{Limits::quiet_NaN(), Limits::infinity(), 0, .5}, {0, 0, -Limits::infinity(), 0}});
  ScoreThem({0, 1, 2, 3});
  EXPECT_THAT(Scored(), ElementsAre(std::pair(3, .5)));
  std::vector<int> rejected;
  for (const candidates::Rejection& rejection : result_.rejected) {
    rejected.push_back(rejection.treatment);
    EXPECT_EQ(rejection.reason, candidates::Reason::kScoreNotFinite);
  }
  EXPECT_THAT(rejected, ElementsAre(0, 1, 2));
}

TEST_F(ScoreTest, FillsTheFrameThatExplanationsRead) {
  SetUpModels({0}, {{.5}});
  schema_.channels = context::NameTable({{"app", 0}, {"ivr", 1}});
  const Input channel{Input::Source::kChannel, 0, ValueType::kString};
  const int index = models_.inputs.AddCategorical(channel);
  int32_t ivr = 0;
  ASSERT_TRUE(models_.inputs.AddCategory(channel, index, "ivr", ivr));
  context_.channel = 1;
  ScoreThem({0});
  EXPECT_EQ(result_.frame.category[static_cast<size_t>(index)], ivr);
  context_.channel = 0;
  ScoreThem({0});
  EXPECT_EQ(result_.frame.category[static_cast<size_t>(index)], 0);
}

}  // namespace
}  // namespace attune::scoring
