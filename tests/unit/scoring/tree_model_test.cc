#include "lib/scoring/tree_model.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/strategy_builder.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::scoring {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

namespace pb = attune::strategy::v1;

// Goes left and adds -1 where the feature is at most `threshold`, else right and adds 1; a missing
// value goes right.
std::string Stump(int feature, const std::string& threshold) {
  return absl::StrReplaceAll(trees::LightgbmStump(8, threshold),
                             {{"split_feature=0", absl::StrCat("split_feature=", feature)}});
}

// A model of three features that adds up its trees.
trees::TreeEnsemble Ensemble(const std::string& features, std::vector<std::string> trees) {
  trees::LightgbmText text;
  text.trees = std::move(trees);
  return trees::MustRead(absl::StrReplaceAll(
      text.ToString(), {{"feature_names=a b c", absl::StrCat("feature_names=", features)}}));
}

// Models on the inputs of testing::kSmallStrategy. Treatments: 0 fast_callback (resolution),
// 1 goodwill_credit (care), 2 upgrade (offer), 3 accessory (offer).
class TreeModelTest : public ::testing::Test {
 protected:
  TreeModelTest()
      : strategy_(builder_.BuildFromText(testing::kSmallStrategy, {})),
        names_{strategy_->features, strategy_->context, strategy_->catalog},
        features_(strategy_->features.defaults().begin(), strategy_->features.defaults().end()) {
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
    context_.time_us = 1'772'323'200'000'000;
  }

  std::unique_ptr<const Model> Create(trees::TreeEnsemble ensemble, const std::string& reference) {
    issues_.clear();
    return TreeModel::Create(std::move(ensemble),
                             testing::FromText<pb::ModelReference>("file: 'm.txt' " + reference),
                             names_, inputs_, [this](std::string_view path, std::string message) {
                               issues_.emplace_back(std::string(path), std::move(message));
                             });
  }
  // A model whose only tree that matters looks at the feature "x", which is this input.
  std::unique_ptr<const Model> Of(const std::string& input, const std::string& threshold) {
    auto model = Create(Ensemble("x vip tenure_months", {Stump(0, threshold)}),
                        "inputs { feature: 'x' " + input + " }");
    EXPECT_THAT(issues_, IsEmpty()) << input;
    return model;
  }
  std::vector<std::pair<std::string, std::string>> IssuesOf(const std::string& input) {
    EXPECT_EQ(Create(Ensemble("x vip tenure_months", {Stump(0, "1")}), input), nullptr) << input;
    return issues_;
  }

  std::vector<double> Predict(const Model& model, const std::vector<int>& treatments) {
    inputs_.Fill(strategy_->context, context_, features_, frame_);
    std::vector<double> propensity(treatments.size(), -7);
    model.Predict(frame_, treatments, absl::MakeSpan(propensity), scratch_);
    return propensity;
  }
  double Predict(const Model& model) { return Predict(model, {0})[0]; }

  ValueRef& Feature(std::string_view name) {
    return features_[static_cast<size_t>(strategy_->features.SlotOf(name))];
  }

  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  const InputNames names_;
  InputTable inputs_;
  context::DecisionContext context_;
  std::vector<ValueRef> features_;
  InputFrame frame_;
  ModelScratch scratch_;
  std::vector<std::pair<std::string, std::string>> issues_;
};

TEST_F(TreeModelTest, FindsInputsByTheNamesOfTheFeatures) {
  const auto model = Create(Ensemble("tenure_months customer.vip context.attributes.wait_s",
                                     {Stump(0, "24.5"), Stump(1, "0.5"), Stump(2, "30")}),
                            "");
  ASSERT_NE(model, nullptr) << issues_.size();
  Feature("tenure_months") = ValueRef::Int(24);
  Feature("vip") = ValueRef::Bool(false);
  context_.attributes[0] = ValueRef::Double(30);
  EXPECT_EQ(Predict(*model), -3);
  Feature("tenure_months") = ValueRef::Int(25);
  EXPECT_EQ(Predict(*model), -1);
  Feature("vip") = ValueRef::Bool(true);
  EXPECT_EQ(Predict(*model), 1);
  context_.attributes[0] = ValueRef::Double(30.5);
  EXPECT_EQ(Predict(*model), 3);
}

TEST_F(TreeModelTest, GivesTheValueOfAScore) {
  const auto model = Of("input: 'customer.tenure_months'", "24.5");
  ASSERT_NE(model, nullptr);
  EXPECT_FALSE(model->LooksAtTreatment());
  Feature("tenure_months") = ValueRef::Int(24);
  inputs_.Fill(strategy_->context, context_, features_, frame_);
  EXPECT_EQ(model->PredictValue(frame_, scratch_), -1) << "not cut to 0";
  EXPECT_TRUE(Of("input: 'treatment.group' equals: 'care'", "0.5")->LooksAtTreatment());
}

