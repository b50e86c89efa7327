// What happened with customers and what they consent to, as callers report it: decisions obey it at
// once, on every channel.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "service/ctl/ctl.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The small strategy with outcomes, a purpose of the offers and contact policies that count what
// was shown, wherever that was.
std::string StrategyWithPolicies() {
  std::string text = Replaced(kSmallStrategy, "  - {name: offer}\n", R"yaml(  - name: offer
    purpose: marketing
    contact:
      - name: two_offers
        cap: {at_most: 2, outcomes: [shown], window: 7d, per: group}
      - name: not_right_after_a_purchase
        min_gap: {gap: 1d, outcomes: [purchased], per: all}
)yaml");
  return Replaced(text, "models:\n", R"yaml(outcomes:
  - {name: shown}
  - {name: accepted}
  - {name: purchased, without_treatment: true}
purposes:
  - {name: marketing, consent: opt_out}
history: {max_interactions: 10, interactions_per_day: 1}
models:
)yaml");
}

class ServerHistoryTest : public ServerTest {
 protected:
  ServerHistoryTest() {
    WriteStrategy(dir_.path(), StrategyWithPolicies());
    Start();
  }

  static v1::Interaction Happened(absl::Time time, const std::string& channel,
                                  const std::string& treatment, const std::string& outcome) {
    v1::Interaction interaction;
    *interaction.mutable_time() = ToProtoTime(time);
    interaction.set_channel(channel);
    interaction.set_treatment_id(treatment);
    interaction.set_outcome(outcome);
    return interaction;
  }
  static v1::CustomerServiceRecordInteractionsRequest Report(
      const std::string& customer_id, const std::vector<v1::Interaction>& interactions,
      const std::string& request_id = "") {
    v1::CustomerServiceRecordInteractionsRequest request;
    request.set_customer_id(customer_id);
    for (const v1::Interaction& interaction : interactions) {
      *request.add_interactions() = interaction;
    }
    request.set_request_id(request_id);
    return request;
  }
  // Records and expects that to work.
  v1::CustomerServiceRecordInteractionsResponse Record(
      const v1::CustomerServiceRecordInteractionsRequest& request) const {
    const auto answer = client().RecordInteractions(request);
    EXPECT_TRUE(answer.ok()) << answer.status.error_message();
    return answer.response;
  }
  static v1::CustomerServiceSetConsentRequest Says(const std::string& customer_id, bool granted,
                                                   const std::string& channel = "") {
    v1::CustomerServiceSetConsentRequest request;
    request.set_customer_id(customer_id);
    request.set_purpose("marketing");
    request.set_channel(channel);
    request.set_granted(granted);
    request.set_source("web form");
    return request;
  }
  // Says it and expects that to work.
  v1::CustomerServiceSetConsentResponse Say(
      const v1::CustomerServiceSetConsentRequest& request) const {
    const auto answer = client().SetConsent(request);
    EXPECT_TRUE(answer.ok()) << answer.status.error_message();
    return answer.response;
  }
  // Why the treatment is not in the ranking, "" when it is.
  std::string WhyNot(const std::string& customer_id, const std::string& channel,
                     const std::string& treatment) const {
    v1::DecideRequest request = DecideFor(customer_id, channel);
    request.set_explain(true);
    request.set_dry_run(true);
    request.add_treatment_ids(treatment);
    const v1::DecideResponse answer = Decide(request);
    for (const v1::RejectedTreatment& rejected : answer.rejected_treatments()) {
      if (rejected.treatment_id() == treatment) return rejected.reason();
    }
    return "";
  }
  static std::vector<std::string> Problems(const grpc::Status& status) {
    std::vector<std::string> problems;
    for (const FieldProblem& p : ProblemsOf(status)) {
      problems.push_back(absl::StrCat(p.field, " ", p.description));
    }
    return problems;
  }
};

TEST_F(ServerHistoryTest, ACapReachedOnTheIvrHoldsInTheAppInTheNextDecision) {
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "");
  Record(Report("ann", {Happened(Noon() - absl::Hours(1), "ivr", "accessory", "shown")}));
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "");
  Record(Report("ann", {Happened(Noon() - absl::Minutes(1), "ivr", "upgrade", "shown")}));
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "cap_reached");
  EXPECT_EQ(WhyNot("ann", "ivr", "accessory"), "cap_reached");
  EXPECT_EQ(WhyNot("ann", "app", "fast_callback"), "") << "the cap is on the offers";
  EXPECT_EQ(WhyNot("bob", "app", "accessory"), "") << "the history is ann's";
  clock_.Advance(absl::Hours(24 * 7) - absl::Hours(1) - absl::Milliseconds(1));
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "cap_reached");
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "") << "the first has left the window";
}

