// Rules of a strategy, over gRPC: who is rejected, by which rule, with which words and numbers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr char kRules[] = R"yaml(
suitability:
  - name: well_paying
    when: customer.income >= 1000.0 || treatment.group != 'offer'
    because: Who has little is not sold more.
eligibility:
  - name: grown_up
    when: customer.tenure_months > 3 && 100 / customer.tenure_months < 1000
    because: The first months are for settling in.
derived: [{name: loyal, value: customer.tenure_months >= 24}]
outcomes: [{name: shown}]
fallbacks: [{treatment: accessory}]
)yaml";

// Each rule and policy that dropped something as "reason/rule=count".
std::vector<std::string> CountsByRule(const v1::DecideResponse& response) {
  std::vector<std::string> counts;
  for (const v1::RejectedCount& count : response.rejected_counts()) {
    if (!count.rule().empty()) {
      counts.push_back(absl::StrCat(count.reason(), "/", count.rule(), "=", count.count()));
    }
  }
  return counts;
}

class ServerEngagementTest : public ServerTest {
 protected:
  ServerEngagementTest() {
    WriteStrategy(dir_.path(),
                  Replaced(std::string(kSmallStrategy) + kRules, "    intents: [browse_plans]\n",
                           "    eligibility: [{name: loyal_ones, when: derived.loyal}]\n"));
    Start();
  }

  v1::DecideResponse Explained(const std::string& customer) {
    v1::DecideRequest request = DecideFor(customer, "app");
    request.set_explain(true);
    return Decide(request);
  }
  static const v1::RejectedTreatment& Of(const v1::DecideResponse& response,
                                         const std::string& treatment) {
    for (const v1::RejectedTreatment& rejected : response.rejected_treatments()) {
      if (rejected.treatment_id() == treatment) return rejected;
    }
    ADD_FAILURE() << treatment << " was not rejected";
    return response.rejected_treatments(0);
  }
};

TEST_F(ServerEngagementTest, CountsByRuleWithoutBeingAsked) {
  EXPECT_THAT(CountsByRule(Decide("ann", "app")),
              UnorderedElementsAre("not_eligible/loyal_ones=1", "not_suitable/well_paying=2"));
  Upsert("bob", {{"tenure_months", Int(2)}});
  EXPECT_THAT(CountsByRule(Decide("bob", "app")), ElementsAre("not_eligible/grown_up=5"));
  Upsert("eve", {{"tenure_months", Int(30)}, {"income", Double(2000)}});
  EXPECT_THAT(CountsByRule(Decide("eve", "app")), IsEmpty());
}

TEST_F(ServerEngagementTest, ExplainsInPartsAndInASentence) {
  const v1::DecideResponse response = Explained("ann");
  const v1::RejectedTreatment& upgrade = Of(response, "upgrade");
  EXPECT_EQ(upgrade.stage(), "policy");
  EXPECT_EQ(upgrade.reason(), "not_eligible");
  EXPECT_EQ(upgrade.rule(), "loyal_ones");
  EXPECT_EQ(upgrade.expression(), "derived.loyal");
  EXPECT_EQ(upgrade.needed(), "true");
  ASSERT_EQ(upgrade.values_size(), 1);
  EXPECT_EQ(upgrade.values(0).name(), "derived.loyal");
  EXPECT_EQ(upgrade.values(0).value(), "false");
  EXPECT_EQ(upgrade.detail(), "eligibility loyal_ones: derived.loyal = false, needed true");
  EXPECT_FALSE(upgrade.has_allowed_from());

  Upsert("bob", {{"tenure_months", Int(2)}});
  const v1::RejectedTreatment callback = Of(Explained("bob"), "fast_callback");
  EXPECT_EQ(
      callback.detail(),
      "eligibility grown_up: customer.tenure_months = 2, needed > 3 (The first months are for "
      "settling in.)");
  EXPECT_EQ(callback.because(), "The first months are for settling in.");
  EXPECT_EQ(callback.nearest_change(), "customer.tenure_months == 4");
}

TEST_F(ServerEngagementTest, NeverTellsTheValueOfAProtectedFeature) {
  Upsert("ann", {{"income", Double(471.25)}});
  const v1::DecideResponse response = Explained("ann");
  const v1::RejectedTreatment& accessory = Of(response, "accessory");
  EXPECT_EQ(accessory.rule(), "well_paying");
  EXPECT_EQ(accessory.because(), "Who has little is not sold more.");
  EXPECT_THAT(accessory.detail(), HasSubstr("customer.income is hidden"));
  EXPECT_TRUE(accessory.values(0).is_protected());
  EXPECT_THAT(response.DebugString(), Not(HasSubstr("471.25")));
}

TEST_F(ServerEngagementTest, WhatCanNotBeEvaluatedIsRejectedAndSaysWhy) {
  RestartWith(std::string(kSmallStrategy) +
              "eligibility: [{name: ratio, when: 100 / (customer.tenure_months - 12) > 0}]\n");
  EXPECT_THAT(CountsByRule(Decide("ann", "app")), ElementsAre("rule_error/ratio=4"));
  EXPECT_THAT(Of(Explained("ann"), "accessory").detail(),
              HasSubstr("eligibility ratio: can't be evaluated: division by zero"));
}

TEST_F(ServerEngagementTest, AFallbackMustMeetTheRulesToo) {
  Upsert("bob", {{"tenure_months", Int(2)}, {"income", Double(2000)}});
  EXPECT_THAT(Ranking(Decide("bob", "app")), IsEmpty());
}

}  // namespace
}  // namespace attune::service
