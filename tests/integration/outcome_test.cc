// What became of decisions, as callers report it over gRPC: kept for good, counted once, seen by
// the next decision.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "prometheus/text_serializer.h"
#include "service/ctl/ctl.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"

namespace attune::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// The small strategy with outcomes and a cap on what was shown, wherever that was.
std::string StrategyWithOutcomes() {
  std::string text = Replaced(kSmallStrategy, "  - {name: offer}\n", R"yaml(  - name: offer
    contact:
      - name: one_offer
        cap: {at_most: 1, outcomes: [shown], window: 7d, per: group}
)yaml");
  return Replaced(text, "models:\n", R"yaml(outcomes:
  - {name: shown, showing: true, window: 1d}
  - {name: accepted, window: 2d}
  - {name: satisfaction, min_value: 1, max_value: 5}
models:
)yaml");
}

v1::OutcomeServiceRecordOutcomeRequest OutcomeOf(const std::string& decision_id,
                                                 const std::string& outcome,
                                                 const std::string& request_id) {
  v1::OutcomeServiceRecordOutcomeRequest request;
  request.set_decision_id(decision_id);
  request.set_outcome(outcome);
  request.set_source(v1::OUTCOME_SOURCE_CUSTOMER);
  request.set_request_id(request_id);
  return request;
}

class ServerOutcomeTest : public ServerTest {
 protected:
  ServerOutcomeTest() {
    WriteStrategy(dir_.path(), StrategyWithOutcomes());
    Start();
  }

  // Reports it and expects that to work.
  v1::OutcomeStatus Report(const v1::OutcomeServiceRecordOutcomeRequest& request) const {
    const auto answer = client().RecordOutcome(request);
    EXPECT_TRUE(answer.ok()) << answer.status.error_message();
    return answer.response.status();
  }
  // "outcome treatment channel" of what is remembered, decisions left out.
  std::vector<std::string> Outcomes(const std::string& customer_id) const {
    std::vector<std::string> outcomes;
    const auto held = Get(customer_id);
    for (const v1::Interaction& i : held.recent_interactions()) {
      if (i.outcome() == "decided") continue;
      outcomes.push_back(absl::StrCat(i.outcome(), " ", i.treatment_id(), " ", i.channel()));
    }
    return outcomes;
  }
  // What Prometheus sees.
  std::string Metrics() {
    return prometheus::TextSerializer().Serialize(server().metrics().Collect());
  }
  std::string WhyNotFor(const std::string& customer_id, const std::string& channel,
                        const std::string& treatment) const {
    v1::DecideRequest request = DecideFor(customer_id, channel);
    request.set_explain(true);
    request.set_dry_run(true);
    const v1::DecideResponse answer = Decide(request);
    for (const v1::RejectedTreatment& rejected : answer.rejected_treatments()) {
      if (rejected.treatment_id() == treatment) return rejected.reason();
    }
    return "";
  }
};

TEST_F(ServerOutcomeTest, WhatIsShownCountsInTheNextDecisionOnAnotherChannel) {
  const auto decision = Decide("ann", "ivr");
  ASSERT_EQ(Ranking(decision).front(), "accessory");
  EXPECT_EQ(WhyNotFor("ann", "app", "spring_sale"), "");
  v1::OutcomeServiceActivateRequest activate;
  activate.set_decision_id(decision.decision_id());
  const auto shown = client().Activate(activate);
  ASSERT_TRUE(shown.ok()) << shown.status.error_message();
  ASSERT_THAT(shown.response.showings(), SizeIs(1));
  EXPECT_EQ(shown.response.showings(0).treatment_id(), "accessory");
  EXPECT_EQ(shown.response.showings(0).status(), v1::OUTCOME_STATUS_RECORDED);
  EXPECT_EQ(WhyNotFor("ann", "app", "spring_sale"), "cap_reached");
  clock_.Advance(absl::Minutes(1));
  activate.set_source(v1::OUTCOME_SOURCE_CUSTOMER);
  *activate.mutable_time() = ToProtoTime(Noon());
  const auto again = client().Activate(activate);
  EXPECT_EQ(again.response.showings(0).status(), v1::OUTCOME_STATUS_ALREADY_RECORDED);
  EXPECT_EQ(again.response.showings(0).first_status(), v1::OUTCOME_STATUS_RECORDED);
  EXPECT_EQ(Report(OutcomeOf(decision.decision_id(), "accepted", "r1")),
            v1::OUTCOME_STATUS_RECORDED);
  EXPECT_THAT(Outcomes("ann"),
              UnorderedElementsAre("shown accessory ivr", "accepted accessory ivr"));
  EXPECT_EQ(WhyNotFor("bob", "app", "spring_sale"), "");
}

