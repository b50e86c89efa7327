#include "lib/trees/lightgbm_reader.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::trees {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

double PredictOne(const LightgbmText& text, double value) {
  return PredictRow(MustRead(text.ToString()), {value, 0, 0})[0];
}

// Bits of decision_type.
constexpr int kCategorical = 1;
constexpr int kDefaultLeft = 2;
constexpr int kZeroMissing = 4;
constexpr int kNanMissing = 8;

struct MissingCase {
  int decision_type;
  const char* threshold;
  double value;
  double expected;
};

TEST(LightgbmReader, SendsMissingValuesAsTheSplitSays) {
  const MissingCase cases[] = {
      {0, "0.5", 0.5, -1},  // the threshold itself goes left
      {0, "0.5", std::nextafter(0.5, 1), 1},
      // Where nothing is missing NaN is zero.
      {0, "0.5", kMissing, -1},
      {0, "-0.5", kMissing, 1},
      {kDefaultLeft, "-0.5", kMissing, 1},
      {kDefaultLeft, "-0.5", 0, 1},
      {kZeroMissing, "0.5", 0, 1},
      {kZeroMissing | kDefaultLeft, "-0.5", 0, -1},
      {kZeroMissing | kDefaultLeft, "-0.5", kMissing, -1},
      {kZeroMissing | kDefaultLeft, "-0.5", 1e-36, -1},
      {kZeroMissing | kDefaultLeft, "-0.5", -1e-35F, -1},
      {kZeroMissing | kDefaultLeft, "-0.5", 2e-35, 1},
      {kZeroMissing, "0.5", kMissing, 1},
      {kNanMissing, "0.5", kMissing, 1},
      {kNanMissing, "0.5", 0, -1},
      {kNanMissing | kDefaultLeft, "-0.5", kMissing, -1},
      {kNanMissing | kDefaultLeft, "-0.5", 0, 1},
  };
  for (const MissingCase& test : cases) {
    LightgbmText text;
    text.trees = {LightgbmStump(test.decision_type, test.threshold)};
    EXPECT_EQ(PredictOne(text, test.value), test.expected)
        << test.decision_type << " " << test.threshold << " " << test.value;
  }
}

TEST(LightgbmReader, CategoriesOfTheSetGoLeftAndMissingOnesRight) {
  for (const int missing : {0, kZeroMissing, kNanMissing, kNanMissing | kDefaultLeft}) {
    LightgbmText text;
    // The bits 0 and 33.
    text.trees = {
        LightgbmStump(kCategorical | missing, "0", "cat_boundaries=0 2\ncat_threshold=1 2\n")};
    for (const double category : {0.0, 0.7, -0.5, 33.0}) {
      EXPECT_EQ(PredictOne(text, category), -1) << category;
    }
    for (const double category : {1.0, 32.0, 34.0, 64.0, -1.0, 1e9, 1e30, kMissing}) {
      EXPECT_EQ(PredictOne(text, category), 1) << category;
    }
  }
}

TEST(LightgbmReader, EveryTreeHasItsOwnSets) {
  LightgbmText text;
  text.trees = {
      LightgbmStump(kCategorical, "0", "cat_boundaries=0 1\ncat_threshold=1\n"),
      LightgbmStump(kCategorical, "0", "cat_boundaries=0 1\ncat_threshold=2\n"),
  };
  EXPECT_EQ(PredictOne(text, 0), 0);
  EXPECT_EQ(PredictOne(text, 1), 0);
  EXPECT_EQ(PredictOne(text, 2), 2);
}

TEST(LightgbmReader, LinearLeavesFallBackWhereAFeatureIsMissing) {
  LightgbmText text;
  text.trees = {LightgbmStump(kNanMissing, "0.5",
                              "is_linear=1\nleaf_const=10 20\nnum_features=2 0\n"
                              "leaf_features=1 2  \nleaf_coeff=2 3  \n")};
  const TreeEnsemble model = MustRead(text.ToString());
  EXPECT_EQ(PredictRow(model, {0, 5, 7})[0], 10 + 2 * 5 + 3 * 7);
  EXPECT_EQ(PredictRow(model, {0, 5, kMissing})[0], -1);
  EXPECT_EQ(PredictRow(model, {1, 5, kMissing})[0], 20);
}

