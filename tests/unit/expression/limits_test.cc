#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "lib/expression/evaluator.h"

namespace attune::expression {
namespace {

std::string Repeat(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::string Issues(const std::string& expr, const Limits& limits = {}) {
  IssueList issues;
  CompileOptions options;
  options.lenient = true;
  CompileOne(std::make_shared<Environment>(), "r", expr, options, issues, limits);
  return issues.ToString();
}

TEST(LimitsTest, SourceLength) {
  Limits limits;
  limits.max_source_bytes = 5;
  EXPECT_EQ(Issues("1 + 1", limits), "");
  EXPECT_NE(Issues("1 + 11", limits).find("too long: 6 bytes, at most 5"), std::string::npos);
}

TEST(LimitsTest, NestingOfEveryKindIsBounded) {
  const int deep = 5'000;
  const std::string cases[] = {
      Repeat("(", deep) + "1" + Repeat(")", deep),
      Repeat("[", deep) + Repeat("]", deep),
      Repeat("{1:", deep) + "1" + Repeat("}", deep),
      Repeat("!", deep) + "true",
      Repeat("- ", deep) + "x",
      "1" + Repeat(" + 1", deep),
      "x" + Repeat(".f", deep),
      "x" + Repeat("[0]", deep),
      "x" + Repeat(".f()", deep),
      Repeat("f(", deep) + Repeat(")", deep),
      Repeat("true ? 1 : ", deep) + "2",
      Repeat("[1].all(x, ", deep) + "true" + Repeat(")", deep),
  };
  for (const std::string& expr : cases) {
    EXPECT_NE(Issues(expr).find("nested too deeply"), std::string::npos) << expr.substr(0, 30);
  }
  EXPECT_EQ(Issues(Repeat("(", 100) + "1" + Repeat(")", 100)), "");
}

TEST(LimitsTest, ChainsOfLogicAreNotDeep) {
  EXPECT_EQ(Issues("x" + Repeat(" && x", 5000)), "");
  EXPECT_EQ(Issues("x" + Repeat(" || (x)", 5000)), "");
}

TEST(LimitsTest, NestedComprehensions) {
  EXPECT_EQ(Issues(Repeat("[1].all(x, ", 16) + "true" + Repeat(")", 16)), "");
  EXPECT_NE(
      Issues(Repeat("[1].all(x, ", 17) + "true" + Repeat(")", 17)).find("comprehensions nest"),
      std::string::npos);
}

TEST(LimitsTest, SizeOfTheTree) {
  Limits limits;
  limits.max_nodes = 10;
  EXPECT_NE(Issues("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", limits).find("too large: more than 10 parts"),
            std::string::npos);
}

TEST(LimitsTest, OnlySoManyIssues) {
  const std::string issues = Issues(Repeat("?, ", 1000));
  EXPECT_LT(issues.size(), 20'000u);
}

struct CostCase {
  const char* name;
  std::string expr;
  ErrorCode expected;
};

TEST(LimitsTest, EvaluationIsBounded) {
  Limits limits;
  limits.max_steps = 10'000;
  limits.max_string_bytes = 1000;
  limits.max_elements = 500;
  limits.max_arena_bytes = 100'000;
  const std::string ten = "[1,2,3,4,5,6,7,8,9,10]";
  const std::string hundred = ten + ".map(a, " + ten + ")";
  const auto doubled = [](std::string inner, const char* sum, int times) {
    std::string expr = std::move(inner);
    for (int i = 0; i < times; ++i) expr = "cel.bind(s, " + expr + ", s " + sum + " s)";
    return expr;
  };
  const CostCase cases[] = {
      {"passes",
       ten + ".all(a, " + ten + ".all(b, " + ten + ".all(c, " + ten +
           ".all(d, a + b + c + d > 0))))",
       ErrorCode::kCostLimit},
      {"cheap", "true || " + ten + ".all(a, true)", ErrorCode::kNone},
      {"exists",
       ten + ".exists(a, " + ten + ".exists(b, " + ten + ".exists(c, " + ten +
           ".exists(d, a + b + c + d > 1000)))) || x.all(y, y)",
       ErrorCode::kCostLimit},
      {"exists_one",
       ten + ".map(a, " + ten + ".map(b, " + ten + ".map(c, " + ten +
           ".exists_one(d, a + b + c + d > 1000))))",
       ErrorCode::kCostLimit},
      {"string", doubled("string(x0)", "+", 14), ErrorCode::kSizeLimit},
      {"list", doubled("x1", "+", 14), ErrorCode::kSizeLimit},
      {"shared lists",
       "cel.bind(a, [x1,x1,x1,x1], cel.bind(b, [a,a,a,a,a,a,a,a], cel.bind(c, "
       "[b,b,b,b,b,b,b,b], cel.bind(d, [c,c,c,c,c,c,c,c,c,c], d == d && "
       "cel.bind(e, [d,d,d,d,d,d,d,d], e == e)))))",
       ErrorCode::kCostLimit},
      {"replace",
       "('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' + x0).replace('', 'bbbbbbbbbbbbbbbbbbbbbbbbbbb"
       "bbbbbbbbbbbbbbbb')",
       ErrorCode::kSizeLimit},
      {"join",
       hundred + ".map(l, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' + x0).join()",
       ErrorCode::kSizeLimit},
      {"format",
       "'%.90f%.90f%.90f%.90f%.90f%.90f%.90f%.90f%.90f%.90f%.90f%.90f'.format([x1[0], 1, 1,"
       " 1, 1, 1, 1, 1, 1, 1, 1, 1])",
       ErrorCode::kSizeLimit},
  };
  for (const CostCase& c : cases) {
    auto environment = std::make_shared<Environment>();
    environment->AddVariable("x", SimpleType(TypeKind::kDyn), Scope::kDecision, 0).IgnoreError();
    environment->AddVariable("x0", SimpleType(TypeKind::kDyn), Scope::kDecision, 1).IgnoreError();
    environment->AddVariable("x1", SimpleType(TypeKind::kDyn), Scope::kDecision, 2).IgnoreError();
    IssueList issues;
    const auto rules = CompileOne(environment, "r", c.expr, {}, issues, limits);
    ASSERT_NE(rules, nullptr) << c.name << issues.ToString();
    const Value item = Value::Int(1);
    const Value slots[] = {Value::List(&item, 1), Value::String("x"), Value::List(&item, 1)};
    Evaluator evaluator(*rules);
    evaluator.StartDecision(slots);
    const Value value = evaluator.Evaluate(0);
    if (c.expected == ErrorCode::kNone) {
      EXPECT_FALSE(value.is_error()) << c.name;
      continue;
    }
    ASSERT_TRUE(value.is_error()) << c.name << " is " << ToString(value);
    EXPECT_EQ(ErrorCodeName(value.error_code()), ErrorCodeName(c.expected)) << c.name;
    // The next evaluation has a budget of its own.
    EXPECT_EQ(evaluator.Evaluate(0).error_code(), c.expected) << c.name;
  }
}

TEST(LimitsTest, EveryErrorHasAName) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kSizeLimit); ++code) {
    EXPECT_NE(ErrorCodeName(static_cast<ErrorCode>(code)), "unknown") << code;
  }
}

}  // namespace
}  // namespace attune::expression
