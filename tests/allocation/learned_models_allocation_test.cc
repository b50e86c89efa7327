// What decisions ask of models that learn allocates nothing once its memory is warm: success rates,
// and adaptive models in mode shadow.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lib/decision/decision_pipeline.h"
#include "lib/decision/shadow_predictions.h"
#include "lib/scoring/adaptive_scorer.h"
#include "lib/scoring/success_rate_model.h"
#include "tests/testing/allocation_counter.h"
#include "tests/testing/strategy_builder.h"

namespace attune::decision {
namespace {

context::DecisionContext LearnedModelsContext(const strategy::Strategy& strategy) {
  context::DecisionContext context;
  context.time_us = 1'772'323'200'000'000;
  context.max_treatments = 10;
  context.attributes.assign(strategy.context.attributes.defaults().begin(),
                            strategy.context.attributes.defaults().end());
  return context;
}

TEST(ShadowAllocationTest, AllocatesNothingOnceItIsWarm) {
  testing::StrategyBuilder builder;
  const auto strategy = testing::BuildSmallStrategy(builder);
  const auto reference = testing::FromText<strategy::v1::ModelReference>(
      "name: 'm' adaptive { inputs: ['customer.plan', 'context.channel'] }");
  auto scorer = scoring::AdaptiveScorer::Create(
      reference, strategy->models.models.size(), /*treatments=*/4,
      {strategy->features, strategy->context, strategy->catalog}, strategy->models.inputs,
      [](std::string_view path, std::string message) { FAIL() << path << ": " << message; });
  ASSERT_NE(scorer, nullptr);
  strategy->adaptive.push_back(
      {.model = static_cast<int>(strategy->models.models.size()),
       .mode = strategy::AdaptiveUse::Mode::kShadow,
       .scorer = scorer.get(),
       .treatments = std::vector<bool>(strategy->catalog.treatments.size(), true)});
  strategy->models.models.push_back({"m", "m@0123456789ab", std::move(scorer)});
  const context::DecisionContext context = LearnedModelsContext(*strategy);
  PipelineResult result;
  StageTimes times;
  StageTimer timer(times);
  RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(),
              strategy->features.defaults(), std::nullopt, timer, result);
  ShadowScratch scratch;
  std::vector<ShadowPrediction> shadows;
  PredictShadows(*strategy, result, scratch, shadows);
  EXPECT_EQ(shadows.size(), result.arbitration.ranked.size());
  ASSERT_FALSE(shadows.empty());
  const uint64_t warm = testing::AllocationsOfThisThread();
  PredictShadows(*strategy, result, scratch, shadows);
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
}

TEST(SuccessRateAllocationTest, AllocatesNothing) {
  testing::StrategyBuilder builder;
  const auto strategy = testing::BuildSmallStrategy(builder);
  const auto reference =
      testing::FromText<strategy::v1::ModelReference>("name: 'm' success_rate {}");
  scoring::InputTable inputs;
  const auto model = scoring::SuccessRateModel::Create(
      reference, {strategy->features, strategy->context, strategy->catalog}, inputs,
      [](std::string_view path, std::string message) { FAIL() << path << ": " << message; });
  ASSERT_NE(model, nullptr);
  learning::SuccessRates rates;
  ASSERT_TRUE(rates
                  .Add(strategy->catalog.treatments[1].number, strategy->context.channels[0].number,
                       true, 1)
                  .ok());
  scoring::LearnedModels learned;
  learned.rates = std::make_shared<const learning::SuccessRates>(rates);
  scoring::InputFrame frame;
  inputs.Fill(strategy->context, LearnedModelsContext(*strategy), strategy->features.defaults(),
              frame);
  frame.learned = &learned;
  const std::vector<int> treatments = {0, 1, 2, 3};
  std::vector<double> propensity(treatments.size());
  std::vector<double> deviation(treatments.size());
  scoring::ModelScratch scratch;
  const uint64_t before = testing::AllocationsOfThisThread();
  model->PredictBatch({frame, treatments}, {absl::MakeSpan(propensity), absl::MakeSpan(deviation)},
                      scratch);
  EXPECT_EQ(testing::AllocationsOfThisThread(), before);
  EXPECT_GT(propensity[1], propensity[0]);
}

}  // namespace
}  // namespace attune::decision
