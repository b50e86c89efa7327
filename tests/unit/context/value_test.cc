#include "lib/context/value.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace attune {
namespace {

std::string List(const std::vector<std::string>& elements) {
  std::string encoded;
  for (const std::string& element : elements) AppendListElement(encoded, element);
  return encoded;
}

struct PrintCase {
  const char* name;
  ValueRef value;
  std::string expected;
};

TEST(ValueTest, PrintsValuesAsPeopleReadThem) {
  const std::string list = List({"a", "b\n"});
  const PrintCase cases[] = {
      {"bool", ValueRef::Bool(true), "true"},
      {"int", ValueRef::Int(INT64_MIN), "-9223372036854775808"},
      {"double", ValueRef::Double(3.5), "3.5"},
      {"whole double", ValueRef::Double(40), "40"},
      {"string", ValueRef::String("text"), "\"text\""},
      {"hostile string", ValueRef::String("a\n\xFF"), "\"a\\x0a\\xff\""},
      {"timestamp", ValueRef::Timestamp(1'772'323'200'000'000), "2026-03-01T00:00:00Z"},
      {"timestamp to the microsecond", ValueRef::Timestamp(1'772'323'200'000'001),
       "2026-03-01T00:00:00.000001Z"},
      {"before 1970", ValueRef::Timestamp(-1'000'000), "1969-12-31T23:59:59Z"},
      {"list", ValueRef::StringList(list), "[\"a\", \"b\\x0a\"]"},
      {"empty list", ValueRef::StringList(""), "[]"},
  };
  for (const PrintCase& c : cases) EXPECT_EQ(c.value.ToString(), c.expected) << c.name;
}

TEST(ValueTest, PrintsNoMoreThanItShould) {
  const std::string text(100'000, 'x');
  EXPECT_LT(ValueRef::String(text).ToString().size(), 200u);
  const std::string list = List(std::vector<std::string>(1'000, std::string(50, 'y')));
  EXPECT_LT(ValueRef::StringList(list).ToString().size(), 400u);
}

TEST(ValueTest, ComparesByTypeAndValue) {
  EXPECT_EQ(ValueRef::Int(1), ValueRef::Int(1));
  EXPECT_FALSE(ValueRef::Int(1) == ValueRef::Int(2));
  EXPECT_FALSE(ValueRef::Int(1) == ValueRef::Bool(true));
  EXPECT_FALSE(ValueRef::Int(1) == ValueRef::Timestamp(1));
  EXPECT_FALSE(ValueRef::Int(1) == ValueRef::Double(1));
  EXPECT_FALSE(ValueRef::Double(0.0) == ValueRef::Double(-0.0));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(ValueRef::Double(nan), ValueRef::Double(nan));
  const std::string a = "text";
  const std::string b = "text";
  EXPECT_EQ(ValueRef::String(a), ValueRef::String(b));
  EXPECT_FALSE(ValueRef::String(a) == ValueRef::StringList(b));
}

TEST(ValueTest, EqualityLeavesAsideWhetherAValueIsKnown) {
  ValueRef value = ValueRef::Int(1);
  EXPECT_TRUE(value.known());
  value.set_known(false);
  EXPECT_EQ(value, ValueRef::Int(1));
}

TEST(ValueTest, VisitsTheElementsOfAList) {
  const std::vector<std::string> elements = {"", "a", std::string(300, 'x')};
  const std::string encoded = List(elements);
  std::vector<std::string> visited;
  ValueRef::StringList(encoded).ForEachElement(
      [&](std::string_view element) { visited.emplace_back(element); });
  EXPECT_EQ(visited, elements);
}

TEST(ValueTest, StopsAtAMalformedElement) {
  std::string encoded = List({"good"});
  encoded +=
      "\x7F"
      "short";
  int visited = 0;
  ValueRef::StringList(encoded).ForEachElement([&](std::string_view) { ++visited; });
  EXPECT_EQ(visited, 1);
}

TEST(OwnedValueTest, OutlivesWhatItWasMadeFrom) {
  auto text = std::make_unique<std::string>(100, 'x');
  OwnedValue owned(ValueRef::String(*text));
  text.reset();
  EXPECT_EQ(owned.ref().string_value(), std::string(100, 'x'));
}

TEST(OwnedValueTest, CopiesPointToThemselves) {
  const std::string list = List({"a", "b"});
  for (const ValueRef& value :
       {ValueRef::String("short"), ValueRef::StringList(list), ValueRef::Int(3)}) {
    std::vector<OwnedValue> values(1, OwnedValue(value));
    for (int i = 0; i < 100; ++i) values.emplace_back(values.front());
    OwnedValue assigned;
    assigned = values.back();
    values.clear();
    EXPECT_EQ(assigned.ref(), value);
    const OwnedValue& self = assigned;
    assigned = self;
    EXPECT_EQ(assigned.ref(), value);
  }
}

TEST(OwnedValueTest, KeepsWhetherTheValueIsKnown) {
  ValueRef value = ValueRef::String("default");
  value.set_known(false);
  const OwnedValue owned(value);
  OwnedValue assigned;
  assigned = owned;
  EXPECT_FALSE(owned.ref().known());
  EXPECT_FALSE(assigned.ref().known());
}

TEST(ValueTest, NamesItsTypes) {
  EXPECT_EQ(ValueTypeName(ValueType::kBool), "bool");
  EXPECT_EQ(ValueTypeName(ValueType::kInt), "int");
  EXPECT_EQ(ValueTypeName(ValueType::kDouble), "double");
  EXPECT_EQ(ValueTypeName(ValueType::kString), "string");
  EXPECT_EQ(ValueTypeName(ValueType::kTimestamp), "timestamp");
  EXPECT_EQ(ValueTypeName(ValueType::kStringList), "string_list");
}

}  // namespace
}  // namespace attune