TEST_F(ServerHistoryTest, OtherOutcomesDontCount) {
  for (int i = 0; i < 5; ++i) {
    Record(Report("ann", {Happened(Noon() - absl::Minutes(i), "app", "accessory", "accepted")}));
  }
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "");
}

TEST_F(ServerHistoryTest, WhatIsDeclaredSoHappensWithoutATreatment) {
  const auto purchase = Happened(Noon() - absl::Hours(1), "ivr", "", "purchased");
  EXPECT_EQ(Record(Report("ann", {purchase})).recorded(), 1);
  EXPECT_EQ(Record(Report("ann", {purchase})).already_known(), 1);
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "too_soon");
  const auto shown = Get("ann").recent_interactions();
  ASSERT_EQ(shown.size(), 1);
  EXPECT_EQ(shown[0].treatment_id(), "");
  EXPECT_EQ(shown[0].outcome(), "purchased");

  const auto refused =
      client().RecordInteractions(Report("ann", {Happened(Noon(), "app", "", "shown")}));
  EXPECT_THAT(refused.status.error_message(), ::testing::HasSubstr("treatment_id is required"));
}

TEST_F(ServerHistoryTest, RepeatingIsHarmless) {
  const auto report = Report("ann", {Happened(Noon(), "app", "accessory", "shown"),
                                     Happened(Noon(), "app", "accessory", "shown")});
  const auto first = Record(report);
  EXPECT_EQ(first.recorded(), 1);
  EXPECT_EQ(first.already_known(), 1);
  const auto again = Record(report);
  EXPECT_EQ(again.recorded(), 0);
  EXPECT_EQ(again.already_known(), 2);
  EXPECT_EQ(again.version(), first.version());
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "") << "shown once";
}

TEST_F(ServerHistoryTest, WithARequestIdARetryIsAnsweredAsBefore) {
  auto report = Report("ann", {Happened(Noon(), "app", "accessory", "shown")}, "r1");
  report.mutable_interactions(0)->clear_time();
  const auto first = Record(report);
  clock_.Advance(absl::Seconds(3));
  const auto again = Record(report);
  EXPECT_EQ(Bytes(again), Bytes(first));
  Restart();
  EXPECT_EQ(Bytes(Record(report)), Bytes(first));
  EXPECT_THAT(Get("ann").recent_interactions(), SizeIs(1));
  report.mutable_interactions(0)->set_outcome("accepted");
  EXPECT_EQ(client().RecordInteractions(report).code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ServerHistoryTest, KeepsTheBoundsOfTheStrategy) {
  std::vector<v1::Interaction> interactions;
  for (int i = 0; i < 12; ++i) {
    interactions.push_back(Happened(Noon() - absl::Hours(i), "app", "fast_callback", "shown"));
  }
  const auto first = Record(Report("ann", interactions));
  EXPECT_EQ(first.recorded(), 10);
  EXPECT_EQ(first.too_old(), 2);
  const auto again = Record(Report("ann", interactions));
  EXPECT_EQ(again.already_known(), 10);
  EXPECT_EQ(again.too_old(), 2);
  EXPECT_EQ(again.version(), first.version());
}

TEST_F(ServerHistoryTest, ListsEveryViolationOfAReport) {
  auto bad = Happened(Noon() + absl::Minutes(6), "apq", "accesory", "showm");
  auto report = Report("", {bad, {}, Happened(Noon(), "app", "accessory", "decided")}, "a\nb");
  const auto answer = client().RecordInteractions(report);
  EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(
      Problems(answer.status),
      ElementsAre(
          "customer_id must not be empty",
          "request_id must not contain control characters (NUL, newline, tab, ...)",
          "interactions[0].time is further than 5m after the server's clock, which reads "
          "2026-03-01T12:00:00+00:00",
          "interactions[0].channel is \"apq\", which is no channel of the strategy; did you mean "
          "\"app\"?",
          "interactions[0].treatment_id is \"accesory\", which is no treatment of the strategy; "
          "did you mean \"accessory\"?",
          "interactions[0].outcome is \"showm\", which is no outcome of the strategy; did you mean "
          "\"shown\"?",
          "interactions[1].channel is required: one of the strategy's channels",
          "interactions[1].treatment_id is required: one of the strategy's treatments",
          "interactions[1].outcome is required: one of the strategy's outcomes",
          "interactions[2].outcome is \"decided\", which decisions record themselves; say what "
          "became of it"));
  EXPECT_THAT(FieldsOf(client().RecordInteractions(Report("ann", {})).status),
              ElementsAre("interactions"));
  EXPECT_THAT(FieldsOf(client()
                           .RecordInteractions(Report(
                               "ann", std::vector<v1::Interaction>(
                                          1001, Happened(Noon(), "app", "accessory", "shown"))))
                           .status),
              ElementsAre("interactions"));
  EXPECT_EQ(client().Get("ann").code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServerHistoryTest, WhatAnEarlierStrategyDeclaredIsKnown) {
  RestartWith(Replaced(StrategyWithPolicies(), "name: spring_sale", "name: autumn_sale"));
  EXPECT_EQ(Record(Report("ann", {Happened(Noon(), "app", "spring_sale", "shown")})).recorded(), 1);
  EXPECT_EQ(Get("ann").recent_interactions(0).treatment_id(), "spring_sale");
}

TEST_F(ServerHistoryTest, AWithdrawalHoldsFromTheNextDecisionOn) {
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "");
  const auto said = Say(Says("ann", false));
  EXPECT_TRUE(said.changed());
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "no_consent");
  EXPECT_EQ(WhyNot("ann", "ivr", "accessory"), "no_consent");
  EXPECT_EQ(WhyNot("ann", "app", "fast_callback"), "") << "needs no consent";
  clock_.Advance(absl::Seconds(1));
  Say(Says("ann", true, "ivr"));
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "no_consent");
  EXPECT_EQ(WhyNot("ann", "ivr", "accessory"), "");
  Restart();
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "no_consent");
  EXPECT_EQ(WhyNot("ann", "ivr", "accessory"), "");
}