TEST(LightgbmReader, TreesOfOneLeafAddAConstant) {
  LightgbmText text;
  text.trees = {"Tree=0\nnum_leaves=1\nnum_cat=0\nsplit_feature=\nleaf_value=2.5\nshrinkage=1\n\n"};
  EXPECT_EQ(PredictOne(text, 0), 2.5);
}

TEST(LightgbmReader, AModelWithoutTreesPredictsWhatTheScoreZeroIs) {
  for (const char* sizes : {"", "tree_sizes=\n"}) {
    LightgbmText text;
    text.objective = "objective=binary sigmoid:1\n";
    text.more = sizes;
    text.trees = {};
    const TreeEnsemble model = MustRead(text.ToString());
    EXPECT_EQ(model.info().trees, 0);
    EXPECT_EQ(PredictRow(model, {1, 2, 3})[0], 0.5);
    std::vector<double> contributions(4);
    model.Contributions(std::vector<double>{1, 2, 3}, 0, absl::MakeSpan(contributions));
    EXPECT_THAT(contributions, ElementsAre(0, 0, 0, 0));
  }
}

struct ObjectiveCase {
  const char* objective;
  double expected;  // of a row whose leaf is -1
};

TEST(LightgbmReader, AppliesTheLinkOfTheObjective) {
  const ObjectiveCase cases[] = {
      {"regression", -1},
      {"regression sqrt", -1},
      {"regression_l1", -1},
      {"huber sqrt", -1},
      {"fair", -1},
      {"quantile", -1},
      {"mape", -1},
      {"poisson", std::exp(-1.0)},
      {"gamma", std::exp(-1.0)},
      {"tweedie", std::exp(-1.0)},
      {"binary sigmoid:1", 1 / (1 + std::exp(1.0))},
      {"binary sigmoid:0.5", 1 / (1 + std::exp(0.5))},
      {"cross_entropy", 1 / (1 + std::exp(1.0))},
      {"cross_entropy_lambda", std::log1p(std::exp(-1.0))},
      {"lambdarank", -1},
  };
  for (const ObjectiveCase& test : cases) {
    LightgbmText text;
    text.objective = absl::StrCat("objective=", test.objective, "\n");
    EXPECT_DOUBLE_EQ(PredictOne(text, 0), test.expected) << test.objective;
  }
  LightgbmText text;
  text.objective = "objective=regression sqrt\n";
  text.trees.assign(3, LightgbmStump(0, "0.5"));
  EXPECT_EQ(PredictOne(text, 0), -9) << "a square that keeps its sign";
  text.objective = "";
  EXPECT_EQ(PredictOne(text, 0), -3) << "of a custom objective nothing is known";
}

TEST(LightgbmReader, PredictsOneValuePerClass) {
  LightgbmText text;
  text.classes = "2";
  text.objective = "objective=multiclass num_class:2\n";
  text.trees = {LightgbmStump(0, "0.5"), LightgbmStump(0, "-0.5")};
  const double share = 1 / (1 + std::exp(2.0));
  std::vector<double> predictions = PredictRow(MustRead(text.ToString()), {0, 0, 0});
  ASSERT_EQ(predictions.size(), 2);
  EXPECT_DOUBLE_EQ(predictions[0], share);
  EXPECT_DOUBLE_EQ(predictions[1], 1 - share);
  text.objective = "objective=multiclassova num_class:2 sigmoid:2\n";
  predictions = PredictRow(MustRead(text.ToString()), {0, 0, 0});
  EXPECT_DOUBLE_EQ(predictions[0], 1 / (1 + std::exp(2.0)));
  EXPECT_DOUBLE_EQ(predictions[1], 1 / (1 + std::exp(-2.0)));
}

TEST(LightgbmReader, AveragesForestsAndKnowsWhenTheSigmoidFollows) {
  LightgbmText text;
  text.objective = "objective=binary sigmoid:1\n";
  text.more = "average_output\n";
  text.trees = {LightgbmStump(0, "0.5"), LightgbmStump(0, "0.5"), LightgbmStump(0, "-0.5"),
                LightgbmStump(0, "0.5")};
  const TreeEnsemble model = MustRead(text.ToString());
  EXPECT_EQ(model.info().booster, "rf");
  EXPECT_DOUBLE_EQ(PredictRow(model, {0, 0, 0})[0], 1 / (1 + std::exp(0.5)));
  std::vector<double> score(1);
  model.PredictRaw(std::vector<double>{0, 0, 0}, absl::MakeSpan(score));
  EXPECT_THAT(score, ElementsAre(-2));
}

