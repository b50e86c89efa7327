// Treatments and groups that people switch off and on again while the server decides.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

v1::StrategyServiceSetStopRequest Treatment(const std::string& name, bool stopped) {
  v1::StrategyServiceSetStopRequest request;
  request.set_treatment_id(name);
  request.set_stopped(stopped);
  request.set_by("ann");
  request.set_because("The price is wrong.");
  return request;
}

v1::StrategyServiceSetStopRequest Group(const std::string& name, bool stopped) {
  v1::StrategyServiceSetStopRequest request = Treatment("", stopped);
  request.set_group(name);
  return request;
}

class ServerStopTest : public ServerTest {
 protected:
  ServerStopTest() { Start(); }

  // Switches and expects that to work; whether something changed.
  bool Set(const v1::StrategyServiceSetStopRequest& request) const {
    const auto answer = client().SetStop(request);
    EXPECT_TRUE(answer.ok()) << answer.status.error_message();
    return answer.response.changed();
  }
  // "accessory: candidates/stopped" of all that is stopped.
  std::vector<std::string> Stopped(const std::string& channel) const {
    auto request = DecideFor("ann", channel, "browse_plans");
    request.set_explain(true);
    request.set_dry_run(true);
    std::vector<std::string> stopped;
    const v1::DecideResponse answer = Decide(request);
    for (const v1::RejectedTreatment& rejected : answer.rejected_treatments()) {
      if (rejected.reason() != "stopped") continue;
      EXPECT_EQ(rejected.stage(), "candidates");
      stopped.push_back(absl::StrCat(rejected.treatment_id(), " ", rejected.detail()));
    }
    return stopped;
  }
  v1::StrategyServiceListStopsResponse Stops(int page_size = 0,
                                             const std::string& token = "") const {
    v1::StrategyServiceListStopsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    v1::StrategyServiceListStopsResponse response;
    grpc::ClientContext context;
    SetDeadline(context);
    EXPECT_TRUE(client().strategies().ListStops(&context, request, &response).ok());
    return response;
  }
  v1::StrategyServiceListStopChangesResponse Changes(int page_size = 0,
                                                     const std::string& token = "") const {
    v1::StrategyServiceListStopChangesRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    v1::StrategyServiceListStopChangesResponse response;
    grpc::ClientContext context;
    SetDeadline(context);
    EXPECT_TRUE(client().strategies().ListStopChanges(&context, request, &response).ok());
    return response;
  }
};

TEST_F(ServerStopTest, AStoppedTreatmentIsNotInTheNextDecision) {
  EXPECT_THAT(Stopped("app"), IsEmpty());
  EXPECT_TRUE(Set(Treatment("accessory", true)));
  EXPECT_THAT(Stopped("app"),
              ElementsAre("accessory is stopped by ann since 2026-03-01T12:00:00+00:00: The price "
                          "is wrong."));
  EXPECT_THAT(Stopped("ivr"), SizeIs(1)) << "on every channel";
  EXPECT_FALSE(Set(Treatment("accessory", true))) << "it is so already";
  EXPECT_TRUE(Set(Treatment("accessory", false)));
  EXPECT_THAT(Stopped("app"), IsEmpty());
}

TEST_F(ServerStopTest, TheServiceReportsItsHealth) {
  EXPECT_EQ(client().Health("attune.v1.StrategyService"), "SERVING");
}

TEST_F(ServerStopTest, AGroupIsStoppedAsAWhole) {
  EXPECT_TRUE(Set(Group("offer", true)));
  EXPECT_THAT(Stopped("app"), SizeIs(3));
  const auto counts = Counts(Decide("bob", "app"));
  EXPECT_THAT(counts, Contains("candidates/stopped=3"));
}

TEST_F(ServerStopTest, FallbacksObeyIt) {
  RestartWith(
      Replaced(Replaced(kSmallStrategy, "  - name: accessory\n",
                        "  - name: accessory\n    only_as_fallback: true\n"),
               "arbitration:\n",
               "fallbacks:\n  - {treatment: accessory}\narbitration:\n  min_priority: 1000000\n"));
  EXPECT_THAT(Ranking(Decide("ann", "app")), ElementsAre("accessory"));
  Set(Treatment("accessory", true));
  EXPECT_THAT(Ranking(Decide("ann", "app")), IsEmpty());
}