TEST_F(TreeModelTest, AFeatureThatNoTreeLooksAtNeedsNoInput) {
  const auto model = Create(Ensemble("shoe_size tenure_months plan", {Stump(1, "24.5")}), "");
  ASSERT_NE(model, nullptr) << issues_.size();
  Feature("tenure_months") = ValueRef::Int(24);
  EXPECT_EQ(Predict(*model), -1);
  Feature("tenure_months") = ValueRef::Int(25);
  EXPECT_EQ(Predict(*model), 1);
}

TEST_F(TreeModelTest, WhatIsNotKnownIsMissing) {
  const auto model = Of("input: 'customer.tenure_months'", "24.5");
  Feature("tenure_months") = ValueRef::Int(12);
  EXPECT_EQ(Predict(*model), -1);
  Feature("tenure_months").set_known(false);
  EXPECT_EQ(Predict(*model), 1) << "its default is 12, too";
}

TEST_F(TreeModelTest, ATimestampIsTheDaysSince) {
  const auto model = Of("input: 'customer.since'", "10");
  Feature("since") = ValueRef::Timestamp(context_.time_us - 10 * 86'400'000'000);
  EXPECT_EQ(Predict(*model), -1);
  Feature("since") = ValueRef::Timestamp(context_.time_us - 10 * 86'400'000'000 - 1);
  EXPECT_EQ(Predict(*model), 1);
}

TEST_F(TreeModelTest, CategoriesHaveCodes) {
  const auto model =
      Of("input: 'customer.plan' codes { key: 'basic' value: 3 } codes { key: 'gold' value: -7 }",
         "-1");
  Feature("plan") = ValueRef::String("gold");
  EXPECT_EQ(Predict(*model), -1);
  Feature("plan") = ValueRef::String("basic");
  EXPECT_EQ(Predict(*model), 1);
  Feature("plan") = ValueRef::String("gold");
  Feature("plan").set_known(false);
  EXPECT_EQ(Predict(*model), 1) << "missing";
  // Another model that lists more categories does not give them codes here.
  const auto other = Of("input: 'customer.plan' codes { key: 'silver' value: -7 }", "-1");
  Feature("plan") = ValueRef::String("silver");
  EXPECT_EQ(Predict(*model), 1) << "not listed: missing";
  EXPECT_EQ(Predict(*other), -1);
}

TEST_F(TreeModelTest, AFeatureMayBeOneCategory) {
  const auto is = Of("input: 'customer.plan' equals: 'gold'", "0.5");
  const auto number = Of("input: 'customer.tenure_months' equals: '12'", "0.5");
  const auto has = Of("input: 'customer.interests' equals: 'tv'", "0.5");
  const auto channel = Of("input: 'context.channel' equals: 'ivr'", "0.5");
  EXPECT_EQ(Predict(*is), -1);
  EXPECT_EQ(Predict(*number), -1) << "a default is not known";
  EXPECT_EQ(Predict(*has), -1);
  EXPECT_EQ(Predict(*channel), -1);
  Feature("plan") = ValueRef::String("gold");
  Feature("tenure_months") = ValueRef::Int(12);
  std::string interests;
  for (const char* interest : {"cars", "tv"}) AppendListElement(interests, interest);
  Feature("interests") = ValueRef::StringList(interests);
  context_.channel = 1;
  EXPECT_EQ(Predict(*is), 1);
  EXPECT_EQ(Predict(*number), 1);
  EXPECT_EQ(Predict(*has), 1);
  EXPECT_EQ(Predict(*channel), 1);
}

TEST_F(TreeModelTest, TreatmentsMayDiffer) {
  const auto group = Of("input: 'treatment.group' equals: 'offer'", "0.5");
  EXPECT_THAT(Predict(*group, {0, 1, 2, 3}), ElementsAre(-1, -1, 1, 1));
  const auto name =
      Of("input: 'treatment.name' codes { key: 'upgrade' value: 4 } "
         "codes { key: 'accessory' value: 9 }",
         "5");
  EXPECT_THAT(Predict(*name, {3, 2, 0}), ElementsAre(1, -1, 1)) << "the last is missing";
  const auto none = Of("input: 'customer.vip'", "0.5");
  Feature("vip") = ValueRef::Bool(false);
  EXPECT_THAT(Predict(*none, {0, 1, 2}), ElementsAre(-1, -1, -1));
  EXPECT_THAT(Predict(*none, std::vector<int>{}), IsEmpty());
}

TEST_F(TreeModelTest, OfSeveralClassesOneIsThePropensity) {
  trees::LightgbmText text;
  text.classes = "2";
  text.objective = "objective=multiclass num_class:2\n";
  text.trees = {trees::LightgbmStump(8, "24.5"), Stump(0, "100")};
  const std::string bytes = absl::StrReplaceAll(
      text.ToString(), {{"feature_names=a b c", "feature_names=tenure_months vip since"}});
  const auto first = Create(trees::MustRead(bytes), "output: 0");
  const auto second = Create(trees::MustRead(bytes), "output: 1");
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  Feature("tenure_months") = ValueRef::Int(50);  // raw scores 1 and -1
  EXPECT_NEAR(Predict(*first), 1 / (1 + std::exp(-2.0)), 1e-12);
  EXPECT_NEAR(Predict(*second), 1 / (1 + std::exp(2.0)), 1e-12);
  EXPECT_EQ(Create(trees::MustRead(bytes), ""), nullptr);
  EXPECT_THAT(issues_, ElementsAre(Pair("file", HasSubstr("predicts 2 classes; say with output"))));
  EXPECT_EQ(Create(trees::MustRead(bytes), "output: 2"), nullptr);
  EXPECT_THAT(issues_,
              ElementsAre(Pair("output", "must be between 0 and 1: the model has 2 outputs")));
}

TEST_F(TreeModelTest, AClassIsNoPropensity) {
  trees::XgboostText text;
  text.objective = "multi:softmax";
  text.classes = "3";
  EXPECT_EQ(Create(trees::MustRead(text.ToString()), ""), nullptr);
  ASSERT_FALSE(issues_.empty());
  EXPECT_THAT(issues_[0], Pair("file", HasSubstr("multi:softprob")));
}

TEST_F(TreeModelTest, ContributionsAddUp) {
  const auto model = Create(Ensemble("tenure_months vip monthly_charges",
                                     {Stump(0, "24.5"), Stump(2, "30"), Stump(0, "100")}),
                            "");
  ASSERT_NE(model, nullptr);
  Feature("tenure_months") = ValueRef::Int(50);
  Feature("monthly_charges") = ValueRef::Double(20);
  EXPECT_EQ(Predict(*model), -1);
  const std::vector<Contribution> contributions = model->Parts(frame_, 0)->contributions;
  ASSERT_THAT(contributions, SizeIs(2));
  // Three quarters of the training data went right: a tree is expected to add 0.5.
  EXPECT_EQ(names_.NameOf(contributions[0].input), "customer.tenure_months");
  EXPECT_DOUBLE_EQ(contributions[0].amount, 0.5 - 1.5);
  EXPECT_EQ(names_.NameOf(contributions[1].input), "customer.monthly_charges");
  EXPECT_DOUBLE_EQ(contributions[1].amount, -1.5);
}

TEST_F(TreeModelTest, SaysWhatIsWrong) {
  const struct {
    std::string input;
    std::string path;
    std::string message;
  } cases[] = {
      {"", "file",
       "the model's feature \"x\": unknown feature \"x\"; declare it under features, or say under "
       "inputs what it is"},
      {"inputs { feature: 'y' input: 'customer.vip' } inputs { feature: 'x' input: 'customer.vip' "
       "}",
       "inputs[0].feature", "the model has no feature \"y\"; did you mean \"x\"?"},
      {"inputs { feature: 'x' input: 'customer.vipp' }", "inputs[0].input",
       "unknown feature \"vipp\"; did you mean \"customer.vip\"?"},
      {"inputs { feature: 'x' }", "inputs[0].input",
       "is required, for example customer.tenure_months"},
      {"inputs { feature: 'x' input: 'customer.vip' } inputs { feature: 'x' input: 'customer.vip' "
       "}",
       "inputs[1].feature", "the feature \"x\" is listed twice"},
      {"inputs { feature: 'x' input: 'customer.plan' }", "inputs[0]",
       "customer.plan is of type string: say with codes which number each category has, or with "
       "equals which category the feature is"},
      {"inputs { feature: 'x' input: 'customer.interests' }", "inputs[0]",
       "customer.interests is of type string_list: say with equals which element the feature is"},
      {"inputs { feature: 'x' input: 'customer.plan' equals: 'a' codes { key: 'a' value: 1 } }",
       "inputs[0]", "takes codes or equals, not both"},
      {"inputs { feature: 'x' input: 'customer.monthly_charges' equals: '1' }", "inputs[0].equals",
       "is for categories; customer.monthly_charges is of type double"},
      {"inputs { feature: 'x' input: 'customer.since' codes { key: 'a' value: 1 } }",
       "inputs[0].codes",
       "is for string, bool and int inputs; customer.since is of type timestamp"},
      {"inputs { feature: 'x' input: 'customer.tenure_months' codes { key: 'a' value: 1 } }",
       "inputs[0].codes[\"a\"]",
       "\"a\" can't be a value of customer.tenure_months, which is of type int"},
      {"inputs { feature: 'x' input: 'customer.plan' codes { key: 'a' value: inf } }",
       "inputs[0].codes[\"a\"]", "must be finite"},
      {"inputs { feature: 'x' input: 'context.channel' equals: 'appp' }", "inputs[0].equals",
       "unknown channel \"appp\"; did you mean \"app\"?"},
      {"inputs { feature: 'x' input: 'treatment.group' codes { key: 'ofer' value: 1 } }",
       "inputs[0].codes[\"ofer\"]", "unknown group \"ofer\"; did you mean \"offer\"?"},
      {"inputs { feature: 'x' input: 'customer.vip' } output: 1", "output",
       "must be between 0 and 0: the model has 1 output"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(IssuesOf(c.input), ElementsAre(Pair(c.path, c.message))) << c.input;
  }
}

}  // namespace
}  // namespace attune::scoring