TEST_F(ServerHistoryTest, AWithdrawalHoldsForFallbacks) {
  const std::string fallback =
      Replaced(Replaced(StrategyWithPolicies(), "  - name: accessory\n",
                        "  - name: accessory\n    only_as_fallback: true\n"),
               "arbitration:\n",
               "fallbacks:\n  - {treatment: accessory}\narbitration:\n"
               "  min_priority: 1000000\n");
  RestartWith(fallback);
  EXPECT_THAT(Ranking(Decide("ann", "app")), ElementsAre("accessory"));
  Say(Says("ann", false));
  EXPECT_THAT(Ranking(Decide("ann", "app")), IsEmpty());
}

TEST_F(ServerHistoryTest, SayingItAgainOrTooLateChangesNothing) {
  auto request = Says("ann", false);
  *request.mutable_time() = ToProtoTime(Noon() - absl::Hours(24 * 365));
  const auto first = Say(request);
  const auto again = Say(request);
  EXPECT_FALSE(again.changed());
  EXPECT_EQ(again.version(), first.version());
  auto earlier = Says("ann", true);
  *earlier.mutable_time() = ToProtoTime(Noon() - absl::Hours(24 * 366));
  EXPECT_FALSE(Say(earlier).changed());
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "no_consent");

  auto with_id = Says("ann", true);
  with_id.set_request_id("r1");
  EXPECT_TRUE(Say(with_id).changed());
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(Say(Says("ann", false)).changed());
  EXPECT_TRUE(Say(with_id).changed()) << "answered as before";
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "no_consent") << "and not said anew";
  with_id.set_granted(false);
  EXPECT_EQ(client().SetConsent(with_id).code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ServerHistoryTest, ListsEveryViolationOfAConsent) {
  v1::CustomerServiceSetConsentRequest request;
  request.set_purpose("marketin");
  request.set_channel("ap");
  *request.mutable_time() = ToProtoTime(Noon() + absl::Hours(1));
  const auto answer = client().SetConsent(request);
  EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(
      Problems(answer.status),
      ElementsAre("customer_id must not be empty",
                  "purpose is \"marketin\", which is no purpose of the strategy; did you mean "
                  "\"marketing\"?",
                  "channel is \"ap\", which is no channel of the strategy; did you mean \"app\"?",
                  "granted is required: true when the customer said yes, false for no",
                  "source must not be empty",
                  "time is further than 5m after the server's clock, which reads "
                  "2026-03-01T12:00:00+00:00"));
}

