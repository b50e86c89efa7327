// Treatments that reach more and more customers, by what is reported of them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "service/ctl/ctl.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::Contains;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;

// The small strategy with outcomes, and a ramp on the accessory.
std::string RampedStrategy() {
  return Replaced(Replaced(kSmallStrategy, "  - name: accessory\n",
                           "  - name: accessory\n"
                           "    ramp: {from: 0.1, full_at: 20, outcomes: [accepted, rejected]}\n"),
                  "groups:\n",
                  "outcomes: [{name: shown}, {name: accepted}, {name: rejected}]\ngroups:\n");
}

class ServerRampTest : public ServerTest {
 protected:
  static constexpr int kCustomers = 300;

  ServerRampTest() {
    options_.seed = 7;  // the same customers in every run
    WriteStrategy(dir_.path(), RampedStrategy());
    Start();
  }

  static std::string Customer(int i) { return absl::StrCat("customer ", i); }

  // Reports an outcome of the accessory for so many customers, and counts it.
  void Report(int from, int to, const std::string& outcome) {
    for (int i = from; i < to; ++i) {
      v1::CustomerServiceRecordInteractionsRequest request;
      request.set_customer_id(Customer(i));
      v1::Interaction& interaction = *request.add_interactions();
      interaction.set_channel("ivr");
      interaction.set_treatment_id("accessory");
      interaction.set_outcome(outcome);
      *interaction.mutable_time() = ToProtoTime(Noon());
      const auto answer = client().RecordInteractions(request);
      ASSERT_TRUE(answer.ok()) << answer.status.error_message();
    }
    ASSERT_TRUE(server().CountEvidence().ok());
  }
  // Why the accessory is not for the customer, as explained; "" when it is.
  std::string WhyNot(const std::string& customer_id) const {
    v1::DecideRequest request = DecideFor(customer_id, "app");
    request.set_explain(true);
    request.set_dry_run(true);
    request.add_treatment_ids("accessory");
    const v1::DecideResponse answer = Decide(request);
    for (const v1::RejectedTreatment& rejected : answer.rejected_treatments()) {
      if (rejected.treatment_id() != "accessory") continue;
      EXPECT_EQ(rejected.stage(), "candidates");
      EXPECT_EQ(rejected.reason(), "not_reached_yet");
      return rejected.detail();
    }
    return "";
  }
  // The customers that it has come to.
  std::vector<int> Reached() const {
    std::vector<int> reached;
    for (int i = 0; i < kCustomers; ++i) {
      if (WhyNot(Customer(i)).empty()) reached.push_back(i);
    }
    return reached;
  }
  // One that it hasn't come to.
  std::string Waiting() const {
    for (int i = 0; i < kCustomers; ++i) {
      if (!WhyNot(Customer(i)).empty()) return Customer(i);
    }
    return "";
  }
};

TEST_F(ServerRampTest, TheShareGrowsWithWhatIsReportedUntilItReachesEverybody) {
  const std::vector<int> first = Reached();
  EXPECT_NEAR(static_cast<double>(first.size()), 30, 26) << "five standard deviations";
  EXPECT_EQ(WhyNot(Waiting()),
            "reaches 10 % of the customers by now and not this one: has 0 of the 20 (accepted, "
            "rejected) that make it reach everybody");
  Report(0, 10, "accepted");
  const std::vector<int> second = Reached();
  EXPECT_NEAR(static_cast<double>(second.size()), 165, 43);
  EXPECT_THAT(second, IsSupersetOf(first));
  EXPECT_THAT(WhyNot(Waiting()), HasSubstr("reaches 55 % of the customers"));
  EXPECT_THAT(WhyNot(Waiting()), HasSubstr("has 10 of the 20"));
  Report(10, 19, "rejected");
  EXPECT_THAT(Reached(), IsSupersetOf(second));
  Report(19, 20, "rejected");
  EXPECT_THAT(Reached(), SizeIs(kCustomers));
}

