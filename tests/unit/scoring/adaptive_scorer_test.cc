#include "lib/scoring/adaptive_scorer.h"

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/scoring/score_parts.h"
#include "tests/testing/strategy_builder.h"

namespace attune::scoring {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

namespace pb = attune::strategy::v1;

// On the inputs of testing::kSmallStrategy. Treatments: 0 fast_callback (resolution), 1
// goodwill_credit (care), 2 upgrade (offer), 3 accessory (offer).
class AdaptiveScorerTest : public ::testing::Test {
 protected:
  AdaptiveScorerTest()
      : strategy_(builder_.BuildFromText(testing::kSmallStrategy, {})),
        names_{strategy_->features, strategy_->context, strategy_->catalog},
        features_(strategy_->features.defaults().begin(), strategy_->features.defaults().end()) {
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
    context_.time_us = 1'772'323'200'000'000;
  }

  std::unique_ptr<const AdaptiveScorer> Create(const std::string& text, size_t treatments = 4) {
    issues_.clear();
    const auto reference =
        testing::FromText<pb::ModelReference>(absl::StrCat("name: 'm' adaptive {", text, "}"));
    return AdaptiveScorer::Create(reference, kIndex, treatments, names_, inputs_,
                                  [this](std::string_view path, std::string message) {
                                    issues_.emplace_back(std::string(path), std::move(message));
                                  });
  }
  std::vector<std::pair<std::string, std::string>> IssuesOf(const std::string& text) {
    EXPECT_EQ(Create(text), nullptr) << text;
    return issues_;
  }

  const InputFrame& Frame() {
    inputs_.Fill(strategy_->context, context_, features_, frame_);
    return frame_;
  }
  // Of all treatments, with their deviations.
  std::vector<double> Predict(const AdaptiveScorer& model, const LearnedModels* learned = nullptr) {
    const std::vector<int> treatments = {0, 1, 2, 3};
    std::vector<double> propensities(treatments.size());
    deviations_.assign(treatments.size(), kUnknownDeviation);
    inputs_.Fill(strategy_->context, context_, features_, frame_);
    frame_.learned = learned;
    EXPECT_EQ(
        model.PredictBatch({frame_, treatments},
                           {absl::MakeSpan(propensities), absl::MakeSpan(deviations_)}, scratch_),
        ModelFailure::kNone);
    return propensities;
  }
  // What a model has learned after so many good ones of the treatment, in the situation of now.
  LearnedModels LearnedFrom(const AdaptiveScorer& model, size_t treatment, int examples) {
    auto learner = *learning::AdaptiveModel::Create(model.layout(), model.options());
    std::vector<learning::InputValue> values;
    model.ValuesOf(Frame(), values);
    const catalog::Treatment& of = strategy_->catalog.treatments[treatment];
    for (int i = 0; i < examples; ++i) {
      learning::Example example;
      example.id = static_cast<uint64_t>(i);
      example.time = absl::UnixEpoch();
      example.treatment = of.number;
      example.group = strategy_->catalog.groups[static_cast<size_t>(of.group)].number;
      example.label = 1;
      example.inputs = values;
      EXPECT_TRUE(learner.Learn(example).ok());
    }
    LearnedModels learned;
    learned.models.resize(kIndex + 1);
    learned.models[kIndex] = learner.MakeSnapshot();
    return learned;
  }

