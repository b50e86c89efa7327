#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "service/ctl/console.h"
#include "tests/testing/paths.h"
#include "tests/testing/temp_dir.h"
#include "tests/unit/ctl/fake_attuned.h"

namespace attune::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct ValueCase {
  const char* text;
  std::vector<std::string> variables;
  const char* result;
};

TEST(ExprCommand, PrintsTheResultAsAnExpression) {
  const ValueCase cases[] = {
      {"1 + 2", {}, "3"},
      {"1.5 * 2.0", {}, "3.0"},
      {"-1 + 2", {}, "1"},
      {"[1, 2]", {}, "[1, 2]"},
      {"customer.age >= 18 && customer.plan == 'gold'",
       {"customer.age=30", "customer.plan=gold"},
       "true"},
      {"a + b", {"a=2u", "b=3u"}, "5u"},
      {"a", {"a=mobile-m 5"}, "\"mobile-m 5\""},
      {"a", {"a="}, "\"\""},
      {"a", {"a=\"30\""}, "\"30\""},
      {"a.b", {"a={\"b\": [1]}"}, "[1]"},
      {"a + [1]", {"a=[]"}, "[1]"},
      {"a - b",
       {"a=2026-03-01T10:00:00Z", "b=duration(\"36h\")"},
       "timestamp(\"2026-02-27T22:00:00Z\")"},
      {"a.getDayOfWeek()", {"a=2026-03-01"}, "0"},
      {"type(a)", {"a=true"}, "bool"},
  };
  for (const ValueCase& test : cases) {
    std::vector<std::string> arguments = {"expr", test.text};
    for (const std::string& variable : test.variables) {
      arguments.insert(arguments.end(), {"--var", variable});
    }
    const CtlRun run = RunAttunectl(arguments);
    EXPECT_EQ(run.status, kExitOk) << test.text << run.err;
    EXPECT_EQ(run.out, std::string(test.result) + "\n") << test.text;
  }
}

TEST(ExprCommand, PrintsJson) {
  CtlRun run = RunAttunectl(
      {"expr",
       R"({"a": [1, 2u, 2.5, null, true], "b": b"\xff", "c": 9007199254740993, "d": 0.0 / 0.0,
           "e": timestamp("2026-03-01T00:00:00Z"), "f": duration("90s"), "g": int, "h": {1: "x"}})",
       "--json"});
  ASSERT_EQ(run.status, kExitOk) << run.err;
  const nlohmann::json json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["type"], "map(string, dyn)");
  EXPECT_EQ(json["value"], nlohmann::json::parse(R"({"a": [1, 2, 2.5, null, true], "b": "/w==",
      "c": "9007199254740993", "d": "NaN", "e": "2026-03-01T00:00:00Z", "f": "90s", "g": "int",
      "h": {"1": "x"}})"));
  run = RunAttunectl({"expr", "x", "--var", "x=9007199254740992", "--json"});
  EXPECT_EQ(nlohmann::json::parse(run.out)["value"], 9007199254740992);
}

TEST(ExprCommand, SaysHowANameGetsItsValue) {
  EXPECT_THAT(RunAttunectl({"expr", "customer.age > 1"}).err,
              HasSubstr("unknown name \"customer.age\"\n    customer.age > 1\n    ^\n"
                        "Give a name its value with --var NAME=VALUE, or check against a strategy "
                        "with --check --strategy FILE.\n"));
  for (const CtlRun& run :
       {RunAttunectl({"expr", "1 +"}), RunAttunectl({"expr", "x", "--var", "y=1"})}) {
    EXPECT_EQ(run.status, kExitFailure);
    EXPECT_THAT(run.err, Not(HasSubstr("Give a name its value")));
  }
}

