// Scores that models give.

#include "lib/strategy/score_models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/policy/customer_scores.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// 2.5 for each year above 40, and 10 for a big plan.
constexpr std::string_view kLinearScore = R"(linear:
  link: identity
  intercept: 1
  terms:
    - {input: customer.age, numeric: {weight: 2.5, mean: 40}}
    - {input: customer.plan, one_hot: {weights: {big: 10}}}
)";

constexpr std::string_view kWorthByTaste = "scores:\n  - {name: worth, model: taste}\n";

std::string WithScores(std::string_view scores) {
  return std::string(kSmallStrategy).append(scores);
}

Loaded LoadScores(std::string_view scores, std::string_view model = kLinearScore) {
  return LoadText(WithScores(scores), model);
}

std::vector<ValueRef> Customer(int64_t age, std::string_view plan) {
  return {ValueRef::Int(age), ValueRef::String(plan)};
}

// The first score of a customer.
double ScoreOf(const Loaded& loaded, const std::vector<ValueRef>& features) {
  policy::ScoreEvaluator evaluator(loaded.strategy->engagement.scores());
  return evaluator.Evaluate(features)[0];
}

TEST(ScoreModels, AScoreIsWhatTheModelPredicts) {
  const Loaded loaded = LoadScores(kWorthByTaste);
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  // Not cut to 0 … 1, as a propensity is.
  EXPECT_DOUBLE_EQ(ScoreOf(loaded, Customer(44, "big")), 1 + 2.5 * 4 + 10);
  EXPECT_DOUBLE_EQ(ScoreOf(loaded, Customer(20, "small")), 1 - 2.5 * 20);
  // One after the other.
  policy::ScoreEvaluator evaluator(loaded.strategy->engagement.scores());
  EXPECT_DOUBLE_EQ(evaluator.Evaluate(Customer(40, ""))[0], 1);
  EXPECT_DOUBLE_EQ(evaluator.Evaluate(Customer(42, ""))[0], 6);
}

TEST(ScoreModels, ALogisticModelGivesAChance) {
  const Loaded loaded = LoadScores(kWorthByTaste, kSmallModel);
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  // -1 + 0.5 x (60 - 40) / 10 + 0.3 = 0.3
  EXPECT_NEAR(ScoreOf(loaded, Customer(60, "big")), 1 / (1 + std::exp(-0.3)), 1e-12);
}

TEST(ScoreModels, AFormulaAsAModelIsNotCutEither) {
  const Loaded loaded = LoadText(Replaced(WithScores(kWorthByTaste), "file: taste.yaml",
                                          "formula: double(customer.age) * 3.0"));
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  EXPECT_DOUBLE_EQ(ScoreOf(loaded, Customer(44, "big")), 132);
  EXPECT_EQ(loaded.strategy->engagement.scores().models, nullptr);
}

TEST(ScoreModels, ScoresOfModelsAndFormulasAreCombined) {
  const Loaded loaded = LoadScores(R"(scores:
  - {name: total, value: score.worth.value * 2.0 + derived.bonus}
  - {name: worth, model: taste, tiers: [{name: all}]}
derived:
  - {name: bonus, value: "score.worth.value > 10.0 ? 100.0 : 0.0"}
eligibility:
  - {name: r, when: score.worth.tier == 'all' && score.total.percentile >= 0.0}
)");
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  const policy::CustomerScores& scores = loaded.strategy->engagement.scores();
  ASSERT_THAT(scores.scores, SizeIs(2));
  policy::ScoreEvaluator evaluator(scores);
  const auto values = evaluator.Evaluate(Customer(44, "big"));
  EXPECT_DOUBLE_EQ(values[static_cast<size_t>(scores.IndexOf("worth"))], 21);
  EXPECT_DOUBLE_EQ(values[static_cast<size_t>(scores.IndexOf("total"))], 142);
  EXPECT_THAT(scores.model_features, ElementsAre(0, 1));
}

TEST(ScoreModels, WhatIsInfiniteIsNoScore) {
  const Loaded loaded =
      LoadScores(kWorthByTaste, R"(linear: {link: identity, terms: [{input: customer.age,
  numeric: {weight: 1e308}}]})");
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  EXPECT_TRUE(std::isnan(ScoreOf(loaded, Customer(44, ""))));
  EXPECT_DOUBLE_EQ(ScoreOf(loaded, Customer(1, "")), 1e308);
}

TEST(ScoreModels, LookAtTheCustomerAlone) {
  const auto issues = [](const std::string& input) {
    return LoadScores(kWorthByTaste,
                      absl::StrCat("linear: {link: identity, terms: [{input: ", input, "}]}"))
        .Issues();
  };
  EXPECT_THAT(issues("context.channel, one_hot: {weights: {web: 1}}"),
              ElementsAre("s.yaml:36:26: error: a score depends on the customer alone, but this "
                          "model looks at context.channel; a model that gives a score may look at "
                          "customer.<feature>, but for timestamps"));
  EXPECT_THAT(issues("context.attributes.mood, numeric: {weight: 1}"),
              ElementsAre(HasSubstr("this model looks at context.attributes.mood;")));
  EXPECT_THAT(issues("treatment.group, one_hot: {weights: {care: 1}}"),
              ElementsAre(HasSubstr("this model looks at the treatment;")));
  // Models see how long ago it was: the score would change from day to day.
  const Loaded since =
      LoadText(Replaced(WithScores(kWorthByTaste), "{name: plan, type: string}",
                        "{name: plan, type: string}\n  - {name: since, type: timestamp}"),
               "linear: {link: identity, terms: [{input: customer.since, numeric: {weight: 1}}]}");
  EXPECT_THAT(since.Issues(),
              ElementsAre(HasSubstr("looks at the time that has passed since customer.since;")));
}