  static constexpr size_t kIndex = 2;  // of the model in the strategy
  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  const InputNames names_;
  InputTable inputs_;
  std::vector<ValueRef> features_;
  context::DecisionContext context_;
  InputFrame frame_;
  ModelScratch scratch_;
  std::vector<double> deviations_;
  std::vector<std::pair<std::string, std::string>> issues_;
};

TEST_F(AdaptiveScorerTest, PredictsThePriorUntilSomethingIsLearned) {
  const auto model = Create("prior: 0.2");
  ASSERT_NE(model, nullptr);
  EXPECT_THAT(Predict(*model), Each(DoubleNear(0.2, 1e-6)));
  EXPECT_THAT(deviations_, Each(::testing::AllOf(::testing::Gt(0.0), ::testing::Lt(0.4))));
  const auto standard = Create("");
  EXPECT_THAT(Predict(*standard), Each(DoubleNear(0.05, 1e-6)));
  const LearnedModels nothing;
  EXPECT_THAT(Predict(*standard, &nothing), Each(DoubleNear(0.05, 1e-6)));
}

TEST_F(AdaptiveScorerTest, PredictsWhatWasLearnedOfTreatmentAndGroup) {
  const auto model = Create("inputs: 'customer.vip'");
  const LearnedModels learned = LearnedFrom(*model, /*treatment=*/3, 50);
  const std::vector<double> before = Predict(*model);
  const std::vector<double> after = Predict(*model, &learned);
  EXPECT_GT(after[3], after[2]) << "the treatment more than its group";
  EXPECT_GT(after[2], after[0]) << "the group more than the others";
  EXPECT_GT(after[0], before[0]);
  EXPECT_EQ(after[0], after[1]);
  EXPECT_TRUE(model->LooksAtTreatment());
  EXPECT_TRUE(model->Learns());
  EXPECT_EQ(model->Noun(), "") << "its parts tell";
}

TEST_F(AdaptiveScorerTest, TakesAScoreApart) {
  const auto model = Create(
      "inputs: ['customer.vip', 'customer.plan', 'context.channel']"
      " crosses { first: 'customer.plan' second: 'context.channel' }");
  ASSERT_NE(model, nullptr);
  const LearnedModels learned = LearnedFrom(*model, /*treatment=*/3, 50);
  const std::vector<double> propensities = Predict(*model, &learned);
  for (int treatment = 0; treatment < 4; ++treatment) {
    std::optional<ScoreParts> parts = model->Parts(frame_, treatment);
    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->link, "logit");
    EXPECT_EQ(learning::Sigmoid(parts->score), propensities[static_cast<size_t>(treatment)]);
    ASSERT_EQ(parts->contributions.size(), 3u);
    EXPECT_GT(parts->contributions[0].amount, 0);
    // The plan and the channel were learned from in the same way, and share what they do together.
    EXPECT_GT(parts->contributions[1].amount, parts->contributions[0].amount);
    EXPECT_EQ(parts->contributions[1].amount, parts->contributions[2].amount);
    ASSERT_TRUE(Arrange(*parts));
    EXPECT_EQ(SumOf(*parts), parts->score) << "to the last bit";
  }
  EXPECT_EQ(model->PartInputs()->size(), 3u);
  EXPECT_EQ(model->PartInputs()->back().source, Input::Source::kChannel);
}

TEST_F(AdaptiveScorerTest, HasNothingToTellOfInputsBeforeItLearns) {
  const auto model = Create("inputs: ['customer.vip', 'customer.plan']");
  Predict(*model);
  const std::optional<ScoreParts> parts = model->Parts(frame_, 2);
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->base, parts->score);
  for (const Contribution& part : parts->contributions) EXPECT_EQ(part.amount, 0);
}

TEST_F(AdaptiveScorerTest, GivesWhatACrossAddsToTheProtectedOneOfItsInputs) {
  // Otherwise half of what depends on a protected value would be told of the other input.
  const InputNames open{strategy_->features, strategy_->context, strategy_->catalog};
  std::vector<ValueDeclaration> declarations;
  for (int i = 0; i < strategy_->features.size(); ++i) {
    const ValueDeclaration& declared = strategy_->features[i];
    declarations.push_back({.name = declared.name,
                            .type = declared.type,
                            .default_value = declared.default_value,
                            .description = declared.description,
                            .is_protected = declared.name == "vip",
                            .number = declared.number});
  }
  const ValueSchema guarded(std::move(declarations));
  const auto reference = testing::FromText<pb::ModelReference>(
      "name: 'm' adaptive { inputs: ['customer.vip', 'customer.plan']"
      " crosses { first: 'customer.vip' second: 'customer.plan' } }");
  const auto amounts_with = [&](const ValueSchema& features) {
    const auto model =
        AdaptiveScorer::Create(reference, kIndex, 4, {features, open.context, open.catalog},
                               inputs_, [](std::string_view, const std::string&) {});
    const LearnedModels learned = LearnedFrom(*model, /*treatment=*/3, 50);
    Predict(*model, &learned);
    std::vector<double> amounts;
    const std::optional<ScoreParts> parts = model->Parts(frame_, 3);
    for (const Contribution& part : parts->contributions) amounts.push_back(part.amount);
    return amounts;
  };
  const std::vector<double> shared = amounts_with(strategy_->features);
  const std::vector<double> kept = amounts_with(guarded);
  EXPECT_GT(kept[0], shared[0]);
  EXPECT_LT(kept[1], shared[1]);
  EXPECT_NEAR(kept[0] + kept[1], shared[0] + shared[1], 1e-12);
}

TEST_F(AdaptiveScorerTest, WaitsForEnoughEvidence) {
  const auto model = Create("min_evidence: 10");
  LearnedModels learned = LearnedFrom(*model, 3, 9);
  EXPECT_THAT(Predict(*model, &learned), Each(DoubleNear(0.05, 1e-6)));
  learned = LearnedFrom(*model, 3, 10);
  EXPECT_GT(Predict(*model, &learned)[3], 0.2);
}