TEST(ExprCommand, TellsEverythingThatIsWrongWithAnExpression) {
  CtlRun run = RunAttunectl({"expr", "custmer.age > 1 && 2", "--var", "customer.age=3"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_EQ(run.out, "");
  EXPECT_THAT(run.err,
              HasSubstr("expression:1:1: error: unknown name \"custmer.age\"; did you mean "
                        "\"customer.age\"?\n"
                        "    custmer.age > 1 && 2\n"
                        "    ^\n"));
  EXPECT_THAT(run.err, HasSubstr("expression:1:20: error: "));
  run = RunAttunectl({"expr", "1 +", "--json"});
  EXPECT_EQ(run.status, kExitFailure);
  const nlohmann::json json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["error"]["code"], "WRONG_EXPRESSION");
  EXPECT_EQ(json["issues"][0]["column"], 4);
}

TEST(ExprCommand, TellsWhatCannotBeEvaluatedFromWhatIsWrong) {
  CtlRun run = RunAttunectl({"expr", "1 / n", "--var", "n=0"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_EQ(run.err,
            "expression:1:3: error: division by zero\n"
            "    1 / n\n"
            "      ^\n");
  run = RunAttunectl({"expr", "1 / 0", "--json"});
  EXPECT_EQ(run.status, kExitFailure);
  const nlohmann::json json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["error"]["code"], "EVALUATION_FAILED");
  EXPECT_EQ(json["error"]["message"], "division by zero");
  EXPECT_EQ(json["issues"][0]["column"], 3);
}

TEST(ExprCommand, PointsToWhatFailed) {
  struct {
    const char* name;
    const char* text;
    int line;
    int column;
  } const cases[] = {
      {"deep within", "[1, 2 + (3 * (4 / n))]", 1, 17},
      {"the first of two", "n > 1 / n && n / n > 1", 1, 7},
      {"the branch that was taken", "n == 0 ? 1 + 2 / n : 3 / n", 1, 16},
      {"the condition", "1 / n > 0 ? 3 / n : 4", 1, 3},
      {"an index", "size(list) + list[5]", 1, 18},
      {"a field", "1 + {'a': 1}.b", 1, 14},
      {"an argument", "math.abs(int('x')) + 1", 1, 10},
      {"a loop, not what it goes over", "1 + list.map(e, e / n)[0]", 1, 10},
      {"another line", "n == 1 ||\n  list[7] == 2", 2, 7},
  };
  for (const auto& c : cases) {
    const CtlRun run =
        RunAttunectl({"expr", c.text, "--var", "n=0", "--var", "list=[1, 2]", "--json"});
    EXPECT_EQ(run.status, kExitFailure) << c.name;
    const nlohmann::json issue = nlohmann::json::parse(run.out)["issues"][0];
    EXPECT_EQ(issue["line"], c.line) << c.name << run.err;
    EXPECT_EQ(issue["column"], c.column) << c.name << run.err;
  }
}

TEST(ExprCommand, HasAsksForDottedVariables) {
  EXPECT_EQ(RunAttunectl({"expr", "has(customer.x)", "--var", "customer.x=1"}).out, "true\n");
  EXPECT_EQ(RunAttunectl({"expr", "has(a.b.c) && a.b.c == 1", "--var", "a.b.c=1"}).out, "true\n");
  // Nothing says what a sibling that nobody declared would be.
  EXPECT_THAT(RunAttunectl({"expr", "has(customer.y)", "--var", "customer.x=1"}).err,
              HasSubstr("unknown name \"customer.y\"; did you mean \"customer.x\"?"));
}

TEST(ExprCommand, ChecksWithoutEvaluating) {
  CtlRun run = RunAttunectl({"expr", "--check", "n / 0 > 1", "--var", "n=1"});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(run.out, "bool\n");
  run = RunAttunectl({"expr", "--check", "[n]", "--var", "n=1", "--json"});
  EXPECT_EQ(nlohmann::json::parse(run.out)["type"], "list(int)");
}

TEST(ExprCommand, ChecksAgainstAStrategy) {
  const std::string strategy = testing::SourcePath("deploy/example/telecom.yaml");
  struct {
    const char* text;
    const char* type;
  } const cases[] = {
      {"customer.nps", "int"},
      {"customer.segments", "list(string)"},
      {"context.local_time", "timestamp"},
      {"context.attributes.wait_seconds > 60 || treatment.group == 'care'", "bool"},
      {"history.treatment.count(['shown'], duration('24h'))", "int"},
  };
  for (const auto& test : cases) {
    const CtlRun run = RunAttunectl({"expr", "--check", test.text, "--strategy", strategy});
    EXPECT_EQ(run.status, kExitOk) << test.text << run.err;
    EXPECT_EQ(run.out, std::string(test.type) + "\n");
  }
  CtlRun run = RunAttunectl({"expr", "--check", "customer.npss > 8", "--strategy", strategy});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("did you mean \"customer.nps\"?"));
  run = RunAttunectl(
      {"expr", "--check", "history.all.count(['shwn'], duration('1h'))", "--strategy", strategy});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("did you mean \"shown\"?"));
  run = RunAttunectl({"expr", "--check", "true", "--strategy", "/nowhere.yaml", "--json"});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_EQ(nlohmann::json::parse(run.out)["error"]["code"], "WRONG_STRATEGY");
}

