// Cases that say how far ramps have come.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "lib/scenario/scenario_runner.h"
#include "tests/testing/fake_state_store.h"
#include "tests/unit/scenario/scenario_files.h"

namespace attune::scenario {
namespace {

using strategy::Replaced;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ScenarioRampsTest : public ::testing::Test {
 protected:
  ScenarioRampsTest() {
    folder_.Write("s.yaml",
                  Replaced(Replaced(kStrategy, "    model: even\n    value: 30\n",
                                    "    model: even\n    value: 30\n"
                                    "    ramp: {from: 0.1, full_at: 90, outcomes: [shown]}\n"),
                           "name: deal,", "name: deal, ramp: {full_at: 10, outcomes: [decided]},"));
  }

  std::optional<ScenarioFile> Load(const std::string& cases) {
    return folder_.Load("strategy: s.yaml\nat: 2026-03-02T10:00:00Z\nchannel: web\ncases:\n" +
                        cases);
  }

  ScenarioFolder folder_;
};

TEST_F(ScenarioRampsTest, AStepGoesOnFromWhatWasTold) {
  const auto file = Load(R"(
  - name: one
    ramps: {place: 0.25, evidence: {gift: 9}}
    expect: {}
    then:
      - {ramps: {evidence: {deal: 3}}}
      - {ramps: {place: 0.5, evidence: {gift: 0}}}
  - {name: two, expect: {}}
)");
  ASSERT_TRUE(file) << ::testing::PrintToString(folder_.Issues());
  const std::vector<Step>& steps = file->cases[0].steps;
  ASSERT_THAT(steps, SizeIs(3));
  EXPECT_EQ(steps[0].ramps.place, 0.25);
  EXPECT_THAT(steps[0].ramps.evidence, ElementsAre(9, 0));
  EXPECT_EQ(steps[1].ramps.place, 0.25);
  EXPECT_THAT(steps[1].ramps.evidence, ElementsAre(9, 3));
  EXPECT_EQ(steps[2].ramps.place, 0.5);
  EXPECT_THAT(steps[2].ramps.evidence, ElementsAre(0, 3));
  EXPECT_EQ(file->cases[1].steps[0].ramps.place, 0);
  EXPECT_THAT(file->cases[1].steps[0].ramps.evidence, ElementsAre(0, 0));
}

TEST_F(ScenarioRampsTest, DecisionsGoByWhatIsTold) {
  const auto file = Load(R"(
  - name: among the first
    expect: {ranking: [gift, letter]}
  - name: behind the share
    ramps: {place: 0.1}
    expect: {ranking: [letter], rejected: {gift: not_reached_yet}}
  - name: below it, by the evidence
    ramps: {place: 0.1, evidence: {gift: 1}}
    expect: {ranking: [gift, letter]}
  - name: what is expected and does not come
    ramps: {place: 0.9}
    expect: {top: gift}
)");
  ASSERT_TRUE(file) << ::testing::PrintToString(folder_.Issues());
  testing::FakeStateStore store;
  const auto results = ScenarioRunner(&store).Run(*file);
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_THAT(*results, SizeIs(4));
  for (size_t i = 0; i < 3; ++i) EXPECT_THAT((*results)[i].failures, IsEmpty()) << i;
  ASSERT_THAT((*results)[3].failures, SizeIs(1));
  const auto& differences = (*results)[3].failures[0].differences;
  ASSERT_THAT(differences, SizeIs(1));
  EXPECT_THAT(
      differences[0].why,
      ::testing::Contains(
          "gift: not_reached_yet: reaches 10 % of the customers by now and not this one: has "
          "0 of the 90 (shown) that make it reach everybody"));
}

TEST_F(ScenarioRampsTest, ReportsWhatIsWrong) {
  EXPECT_FALSE(Load(R"(  - name: one
    ramps: {place: 1, evidence: {gift: -1}}
    expect: {}
    then: [{ramps: {place: -0.1}}, {ramps: {evidence: {letter: 5}}}, {ramps: {evidence: {gfit: 5}}}]
)"));
  EXPECT_THAT(
      folder_.Issues(),
      ElementsAre(
          "s.cases.yaml:6:20: place must be at least 0 and less than 1, not 1",
          "s.cases.yaml:6:40: evidence must be 0 or more, not -1",
          "s.cases.yaml:8:28: place must be at least 0 and less than 1, not -0.1",
          "s.cases.yaml:8:56: the treatment \"letter\" has no ramp; it reaches everybody without "
          "evidence",
          "s.cases.yaml:8:96: unknown treatment \"gfit\"; did you mean \"gift\"?"));
}

}  // namespace
}  // namespace attune::scenario