// More callers than threads that could wait for the disk, so that what they report is written
// together: each with an outcome of its own, one that another caller reports at the same time, and
// one that is wrong.
TEST_F(ServerOutcomeTest, ManyCallersAtOnceGetEachItsOwnAnswer) {
  constexpr int kCallers = 64;
  constexpr int kOutcomes = 5;
  std::vector<std::string> decisions;
  for (int i = 0; i < kCallers; ++i) {
    decisions.push_back(Decide(absl::StrCat("customer-", i), "app").decision_id());
  }
  std::atomic<int> recorded = 0, recorded_of_pairs = 0, known = 0, refused = 0, other = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      for (int k = 0; k < kOutcomes; ++k) {
        // Neighbours have this one in common.
        const int pair = i / 2 * 2;
        const auto shared =
            client().RecordOutcome(OutcomeOf(decisions[pair], "shown", absl::StrCat("both-", k)));
        if (!shared.ok()) ++other;
        if (shared.response.status() == v1::OUTCOME_STATUS_RECORDED) ++recorded_of_pairs;
        if (shared.response.status() == v1::OUTCOME_STATUS_ALREADY_RECORDED) ++known;
        const auto own =
            client().RecordOutcome(OutcomeOf(decisions[i], "accepted", absl::StrCat("own-", k)));
        own.ok() && own.response.status() == v1::OUTCOME_STATUS_RECORDED ? ++recorded : ++other;
        const auto wrong = client().RecordOutcome(OutcomeOf(decisions[i], "bought", "r"));
        wrong.status.error_code() == grpc::StatusCode::INVALID_ARGUMENT ? ++refused : ++other;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(recorded, kCallers * kOutcomes);
  EXPECT_EQ(recorded_of_pairs, kCallers / 2 * kOutcomes);
  EXPECT_EQ(known, kCallers / 2 * kOutcomes);
  EXPECT_EQ(refused, kCallers * kOutcomes);
  EXPECT_EQ(other, 0) << "nobody is refused for want of threads";
}

TEST_F(ServerOutcomeTest, CountsOnceWhatRecordInteractionsTellsAsWell) {
  auto outcome = OutcomeOf(Decide("ann", "app").decision_id(), "accepted", "r1");
  *outcome.mutable_time() = ToProtoTime(Noon() + absl::Seconds(1));
  EXPECT_EQ(Report(outcome), v1::OUTCOME_STATUS_RECORDED);
  v1::CustomerServiceRecordInteractionsRequest request;
  request.set_customer_id("ann");
  v1::Interaction& interaction = *request.add_interactions();
  interaction.set_channel("app");
  interaction.set_treatment_id("spring_sale");
  interaction.set_outcome("accepted");
  *interaction.mutable_time() = outcome.time();
  EXPECT_EQ(client().RecordInteractions(request).response.already_known(), 1);
  EXPECT_THAT(Outcomes("ann"), ElementsAre("accepted spring_sale app"));
  // And the other way round.
  *outcome.mutable_time() = ToProtoTime(Noon() + absl::Seconds(2));
  *interaction.mutable_time() = outcome.time();
  EXPECT_EQ(client().RecordInteractions(request).response.recorded(), 1);
  outcome.set_request_id("r2");
  EXPECT_EQ(Report(outcome), v1::OUTCOME_STATUS_RECORDED);
  EXPECT_THAT(Outcomes("ann"), SizeIs(2));
}

TEST_F(ServerOutcomeTest, IsEvidenceForRamps) {
  RestartWith(Replaced(StrategyWithOutcomes(), "  - name: accessory\n",
                       "  - name: accessory\n"
                       "    ramp: {from: 0.000001, full_at: 2, outcomes: [accepted]}\n"));
  EXPECT_EQ(WhyNotFor("bob", "ivr", "accessory"), "not_reached_yet");
  auto outcome = OutcomeOf(Decide("ann", "app").decision_id(), "accepted", "r1");
  outcome.set_treatment_id("accessory");
  *outcome.mutable_time() = ToProtoTime(Noon());
  Report(outcome);
  outcome.set_request_id("r2");  // the same once more, as the history sees it
  Report(outcome);
  ASSERT_TRUE(server().CountEvidence().ok());
  const std::string series = "attune_treatment_ramp_evidence{treatment=\"accessory\"} ";
  EXPECT_THAT(Metrics(), HasSubstr(series + "1\n"));
  outcome.set_request_id("r3");
  *outcome.mutable_time() = ToProtoTime(Noon() + absl::Seconds(1));
  Report(outcome);
  ASSERT_TRUE(server().CountEvidence().ok());
  EXPECT_THAT(Metrics(), HasSubstr(series + "2\n"));
  EXPECT_EQ(WhyNotFor("bob", "ivr", "accessory"), "");
}

TEST_F(ServerOutcomeTest, IsRecordedOnceAlsoAfterARestart) {
  const auto request = OutcomeOf(Decide("ann", "app").decision_id(), "accepted", "r1");
  EXPECT_EQ(Report(request), v1::OUTCOME_STATUS_RECORDED);
  EXPECT_EQ(Report(request), v1::OUTCOME_STATUS_ALREADY_RECORDED);
  Restart();
  EXPECT_EQ(Report(request), v1::OUTCOME_STATUS_ALREADY_RECORDED);
  auto other = request;
  other.set_value(1);
  EXPECT_EQ(client().RecordOutcome(other).code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(Outcomes("ann"), SizeIs(1));
}

TEST_F(ServerOutcomeTest, ManyAtOnceAndTwiceAreEachRecordedOnce) {
  constexpr int kReporters = 4;
  constexpr int kReports = 25;
  std::vector<std::string> ids;
  ids.reserve(kReporters);
  for (int r = 0; r < kReporters; ++r) ids.push_back(Decide("ann", "app").decision_id());
  std::atomic<int> recorded = 0;
  std::vector<std::thread> threads;
  threads.reserve(kReporters);
  for (int r = 0; r < kReporters; ++r) {
    threads.emplace_back([&, r] {
      for (int n = 0; n < 2 * kReports; ++n) {
        const int i = n % kReports;
        auto request = OutcomeOf(ids[static_cast<size_t>(r)], "accepted", absl::StrCat(r, " ", i));
        *request.mutable_time() = ToProtoTime(Noon() + absl::Milliseconds(1 + r * kReports + i));
        recorded += Report(request) == v1::OUTCOME_STATUS_RECORDED;
      }
    });
  }
  // Few enough that those that are reported of stay remembered.
  for (int i = 0; i < 20; ++i) Decide("ann", "ivr");
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(recorded, kReporters * kReports);
  EXPECT_EQ(Get("ann").decision_count(), uint64_t{kReporters + 20});
  EXPECT_THAT(Outcomes("ann"), SizeIs(64)) << "as many as are shown";
}

TEST_F(ServerOutcomeTest, EachStandingHasItsAnswer) {
  const auto decision = Decide("ann", "app");
  const auto at = [&](absl::Duration after, const std::string& request_id) {
    auto request = OutcomeOf(decision.decision_id(), "accepted", request_id);
    *request.mutable_time() = ToProtoTime(Noon() + after);
    return request;
  };
  clock_.Advance(absl::Hours(24 * 3));
  EXPECT_EQ(Report(at(absl::Hours(48), "in time")), v1::OUTCOME_STATUS_RECORDED);
  EXPECT_EQ(Report(at(absl::Hours(48) + absl::Milliseconds(1), "late")), v1::OUTCOME_STATUS_LATE);
  EXPECT_EQ(Report(at(-absl::Minutes(2), "early")), v1::OUTCOME_STATUS_EARLY);
  EXPECT_EQ(Report(at(-absl::Minutes(2) - absl::Microseconds(1), "before")),
            v1::OUTCOME_STATUS_BEFORE_DECISION);
  auto not_offered = at(absl::Hours(1), "not offered");
  not_offered.set_treatment_id("upgrade");
  EXPECT_EQ(Report(not_offered), v1::OUTCOME_STATUS_NOT_OFFERED);
  EXPECT_THAT(Outcomes("ann"), SizeIs(4)) << "all but the one before";
  client().Erase("ann");
  EXPECT_EQ(Report(at(absl::Hours(1), "erased")), v1::OUTCOME_STATUS_CUSTOMER_ERASED);
  EXPECT_EQ(client().Get("ann").code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServerOutcomeTest, ADryRunLeadsToNothing) {
  Decide("ann", "app");
  v1::DecideRequest request = DecideFor("ann", "app");
  request.set_dry_run(true);
  EXPECT_EQ(Report(OutcomeOf(Decide(request).decision_id(), "accepted", "r1")),
            v1::OUTCOME_STATUS_UNKNOWN_DECISION);
}

TEST_F(ServerOutcomeTest, OnlyTheLast32DecisionsAreRemembered) {
  std::vector<std::string> ids;
  ids.reserve(33);
  for (int i = 0; i < 33; ++i) ids.push_back(Decide("ann", "app").decision_id());
  EXPECT_EQ(Report(OutcomeOf(ids[0], "accepted", "r0")), v1::OUTCOME_STATUS_UNKNOWN_DECISION);
  EXPECT_EQ(Report(OutcomeOf(ids[1], "accepted", "r1")), v1::OUTCOME_STATUS_RECORDED);
}

TEST_F(ServerOutcomeTest, AForgedIdIsNotFound) {
  std::string id = Decide("ann", "app").decision_id();
  id[20] = id[20] == '0' ? '1' : '0';
  const auto answer = client().RecordOutcome(OutcomeOf(id, "accepted", "r1"));
  EXPECT_EQ(answer.code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("none that this server gave"));
  EXPECT_THAT(Outcomes("ann"), SizeIs(0));
  EXPECT_THAT(Metrics(),
              HasSubstr("attune_outcomes_total{outcome=\"accepted\",source=\"customer\",status="
                        "\"unknown_id\"} 1\n"));
}

TEST_F(ServerOutcomeTest, ADecisionTakes64Outcomes) {
  const std::string id = Decide("ann", "app").decision_id();
  for (int i = 0; i < 64; ++i) Report(OutcomeOf(id, "accepted", absl::StrCat(i)));
  const auto answer = client().RecordOutcome(OutcomeOf(id, "accepted", "one more"));
  EXPECT_EQ(answer.code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("kMaxRememberedOutcomes"));
}

TEST_F(ServerOutcomeTest, SaysWhatIsWrongWithAReport) {
  const std::string id = Decide("ann", "app").decision_id();
  const double infinity = std::numeric_limits<double>::infinity();
  v1::OutcomeServiceRecordOutcomeRequest nothing;
  EXPECT_THAT(FieldsOf(client().RecordOutcome(nothing).status),
              UnorderedElementsAre("decision_id", "outcome", "request_id", "source"));
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), infinity, -infinity, 1e308, 0.99, 5.01}) {
    auto request = OutcomeOf(id, "satisfaction", "r1");
    request.set_value(value);
    EXPECT_THAT(FieldsOf(client().RecordOutcome(request).status), ElementsAre("value")) << value;
  }
  auto wild = OutcomeOf(std::string(1 << 20, 'f'), "acepted", std::string(1 << 20, 'x'));
  wild.set_treatment_id(std::string(1 << 20, 't'));
  wild.set_channel("fax");
  wild.set_reason(std::string(257, 'r'));
  wild.set_source(static_cast<v1::OutcomeSource>(77));
  *wild.mutable_time() = ToProtoTime(Noon() + absl::Hours(24 * 365));
  EXPECT_THAT(FieldsOf(client().RecordOutcome(wild).status),
              UnorderedElementsAre("decision_id", "treatment_id", "outcome", "time", "source",
                                   "channel", "reason", "request_id"));
  v1::OutcomeServiceActivateRequest activate;
  activate.set_decision_id("1");
  activate.add_treatment_ids("upgrade");
  activate.add_treatment_ids("upgrade");
  activate.set_source(static_cast<v1::OutcomeSource>(77));
  *activate.mutable_time() = wild.time();
  EXPECT_THAT(FieldsOf(client().Activate(activate).status),
              UnorderedElementsAre("decision_id", "treatment_ids[1]", "source", "time"));
  EXPECT_THAT(Outcomes("ann"), SizeIs(0));
}

