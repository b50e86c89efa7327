// What a decision answers, over gRPC and from RocksDB.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

double Logistic(double score) { return 1 / (1 + std::exp(-score)); }

class ServerDecideTest : public ServerTest {
 protected:
  ServerDecideTest() { Start(); }
};

TEST_F(ServerDecideTest, UsesWhatIsKnownAboutTheCustomer) {
  Upsert("ann", {{"plan", String("premium")}, {"monthly_charges", Double(60)}});
  const auto response = Decide("ann", "app");
  EXPECT_FALSE(response.unknown_customer());
  EXPECT_FALSE(response.degraded());
  EXPECT_THAT(Ranking(response), ElementsAre("fast_callback", "goodwill_credit"));
  // -0.5, 0.25 x (60 - 20) / 10 for the charges, -1.5 for the default income of 0, -0.5 for care.
  EXPECT_NEAR(response.treatments(0).propensity(), Logistic(-1), 1e-12);
  EXPECT_NEAR(response.treatments(1).propensity(), Logistic(-1.5), 1e-12);
  EXPECT_EQ(FromProtoTime(response.time()), Noon());
  EXPECT_THAT(response.decision_id(), ::testing::MatchesRegex("[0-9a-f]{48}"));
  EXPECT_THAT(response.strategy_version(), ::testing::MatchesRegex("small@[0-9a-f]{12}"));
  EXPECT_THAT(response.treatments(0).model_version(), ::testing::MatchesRegex("solve@[0-9a-f]+"));
}

TEST_F(ServerDecideTest, DecidesForAnUnknownCustomerWithTheDeclaredDefaults) {
  Upsert("default", {{"tenure_months", Int(12)},
                     {"monthly_charges", Double(20)},
                     {"plan", String("basic")},
                     {"income", Double(0)}});
  const auto unknown = Decide("nobody", "app");
  const auto known = Decide("default", "app");
  EXPECT_TRUE(unknown.unknown_customer());
  EXPECT_FALSE(known.unknown_customer());
  EXPECT_THAT(Ranking(unknown), ElementsAre("spring_sale", "accessory"));
  ASSERT_EQ(Ranking(known), Ranking(unknown));
  for (int i = 0; i < unknown.treatments_size(); ++i) {
    EXPECT_EQ(Bytes(known.treatments(i)), Bytes(unknown.treatments(i)));
  }
  EXPECT_TRUE(Decide("nobody", "app").unknown_customer()) << "still nobody said who it is";
  EXPECT_TRUE(Upsert("nobody", {{"plan", String("basic")}}).created());
  EXPECT_FALSE(Decide("nobody", "app").unknown_customer());
}

TEST_F(ServerDecideTest, TheNextDecisionSeesTheFormerOnAnyChannel) {
  const auto on_ivr = Decide("ann", "ivr");
  clock_.Advance(absl::Seconds(90));
  const auto on_app = Decide("ann", "app", "browse_plans");
  const auto held = Get("ann");
  EXPECT_EQ(held.decision_count(), 2u);
  ASSERT_THAT(held.recent_decisions(), SizeIs(2));
  EXPECT_EQ(held.recent_decisions(0).channel(), "ivr");
  EXPECT_EQ(held.recent_decisions(0).treatment_id(), on_ivr.treatments(0).treatment_id());
  EXPECT_EQ(FromProtoTime(held.recent_decisions(0).time()), Noon());
  EXPECT_EQ(held.recent_decisions(1).channel(), "app");
  EXPECT_EQ(held.recent_decisions(1).treatment_id(), on_app.treatments(0).treatment_id());
  EXPECT_EQ(FromProtoTime(held.recent_decisions(1).time()), Noon() + absl::Seconds(90));
  EXPECT_NE(on_ivr.decision_id(), on_app.decision_id());
  EXPECT_NE(on_ivr.decision_id().substr(16), on_app.decision_id().substr(16))
      << "nobody can tell that they are of one customer";
  EXPECT_FALSE(held.has_update_time()) << "features were never written";
}

