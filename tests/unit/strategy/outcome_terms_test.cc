// What strategists can do wrong with outcomes, everything that is said about it, and what comes out
// of outcomes that are right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kDayUs = 86'400 * int64_t{1'000'000};

Loaded LoadWithOutcomes(const std::string& outcomes) {
  return LoadText(std::string(kSmallStrategy) + "outcomes: [" + outcomes + "]\n");
}

struct OutcomeTermsCase {
  std::string name;
  std::string outcomes;
  std::vector<std::string> issues;
};

TEST(OutcomeTermsError, IsReportedWhereItIsWritten) {
  const OutcomeTermsCase cases[] = {
      {"a window of nothing",
       "{name: shown, window: 0s}",
       {"s.yaml:35:34: error: window must be longer than 0s and at most 400d; leave it out for the "
        "default of 7d"}},
      {"a window that is too long",
       "{name: shown, window: 401d}",
       {"s.yaml:35:34: error: window must be longer than 0s and at most 400d"}},
      {"two showings",
       "{name: shown, showing: true}, {name: seen, showing: true}",
       {"s.yaml:35:64: error: only one outcome can be the showing, and on line 35 \"shown\" is it "
        "already"}},
      {"a showing of nothing",
       "{name: shown, without_treatment: true, showing: true}",
       {"s.yaml:35:60: error: an outcome without_treatment can't be the showing of one"}},
      {"a showing behind which nothing counts",
       "{name: shown, showing: true, final: true}",
       {"s.yaml:35:48: error: the showing can't be final: nothing that follows would count"}},
      {"a final outcome of no treatment",
       "{name: bought, without_treatment: true, final: true}",
       {"s.yaml:35:59: error: an outcome without_treatment can't be final: it is learned for no "
        "treatment"}},
      {"values that leave nothing",
       "{name: score, min_value: 5, max_value: 1}",
       {"s.yaml:35:51: error: max_value must be at least min_value, which is 5; no value would be "
        "allowed"}},
      {"values out of range",
       "{name: score, min_value: -1e13, max_value: 1e308}",
       {"s.yaml:35:37: error: min_value must be between -1e+12 and 1e+12, not -1e+13",
        "s.yaml:35:55: error: max_value must be between -1e+12 and 1e+12, not 1e+308"}},
  };
  for (const OutcomeTermsCase& c : cases) {
    const Loaded loaded = LoadWithOutcomes(c.outcomes);
    EXPECT_EQ(loaded.strategy, nullptr) << c.name;
    EXPECT_THAT(loaded.Issues(), ElementsAreArray(c.issues)) << c.name;
  }
}

TEST(OutcomeTermsCompiler, TakesWhatIsDeclaredElseTheDefaults) {
  const Loaded loaded = LoadWithOutcomes(
      "{name: shown, showing: true, window: 2d}, {name: accepted}, "
      "{name: score, window: 400d, min_value: 1, max_value: 5}");
  ASSERT_NE(loaded.strategy, nullptr);
  EXPECT_THAT(loaded.Issues(), IsEmpty());
  const auto& terms = loaded.strategy->outcome_terms;
  ASSERT_THAT(terms, SizeIs(3));
  EXPECT_EQ(terms[0].window_us, 2 * kDayUs);
  EXPECT_TRUE(terms[0].showing);
  EXPECT_EQ(terms[1].window_us, 7 * kDayUs);
  EXPECT_FALSE(terms[1].showing);
  EXPECT_EQ(terms[1].min_value, -1e12);
  EXPECT_EQ(terms[1].max_value, 1e12);
  EXPECT_EQ(terms[2].window_us, 400 * kDayUs);
  EXPECT_EQ(terms[2].min_value, 1);
  EXPECT_EQ(terms[2].max_value, 5);
  EXPECT_EQ(loaded.strategy->showing_outcome, 0);
  EXPECT_EQ(loaded.strategy->decisions_kept_us, 402 * kDayUs)
      << "as late as it may be shown, and then the longest window";
}

TEST(OutcomeTermsCompiler, WithoutAShowingThereIsNone) {
  const Loaded loaded = LoadWithOutcomes("{name: accepted}");
  ASSERT_NE(loaded.strategy, nullptr);
  EXPECT_EQ(loaded.strategy->showing_outcome, -1);
  EXPECT_EQ(loaded.strategy->decisions_kept_us, 7 * kDayUs);
}

}  // namespace
}  // namespace attune::strategy
