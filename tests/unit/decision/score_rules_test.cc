#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attune/storage/v1/event.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/decision/decider.h"
#include "lib/decision/decision_pipeline.h"
#include "lib/policy/engagement_explanation.h"
#include "lib/value/standings.h"
#include "tests/testing/fake_state_store.h"
#include "tests/testing/strategy_builder.h"

namespace attune::decision {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSpendScore[] = R"pb(
  scores {
    name: "spend"
    value: "customer.monthly_charges * 12.0"
    tiers { name: "low" }
    tiers { name: "high" from_percentile: 75 }
  }
)pb";
// Rules about what a customer is worth, on the small strategy.
constexpr char kScoreRules[] = R"pb(
  scores { name: "wealth" value: "customer.income + 0.0" }
  eligibility { name: "spends" when: "score.spend.value >= 120.0" }
  eligibility { name: "upper_half" when: "score.spend.percentile >= 50.0" }
  eligibility { name: "high_tier" when: "score.spend.tier == 'high'" }
  eligibility { name: "wealthy" when: "score.wealth.value > 7.0 && score.wealth.percentile > 7.0" }
)pb";

class ScoreRulesTest : public ::testing::Test {
 protected:
  ScoreRulesTest() {
    strategy_ =
        builder_.BuildFromText(std::string(testing::kSmallStrategy) + kSpendScore + kScoreRules,
                               {testing::kSolveModel, testing::kSellModel});
    // Who spends 0, 10, … 990 a year; who has 1000.
    value::QuantileSketch spend;
    for (int i = 0; i < 100; ++i) spend.Add(10.0 * i);
    value::QuantileSketch wealth;
    wealth.Add(1000);
    standings_.scores = {spend.MakeTable(), wealth.MakeTable()};
  }

  // The rule that rejects the callback of a customer with these charges; empty: it is kept.
  std::string RuleFor(double monthly_charges, double income, const value::Standings* standings) {
    features_.assign(strategy_->features.defaults().begin(), strategy_->features.defaults().end());
    features_[Slot("monthly_charges")] = ValueRef::Double(monthly_charges);
    features_[Slot("income")] = ValueRef::Double(income);
    context::DecisionContext context;
    context.attributes.assign(strategy_->context.attributes.defaults().begin(),
                              strategy_->context.attributes.defaults().end());
    context.max_treatments = 3;
    StageTimes times;
    StageTimer timer(times);
    RunPipeline(*strategy_, stops::StopSet(), context, customer::CustomerState(), features_,
                std::nullopt, timer, result_, evidence::RampReach(), standings);
    for (const candidates::Rejection& rejection : result_.policy.rejected) {
      if (rejection.treatment != 0) continue;
      rejection_ = rejection;
      return strategy_->engagement[rejection.rule].name;
    }
    return "";
  }
  size_t Slot(std::string_view feature) const {
    return static_cast<size_t>(strategy_->features.SlotOf(feature));
  }
  std::string Sentence() {
    policy::RuleExplanation explanation(strategy_->engagement, result_.policy.engagement);
    explanation.Explain(rejection_);
    std::string text;
    {
      TextBuffer buffer(text);
      explanation.AppendSentence(buffer);
      explanation.AppendNearestChange(buffer);
    }
    return text;
  }

  testing::StrategyBuilder builder_;
  std::shared_ptr<strategy::Strategy> strategy_;
  value::Standings standings_;
  std::vector<ValueRef> features_;
  PipelineResult result_;
  candidates::Rejection rejection_;
};

TEST_F(ScoreRulesTest, SeeValuePercentileAndTier) {
  EXPECT_EQ(RuleFor(9.99, 2000, &standings_), "spends");
  EXPECT_EQ(RuleFor(11, 2000, &standings_), "upper_half") << "132 a year: 14 of 100 are below";
  EXPECT_EQ(RuleFor(45, 2000, &standings_), "high_tier") << "540 a year";
  EXPECT_EQ(RuleFor(80, 2000, &standings_), "") << "960 a year";
}

// A score that a model gives, 2 years and a half of one for each 10 EUR a month, beside a rule on
// the same feature.
class ModelScoreRulesTest : public ScoreRulesTest {
 protected:
  ModelScoreRulesTest() {
    UseRules(R"pb(
      eligibility { name: "pays" when: "customer.monthly_charges >= 10.0" }
      eligibility { name: "stays" when: "score.years.value > 3.0" }
      eligibility { name: "for_long" when: "score.years.tier == 'long'" }
    )pb");
    value::QuantileSketch years;
    for (int i = 0; i < 10; ++i) years.Add(i);
    standings_.scores = {years.MakeTable()};
  }

