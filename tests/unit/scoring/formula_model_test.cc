#include "lib/scoring/formula_model.h"

#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/scoring/scoring.h"

namespace attune::scoring {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Gives what it was told, and nothing for what it was not told of.
class ToldFormulas final : public FormulaSource {
 public:
  std::optional<double> Evaluate(int formula, int treatment) override {
    ++evaluations;
    const auto found = values.find({formula, treatment});
    return found == values.end() ? std::nullopt : std::optional(found->second);
  }

  std::map<std::pair<int, int>, double> values;  // by formula and treatment
  int evaluations = 0;
};

std::vector<double> PredictionsOf(const FormulaModel& model, ToldFormulas& formulas,
                                  const std::vector<int>& treatments) {
  InputFrame frame;
  frame.formulas = &formulas;
  std::vector<double> propensity(treatments.size(), -1);
  ModelScratch scratch;
  model.Predict(frame, treatments, absl::MakeSpan(propensity), scratch);
  return propensity;
}

TEST(FormulaModelTest, AsksForEachTreatmentWhenItLooksAtThem) {
  ToldFormulas formulas;
  formulas.values = {{{2, 5}, 0.25}, {{2, 7}, 0.75}};
  EXPECT_THAT(PredictionsOf(FormulaModel(2, true), formulas, {5, 7}), ElementsAre(0.25, 0.75));
  EXPECT_EQ(formulas.evaluations, 2);
  EXPECT_THAT(PredictionsOf(FormulaModel(2, true), formulas, {}), IsEmpty());
}

TEST(FormulaModelTest, AsksOnceWhenItDoesNot) {
  ToldFormulas formulas;
  formulas.values = {{{0, 5}, 0.5}};
  EXPECT_THAT(PredictionsOf(FormulaModel(0, false), formulas, {5, 7, 8}),
              ElementsAre(0.5, 0.5, 0.5));
  EXPECT_EQ(formulas.evaluations, 1);
}

TEST(FormulaModelTest, WhatCanNotBeEvaluatedIsNoNumber) {
  ToldFormulas formulas;
  EXPECT_TRUE(std::isnan(PredictionsOf(FormulaModel(0, true), formulas, {1})[0]));
  EXPECT_TRUE(std::isnan(PredictionsOf(FormulaModel(0, false), formulas, {1})[0]));
}

TEST(FormulaModelTest, DoesNotKnowWhatMovedIt) {
  EXPECT_FALSE(FormulaModel(0, true).Parts(InputFrame(), 0).has_value());
  EXPECT_FALSE(FormulaModel(0, true).PartInputs().has_value());
}

// Treatments 0 to 4 with the formula 3 as their model.
ScoredCandidates ScoredByFormula(ToldFormulas& formulas) {
  ModelSet models;
  models.models.push_back({"m", "m@1", std::make_unique<FormulaModel>(3, true), {}, 3});
  catalog::Catalog catalog;
  catalog.treatments.resize(5);
  ScoredCandidates scored;
  const std::vector<int> candidates = {0, 1, 2, 3, 4};
  Score(models, catalog, context::ContextSchema(), context::DecisionContext(), {}, candidates,
        scored, &formulas);
  return scored;
}

TEST(FormulaScoresTest, AreCutTo0And1AndRejectedForTwoReasons) {
  ToldFormulas formulas;
  formulas.values = {{{3, 0}, -0.5},
                     {{3, 1}, 0.5},
                     {{3, 2}, 7},
                     {{3, 3}, std::numeric_limits<double>::infinity()}};
  const ScoredCandidates result = ScoredByFormula(formulas);
  ASSERT_EQ(result.scored.size(), 3u);
  EXPECT_EQ(result.scored[0].propensity, 0.0);
  EXPECT_EQ(result.scored[1].propensity, 0.5);
  EXPECT_EQ(result.scored[2].propensity, 1.0);
  ASSERT_EQ(result.rejected.size(), 2u);
  EXPECT_EQ(result.rejected[0].treatment, 3);
  EXPECT_EQ(result.rejected[0].reason, candidates::Reason::kScoreNotFinite);
  EXPECT_EQ(result.rejected[1].treatment, 4);
  EXPECT_EQ(result.rejected[1].reason, candidates::Reason::kScoreError);
  // Explanations read the frame when the formulas are gone.
  EXPECT_EQ(result.frame.formulas, nullptr);
}

}  // namespace
}  // namespace attune::scoring