TEST_F(ServerDecideTest, RemembersTheLast64DecisionsAndCountsAll) {
  for (int i = 0; i < 70; ++i) {
    clock_.Advance(absl::Seconds(1));
    Decide("ann", i % 2 == 0 ? "app" : "ivr");
  }
  const auto held = Get("ann");
  EXPECT_EQ(held.decision_count(), 70u);
  ASSERT_THAT(held.recent_decisions(), SizeIs(64));
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(FromProtoTime(held.recent_decisions(i).time()), Noon() + absl::Seconds(7 + i));
  }
}

TEST_F(ServerDecideTest, ADryRunAnswersAlikeAndRemembersNothing) {
  v1::DecideRequest request = DecideFor("ann", "app", "browse_plans");
  request.set_dry_run(true);
  const auto peek = Decide(request);
  const auto peek_again = Decide(request);
  EXPECT_EQ(client().Get("ann").code(), grpc::StatusCode::NOT_FOUND);
  request.set_dry_run(false);
  const auto real = Decide(request);
  EXPECT_EQ(Bytes(peek), Bytes(peek_again));
  EXPECT_EQ(Bytes(peek), Bytes(real));
  EXPECT_EQ(Get("ann").decision_count(), 1u);
}

TEST_F(ServerDecideTest, ADryRunDoesNotLookAtItsRequestId) {
  v1::DecideRequest request = DecideFor("ann", "app");
  request.set_request_id("r1");
  Decide(request);
  request.set_channel("ivr");
  request.set_dry_run(true);
  EXPECT_THAT(Ranking(Decide(request)), ElementsAre("accessory", "fast_callback"));
  EXPECT_EQ(Get("ann").decision_count(), 1u);
}

TEST_F(ServerDecideTest, ExplainsWhyEachTreatmentStandsWhereItDoes) {
  Upsert("ann", {{"income", Double(2500)}, {"plan", String("premium")}});
  v1::DecideRequest request = DecideFor("ann", "ivr");
  request.set_explain(true);
  const auto response = Decide(request);
  EXPECT_THAT(Ranking(response), ElementsAre("fast_callback", "goodwill_credit"));
  EXPECT_THAT(response.treatments(0).reasons(), ElementsAre("customer.income = (protected)"));
  EXPECT_THAT(response.treatments(1).reasons(),
              ElementsAre("customer.income = (protected)", "treatment.group = care (-0.50)"));
  EXPECT_THAT(Rejections(response), ElementsAre("upgrade: candidates/no_content_for_channel",
                                                "accessory: arbitration/outranked",
                                                "spring_sale: candidates/no_content_for_channel"));
  EXPECT_THAT(Counts(response), UnorderedElementsAre("candidates/no_content_for_channel=2",
                                                     "arbitration/outranked=1"));
  EXPECT_EQ(response.rejected_treatments(0).detail(), "has no content for the channel ivr");
  EXPECT_FALSE(response.rejected_treatments(0).has_propensity());
  EXPECT_NEAR(response.rejected_treatments(1).propensity(), Logistic(-3), 1e-12);
  EXPECT_NEAR(response.rejected_treatments(1).priority(), Logistic(-3) * 30 - 1, 1e-12);
  EXPECT_THAT(response.rejected_treatments(1).detail(), HasSubstr("the last of the 2 ranked has"));
  EXPECT_EQ(response.ShortDebugString().find("2500"), std::string::npos)
      << "the value of a protected feature";
}

