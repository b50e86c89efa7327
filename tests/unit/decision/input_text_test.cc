#include "lib/decision/input_text.h"

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "tests/testing/strategy_builder.h"

namespace attune::decision {
namespace {

TEST(InputNameListTest, HasTheNameOfEveryInput) {
  testing::StrategyBuilder builder;
  const auto strategy = testing::BuildSmallStrategy(builder);
  const scoring::InputNames finder{strategy->features, strategy->context, strategy->catalog};
  const InputNameList names(*strategy);
  std::set<size_t> numbers;
  for (const char* name :
       {"customer.vip", "customer.tenure_months", "customer.monthly_charges", "customer.plan",
        "customer.since", "customer.interests", "customer.income", "context.attributes.wait_s",
        "context.attributes.topic", "context.channel", "context.intent", "treatment.name",
        "treatment.group"}) {
    std::string problem;
    const auto input = finder.Find(name, problem);
    ASSERT_TRUE(input.has_value()) << problem;
    EXPECT_EQ(names[*input], name);
    EXPECT_LT(names.NumberOf(*input), names.size());
    numbers.insert(names.NumberOf(*input));
  }
  EXPECT_EQ(numbers.size(), names.size()) << "these are all, each with a number of its own";
}

TEST(IsProtectedTest, GoesByTheFeature) {
  testing::StrategyBuilder builder;
  const auto strategy = testing::BuildSmallStrategy(builder);
  scoring::Input input;
  input.slot = strategy->features.SlotOf("income");
  EXPECT_TRUE(IsProtected(*strategy, input));
  input.slot = strategy->features.SlotOf("vip");
  EXPECT_FALSE(IsProtected(*strategy, input));
  input.source = scoring::Input::Source::kAttribute;
  input.slot = 0;
  EXPECT_FALSE(IsProtected(*strategy, input));
}

}  // namespace
}  // namespace attune::decision
