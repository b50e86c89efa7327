// What strategists can do wrong with ramps, everything that is said about it, and what comes out of
// ramps that are right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kRampOutcomes[] = "outcomes: [{name: shown}, {name: accepted}]\n";

// The small strategy with outcomes at its end and these changes.
std::string WithRamps(const std::vector<std::pair<std::string, std::string>>& changes) {
  std::string text = std::string(kSmallStrategy) + kRampOutcomes;
  for (const auto& [from, to] : changes) text = Replaced(text, from, to);
  return text;
}

struct RampCase {
  std::string name;
  std::vector<std::pair<std::string, std::string>> changes;
  std::vector<std::string> issues;
};

TEST(RampError, IsReportedWhereItIsWritten) {
  const RampCase cases[] = {
      {"nothing is told",
       {{"cost: 1", "ramp: {}"}},
       {"s.yaml:21:11: error: a ramp needs the key \"full_at\"",
        "s.yaml:21:11: error: a ramp needs the key \"outcomes\""}},
      {"out of range",
       {{"cost: 1", "ramp: {from: 1.5, full_at: 0, outcomes: [shown]}"}},
       {"s.yaml:21:18: error: from must be between 0 and 1, not 1.5",
        "s.yaml:21:32: error: full_at must be between 1 and 1000000000000, not 0"}},
      {"a negative share and too much evidence",
       {{"cost: 1", "ramp: {from: -0.1, full_at: 1000000000001, outcomes: [shown]}"}},
       {"s.yaml:21:18: error: from must be between 0 and 1, not -0.1",
        "s.yaml:21:33: error: full_at must be between 1 and 1000000000000, not 1000000000001"}},
      {"an outcome that is not declared",
       {{"cost: 1", "ramp: {full_at: 10, outcomes: [shwon]}"}},
       {"s.yaml:21:36: error: unknown outcome \"shwon\"; did you mean \"shown\"?"}},
      {"an outcome twice",
       {{"cost: 1", "ramp: {full_at: 10, outcomes: [shown, shown]}"}},
       {"s.yaml:21:43: error: outcome \"shown\" is listed twice"}},
      {"no outcome",
       {{"cost: 1", "ramp: {full_at: 10, outcomes: []}"}},
       {"s.yaml:21:35: error: outcomes needs at least one; without evidence the share can't grow"}},
      {"off and on",
       {{"cost: 1", "ramp: {off: true, full_at: 10}"}},
       {"s.yaml:21:17: error: a ramp that is off has no other keys; leave them or it out"}},
      {"what must be shown",
       {{"cost: 1", "must_show: true\n    ramp: {full_at: 10, outcomes: [shown]}"}},
       {"s.yaml:22:11: error: a treatment that is must_show must reach everybody; leave the ramp "
        "out"}},
      {"what the customer waits for",
       {{"cost: 1", "transactional: true\n    ramp: {full_at: 10, outcomes: [shown]}"}},
       {"s.yaml:22:11: error: a treatment that is transactional must reach everybody; leave the "
        "ramp out"}},
      {"a fallback",
       {{"cost: 1", "ramp: {full_at: 10, outcomes: [shown]}"},
        {"arbitration:", "fallbacks: [{treatment: gift}]\narbitration:"}},
       {"s.yaml:21:11: error: a treatment that is a fallback must reach everybody; leave the ramp "
        "out"}},
      {"the arbitration's",
       {{"max_treatments: 2", "ramp: {full_at: -1, outcomes: [accepted, bought]}"}},
       {"s.yaml:32:19: error: full_at must be between 1 and 1000000000000, not -1",
        "s.yaml:32:44: error: unknown outcome \"bought\"; known are: accepted, decided, shown"}},
  };
  for (const RampCase& c : cases) {
    const Loaded loaded = LoadText(WithRamps(c.changes));
    EXPECT_EQ(loaded.strategy, nullptr) << c.name;
    EXPECT_THAT(loaded.Issues(), ElementsAreArray(c.issues)) << c.name;
  }
}