TEST_F(ServerDecideTest, TakesTheScoresOfRankedTreatmentsApart) {
  v1::DecideRequest request = DecideFor("ann", "app", "browse_plans");
  EXPECT_FALSE(Decide(request).treatments(0).has_score_parts()) << "nobody asked";
  request.set_explain(true);
  v1::DecideResponse response = Decide(request);
  EXPECT_THAT(Ranking(response), ElementsAre("upgrade", "spring_sale"));
  for (const v1::RankedTreatment& treatment : response.treatments()) {
    const v1::ScoreParts& parts = treatment.score_parts();
    EXPECT_EQ(parts.base(), -1);
    EXPECT_EQ(parts.score(), 0.5);
    EXPECT_EQ(parts.link(), "logit");
    ASSERT_EQ(parts.contributions_size(), 2) << "vip is 0";
    EXPECT_EQ(parts.contributions(0).input(), "context.intent");
    EXPECT_EQ(parts.contributions(0).value(), "browse_plans");
    EXPECT_EQ(parts.contributions(0).contribution(), 1);
    EXPECT_EQ(parts.contributions(1).input(), "customer.plan");
    EXPECT_EQ(parts.contributions(1).value(), "\"basic\" (default)");
    EXPECT_EQ(parts.contributions(1).contribution(), 0.5);
    EXPECT_NEAR(treatment.propensity(), Logistic(parts.score()), 1e-15);
  }
  // The model of these looks at the income, which is protected: also with an income of 1000, which
  // moves nothing.
  for (const double income : {1000.0, 2500.0}) {
    Upsert("bob", {{"income", Double(income)}, {"plan", String("premium")}});
    request = DecideFor("bob", "ivr");
    request.set_explain(true);
    response = Decide(request);
    EXPECT_EQ(response.treatments(0).treatment_id(), "fast_callback");
    EXPECT_FALSE(response.treatments(0).has_score_parts());
  }
}

TEST_F(ServerDecideTest, SaysSoWhenNothingMovesAPropensity) {
  RestartWith(R"yaml(name: even
channels: [{name: app}]
groups: [{name: offer}]
models: [{name: half, file: half.yaml}]
treatments:
  - {name: plain, group: offer, value: 100, cost: 10, model: half, content: {app: {text: p}}}
)yaml");
  v1::DecideRequest request = DecideFor("ann", "app");
  request.set_explain(true);
  EXPECT_THAT(Decide(request).treatments(0).reasons(),
              ElementsAre("nothing moves it from the model's base rate"));
}

TEST_F(ServerDecideTest, DoesNotExplainUnlessAsked) {
  const auto response = Decide("ann", "app");
  EXPECT_THAT(response.rejected_treatments(), IsEmpty());
  for (const auto& treatment : response.treatments()) EXPECT_THAT(treatment.reasons(), IsEmpty());
  EXPECT_THAT(Counts(response),
              UnorderedElementsAre("policy/intent_not_applicable=1", "arbitration/outranked=2"));
}

TEST_F(ServerDecideTest, ConsidersOnlyTheTreatmentsThatAreAskedFor) {
  v1::DecideRequest request = DecideFor("ann", "app");
  request.add_treatment_ids("goodwill_credit");
  request.add_treatment_ids("accessory");
  request.add_treatment_ids("accessory");
  const auto response = Decide(request);
  EXPECT_THAT(Ranking(response), ElementsAre("accessory", "goodwill_credit"));
  EXPECT_THAT(Counts(response), ElementsAre("candidates/not_requested=3"));
}

TEST_F(ServerDecideTest, AnEmptyRankingIsNoError) {
  v1::DecideRequest request = DecideFor("ann", "ivr", "browse_plans");
  request.add_treatment_ids("upgrade");
  const auto response = Decide(request);
  EXPECT_THAT(Ranking(response), IsEmpty());
  EXPECT_THAT(Counts(response), UnorderedElementsAre("candidates/not_requested=4",
                                                     "candidates/no_content_for_channel=1"));
  const auto held = Get("ann");
  EXPECT_EQ(held.decision_count(), 1u);
  EXPECT_THAT(held.recent_decisions(), IsEmpty());
}

TEST_F(ServerDecideTest, ReturnsAsManyTreatmentsAsAreWanted) {
  const struct {
    const char* name;
    int wanted;
    int returned;
  } cases[] = {{"the strategy's own number", 0, 2},
               {"one", 1, 1},
               {"three", 3, 3},
               {"all there are", 100, 5}};
  for (const auto& c : cases) {
    v1::DecideRequest request = DecideFor("ann", "app", "browse_plans");
    request.set_max_treatments(c.wanted);
    EXPECT_THAT(Decide(request).treatments(), SizeIs(c.returned)) << c.name;
  }
}