TEST_F(ServerStopTest, OutlivesARestartAndStrategiesWithoutTheName) {
  Set(Treatment("accessory", true));
  Set(Group("offer", true));
  Set(Group("offer", false));
  Restart();
  EXPECT_THAT(Stopped("app"), SizeIs(1));
  const std::string other = Replaced(kSmallStrategy, "name: accessory", "name: cable");
  RestartWith(other);
  EXPECT_THAT(Stopped("app"), IsEmpty());
  ASSERT_THAT(Stops().stops(), SizeIs(1));
  EXPECT_EQ(Stops().stops(0).treatment_id(), "accessory");
  EXPECT_FALSE(Stops().stops(0).in_force());
  EXPECT_EQ(client().SetStop(Treatment("accessory", true)).code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  RestartWith(kSmallStrategy);
  EXPECT_THAT(Stopped("app"), SizeIs(1)) << "it holds again when the name comes back";
  RestartWith(other);
  EXPECT_TRUE(Set(Treatment("accessory", false))) << "what is gone can be lifted";
  EXPECT_THAT(Stops().stops(), IsEmpty());
}

TEST_F(ServerStopTest, ListsWhatIsStoppedAndHowThatCame) {
  Set(Treatment("accessory", true));
  clock_.Advance(absl::Minutes(1));
  Set(Group("care", true));
  clock_.Advance(absl::Minutes(1));
  auto lift = Treatment("accessory", false);
  lift.set_by("bob");
  lift.set_because("Mended.");
  Set(lift);
  Set(Treatment("upgrade", true));

  const auto first = Stops(1);
  ASSERT_THAT(first.stops(), SizeIs(1));
  EXPECT_EQ(first.stops(0).treatment_id(), "upgrade") << "newest first";
  EXPECT_EQ(first.total_size(), 2);
  const auto second = Stops(1, first.next_page_token());
  ASSERT_THAT(second.stops(), SizeIs(1));
  EXPECT_EQ(second.stops(0).group(), "care");
  EXPECT_EQ(FromProtoTime(second.stops(0).time()), Noon() + absl::Minutes(1));
  EXPECT_TRUE(second.stops(0).in_force());
  EXPECT_EQ(second.next_page_token(), "");

  std::vector<std::string> changes;
  std::string token;
  do {
    const auto page = Changes(3, token);
    for (const v1::StopChange& change : page.changes()) {
      changes.push_back(absl::StrCat(change.group(), change.treatment_id(),
                                     change.stopped() ? " stopped" : " lifted", " by ", change.by(),
                                     ": ", change.because()));
    }
    token = page.next_page_token();
  } while (!token.empty());
  EXPECT_THAT(changes, ElementsAre("upgrade stopped by ann: The price is wrong.",
                                   "accessory lifted by bob: Mended.",
                                   "care stopped by ann: The price is wrong.",
                                   "accessory stopped by ann: The price is wrong."));
}

TEST_F(ServerStopTest, ListsEveryViolation) {
  v1::StrategyServiceSetStopRequest request;
  request.set_group("offr");
  request.set_because(std::string(257, 'x'));
  request.set_request_id("a\nb");
  const auto answer = client().SetStop(request);
  EXPECT_EQ(answer.code(), grpc::StatusCode::INVALID_ARGUMENT);
  std::vector<std::string> problems;
  for (const FieldProblem& p : ProblemsOf(answer.status)) {
    problems.push_back(absl::StrCat(p.field, " ", p.description));
  }
  EXPECT_THAT(
      problems,
      ElementsAre("group is \"offr\", which is no group of the strategy; did you mean \"offer\"?",
                  "stopped is required: true to stop, false to lift the stop",
                  "by must not be empty", "because has 257 bytes; at most 256 are allowed",
                  "request_id must not contain control characters (NUL, newline, tab, ...)"));
  EXPECT_THAT(FieldsOf(client().SetStop({}).status), Contains("target"));
}

TEST_F(ServerStopTest, ARetryDoesNotStopAgainWhatWasLifted) {
  auto request = Treatment("accessory", true);
  request.set_request_id("r1");
  EXPECT_TRUE(Set(request));
  EXPECT_TRUE(Set(Treatment("accessory", false)));
  EXPECT_TRUE(Set(request)) << "answered as before";
  EXPECT_THAT(Stopped("app"), IsEmpty());
  request.set_treatment_id("upgrade");
  EXPECT_EQ(client().SetStop(request).code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ServerStopTest, NoDecisionThatBeganLaterHasIt) {
  std::atomic<int> begun{0};
  std::atomic<bool> acknowledged{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const Client own(server().port());
      for (int after = 0; after < 20;) {
        const bool later = acknowledged;
        const auto answer = own.Decide(DecideFor(absl::StrCat("customer ", t), "app"));
        ASSERT_TRUE(answer.ok());
        ++begun;
        if (!later) continue;
        EXPECT_THAT(Ranking(answer.response), Not(Contains("fast_callback")));
        ++after;
      }
    });
  }
  while (begun < 20) std::this_thread::yield();
  Set(Treatment("fast_callback", true));
  acknowledged = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace attune::service
