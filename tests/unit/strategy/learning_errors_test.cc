// What strategists can do wrong with what is learned from outcomes, everything that is said about
// it, and what comes out of what is right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/outcome/attribution_terms.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

constexpr int64_t kLearningDayUs = 86'400 * int64_t{1'000'000};

// The outcomes stand on line 35, what is learned from line 36 on.
Loaded LoadWithLearning(const std::string& learning) {
  return LoadText(absl::StrCat(
      std::string(kSmallStrategy),
      "outcomes: [{name: shown, showing: true, window: 1d}, {name: accepted, final: true}, "
      "{name: rated, window: 30d}]\n",
      learning));
}

struct LearningCase {
  std::string name;
  std::string learning;
  std::vector<std::string> issues;
};

TEST(LearningError, IsReportedWhereItIsWritten) {
  const LearningCase cases[] = {
      {"no reward",
       "learning: {good: outcome.accepted.seen}\n",
       {"s.yaml:36:11: error: a strategy that learns needs the key \"reward\""}},
      {"an empty one",
       "learning: {reward: \"\"}\n",
       {"s.yaml:36:20: error: reward needs a formula"}},
      {"nothing is good",
       "learning: {reward: outcome.rated.value, good: \"\"}\n",
       {"s.yaml:36:47: error: good needs a formula; leave it out where a reward above 0 is good"}},
      {"an unknown key",
       "learning: {reward: outcome.rated.value, settle: 7d}\n",
       {"s.yaml:36:41: error: unknown key \"settle\"; known are: reward, good"}},
      {"a bool is no reward",
       "learning:\n  reward: outcome.accepted.seen\n",
       {"s.yaml:37:11: error: this must be of type double or int, but is bool"}},
      {"a text is not good",
       "learning:\n  reward: outcome.rated.value\n  good: treatment.name\n",
       {"s.yaml:38:9: error: this must be of type double or int or bool, but is string"}},
      {"both are wrong",
       "learning:\n  reward: outcome.shown.seen\n  good: channel\n",
       {"s.yaml:37:11: error: this must be of type double or int, but is bool",
        "s.yaml:38:9: error: this must be of type double or int or bool, but is string"}},
  };
  for (const LearningCase& c : cases) {
    const Loaded loaded = LoadWithLearning(c.learning);
    EXPECT_EQ(loaded.strategy, nullptr) << c.name;
    EXPECT_THAT(loaded.Issues(), ElementsAreArray(c.issues)) << c.name;
  }
}

TEST(LearningError, NamesWhatFormulasDontSee) {
  for (const char* name : {"outcome.acepted.seen", "customer.age", "context.channel", "value"}) {
    const Loaded loaded =
        LoadWithLearning(absl::StrCat("learning:\n  reward: \"", name, " == 1 ? 1.0 : 0.0\"\n"));
    EXPECT_EQ(loaded.strategy, nullptr) << name;
    ASSERT_EQ(loaded.Issues().size(), 1u) << name;
    EXPECT_THAT(loaded.Issues()[0], ::testing::StartsWith("s.yaml:37:12: error: "));
  }
}

TEST(LearningError, ThereMustBeSomethingToLearnFrom) {
  const Loaded loaded =
      LoadText(absl::StrCat(std::string(kSmallStrategy), "learning: {reward: \"1.0\"}\n"));
  EXPECT_THAT(
      loaded.Issues(),
      ElementsAreArray({"s.yaml:35:11: error: there is nothing to learn from: declare under "
                        "\"outcomes\" what may happen"}));
}

TEST(LearningError, WarnsWhereSilenceTeachesNothing) {
  const Loaded loaded = LoadWithLearning(
      "learning:\n  reward: \"outcome.accepted.first_after < duration('1h') ? 1.0 : 0.0\"\n");
  ASSERT_NE(loaded.strategy, nullptr);
  EXPECT_THAT(
      loaded.Issues(),
      ElementsAreArray({"s.yaml:37:12: warning: where nobody tells of an outcome of the "
                        "treatment \"gift\" this fails, and nothing is learned: this outcome "
                        "was not recorded; ask for its seen first"}));
}

TEST(LearningCompiler, TakesWhatOutcomesAreAttributedBy) {
  const Loaded loaded = LoadWithLearning(
      "learning:\n"
      "  reward: \"outcome.accepted.seen ? treatment.value - treatment.cost : -treatment.cost\"\n"
      "  good: outcome.accepted.seen || outcome.rated.value > 3.0\n");
  ASSERT_NE(loaded.strategy, nullptr);
  EXPECT_THAT(loaded.Issues(), IsEmpty());
  ASSERT_NE(loaded.strategy->attribution, nullptr);
  const outcome::AttributionTerms& terms = *loaded.strategy->attribution;
  EXPECT_TRUE(terms.has_showing);
  EXPECT_EQ(terms.showing_window_us, kLearningDayUs);
  EXPECT_EQ(terms.longest_window_us, 30 * kLearningDayUs);
  ASSERT_EQ(terms.outcomes.size(), 3u);
  EXPECT_FALSE(terms.outcomes[0].is_final);
  EXPECT_TRUE(terms.outcomes[1].is_final);
  ASSERT_EQ(terms.outcome_index.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(terms.outcome_index.at(loaded.strategy->outcomes[i].number), i);
  }
  const catalog::Treatment& gift = loaded.strategy->catalog.treatments[0];
  const auto& treatment = terms.treatments.at(gift.number);
  EXPECT_EQ(treatment.name, "gift");
  EXPECT_EQ(treatment.group_name, "care");
  EXPECT_EQ(treatment.group, loaded.strategy->catalog.groups[1].number);
  EXPECT_EQ(treatment.value, 10);
  EXPECT_EQ(treatment.cost, 1);
  EXPECT_EQ(terms.channels.at(loaded.strategy->context.channels[1].number), "ivr");
  outcome::RewardEvaluator evaluator(terms.reward);
  const outcome::OutcomeTally tallies[] = {{1, 0, 0, 0}, {0, 0, 0, 0}, {1, 4, 0, 0}};
  const auto result = evaluator.Evaluate({.treatment = "gift",
                                          .group = "care",
                                          .channel = "web",
                                          .value = 10,
                                          .cost = 1,
                                          .outcomes = tallies});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->reward, -1);
  EXPECT_EQ(result->good, 1);
}

TEST(LearningCompiler, AStrategyNeedNotLearn) {
  const Loaded loaded = LoadWithLearning("");
  ASSERT_NE(loaded.strategy, nullptr);
  EXPECT_EQ(loaded.strategy->attribution, nullptr);
}

}  // namespace
}  // namespace attune::strategy