TEST_F(ServerHistoryTest, GetShowsConsentsAndWhatHappened) {
  Say(Says("ann", false));
  Say(Says("ann", true, "ivr"));
  Record(Report("ann", {Happened(Noon() - absl::Hours(1), "ivr", "upgrade", "shown")}));
  const std::string top = Ranking(Decide("ann", "app")).front();
  const auto held = Get("ann");
  ASSERT_THAT(held.consents(), SizeIs(2));
  EXPECT_EQ(held.consents(0).purpose(), "marketing");
  EXPECT_EQ(held.consents(0).channel(), "");
  EXPECT_FALSE(held.consents(0).granted());
  EXPECT_EQ(held.consents(0).source(), "web form");
  EXPECT_EQ(FromProtoTime(held.consents(0).time()), Noon());
  EXPECT_EQ(held.consents(1).channel(), "ivr");
  EXPECT_TRUE(held.consents(1).granted());
  ASSERT_THAT(held.recent_interactions(), SizeIs(2));
  EXPECT_EQ(Bytes(held.recent_interactions(0)),
            Bytes(Happened(Noon() - absl::Hours(1), "ivr", "upgrade", "shown")));
  EXPECT_EQ(Bytes(held.recent_interactions(1)), Bytes(Happened(Noon(), "app", top, "decided")));
  ASSERT_THAT(held.recent_decisions(), SizeIs(1));
  EXPECT_EQ(held.recent_decisions(0).treatment_id(), top);
  EXPECT_EQ(held.decision_count(), 1u);
}

TEST_F(ServerHistoryTest, EraseRemovesConsentsHistoryAndTheirEvents) {
  Say(Says("ann", false));
  Record(Report("ann", {Happened(Noon(), "ivr", "upgrade", "shown"),
                        Happened(Noon(), "app", "upgrade", "shown")}));
  Decide("ann", "app");
  const auto erased = client().Erase("ann");
  ASSERT_TRUE(erased.ok());
  EXPECT_EQ(erased.response.erased_events(), 3);
  EXPECT_EQ(client().Get("ann").code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "");
}

TEST_F(ServerHistoryTest, ABatchRecordsTheGoodRowsAndListsTheBadOnes) {
  const auto row = [](const std::string& id, const v1::Interaction& interaction) {
    v1::InteractionRow row;
    row.set_customer_id(id);
    *row.mutable_interaction() = interaction;
    return row;
  };
  v1::CustomerServiceBatchRecordInteractionsRequest first;
  *first.add_rows() = row("ann", Happened(Noon(), "app", "accessory", "shown"));
  *first.add_rows() = row("bob", Happened(Noon(), "app", "accessory", "shown"));
  *first.add_rows() = row("", Happened(Noon(), "app", "accessory", "shown"));
  *first.add_rows() = row("bob", Happened(Noon(), "app", "accesory", "shown"));
  *first.add_rows() = row("ann", Happened(Noon() - absl::Hours(1), "ivr", "upgrade", "shown"));
  v1::CustomerServiceBatchRecordInteractionsRequest second;
  *second.add_rows() = row("ann", Happened(Noon(), "app", "accessory", "shown"));
  auto without_time = Happened(Noon(), "app", "accessory", "shown");
  without_time.clear_time();
  *second.add_rows() = row("ann", without_time);
  *second.add_rows() =
      row("ann", Happened(Noon() - absl::Hours(24 * 400), "app", "accessory", "shown"));

  const auto answer = client().BatchRecordInteractions({first, second});
  ASSERT_TRUE(answer.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.response.received(), 8);
  EXPECT_EQ(answer.response.recorded(), 3);
  EXPECT_EQ(answer.response.already_known(), 1);
  EXPECT_EQ(answer.response.too_old(), 1);
  EXPECT_EQ(answer.response.rejected(), 3);
  std::vector<std::string> rejected;
  for (const v1::RejectedRow& r : answer.response.rejected_rows()) {
    rejected.push_back(absl::StrCat(r.row_index(), ": ", r.reason()));
  }
  EXPECT_THAT(rejected,
              ElementsAre("2: customer_id must not be empty",
                          "3: treatment_id is \"accesory\", which is no treatment of the strategy; "
                          "did you mean \"accessory\"?",
                          "6: time is required, so that repeating a batch is harmless"));
  EXPECT_EQ(WhyNot("ann", "app", "accessory"), "cap_reached");

  const auto version = Get("ann").version();
  const auto again = client().BatchRecordInteractions({first, second});
  EXPECT_EQ(again.response.recorded(), 0);
  EXPECT_EQ(again.response.already_known(), 4);
  EXPECT_EQ(Get("ann").version(), version);
}