TEST_F(ServerDecideTest, RanksByPropensityTimesWeightTimesValueMinusCost) {
  v1::DecideRequest request = DecideFor("ann", "app", "report_outage");
  request.set_max_treatments(100);
  const auto response = Decide(request);
  EXPECT_THAT(Ranking(response),
              ElementsAre("spring_sale", "fast_callback", "accessory", "goodwill_credit"));
  for (const auto& t : response.treatments()) {
    EXPECT_EQ(t.context_weight(), t.group() == "resolution" ? 1.5 : 1.0) << t.treatment_id();
    EXPECT_DOUBLE_EQ(t.priority(), t.propensity() * t.context_weight() * t.value() - t.cost());
  }
  EXPECT_EQ(response.treatments(1).value(), 100);
  EXPECT_EQ(response.treatments(1).cost(), 5);
}

TEST_F(ServerDecideTest, BreaksTiesByValueThenByName) {
  RestartWith(R"yaml(name: ties
channels: [{name: app}]
groups: [{name: offer}]
models: [{name: half, file: half.yaml}]
treatments:
  - {name: plain_b, group: offer, value: 100, cost: 10, model: half, content: {app: {text: b}}}
  - {name: plain_a, group: offer, value: 100, cost: 10, model: half, content: {app: {text: a}}}
  - {name: dear, group: offer, value: 120, cost: 20, model: half, content: {app: {text: d}}}
  - {name: best, group: offer, value: 82, cost: 0, model: half, content: {app: {text: e}}}
)yaml");
  EXPECT_THAT(Ranking(Decide("ann", "app")), ElementsAre("best", "dear", "plain_a"));
}

TEST_F(ServerDecideTest, ReturnsTheContentOfTheChannel) {
  Upsert("ann", {{"income", Double(5000)}});
  v1::DecideRequest request = DecideFor("ann", "app");
  request.add_treatment_ids("goodwill_credit");
  EXPECT_THAT(Decide(request).treatments(0).content(),
              UnorderedElementsAre(Pair("title", "Sorry"), Pair("text", "10 EUR back.")));
  request.set_channel("ivr");
  EXPECT_THAT(Decide(request).treatments(0).content(),
              UnorderedElementsAre(Pair("prompt", "credit")));
}

TEST_F(ServerDecideTest, KeepsToTheDatesOfATreatment) {
  const absl::Time april = absl::FromUnixSeconds(1'775'001'600);
  const absl::Time march = absl::FromUnixSeconds(1'772'323'200);
  const struct {
    const char* name;
    absl::Time now;
    std::string rejection;
  } cases[] = {
      {"the last moment before", march - absl::Microseconds(1),
       "spring_sale: candidates/not_yet_valid"},
      {"the first moment", march, ""},
      {"the last moment", april - absl::Microseconds(1), ""},
      {"the first moment after", april, "spring_sale: candidates/no_longer_valid"},
  };
  for (const auto& c : cases) {
    clock_.Set(c.now);
    v1::DecideRequest request = DecideFor("ann", "app");
    request.set_explain(true);
    const auto response = Decide(request);
    if (c.rejection.empty()) {
      EXPECT_EQ(response.treatments(0).treatment_id(), "spring_sale") << c.name;
    } else {
      EXPECT_THAT(Rejections(response), ::testing::Contains(c.rejection)) << c.name;
    }
  }
}

TEST_F(ServerDecideTest, UsesTheAttributesOfTheInteraction) {
  v1::DecideRequest request = DecideFor("ann", "ivr");
  request.add_treatment_ids("fast_callback");
  const double at_once = Decide(request).treatments(0).propensity();
  // An int is good enough where a double is declared.
  (*request.mutable_attributes())["wait_s"] = Int(60);
  const double after_waiting = Decide(request).treatments(0).propensity();
  EXPECT_NEAR(at_once, Logistic(-2), 1e-12);
  EXPECT_NEAR(after_waiting, Logistic(-1.25), 1e-12);
}

TEST_F(ServerDecideTest, ServesHealthAndEveryService) {
  EXPECT_EQ(client().Health(), "SERVING");
  EXPECT_EQ(client().Health("attune.v1.DecisionService"), "SERVING");
  EXPECT_EQ(client().Health("attune.v1.CustomerService"), "SERVING");
  EXPECT_EQ(client().Health("attune.v1.NoSuchService"), "5");
}

}  // namespace
}  // namespace attune::service
