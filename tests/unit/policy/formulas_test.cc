#include "lib/policy/formulas.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/policy/formula_explanation.h"

namespace attune::policy {
namespace {

using expression::Value;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> NamesOf(const Formulas& formulas, int treatment, int channel) {
  std::vector<std::string> names;
  for (const ComputedField& field : formulas.FieldsOf(treatment, channel)) {
    names.push_back(field.name);
  }
  return names;
}

TEST(FormulasTest, FieldsAreFoundByTreatmentAndChannel) {
  Formulas formulas;
  formulas.fields = {{1, 0, "a", 0}, {1, 0, "b", 1}, {1, 2, "c", 2}, {3, 1, "d", 3}};
  EXPECT_THAT(NamesOf(formulas, 1, 0), ElementsAre("a", "b"));
  EXPECT_THAT(NamesOf(formulas, 1, 1), IsEmpty());
  EXPECT_THAT(NamesOf(formulas, 1, 2), ElementsAre("c"));
  EXPECT_THAT(NamesOf(formulas, 2, 0), IsEmpty());
  EXPECT_THAT(NamesOf(formulas, 3, 1), ElementsAre("d"));
  EXPECT_THAT(NamesOf(formulas, 9, 9), IsEmpty());
  EXPECT_THAT(NamesOf(Formulas(), 0, 0), IsEmpty());
}

TEST(FormulasTest, NumbersAreIntsAndDoubles) {
  EXPECT_EQ(NumberOf(Value::Int(-3)), -3.0);
  EXPECT_EQ(NumberOf(Value::Double(0.25)), 0.25);
  // Whether it is finite others ask.
  EXPECT_TRUE(std::isnan(NumberOf(Value::Double(std::nan(""))).value()));
  EXPECT_EQ(NumberOf(Value::Bool(true)), std::nullopt);
  EXPECT_EQ(NumberOf(Value::String("1")), std::nullopt);
  EXPECT_EQ(NumberOf(Value::Error(expression::ErrorCode::kOverflow, "too much")), std::nullopt);
}

TEST(FormulasTest, ContentIsWrittenAsStringOfAnExpressionWritesIt) {
  struct Case {
    const char* name;
    Value value;
    const char* text;  // nullptr: it can't be shown
  };
  const Case cases[] = {
      {"text", Value::String("vip"), "vip"},
      {"no text", Value::String(""), ""},
      {"true", Value::Bool(true), "true"},
      {"false", Value::Bool(false), "false"},
      {"the smallest int", Value::Int(std::numeric_limits<int64_t>::min()), "-9223372036854775808"},
      {"a whole double", Value::Double(10), "10"},
      {"a fraction", Value::Double(2.5), "2.5"},
      {"the shortest text of a double", Value::Double(0.1), "0.1"},
      {"a large double", Value::Double(1e21), "1e+21"},
      {"not a number", Value::Double(std::nan("")), nullptr},
      {"infinity", Value::Double(std::numeric_limits<double>::infinity()), nullptr},
      {"an error", Value::Error(expression::ErrorCode::kOverflow, "too much"), nullptr},
      {"a moment", Value::TimestampMicros(0), nullptr},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::string text = "<";
    EXPECT_EQ(AppendContent(c.value, text), c.text != nullptr);
    EXPECT_EQ(text, std::string("<") + (c.text == nullptr ? "" : c.text));
  }
}

TEST(FormulasTest, TermsOfThePriorityAreDoublesThatCanBeNamedOnceDeclared) {
  const auto environment = std::make_shared<expression::Environment>();
  const auto compile = [&](const char* text) {
    IssueList issues;
    return expression::CompileOne(environment, "test", text, {}, issues) != nullptr;
  };
  EXPECT_FALSE(compile("propensity * value"));
  DeclarePriorityTerms(*environment);
  EXPECT_TRUE(compile("propensity * context_weight * value * lever - cost > 0.5"));
  EXPECT_FALSE(compile("propensity * 2"));
}

}  // namespace
}  // namespace attune::policy