TEST(RampWarning, TellsWhatCanNotGrowAndWhatChangesNothing) {
  const std::string ramp = "{full_at: 10, outcomes: [shown]}";
  const RampCase cases[] = {
      {"nothing to say", {{"cost: 1", "ramp: " + ramp}}, {}},
      {"nor of a ramp for all and one without",
       {{"cost: 1", "ramp: {off: true}"}, {"max_treatments: 2", "ramp: " + ramp}},
       {}},
      {"begins with nobody",
       {{"cost: 1", "ramp: {from: 0, full_at: 10, outcomes: [shown]}"}},
       {"s.yaml:21:18: warning: from 0 reaches nobody as long as there is no evidence, and so "
        "there "
        "will be none, unless it was counted before; write a share above 0, such as 0.02"}},
      {"begins with everybody",
       {{"max_treatments: 2", "ramp: {from: 1, full_at: 10, outcomes: [shown]}"}},
       {"s.yaml:32:16: warning: from 1 reaches everybody from the start; leave the ramp out, or "
        "write a share below 1, such as 0.02"}},
      {"off without a ramp for all",
       {{"cost: 1", "ramp: {off: true}"}},
       {"s.yaml:21:11: warning: nothing is switched off by this: the arbitration has no ramp"}},
      {"off for all",
       {{"max_treatments: 2", "ramp: {off: true}"}},
       {"s.yaml:32:9: warning: nothing is switched off by this: it is the ramp of treatments "
        "without one"}},
      {"for nobody",
       {{"cost: 1", "ramp: {off: true}"},
        {"value: 20", "value: 20\n    must_show: true\n    valid_from: 2026-01-01"},
        {"max_treatments: 2", "ramp: " + ramp}},
       {"s.yaml:34:9: warning: no treatment takes this ramp: each has one of its own or must reach "
        "everybody"}},
  };
  for (const RampCase& c : cases) {
    const Loaded loaded = LoadText(WithRamps(c.changes));
    EXPECT_NE(loaded.strategy, nullptr) << c.name;
    EXPECT_THAT(loaded.Issues(), ElementsAreArray(c.issues)) << c.name;
  }
}

TEST(RampCompiler, WithoutRampsThereAreNone) {
  const Loaded loaded = LoadText(WithRamps({}));
  ASSERT_NE(loaded.strategy, nullptr);
  EXPECT_THAT(loaded.strategy->catalog.ramps, IsEmpty());
  EXPECT_EQ(loaded.strategy->catalog.treatments[0].ramp, -1);
}

TEST(RampCompiler, ATreatmentsOwnComesBeforeTheArbitrations) {
  const Loaded loaded = LoadText(
      WithRamps({{"cost: 1", "ramp: {from: 0.1, full_at: 50, outcomes: [accepted, decided]}"},
                 {"max_treatments: 2", "ramp: {full_at: 1000, outcomes: [shown]}"}}));
  ASSERT_NE(loaded.strategy, nullptr);
  const catalog::Catalog& catalog = loaded.strategy->catalog;
  ASSERT_THAT(catalog.ramps, SizeIs(2));
  EXPECT_EQ(catalog.treatments[0].ramp, 0);
  EXPECT_EQ(catalog.ramps[0].treatment, 0);
  EXPECT_EQ(catalog.ramps[0].from, 0.1);
  EXPECT_EQ(catalog.ramps[0].full_at, 50);
  EXPECT_TRUE(catalog.ramps[0].counts_decided);
  EXPECT_THAT(catalog.ramps[0].outcomes, ElementsAre(loaded.strategy->outcomes[1].number));
  EXPECT_EQ(catalog.ramps[0].counted, "accepted, decided");
  EXPECT_EQ(catalog.treatments[1].ramp, 1);
  EXPECT_EQ(catalog.ramps[1].treatment, 1);
  EXPECT_EQ(catalog.ramps[1].from, 0.02) << "unless it says otherwise";
  EXPECT_EQ(catalog.ramps[1].full_at, 1000);
  EXPECT_FALSE(catalog.ramps[1].counts_decided);
  EXPECT_THAT(catalog.ramps[1].outcomes, ElementsAre(loaded.strategy->outcomes[0].number));
}

TEST(RampCompiler, TheArbitrationsIsNotForWhatMustReachEverybody) {
  const std::string changes[] = {"must_show: true\n    valid_from: 2026-01-01",
                                 "transactional: true", "ramp: {off: true}"};
  for (const std::string& change : changes) {
    const Loaded loaded = LoadText(WithRamps(
        {{"cost: 1", change}, {"max_treatments: 2", "ramp: {full_at: 9, outcomes: [shown]}"}}));
    ASSERT_NE(loaded.strategy, nullptr) << change;
    EXPECT_EQ(loaded.strategy->catalog.treatments[0].ramp, -1) << change;
    EXPECT_EQ(loaded.strategy->catalog.treatments[1].ramp, 0) << change;
  }
  const Loaded fallback =
      LoadText(WithRamps({{"arbitration:", "fallbacks: [{treatment: gift}]\narbitration:"},
                          {"max_treatments: 2", "ramp: {full_at: 9, outcomes: [shown]}"}}));
  ASSERT_NE(fallback.strategy, nullptr);
  EXPECT_EQ(fallback.strategy->catalog.treatments[0].ramp, -1);
  EXPECT_EQ(fallback.strategy->catalog.treatments[1].ramp, 0);
}

}  // namespace
}  // namespace attune::strategy
