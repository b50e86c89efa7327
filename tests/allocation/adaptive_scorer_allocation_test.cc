// Adaptive models predict without allocating once their memory is warm, also when they learn in
// between: decisions read another snapshot then.

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/scoring/adaptive_scorer.h"
#include "tests/testing/allocation_counter.h"
#include "tests/testing/strategy_builder.h"

namespace attune::scoring {
namespace {

TEST(AdaptiveScorerAllocationTest, AllocatesNothingOnceItIsWarm) {
  testing::StrategyBuilder builder;
  const auto strategy = testing::BuildSmallStrategy(builder);
  const auto reference = testing::FromText<strategy::v1::ModelReference>(
      "name: 'm' adaptive {"
      "  inputs: ['customer.tenure_months', 'customer.plan', 'context.channel', 'customer.vip']"
      "  crosses { first: 'customer.plan' second: 'context.channel' } }");
  InputTable inputs;
  const auto model = AdaptiveScorer::Create(
      reference, /*index=*/0, /*treatments=*/4,
      {strategy->features, strategy->context, strategy->catalog}, inputs,
      [](std::string_view path, std::string message) { FAIL() << path << ": " << message; });
  ASSERT_NE(model, nullptr);
  context::DecisionContext context;
  context.attributes.assign(strategy->context.attributes.defaults().begin(),
                            strategy->context.attributes.defaults().end());
  const std::vector<ValueRef> values(strategy->features.defaults().begin(),
                                     strategy->features.defaults().end());
  const std::vector<int> treatments = {0, 1, 2, 3};
  std::vector<double> propensity(treatments.size());
  std::vector<double> deviation(treatments.size());
  InputFrame frame;
  ModelScratch scratch;
  inputs.Fill(strategy->context, context, values, frame);

  auto learner = *learning::AdaptiveModel::Create(model->layout(), model->options());
  std::vector<learning::InputValue> situation;
  model->ValuesOf(frame, situation);
  std::vector<LearnedModels> learned(3);
  for (LearnedModels& models : learned) {
    learning::Example example;
    example.id = models.position;
    example.time = absl::UnixEpoch();
    example.treatment = strategy->catalog.treatments[1].number;
    example.label = 1;
    example.inputs = situation;
    ASSERT_TRUE(learner.Learn(example).ok());
    models.models.push_back(learner.MakeSnapshot());
  }
  uint64_t warm = 0;
  double before = 0;
  for (size_t round = 0; round < learned.size(); ++round) {
    if (round == 1) warm = testing::AllocationsOfThisThread();
    if (round == 1) before = propensity[1];
    inputs.Fill(strategy->context, context, values, frame);
    frame.learned = &learned[round];
    model->PredictBatch({frame, treatments},
                        {absl::MakeSpan(propensity), absl::MakeSpan(deviation)}, scratch);
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
  EXPECT_GT(propensity[1], before);
}

}  // namespace
}  // namespace attune::scoring