TEST_F(ServerHistoryTest, AnImportIsAccountedForAndHarmlessWhenRepeated) {
  const std::string file = dir_.File("sent.csv");
  WriteFile(file,
            "who,at,offer,event\n"
            "ann,2026-03-01T10:00:00Z,accessory,shown\n"
            "ann,2026-03-01T11:00:00Z,upgrade,shown\n"
            "bob,2026-03-01T11:00:00Z,upgrade,accepted\n"
            "ann,2025-03-01T11:00:00Z,upgrade,shown\n"
            "ann,2026-03-01T11:00:00Z,upgrate,shown\n"
            "ann,yesterday,upgrade,shown\n"
            "bob,2026-02-20T11:00:00Z,,purchased\n"
            "bob,2026-02-20T11:00:00Z,,shown\n");
  const auto import = [&] {
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    ctl::Console console{in, out, err};
    const int status =
        ctl::RunCtl({"import", "interactions", "--csv", file, "--customer", "who", "--time", "at",
                     "--treatment", "offer", "--channel_value", "app", "--outcome", "event",
                     "--server", absl::StrCat("127.0.0.1:", server().port()), "--json"},
                    console);
    EXPECT_EQ(status, ctl::kExitRowsRejected) << err.str();
    EXPECT_THAT(err.str(), ::testing::HasSubstr("did you mean \"upgrade\"?"));
    return out.str();
  };
  std::string summary = import();
  for (const char* count : {"\"read\": 8", "\"recorded\": 4", "\"already_known\": 0",
                            "\"too_old\": 1", "\"rejected\": 3"}) {
    EXPECT_THAT(summary, ::testing::HasSubstr(count));
  }
  EXPECT_EQ(WhyNot("ann", "ivr", "accessory"), "cap_reached");
  summary = import();
  for (const char* count : {"\"recorded\": 0", "\"already_known\": 4"}) {
    EXPECT_THAT(summary, ::testing::HasSubstr(count));
  }
}

TEST_F(ServerHistoryTest, AMessageOfABatchIsBounded) {
  v1::CustomerServiceBatchRecordInteractionsRequest message;
  for (int i = 0; i < 10'001; ++i) message.add_rows();
  const auto answer = client().BatchRecordInteractions({message});
  EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(FieldsOf(answer.status), ElementsAre("rows"));
}

TEST_F(ServerHistoryTest, AReplayTakesAnyTimeOnceTheClockIsSet) {
  Stop();
  options_.replay_clock = true;
  Start();
  v1::Interaction interaction = Happened(Noon(), "app", "accessory", "shown");
  EXPECT_EQ(Record(Report("ann", {interaction})).recorded(), 1) << "far in the future of 1970";
  interaction.clear_time();
  EXPECT_THAT(FieldsOf(client().RecordInteractions(Report("ann", {interaction})).status),
              ElementsAre("interactions[0].time"));
  EXPECT_THAT(FieldsOf(client().SetConsent(Says("ann", true)).status), ElementsAre("time"));
  v1::DecideRequest decide = DecideFor("ann", "ivr");
  *decide.mutable_time() = ToProtoTime(Noon() + absl::Hours(1));
  Decide(decide);
  EXPECT_EQ(Record(Report("ann", {interaction})).recorded(), 1);
  EXPECT_EQ(FromProtoTime(Get("ann").recent_interactions(2).time()), Noon() + absl::Hours(1));
}

TEST_F(ServerHistoryTest, WhatManyReportAtOnceIsAllThere) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      EXPECT_EQ(Record(Report("ann", {Happened(Noon() - absl::Minutes(t), "app", "fast_callback",
                                               "shown")}))
                    .recorded(),
                1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(Get("ann").recent_interactions(), SizeIs(8));
}

}  // namespace
}  // namespace attune::service
