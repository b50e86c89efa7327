// A drain loses no call that was taken, and none at all when clients look at health.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

class ServerDrainTest : public ServerTest {
 protected:
  // Returns when health says NOT_SERVING, or the server is gone.
  void WaitUntilNotServing() const {
    while (client().Health() == "SERVING") std::this_thread::yield();
  }
};

TEST_F(ServerDrainTest, LosesNoCallOfClientsThatLookAtHealth) {
  constexpr size_t kThreads = 8;
  options_.drain_delay = absl::Seconds(2);
  Start();
  std::atomic<bool> serving = true;
  std::atomic<int> answered = 0;
  std::vector<int> decided(kThreads, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const Client own(server().port());
      while (serving) {
        const auto answer = own.Decide(DecideFor(absl::StrCat("customer ", t), "app"));
        ASSERT_TRUE(answer.ok()) << answer.status.error_message();
        ++decided[t];
        ++answered;
      }
    });
  }
  while (answered < 200) std::this_thread::yield();
  std::thread drain([this] { EXPECT_TRUE(server().Drain().ok()); });
  WaitUntilNotServing();
  const int at_the_turn = answered;
  // Still served: health tells first.
  while (answered < at_the_turn + 20) std::this_thread::yield();
  EXPECT_EQ(client().Health("attune.v1.DecisionService"), "NOT_SERVING");
  serving = false;
  for (std::thread& thread : threads) thread.join();
  drain.join();
  EXPECT_EQ(client().Decide(DecideFor("ann", "app")).code(), grpc::StatusCode::UNAVAILABLE);
  Restart();
  int total = 0;
  for (size_t t = 0; t < kThreads; ++t) {
    EXPECT_EQ(Get(absl::StrCat("customer ", t)).decision_count(), decided[t]);
    total += decided[t];
  }
  std::printf("drain: answered=%d lost=0\n", total);
}

TEST_F(ServerDrainTest, WithoutADelayEveryCallIsAnsweredOrRefusedAsAWhole) {
  constexpr size_t kThreads = 8;
  Start();
  std::atomic<int> answered = 0;
  std::vector<int> decided(kThreads, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const Client own(server().port());
      for (;;) {
        const auto answer = own.Decide(DecideFor(absl::StrCat("customer ", t), "app"));
        if (!answer.ok()) {
          EXPECT_TRUE(answer.code() == grpc::StatusCode::UNAVAILABLE ||
                      answer.code() == grpc::StatusCode::CANCELLED)
              << answer.status.error_code() << answer.status.error_message();
          return;
        }
        ++decided[t];
        ++answered;
      }
    });
  }
  while (answered < 200) std::this_thread::yield();
  EXPECT_TRUE(server().Drain().ok());
  for (std::thread& thread : threads) thread.join();
  Restart();
  for (size_t t = 0; t < kThreads; ++t) {
    // The answer of the last call may have been lost on its way, never one that arrived.
    const auto count = static_cast<int>(Get(absl::StrCat("customer ", t)).decision_count());
    EXPECT_GE(count, decided[t]);
    EXPECT_LE(count, decided[t] + 1);
  }
}

TEST_F(ServerDrainTest, ABatchInFlightIsFinished) {
  Start();
  grpc::ClientContext context;
  SetDeadline(context);
  v1::CustomerServiceBatchUpsertResponse response;
  const auto stream = client().customers().BatchUpsert(&context, &response);
  ASSERT_TRUE(stream->Write(RowsOf({"tenure_months"}, {{"ann", {Int(1)}}})));
  // The stream has arrived when its row has.
  while (!client().Get("ann").ok()) std::this_thread::yield();
  std::thread drain([this] { EXPECT_TRUE(server().Drain().ok()); });
  WaitUntilNotServing();
  EXPECT_TRUE(stream->Write(RowsOf({}, {{"bob", {Int(2)}}})));
  EXPECT_TRUE(stream->WritesDone());
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.created(), 2);
  drain.join();
  Restart();
  EXPECT_EQ(Get("bob").customer().features().at("tenure_months").int_value(), 2);
}

TEST_F(ServerDrainTest, AStreamOfDecisionsIsEndedAfterItsLastAnswer) {
  options_.drain_timeout = absl::Milliseconds(500);
  Start();
  grpc::ClientContext context;
  SetDeadline(context);
  const auto stream = client().decisions().DecideStream(&context);
  v1::DecideStreamRequest request;
  *request.mutable_decide() = DecideFor("ann", "app");
  v1::DecideStreamResponse response;
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  std::thread drain([this] { EXPECT_TRUE(server().Drain().ok()); });
  EXPECT_FALSE(stream->Read(&response)) << "ended by the server, the client has not half-closed";
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  drain.join();
  Restart();
  EXPECT_EQ(Get("ann").decision_count(), 1u);
}

TEST_F(ServerDrainTest, ACallThatNeverEndsIsCutOffAtTheTimeout) {
  options_.drain_timeout = absl::Milliseconds(200);
  Start();
  grpc::ClientContext context;
  SetDeadline(context);
  v1::CustomerServiceBatchUpsertResponse response;
  const auto stream = client().customers().BatchUpsert(&context, &response);
  ASSERT_TRUE(stream->Write(RowsOf({"tenure_months"}, {{"ann", {Int(1)}}})));
  while (!client().Get("ann").ok()) std::this_thread::yield();
  EXPECT_TRUE(server().Drain().ok());
  EXPECT_FALSE(stream->Finish().ok());
  Restart();
  EXPECT_EQ(Get("ann").customer().features().at("tenure_months").int_value(), 1);
}

TEST_F(ServerDrainTest, MayBeAskedForAgain) {
  Start();
  EXPECT_TRUE(server().Drain().ok());
  EXPECT_TRUE(server().Drain().ok());
}

}  // namespace
}  // namespace attune::service
