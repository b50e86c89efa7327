#include "lib/scoring/input_table.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::scoring {
namespace {

using ::testing::ElementsAre;

Input Customer(int slot, ValueType type) { return {Input::Source::kCustomer, slot, type}; }

TEST(InputTableTest, AddsEveryInputOnce) {
  InputTable table;
  EXPECT_EQ(table.AddNumeric(Customer(3, ValueType::kInt)), 0);
  EXPECT_EQ(table.AddNumeric(Customer(4, ValueType::kInt)), 1);
  EXPECT_EQ(table.AddNumeric({Input::Source::kAttribute, 3, ValueType::kInt}), 2);
  EXPECT_EQ(table.AddNumeric(Customer(3, ValueType::kInt)), 0);
  EXPECT_EQ(table.AddCategorical(Customer(3, ValueType::kInt)), 0);
  EXPECT_EQ(table.AddCategorical(Customer(5, ValueType::kString)), 1);
  EXPECT_EQ(table.AddCategorical(Customer(5, ValueType::kString)), 1);
  // Lists have a space of their own.
  EXPECT_EQ(table.AddCategorical(Customer(6, ValueType::kStringList)), 0);
}

TEST(InputTableTest, TellsAllOfItsInputs) {
  InputTable table;
  EXPECT_TRUE(table.Inputs().empty());
  table.AddNumeric(Customer(3, ValueType::kInt));
  table.AddNumeric(Customer(3, ValueType::kInt));
  table.AddBuckets(Customer(4, ValueType::kDouble), {1, 2});
  table.AddCategorical(Customer(5, ValueType::kString));
  table.AddCategorical(Customer(6, ValueType::kStringList));
  const std::vector<Input> expected = {
      Customer(3, ValueType::kInt), Customer(4, ValueType::kDouble),
      Customer(5, ValueType::kString), Customer(6, ValueType::kStringList)};
  EXPECT_EQ(table.Inputs(), expected);
}

TEST(InputTableTest, NumbersCategoriesFromOnePerInput) {
  InputTable table;
  const Input plan = Customer(0, ValueType::kString);
  const Input months = Customer(1, ValueType::kInt);
  const Input vip = Customer(2, ValueType::kBool);
  const auto number = [&](const Input& input, const char* category) {
    int32_t number = -1;
    EXPECT_TRUE(table.AddCategory(input, table.AddCategorical(input), category, number))
        << category;
    return number;
  };
  EXPECT_EQ(number(plan, "basic"), 1);
  EXPECT_EQ(number(plan, ""), 2);
  EXPECT_EQ(number(plan, "basic"), 1);
  EXPECT_EQ(number(months, "-12"), 1);
  EXPECT_EQ(number(months, "9223372036854775807"), 2);
  EXPECT_EQ(number(vip, "false"), 1);
  EXPECT_EQ(number(vip, "true"), 2);
  int32_t ignored = 0;
  for (const char* wrong : {"", "twelve", "9223372036854775808", "1.0"}) {
    EXPECT_FALSE(table.AddCategory(months, table.AddCategorical(months), wrong, ignored)) << wrong;
  }
  for (const char* wrong : {"", "True", "1"}) {
    EXPECT_FALSE(table.AddCategory(vip, table.AddCategorical(vip), wrong, ignored)) << wrong;
  }
}

TEST(InputTableTest, FillsNumbersAndCategories) {
  InputTable table;
  table.AddNumeric(Customer(0, ValueType::kInt));
  table.AddNumeric(Customer(1, ValueType::kBool));
  table.AddNumeric(Customer(2, ValueType::kTimestamp));
  table.AddNumeric({Input::Source::kAttribute, 0, ValueType::kDouble});
  const Input list = Customer(3, ValueType::kStringList);
  table.AddCategorical(list);
  int32_t number = 0;
  ASSERT_TRUE(table.AddCategory(list, 0, "b", number));
  const Input intent{Input::Source::kIntent, 0, ValueType::kString};
  table.AddCategorical(intent);
  ASSERT_TRUE(table.AddCategory(intent, 0, "browse", number));

  context::ContextSchema schema;
  schema.intents = context::NameTable({{"outage", 0}, {"browse", 1}});
  context::DecisionContext context;
  context.time_us = 10 * 86'400'000'000;
  context.attributes = {ValueRef::Double(2.5)};
  context.intent = 2;
  std::string elements;
  for (const char* element : {"a", "b", "b"}) AppendListElement(elements, element);
  const std::vector<ValueRef> features = {ValueRef::Int(-7), ValueRef::Bool(true),
                                          ValueRef::Timestamp(86'400'000'000),
                                          ValueRef::StringList(elements)};
  InputFrame frame;
  table.Fill(schema, context, features, frame);
  EXPECT_THAT(frame.numeric, ElementsAre(-7, 1, 9, 2.5));
  EXPECT_THAT(frame.category, ElementsAre(1));
  EXPECT_THAT(frame.categories, ElementsAre(ElementsAre(0, 1, 1)));

  context.intent = context::kUnknownIntent;
  const std::vector<ValueRef> others = {ValueRef::Int(0), ValueRef::Bool(false),
                                        ValueRef::Timestamp(0), ValueRef::StringList("")};
  table.Fill(schema, context, others, frame);
  EXPECT_THAT(frame.numeric, ElementsAre(0, 0, 10, 2.5));
  EXPECT_THAT(frame.category, ElementsAre(0));
  EXPECT_THAT(frame.categories, ElementsAre(ElementsAre()));
}

}  // namespace
}  // namespace attune::scoring
