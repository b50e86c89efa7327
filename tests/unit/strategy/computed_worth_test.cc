// Values and costs of treatments that are expressions, as a strategist writes them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The small strategy with this in place of the value of the gift, on line 20.
Loaded LoadValue(const std::string& value) {
  return LoadText(Replaced(kSmallStrategy, "value: 10", "value: " + value));
}

TEST(ComputedWorth, StandsInPlaceOfANumber) {
  const Loaded loaded = LoadText(
      Replaced(Replaced(kSmallStrategy, "value: 10", "value: {computed: customer.age * 2}"),
               "cost: 1", "cost: {computed: \"customer.plan == 'big' ? 1.5 : 0.5\"}"));
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  const policy::Formulas& formulas = loaded.strategy->engagement.formulas();
  ASSERT_THAT(formulas.worth, SizeIs(2));
  EXPECT_GE(formulas.WorthOf(0).value, 0);
  EXPECT_GE(formulas.WorthOf(0).cost, 0);
  EXPECT_EQ(formulas.WorthOf(1).value, -1);
  EXPECT_EQ(formulas.WorthOf(1).cost, -1);
  EXPECT_EQ(loaded.strategy->catalog.treatments[0].value, 0);
  EXPECT_EQ(loaded.strategy->catalog.treatments[1].value, 20);
  EXPECT_FALSE(loaded.strategy->engagement.empty());
}

TEST(ComputedWorth, WithoutOneThereIsNothingToCompute) {
  const Loaded loaded = LoadText(kSmallStrategy);
  EXPECT_THAT(loaded.strategy->engagement.formulas().worth, IsEmpty());
  EXPECT_TRUE(loaded.strategy->engagement.empty());
}

TEST(ComputedWorth, ReportsWhatIsWrongWhereItStands) {
  EXPECT_THAT(LoadValue("{computed: customer.agee * 2}").Issues(),
              ElementsAre(HasSubstr("s.yaml:20:23: error: unknown name \"customer.agee\"; did you "
                                    "mean \"customer.age\"?")));
  EXPECT_THAT(
      LoadValue("{computed: customer.plan}").Issues(),
      ElementsAre("s.yaml:20:23: error: this must be of type double or int, but is string"));
  EXPECT_THAT(LoadValue("{computed: propensity * 2.0}").Issues(),
              ElementsAre(HasSubstr("unknown name \"propensity\"")));
  EXPECT_THAT(LoadValue("{computed: 1 / 0}").Issues(), ElementsAre(HasSubstr("division by zero")));
  EXPECT_THAT(LoadValue("{computed: ''}").Issues(),
              ElementsAre("s.yaml:20:23: error: computed needs an expression"));
  EXPECT_THAT(LoadValue("{compute: customer.age}").Issues(),
              ElementsAre("s.yaml:20:13: error: unknown key \"compute\"; value is a number, or "
                          "{computed: EXPRESSION}"));
  EXPECT_THAT(LoadValue("{}").Issues(),
              Contains(HasSubstr("value must be a number, or {computed: EXPRESSION}, not a map")));
  EXPECT_THAT(LoadValue("customer.age").Issues(),
              ElementsAre(HasSubstr("value must be a number, not \"customer.age\"")));
}

TEST(ComputedWorth, HasNoKeyOfItsOwn) {
  EXPECT_THAT(
      LoadText(Replaced(kSmallStrategy, "value: 10", "computed_value: customer.age")).Issues(),
      Contains(HasSubstr("s.yaml:20:5: error: unknown key \"computed_value\"; write "
                         "\"value: {computed: EXPRESSION}\"")));
}

TEST(ComputedWorth, WarnsWhereAnAnswerShowsSomethingProtected) {
  const std::string text = Replaced(kSmallStrategy, "{name: age, type: int, default: 30}",
                                    "{name: age, type: int, default: 30, protected: true}");
  EXPECT_THAT(LoadText(Replaced(text, "value: 10", "value: {computed: customer.age}")).Issues(),
              ElementsAre("s.yaml:20:23: warning: this looks at something protected, and answers "
                          "will show what it comes to"));
}

// As it is written, a gift of 10 EUR misses a threshold of 14.5; what is computed may reach it.
TEST(ComputedWorth, IsNotTakenForHopeless) {
  const std::string missed = Replaced(kSmallStrategy, "max_treatments: 2", "min_priority: 14.5");
  EXPECT_THAT(LoadText(missed).Issues(), ElementsAre(HasSubstr("can ever win")));
  EXPECT_THAT(LoadText(Replaced(missed, "value: 10", "value: {computed: customer.age}")).Issues(),
              IsEmpty());
  // A cost of 0 makes 15.
  EXPECT_THAT(LoadText(Replaced(missed, "cost: 1", "cost: {computed: customer.age}")).Issues(),
              IsEmpty());
  // Whatever it is worth, nothing is left of it.
  const std::string lowered = Replaced(kSmallStrategy, "cost: 1", "lever: -100");
  EXPECT_THAT(LoadText(Replaced(lowered, "value: 10", "value: {computed: customer.age}")).Issues(),
              ElementsAre(HasSubstr("0, so nothing of it is worth showing")));
}

// A treatment that is always there keeps a group down, but not one that a formula may drop.
TEST(ComputedWorth, WhatMayFailIsNotAlwaysThere) {
  const std::string always =
      Replaced(Replaced(kSmallStrategy, "max_treatments: 2", "without: [propensity]"),
               "web: {title: A deal}", "web: {title: A deal}\n      ivr: {prompt: A deal}");
  EXPECT_THAT(LoadText(always).Issues(), ElementsAre(HasSubstr("\"deal\" is always there")));
  EXPECT_THAT(LoadText(Replaced(always, "value: 20", "value: {computed: 20.0}")).Issues(),
              IsEmpty());
}

}  // namespace
}  // namespace attune::strategy
