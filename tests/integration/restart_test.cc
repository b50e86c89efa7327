// What was stored outlives the server, and strategies come and go over it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::SizeIs;

class ServerRestartTest : public ServerTest {
 protected:
  ServerRestartTest() { Start(); }
};

TEST_F(ServerRestartTest, EverythingIsKept) {
  std::vector<std::string> before;
  for (int i = 0; i < 100; ++i) {
    const std::string id = absl::StrCat("c", i);
    Upsert(id, {{"plan", String(i % 2 == 0 ? "basic" : "premium")}, {"tenure_months", Int(i)}});
    for (int d = 0; d <= i % 5; ++d) Decide(id, d % 2 == 0 ? "app" : "ivr");
    before.push_back(Bytes(Get(id)));
  }
  Restart();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Bytes(Get(absl::StrCat("c", i))), before[static_cast<size_t>(i)]) << i;
  }
}

TEST_F(ServerRestartTest, DecisionsGoOnWhereTheyStopped) {
  const auto first = Decide("ann", "app");
  Restart();
  const auto second = Decide("ann", "app");
  EXPECT_NE(first.decision_id(), second.decision_id()) << "the count is part of the id";
  EXPECT_EQ(Get("ann").decision_count(), 2u);
}

TEST_F(ServerRestartTest, ANewFeatureNeedsNoRewrite) {
  const auto version = Upsert("ann", {{"plan", String("premium")}}).version();
  RestartWith(Replaced(kSmallStrategy, "  - {name: plan,",
                       "  - {name: score, type: double, default: 7}\n  - {name: plan,"));
  const auto held = Get("ann");
  EXPECT_EQ(held.version(), version);
  EXPECT_THAT(held.customer().features(), SizeIs(1));
  EXPECT_EQ(held.customer().features().at("plan").string_value(), "premium");
  Upsert("ann", {{"score", Double(1)}});
  EXPECT_THAT(Get("ann").customer().features(), SizeIs(2));
}

TEST_F(ServerRestartTest, ARemovedFeatureNeedsNoRewriteAndComesBack) {
  const auto version =
      Upsert("ann", {{"plan", String("premium")}, {"tenure_months", Int(3)}}).version();
  const std::string without =
      Replaced(kSmallStrategy, "  - {name: tenure_months, type: int, default: 12}\n", "");
  RestartWith(without);
  EXPECT_EQ(Get("ann").version(), version);
  EXPECT_THAT(Get("ann").customer().features(), SizeIs(1));
  EXPECT_FALSE(Decide("ann", "app").degraded());
  Upsert("ann", {{"vip", Bool(true)}});
  RestartWith(kSmallStrategy);
  EXPECT_EQ(Get("ann").customer().features().at("tenure_months").int_value(), 3)
      << "also when something else was written in between";
}

TEST_F(ServerRestartTest, ANewDefaultNeedsNoRewrite) {
  Upsert("ann", {{"vip", Bool(false)}});
  EXPECT_EQ(Decide("ann", "app").treatments(0).treatment_id(), "spring_sale");
  const auto version = Get("ann").version();
  RestartWith(Replaced(kSmallStrategy, "default: basic", "default: premium"));
  EXPECT_EQ(Get("ann").version(), version);
  EXPECT_EQ(Decide("ann", "app").treatments(0).treatment_id(), "fast_callback")
      << "a value that is not known takes the new default";
  Upsert("ann", {{"plan", String("basic")}});
  EXPECT_EQ(Decide("ann", "app").treatments(0).treatment_id(), "spring_sale");
}

TEST_F(ServerRestartTest, AFeatureOfAnotherTypeIsNotKnown) {
  Upsert("ann", {{"plan", String("premium")}, {"tenure_months", Int(3)}});
  RestartWith(Replaced(kSmallStrategy, "name: tenure_months, type: int",
                       "name: tenure_months, type: double"));
  EXPECT_EQ(Get("ann").customer().features().at("tenure_months").double_value(), 3)
      << "an int is read where a double is declared";
  RestartWith(Replaced(kSmallStrategy, "name: tenure_months, type: int, default: 12",
                       "name: tenure_months, type: string, default: none"));
  EXPECT_THAT(Get("ann").customer().features(), SizeIs(1));
  EXPECT_FALSE(Decide("ann", "app").degraded());
}

TEST_F(ServerRestartTest, HistoryKeepsTheNamesOfTreatmentsThatAreGone) {
  Decide("ann", "app");
  RestartWith(Replaced(kSmallStrategy, "name: spring_sale", "name: autumn_sale"));
  Decide("ann", "app");
  const auto held = Get("ann");
  ASSERT_THAT(held.recent_decisions(), SizeIs(2));
  EXPECT_EQ(held.recent_decisions(0).treatment_id(), "spring_sale");
  EXPECT_EQ(held.recent_decisions(1).treatment_id(), "autumn_sale");
}

TEST_F(ServerRestartTest, ADecisionNamesTheStrategyThatMadeIt) {
  const std::string first = Decide("ann", "app").strategy_version();
  Restart();
  EXPECT_EQ(Decide("ann", "app").strategy_version(), first);
  RestartWith(Replaced(kSmallStrategy, "value: 100", "value: 101"));
  EXPECT_NE(Decide("ann", "app").strategy_version(), first);
  Stop();
  WriteStrategy(dir_.path());
  WriteFile(dir_.File("sell.yaml"), "linear: {link: logistic, intercept: 3}\n");
  Start();
  EXPECT_NE(Decide("ann", "app").strategy_version(), first) << "models are part of the strategy";
}

TEST_F(ServerRestartTest, DifferentStoresHaveDifferentKeys) {
  const auto here = Decide("ann", "app");
  Stop();
  options_.data_dir += "_other";
  Start();
  const auto there = Decide("ann", "app");
  EXPECT_NE(here.decision_id().substr(0, 16), there.decision_id().substr(0, 16));
  EXPECT_EQ(Ranking(here), Ranking(there));
}

}  // namespace
}  // namespace attune::service