TEST_F(ServerRampTest, TellsHowFarRampsHaveCome) {
  Report(0, 10, "accepted");
  v1::StrategyServiceListRampsRequest request;
  const auto ask = [&](v1::StrategyServiceListRampsResponse& response) {
    grpc::ClientContext context;
    return client().strategies().ListRamps(&context, request, &response);
  };
  v1::StrategyServiceListRampsResponse response;
  ASSERT_TRUE(ask(response).ok());
  EXPECT_EQ(response.total_size(), 1);
  EXPECT_EQ(response.next_page_token(), "");
  ASSERT_THAT(response.ramps(), SizeIs(1));
  const v1::TreatmentRamp& ramp = response.ramps(0);
  EXPECT_EQ(ramp.treatment_id(), "accessory");
  EXPECT_DOUBLE_EQ(ramp.share(), 0.55);  // 0.1 + 0.9 x 10 / 20
  EXPECT_EQ(ramp.evidence(), 10);
  EXPECT_EQ(ramp.full_at(), 20);
  EXPECT_EQ(ramp.from(), 0.1);
  EXPECT_EQ(ramp.counted(), "accepted, rejected");
  request.set_page_token("18446744073709551615");
  response.Clear();
  ASSERT_TRUE(ask(response).ok());
  EXPECT_THAT(response.ramps(), SizeIs(0)) << "there is nothing behind the end";
  EXPECT_EQ(response.next_page_token(), "");
  request.set_page_token("next");
  EXPECT_EQ(ask(response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.Clear();
  request.set_page_size(-1);
  EXPECT_EQ(ask(response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServerRampTest, AttunectlShowsHowFarRampsHaveCome) {
  Report(0, 10, "accepted");
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  ctl::Console console{in, out, err};
  EXPECT_EQ(
      ctl::RunCtl({"strategy", "ramps", "--server", absl::StrCat("127.0.0.1:", server().port())},
                  console),
      ctl::kExitOk)
      << err.str();
  EXPECT_EQ(out.str(),
            "treatment  reaches  evidence  everybody at  counted\n"
            "accessory     55 %        10            20  accepted, rejected\n");
}

TEST_F(ServerRampTest, OnlyWhatTheRampCountsIsEvidence) {
  Report(0, 10, "shown");
  EXPECT_THAT(WhyNot(Waiting()), HasSubstr("has 0 of the 20"));
  Report(0, 3, "accepted");
  Report(0, 3, "accepted");  // the same again: recorded once
  EXPECT_THAT(WhyNot(Waiting()), HasSubstr("has 3 of the 20"));
}

TEST_F(ServerRampTest, EvidenceOutlivesARestartAndIsCountedOnce) {
  Report(0, 8, "accepted");
  const std::vector<int> before = Reached();
  for (int i = 0; i < 3; ++i) {
    Restart();
    EXPECT_THAT(Reached(), ElementsAreArray(before));
    ASSERT_TRUE(server().CountEvidence().ok());
    EXPECT_THAT(WhyNot(Waiting()), HasSubstr("has 8 of the 20"));
  }
  Report(8, 9, "accepted");
  EXPECT_THAT(WhyNot(Waiting()), HasSubstr("has 9 of the 20"));
}

TEST_F(ServerRampTest, EvidenceOutlivesTheCustomersThatItCameFrom) {
  Report(0, 5, "accepted");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client().Erase(Customer(i)).ok());
  Restart();
  EXPECT_THAT(WhyNot(Waiting()), HasSubstr("has 5 of the 20"));
}

TEST_F(ServerRampTest, AStrategyThatBeginsToRampFindsWhatTheLogKnows) {
  RestartWith(Replaced(RampedStrategy(),
                       "    ramp: {from: 0.1, full_at: 20, outcomes: [accepted, "
                       "rejected]}\n",
                       ""));
  Report(0, 6, "rejected");
  EXPECT_THAT(Reached(), SizeIs(kCustomers)) << "without a ramp";
  RestartWith(RampedStrategy());
  EXPECT_THAT(WhyNot(Waiting()), HasSubstr("has 6 of the 20"));
}

TEST_F(ServerRampTest, CountsDecisionsWhereTheRampSaysSo) {
  // So slow that what is counted meanwhile changes nothing.
  RestartWith(Replaced(RampedStrategy(), "full_at: 20, outcomes: [accepted, rejected]}",
                       "full_at: 100000, outcomes: [decided]}"));
  int decided = 0;
  for (int i = 0; i < 60; ++i) {
    v1::DecideRequest request = DecideFor(Customer(i), "app");
    request.add_treatment_ids("accessory");
    decided += Decide(request).treatments_size();
  }
  ASSERT_GT(decided, 0);
  ASSERT_LT(decided, 20) << "about a tenth of them";
  ASSERT_TRUE(server().CountEvidence().ok());
  EXPECT_THAT(WhyNot(Waiting()), HasSubstr(absl::StrCat("has ", decided, " of the 100000")));
}

TEST_F(ServerRampTest, RejectionsAreCounted) {
  v1::DecideRequest request = DecideFor(Waiting(), "app");
  request.add_treatment_ids("accessory");
  EXPECT_THAT(Counts(Decide(request)), Contains("candidates/not_reached_yet=1"));
}

// Housekeeping counts at times of its own; a replay must not depend on them.
TEST_F(ServerRampTest, AReplayCountsBeforeEachDecision) {
  options_.replay_clock = true;
  Restart();
  const auto decide = [&](const std::string& customer, int second) {
    v1::DecideRequest request = DecideFor(customer, "app");
    *request.mutable_time() = ToProtoTime(Noon() + absl::Seconds(second));
    request.set_explain(true);
    request.add_treatment_ids("accessory");
    return Decide(request);
  };
  const std::string waiting = [&] {
    for (int i = 0;; ++i) {
      if (decide(Customer(i), 0).treatments_size() == 0) return Customer(i);
    }
  }();
  for (int i = 1; i < 20; ++i) {
    v1::CustomerServiceRecordInteractionsRequest report;
    report.set_customer_id(Customer(i));
    v1::Interaction& interaction = *report.add_interactions();
    interaction.set_channel("ivr");
    interaction.set_treatment_id("accessory");
    interaction.set_outcome("accepted");
    *interaction.mutable_time() = ToProtoTime(Noon());
    ASSERT_TRUE(client().RecordInteractions(report).ok());
    const v1::DecideResponse answer = decide(waiting, i);
    if (answer.treatments_size() > 0) return;  // its turn has come
    for (const v1::RejectedTreatment& rejected : answer.rejected_treatments()) {
      if (rejected.treatment_id() != "accessory") continue;
      EXPECT_TRUE(absl::StrContains(rejected.detail(), absl::StrCat("has ", i, " of the 20")))
          << rejected.detail();
    }
  }
}

}  // namespace
}  // namespace attune::service