  void UseRules(const std::string& rules) {
    strategy_ = builder_.BuildFromText(std::string(testing::kSmallStrategy) + R"pb(
                                             models { name: "lifetime" file: "lifetime.yaml" }
                                             scores {
                                               name: "years"
                                               model: "lifetime"
                                               tiers { name: "short" }
                                               tiers { name: "long" from_percentile: 50 }
                                             }
                                           )pb" +
                                           rules,
                                       {testing::kSolveModel, testing::kSellModel, R"pb(
                                          linear {
                                            link: LINK_IDENTITY
                                            intercept: 2
                                            terms {
                                              input: "customer.monthly_charges"
                                              numeric { weight: 0.05 }
                                            }
                                          }
                                        )pb"});
  }
};

TEST_F(ModelScoreRulesTest, RulesSeeWhatTheModelPredicts) {
  EXPECT_EQ(RuleFor(5, 0, &standings_), "pays");
  EXPECT_EQ(RuleFor(19, 0, &standings_), "stays") << "2.95";
  EXPECT_EQ(RuleFor(40, 0, &standings_), "for_long") << "4: 4 of 10 are below, and half of one";
  EXPECT_EQ(RuleFor(80, 0, &standings_), "") << "6";
}

TEST_F(ModelScoreRulesTest, OutsideOfDecisionsItIsTheSame) {
  policy::ScoreEvaluator evaluator(strategy_->engagement.scores());
  RuleFor(80, 0, &standings_);
  EXPECT_DOUBLE_EQ(evaluator.Evaluate(features_)[0], 6);
  EXPECT_DOUBLE_EQ(result_.policy.engagement.Predicted(0).double_value(), 6);
}

// With 10 EUR a month the first rule would hold, but no longer the second, which does now.
TEST_F(ModelScoreRulesTest, NoChangeIsToldOfWhatMovesTheScoreToo) {
  UseRules(R"pb(
    eligibility { name: "pays" when: "customer.monthly_charges >= 10.0" }
    eligibility { name: "leaves" when: "score.years.value < 2.4" }
  )pb");
  ASSERT_EQ(RuleFor(5, 0, &standings_), "pays");
  policy::RuleExplanation explanation(strategy_->engagement, result_.policy.engagement);
  explanation.Explain(rejection_);
  std::string change;
  {
    TextBuffer buffer(change);
    explanation.AppendNearestChange(buffer);
  }
  EXPECT_EQ(change, "");
}

// Predicts half of the score's index, and counts how often.
class CountingPredictor final : public policy::ScorePredictor {
 public:
  double Predict(int score, absl::Span<const ValueRef>) override {
    ++asked;
    return score / 2.0;
  }
  int asked = 0;
};

TEST(SharedScoresTest, AModelIsAskedOncePerDecision) {
  CountingPredictor predictor;
  policy::SharedScores shared;
  for (int decision = 1; decision <= 2; ++decision) {
    shared.Reset();
    for (int channel = 0; channel < 3; ++channel) {
      EXPECT_EQ(shared.Predicted(&predictor, 3, {}).double_value(), 1.5);
    }
    EXPECT_EQ(predictor.asked, decision);
  }
  EXPECT_EQ(shared.Predicted(&predictor, 1, {}).double_value(), 0.5);
}

class ScoreEventTest : public ScoreRulesTest {
 protected:
  // The event of a decision for somebody unknown.
  void Decide();

  attune::storage::v1::DecisionEvent event_;
};

void ScoreEventTest::Decide() {
  testing::FakeStateStore store;
  const Decider decider(&store, HashKeyFromSeed(1));
  context::DecisionContext context;
  context.customer_id = "ann";
  context.attributes.assign(strategy_->context.attributes.defaults().begin(),
                            strategy_->context.attributes.defaults().end());
  context.max_treatments = 3;
  context.time_us = 1'772'323'200'000'000;
  DecideOptions options;
  options.standings = &standings_;
  Decision decision;
  const absl::Status status = decider.Decide(
      *strategy_, context, options, [](const Decision&, AnswerForm, std::string*) {}, decision);
  ASSERT_TRUE(status.ok()) << status;
  const std::vector<storage::LogEntry> log = store.Log();
  ASSERT_EQ(log.size(), 1u);
  ASSERT_TRUE(event_.ParseFromString(log.front().payload));
}

TEST_F(ScoreEventTest, TellsWhereTheCustomerStood) {
  Decide();
  // Who isn't known has the declared default, 20 a month; nobody was asked for the wealth.
  EXPECT_THAT(event_.score(), ::testing::ElementsAre(0));
  EXPECT_THAT(event_.score_percentile(), ::testing::ElementsAre(24.5));
}

