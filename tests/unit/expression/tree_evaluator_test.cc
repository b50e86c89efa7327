// The planned evaluator against the one that walks the tree, over expressions put together at
// random.

#include <map>
#include <memory>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "lib/expression/checker.h"
#include "lib/expression/evaluator.h"
#include "lib/expression/parser.h"
#include "tests/testing/effort.h"
#include "tests/testing/expression_tree_evaluator.h"

namespace attune::expression {
namespace {

class Writer {
 public:
  explicit Writer(uint64_t seed) : random_(seed) {}

  std::string Expression(int depth) {
    const auto part = [&] { return Expression(depth - 1); };
    if (depth == 0)
      return Pick({"i",     "d",    "s",       "b",   "l",      "a.x",     "1",
                   "2",     "0",    "1.5",     "2u",  "'a'",    "true",    "v",
                   "false", "null", "missing", "'b'", "[1, 2]", "{'a': 1}"});
    switch (random_() % 12) {
      case 0:
        return "(" + part() + " && " + part() + " && " + part() + ")";
      case 1:
        return "(" + part() + " || " + part() + ")";
      case 2:
        return "!" + part();
      case 3:
        return "(" + part() + Pick({" == ", " != ", " < ", " <= ", " > ", " >= "}) + part() + ")";
      case 4:
        return "(" + part() + Pick({" + ", " - ", " * ", " / ", " % "}) + part() + ")";
      case 5:
        return "(" + part() + " ? " + part() + " : " + part() + ")";
      case 6:
        return "(" + part() + " in " + part() + ")";
      case 7:
        return "[" + part() + ", " + part() + "]";
      case 8:
        return "{" + part() + ": " + part() + ", 'a': " + part() + "}";
      case 9:
        return part() + Pick({"[0]", ".a", "[1]", ".size()", ".contains('a')"});
      case 10:
        return "l." + Pick({"all", "exists", "exists_one", "map", "filter"}) + "(v, " + part() +
               ")";
      default:
        return "cel.bind(v, " + part() + ", " + part() + ")";
    }
  }

 private:
  std::string Pick(std::initializer_list<const char*> choices) {
    return choices.begin()[random_() % choices.size()];
  }
  std::mt19937_64 random_;
};

TEST(TreeEvaluatorTest, AgreesWithThePlan) {
  const std::map<std::string, Value> values = {{"i", Value::Int(3)},
                                               {"d", Value::Double(1.5)},
                                               {"s", Value::String("ab")},
                                               {"b", Value::Bool(true)},
                                               {"l", Value::EncodedList("\x01a\x02xy")},
                                               {"a.x", Value::Int(2)},
                                               {"missing", Value()}};
  int compared = 0;
  for (uint64_t seed = 0; seed < testing::Effort(3000); ++seed) {
    const std::string text = Writer(seed).Expression(1 + static_cast<int>(seed % 4));
    auto environment = std::make_shared<Environment>();
    std::vector<Value> slots;
    for (const auto& [path, value] : values) {
      environment
          ->AddVariable(path, SimpleType(TypeKind::kDyn), Scope::kDecision,
                        static_cast<uint32_t>(slots.size()))
          .IgnoreError();
      slots.push_back(value);
    }
    IssueList issues;
    CompileOptions options;
    options.lenient = true;
    const Limits limits;
    const auto rules = CompileOne(environment, "r", text, options, issues, limits);
    ASSERT_NE(rules, nullptr) << text << issues.ToString();
    Evaluator evaluator(*rules);
    evaluator.StartDecision(slots.data());
    const Value got = evaluator.Evaluate(0);

    IssueReporter reporter("r", text, issues);
    const std::unique_ptr<Ast> ast = Parse(text, limits, reporter);
    Check(*ast, *environment, limits, {nullptr, true}, reporter);
    TreeEvaluator tree(values, limits);
    const Value expected = tree.Evaluate(*ast->root);
    ASSERT_EQ(got.is_error(), expected.is_error()) << text << "\n"
                                                   << ToString(got) << "\n"
                                                   << ToString(expected);
    if (!got.is_error()) {
      ASSERT_EQ(ToString(got, 10'000), ToString(expected, 10'000)) << text;
    }
    ++compared;
  }
  EXPECT_EQ(compared, testing::Effort(3000));
}

}  // namespace
}  // namespace attune::expression
