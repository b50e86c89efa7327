// Many callers at once on one customer: every acknowledged change is there, each once.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/mutex.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr int kThreads = 64;
constexpr int kConnections = 8;

class ServerConcurrencyTest : public ServerTest {
 protected:
  ServerConcurrencyTest() {
    options_.threads = 8;  // so that decisions do meet, on however few cores
    Start();
    Connect();
  }

  // To the server as it runs now.
  void Connect() {
    connections_.clear();
    for (int i = 0; i < kConnections; ++i) {
      connections_.push_back(std::make_unique<Client>(server().port()));
    }
  }

  // Runs `work(thread, client)` on 64 threads.
  template <typename Work>
  void OnManyThreads(Work work) {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back(
          [&, t] { work(t, *connections_[static_cast<size_t>(t % kConnections)]); });
    }
    for (std::thread& thread : threads) thread.join();
  }

  std::vector<std::unique_ptr<Client>> connections_;
};

TEST_F(ServerConcurrencyTest, EveryAcknowledgedDecisionIsCountedOnce) {
  constexpr int kDecisions = 25;
  std::atomic<uint64_t> acknowledged = 0;
  std::atomic<uint64_t> refused = 0;
  Mutex mutex;
  std::set<std::string> ids;
  OnManyThreads([&](int t, const Client& client) {
    for (int i = 0; i < kDecisions; ++i) {
      const auto answer = client.Decide(DecideFor("ann", t % 2 == 0 ? "app" : "ivr"));
      if (!answer.ok()) {
        EXPECT_EQ(answer.code(), grpc::StatusCode::ABORTED) << answer.status.error_message();
        ++refused;
        continue;
      }
      EXPECT_FALSE(answer.response.degraded());
      ++acknowledged;
      MutexLock lock(mutex);
      EXPECT_TRUE(ids.insert(answer.response.decision_id()).second) << "no id is given twice";
    }
  });
  const auto held = Get("ann");
  EXPECT_EQ(held.decision_count(), acknowledged);
  EXPECT_EQ(held.recent_decisions_size(), 64);
  std::printf("one customer, %d threads: acknowledged=%d refused=%d counted=%d\n", kThreads,
              static_cast<int>(acknowledged), static_cast<int>(refused),
              static_cast<int>(held.decision_count()));
}

TEST_F(ServerConcurrencyTest, ACapOfThreeHoldsOverAllChannelsWhenDecisionsMeet) {
  const char* const channels[] = {"app", "ivr", "web", "chat"};
  std::string strategy = Replaced(kSmallStrategy, "  - {name: ivr}\n",
                                  "  - {name: ivr}\n  - {name: web}\n  - {name: chat}\n");
  strategy = Replaced(strategy, "      ivr: {queue: fast}\n",
                      "      ivr: {queue: fast}\n"
                      "      web: {text: We call you back.}\n"
                      "      chat: {text: We call you back.}\n"
                      "    contact:\n"
                      "      - name: three_a_week\n"
                      "        cap: {at_most: 3, outcomes: [decided], window: 7d}\n");
  RestartWith(strategy);
  Connect();
  std::atomic<int> on_top = 0;
  OnManyThreads([&](int t, const Client& client) {
    // Somebody wins every conflict, so none of 64 loses too often.
    const auto answer = client.Decide(DecideFor("ann", channels[t % 4]));
    ASSERT_TRUE(answer.ok()) << answer.status.error_message();
    EXPECT_FALSE(answer.response.degraded());
    const std::vector<std::string> ranking = Ranking(answer.response);
    if (!ranking.empty() && ranking[0] == "fast_callback") ++on_top;
  });
  EXPECT_EQ(on_top, 3);
  EXPECT_EQ(Get("ann").decision_count(), static_cast<uint64_t>(kThreads));
  for (const char* const channel : channels) {
    EXPECT_THAT(Ranking(Decide("ann", channel)), Not(Contains("fast_callback"))) << channel;
  }
  clock_.Advance(absl::Hours(7 * 24));
  EXPECT_THAT(Ranking(Decide("ann", "chat")), ElementsAre("fast_callback")) << "it was the cap";
}

TEST_F(ServerConcurrencyTest, DecisionsAndWritesOfOneCustomerDontUndoEachOther) {
  constexpr int kRounds = 10;
  std::atomic<uint64_t> decisions = 0;
  OnManyThreads([&](int t, const Client& client) {
    // Each of the writers has a feature of its own.
    const char* const features[] = {"tenure_months", "monthly_charges", "income"};
    for (int i = 1; i <= kRounds; ++i) {
      if (t < 3) {
        const v1::Value value = t == 0 ? Int(i) : Double(i);
        EXPECT_TRUE(client.Upsert(UpsertOf("ann", {{features[t], value}})).ok());
      } else if (client.Decide(DecideFor("ann", "app")).ok()) {
        ++decisions;
      }
    }
  });
  const auto held = Get("ann");
  EXPECT_EQ(held.decision_count(), decisions);
  EXPECT_EQ(held.customer().features().at("tenure_months").int_value(), kRounds);
  EXPECT_EQ(held.customer().features().at("monthly_charges").double_value(), kRounds);
  EXPECT_EQ(held.customer().features().at("income").double_value(), kRounds);
}

TEST_F(ServerConcurrencyTest, RetriesThatMeetMakeOneDecision) {
  v1::DecideRequest request = DecideFor("ann", "app");
  request.set_request_id("once");
  Mutex mutex;
  std::set<std::string> answers;
  OnManyThreads([&](int, const Client& client) {
    const auto answer = client.Decide(request);
    EXPECT_TRUE(answer.ok()) << answer.status.error_message();
    MutexLock lock(mutex);
    answers.insert(Bytes(answer.response));
  });
  EXPECT_EQ(answers.size(), 1u);
  EXPECT_EQ(Get("ann").decision_count(), 1u);
}

TEST_F(ServerConcurrencyTest, BatchesThatMeetWriteEveryRow) {
  constexpr int kRows = 50;
  std::atomic<int64_t> created = 0;
  OnManyThreads([&](int t, const Client& client) {
    std::vector<std::pair<std::string, std::vector<v1::Value>>> rows;
    for (int i = 0; i < kRows; ++i) {
      // Each customer is written by four threads.
      rows.push_back({absl::StrCat("customer ", t / 4, "/", i), {Int(t)}});
    }
    const auto answer = client.BatchUpsert({RowsOf({"tenure_months"}, rows)});
    ASSERT_TRUE(answer.ok()) << answer.status.error_message();
    EXPECT_EQ(answer.response.rejected(), 0);
    created += answer.response.created();
  });
  EXPECT_EQ(created, kThreads / 4 * kRows);
}

}  // namespace
}  // namespace attune::service
