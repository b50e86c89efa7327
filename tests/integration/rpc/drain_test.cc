#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/integration/rpc/test_server.h"

namespace attune::rpc {
namespace {

using v1::CustomerServiceUpsertRequest;
using v1::CustomerServiceUpsertResponse;
using v1::DecideRequest;
using v1::DecideResponse;
using v1::DecideStreamRequest;
using v1::DecideStreamResponse;

class DrainTest : public ::testing::Test {
 protected:
  // `upsert` runs on the executor.
  void StartWith(std::function<RpcStatus(CallContext&)> upsert = nullptr) {
    RpcServer& server = test_server_.server();
    server.AddUnary<DecideRequest, DecideResponse>(
        kDecide, [this](CallContext&, const DecideRequest&, ReplyOf<DecideResponse>) {
          ++decided_;
          return RpcStatus();
        });
    server.AddBidiStream<DecideStreamRequest, DecideStreamResponse>(
        kDecideStream,
        [](CallContext&, const DecideStreamRequest& request, ReplyOf<DecideStreamResponse> reply) {
          reply.message().set_correlation_id(request.correlation_id());
          return RpcStatus();
        });
    server.AddBlockingUnary<CustomerServiceUpsertRequest, CustomerServiceUpsertResponse>(
        kUpsert, [upsert](CallContext& context, const CustomerServiceUpsertRequest&,
                          ReplyOf<CustomerServiceUpsertResponse>) { return upsert(context); });
    test_server_.Start();
  }
  grpc::Status Upsert() {
    grpc::ClientContext context;
    CustomerServiceUpsertResponse response;
    return test_server_.NewCustomerStub()->Upsert(&context, {}, &response);
  }

  std::atomic<int> decided_ = 0;
  TestServer test_server_;
};

TEST_F(DrainTest, UnderLoadEveryCallThatWasHandledIsAnswered) {
  StartWith();
  std::atomic<int> answered = 0;
  std::atomic<int> other_errors = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      const auto stub = test_server_.NewDecisionStub();
      for (;;) {
        grpc::ClientContext context;
        DecideResponse response;
        const grpc::Status status = stub->Decide(&context, {}, &response);
        if (status.ok()) {
          ++answered;
          continue;
        }
        const bool expected = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                              status.error_code() == grpc::StatusCode::CANCELLED;
        if (!expected) ++other_errors;
        return;
      }
    });
  }
  while (answered < 500) std::this_thread::yield();
  test_server_.server().Drain(absl::Now() + absl::Seconds(30));
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, decided_);
  EXPECT_EQ(other_errors, 0);
}

TEST_F(DrainTest, WaitsForCallsInFlight) {
  Gate entered, leave;
  StartWith([&](CallContext&) {
    entered.Open();
    leave.Wait();
    return RpcStatus();
  });
  std::thread caller([&] { EXPECT_TRUE(Upsert().ok()); });
  entered.Wait();
  std::atomic<bool> drained = false;
  std::thread drain([&] {
    test_server_.server().Drain(absl::Now() + absl::Seconds(60));
    drained = true;
  });
  // New calls are refused now, sooner or later, while the old one is still at work.
  while (true) {
    grpc::ClientContext context;
    DecideResponse response;
    if (!test_server_.NewDecisionStub()->Decide(&context, {}, &response).ok()) break;
  }
  EXPECT_FALSE(drained);
  leave.Open();
  drain.join();
  caller.join();
}

TEST_F(DrainTest, CancelsWhatIsNotReadyAtTheDeadline) {
  Gate entered;
  std::atomic<bool> saw_cancellation = false;
  StartWith([&](CallContext& context) {
    entered.Open();
    while (!context.cancelled()) std::this_thread::yield();
    saw_cancellation = true;
    return RpcStatus();
  });
  std::thread caller([&] { EXPECT_FALSE(Upsert().ok()); });
  entered.Wait();
  test_server_.server().Drain(absl::Now() + absl::Milliseconds(50));
  EXPECT_TRUE(saw_cancellation) << "the handler must be over when Drain returns";
  caller.join();
}

TEST_F(DrainTest, EndsStreamsThatTheirClientsKeepOpen) {
  StartWith();
  const auto stub = test_server_.NewDecisionStub();
  grpc::ClientContext context;
  const auto stream = stub->DecideStream(&context);
  DecideStreamRequest request;
  DecideStreamResponse response;
  for (int i = 0; i < 100; ++i) {
    request.set_correlation_id(absl::StrCat(i));
    ASSERT_TRUE(stream->Write(request));
  }
  ASSERT_TRUE(stream->Read(&response)) << "the stream has been taken";
  test_server_.server().Drain(absl::Now() + absl::Seconds(4));
  int answered = 1;
  while (stream->Read(&response)) {
    EXPECT_EQ(response.correlation_id(), absl::StrCat(answered++));
  }
  EXPECT_EQ(answered, 100);
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(DrainTest, HappensOnceHoweverOftenItIsAskedFor) {
  StartWith();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { test_server_.server().Drain(absl::Now() + absl::Seconds(5)); });
  }
  for (std::thread& thread : threads) thread.join();
  test_server_.server().Drain(absl::InfinitePast());
  test_server_.server().SetServing("", true);
  EXPECT_EQ(test_server_.server().Start().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DrainTest, AServerThatNeverStartedHasNothingToDrain) {
  test_server_.server().Drain(absl::InfiniteFuture());
}

TEST(StartTest, ASecondServerOnTheSamePortIsRefused) {
  TestServer first;
  first.Start();
  RpcServerOptions options;
  options.listen_address = absl::StrCat("127.0.0.1:", first.port());
  RpcServer second(options);
  const absl::StatusOr<int> port = second.Start();
  EXPECT_EQ(port.status().code(), absl::StatusCode::kUnavailable) << port.status();
  EXPECT_EQ(second.Start().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(StartTest, AnAddressThatIsNoneIsRefused) {
  RpcServerOptions options;
  options.listen_address = "nonsense";
  EXPECT_EQ(RpcServer(options).Start().status().code(), absl::StatusCode::kUnavailable);
}

TEST(StartTest, ServesWithSeveralQueues) {
  RpcServerOptions options;
  options.completion_queues = 3;
  TestServer server(options);
  std::atomic<int> decided = 0;
  server.server().AddUnary<DecideRequest, DecideResponse>(
      kDecide, [&](CallContext&, const DecideRequest&, ReplyOf<DecideResponse>) {
        ++decided;
        return RpcStatus();
      });
  server.Start();
  std::vector<std::thread> clients;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back([&] {
      const auto stub = server.NewDecisionStub();
      for (int k = 0; k < 100; ++k) {
        grpc::ClientContext context;
        DecideResponse response;
        EXPECT_TRUE(stub->Decide(&context, {}, &response).ok());
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(decided, 600);
}

}  // namespace
}  // namespace attune::rpc
