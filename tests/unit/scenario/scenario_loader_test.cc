#include "lib/scenario/scenario_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "tests/unit/scenario/scenario_files.h"

namespace attune::scenario {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

absl::Time At(int day, int hour) {
  return absl::FromCivil(absl::CivilHour(2026, 3, day, hour), absl::UTCTimeZone());
}

TEST(ScenarioLoader, CasesTakeOverWhatTheFileSays) {
  ScenarioFolder folder;
  const auto file = folder.Load(R"(strategy: s.yaml
at: 2026-03-02T10:00:00Z
channel: web
intent: buy
customer: {age: 40, plan: big}
cases:
  - name: as the file says
    expect: {}
  - name: as the case says
    at: 2026-03-03T11:00:00Z
    channel: ivr
    intent: ""
    customer: {age: 50}
    expect: {}
)");
  ASSERT_TRUE(file) << ::testing::PrintToString(folder.Issues());
  ASSERT_THAT(file->cases, SizeIs(2));
  const Step& first = file->cases[0].steps[0];
  EXPECT_EQ(first.at, At(2, 10));
  EXPECT_EQ(first.situation.channel, "web");
  EXPECT_EQ(first.situation.intent, "buy");
  ASSERT_THAT(first.features, SizeIs(2));
  EXPECT_EQ(first.features[0].second.ref().int_value(), 40);
  const Step& second = file->cases[1].steps[0];
  EXPECT_EQ(second.at, At(3, 11));
  EXPECT_EQ(second.situation.channel, "ivr");
  EXPECT_EQ(second.situation.intent, "");
  ASSERT_THAT(second.features, SizeIs(2));
  EXPECT_EQ(second.features[0].second.ref().int_value(), 50);
  EXPECT_EQ(second.features[1].second.ref().string_value(), "big");
}

TEST(ScenarioLoader, StepsGoOnFromWhatWasBefore) {
  ScenarioFolder folder;
  const auto file = folder.Load(R"(strategy: s.yaml
cases:
  - name: a story
    at: 2026-03-02T10:00:00Z
    channel: web
    intent: buy
    attributes: {mood: 0.5}
    max_treatments: 2
    treatment_ids: [gift]
    expect: {}
    then:
      - {after: 2h, expect: {}}
      - {at: 2026-03-03T11:00:00Z, channel: ivr, attributes: {mood: 1}}
      - {}
)");
  ASSERT_TRUE(file) << ::testing::PrintToString(folder.Issues());
  const std::vector<Step>& steps = file->cases[0].steps;
  ASSERT_THAT(steps, SizeIs(4));
  EXPECT_EQ(steps[1].at, At(2, 12));
  EXPECT_EQ(steps[1].situation.channel, "web");
  EXPECT_EQ(steps[1].situation.intent, "buy");
  EXPECT_EQ(steps[1].situation.max_treatments, 2);
  EXPECT_THAT(steps[1].situation.treatment_ids, ElementsAre("gift"));
  EXPECT_EQ(steps[1].situation.attributes[0].second.ref().double_value(), 0.5);
  EXPECT_TRUE(steps[1].expect);
  EXPECT_EQ(steps[2].at, At(3, 11));
  EXPECT_EQ(steps[2].situation.channel, "ivr");
  EXPECT_EQ(steps[2].situation.attributes[0].second.ref().double_value(), 1);
  EXPECT_FALSE(steps[2].expect);
  EXPECT_EQ(steps[3].at, At(3, 11));
  EXPECT_EQ(steps[3].line, 14);
}

TEST(ScenarioLoader, HistoryAndConsentsHaveTheirMoments) {
  ScenarioFolder folder;
  const auto file = folder.Load(R"(strategy: s.yaml
at: 2026-03-02T10:00:00Z
channel: web
cases:
  - name: moments
    history:
      - {ago: 1h, treatment: gift, outcome: shown}
      - {at: 2026-03-02T10:00:00.001Z, treatment: deal, channel: ivr, outcome: decided}
      - {treatment: gift, outcome: shown}
    consents:
      - {ago: 1d, purpose: marketing, granted: true}
      - {purpose: marketing, channel: ivr, granted: false}
    expect: {}
)");
  ASSERT_TRUE(file) << ::testing::PrintToString(folder.Issues());
  const Step& step = file->cases[0].steps[0];
  const strategy::Strategy& strategy = *file->strategy;
  ASSERT_THAT(step.history, SizeIs(3));
  EXPECT_EQ(step.history[0].time_ms, absl::ToUnixMillis(At(2, 9)));
  EXPECT_EQ(step.history[0].kind, customer::InteractionKind::kOutcome);
  EXPECT_EQ(step.history[0].channel, strategy.context.channels[0].number);
  EXPECT_EQ(step.history[1].time_ms, absl::ToUnixMillis(At(2, 10)) + 1);
  EXPECT_EQ(step.history[1].kind, customer::InteractionKind::kDecided);
  EXPECT_EQ(step.history[1].channel, strategy.context.channels[1].number);
  EXPECT_EQ(step.history[2].time_ms, absl::ToUnixMillis(At(2, 10)));
  ASSERT_THAT(step.consents, SizeIs(2));
  EXPECT_EQ(step.consents[0].time_us, absl::ToUnixMicros(At(1, 10)));
  EXPECT_TRUE(step.consents[0].granted);
  EXPECT_FALSE(step.consents[0].channel);
  EXPECT_EQ(step.consents[1].channel, strategy.context.channels[1].number);
}

TEST(ScenarioLoader, ReportsEverythingAtOnce) {
  ScenarioFolder folder;
  EXPECT_FALSE(folder.Load(R"(strategy: s.yaml
channel: web
cases:
  - nmae: a typo
    at: 2026-03-02T10:00:00Z
    customer: {aeg: 3, plan: 5, age: old}
    chanel: web
    channel: wbe
    intent: bye
    attributes: {mod: 1}
    history: [{ago: soon, treatment: gfit, channel: irv, outcome: shwon}, {ago: 1h}]
    consents: [{purpose: marketting, granted: maybe}, {purpose: marketing}]
    max_treatments: 1000
    treatment_ids: [lettre]
    expect:
      ranking: [gift, dael]
      top: nothing
      rejected: {gift: cap_reachd, leter: no_consent, deal: {rule: gift_twize, because: x}}
  - name: without a moment
    expect: {}
  - name: without an expectation
    at: 2026-03-02T10:00:00Z
  - name: without an expectation
    at: 2026-03-02T10:00:00Z
    then: [{at: 2026-03-01, expect: {}}, {at: 2026-03-03, after: 1h}]
)"));
  EXPECT_THAT(
      folder.Issues(),
      ElementsAre(
          "s.cases.yaml:4:5: unknown key \"nmae\"; did you mean \"name\"?",
          "s.cases.yaml:4:5: a case needs the key \"name\"",
          "s.cases.yaml:6:16: unknown feature \"aeg\"; known are: age, plan",
          HasSubstr("s.cases.yaml:6:30: plan must be text (in quotes"),
          HasSubstr("s.cases.yaml:6:38: age must be a whole number"),
          "s.cases.yaml:7:5: unknown key \"chanel\"; did you mean \"channel\"?",
          HasSubstr("s.cases.yaml:8:14: channel is \"wbe\", which is no channel of the strategy"),
          HasSubstr("s.cases.yaml:9:13: intent is \"bye\""),
          HasSubstr("s.cases.yaml:10:18: unknown attribute \"mod\""),
          HasSubstr("s.cases.yaml:11:21: ago must be a duration"),
          "s.cases.yaml:11:38: unknown treatment \"gfit\"; did you mean \"gift\"?",
          HasSubstr("s.cases.yaml:11:53: unknown channel \"irv\""),
          HasSubstr("s.cases.yaml:11:67: unknown outcome \"shwon\""),
          "s.cases.yaml:11:75: an interaction needs the key \"treatment\"",
          "s.cases.yaml:11:75: an interaction needs the key \"outcome\"",
          HasSubstr("s.cases.yaml:12:26: unknown purpose \"marketting\""),
          HasSubstr("s.cases.yaml:12:47: granted must be true or false"),
          "s.cases.yaml:12:55: a consent needs the key \"granted\"",
          HasSubstr("s.cases.yaml:13:21: max_treatments is 1000"),
          HasSubstr("s.cases.yaml:14:21: treatment_ids[0] is \"lettre\""),
          HasSubstr("s.cases.yaml:16:23: unknown treatment \"dael\""),
          HasSubstr("s.cases.yaml:17:12: unknown treatment \"nothing\""),
          HasSubstr("s.cases.yaml:18:24: unknown reason \"cap_reachd\""),
          HasSubstr("s.cases.yaml:18:43: unknown treatment \"leter\""),
          HasSubstr("s.cases.yaml:18:68: unknown rule or contact policy \"gift_twize\""),
          HasSubstr("s.cases.yaml:18:80: unknown key \"because\""),
          "s.cases.yaml:19:5: a case needs the key \"at\", here or at the top of the file",
          "s.cases.yaml:21:5: a case needs the key \"expect\", here or in a step of \"then\"",
          HasSubstr("s.cases.yaml:23:11: duplicate case"),
          HasSubstr("s.cases.yaml:25:17: a step must not lie before"),
          HasSubstr("s.cases.yaml:25:59: only one of \"at\" (line 25) and \"after\"")));
}

TEST(ScenarioLoader, StopsNameATreatmentOrAGroup) {
  ScenarioFolder folder;
  EXPECT_FALSE(folder.Load(R"(strategy: s.yaml
at: 2026-03-02T10:00:00Z
channel: web
cases:
  - name: one
    stops: [{treatment: gfit}, {group: ofer}, {because: Why not}, {group: care, treatment: gift}]
    expect: {}
    then: [{stops: [{group: gift, lifted: maybe}]}]
)"));
  EXPECT_THAT(
      folder.Issues(),
      ElementsAre("s.cases.yaml:6:25: unknown treatment \"gfit\"; did you mean \"gift\"?",
                  "s.cases.yaml:6:40: unknown group \"ofer\"; did you mean \"offer\"?",
                  "s.cases.yaml:6:47: a stop needs one of the keys treatment, group",
                  HasSubstr("only one of"), HasSubstr("s.cases.yaml:8:29: unknown group \"gift\""),
                  HasSubstr("s.cases.yaml:8:43: lifted must be true or false")));
}

// What all cases take over is reported once.
TEST(ScenarioLoader, ReportsWhatTheFileSaysOnce) {
  ScenarioFolder folder;
  EXPECT_FALSE(folder.Load(R"(strategy: s.yaml
at: 2026-03-02T10:00:00Z
channel: wbe
intent: bye
customer: {aeg: 3}
cases:
  - {name: one, expect: {}}
  - {name: two, expect: {}, then: [{expect: {}}]}
)"));
  EXPECT_THAT(folder.Issues(),
              ElementsAre(HasSubstr("s.cases.yaml:3:10: unknown channel \"wbe\""),
                          HasSubstr("s.cases.yaml:4:9: unknown intent \"bye\""),
                          HasSubstr("s.cases.yaml:5:12: unknown feature \"aeg\"")));
}

TEST(ScenarioLoader, NeedsAStrategyThatIsThere) {
  ScenarioFolder folder;
  EXPECT_FALSE(folder.Load("cases: [{name: a, expect: {}}]\n"));
  EXPECT_THAT(folder.Issues(), ElementsAre(HasSubstr("needs the key \"strategy\"")));
  EXPECT_FALSE(folder.Load("strategy: other.yaml\ncases: [{name: a, expect: {}}]\n"));
  EXPECT_THAT(folder.Issues(), ElementsAre(HasSubstr("s.cases.yaml:1:11: there is no file")));
  folder.Write("broken.yaml", "name: broken\n");
  EXPECT_FALSE(folder.Load("strategy: broken.yaml\ncases: [{name: a, expect: {}}]\n"));
  EXPECT_EQ(folder.Issues()[0], "s.cases.yaml:1:11: the strategy has errors");
  EXPECT_THAT(folder.Issues()[1], HasSubstr("broken.yaml:"));
}

TEST(ScenarioLoader, NeedsCases) {
  ScenarioFolder folder;
  EXPECT_FALSE(folder.Load("strategy: s.yaml\n"));
  EXPECT_THAT(folder.Issues(), ElementsAre(HasSubstr("needs at least one case under \"cases\"")));
  EXPECT_FALSE(folder.Load("cases: {}\n"));
  EXPECT_FALSE(folder.Load("- a list\n"));
  EXPECT_FALSE(folder.Load("strategy: [\n"));
}

TEST(ScenarioLoader, TellsWhichFileIsNotThere) {
  IssueList issues;
  storage::NameDictionary dictionary;
  EXPECT_FALSE(LoadScenarioFile("/nowhere/s.cases.yaml", dictionary, issues));
  EXPECT_THAT(issues.ToString(),
              HasSubstr("/nowhere/s.cases.yaml: error: can't read the cases: no such file"));
}

}  // namespace
}  // namespace attune::scenario