TEST_F(ServerOutcomeTest, AStreamAnswersEachOfMany) {
  v1::OutcomeServiceRecordOutcomesRequest message;
  for (int i = 0; i < 50; ++i) {
    v1::OutcomeEntry& entry = *message.add_entries();
    entry.set_correlation_id(absl::StrCat("c", i));
    const std::string id = Decide(absl::StrCat("customer ", i % 7), "app").decision_id();
    *entry.mutable_outcome() = OutcomeOf(id, "accepted", absl::StrCat("r", i));
  }
  message.mutable_entries(3)->mutable_outcome()->set_outcome("bought");
  const auto answer = client().RecordOutcomes(message);
  ASSERT_TRUE(answer.ok()) << answer.status.error_message();
  ASSERT_THAT(answer.response.results(), SizeIs(50));
  for (int i = 0; i < 50; ++i) {
    const v1::OutcomeResult& result = answer.response.results(i);
    EXPECT_EQ(result.correlation_id(), absl::StrCat("c", i));
    if (i == 3) {
      EXPECT_EQ(result.error().code(), grpc::StatusCode::INVALID_ARGUMENT);
    } else {
      EXPECT_EQ(result.recorded().status(), v1::OUTCOME_STATUS_RECORDED) << i;
    }
  }
  v1::OutcomeServiceRecordOutcomesRequest too_many;
  for (int i = 0; i <= 1000; ++i) too_many.add_entries();
  EXPECT_EQ(client().RecordOutcomes(too_many).code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(client().RecordOutcomes({}).code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServerOutcomeTest, WithoutAShowingNothingCanBeActivated) {
  RestartWith(kSmallStrategy);
  v1::OutcomeServiceActivateRequest activate;
  activate.set_decision_id(Decide("ann", "app").decision_id());
  EXPECT_EQ(client().Activate(activate).code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(ServerOutcomeTest, AttunectlRecordsAndActivates) {
  const std::string id = Decide("ann", "app").decision_id();
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(),
                     {"--server", absl::StrCat("127.0.0.1:", server().port()), "--decision", id});
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    ctl::Console console{in, out, err, false, false};
    ctl::RunCtl(arguments, console);
    return out.str() + err.str();
  };
  EXPECT_EQ(run({"outcome", "activate"}), "spring_sale: recorded\n");
  EXPECT_EQ(run({"outcome", "activate", "--treatment", "spring_sale", "--source", "customer",
                 "--time", "2026-03-01T12:00:00Z"}),
            "spring_sale: was recorded before\n");
  EXPECT_EQ(run({"outcome", "record", "--outcome", "satisfaction", "--value", "4.5", "--source",
                 "customer", "--request_id", "r1"}),
            "spring_sale: recorded\n");
  EXPECT_THAT(run({"outcome", "record", "--outcome", "accepted", "--source", "nobody"}),
              HasSubstr("must be customer, employee or system"));
  EXPECT_THAT(run({"outcome", "record", "--outcome", "accepted", "--source", "system"}),
              HasSubstr("or a time is required"));
}

TEST(ServerOutcomeCrashTest, AKilledProcessLosesNoOutcomeThatWasAcknowledged) {
  constexpr int kThreads = 4;
  constexpr int kCallsBeforeTheKill = 100;
  const testing::TempDir dir;
  const std::string strategy = WriteStrategy(dir.path(), StrategyWithOutcomes());
  const std::vector<std::string> flags = {"--metrics_listen", ""};
  // By thread, what was asked in order, and how much of it was acknowledged.
  std::vector<std::vector<v1::OutcomeServiceRecordOutcomeRequest>> asked(kThreads);
  std::vector<size_t> acknowledged(kThreads, 0);
  {
    AttunedProcess attuned(strategy, dir.File("data"), flags);
    std::atomic<int> calls = 0;
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const Client client(attuned.port());
        const std::string customer_id = absl::StrCat("customer ", t);
        for (int n = 0;; ++n, ++calls) {
          const auto decision = client.Decide(DecideFor(customer_id, "app"));
          if (!decision.ok()) return;
          asked[t].push_back(
              OutcomeOf(decision.response.decision_id(), "accepted", absl::StrCat("r", n)));
          if (!client.RecordOutcome(asked[t].back()).ok()) return;
          acknowledged[t] = asked[t].size();
        }
      });
    }
    while (calls < kCallsBeforeTheKill) std::this_thread::yield();
    attuned.process().Signal(SIGKILL);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(attuned.process().Wait(), 128 + SIGKILL);
  }
  AttunedProcess attuned(strategy, dir.File("data"), flags);
  const Client client(attuned.port());
  size_t all = 0;
  int lost = 0;
  for (size_t t = 0; t < kThreads; ++t) {
    const auto held = client.Get(absl::StrCat("customer ", t));
    ASSERT_TRUE(held.ok()) << held.status.error_message();
    // The last 32 decisions are remembered, so that their outcomes are recognised; the kill may
    // have cut off the answer of one more.
    const size_t first = asked[t].size() > 31 ? asked[t].size() - 31 : 0;
    for (size_t i = first; i < acknowledged[t]; ++i) {
      const auto again = client.RecordOutcome(asked[t][i]);
      lost += again.response.status() != v1::OUTCOME_STATUS_ALREADY_RECORDED;
    }
    all += acknowledged[t];
  }
  EXPECT_EQ(lost, 0);
  std::printf("kill -9: acknowledged outcomes=%zu lost=%d\n", all, lost);
}

}  // namespace
}  // namespace attune::service
