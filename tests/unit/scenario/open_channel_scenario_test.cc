// Cases that leave the channel open, and those that fill places.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/scenario/scenario_runner.h"
#include "tests/testing/fake_state_store.h"
#include "tests/unit/scenario/scenario_files.h"

namespace attune::scenario {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The tested strategy with places; letters are quiet on the web by night.
class OpenChannelScenarioTest : public ::testing::Test {
 protected:
  OpenChannelScenarioTest() {
    folder_.Write("s.yaml",
                  absl::StrCat(ToAbsl(strategy::Replaced(
                                   kStrategy, "{name: care}",
                                   "{name: care, contact: [{name: night, quiet_hours: {from: "
                                   "\"21:00\", until: \"08:00\"}}]}")),
                               "placements: [{name: hero, groups: [offer]}, {name: strip}]\n"));
  }

  bool Load(std::string_view cases) {
    file_ = folder_.Load(absl::StrCat(
        "strategy: s.yaml\nat: 2026-03-02T10:00:00Z\nchannel: \"*\"\ncases:\n", ToAbsl(cases)));
    return file_.has_value();
  }
  // Every difference of the cases as "what: expected, got".
  std::vector<std::string> Differences(std::string_view cases) {
    EXPECT_TRUE(Load(cases)) << ::testing::PrintToString(folder_.Issues());
    if (!file_) return {};
    const auto results = ScenarioRunner(&store_).Run(*file_);
    EXPECT_TRUE(results.ok()) << results.status();
    std::vector<std::string> lines;
    if (!results.ok()) return lines;
    for (const CaseResult& result : *results) {
      for (const StepFailure& failure : result.failures) {
        for (const Difference& one : failure.differences) {
          lines.push_back(absl::StrCat(one.what, ": ", one.expected, ", ", one.got));
        }
      }
    }
    return lines;
  }

  ScenarioFolder folder_;
  testing::FakeStateStore store_;
  std::optional<ScenarioFile> file_;
};

TEST_F(OpenChannelScenarioTest, PassesWhatIsAsExpected) {
  EXPECT_THAT(Differences(R"(
  - name: channels and places
    placements: [hero, strip]
    consents: [{purpose: marketing, channel: web, granted: false}]
    expect: {ranking: [gift, letter], channels: {gift: ivr, letter: web}, placements: {gift: hero, letter: strip}}
    then:
      - {channel: web, expect: {ranking: [letter], placements: {letter: strip}}}
  - name: the earliest
    treatment_ids: [letter]
    at: 2026-03-02T21:00:00Z
    expect: {ranking: [], earliest: {treatment: letter, channel: web, at: 2026-03-03T08:00:00Z}}
)"),
              IsEmpty());
}

TEST_F(OpenChannelScenarioTest, TellsWhatIsElsewhere) {
  EXPECT_THAT(Differences(R"(
  - name: channels and places
    placements: [hero, strip]
    expect: {channels: {gift: ivr, deal: web}, placements: {letter: hero}, earliest: {channel: ivr}}
  - name: no place was asked for
    expect: {placements: {gift: strip}}
  - name: the earliest
    treatment_ids: [letter]
    at: 2026-03-02T21:00:00Z
    expect: {earliest: {treatment: letter, at: 2026-03-03T07:00:00Z}}
)"),
              ElementsAre("channels.gift: ivr, web", "channels.deal: web, not ranked",
                          "placements.letter: hero, strip", "earliest: on ivr, nothing",
                          "placements.gift: strip, none",
                          "earliest: letter from 2026-03-03T07:00:00Z, letter on web from "
                          "2026-03-03T08:00:00Z"));
}

TEST_F(OpenChannelScenarioTest, NamesThatAreNotKnownAreReported) {
  EXPECT_FALSE(Load(R"(
  - name: wrong
    placements: [heros]
    expect:
      channels: {gift: webb}
      placements: {gift: strap}
      earliest: {channel: ivrr}
)"));
  EXPECT_THAT(
      folder_.Issues(),
      ElementsAre("s.cases.yaml:7:18: placements[0] is \"heros\", which is no placement of "
                  "the strategy; did you mean \"hero\"?",
                  "s.cases.yaml:9:24: unknown channel \"webb\"; did you mean \"web\"?",
                  "s.cases.yaml:10:26: unknown placement \"strap\"; did you mean \"strip\"?",
                  "s.cases.yaml:11:27: unknown channel \"ivrr\"; did you mean \"ivr\"?"));
}

TEST_F(OpenChannelScenarioTest, WhatHappenedNowhereInParticularHappenedOnTheFirstChannel) {
  ASSERT_TRUE(Load(R"(
  - name: one
    history: [{ago: 1h, treatment: gift, outcome: shown}]
    expect: {includes: [gift]}
)"));
  ASSERT_THAT(file_->cases[0].steps[0].history, SizeIs(1));
  EXPECT_EQ(file_->cases[0].steps[0].history[0].channel,
            file_->strategy->context.channels[0].number);
}

TEST_F(OpenChannelScenarioTest, SomeChannelsAreOpen) {
  constexpr std::string_view kCases = R"(
  - name: one of two
    open_channels: [ivr]
    history: [{ago: 1h, treatment: gift, outcome: shown}]
    expect: {ranking: [gift, letter], channels: {gift: ivr, letter: ivr}}
    then:
      - {channel: web, expect: {includes: [letter], channels: {letter: web}}}
      - {open_channels: [ivr, web], expect: {channels: {letter: web}}}
)";
  EXPECT_THAT(Differences(kCases), IsEmpty());
  EXPECT_EQ(file_->cases[0].steps[0].history[0].channel,
            file_->strategy->context.channels[1].number);
}

TEST_F(OpenChannelScenarioTest, OpenChannelsAreChecked) {
  EXPECT_FALSE(Load(R"(
  - name: wrong
    open_channels: [webb]
    expect: {includes: [gift]}
  - name: both
    channel: web
    open_channels: [web]
    expect: {includes: [gift]}
)"));
  EXPECT_THAT(folder_.Issues(),
              ElementsAre("s.cases.yaml:7:21: open_channels[0] is \"webb\", which is no channel of "
                          "the strategy; did you mean \"web\"?",
                          "s.cases.yaml:10:14: channel must be empty when there are open_channels; "
                          "give the one or the other"));
}

}  // namespace
}  // namespace attune::scenario