TEST_F(ScoreEventTest, TellsWhatOnlyAFormulaAskedFor) {
  auto file =
      testing::FromText<strategy::v1::Strategy>(std::string(testing::kSmallStrategy) + kSpendScore);
  file.mutable_arbitration()->set_priority("value + score.spend.percentile");
  strategy_ = builder_.Build(file, {testing::FromText<strategy::v1::Model>(testing::kSolveModel),
                                    testing::FromText<strategy::v1::Model>(testing::kSellModel)});
  Decide();
  EXPECT_THAT(event_.score(), ::testing::ElementsAre(0));
  EXPECT_THAT(event_.score_percentile(), ::testing::ElementsAre(24.5));
}

TEST_F(ScoreEventTest, TellsWhatWasComputedOfValuesAndCosts) {
  auto file =
      testing::FromText<strategy::v1::Strategy>(std::string(testing::kSmallStrategy) + kSpendScore);
  file.mutable_treatments(1)->set_computed_value("score.spend.value / 4.0");  // 240 / 4
  const std::vector<strategy::v1::Model> models = {
      testing::FromText<strategy::v1::Model>(testing::kSolveModel),
      testing::FromText<strategy::v1::Model>(testing::kSellModel)};
  strategy_ = builder_.Build(file, models);
  Decide();
  ASSERT_EQ(event_.value_size(), event_.scored_size());
  EXPECT_EQ(event_.value(0), 100) << "as it is written";
  EXPECT_EQ(event_.value(1), 60);
  ASSERT_EQ(event_.cost_size(), event_.scored_size());
  EXPECT_EQ(event_.cost(0), 5) << "as it is written";
  file.mutable_treatments(1)->set_computed_value("score.spend.value - 241.0");
  file.mutable_treatments(0)->set_computed_cost("2.5");
  strategy_ = builder_.Build(file, models);
  Decide();
  ASSERT_EQ(event_.cost_size(), event_.scored_size());
  EXPECT_EQ(event_.cost(0), 2.5);
  EXPECT_EQ(event_.value(1), 0) << "it can't be computed";
  EXPECT_EQ(event_.cost(1), 0);
  file.mutable_treatments(0)->set_computed_cost("-1.0");
  file.mutable_treatments(0)->set_must_show(true);
  strategy_ = builder_.Build(file, models);
  Decide();
  EXPECT_EQ(event_.value(0), 0) << "it is written, but without a cost it does not count";
  EXPECT_EQ(event_.cost(0), 0);
}

TEST_F(ScoreEventTest, WithoutFormulasValuesAreThoseOfTheStrategy) {
  Decide();
  EXPECT_EQ(event_.value_size(), 0);
  EXPECT_EQ(event_.cost_size(), 0);
}

TEST_F(ScoreRulesTest, WithoutABaseEverybodyIsInTheMiddle) {
  EXPECT_EQ(RuleFor(1e6, 2000, nullptr), "high_tier") << "the percentile is 50";
  EXPECT_EQ(RuleFor(10, 2000, nullptr), "high_tier");
}

TEST_F(ScoreRulesTest, OfAScoreThatIsComputedInAnotherWayNothingIsKnown) {
  const auto& scores = strategy_->engagement.scores().scores;
  standings_.fingerprints = {"another", scores[1].fingerprint};
  EXPECT_EQ(RuleFor(80, 2000, &standings_), "high_tier") << "the percentile is 50";
  standings_.fingerprints[0] = scores[0].fingerprint;
  EXPECT_EQ(RuleFor(80, 2000, &standings_), "");
}

TEST_F(ScoreRulesTest, ARuleThatAsksForAScoreThatThereIsNotFails) {
  for (const char* call : {"percentile_of_score(1.0, 2) >= 0.0", "tier_of_score(1.0, 2) != 'x'",
                           "percentile_of_score(1.0, -1) >= 0.0"}) {
    strategy_ =
        builder_.BuildFromText(std::string(testing::kSmallStrategy) + kSpendScore + kScoreRules +
                                   "eligibility { name: \"wild\" when: \"" + call + "\" }",
                               {testing::kSolveModel, testing::kSellModel});
    EXPECT_EQ(RuleFor(80, 2000, &standings_), "wild") << call;
    EXPECT_EQ(rejection_.reason, candidates::Reason::kRuleError);
  }
}

TEST_F(ScoreRulesTest, ExplanationsTellAScore) {
  EXPECT_EQ(RuleFor(45, 2000, &standings_), "high_tier");
  EXPECT_THAT(Sentence(), HasSubstr("score.spend.tier"));
  EXPECT_THAT(Sentence(), HasSubstr("low"));
}

TEST_F(ScoreRulesTest, ExplanationsTellNothingOfAScoreFromAProtectedFeature) {
  EXPECT_EQ(RuleFor(80, 4.75, &standings_), "wealthy");
  EXPECT_THAT(Sentence(), Not(HasSubstr("4.75")));
  EXPECT_THAT(Sentence(), Not(HasSubstr("7.0")));
}

}  // namespace
}  // namespace attune::decision
