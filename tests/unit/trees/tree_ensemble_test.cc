#include "lib/trees/tree_ensemble.h"

#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::trees {
namespace {

using ::testing::ElementsAre;

TEST(TreeEnsemble, PredictsRowByRow) {
  LightgbmText text;
  text.classes = "2";
  text.objective = "objective=multiclass num_class:2\n";
  text.trees = {LightgbmStump(0, "0.5"), LightgbmStump(0, "-0.5")};
  const TreeEnsemble model = MustRead(text.ToString());
  std::vector<double> scores(6);
  model.PredictRaw(std::vector<double>{-1, 0, 0, 0, 0, 0, 1, 0, 0}, absl::MakeSpan(scores));
  EXPECT_THAT(scores, ElementsAre(-1, -1, -1, 1, 1, 1));
  std::vector<double> predictions(6);
  model.Predict(std::vector<double>{-1, 0, 0, 0, 0, 0, 1, 0, 0}, absl::MakeSpan(predictions));
  for (size_t i = 0; i < 6; i += 2) EXPECT_DOUBLE_EQ(predictions[i] + predictions[i + 1], 1);
  model.Predict({}, {});
}

TEST(TreeEnsemble, AFeatureContributesWhatItsSplitsMovedTheExpectedScore) {
  LightgbmText text;
  text.trees = {LightgbmStump(0, "0.5")};  // -1 for one in four, else 1: 0.5 is expected
  const TreeEnsemble model = MustRead(text.ToString());
  std::vector<double> contributions(4);
  model.Contributions(std::vector<double>{0, 7, 7}, 0, absl::MakeSpan(contributions));
  EXPECT_THAT(contributions, ElementsAre(-1.5, 0, 0, 0.5));
  model.Contributions(std::vector<double>{1, 7, 7}, 0, absl::MakeSpan(contributions));
  EXPECT_THAT(contributions, ElementsAre(0.5, 0, 0, 0.5));
}

TEST(TreeEnsemble, KnowsWhichFeaturesItLooksAt) {
  const auto used = [](const TreeEnsemble& model) {
    std::vector<bool> result;
    for (size_t i = 0; i < model.features(); ++i) result.push_back(model.IsUsed(i));
    return result;
  };
  LightgbmText text;
  text.trees = {LightgbmStump(0, "0.5")};
  EXPECT_THAT(used(MustRead(text.ToString())), ElementsAre(true, false, false));
  text.trees = {LightgbmStump(8, "0.5",
                              "is_linear=1\nleaf_const=10 20\nnum_features=1 0\n"
                              "leaf_features=2  \nleaf_coeff=0  \n")};
  EXPECT_THAT(used(MustRead(text.ToString())), ElementsAre(true, false, true));
  XgboostText linear;
  linear.name = "gblinear";
  linear.features = "2";
  EXPECT_THAT(used(MustRead(linear.WithBooster(R"("model": {"weights": [0, 3, 10]})"))),
              ElementsAre(false, true));
}

TEST(TreeEnsemble, TermsOfLinearLeavesContribute) {
  LightgbmText text;
  text.trees = {LightgbmStump(8, "0.5",
                              "is_linear=1\nleaf_const=10 20\nnum_features=2 0\n"
                              "leaf_features=1 2  \nleaf_coeff=2 3  \n")};
  const TreeEnsemble model = MustRead(text.ToString());
  std::vector<double> contributions(4);
  model.Contributions(std::vector<double>{0, 5, 7}, 0, absl::MakeSpan(contributions));
  EXPECT_THAT(contributions, ElementsAre(-1.5, 10, 21, 41 - 29.5));
  model.Contributions(std::vector<double>{0, 5, kMissing}, 0, absl::MakeSpan(contributions));
  EXPECT_THAT(contributions, ElementsAre(-1.5, 0, 0, 0.5));
}

TEST(TreeEnsemble, WeightsOfALinearBoosterContribute) {
  XgboostText text;
  text.name = "gblinear";
  text.features = "2";
  const TreeEnsemble model = MustRead(text.WithBooster(R"("model": {"weights": [2, 3, 10]})"));
  std::vector<double> contributions(3);
  model.Contributions(std::vector<double>{5, kMissing}, 0, absl::MakeSpan(contributions));
  EXPECT_THAT(contributions, ElementsAre(10, 0, 10));
}

TEST(TreeEnsemble, ContributionsOfAForestAreAveraged) {
  LightgbmText text;
  text.more = "average_output\n";
  text.trees.assign(4, LightgbmStump(0, "0.5"));
  const TreeEnsemble model = MustRead(text.ToString());
  std::vector<double> contributions(4);
  model.Contributions(std::vector<double>{0, 7, 7}, 0, absl::MakeSpan(contributions));
  EXPECT_THAT(contributions, ElementsAre(-1.5, 0, 0, 0.5));
}

// A model of two outputs with trees as random as they can be.
ParsedModel RandomModel(std::mt19937_64& random, Arithmetic arithmetic) {
  std::uniform_real_distribution<double> real(-2, 2);
  ParsedModel model;
  model.arithmetic = arithmetic;
  model.info.features = {"a", "b", "c", "d"};
  model.base = {0.25, -0.5};
  model.category_bits = {0b0101};
  for (int64_t number = 0; number < 40; ++number) {
    ParsedTree tree;
    tree.output = number % 2;
    tree.nodes.resize(1);
    for (int64_t place = 0; place < static_cast<int64_t>(tree.nodes.size()); ++place) {
      ParsedNode node;
      node.cover = static_cast<double>(random() % 100);
      node.output = static_cast<float>(real(random));
      if (tree.nodes.size() < 60 && random() % 8 != 0) {
        node.left = static_cast<int64_t>(tree.nodes.size());
        node.right = node.left + 1;
        node.feature = static_cast<int64_t>(random() % 4);
        node.threshold = static_cast<float>(real(random));
        node.missing_left = random() % 2 == 0;
        node.zero_is_missing = arithmetic == Arithmetic::kDouble && random() % 4 == 0;
        node.is_categorical = node.feature == 3;
        node.categories_size = node.is_categorical ? 1 : 0;
        tree.nodes.resize(tree.nodes.size() + 2);
      }
      tree.nodes[static_cast<size_t>(place)] = node;
    }
    model.trees.push_back(std::move(tree));
  }
  return model;
}

std::vector<double> RandomRow(std::mt19937_64& random) {
  std::uniform_real_distribution<double> real(-2, 2);
  std::vector<double> row(4);
  for (double& value : row) value = random() % 5 == 0 ? kMissing : real(random);
  if (random() % 4 == 0) row[random() % 3] = 0;
  row[3] = static_cast<double>(random() % 5);
  return row;
}

TEST(TreeEnsemble, ContributionsAddUpToTheRawScore) {
  std::mt19937_64 random(20261122);
  for (const Arithmetic arithmetic : {Arithmetic::kFloat, Arithmetic::kDouble}) {
    for (const size_t averaged_over : {size_t{0}, size_t{20}}) {
      ParsedModel parsed = RandomModel(random, arithmetic);
      parsed.averaged_over = averaged_over;
      const auto model = TreeEnsemble::Create(std::move(parsed));
      ASSERT_TRUE(model.ok()) << model.status();
      for (int i = 0; i < 200; ++i) {
        const std::vector<double> row = RandomRow(random);
        std::vector<double> scores(2);
        model->PredictRaw(row, absl::MakeSpan(scores));
        for (size_t output = 0; output < 2; ++output) {
          const double score = averaged_over == 0
                                   ? scores[output]
                                   : scores[output] / static_cast<double>(averaged_over);
          std::vector<double> contributions(5);
          model->Contributions(row, output, absl::MakeSpan(contributions));
          const double sum = std::accumulate(contributions.begin(), contributions.end(), 0.0);
          EXPECT_NEAR(sum, score, 0x1p-53 * (std::abs(contributions[4]) + std::abs(score)));
        }
      }
    }
  }
}

TEST(TreeEnsemble, ContributionsOfALinearBoosterAddUpToTheRawScore) {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> real(-2, 2);
  ParsedModel parsed;
  parsed.arithmetic = Arithmetic::kFloat;
  parsed.info.features = {"a", "b", "c", "d"};
  parsed.base = {0.25, -0.5};
  for (size_t i = 0; i < 8; ++i) parsed.weights.push_back(static_cast<float>(real(random)));
  const auto model = TreeEnsemble::Create(std::move(parsed));
  ASSERT_TRUE(model.ok()) << model.status();
  for (int i = 0; i < 200; ++i) {
    const std::vector<double> row = RandomRow(random);
    std::vector<double> scores(2);
    model->PredictRaw(row, absl::MakeSpan(scores));
    for (size_t output = 0; output < 2; ++output) {
      std::vector<double> contributions(5);
      model->Contributions(row, output, absl::MakeSpan(contributions));
      const double sum = std::accumulate(contributions.begin(), contributions.end(), 0.0);
      EXPECT_NEAR(sum, scores[output],
                  0x1p-53 * (std::abs(contributions[4]) + std::abs(scores[output])));
    }
  }
}

TEST(TreeEnsemble, PredictsTheClassOfManyRows) {
  std::mt19937_64 random(3);
  ParsedModel parsed = RandomModel(random, Arithmetic::kFloat);
  parsed.link = Link::kArgmax;
  parsed.category_bits.clear();
  for (ParsedTree& tree : parsed.trees) {
    for (ParsedNode& node : tree.nodes) node.is_categorical = false;
  }
  const auto model = TreeEnsemble::Create(std::move(parsed));
  ASSERT_TRUE(model.ok()) << model.status();
  constexpr size_t kRows = 200;
  std::vector<double> rows;
  for (size_t i = 0; i < kRows; ++i) {
    const std::vector<double> row = RandomRow(random);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  std::vector<double> scores(2 * kRows);
  model->PredictRaw(rows, absl::MakeSpan(scores));
  std::vector<double> classes(kRows);
  model->Predict(rows, absl::MakeSpan(classes));
  for (size_t i = 0; i < kRows; ++i) {
    EXPECT_EQ(classes[i], scores[2 * i + 1] > scores[2 * i] ? 1 : 0) << i;
  }
  const double seconds = std::accumulate(classes.begin(), classes.end(), 0.0);
  EXPECT_GT(seconds, 0);
  EXPECT_LT(seconds, kRows);
}

TEST(TreeEnsemble, TheRestDoesNotDependOnTheRow) {
  std::mt19937_64 random(7);
  const auto model = TreeEnsemble::Create(RandomModel(random, Arithmetic::kDouble));
  ASSERT_TRUE(model.ok()) << model.status();
  std::vector<double> first(5);
  model->Contributions(RandomRow(random), 0, absl::MakeSpan(first));
  for (int i = 0; i < 50; ++i) {
    std::vector<double> contributions(5);
    model->Contributions(RandomRow(random), 0, absl::MakeSpan(contributions));
    EXPECT_NEAR(contributions[4], first[4], 1e-12);
  }
}

TEST(TreeEnsemble, RefusesModelsThatAreTooLarge) {
  ParsedModel model;
  model.base = {0};
  EXPECT_FALSE(TreeEnsemble::Create(model).ok()) << "no features";
  model.info.features = {"a"};
  EXPECT_TRUE(TreeEnsemble::Create(model).ok()) << "a constant is a model";
  model.base.resize(kMaxOutputs + 1);
  EXPECT_FALSE(TreeEnsemble::Create(model).ok());
  model.base = {0};
  model.info.features.resize(kMaxFeatures + 1);
  EXPECT_FALSE(TreeEnsemble::Create(model).ok());
}

}  // namespace
}  // namespace attune::trees
