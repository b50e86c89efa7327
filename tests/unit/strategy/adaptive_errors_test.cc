// What strategists can do wrong with adaptive models, everything that is said about it, and what
// comes out of models that are right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kAdaptiveLearning[] =
    "outcomes: [{name: accepted, window: 1d}]\n"
    "learning: {reward: 'outcome.accepted.seen ? treatment.value : 0.0'}\n";

// The small strategy with this in place of the model's file, and what it learns from at its end.
std::string WithAdaptive(const std::string& model,
                         const std::string& learning = kAdaptiveLearning) {
  return Replaced(kSmallStrategy, "file: taste.yaml", model) + learning;
}

struct AdaptiveCase {
  std::string name;
  std::string text;
  std::vector<std::string> issues;
};

TEST(AdaptiveError, IsReportedWhereItIsWritten) {
  const std::string fixed = "adaptive: {mode: shadow, serve: fix}}\n  - {name: fix, formula: '0.5'";
  const AdaptiveCase cases[] = {
      {"an unknown input",
       WithAdaptive("adaptive: {inputs: [customer.agee]}"),
       {"s.yaml:15:39: error: unknown feature \"agee\"; did you mean \"customer.age\"?"}},
      {"nothing to learn from",
       WithAdaptive("adaptive: {}", ""),
       {"s.yaml:15:29: error: the strategy needs learning, which says what an adaptive model "
        "learns "
        "from"}},
      {"two kinds",
       WithAdaptive("file: taste.yaml, adaptive: {}"),
       {"s.yaml:15:47: error: a model has either file or adaptive"}},
      {"a prior that is no propensity",
       WithAdaptive("adaptive: {prior: 0}"),
       {"s.yaml:15:37: error: must be between 1e-06 and 1 - 1e-06, not 0"}},
      {"serve without need",
       WithAdaptive("adaptive: {serve: taste}"),
       {"s.yaml:15:37: error: is for the modes shadow and logging; in mode online the model serves "
        "itself"}},
      {"nobody serves",
       WithAdaptive("adaptive: {mode: shadow}"),
       {"s.yaml:15:29: error: a model that does not serve itself needs serve: the model that "
        "does"}},
      {"a model that is not declared serves",
       WithAdaptive("adaptive: {mode: shadow, serve: tast}"),
       {"s.yaml:15:51: error: unknown model \"tast\"; did you mean \"taste\"?"}},
      {"it serves itself",
       WithAdaptive("adaptive: {mode: logging, serve: taste}"),
       {"s.yaml:15:52: error: a model that does not serve can't serve in its own place"}},
      {"nothing is wrong", WithAdaptive("adaptive: {inputs: [customer.age]}"), {}},
      {"nothing is wrong with a shadow", WithAdaptive(fixed), {}},
  };
  for (const AdaptiveCase& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(LoadText(c.text).Issues(), ElementsAreArray(c.issues));
  }
}

TEST(AdaptiveModels, LearnFromTheTreatmentsThatNameThem) {
  const Loaded loaded = LoadText(WithAdaptive("adaptive: {inputs: [customer.age]}"));
  ASSERT_NE(loaded.strategy, nullptr) << loaded.issues.ToString();
  ASSERT_THAT(loaded.strategy->adaptive, SizeIs(1));
  const AdaptiveUse& use = loaded.strategy->adaptive[0];
  EXPECT_EQ(use.model, 0);
  EXPECT_EQ(use.mode, AdaptiveUse::Mode::kOnline);
  EXPECT_THAT(use.treatments, ElementsAre(true, true));
  EXPECT_EQ(loaded.strategy->model_origins[0].kind, "adaptive");
}

TEST(AdaptiveModels, AShadowLeavesItsTreatmentsToTheModelThatServes) {
  // One treatment names the shadow, the other the adaptive model that serves in its place: that one
  // learns from both.
  std::string text = WithAdaptive(
      "adaptive: {mode: shadow, serve: champion}}\n  - {name: champion, adaptive: {prior: 0.2}");
  text = Replaced(text, "group: offer\n    model: taste", "group: offer\n    model: champion");
  const Loaded loaded = LoadText(text);
  ASSERT_NE(loaded.strategy, nullptr) << loaded.issues.ToString();
  EXPECT_THAT(loaded.Issues(), IsEmpty());
  const Strategy& strategy = *loaded.strategy;
  ASSERT_THAT(strategy.adaptive, SizeIs(2));
  EXPECT_THAT(strategy.adaptive[0].treatments, ElementsAre(true, false));
  EXPECT_THAT(strategy.adaptive[1].treatments, ElementsAre(true, true));
  EXPECT_EQ(strategy.catalog.treatments[0].model, 1);
  EXPECT_EQ(strategy.catalog.treatments[1].model, 1);
}

TEST(AdaptiveModels, HaveAnotherVersionWithOtherInputs) {
  const auto version = [](const std::string& model) {
    const Loaded loaded = LoadText(WithAdaptive(model));
    return loaded.strategy == nullptr ? "" : loaded.strategy->models.models[0].version;
  };
  EXPECT_EQ(version("adaptive: {inputs: [customer.age]}"),
            version("adaptive: {inputs: ['customer.age']}"));
  EXPECT_NE(version("adaptive: {inputs: [customer.age]}"), version("adaptive: {}"));
}

TEST(SuccessRateError, IsReportedWhereItIsWritten) {
  const AdaptiveCase cases[] = {
      {"nothing to learn from",
       WithAdaptive("success_rate: {}", ""),
       {"s.yaml:15:33: error: the strategy needs learning, which says what counts as a success"}},
      {"two kinds",
       WithAdaptive("adaptive: {}, success_rate: {}"),
       {"s.yaml:15:47: error: a model has either adaptive or success_rate"}},
      {"a prior that is no propensity, of less than nothing",
       WithAdaptive("success_rate: {prior: 2, prior_strength: -1}"),
       {"s.yaml:15:41: error: must be between 1e-06 and 1 - 1e-06, not 2",
        "s.yaml:15:60: error: must be between 0.001 and 1e+09, not -1"}},
  };
  for (const AdaptiveCase& c : cases) {
    const Loaded loaded = LoadText(c.text);
    SCOPED_TRACE(c.name);
    EXPECT_EQ(loaded.strategy, nullptr);
    EXPECT_THAT(loaded.Issues(), ElementsAreArray(c.issues));
  }
}

TEST(SuccessRates, AreModels) {
  const Loaded loaded = LoadText(WithAdaptive("success_rate: {prior: 0.2}"));
  ASSERT_NE(loaded.strategy, nullptr) << loaded.issues.ToString();
  EXPECT_THAT(loaded.Issues(), IsEmpty());
  EXPECT_TRUE(loaded.strategy->learns());
  EXPECT_TRUE(loaded.strategy->uses_success_rates);
  EXPECT_EQ(loaded.strategy->model_origins[0].kind, "success_rate");
  const Loaded scored =
      LoadText(WithAdaptive("success_rate: {}") + "scores: [{name: worth, model: taste}]\n");
  EXPECT_EQ(scored.strategy, nullptr);
  EXPECT_THAT(scored.issues.ToString(), ::testing::HasSubstr("is a success rate, and predicts"));
}

TEST(AdaptiveModels, GiveNoScores) {
  const Loaded loaded =
      LoadText(WithAdaptive("adaptive: {}") + "scores: [{name: worth, model: taste}]\n");
  EXPECT_EQ(loaded.strategy, nullptr);
  EXPECT_THAT(loaded.issues.ToString(), ::testing::HasSubstr("is adaptive, and predicts for"));
}

}  // namespace
}  // namespace attune::strategy
