#include "lib/scoring/score_parts.h"

#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/scoring/model_factory.h"
#include "lib/scoring/tree_model.h"
#include "tests/testing/strategy_builder.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::scoring {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

ScoreParts PartsWith(double base, const std::vector<double>& amounts, double score) {
  ScoreParts parts;
  parts.base = base;
  parts.score = score;
  // The slot tells where it stood before.
  for (const double amount : amounts) {
    Input input;
    input.slot = static_cast<int>(parts.contributions.size());
    parts.contributions.push_back({input, amount});
  }
  return parts;
}

std::vector<double> AmountsOf(const ScoreParts& parts) {
  std::vector<double> amounts;
  for (const Contribution& contribution : parts.contributions) {
    amounts.push_back(contribution.amount);
  }
  return amounts;
}

// What who reads an answer adds up.
double AddUp(const ScoreParts& parts) {
  double sum = parts.base;
  for (const double amount : AmountsOf(parts)) sum += amount;
  if (parts.others != 0) sum += parts.others;
  if (parts.rounding != 0) sum += parts.rounding;
  return sum;
}

TEST(ArrangeTest, PutsTheLargestFirstAndLeavesOutZeros) {
  ScoreParts parts = PartsWith(1, {0.125, -3, 0, 2, -2}, -1.875);
  ASSERT_TRUE(Arrange(parts));
  EXPECT_THAT(AmountsOf(parts), ElementsAre(-3, 2, -2, 0.125));
  EXPECT_EQ(parts.contributions[1].input.slot, 3) << "of equals the one that came first";
  EXPECT_EQ(parts.contributions[2].input.slot, 4);
  EXPECT_EQ(parts.base, 1);
  EXPECT_EQ(parts.others, 0);
  EXPECT_EQ(parts.rounding, 0);
}

TEST(ArrangeTest, SumsUpWhatIsBehindTheLargest) {
  std::vector<double> amounts(10, 0.5);
  amounts.resize(10 + kMaxContributions, 2.0);
  ScoreParts parts = PartsWith(1, amounts, 1 + 5 + 2.0 * kMaxContributions);
  ASSERT_TRUE(Arrange(parts));
  EXPECT_THAT(AmountsOf(parts), SizeIs(kMaxContributions));
  EXPECT_THAT(AmountsOf(parts), Each(2.0));
  EXPECT_EQ(parts.others, 5);
  EXPECT_EQ(parts.base, 1);
  amounts.assign(kMaxContributions, 2.0);
  parts = PartsWith(1, amounts, 1 + 2.0 * kMaxContributions);
  ASSERT_TRUE(Arrange(parts));
  EXPECT_THAT(AmountsOf(parts), SizeIs(kMaxContributions));
  EXPECT_EQ(parts.others, 0) << "as many as are told";
}

TEST(ArrangeTest, WithoutContributionsTheBaseIsTheScore) {
  ScoreParts parts = PartsWith(-0.1, {0, 0}, -0.3);
  ASSERT_TRUE(Arrange(parts));
  EXPECT_THAT(parts.contributions, IsEmpty());
  EXPECT_EQ(parts.base, -0.3);
}

TEST(ArrangeTest, PutsWhatRoundingTakesIntoTheBase) {
  ScoreParts parts = PartsWith(0.25, {1}, 1.25 + 0x1p-52);
  ASSERT_TRUE(Arrange(parts));
  EXPECT_EQ(parts.base, 0.25 + 0x1p-52);
  EXPECT_THAT(AmountsOf(parts), ElementsAre(1));
}

TEST(ArrangeTest, PutsItIntoTheLastWhereTheBaseIsTooLarge) {
  // A double near 2 has no bit for 2^-55; one near 0.125 has.
  ScoreParts parts = PartsWith(-2, {1.75, 0.125}, -0.125 + 0x1p-55);
  ASSERT_TRUE(Arrange(parts));
  EXPECT_EQ(parts.base, -2);
  EXPECT_THAT(AmountsOf(parts), ElementsAre(1.75, 0.125 + 0x1p-55));
  EXPECT_EQ(parts.rounding, 0);
}

TEST(ArrangeTest, TellsWhatNoPartCanHold) {
  ScoreParts parts = PartsWith(-2, {1.75}, -0.25 + 0x1p-55);
  ASSERT_TRUE(Arrange(parts));
  EXPECT_EQ(parts.base, -2);
  EXPECT_THAT(AmountsOf(parts), ElementsAre(1.75));
  EXPECT_EQ(parts.rounding, 0x1p-55);
  EXPECT_EQ(AddUp(parts), parts.score);
}

