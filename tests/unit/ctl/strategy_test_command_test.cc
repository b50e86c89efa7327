#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "nlohmann/json.hpp"
#include "service/ctl/console.h"
#include "tests/unit/ctl/fake_attuned.h"
#include "tests/unit/scenario/scenario_files.h"

namespace attune::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kGood[] = R"(strategy: s.yaml
at: 2026-03-02T10:00:00Z
channel: web
cases:
  - {name: a gift first, expect: {top: gift}}
)";

constexpr char kBad[] = R"(strategy: s.yaml
at: 2026-03-02T10:00:00Z
channel: web
cases:
  - {name: no gift for adults, customer: {age: 40}, expect: {ranking: [letter]}}
  - name: later
    expect: {top: gift}
    then:
      - {after: 1h, channel: ivr, expect: {rejected: {gift: {rule: gift_twice}}}}
)";

class StrategyTestCommandTest : public ::testing::Test {
 protected:
  CtlRun Run(const std::string& path, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"strategy", "test", path};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunAttunectl(arguments);
  }

  scenario::ScenarioFolder folder_;
};

TEST_F(StrategyTestCommandTest, PrintsOneLinePerCaseThatPasses) {
  folder_.Write("good.cases.yaml", kGood);
  const std::string path = folder_.Path("good.cases.yaml");
  const CtlRun run = Run(path);
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(run.out, path + "\n  ok      a gift first\n1 passed, 0 failed\n");
}

TEST_F(StrategyTestCommandTest, ExplainsWhatFails) {
  folder_.Write("bad.cases.yaml", kBad);
  const std::string path = folder_.Path("bad.cases.yaml");
  const CtlRun run = Run(path);
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_EQ(run.out, path + "\n" +
                         "  FAILED  no gift for adults\n"
                         "          at 2026-03-02T10:00:00Z on web\n"
                         "            " +
                         path +
                         ":5: ranking\n"
                         "              expected: letter\n"
                         "              got:      gift, letter\n"
                         "              gift: ranked number 1 with priority 15\n"
                         "              letter: ranked number 2 with priority 5\n"
                         "  FAILED  later\n"
                         "          then[0] at 2026-03-02T11:00:00Z on ivr\n"
                         "            " +
                         path +
                         ":9: rejected.gift\n"
                         "              expected: by gift_twice\n"
                         "              got:      ranked\n"
                         "              gift: ranked number 1 with priority 15\n"
                         "0 passed, 2 failed\n");
}

TEST_F(StrategyTestCommandTest, RunsTheFilesOfAFolderThatAreCalledCases) {
  folder_.Write("good.cases.yaml", kGood);
  folder_.Write("below/good.cases.yaml", "strategy: ../s.yaml\n" + std::string(kGood).substr(17));
  folder_.Write("other.yaml", "no: cases\n");
  const CtlRun run = Run(folder_.Path(""));
  EXPECT_EQ(run.status, kExitOk) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("below/good.cases.yaml\n"));
  EXPECT_THAT(run.out, HasSubstr("2 passed, 0 failed\n"));
}

TEST_F(StrategyTestCommandTest, AFolderWithoutCasesIsAnError) {
  const CtlRun run = Run(folder_.Path(""));
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.err, HasSubstr("no file is called *.cases.yaml"));
  EXPECT_EQ(run.out, "");
}

TEST_F(StrategyTestCommandTest, ReportsWrongFilesAndRunsTheOthers) {
  folder_.Write("good.cases.yaml", kGood);
  folder_.Write("wrong.cases.yaml", "strategy: s.yaml\ncase: []\n");
  CtlRun run = Run(folder_.Path("wrong.cases.yaml"), {folder_.Path("good.cases.yaml")});
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.out, HasSubstr("wrong.cases.yaml:2:1: error: unknown key \"case\"; did you mean "
                                 "\"cases\"?\n    case: []\n    ^\n"));
  EXPECT_THAT(run.out, HasSubstr("files with errors, not run: 1\n1 passed, 0 failed\n"));
  run = Run(folder_.Path("absent.cases.yaml"));
  EXPECT_EQ(run.status, kExitFailure);
  EXPECT_THAT(run.out, HasSubstr("can't read the cases: no such file"));
}

TEST_F(StrategyTestCommandTest, PrintsJson) {
  folder_.Write("bad.cases.yaml", kBad);
  const CtlRun run = Run(folder_.Path("bad.cases.yaml"), {"--json"});
  EXPECT_EQ(run.status, kExitFailure);
  const nlohmann::json json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["passed"], 0);
  EXPECT_EQ(json["failed"], 2);
  EXPECT_EQ(json["wrong_files"], 0);
  const nlohmann::json& failed = json["cases"][1];
  EXPECT_EQ(failed["name"], "later");
  EXPECT_EQ(failed["line"], 6);
  EXPECT_EQ(failed["passed"], false);
  EXPECT_EQ(failed["failures"][0]["step"], 1);
  EXPECT_EQ(failed["failures"][0]["at"], "2026-03-02T11:00:00Z");
  EXPECT_EQ(failed["failures"][0]["differences"][0]["expected"], "by gift_twice");
  EXPECT_THAT(run.out, Not(HasSubstr("FAILED")));
}

}  // namespace
}  // namespace attune::ctl
