#include "lib/outcome/reward.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::outcome {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct CompiledReward {
  std::shared_ptr<const Reward> reward;
  std::vector<std::string> issues;  // "reward at 0: ..."
};

CompiledReward CompileReward(const std::string& reward, const std::string& good = "") {
  CompiledReward compiled;
  compiled.reward = Reward::Compile(
      {"shown", "accepted"}, reward, good, expression::Limits(),
      [&](Reward::Formula formula, size_t offset, Issue::Severity, const std::string& message) {
        compiled.issues.push_back(
            absl::StrCat(formula == Reward::Formula::kReward ? "reward" : "good", " at ", offset,
                         ": ", message));
      });
  return compiled;
}

constexpr int64_t kMinuteMicros = 60 * int64_t{1'000'000};

// Shown once; accepted twice, a minute and two and a half after that, the last time with a value.
const OutcomeTally kAcceptedTwice[] = {{1, 0, 0, 0},
                                       {2, 7.5, kMinuteMicros, kMinuteMicros * 5 / 2}};
const OutcomeTally kSilence[] = {{1, 0, 0, 0}, {0, 0, 0, 0}};

RewardInput InputWith(absl::Span<const OutcomeTally> outcomes) {
  return {.treatment = "gift",
          .group = "care",
          .channel = "web",
          .value = 20,
          .cost = 3,
          .outcomes = outcomes};
}

TEST(RewardTest, SeesWhatBecameOfTheTreatment) {
  struct Case {
    std::string formula;
    double accepted_twice;
    double silence;
  };
  const Case cases[] = {
      {"outcome.accepted.seen ? treatment.value - treatment.cost : -treatment.cost", 17, -3},
      {"outcome.accepted.count", 2, 0},
      {"outcome.accepted.value", 7.5, 0},
      {"outcome.shown.seen ? 1 : 0", 1, 1},
      {"outcome.accepted.seen && outcome.accepted.first_after <= duration('1m') ? 1 : 0", 1, 0},
      {"outcome.accepted.seen && outcome.accepted.last_after == duration('150s') ? 1 : 0", 1, 0},
      {"treatment.name == 'gift' && treatment.group == 'care' && channel == 'web' ? 1 : 0", 1, 1},
  };
  for (const Case& c : cases) {
    const CompiledReward compiled = CompileReward(c.formula);
    ASSERT_NE(compiled.reward, nullptr) << c.formula;
    EXPECT_THAT(compiled.issues, IsEmpty()) << c.formula;
    RewardEvaluator evaluator(compiled.reward);
    const auto accepted = evaluator.Evaluate(InputWith(kAcceptedTwice));
    const auto silence = evaluator.Evaluate(InputWith(kSilence));
    ASSERT_TRUE(accepted && silence) << c.formula << ": " << evaluator.error();
    EXPECT_EQ(accepted->reward, c.accepted_twice) << c.formula;
    EXPECT_EQ(silence->reward, c.silence) << c.formula;
  }
}

TEST(RewardTest, GoodIsARewardAboveZeroUnlessTheStrategySaysOtherwise) {
  struct Case {
    std::string reward;
    std::string good;
    double expected;
  };
  const Case cases[] = {
      {"0.1", "", 1},
      {"0", "", 0},
      {"-1", "", 0},
      {"-1", "outcome.accepted.count == 2", 1},
      {"5", "outcome.accepted.count == 1", 0},
      {"5", "outcome.accepted.value / 10.0", 0.75},
      {"5", "outcome.accepted.count - 1", 1},
  };
  for (const Case& c : cases) {
    RewardEvaluator evaluator(CompileReward(c.reward, c.good).reward);
    const auto result = evaluator.Evaluate(InputWith(kAcceptedTwice));
    ASSERT_TRUE(result) << c.good << ": " << evaluator.error();
    EXPECT_EQ(result->good, c.expected) << c.reward << ", " << c.good;
  }
}

TEST(RewardTest, WhatIsOutOfRangeIsNone) {
  for (const char* reward : {"1e15 + 1.0", "-1e16", "1e308 * 10.0"}) {
    RewardEvaluator evaluator(CompileReward(reward).reward);
    EXPECT_FALSE(evaluator.Evaluate(InputWith(kSilence))) << reward;
    EXPECT_EQ(evaluator.failed(), Reward::Formula::kReward);
  }
  RewardEvaluator evaluator(CompileReward("1", "outcome.accepted.value").reward);
  EXPECT_FALSE(evaluator.Evaluate(InputWith(kAcceptedTwice))) << "7.5 is no probability";
  EXPECT_EQ(evaluator.failed(), Reward::Formula::kGood);
  EXPECT_TRUE(evaluator.Evaluate(InputWith(kSilence))) << "0 is one";
}

TEST(RewardTest, TellsWhereBothFormulasAreWrong) {
  const CompiledReward compiled = CompileReward("1.0 + accepted", "'yes'");
  EXPECT_EQ(compiled.reward, nullptr);
  EXPECT_THAT(compiled.issues,
              ElementsAre(::testing::StartsWith("reward at 6: "),
                          "good at 0: this must be of type double or int or bool, but is string"));
}

}  // namespace
}  // namespace attune::outcome