TEST(ArrangeTest, TellsNothingThatIsNotFinite) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double bad : {kInfinity, -kInfinity, nan}) {
    ScoreParts parts = PartsWith(1, {2}, bad);
    EXPECT_FALSE(Arrange(parts));
    parts = PartsWith(bad, {2}, 3);
    EXPECT_FALSE(Arrange(parts));
    parts = PartsWith(1, {2, bad}, 3);
    EXPECT_FALSE(Arrange(parts));
  }
  ScoreParts overflows = PartsWith(1e308, {1e308, 1e308}, 1e308);
  EXPECT_FALSE(Arrange(overflows));
}

TEST(ArrangeTest, AddsUpWhateverTheOrderOfTheModelWas) {
  std::mt19937_64 random(20261123);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> magnitude(-6, 0);
  for (int round = 0; round < 5'000; ++round) {
    std::vector<double> amounts(random() % 100);
    const double base = 2 * normal(random);
    double score = base;
    for (double& amount : amounts) {
      // Of as many trees.
      const uint64_t pieces = 1 + random() % 8;
      amount = normal(random) * std::pow(10, magnitude(random));
      for (uint64_t i = 0; i < pieces; ++i) score += amount / static_cast<double>(pieces);
    }
    ScoreParts parts = PartsWith(base, amounts, score);
    ASSERT_TRUE(Arrange(parts)) << round;
    ASSERT_EQ(AddUp(parts), score) << round;
    ASSERT_EQ(SumOf(parts), score) << round;
    ASSERT_NEAR(parts.base, base, 1e-12) << round;
    ASSERT_LT(std::fabs(parts.rounding), 1e-12) << round;
  }
}

// Models whose features are, in this order, a code of customer.plan from 0 to 5,
// customer.monthly_charges and customer.tenure_months of testing::kSmallStrategy.
class ScorePartsTest : public ::testing::Test {
 protected:
  ScorePartsTest()
      : strategy_(builder_.BuildFromText(testing::kSmallStrategy, {})),
        names_{strategy_->features, strategy_->context, strategy_->catalog},
        features_(strategy_->features.defaults().begin(), strategy_->features.defaults().end()) {
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
  }

  ReportIssue Fail() const {
    return [](std::string_view path, const std::string& message) {
      ADD_FAILURE() << path << ": " << message;
    };
  }
  std::unique_ptr<const Model> TreesOf(const trees::TreeEnsemble& ensemble, int output) {
    const std::vector<std::string>& features = ensemble.info().features;
    std::string reference =
        absl::StrCat("file: 'm' inputs { feature: '", features[0], "' input: 'customer.plan' ");
    for (int code = 0; code < 6; ++code) {
      absl::StrAppend(&reference, "codes { key: 'plan ", code, "' value: ", code, " } ");
    }
    absl::StrAppend(&reference, "} inputs { feature: '", features[1],
                    "' input: 'customer.monthly_charges' } inputs { feature: '", features[2],
                    "' input: 'customer.tenure_months' } ");
    if (output >= 0) absl::StrAppend(&reference, "output: ", output);
    return TreeModel::Create(ensemble, testing::FromText<strategy::v1::ModelReference>(reference),
                             names_, inputs_, Fail());
  }

  // A customer of whom a quarter is not known, and the row that such a model sees of them.
  std::vector<double> NextCustomer() {
    std::uniform_real_distribution<double> real(0, 60);
    const auto code = static_cast<int>(random_() % 6);
    const double charges = real(random_);
    const auto tenure = static_cast<int64_t>(random_() % 60);
    plan_ = absl::StrCat("plan ", code);
    Feature("plan") = ValueRef::String(plan_);
    Feature("monthly_charges") = ValueRef::Double(charges);
    Feature("tenure_months") = ValueRef::Int(tenure);
    std::vector<double> row = {static_cast<double>(code), charges, static_cast<double>(tenure)};
    size_t column = 0;
    for (const char* name : {"plan", "monthly_charges", "tenure_months"}) {
      const bool is_known = random_() % 4 != 0;
      Feature(name).set_known(is_known);
      if (!is_known) row[column] = trees::kMissing;
      ++column;
    }
    inputs_.Fill(strategy_->context, context_, features_, frame_);
    return row;
  }

  // What the parts of random customers' scores are, beside the model's own score.
  void ExpectExact(const std::string& text, int output = -1) {
    const trees::TreeEnsemble ensemble = trees::MustRead(text);
    const std::unique_ptr<const Model> model = TreesOf(ensemble, output);
    ASSERT_NE(model, nullptr);
    std::vector<double> raw(ensemble.raw_outputs());
    for (int i = 0; i < 300; ++i) {
      const std::vector<double> row = NextCustomer();
      ensemble.PredictRaw(row, absl::MakeSpan(raw));
      std::optional<ScoreParts> parts = model->Parts(frame_, 0);
      ASSERT_TRUE(parts.has_value());
      ASSERT_EQ(parts->score, raw[static_cast<size_t>(std::max(output, 0))]);
      ASSERT_TRUE(Arrange(*parts));
      ASSERT_EQ(AddUp(*parts), parts->score) << absl::StrJoin(row, ", ");
    }
  }