TEST(ScoreModels, AFormulaAsAModelLooksAtTheCustomerAlone) {
  const auto issues = [](const std::string& formula) {
    return LoadText(Replaced(WithScores(kWorthByTaste), "file: taste.yaml",
                             absl::StrCat("formula: ", formula)))
        .Issues();
  };
  EXPECT_THAT(issues("context.attributes.mood * 2.0"),
              ElementsAre(HasSubstr("s.yaml:36:26: error: a score depends on the customer alone, "
                                    "but this model looks at context.attributes.mood")));
  EXPECT_THAT(issues("customer.age * 2"),
              ElementsAre(HasSubstr("s.yaml:36:26: error: the formula of this model can't give a "
                                    "score: ")));
  EXPECT_THAT(issues("score.worth.value + 1.0"),
              Contains(HasSubstr("a score can't depend on itself")));
}

TEST(ScoreModels, ReportsWhichModelThereIsNot) {
  EXPECT_THAT(LoadScores("scores:\n  - {name: worth, model: tast}\n").Issues(),
              ElementsAre("s.yaml:36:26: error: unknown model \"tast\"; did you mean \"taste\"?"));
  EXPECT_THAT(LoadScores("scores:\n  - {name: worth, model: taste, value: 1.0}\n").Issues(),
              ElementsAre("s.yaml:36:26: error: a score has either value, a formula, or model"));
  EXPECT_THAT(LoadScores("scores:\n  - {name: worth, model: ''}\n").Issues(), SizeIs(1));
  EXPECT_THAT(LoadScores("scores:\n  - {name: worth}\n").Issues(),
              ElementsAre(HasSubstr("error: a score needs a value, which is a formula, or a "
                                    "model")));
  EXPECT_THAT(LoadText(Replaced(WithScores(kWorthByTaste), "file: taste.yaml",
                                "remote: {endpoints: ['localhost:1'], model: m, inputs: "
                                "[{feature: a, input: customer.age}]}"))
                  .Issues(),
              Contains(HasSubstr("s.yaml:36:26: error: the model \"taste\" is remote, and is asked "
                                 "within decisions only")));
}

TEST(ScoreModels, WhatIsWrongWithTheModelIsReportedOnce) {
  EXPECT_THAT(LoadScores(kWorthByTaste,
                         "linear: {link: identity, terms: [{input: customer.agee, "
                         "numeric: {weight: 1}}]}")
                  .Issues(),
              ElementsAre(HasSubstr("taste.yaml:1:")));
  EXPECT_THAT(
      LoadText(Replaced(WithScores(kWorthByTaste), "file: taste.yaml", "file: none.yaml")).Issues(),
      ElementsAre(HasSubstr("does not exist")));
}

TEST(ScoreModels, AScoreOfSomethingProtectedIsProtected) {
  const std::string strategy = WithScores(kWorthByTaste);
  EXPECT_FALSE(
      LoadText(strategy, kLinearScore).strategy->engagement.scores().scores[0].is_protected);
  const Loaded hidden = LoadText(Replaced(strategy, "{name: plan, type: string}",
                                          "{name: plan, type: string, protected: true}"),
                                 kLinearScore);
  ASSERT_THAT(hidden.Issues(), IsEmpty());
  EXPECT_TRUE(hidden.strategy->engagement.scores().scores[0].is_protected);
}

TEST(ScoreModels, AModelThatGivesAScoreIsUsed) {
  const Loaded loaded = LoadText(Replaced(
      WithScores("scores:\n  - {name: worth, model: other}\n"), "{name: taste, file: taste.yaml}",
      "{name: taste, file: taste.yaml}\n  - {name: other, formula: double(customer.age)}"));
  EXPECT_THAT(loaded.Issues(), IsEmpty());
}

TEST(ScoreModels, TheFingerprintKnowsTheModel) {
  const auto fingerprint = [](const std::string& strategy, std::string_view model) {
    const Loaded loaded = LoadText(strategy, model);
    EXPECT_THAT(loaded.Issues(), IsEmpty());
    return loaded.strategy->engagement.scores().fingerprint;
  };
  const std::string strategy = WithScores(kWorthByTaste);
  const std::string first = fingerprint(strategy, kLinearScore);
  EXPECT_EQ(fingerprint(strategy, kLinearScore), first);
  EXPECT_EQ(fingerprint(Replaced(strategy, "file: taste.yaml",
                                 "file: taste.yaml, description: other words"),
                        kLinearScore),
            first);
  EXPECT_NE(fingerprint(strategy, Replaced(kLinearScore, "2.5", "2.25")), first);
}

TEST(ScoreModels, TheHashIsOfWhatThePredictionsDependOn) {
  v1::ModelReference reference;
  reference.set_name("worth");
  reference.set_file("a.json");
  v1::TreeInput& input = *reference.add_inputs();
  input.set_feature("plan");
  input.set_input("customer.plan");
  (*input.mutable_codes())["big"] = 2;
  v1::ModelReference other = reference;
  other.set_file("b.json");
  other.set_description("elsewhere");
  EXPECT_EQ(HashOfScoreModel(reference, "hash"), HashOfScoreModel(other, "hash"));
  EXPECT_NE(HashOfScoreModel(reference, "hash"), HashOfScoreModel(reference, "another"));
  (*other.mutable_inputs(0)->mutable_codes())["big"] = 3;
  EXPECT_NE(HashOfScoreModel(reference, "hash"), HashOfScoreModel(other, "hash"));
}

}  // namespace
}  // namespace attune::strategy
