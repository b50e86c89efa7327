#include "lib/scoring/success_rate_model.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/scoring/learned_models.h"
#include "tests/testing/strategy_builder.h"

namespace attune::scoring {
namespace {

using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Pair;

// On the small strategy: channels 0 app, 1 ivr; treatments 0 fast_callback to 3 accessory.
class SuccessRateModelTest : public ::testing::Test {
 protected:
  SuccessRateModelTest() : strategy_(builder_.BuildFromText(testing::kSmallStrategy, {})) {
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
  }

  std::unique_ptr<const SuccessRateModel> Create(const std::string& text) {
    issues_.clear();
    const auto reference = testing::FromText<attune::strategy::v1::ModelReference>(
        absl::StrCat("name: 'm' success_rate {", text, "}"));
    return SuccessRateModel::Create(reference,
                                    {strategy_->features, strategy_->context, strategy_->catalog},
                                    inputs_, [this](std::string_view path, std::string message) {
                                      issues_.emplace_back(std::string(path), std::move(message));
                                    });
  }
  std::vector<double> Predict(const SuccessRateModel& model, int channel,
                              const LearnedModels* learned) {
    context_.channel = channel;
    InputFrame frame;
    inputs_.Fill(strategy_->context, context_, strategy_->features.defaults(), frame);
    frame.learned = learned;
    const std::vector<int> treatments = {0, 1, 2, 3};
    std::vector<double> propensities(treatments.size());
    deviations_.assign(treatments.size(), kUnknownDeviation);
    ModelScratch scratch;
    EXPECT_EQ(
        model.PredictBatch({frame, treatments},
                           {absl::MakeSpan(propensities), absl::MakeSpan(deviations_)}, scratch),
        ModelFailure::kNone);
    std::vector<double> alone(treatments.size());
    model.Predict(frame, treatments, absl::MakeSpan(alone), scratch);
    EXPECT_EQ(alone, propensities);
    return propensities;
  }

  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  InputTable inputs_;
  context::DecisionContext context_;
  std::vector<double> deviations_;
  std::vector<std::pair<std::string, std::string>> issues_;
};

TEST_F(SuccessRateModelTest, PredictsThePriorUntilSomethingWasShown) {
  const auto model = Create("");
  ASSERT_NE(model, nullptr);
  EXPECT_THAT(Predict(*model, 0, nullptr), Each(DoubleEq(0.05)));
  // sqrt(0.05 x 0.95 / 21)
  EXPECT_THAT(deviations_, Each(DoubleNear(0.0475595, 1e-7)));
  const LearnedModels nothing;
  EXPECT_THAT(Predict(*Create("prior: 0.5"), 1, &nothing), Each(DoubleEq(0.5)));
  EXPECT_TRUE(model->Learns());
  EXPECT_TRUE(model->LooksAtTreatment());
  EXPECT_EQ(model->Noun(), "success rate m");
}

TEST_F(SuccessRateModelTest, PredictsTheRateOfTheTreatmentOnTheChannel) {
  const auto model = Create("prior: 0.5 prior_strength: 2");
  ASSERT_NE(model, nullptr);
  learning::SuccessRates rates;
  const uint32_t accessory = strategy_->catalog.treatments[3].number;
  const uint32_t app = strategy_->context.channels[0].number;
  const uint32_t ivr = strategy_->context.channels[1].number;
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(rates.Add(accessory, app, i < 2, 0).ok());
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(rates.Add(accessory, ivr, true, 0).ok());
  LearnedModels learned;
  learned.rates = std::make_shared<const learning::SuccessRates>(rates);
  // (1 + 2) / (2 + 8), and (1 + 2) / (2 + 2).
  EXPECT_THAT(Predict(*model, 0, &learned),
              ElementsAre(DoubleEq(0.5), DoubleEq(0.5), DoubleEq(0.5), DoubleEq(0.3)));
  EXPECT_NEAR(deviations_[3], std::sqrt(0.3 * 0.7 / 11), 1e-12);
  EXPECT_THAT(Predict(*model, 1, &learned)[3], DoubleEq(0.75));
}

TEST_F(SuccessRateModelTest, ReportsAllThatIsWrong) {
  EXPECT_EQ(Create("prior: 0 prior_strength: -1"), nullptr);
  EXPECT_THAT(
      issues_,
      ElementsAre(Pair("success_rate.prior", "must be between 1e-06 and 1 - 1e-06, not 0"),
                  Pair("success_rate.prior_strength", "must be between 0.001 and 1e+09, not -1")));
  for (const std::string bad : {"prior: 1", "prior: nan", "prior_strength: 0",
                                "prior_strength: inf", "prior_strength: nan"}) {
    EXPECT_EQ(Create(bad), nullptr) << bad;
    EXPECT_EQ(issues_.size(), 1u) << bad;
  }
}

}  // namespace
}  // namespace attune::scoring