  ValueRef& Feature(std::string_view name) {
    return features_[static_cast<size_t>(strategy_->features.SlotOf(name))];
  }
  // A number with six digits.
  std::string Number(double low, double high) {
    return absl::StrCat(std::uniform_real_distribution<double>(low, high)(random_));
  }

  // As many random stumps as there are in `text`; with categories those on feature 0 are sets.
  trees::XgboostText RandomXgboost(int classes, bool has_categories) {
    trees::XgboostText text;
    text.trees.clear();
    std::vector<int> outputs;
    for (int i = 0; i < kTrees; ++i) {
      const int feature = i % 3;
      text.trees.push_back(feature == 0 && has_categories
                               ? trees::XgboostCategoryStump({i % 5, 5}, i % 2 == 0)
                               : trees::XgboostStump(feature, Number(0, feature == 0 ? 6 : 60),
                                                     i % 2 == 0, Number(-1, 1), Number(-1, 1)));
      outputs.push_back(classes == 0 ? 0 : i % classes);
    }
    text.tree_info = absl::StrCat("[", absl::StrJoin(outputs, ", "), "]");
    text.classes = absl::StrCat(classes);
    return text;
  }

  trees::LightgbmText RandomLightgbm(bool is_linear, bool has_categories) {
    constexpr int kNanIsMissing = 8;
    trees::LightgbmText text;
    text.trees.clear();
    for (int i = 0; i < kTrees; ++i) {
      const int feature = i % 3;
      const bool is_set = feature == 0 && has_categories;
      std::string more;
      if (is_set) more = absl::StrCat("cat_boundaries=0 1\ncat_threshold=", 1 + i % 62, "\n");
      if (is_linear) {
        more = absl::StrCat("is_linear=1\nleaf_const=", Number(-1, 1), " ", Number(-1, 1),
                            "\nnum_features=1 2\nleaf_features=1  1 2 \nleaf_coeff=", Number(-1, 1),
                            "  ", Number(-1, 1), " ", Number(-1, 1), " \n");
      }
      text.trees.push_back(absl::StrReplaceAll(
          trees::LightgbmStump(is_set ? kNanIsMissing + 1 : kNanIsMissing,
                               is_set ? "0" : Number(0, feature == 0 ? 6 : 60), more),
          {{"split_feature=0", absl::StrCat("split_feature=", feature)},
           {"leaf_value=-1 1", absl::StrCat("leaf_value=", Number(-1, 1), " ", Number(-1, 1))}}));
    }
    return text;
  }

  static constexpr int kTrees = 60;
  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  const InputNames names_;
  InputTable inputs_;
  context::DecisionContext context_;
  std::vector<ValueRef> features_;
  InputFrame frame_;
  std::string plan_;
  std::mt19937_64 random_{7};
};

TEST_F(ScorePartsTest, OfXgboostAddUpToTheScore) {
  trees::XgboostText text = RandomXgboost(0, false);
  text.objective = "binary:logistic";
  text.base_score = "\"0.3\"";
  ExpectExact(text.ToString());
}

TEST_F(ScorePartsTest, OfAClassOfXgboostAddUpToItsScore) {
  trees::XgboostText text = RandomXgboost(3, false);
  text.objective = "multi:softprob";
  text.base_score = "\"0.5\"";
  for (int output = 0; output < 3; ++output) ExpectExact(text.ToString(), output);
}

TEST_F(ScorePartsTest, OfDartAddUpToTheScore) {
  trees::XgboostText text = RandomXgboost(0, false);
  std::vector<std::string> weights;
  weights.reserve(kTrees);
  for (int i = 0; i < kTrees; ++i) weights.push_back(Number(0, 1));
  text.of_model = absl::StrCat(", \"weight_drop\": [", absl::StrJoin(weights, ", "), "]");
  ExpectExact(text.ToString());
}

TEST_F(ScorePartsTest, OfCategoriesAddUpToTheScore) {
  ExpectExact(RandomXgboost(0, true).ToString());
  ExpectExact(RandomLightgbm(false, true).ToString());
}

TEST_F(ScorePartsTest, OfLightgbmAddUpToTheScore) {
  trees::LightgbmText text = RandomLightgbm(false, false);
  text.objective = "objective=binary sigmoid:1\n";
  ExpectExact(text.ToString());
}