struct ForestCase {
  const char* objective;
  const char* leaves;
  double expected;  // of the first leaf
};

// The version is the same up to 2.2.2, which predicts the mean of the leaves, and in 2.2.3.
TEST(LightgbmReader, TheLeavesOfAnOldForestTellWhetherTheLinkFollows) {
  const ForestCase cases[] = {
      {"binary sigmoid:1", "0.25 1", 0.25},
      {"binary sigmoid:1", "-1e-17 1.0000000000000002", -1e-17},
      {"binary sigmoid:1", "-1.3 0.5", 1 / (1 + std::exp(1.3))},
      {"binary sigmoid:1", "0.25 1.1", 1 / (1 + std::exp(-0.25))},
      {"cross_entropy_lambda", "0.25 1", 0.25},
      {"cross_entropy_lambda", "0.25 2", std::log1p(std::exp(0.25))},
      {"poisson", "0.25 1000", 0.25},
      {"tweedie", "0.25 -0.1", std::exp(0.25)},
      {"regression", "-3 7", -3},
      {"regression sqrt", "-3 7", -3},
  };
  for (const ForestCase& test : cases) {
    LightgbmText text;
    text.version = "v2";
    text.more = "average_output\n";
    text.objective = absl::StrCat("objective=", test.objective, "\n");
    std::string tree = LightgbmStump(0, "0.5");
    tree.replace(tree.find("-1 1\nleaf_count"), 4, test.leaves);
    text.trees = {tree, tree};
    EXPECT_DOUBLE_EQ(PredictOne(text, 0), test.expected) << test.objective << " " << test.leaves;
  }
}

TEST(LightgbmReader, TheLeavesOfAnOldForestOfClassesTellWhetherTheSoftmaxFollows) {
  LightgbmText text;
  text.version = "v2";
  text.more = "average_output\n";
  text.classes = "2";
  text.objective = "objective=multiclass num_class:2\n";
  text.trees = {LightgbmStump(0, "0.5"), LightgbmStump(0, "-0.5")};
  const double share = 1 / (1 + std::exp(2.0));
  EXPECT_DOUBLE_EQ(PredictOne(text, 0), share);
  for (std::string& tree : text.trees) tree.replace(tree.find("=-1 1\n"), 6, "=0.25 1\n");
  EXPECT_EQ(PredictOne(text, 0), 0.25);
}

TEST(LightgbmReader, ReadsWhatTheModelIs) {
  const TreeEnsemble model = MustRead(LightgbmText().ToString());
  EXPECT_EQ(model.info().library, "LightGBM");
  EXPECT_EQ(model.info().version, "v4");
  EXPECT_EQ(model.info().booster, "dart");
  EXPECT_EQ(model.info().objective, "regression");
  EXPECT_EQ(model.info().trees, 1);
  EXPECT_THAT(model.info().features, ElementsAre("a", "b", "c"));
}

TEST(LightgbmReader, ReadsLinesThatEndAsOnWindows) {
  std::string text;
  for (const char c : LightgbmText().ToString()) {
    text += c == '\n' ? "\r\n" : std::string(1, c);
  }
  EXPECT_EQ(PredictRow(MustRead(text), {0, 0, 0})[0], -1);
}

struct DamageCase {
  const char* was;
  const char* is;
  const char* problem;
};

