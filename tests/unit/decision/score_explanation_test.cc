#include "lib/decision/score_explanation.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/scoring/remote_model.h"
#include "lib/scoring/score_parts.h"
#include "lib/scoring/tree_model.h"
#include "tests/testing/fake_state_store.h"
#include "tests/testing/strategy_builder.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::decision {
namespace {

using ::testing::ElementsAre;

constexpr int kSellIndex = 1;    // in the models of the small strategy
constexpr int kBrowsePlans = 2;  // DecisionContext::intent
constexpr int64_t kDayOneUs = 1'772'323'200'000'000;

// Counts how often a score is taken apart; the parts tell for which treatment.
class CountedModel : public scoring::Model {
 public:
  CountedModel(bool looks_at_treatment, int* asked)
      : looks_at_treatment_(looks_at_treatment), asked_(*asked) {}

  void Predict(const scoring::InputFrame&, absl::Span<const int>, absl::Span<double> propensity,
               scoring::ModelScratch&) const override {
    for (double& one : propensity) one = 0.5;
  }
  std::optional<scoring::ScoreParts> Parts(const scoring::InputFrame&,
                                           int treatment) const override {
    ++asked_;
    scoring::ScoreParts parts;
    parts.base = parts.score = treatment;
    return parts;
  }
  std::optional<std::vector<scoring::Input>> PartInputs() const override {
    return std::vector<scoring::Input>();
  }
  bool LooksAtTreatment() const override { return looks_at_treatment_; }

 private:
  const bool looks_at_treatment_;
  int& asked_;
};

// Scores of testing::kSmallStrategy. The model `solve` looks at a protected feature, `sell` at
// none.
class ScoreExplanationTest : public ::testing::Test {
 protected:
  ScoreExplanationTest() { Use(testing::BuildSmallStrategy(builder_)); }

  void Use(std::shared_ptr<strategy::Strategy> strategy) {
    strategy_ = std::move(strategy);
    context_ = {};
    context_.customer_id = "customer-1";
    context_.time_us = kDayOneUs;
    context_.max_treatments = 4;
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
    features_.assign(strategy_->features.defaults().begin(), strategy_->features.defaults().end());
  }
  ValueRef& Feature(std::string_view name) {
    return features_[static_cast<size_t>(strategy_->features.SlotOf(name))];
  }
  void Decide() {
    decision_.features = features_;
    StageTimer timer(decision_.times);
    RunPipeline(*strategy_, stops::StopSet(), context_, customer::CustomerState(),
                decision_.features, std::nullopt, timer, decision_.result);
  }
  const arbitration::RankedTreatment& Ranked(std::string_view name) const {
    for (const auto& ranked : decision_.result.arbitration.ranked) {
      if (ranked.treatment == strategy_->catalog.Find(name)) return ranked;
    }
    ADD_FAILURE() << name << " is not ranked";
    return decision_.result.arbitration.ranked.front();
  }
  std::optional<scoring::ScoreParts> PartsOf(std::string_view name) const {
    const ExplainedModels models(*strategy_);
    ScoreExplainer explainer(*strategy_, models, context_, decision_);
    const scoring::ScoreParts* const parts = explainer.PartsOf(Ranked(name));
    return parts == nullptr ? std::nullopt : std::optional(*parts);
  }
  // "customer.vip = true: 0.3" of every part.
  std::vector<std::string> Shown(std::string_view name) const {
    const ExplainedModels models(*strategy_);
    ScoreExplainer explainer(*strategy_, models, context_, decision_);
    const scoring::ScoreParts* const parts = explainer.PartsOf(Ranked(name));
    if (parts == nullptr) return {"nothing to tell"};
    std::vector<std::string> shown;
    explainer.ForEachPart(Ranked(name), *parts, [&](const ShownPart& part) {
      shown.push_back(absl::StrCat(std::string(part.input), " = ", std::string(part.value), ": ",
                                   part.contribution));
    });
    return shown;
  }
  // Puts a model of trees in the place of `sell`, with these three names of features.
  void SellByTrees(const std::string& names, const std::string& reference) {
    trees::LightgbmText text;
    text.trees = {trees::LightgbmStump(8, "0.5"),
                  absl::StrReplaceAll(trees::LightgbmStump(8, "24.5"),
                                      {{"split_feature=0", "split_feature=1"}})};
    const scoring::InputNames inputs{strategy_->features, strategy_->context, strategy_->catalog};
    strategy_->models.models[kSellIndex].model = scoring::TreeModel::Create(
        trees::MustRead(absl::StrReplaceAll(text.ToString(),
                                            {{"feature_names=a b c", "feature_names=" + names}})),
        testing::FromText<strategy::v1::ModelReference>("file: 'm' " + reference), inputs,
        strategy_->models.inputs, [](std::string_view path, const std::string& message) {
          ADD_FAILURE() << path << ": " << message;
        });
  }

