#include "lib/scenario/scenario_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attune/storage/v1/event.pb.h"
#include "tests/testing/fake_state_store.h"
#include "tests/unit/scenario/scenario_files.h"

namespace attune::scenario {
namespace {

using strategy::Replaced;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ScenarioRunnerTest : public ::testing::Test {
 protected:
  // Runs cases that begin with `at` and `channel`.
  std::vector<CaseResult> Run(std::string_view cases) {
    const auto file = folder_.Load(absl::StrCat(
        "strategy: s.yaml\nat: 2026-03-02T10:00:00Z\nchannel: web\ncases:\n", ToAbsl(cases)));
    EXPECT_TRUE(file) << ::testing::PrintToString(folder_.Issues());
    if (!file) return {};
    auto results = ScenarioRunner(&store_).Run(*file);
    EXPECT_TRUE(results.ok()) << results.status();
    return results.ok() ? *std::move(results) : std::vector<CaseResult>();
  }
  // The differences of the only decision of the only case that is not as expected.
  std::vector<Difference> DifferencesOf(std::string_view expectation) {
    const auto results =
        Run(absl::StrCat("  - name: one\n    expect: ", ToAbsl(expectation), "\n"));
    if (results.size() != 1 || results[0].failures.size() != 1) return {};
    return results[0].failures[0].differences;
  }

  ScenarioFolder folder_;
  testing::FakeStateStore store_;
};

TEST_F(ScenarioRunnerTest, PassesWhatIsAsExpected) {
  const auto results = Run(R"(
  - name: all that can be expected
    expect:
      ranking: [gift, letter]
      top: gift
      includes: [letter]
      rejected: {deal: {reason: intent_not_applicable, detail: does not apply}}
)");
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_EQ(results[0].name, "all that can be expected");
  EXPECT_EQ(results[0].line, 6);
  EXPECT_THAT(results[0].failures, IsEmpty());
}

TEST_F(ScenarioRunnerTest, TellsHowARankingDiffersAndWhy) {
  const auto differences = DifferencesOf("{ranking: [deal, gift, letter]}");
  ASSERT_THAT(differences, SizeIs(1));
  EXPECT_EQ(differences[0].line, 6);
  EXPECT_EQ(differences[0].what, "ranking");
  EXPECT_EQ(differences[0].expected, "deal, gift, letter");
  EXPECT_EQ(differences[0].got, "gift, letter");
  EXPECT_THAT(
      differences[0].why,
      ElementsAre("deal: intent_not_applicable: does not apply when the intent is not known",
                  "gift: ranked number 1 with priority 15",
                  "letter: ranked number 2 with priority 5"));
}

TEST_F(ScenarioRunnerTest, OrderMatters) {
  EXPECT_THAT(DifferencesOf("{ranking: [letter, gift]}"), SizeIs(1));
  EXPECT_THAT(DifferencesOf("{ranking: [gift]}"), SizeIs(1));
  const auto differences = DifferencesOf("{ranking: []}");
  ASSERT_THAT(differences, SizeIs(1));
  EXPECT_EQ(differences[0].expected, "nothing");
}

TEST_F(ScenarioRunnerTest, TellsWhatIsNotOnTopAndWhatIsNotRanked) {
  const auto differences = DifferencesOf("{top: letter, includes: [gift, deal]}");
  ASSERT_THAT(differences, SizeIs(2));
  EXPECT_EQ(differences[0].what, "top");
  EXPECT_EQ(differences[0].expected, "letter");
  EXPECT_EQ(differences[0].got, "gift");
  EXPECT_THAT(differences[0].why, ElementsAre(HasSubstr("letter: ranked number 2"),
                                              HasSubstr("gift: ranked number 1")));
  EXPECT_EQ(differences[1].what, "includes");
  EXPECT_THAT(differences[1].why, ElementsAre(HasSubstr("deal: intent_not_applicable")));
}

TEST_F(ScenarioRunnerTest, TellsHowARejectionDiffers) {
  const auto differences = DifferencesOf(
      "{rejected: {gift: {}, deal: {reason: no_consent, rule: adults, "
      "allowed_from: 2026-03-03, detail: because}}}");
  ASSERT_THAT(differences, SizeIs(2));
  EXPECT_EQ(differences[0].what, "rejected.gift");
  EXPECT_EQ(differences[0].expected, "not ranked");
  EXPECT_EQ(differences[0].got, "ranked");
  EXPECT_EQ(differences[1].expected,
            "no_consent, by adults, allowed from 2026-03-03T00:00:00Z, with \"because\"");
  EXPECT_EQ(
      differences[1].got,
      "intent_not_applicable, by no rule, never allowed by waiting, with another explanation");
}

TEST_F(ScenarioRunnerTest, TellsWhatATreatmentShowsOtherThanExpected) {
  folder_.Write("s.yaml", Replaced(kStrategy, "{title: A letter}",
                                   "{title: A letter, age: {computed: customer.age}}"));
  const auto results = Run(R"(
  - name: all that is shown
    expect: {content: {letter: {title: A letter, age: "30"}, gift: {title: A gift}}}
)");
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_THAT(results[0].failures, IsEmpty());
  const auto differences =
      DifferencesOf("{content: {letter: {age: \"31\", colour: red}, deal: {title: A deal}}}");
  ASSERT_THAT(differences, SizeIs(3));
  EXPECT_EQ(differences[0].what, "content.deal");
  EXPECT_EQ(differences[0].expected, "ranked");
  EXPECT_EQ(differences[0].got, "not ranked");
  EXPECT_THAT(differences[0].why, ElementsAre(HasSubstr("deal: intent_not_applicable")));
  EXPECT_EQ(differences[1].what, "content.letter.age");
  EXPECT_EQ(differences[1].expected, "\"31\"");
  EXPECT_EQ(differences[1].got, "\"30\"");
  EXPECT_EQ(differences[2].what, "content.letter.colour");
  EXPECT_EQ(differences[2].got, "no such field");
}

// Whatever exploration would draw, so that a case has one outcome.
TEST_F(ScenarioRunnerTest, SeesTheGreedyChoiceAndTheChancesOfOthers) {
  folder_.Write("s.yaml", Replaced(kStrategy, "{max_treatments: 10}",
                                   "{exploration: {epsilon_greedy: {epsilon: 0.9}}}"));
  for (int i = 0; i < 20; ++i) {
    const auto results = Run(absl::StrCat("  - name: \"case ", i, "\"",
                                          R"(
    expect: {ranking: [gift, letter], chances: {gift: 0.55, letter: 0.45, deal: 0}}
    then:
      - {after: 1m, expect: {top: gift}}
)"));
    ASSERT_THAT(results, SizeIs(1));
    EXPECT_THAT(results[0].failures, IsEmpty());
  }
  const auto differences = DifferencesOf("{chances: {gift: 0.5500005, letter: 0.449, deal: 0.1}}");
  ASSERT_THAT(differences, SizeIs(2));
  EXPECT_EQ(differences[0].what, "chances.deal");
  EXPECT_EQ(differences[0].got, "0");
  EXPECT_EQ(differences[1].what, "chances.letter");
  EXPECT_EQ(differences[1].expected, "0.449");
  EXPECT_EQ(differences[1].got, "0.45");
  EXPECT_THAT(differences[1].why, ElementsAre(HasSubstr("letter: ranked number 2")));
}

// Each part of an expected rejection alone.
TEST_F(ScenarioRunnerTest, LooksAtEveryPartOfARejection) {
  const auto results = Run(R"(
  - name: a cap
    history: &two
      - {ago: 1h, treatment: gift, outcome: decided}
      - {ago: 2h, treatment: gift, outcome: decided}
    expect:
      rejected:
        gift: {reason: cap_reached, rule: gift_twice, allowed_from: 2026-03-03T08:00:00Z, detail: 2 of at most 2}
  - {name: another reason, history: *two, expect: {rejected: {gift: too_soon}}}
  - {name: another rule, history: *two, expect: {rejected: {gift: {rule: adults}}}}
  - {name: another moment, history: *two, expect: {rejected: {gift: {allowed_from: 2026-03-03T08:00:00.001Z}}}}
  - {name: another detail, history: *two, expect: {rejected: {gift: {detail: 3 of at most 2}}}}
  - {name: a rule of the strategy, customer: {age: 17}, expect: {ranking: [], rejected: {gift: {reason: not_eligible, rule: adults}}}}
)");
  ASSERT_THAT(results, SizeIs(6));
  EXPECT_THAT(results[0].failures, IsEmpty());
  for (size_t i = 1; i < 5; ++i) EXPECT_THAT(results[i].failures, SizeIs(1)) << results[i].name;
  EXPECT_THAT(results[5].failures, IsEmpty());
}

TEST_F(ScenarioRunnerTest, DecisionsAreRememberedWithinACaseOnly) {
  const auto results = Run(R"(
  - name: three decisions
    expect: {top: gift}
    then:
      - {after: 1h, expect: {top: gift}}
      - {after: 1h, channel: ivr, expect: {ranking: [letter], rejected: {gift: {allowed_from: 2026-03-03T10:00:00Z}}}}
      - {at: 2026-03-03T10:00:00Z, expect: {top: gift}}
  - name: another customer
    expect: {top: gift}
)");
  ASSERT_THAT(results, SizeIs(2));
  EXPECT_THAT(results[0].failures, IsEmpty());
  EXPECT_THAT(results[1].failures, IsEmpty());
}

TEST_F(ScenarioRunnerTest, StopsHoldUntilTheyAreLiftedAndInTheirCaseOnly) {
  const auto results = Run(R"(
  - name: stopped and lifted
    stops: [{treatment: gift}]
    expect: {ranking: [letter], rejected: {gift: stopped}}
    then:
      - {after: 1h, stops: [{group: care}], expect: {ranking: []}}
      - {stops: [{treatment: gift, lifted: true}, {treatment: deal, lifted: true}], expect: {ranking: [gift]}}
      - {stops: [{group: care, lifted: true}], expect: {ranking: [gift, letter]}}
      - {stops: [{group: offer}]}
  - {name: another customer, expect: {ranking: [gift, letter]}}
)");
  ASSERT_THAT(results, SizeIs(2));
  EXPECT_THAT(results[0].failures, IsEmpty());
  EXPECT_THAT(results[1].failures, IsEmpty());
}

// The number of an outcome may be 0 as well.
TEST_F(ScenarioRunnerTest, WhatWasDecidedIsNotLoggedAsAnOutcome) {
  const auto results = Run(R"(
  - name: one
    history:
      - {ago: 2h, treatment: gift, outcome: decided}
      - {ago: 1h, treatment: gift, outcome: shown}
    expect: {}
)");
  ASSERT_THAT(results, SizeIs(1));
  ASSERT_THAT(store_.Log(), SizeIs(2));
  ASSERT_EQ(store_.Log()[0].type, storage::EventType::kInteractions);
  storage::v1::InteractionsEvent event;
  ASSERT_TRUE(event.ParseFromString(store_.Log()[0].payload));
  ASSERT_EQ(event.interactions_size(), 2);
  EXPECT_TRUE(event.interactions(0).decided());
  EXPECT_FALSE(event.interactions(1).decided());
}

TEST_F(ScenarioRunnerTest, TellsInWhichStepItFailed) {
  const auto results = Run(R"(
  - name: consents
    expect: {top: gift}
    then:
      - {consents: [{purpose: marketing, granted: false}], expect: {top: letter}}
      - {after: 90s, channel: ivr, expect: {top: gift}}
)");
  ASSERT_THAT(results, SizeIs(1));
  ASSERT_THAT(results[0].failures, SizeIs(1));
  const StepFailure& failure = results[0].failures[0];
  EXPECT_EQ(failure.step, 2);
  EXPECT_EQ(failure.channel, "ivr");
  EXPECT_EQ(absl::FormatTime(failure.at, absl::UTCTimeZone()), "2026-03-02T10:01:30+00:00");
  EXPECT_THAT(failure.differences[0].why[0], HasSubstr("gift: no_consent"));
}

TEST_F(ScenarioRunnerTest, AStepWithoutAnExpectationDecidesNothing) {
  const auto results = Run(R"(
  - name: silent steps
    then:
      - {after: 1h}
      - {after: 1h, customer: {age: 40}}
      - {after: 1h, expect: {top: gift}}
)");
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_THAT(results[0].failures, IsEmpty());
  EXPECT_THAT(store_.Log(), SizeIs(1));
}

// A decision without the store is degraded, and says nothing about the strategy.
TEST_F(ScenarioRunnerTest, FailsWithTheStore) {
  const auto file = folder_.Load(
      "strategy: s.yaml\nat: 2026-03-02\nchannel: web\ncases:\n"
      "  - {name: one, expect: {}}\n");
  ASSERT_TRUE(file);
  testing::FakeStateStore::Faults faults;
  faults.load = absl::UnavailableError("gone");
  store_.SetFaults(faults);
  EXPECT_EQ(ScenarioRunner(&store_).Run(*file).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace attune::scenario
