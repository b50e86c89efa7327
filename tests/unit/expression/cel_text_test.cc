#include "lib/expression/cel_text.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "lib/expression/evaluator.h"
#include "lib/expression/rule_set.h"

namespace attune::expression {
namespace {

// What the expression yields, as an expression.
std::string CelOf(const std::string& text) {
  IssueList issues;
  const auto rules = CompileOne(std::make_shared<Environment>(), "test", text, {}, issues);
  if (rules == nullptr) return issues.ToString();
  Evaluator evaluator(*rules);
  evaluator.StartDecision(nullptr);
  const Value value = evaluator.Evaluate(0);
  return value.is_error() ? std::string(value.error_message()) : ToCel(value);
}

TEST(CelText, YieldsTheSameValueAgain) {
  for (const std::string text : {
           "null",
           "true",
           "-9223372036854775808",
           "18446744073709551615u",
           "2.0",
           "-0.1",
           "1e+300",
           "double(\"NaN\")",
           "double(\"-Inf\")",
           "\"a \\\"quoted\\\" \\\\ \\n \\x07 \u00e4\"",
           "b\"\\x00\\xffabc\"",
           "timestamp(\"2026-03-29T01:00:00.5Z\")",
           "duration(\"-1.5s\")",
           "[1, [2u], {\"a\": {true: 3.0}}]",
           "{}",
           "google.protobuf.Timestamp",
       }) {
    EXPECT_EQ(CelOf(text), text);
  }
}

TEST(CelText, IsWholeHoweverLongItIs) {
  const std::string text = "\"" + std::string(5000, 'x') + "\"";
  EXPECT_EQ(CelOf(text), text);
  EXPECT_EQ(CelOf("[1, 2].map(n, " + text + ")"), "[" + text + ", " + text + "]");
}

TEST(CelText, TellsWhatIsTooLongWithoutWritingIt) {
  const std::string text(100, 'x');
  EXPECT_TRUE(FitsCel(Value::String(text), 110));
  EXPECT_FALSE(FitsCel(Value::String(text), 100));
}

TEST(CelText, WritesListsOfTheRecord) {
  EXPECT_EQ(ToCel(Value::EncodedList(std::string_view("\1a\2bc", 5))), "[\"a\", \"bc\"]");
}

}  // namespace
}  // namespace attune::expression
