#include "lib/trees/xgboost_reader.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/trees/model_texts.h"

namespace attune::trees {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

double PredictOne(const XgboostText& text, const std::vector<double>& row) {
  return PredictRow(MustRead(text.ToString()), row)[0];
}

TEST(XgboostReader, ReadsTheBaseScoreInAllSpellings) {
  for (const char* spelling :
       {"2.35E-1", "\"2.35E-1\"", "\"0.235\"", "\"[2.35E-1]\"", "\"(0.235)\"", "[0.235]"}) {
    XgboostText text;
    text.base_score = spelling;
    EXPECT_EQ(PredictOne(text, {0, 0, 0}), 1.0F + 0.235F) << spelling;
  }
}

TEST(XgboostReader, ReadsOneBaseScorePerClass) {
  XgboostText text;
  text.objective = "multi:softprob";
  text.classes = "3";
  text.trees = {};
  text.tree_info = "[]";
  text.base_score = "\"[0E0,1E0,2E0]\"";
  const TreeEnsemble model = MustRead(text.ToString());
  const double sum = 1 + std::exp(1) + std::exp(2);
  const std::vector<double> predictions = PredictRow(model, {0, 0, 0});
  ASSERT_EQ(predictions.size(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(predictions[i], std::exp(i) / sum, 1e-7);
}

struct ObjectiveCase {
  const char* objective;
  double base_score;
  double expected;  // of a row whose leaf is 1
};

TEST(XgboostReader, AppliesTheLinkOfTheObjective) {
  const double odds = std::exp(1.0) * 0.3 / 0.7;
  const ObjectiveCase cases[] = {
      {"binary:logistic", 0.3, odds / (1 + odds)},
      {"reg:logistic", 0.3, odds / (1 + odds)},
      {"binary:logitraw", 0.3, 1.3},
      {"binary:hinge", 0.3, 1},
      {"binary:hinge", -1, 0},
      {"reg:squarederror", 0.3, 1.3},
      {"reg:squaredlogerror", 0.3, 1.3},
      {"reg:pseudohubererror", 0.3, 1.3},
      {"reg:absoluteerror", 0.3, 1.3},
      {"reg:quantileerror", 0.3, 1.3},
      {"count:poisson", 0.3, 0.3 * std::exp(1)},
      {"reg:gamma", 0.3, 0.3 * std::exp(1)},
      {"reg:tweedie", 0.3, 0.3 * std::exp(1)},
      {"survival:cox", 0.3, 0.3 * std::exp(1)},
      {"rank:ndcg", 0.3, 1.3},
  };
  for (const ObjectiveCase& test : cases) {
    XgboostText text;
    text.objective = test.objective;
    text.base_score = absl::StrCat(test.base_score);
    EXPECT_NEAR(PredictOne(text, {0, 0, 0}), test.expected, 1e-6) << test.objective;
  }
}

TEST(XgboostReader, SoftmaxPredictsTheClass) {
  XgboostText text;
  text.objective = "multi:softmax";
  text.classes = "3";
  text.trees = {XgboostStump(0, "0.5", true, "0", "1"), XgboostStump(0, "0.5", true, "1", "0")};
  text.tree_info = "[1, 2]";
  EXPECT_EQ(PredictOne(text, {0, 0, 0}), 2);
  EXPECT_EQ(PredictOne(text, {1, 0, 0}), 1);
}

TEST(XgboostReader, SortsQuantilesAsNewVersionsDo) {
  XgboostText text;
  text.objective = "reg:quantileerror";
  text.base_score = "\"[3E0,1E0]\"";
  text.trees = {};
  text.tree_info = "[]";
  text.classes = "2";
  EXPECT_THAT(PredictRow(MustRead(text.ToString()), {0, 0, 0}), ElementsAre(3, 1));
  text.version = "[3, 4, 1]";
  EXPECT_THAT(PredictRow(MustRead(text.ToString()), {0, 0, 0}), ElementsAre(1, 3));
}

TEST(XgboostReader, ExpectilesRise) {
  XgboostText text;
  text.objective = "reg:expectileerror";
  text.base_score = "\"[3E-1]\"";
  EXPECT_EQ(PredictOne(text, {0, 0, 0}), 1.0F + 0.3F) << "a single one is what it is";
  text.version = "[3, 3, 0]";
  text.classes = "3";
  text.base_score = "\"[1E0,3E0,3E0]\"";
  text.trees = {};
  text.tree_info = "[]";
  // What the base scores are without trees; two are 1e-6 apart at least, twice.
  std::vector<double> predictions = PredictRow(MustRead(text.ToString()), {0, 0, 0});
  ASSERT_EQ(predictions.size(), 3);
  EXPECT_EQ(predictions[0], 1);
  EXPECT_NEAR(predictions[1], 3, 1e-6);
  EXPECT_NEAR(predictions[2], 3.000002, 1e-6);
  // Trees add to the scores below the softplus.
  text.base_score = "\"[1E0,3E0,7E0]\"";
  text.trees = {XgboostStump(0, "0.5", true, "0", "1"), XgboostStump(0, "0.5", true, "0", "-1")};
  text.tree_info = "[0, 1]";
  const TreeEnsemble model = MustRead(text.ToString());
  predictions = PredictRow(model, {0, 0, 0});
  EXPECT_NEAR(predictions[1], 3, 1e-6);
  EXPECT_NEAR(predictions[2], 7, 2e-6);
  predictions = PredictRow(model, {1, 0, 0});
  EXPECT_EQ(predictions[0], 2);
  const double rise = std::log1p(std::expm1(2) * std::exp(-1));
  EXPECT_NEAR(predictions[1], 2 + rise, 2e-6);
  EXPECT_NEAR(predictions[2], 2 + rise + 4, 4e-6);
}

TEST(XgboostReader, ComparesInSinglePrecision) {
  XgboostText text;
  text.trees = {XgboostStump(0, "0.1", true, "1", "2")};
  EXPECT_EQ(PredictOne(text, {std::nextafter(0.1F, 0.0F), 0, 0}), 1);
  EXPECT_EQ(PredictOne(text, {0.1F, 0, 0}), 2) << "the condition itself goes right";
  // Less than the condition, but the same in single precision.
  EXPECT_EQ(PredictOne(text, {0.1, 0, 0}), 2);
  text.trees = {XgboostStump(0, "0", true, "1", "2")};
  EXPECT_EQ(PredictOne(text, {-0.0, 0, 0}), 2);
  EXPECT_EQ(PredictOne(text, {-1e-30, 0, 0}), 1);
}

TEST(XgboostReader, MissingValuesGoTheDefaultWay) {
  XgboostText text;
  EXPECT_EQ(PredictOne(text, {kMissing, 0, 0}), 1);
  text.trees = {XgboostStump(0, "0.5", false, "1", "2")};
  EXPECT_EQ(PredictOne(text, {kMissing, 0, 0}), 2);
}

TEST(XgboostReader, CategoriesOfTheSetGoRight) {
  XgboostText text;
  text.trees = {XgboostCategoryStump({1, 40}, true)};
  const TreeEnsemble model = MustRead(text.ToString());
  EXPECT_TRUE(model.IsCategorical(0));
  EXPECT_FALSE(model.IsCategorical(1));
  for (const double category : {1.0, 40.0, 1.9}) {
    EXPECT_EQ(PredictRow(model, {category, 0, 0})[0], 1) << category;
  }
  for (const double category : {0.0, 2.0, 39.0, 41.0, 100.0, -1.0, -0.5, 1e9, 1e30, kMissing}) {
    EXPECT_EQ(PredictRow(model, {category, 0, 0})[0], -1) << category;
  }
  text.trees = {XgboostCategoryStump({1}, false)};
  EXPECT_EQ(PredictOne(text, {kMissing, 0, 0}), 1);
  text.trees = {XgboostCategoryStump({0}, false)};
  EXPECT_EQ(PredictOne(text, {-0.5, 0, 0}), -1) << "no negative number is a category";
}

TEST(XgboostReader, ReadsTheWeightsOfDartWhereverTheyStand) {
  XgboostText text;
  text.trees = {XgboostStump(0, "0.5", true, "1", "2"), XgboostStump(0, "0.5", true, "4", "8")};
  text.tree_info = "[0, 0]";
  const std::string weights = R"(, "weight_drop": [0.5, 0.25])";
  XgboostText inside = text;
  inside.of_model = weights;
  XgboostText beside = text;
  beside.of_booster = weights;
  XgboostText old = text;
  old.name = "dart";
  const std::string old_text = old.WithBooster(
      absl::StrCat(R"("gbtree": {"name": "gbtree", "model": )", text.Model(), "}", weights));
  for (const std::string& model : {inside.ToString(), beside.ToString(), old_text}) {
    EXPECT_EQ(MustRead(model).info().booster, "dart");
    EXPECT_EQ(PredictRow(MustRead(model), {0, 0, 0})[0], 1.5) << model;
  }
}

TEST(XgboostReader, DartMayHaveOneWeightPerIteration) {
  XgboostText text;
  text.objective = "multi:softmax";
  text.classes = "2";
  text.trees.assign(4, XgboostStump(0, "0.5", true, "1", "2"));
  text.tree_info = "[0, 1, 0, 1]";
  text.of_model = R"(, "weight_drop": [1, 0.5], "iteration_indptr": [0, 2, 4])";
  const TreeEnsemble model = MustRead(text.ToString());
  std::vector<double> scores(2);
  model.PredictRaw(std::vector<double>{0, 0, 0}, absl::MakeSpan(scores));
  EXPECT_THAT(scores, ElementsAre(1.5, 1.5));
}

TEST(XgboostReader, TheBestIterationCutsTheTrees) {
  XgboostText text;
  for (const char* leaf : {"1", "10", "100", "1000"}) {
    if (leaf == std::string("1")) text.trees.clear();
    text.trees.push_back(XgboostStump(0, "0.5", true, leaf, "0"));
  }
  text.tree_info = "[0, 0, 0, 0]";
  EXPECT_EQ(PredictOne(text, {0, 0, 0}), 1111);
  text.attributes = R"({"best_iteration": "0"})";
  EXPECT_EQ(PredictOne(text, {0, 0, 0}), 1);
  text.attributes = R"({"best_iteration": "0", "best_ntree_limit": "2"})";
  EXPECT_EQ(PredictOne(text, {0, 0, 0}), 11)
      << "old files tell by it how many trees run in parallel";
  text.attributes = R"({"best_iteration": "0"})";
  text.of_model = R"(, "iteration_indptr": [0, 2, 4])";
  EXPECT_EQ(PredictOne(text, {0, 0, 0}), 11);
  text.attributes = R"({"best_iteration": "7"})";
  const TreeEnsemble model = MustRead(text.ToString());
  EXPECT_EQ(PredictRow(model, {0, 0, 0})[0], 1111);
  EXPECT_EQ(model.info().trees, 4);
}

TEST(XgboostReader, LinearBoostersSkipMissingValues) {
  XgboostText text;
  text.name = "gblinear";
  text.objective = "multi:softprob";
  text.classes = "2";
  text.features = "2";
  text.base_score = "\"5E-1\"";
  text.attributes = R"({"best_iteration": "0"})";  // counts nothing here
  // By feature: 1 and 2 of the first, 3 and 4 of the second; then the biases.
  const TreeEnsemble model =
      MustRead(text.WithBooster(R"("model": {"weights": [1, 2, 3, 4, 10, 20]})"));
  std::vector<double> scores(2);
  model.PredictRaw(std::vector<double>{1, 10}, absl::MakeSpan(scores));
  EXPECT_THAT(scores, ElementsAre(41.5, 62.5));
  model.PredictRaw(std::vector<double>{1, kMissing}, absl::MakeSpan(scores));
  EXPECT_THAT(scores, ElementsAre(11.5, 22.5));
  EXPECT_EQ(model.info().trees, 0);
}

TEST(XgboostReader, ReadsNamesOfFeaturesOrMakesThem) {
  EXPECT_THAT(MustRead(XgboostText().ToString()).info().features, ElementsAre("f0", "f1", "f2"));
  nlohmann::json json = nlohmann::json::parse(XgboostText().ToString());
  json["learner"]["feature_names"] = {"age", "caf\u00e9", "c"};
  const TreeEnsemble model = MustRead(json.dump(-1, ' ', /*ensure_ascii=*/true));
  EXPECT_THAT(model.info().features, ElementsAre("age", "caf\u00e9", "c"));
  EXPECT_EQ(model.info().version, "3.1.0");
  EXPECT_EQ(model.info().objective, "reg:squarederror");
  json["learner"]["feature_names"] = nlohmann::json::array();
  EXPECT_THAT(MustRead(json.dump()).info().features, ElementsAre("f0", "f1", "f2"));
}

TEST(XgboostReader, RefusesNamesThatAreNone) {
  const std::pair<nlohmann::json, const char*> cases[] = {
      {"x", "learner.feature_names: must be an array of texts"},
      {{1, 2, 3}, "learner.feature_names: must be an array of texts"},
      {{"a", 2, "c"}, "learner.feature_names[1]: must be a text"},
      {{"a", "b"}, "learner.feature_names: has 2 elements; num_feature is 3"},
      {{"a", "b", "a"}, "the features 0 and 2 are both called \"a\""},
      {{"a", "", "c"}, "feature 1 has no name"},
  };
  for (const auto& [names, problem] : cases) {
    nlohmann::json json = nlohmann::json::parse(XgboostText().ToString());
    json["learner"]["feature_names"] = names;
    EXPECT_THAT(std::string(ReadModel(json.dump()).status().message()), HasSubstr(problem));
  }
}

TEST(XgboostReader, ReadsUbjson) {
  XgboostText text;
  text.base_score = "\"[2.5E-1]\"";
  const nlohmann::json json = nlohmann::json::parse(text.ToString());
  for (const bool counted : {false, true}) {
    for (const bool typed : {false, true}) {
      if (typed && !counted) continue;  // there is no such thing in UBJSON
      const std::vector<uint8_t> bytes = nlohmann::json::to_ubjson(json, counted, typed);
      const TreeEnsemble model = MustRead(std::string(bytes.begin(), bytes.end()));
      EXPECT_EQ(PredictRow(model, {0, 0, 0})[0], 1.25);
      EXPECT_EQ(PredictRow(model, {1, 0, 0})[0], 2.25);
    }
  }
}

struct DamageCase {
  const char* what;
  const char* was;
  const char* is;
  const char* problem;
};

TEST(XgboostReader, SaysWhatIsWrongWhere) {
  const DamageCase cases[] = {
      {"no learner", "\"learner\"", "\"leaner\"", "learner: is missing"},
      {"a child too far", "\"left_children\": [1,", "\"left_children\": [9,",
       "learner.gradient_booster.model.trees[0].left_children[0]"},
      {"a huge child", "[1, -1, -1]", "[1e300, -1, -1]", "trees[0].left_children[0]"},
      {"a negative child", "[2, -1, -1]", "[-7, -1, -1]", "trees[0].right_children[0]"},
      {"a cycle", "[1, -1, -1]", "[0, -1, -1]", "tree 0, node 0: its child 0 is reached"},
      {"a shared child", "[2, -1, -1]", "[1, -1, -1]", "tree 0, node 0: its child 1 is reached"},
      {"a condition of NaN", "[0.5, 1, 2]", "[NaN, 1, 2]", "tree 0, node 0: the threshold is NaN"},
      {"a leaf of NaN", "[0.5, 1, 2]", "[0.5, NaN, 2]", "tree 0, node 1: the output of the leaf"},
      {"an unknown feature", "\"split_indices\": [0", "\"split_indices\": [3",
       "trees[0].split_indices[0]: 3 is no whole number of 0 to 2"},
      {"arrays of other sizes", "[0.5, 1, 2]", "[0.5, 1]",
       "split_conditions: has 2 elements; 3 are expected"},
      {"another count of nodes", "\"num_nodes\": \"3\"", "\"num_nodes\": \"4\"", "num_nodes is 4"},
      {"another count of trees", "\"num_trees\": \"1\"", "\"num_trees\": \"2\"", "num_trees is 2"},
      {"a tree of no output", "\"tree_info\": [0]", "\"tree_info\": [1]", "tree_info[0]"},
      {"no features", "\"num_feature\": \"3\"", "\"num_feature\": \"0\"", "split_indices"},
      {"many features", "\"num_feature\": \"3\"", "\"num_feature\": \"3000000000\"",
       "learner_model_param.num_feature: 3e+09 is no whole number"},
      {"many classes", "\"num_class\": \"0\"", "\"num_class\": \"99999999\"", "num_class"},
      {"a base score of text", "\"base_score\": \"0\"", "\"base_score\": \"x\"",
       "base_score: \"x\" is neither a number nor a list of numbers"},
      {"too many base scores", "\"base_score\": \"0\"", "\"base_score\": \"[1,2]\"",
       "base_score: has 2 elements; the model has 1"},
      {"an objective of its own", "reg:squarederror", "reg:mine",
       "learner.objective.name: the objective \"reg:mine\" is not supported"},
      {"a booster of its own", "gbtree\"", "gbforest\"", "the booster \"gbforest\""},
      {"leaves of vectors", "\"size_leaf_vector\": \"1\"", "\"size_leaf_vector\": \"2\"",
       "trees[0]: trees of several outputs"},
  };
  for (const DamageCase& test : cases) {
    std::string text = XgboostText().ToString();
    const size_t at = text.find(test.was);
    ASSERT_NE(at, std::string::npos) << test.what;
    text.replace(at, std::string(test.was).size(), test.is);
    const absl::StatusOr<TreeEnsemble> model = ReadModel(text);
    ASSERT_FALSE(model.ok()) << test.what;
    EXPECT_THAT(std::string(model.status().message()), HasSubstr(test.problem)) << test.what;
  }
}

TEST(XgboostReader, BoundsTheSetsOfCategories) {
  XgboostText text;
  text.trees.assign(40, XgboostCategoryStump({16777215}, true));
  text.tree_info = absl::StrCat("[0", std::string(39 * 2, ' '), "]");
  for (size_t i = 0; i < 39; ++i) text.tree_info.replace(2 + 2 * i, 2, ",0");
  const absl::StatusOr<TreeEnsemble> model = ReadModel(text.ToString());
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(std::string(model.status().message()),
              HasSubstr("the sets of categories take more than 16777216 words"));
  text.trees = {XgboostCategoryStump({16777216}, true)};
  text.tree_info = "[0]";
  EXPECT_THAT(std::string(ReadModel(text.ToString()).status().message()),
              HasSubstr("categories[0]: 1.67772e+07 is no whole number"));
}

TEST(XgboostReader, RefusesABaseScoreOutsideItsRange) {
  XgboostText text;
  text.objective = "binary:logistic";
  text.base_score = "1.5";
  EXPECT_THAT(std::string(ReadModel(text.ToString()).status().message()),
              HasSubstr("base_score: 1.5 must lie in 0 to 1"));
  text.objective = "count:poisson";
  text.base_score = "0";
  EXPECT_THAT(std::string(ReadModel(text.ToString()).status().message()),
              HasSubstr("base_score: 0 must be greater than 0"));
}

}  // namespace
}  // namespace attune::trees