TEST_F(AdaptiveScorerTest, SeesValuesAsTheyAreAndWhatIsNotKnownAsMissing) {
  const auto model = Create(
      "inputs: ['customer.vip', 'customer.tenure_months', 'customer.plan', 'customer.since',"
      " 'context.attributes.topic', 'context.channel', 'context.intent']");
  ASSERT_NE(model, nullptr) << issues_.front().second;
  std::vector<learning::InputValue> values;
  model->ValuesOf(Frame(), values);
  ASSERT_EQ(values.size(), 7u);
  for (const size_t unknown : {0, 1, 3}) EXPECT_TRUE(std::isnan(values[unknown].number()));
  for (const size_t unknown : {2, 4, 6}) {
    EXPECT_FALSE(values[unknown].has_text());
    EXPECT_TRUE(std::isnan(values[unknown].number()));
  }
  EXPECT_EQ(values[5].text(), "app");

  const auto set = [&](std::string_view name, const ValueRef& value) {
    features_[static_cast<size_t>(strategy_->features.SlotOf(name))] = value;
  };
  set("vip", ValueRef::Bool(true));
  set("tenure_months", ValueRef::Int(7));
  set("plan", ValueRef::String("premium"));
  constexpr int64_t kDayUs = 86'400'000'000;
  set("since", ValueRef::Timestamp(context_.time_us - 3 * kDayUs));
  context_.intent = 2;
  model->ValuesOf(Frame(), values);
  EXPECT_EQ(values[0].number(), 1);
  EXPECT_EQ(values[1].number(), 7);
  EXPECT_EQ(values[2].text(), "premium");
  EXPECT_EQ(values[3].number(), 3);
  EXPECT_EQ(values[6].text(), "browse_plans");
  EXPECT_EQ(model->layout()->inputs()[0].kind, learning::InputKind::kBool);
  EXPECT_EQ(model->layout()->inputs()[3].kind, learning::InputKind::kNumber);
}

TEST_F(AdaptiveScorerTest, TakesCrossesAndHalfLives) {
  const auto model = Create(
      "inputs: ['customer.plan', 'context.intent'] half_life { seconds: 3600 }"
      "crosses { first: 'customer.plan' second: 'context.intent' }");
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->layout()->crosses().size(), 1u);
  EXPECT_EQ(model->options().half_life, absl::Hours(1));
  EXPECT_EQ(Create("half_life {}")->options().half_life, absl::ZeroDuration());
  EXPECT_EQ(Create("")->options().half_life, absl::Hours(24 * 90));
}

TEST_F(AdaptiveScorerTest, ReportsEveryProblemWhereItIs) {
  EXPECT_THAT(IssuesOf("inputs: ['customer.plam', 'treatment.group', 'customer.interests',"
                       " 'customer.vip', 'customer.vip']"),
              ElementsAre(Pair("adaptive.inputs[0]", HasSubstr("\"customer.plan\"?")),
                          Pair("adaptive.inputs[1]", HasSubstr("leave out treatment.group")),
                          Pair("adaptive.inputs[2]", HasSubstr("string_list")),
                          Pair("adaptive.inputs[4]", HasSubstr("listed twice"))));
  EXPECT_THAT(IssuesOf("prior: 1 min_evidence: -1 half_life { seconds: 59 }"),
              ElementsAre(Pair("adaptive.prior", HasSubstr("not 1")),
                          Pair("adaptive.min_evidence", HasSubstr("not -1")),
                          Pair("adaptive.half_life", HasSubstr("not 59s"))));
  EXPECT_THAT(IssuesOf("prior: nan"), ElementsAre(Pair("adaptive.prior", HasSubstr("nan"))));
  EXPECT_THAT(
      IssuesOf("inputs: ['customer.plan', 'customer.vip']"
               "crosses { first: 'customer.plan' }"
               "crosses { first: 'customer.plan' second: 'customer.plan' }"
               "crosses { first: 'customer.plan' second: 'customer.vip' }"
               "crosses { first: 'customer.vip' second: 'customer.plan' }"
               "crosses { first: 'customer.vip' second: 'customer.income' }"),
      ElementsAre(Pair("adaptive.crosses[0].second", HasSubstr("is required")),
                  Pair("adaptive.crosses[1].second", HasSubstr("another input")),
                  Pair("adaptive.crosses[3]", "is listed twice"),
                  Pair("adaptive.crosses[4].second", HasSubstr("not among the model's inputs"))));
}

TEST_F(AdaptiveScorerTest, IsBounded) {
  EXPECT_EQ(Create("", kMaxAdaptiveTreatments + 1), nullptr);
  EXPECT_THAT(issues_, ElementsAre(Pair("adaptive", HasSubstr("1001 treatments"))));
  EXPECT_NE(Create("", kMaxAdaptiveTreatments), nullptr);
  // 15 crosses of 1024 weights are more than 15000.
  std::string crosses =
      "inputs: ['customer.vip', 'customer.tenure_months', 'customer.plan',"
      "'customer.since', 'customer.monthly_charges', 'customer.income']";
  const std::vector<std::string> names = {"vip",   "tenure_months",   "plan",
                                          "since", "monthly_charges", "income"};
  for (size_t i = 0; i < names.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      absl::StrAppend(&crosses, "crosses { first: 'customer.", names[i], "' second: 'customer.",
                      names[j], "' }");
    }
  }
  EXPECT_THAT(IssuesOf(crosses), ElementsAre(Pair("adaptive.inputs", HasSubstr("15000"))));
}

}  // namespace
}  // namespace attune::scoring