TEST_F(ScorePartsTest, OfLinearLeavesAddUpToTheScore) {
  ExpectExact(RandomLightgbm(true, false).ToString());
}

TEST_F(ScorePartsTest, OfTreesHaveEveryFeatureThatIsLookedAt) {
  trees::LightgbmText text;
  text.trees = {trees::LightgbmStump(8, "2.5")};  // -1 for one in four, else 1: 0.5 is expected
  text.objective = "objective=binary sigmoid:1\n";
  const std::unique_ptr<const Model> model = TreesOf(trees::MustRead(text.ToString()), -1);
  ASSERT_NE(model, nullptr);
  Feature("plan") = ValueRef::String("plan 1");
  inputs_.Fill(strategy_->context, context_, features_, frame_);
  const std::optional<ScoreParts> parts = model->Parts(frame_, 0);
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->base, 0.5);
  EXPECT_EQ(parts->score, -1);
  EXPECT_EQ(parts->link, "logit");
  ASSERT_THAT(parts->contributions, SizeIs(1)) << "no tree looks at b and c";
  EXPECT_THAT(*model->PartInputs(), ElementsAre(parts->contributions[0].input));
  EXPECT_EQ(names_.NameOf(parts->contributions[0].input), "customer.plan");
  EXPECT_EQ(parts->contributions[0].feature, "a");
  EXPECT_EQ(parts->contributions[0].amount, -1.5);
}

TEST_F(ScorePartsTest, OfALinearModelAreItsTerms) {
  const auto model = CreateModel(testing::FromText<strategy::v1::Model>(R"pb(
                                   linear {
                                     link: LINK_LOGISTIC
                                     intercept: -0.25
                                     terms {
                                       input: "customer.monthly_charges"
                                       numeric { weight: 0.5 mean: 20 scale: 10 }
                                     }
                                     terms {
                                       input: "customer.monthly_charges"
                                       buckets { bounds: 50 weights: 0 weights: 0.75 }
                                     }
                                     terms {
                                       input: "treatment.group"
                                       one_hot { weights { key: "offer" value: -1 } }
                                     }
                                     terms {
                                       input: "customer.vip"
                                       numeric { weight: 0.5 }
                                     }
                                   }
                                 )pb"),
                                 names_, inputs_, Fail());
  ASSERT_NE(model, nullptr);
  Feature("monthly_charges") = ValueRef::Double(80);
  inputs_.Fill(strategy_->context, context_, features_, frame_);
  std::optional<ScoreParts> parts = model->Parts(frame_, 3);
  ASSERT_TRUE(parts.has_value());
  EXPECT_THAT(parts->contributions, SizeIs(4)) << "also what moved nothing";
  const std::vector<Input> inputs = *model->PartInputs();
  ASSERT_THAT(inputs, SizeIs(4));
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(inputs[i] == parts->contributions[i].input) << i;
  EXPECT_EQ(parts->score, 2.5);
  EXPECT_EQ(parts->link, "logit");
  ASSERT_TRUE(Arrange(*parts));
  EXPECT_EQ(parts->base, -0.25);
  EXPECT_THAT(AmountsOf(*parts), ElementsAre(3, -1, 0.75));
  EXPECT_EQ(parts->contributions[0].feature, "");
}

TEST_F(ScorePartsTest, OfALinearModelAddUpToTheScore) {
  strategy::v1::Model file;
  strategy::v1::LinearModel& linear = *file.mutable_linear();
  linear.set_link(strategy::v1::LINK_LOGISTIC);
  linear.set_intercept(-2.3);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 90; ++i) {
    strategy::v1::LinearTerm& term = *linear.add_terms();
    term.set_input(i % 2 == 0 ? "customer.monthly_charges" : "customer.tenure_months");
    term.mutable_numeric()->set_weight(normal(random_) / 100);
  }
  const auto model = CreateModel(file, names_, inputs_, Fail());
  ASSERT_NE(model, nullptr);
  ModelScratch scratch;
  for (int i = 0; i < 300; ++i) {
    NextCustomer();
    std::optional<ScoreParts> parts = model->Parts(frame_, 0);
    ASSERT_TRUE(parts.has_value());
    const int treatment = 0;
    double propensity = -1;
    model->Predict(frame_, absl::MakeConstSpan(&treatment, 1), absl::MakeSpan(&propensity, 1),
                   scratch);
    ASSERT_EQ(propensity, 1.0 / (1.0 + std::exp(-parts->score)));
    ASSERT_TRUE(Arrange(*parts));
    ASSERT_EQ(AddUp(*parts), parts->score);
  }
}

}  // namespace
}  // namespace attune::scoring