TEST(LightgbmReader, SaysWhatIsWrongOnWhichLine) {
  const DamageCase cases[] = {
      {"left_child=-1", "left_child=-3", "a child -3 is neither a split nor a leaf"},
      {"left_child=-1", "left_child=1", "a child 1 is neither a split nor a leaf"},
      {"left_child=-1", "left_child=0", "tree 0, node 0: its child 0 is reached"},
      {"left_child=-1", "left_child=-2", "tree 0, node 0: its child 2 is reached"},
      {"left_child=-1", "left_child=x", "line 17: left_child: \"x\" is no number"},
      {"left_child=-1\n", "", "left_child is missing"},
      {"split_feature=0", "split_feature=3", "tree 0, node 0: there is no feature 3"},
      {"split_feature=0", "split_feature=-1", "tree 0, node 0: there is no feature -1"},
      {"threshold=0.5", "threshold=nan", "tree 0, node 0: the threshold is NaN"},
      {"leaf_value=-1 1", "leaf_value=-1", "line 19: leaf_value has 1 elements; 2 are expected"},
      {"leaf_value=-1 1", "leaf_value=-1 nan", "the output of the leaf is not a finite number"},
      {"num_leaves=2", "num_leaves=2000000000", "num_leaves: \"2000000000\" is no whole number"},
      {"num_leaves=2", "num_leaves=0", "num_leaves"},
      {"decision_type=10", "decision_type=11", "has no set of categories 0.5"},
      {"decision_type=10", "decision_type=77", "decision_type of 77"},
      {"num_class=1", "num_class=0", "line 3: num_class"},
      {"names=a b c", "names=a b b", "the features 1 and 2 are both called \"b\""},
      {"max_feature_idx=2", "max_feature_idx=3", "feature_names has 3 elements; 4 are expected"},
      {"max_feature_idx=2", "max_feature_idx=9999999999", "max_feature_idx"},
      {"objective=regression", "objective=mine", "line 7: the objective \"mine\" is not supported"},
      {"objective=regression", "objective=binary sigmoid:0", "sigmoid must be greater than 0"},
      {"Tree=0", "tree_sizes=1 2\nTree=0", "tree_sizes has 2 elements; the file has 1 trees"},
      {"num_tree_per_iteration=1", "num_tree_per_iteration=2", "1 trees are no multiple of"},
      {"end of trees", "Tr", "a tree or the end of the trees is expected here"},
  };
  for (const DamageCase& test : cases) {
    std::string text = LightgbmText().ToString();
    const size_t at = text.find(test.was);
    ASSERT_NE(at, std::string::npos) << test.was;
    text.replace(at, std::string(test.was).size(), test.is);
    const absl::StatusOr<TreeEnsemble> model = ReadModel(text);
    ASSERT_FALSE(model.ok()) << test.is;
    EXPECT_THAT(std::string(model.status().message()), HasSubstr(test.problem)) << test.is;
  }
}

TEST(LightgbmReader, RefusesAFileThatEndsWithinItsTrees) {
  const std::string text = LightgbmText().ToString();
  const size_t end = text.find("end of trees");
  for (size_t size = 0; size <= end; ++size) {
    EXPECT_FALSE(ReadModel(text.substr(0, size)).ok()) << size;
  }
}

TEST(LightgbmReader, RefusesWrongSetsOfCategories) {
  for (const char* lines :
       {"cat_boundaries=0 2\ncat_threshold=1\n", "cat_boundaries=0 -1\ncat_threshold=\n",
        "cat_boundaries=1 2\ncat_threshold=1 1\n", "cat_boundaries=0 1\ncat_threshold=5000000000\n",
        "cat_boundaries=0 999999999999\ncat_threshold=1\n", "cat_boundaries=0 1\n"}) {
    LightgbmText text;
    text.trees = {LightgbmStump(kCategorical, "0", lines)};
    EXPECT_FALSE(ReadModel(text.ToString()).ok()) << lines;
  }
}

TEST(LightgbmReader, RefusesWrongLinearLeaves) {
  for (const char* lines :
       {"is_linear=1\nleaf_const=1 2\nnum_features=1 0\nleaf_features=3\nleaf_coeff=1\n",
        "is_linear=1\nleaf_const=1 2\nnum_features=1 0\nleaf_features=0\nleaf_coeff=nan\n",
        "is_linear=1\nleaf_const=1 2\nnum_features=-1 0\nleaf_features=\nleaf_coeff=\n",
        "is_linear=1\nleaf_const=1\nnum_features=0 0\nleaf_features=\nleaf_coeff=\n",
        "is_linear=1\nleaf_const=1 inf\nnum_features=0 0\nleaf_features=\nleaf_coeff=\n"}) {
    LightgbmText text;
    text.trees = {LightgbmStump(0, "0", lines)};
    EXPECT_FALSE(ReadModel(text.ToString()).ok()) << lines;
  }
}

}  // namespace
}  // namespace attune::trees
