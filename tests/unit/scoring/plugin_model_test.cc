#include "lib/scoring/plugin_model.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/paths.h"
#include "tests/testing/strategy_builder.h"

namespace attune::scoring {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

namespace pb = attune::strategy::v1;

std::string PluginPath(const std::string& name) {
  return testing::BuildPath("plugins/" + name + ".so");
}

std::string LoadProblem(const std::string& path) {
  const auto library = PluginLibrary::Load(path);
  return library.ok() ? "" : std::string(library.status().message());
}

// On the inputs of testing::kSmallStrategy.
class PluginModelTest : public ::testing::Test {
 protected:
  PluginModelTest()
      : strategy_(builder_.BuildFromText(testing::kSmallStrategy, {})),
        names_{strategy_->features, strategy_->context, strategy_->catalog},
        features_(strategy_->features.defaults().begin(), strategy_->features.defaults().end()) {
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
  }

  std::unique_ptr<const Model> Create(const std::string& name, const std::string& plugin) {
    issues_.clear();
    auto library = PluginLibrary::Load(PluginPath(name));
    EXPECT_TRUE(library.ok()) << library.status();
    if (!library.ok()) return nullptr;
    return PluginModel::Create("own", *std::move(library), instances_,
                               testing::FromText<pb::Plugin>("file: 'p.so' " + plugin), names_,
                               inputs_, [this](std::string_view path, std::string message) {
                                 issues_.emplace_back(std::string(path), std::move(message));
                               });
  }
  ModelFailure Predict(const Model& model, const std::vector<int>& treatments) {
    inputs_.Fill(strategy_->context, context_, features_, frame_);
    propensity_.assign(treatments.size(), -7);
    deviation_.assign(treatments.size(), kUnknownDeviation);
    return model.PredictBatch({frame_, treatments},
                              {absl::MakeSpan(propensity_), absl::MakeSpan(deviation_)}, scratch_);
  }

  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  const InputNames names_;
  InputTable inputs_;
  PluginInstances instances_;
  context::DecisionContext context_;
  std::vector<ValueRef> features_;
  InputFrame frame_;
  ModelScratch scratch_;
  std::vector<double> propensity_, deviation_;
  std::vector<std::pair<std::string, std::string>> issues_;
};

constexpr char kTenure[] = "inputs { feature: 'tenure' input: 'customer.tenure_months' } ";
constexpr char kIsCare[] = "inputs { feature: 'care' input: 'treatment.group' equals: 'care' } ";

TEST_F(PluginModelTest, PredictsRowByRow) {
  const auto model =
      Create("example_plugin", std::string(kTenure) + kIsCare + "config: '0.125 -2'");
  ASSERT_NE(model, nullptr);
  features_[static_cast<size_t>(strategy_->features.SlotOf("tenure_months"))] = ValueRef::Int(8);
  EXPECT_EQ(Predict(*model, {0, 1}), ModelFailure::kNone);
  // 1 / (1 + exp(-1)) and 1 / (1 + exp(1)), from a table.
  EXPECT_NEAR(propensity_[0], 0.7310585786300049, 1e-15);
  EXPECT_NEAR(propensity_[1], 0.2689414213699951, 1e-15);
  EXPECT_THAT(deviation_, Each(::testing::Lt(0))) << "not known";
}

TEST_F(PluginModelTest, TellsItsUncertaintyAndSeesWhatIsMissing) {
  const auto model = Create("example_plugin", std::string(kTenure) + "config: '3 0.0625'");
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(Predict(*model, {0, 1, 2}), ModelFailure::kNone);
  EXPECT_THAT(propensity_, Each(0.5)) << "tenure is not known, so it adds nothing";
  EXPECT_THAT(deviation_, Each(0.0625));
  EXPECT_EQ(model->Noun(), "plugin own");
}

TEST_F(PluginModelTest, SaysThatItFailed) {
  const auto model = Create("plugin_that_fails", kTenure);
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(Predict(*model, {0}), ModelFailure::kPlugin);
  EXPECT_THAT(scratch_.failure_text, HasSubstr("the table is \\x01 empty")) << "made printable";
  std::vector<double> propensity(1);
  model->Predict(frame_, {0}, absl::MakeSpan(propensity), scratch_);
  EXPECT_TRUE(std::isnan(propensity[0]));
}

TEST_F(PluginModelTest, GivesTheValueOfAScore) {
  const auto model = Create("example_plugin", std::string(kTenure) + "config: '0.125'");
  ASSERT_NE(model, nullptr);
  EXPECT_FALSE(model->LooksAtTreatment());
  features_[static_cast<size_t>(strategy_->features.SlotOf("tenure_months"))] = ValueRef::Int(8);
  inputs_.Fill(strategy_->context, context_, features_, frame_);
  EXPECT_NEAR(model->PredictValue(frame_, scratch_), 0.7310585786300049, 1e-15);
  const auto of_treatments = Create("example_plugin", std::string(kIsCare) + "config: '1'");
  ASSERT_NE(of_treatments, nullptr);
  EXPECT_TRUE(of_treatments->LooksAtTreatment());
  const auto failing = Create("plugin_that_fails", kTenure);
  ASSERT_NE(failing, nullptr);
  inputs_.Fill(strategy_->context, context_, features_, frame_);
  EXPECT_TRUE(std::isnan(failing->PredictValue(frame_, scratch_)));
}

TEST_F(PluginModelTest, MayLackAScoreForOneTreatment) {
  const auto model = Create("plugin_of_nan", kIsCare);
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(Predict(*model, {0, 1}), ModelFailure::kNone);
  EXPECT_TRUE(std::isnan(propensity_[0]));
  EXPECT_EQ(propensity_[1], 0.5);
}

TEST_F(PluginModelTest, WhatIsNotWrittenIsNoScore) {
  const auto model = Create("plugin_that_writes_nothing", kIsCare);
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(Predict(*model, {0, 1}), ModelFailure::kNone);
  EXPECT_THAT(propensity_, Each(::testing::IsNan()));
  EXPECT_THAT(deviation_, Each(kUnknownDeviation));
}

TEST_F(PluginModelTest, WhyAModelCantBeMade) {
  EXPECT_EQ(Create("example_plugin", std::string(kTenure) + "config: 'much'"), nullptr);
  EXPECT_THAT(issues_, ElementsAre(Pair("plugin.file", HasSubstr("the config has no weight for "
                                                                 "tenure"))));
  EXPECT_EQ(Create("example_plugin", "config: '1'"), nullptr);
  EXPECT_THAT(issues_, ElementsAre(Pair("plugin.inputs", HasSubstr("needs inputs"))));
  EXPECT_EQ(Create("example_plugin", "inputs { feature: 'x' input: 'customer.plam' }"), nullptr);
  EXPECT_THAT(issues_, ElementsAre(Pair("plugin.inputs[0].input", HasSubstr("plan"))));
  EXPECT_EQ(Create("example_plugin", kTenure + ("config: '" + std::string(65'537, '1') + "'")),
            nullptr);
  EXPECT_THAT(issues_, ElementsAre(Pair("plugin.config", HasSubstr("at most 65536"))));
}

TEST(PluginInstancesTest, WhatIsTheSameIsSharedAsLongAsItIsUsed) {
  auto library = PluginLibrary::Load(PluginPath("example_plugin"));
  ASSERT_TRUE(library.ok()) << library.status();
  PluginInstances instances;
  const std::vector<std::string> inputs = {"tenure", "care"};
  auto first = instances.Get(*library, "0.125 -2", inputs);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = instances.Get(*library, "0.125 -2", inputs);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *first);
  const auto other_config = instances.Get(*library, "0.125 -3", inputs);
  ASSERT_TRUE(other_config.ok()) << other_config.status();
  EXPECT_NE(*other_config, *first);
  const auto other_inputs = instances.Get(*library, "0.125 -2", {"care", "tenure"});
  ASSERT_TRUE(other_inputs.ok()) << other_inputs.status();
  EXPECT_NE(*other_inputs, *first);
  EXPECT_EQ(other_config->use_count(), 1) << "nobody else keeps it";
  // A problem is told each time.
  EXPECT_FALSE(instances.Get(*library, "much", inputs).ok());
  EXPECT_FALSE(instances.Get(*library, "much", inputs).ok());
}

TEST(PluginInstancesTest, WhatNobodyUsesIsMadeAnew) {
  auto library = PluginLibrary::Load(PluginPath("example_plugin"));
  ASSERT_TRUE(library.ok()) << library.status();
  PluginInstances instances;
  std::weak_ptr<const PluginInstance> before = *instances.Get(*library, "1", {"tenure"});
  EXPECT_TRUE(before.expired());
  EXPECT_TRUE(instances.Get(*library, "1", {"tenure"}).ok());
}

TEST_F(PluginModelTest, ModelsThatAreTheSamePredictTheSame) {
  const std::string plugin = std::string(kTenure) + "config: '3 0.0625'";
  const auto first = Create("example_plugin", plugin);
  const auto second = Create("example_plugin", plugin);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(Predict(*first, {0}), ModelFailure::kNone);
  const std::vector<double> by_first = propensity_;
  EXPECT_EQ(Predict(*second, {0}), ModelFailure::kNone);
  EXPECT_EQ(propensity_, by_first);
}

TEST(PluginLibraryTest, WhatIsNoPluginIsRefused) {
  EXPECT_THAT(LoadProblem(PluginPath("no_such_plugin")), HasSubstr("No such file"));
  EXPECT_THAT(LoadProblem(testing::SourcePath("lib/LAYERS")),
              HasSubstr("it can't be loaded as a shared library: "));
  EXPECT_THAT(LoadProblem(PluginPath("plugin_without_symbol")),
              HasSubstr("does not export the function attune_model_plugin_get"));
  EXPECT_THAT(LoadProblem(PluginPath("plugin_of_another_version")),
              HasSubstr("for version 2 of the interface of plugins, and this server has version "
                        "1"));
  EXPECT_THAT(LoadProblem(PluginPath("plugin_without_predict")),
              HasSubstr("leaves out the function predict"));
  EXPECT_THAT(LoadProblem(PluginPath("plugin_of_null")), HasSubstr("returns NULL"));
}

}  // namespace
}  // namespace attune::scoring