TEST(ExprCommand, ChecksAFormulaOfThePriority) {
  const std::string strategy = testing::SourcePath("deploy/example/telecom.yaml");
  const std::string formula =
      "propensity * context_weight * value * lever - cost * double(customer.nps)";
  CtlRun run = RunAttunectl({"expr", "--check", "--priority", formula, "--strategy", strategy});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(run.out, "double\n");
  run = RunAttunectl({"expr", "--check", "--priority", "propensty", "--strategy", strategy});
  EXPECT_THAT(run.err, HasSubstr("did you mean \"propensity\"?"));
  // Rules don't see its terms.
  run = RunAttunectl({"expr", "--check", formula, "--strategy", strategy});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("unknown name \"propensity\""));
}

TEST(ExprCommand, PrintsNothingWithoutBound) {
  // Ten to the 14th ones, in the memory of a few lists.
  std::string expression = "1";
  for (char name = 'a'; name < 'o'; ++name) {
    expression =
        absl::StrCat("[1,2,3,4,5,6,7,8,9,10].map(", std::string(1, name), ", ", expression, ")");
  }
  for (const bool json : {false, true}) {
    std::vector<std::string> arguments = {"expr", expression};
    if (json) arguments.emplace_back("--json");
    const CtlRun run = RunAttunectl(arguments);
    EXPECT_EQ(run.status, kExitFailure);
    EXPECT_LT(run.out.size(), 1000u);
    EXPECT_THAT(run.err, HasSubstr("ask for its size() or for a part of it"));
  }
}

TEST(ExprCommand, TakesAnExpressionThatBeginsWithMinus) {
  EXPECT_THAT(RunAttunectl({"expr", "-x + 1", "--var", "x=1"}).err,
              HasSubstr("Did you mean attunectl expr -- \"-x + 1\"?"));
  EXPECT_EQ(RunAttunectl({"expr", "--var", "x=1", "--", "-x + 1"}).out, "0\n");
}

TEST(ExprCommand, TakesNoDifferenceForADate) {
  const CtlRun run = RunAttunectl({"expr", "d", "--var", "d=2026-13-01"});
  EXPECT_EQ(run.status, kExitUsage);
  EXPECT_THAT(run.err, HasSubstr("\"2026-13-01\" is no time"));
}

TEST(ExprCommand, RefusesWrongUsage) {
  struct {
    std::vector<std::string> arguments;
    const char* message;
  } const cases[] = {
      {{"expr"}, "EXPR is required"},
      {{"expr", "x", "--var", "x"}, "must be NAME=VALUE"},
      {{"expr", "x", "--var", "1x=1"}, "must be a name, or names with dots between them"},
      {{"expr", "x", "--var", "x..y=1"}, "must be a name, or names with dots between them"},
      {{"expr", "x", "--var", "x=1", "--var", "x=2"}, "--var x is given twice"},
      {{"expr", "x", "--var", "x=[1, gold]"}, "--var x:1:5: error: unknown name \"gold\""},
      {{"expr", "x", "--var", "x=1/0"}, "--var x: error: division by zero"},
      {{"expr", "x", "--strategy", "s.yaml"}, "--check"},
      {{"expr", "x", "--check", "--strategy", "s.yaml", "--var", "x=1"}, "excludes"},
      {{"expr", "x", "--check", "--priority"}, "--strategy"},
  };
  for (const auto& test : cases) {
    const CtlRun run = RunAttunectl(test.arguments);
    EXPECT_EQ(run.status, kExitUsage) << test.message;
    EXPECT_THAT(run.err, HasSubstr(test.message));
    EXPECT_EQ(run.out, "");
  }
}

}  // namespace
}  // namespace attune::ctl