  testing::StrategyBuilder builder_;
  std::shared_ptr<strategy::Strategy> strategy_;
  context::DecisionContext context_;
  std::vector<ValueRef> features_;
  Decision decision_;
};

TEST_F(ScoreExplanationTest, TellsEachTermOfALinearModel) {
  context_.intent = kBrowsePlans;
  Feature("plan") = ValueRef::String("premium");
  Feature("vip") = ValueRef::Bool(true);
  Decide();
  EXPECT_THAT(Shown("accessory"),
              ElementsAre("customer.plan = \"premium\": -2", "context.intent = browse_plans: 1",
                          "customer.vip = true: 0.3"));
  const std::optional<scoring::ScoreParts> parts = PartsOf("accessory");
  ASSERT_TRUE(parts.has_value());
  EXPECT_DOUBLE_EQ(parts->base, -1);
  EXPECT_DOUBLE_EQ(parts->score, -1.7);
  EXPECT_EQ(parts->link, "logit");
  EXPECT_EQ(scoring::SumOf(*parts), parts->score);
}

TEST_F(ScoreExplanationTest, TakesAScoreApartOnce) {
  for (const bool looks_at_treatment : {false, true}) {
    int asked = 0;
    for (scoring::NamedModel& model : strategy_->models.models) {
      model.model = std::make_unique<CountedModel>(looks_at_treatment, &asked);
    }
    Decide();
    const ExplainedModels models(*strategy_);
    ScoreExplainer explainer(*strategy_, models, context_, decision_);
    std::set<int> subjects;  // treatments, or models that don't look at them
    for (const auto& ranked : decision_.result.arbitration.ranked) {
      explainer.ForEachReason(ranked, [](std::string_view reason) { ADD_FAILURE() << reason; });
      const scoring::ScoreParts* const parts = explainer.PartsOf(ranked);
      ASSERT_NE(parts, nullptr);
      EXPECT_EQ(explainer.PartsOf(ranked), parts);
      if (looks_at_treatment) {
        EXPECT_EQ(parts->score, ranked.treatment);
      }
      subjects.insert(
          looks_at_treatment
              ? ranked.treatment
              : strategy_->catalog.treatments[static_cast<size_t>(ranked.treatment)].model);
    }
    EXPECT_GE(subjects.size(), 2u);
    EXPECT_EQ(asked, static_cast<int>(subjects.size()));
  }
}

TEST_F(ScoreExplanationTest, MarksDefaultsAndLeavesOutWhatMovedNothing) {
  Feature("plan").set_known(false);
  Decide();
  EXPECT_THAT(Shown("accessory"), ElementsAre("customer.plan = \"basic\" (default): 0.5"));
}

// Also where the protected feature moves nothing: who sees parts only then knows its value.
TEST_F(ScoreExplanationTest, TellsNothingOfAModelThatLooksAtAProtectedFeature) {
  for (const double income : {1'000.0, 3'000.0}) {
    Feature("income") = ValueRef::Double(income);
    Decide();
    EXPECT_EQ(PartsOf("fast_callback"), std::nullopt) << income;
    EXPECT_NE(PartsOf("accessory"), std::nullopt) << "another model";
  }
}

TEST_F(ScoreExplanationTest, TellsNothingOfADefaultAndTheFallbacksPartsOfAFallback) {
  using Action = scoring::OnError::Action;
  std::vector<scoring::NamedModel>& models = strategy_->models.models;
  models[0].model =
      std::make_unique<scoring::RemoteModel>("solve", scoring::FeatureColumns(), nullptr);
  models[0].on_error = {Action::kDefaultPropensity, 0.5, -1};
  Decide();
  EXPECT_EQ(PartsOf("fast_callback"), std::nullopt);
  models[0].on_error = {Action::kFallback, 0, kSellIndex};
  Decide();
  EXPECT_EQ(Shown("fast_callback"), Shown("accessory"));
  EXPECT_NE(PartsOf("fast_callback"), std::nullopt);
}

TEST_F(ScoreExplanationTest, TellsNothingOfAFormula) {
  auto file = testing::FromText<strategy::v1::Strategy>(testing::kSmallStrategy);
  file.mutable_models(kSellIndex)->clear_file();
  file.mutable_models(kSellIndex)->set_formula("customer.vip ? 0.9 : 0.8");
  Use(builder_.Build(file, {testing::FromText<strategy::v1::Model>(testing::kSolveModel)}));
  Decide();
  EXPECT_EQ(PartsOf("accessory"), std::nullopt);
}

TEST_F(ScoreExplanationTest, TellsNothingOfAnInfiniteScore) {
  Feature("vip") = ValueRef::Bool(true);
  strategy_->models.models[kSellIndex].model = scoring::CreateModel(
      testing::FromText<strategy::v1::Model>(R"pb(
        linear {
          link: LINK_LOGISTIC
          terms {
            input: "customer.monthly_charges"
            numeric { weight: 1e300 }
          }
        }
      )pb"),
      {strategy_->features, strategy_->context, strategy_->catalog}, strategy_->models.inputs,
      [](std::string_view, const std::string& message) { ADD_FAILURE() << message; });
  Feature("monthly_charges") = ValueRef::Double(1e300);
  Decide();
  const auto& ranked = Ranked("accessory");
  EXPECT_EQ(decision_.result.scored.scored[static_cast<size_t>(ranked.scored)].propensity, 1);
  EXPECT_EQ(PartsOf("accessory"), std::nullopt);
}

TEST_F(ScoreExplanationTest, TellsTheSameOfAnExploratoryPick) {
  arbitration::Settings& settings = strategy_->arbitration;
  Decide();
  const std::vector<std::string> greedy = Shown("accessory");
  settings.explorations = {
      {.method = arbitration::Exploration::Method::kEpsilonGreedy, .epsilon = 1}};
  settings.exploration_of_group = {0, 0, 0};
  testing::FakeStateStore store;
  do {
    context_.time_us += 1'000;
    ASSERT_TRUE(Decider(&store, HashKeyFromSeed(1))
                    .Decide(
                        *strategy_, context_, {}, [](const Decision&, AnswerForm, std::string*) {},
                        decision_)
                    .ok());
  } while (decision_.result.arbitration.ranked[0].treatment !=
           strategy_->catalog.Find("accessory"));
  ASSERT_TRUE(decision_.result.arbitration.explored());
  EXPECT_EQ(Shown("accessory").size(), greedy.size());
  EXPECT_NE(PartsOf("accessory"), std::nullopt);
}

TEST_F(ScoreExplanationTest, TellsThePartsOfWhatMustBeShown) {
  strategy_->catalog.treatments[static_cast<size_t>(strategy_->catalog.Find("accessory"))]
      .must_show = true;
  Decide();
  ASSERT_EQ(decision_.result.arbitration.ranked[0].treatment, strategy_->catalog.Find("accessory"));
  EXPECT_NE(PartsOf("accessory"), std::nullopt);
}

TEST_F(ScoreExplanationTest, NamesTheFeaturesOfTrees) {
  SellByTrees("is_gold tenure_months shoe_size",
              "inputs { feature: 'is_gold' input: 'customer.plan' equals: 'gold' }");
  Feature("plan") = ValueRef::String("gold");
  Feature("tenure_months") = ValueRef::Int(24);
  Decide();
  // Each tree is expected to add 0.5, and adds 1 or -1.
  EXPECT_THAT(Shown("accessory"), ElementsAre("customer.tenure_months = 24: -1.5",
                                              "customer.plan (is_gold) = \"gold\": 0.5"));
  EXPECT_EQ(PartsOf("accessory")->base, 1);
  EXPECT_EQ(PartsOf("accessory")->score, 0);
  EXPECT_EQ(PartsOf("accessory")->link, "identity");
}

TEST_F(ScoreExplanationTest, PrintsHostileNamesOfFeaturesQuoted) {
  SellByTrees("\x1b[31m tenure_months c",
              "inputs { feature: '\\x1b[31m' input: 'customer.plan' equals: 'gold' }");
  Feature("plan") = ValueRef::String("gold");
  Feature("tenure_months") = ValueRef::Int(24);
  Decide();
  EXPECT_EQ(Shown("accessory").back(), "customer.plan (\"\\x1b[31m\") = \"gold\": 0.5");
}

TEST_F(ScoreExplanationTest, SumsUpTheOthers) {
  auto model = testing::FromText<strategy::v1::Model>("linear { link: LINK_IDENTITY }");
  for (size_t i = 0; i < scoring::kMaxContributions + 3; ++i) {
    strategy::v1::LinearTerm& term = *model.mutable_linear()->add_terms();
    term.set_input("customer.vip");
    term.mutable_numeric()->set_weight(i < 3 ? 0.125 : 0.25);
  }
  strategy_->models.models[kSellIndex].model = scoring::CreateModel(
      model, {strategy_->features, strategy_->context, strategy_->catalog},
      strategy_->models.inputs,
      [](std::string_view, const std::string& message) { ADD_FAILURE() << message; });
  Feature("vip") = ValueRef::Bool(true);
  Decide();
  const std::vector<std::string> shown = Shown("accessory");
  ASSERT_EQ(shown.size(), scoring::kMaxContributions + 1);
  EXPECT_EQ(shown.front(), "customer.vip = true: 0.25");
  EXPECT_EQ(shown.back(), "(others) = : 0.375");
}

TEST_F(ScoreExplanationTest, TellsTheChannelThatWasChosen) {
  strategy_->models.models[kSellIndex].model = scoring::CreateModel(
      testing::FromText<strategy::v1::Model>(R"pb(
        linear {
          link: LINK_LOGISTIC
          terms {
            input: "context.channel"
            one_hot {
              weights { key: "app" value: 0.25 }
              weights { key: "ivr" value: 2 }
            }
          }
          terms {
            input: "treatment.name"
            one_hot { weights { key: "accessory" value: 1 } }
          }
        }
      )pb"),
      {strategy_->features, strategy_->context, strategy_->catalog}, strategy_->models.inputs,
      [](std::string_view, const std::string& message) { ADD_FAILURE() << message; });
  context_.open_channels = {0, 1};
  testing::FakeStateStore store;
  ASSERT_TRUE(
      Decider(&store, HashKeyFromSeed(1))
          .Decide(
              *strategy_, context_, {}, [](const Decision&, AnswerForm, std::string*) {}, decision_)
          .ok());
  EXPECT_THAT(Shown("accessory"),
              ElementsAre("context.channel = ivr: 2", "treatment.name = accessory: 1"));
}

}  // namespace
}  // namespace attune::decision
