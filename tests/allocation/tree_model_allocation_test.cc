// Models of trees predict without allocating once their memory is warm, also where rows differ by
// treatment.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lib/scoring/tree_model.h"
#include "tests/testing/allocation_counter.h"
#include "tests/testing/strategy_builder.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::scoring {
namespace {

class TreeModelAllocationTest : public ::testing::TestWithParam<const char*> {};

TEST_P(TreeModelAllocationTest, AllocatesNothingOnceItIsWarm) {
  testing::StrategyBuilder builder;
  const auto strategy = testing::BuildSmallStrategy(builder);
  const InputNames names{strategy->features, strategy->context, strategy->catalog};
  trees::XgboostText xgboost;  // single precision: packed
  xgboost.objective = "binary:logistic";
  xgboost.base_score = "\"0.5\"";
  trees::LightgbmText lightgbm;
  const bool is_xgboost = std::string(GetParam()) == "XGBoost";
  trees::TreeEnsemble ensemble =
      trees::MustRead((is_xgboost ? xgboost.ToString() : lightgbm.ToString()));
  const std::vector<std::string>& features = ensemble.info().features;
  const auto reference = testing::FromText<strategy::v1::ModelReference>(
      "file: 'm' inputs { feature: '" + features[0] +
      "' input: 'treatment.group' equals: 'offer' }" + " inputs { feature: '" + features[1] +
      "' input: 'customer.plan' codes { key: 'a' value: 1 } }" + " inputs { feature: '" +
      features[2] + "' input: 'customer.since' }");
  InputTable inputs;
  const auto model = TreeModel::Create(
      std::move(ensemble), reference, names, inputs,
      [](std::string_view path, std::string message) { FAIL() << path << ": " << message; });
  ASSERT_NE(model, nullptr);
  context::DecisionContext context;
  context.attributes.assign(strategy->context.attributes.defaults().begin(),
                            strategy->context.attributes.defaults().end());
  const std::vector<ValueRef> values(strategy->features.defaults().begin(),
                                     strategy->features.defaults().end());
  const std::vector<int> treatments = {0, 1, 2, 3};
  std::vector<double> propensity(treatments.size());
  InputFrame frame;
  ModelScratch scratch;
  uint64_t warm = 0;
  for (int round = 0; round < 3; ++round) {
    if (round == 1) warm = testing::AllocationsOfThisThread();
    inputs.Fill(strategy->context, context, values, frame);
    model->Predict(frame, treatments, absl::MakeSpan(propensity), scratch);
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
  EXPECT_NE(propensity[0], propensity[2]);
}

INSTANTIATE_TEST_SUITE_P(Libraries, TreeModelAllocationTest,
                         ::testing::Values("XGBoost", "LightGBM"));

}  // namespace
}  // namespace attune::scoring
