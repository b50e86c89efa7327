#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/integration/rpc/test_server.h"

namespace attune::rpc {
namespace {

using Request = v1::CustomerServiceBatchUpsertRequest;
using Response = v1::CustomerServiceBatchUpsertResponse;
using v1::DecideRequest;
using v1::DecideResponse;

bool OnExecutor() {
  char name[16];
  pthread_getname_np(pthread_self(), name, sizeof name);
  return absl::StartsWith(name, "rpc-exec-");
}

// What the streams of a test have in common.
struct Shared {
  std::atomic<bool> left_executor = false;
  std::atomic<int> destroyed = 0;
  std::function<RpcStatus(const Request&)> on_message;
};

// Counts rows and checks that messages come in order: the first row's id is the message's number.
class CountingStream final : public ClientStreamOf<Request, Response> {
 public:
  explicit CountingStream(Shared& shared) : shared_(shared) { CheckThread(); }
  ~CountingStream() override {
    CheckThread();
    ++shared_.destroyed;
  }

  RpcStatus OnMessage(CallContext&, const Request& request) override {
    CheckThread();
    if (shared_.on_message != nullptr) {
      if (RpcStatus status = shared_.on_message(request); !status.ok()) return status;
    }
    if (request.rows(0).customer_id() != absl::StrCat(messages_)) {
      return absl::InternalError("out of order");
    }
    ++messages_;
    rows_ += request.rows_size();
    return {};
  }
  RpcStatus OnDone(CallContext&, ReplyOf<Response> reply) override {
    CheckThread();
    reply.message().set_received(rows_);
    return {};
  }

 private:
  void CheckThread() {
    if (!OnExecutor()) shared_.left_executor = true;
  }

  Shared& shared_;
  int messages_ = 0;
  int64_t rows_ = 0;
};

class ClientStreamTest : public ::testing::Test {
 protected:
  void StartWith(RpcServerOptions options) {
    test_server_ = std::make_unique<TestServer>(std::move(options));
    test_server_->server().AddClientStream<Request, Response>(
        kBatchUpsert, [this](CallContext&) { return std::make_unique<CountingStream>(shared_); });
    test_server_->server().AddUnary<DecideRequest, DecideResponse>(
        kDecide,
        [](CallContext&, const DecideRequest&, ReplyOf<DecideResponse>) { return RpcStatus(); });
    test_server_->Start();
    stub_ = test_server_->NewCustomerStub();
  }
  static Request Message(int number, int rows) {
    Request request;
    for (int i = 0; i < rows; ++i) request.add_rows()->set_customer_id(absl::StrCat(number));
    return request;
  }
  grpc::Status Send(int messages, int rows) {
    grpc::ClientContext context;
    const auto stream = stub_->BatchUpsert(&context, &response_);
    for (int i = 0; i < messages && stream->Write(Message(i, rows)); ++i) {
    }
    stream->WritesDone();
    return stream->Finish();
  }
  int handled(absl::StatusCode code) const {
    return test_server_->observer().handled("BatchUpsert", code);
  }

  Shared shared_;
  std::unique_ptr<TestServer> test_server_;
  std::unique_ptr<v1::CustomerService::Stub> stub_;
  Response response_;
};

TEST_F(ClientStreamTest, HandsMessagesOverInOrderOnTheExecutor) {
  StartWith({});
  ASSERT_TRUE(Send(500, 20).ok());
  EXPECT_EQ(response_.received(), 10'000);
  EXPECT_FALSE(shared_.left_executor);
  EXPECT_EQ(shared_.destroyed, 1);
  EXPECT_EQ(handled(absl::StatusCode::kOk), 1);
}

TEST_F(ClientStreamTest, AStreamWithoutMessagesIsAnswered) {
  StartWith({});
  ASSERT_TRUE(Send(0, 0).ok());
  EXPECT_EQ(response_.received(), 0);
}

TEST_F(ClientStreamTest, ServesManyStreamsAtOnce) {
  StartWith({});
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] {
      const auto stub = test_server_->NewCustomerStub();
      grpc::ClientContext context;
      Response response;
      const auto stream = stub->BatchUpsert(&context, &response);
      for (int m = 0; m < 100; ++m) EXPECT_TRUE(stream->Write(Message(m, 3)));
      stream->WritesDone();
      EXPECT_TRUE(stream->Finish().ok());
      EXPECT_EQ(response.received(), 300);
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_FALSE(shared_.left_executor);
}

TEST_F(ClientStreamTest, AnErrorEndsTheCall) {
  shared_.on_message = [](const Request& request) -> RpcStatus {
    if (request.rows(0).customer_id() == "3") return absl::FailedPreconditionError("three");
    return {};
  };
  StartWith({});
  EXPECT_EQ(Send(1000, 100).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(shared_.destroyed, 1);
}

TEST_F(ClientStreamTest, AnExceptionIsAnInternalError) {
  shared_.on_message = [](const Request&) -> RpcStatus { throw std::runtime_error("secret"); };
  StartWith({});
  EXPECT_EQ(Send(1, 1).error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(test_server_->observer().exceptions(), std::vector<std::string>{"secret"});
}

TEST_F(ClientStreamTest, AMalformedMessageEndsTheCall) {
  StartWith({});
  EXPECT_EQ(CallWithBytes(test_server_->NewChannel(), kBatchUpsert, "\xFF\xFF").error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(test_server_->observer().malformed("BatchUpsert"), 1);
}

TEST_F(ClientStreamTest, ReadsTheNextMessageOnlyWhenTheFormerIsHandled) {
  Gate entered, leave;
  std::atomic<int> messages = 0;
  shared_.on_message = [&](const Request&) {
    if (++messages == 1) {
      entered.Open();
      leave.Wait();
    }
    return RpcStatus();
  };
  StartWith({});
  grpc::Status status;
  std::atomic<int> written = 0;
  std::thread client([&] {
    grpc::ClientContext context;
    const auto stream = stub_->BatchUpsert(&context, &response_);
    for (; written < 200; ++written) {
      Request request = Message(written, 1);
      request.add_feature_names(std::string(100'000, 'x'));
      if (!stream->Write(request)) break;
    }
    stream->WritesDone();
    status = stream->Finish();
  });
  entered.Wait();
  // Meanwhile other calls are answered, and the client is held back: 20 MB don't fit on the way.
  const auto decisions = test_server_->NewDecisionStub();
  for (int i = 0; i < 200; ++i) {
    grpc::ClientContext context;
    DecideResponse response;
    EXPECT_TRUE(decisions->Decide(&context, {}, &response).ok());
  }
  EXPECT_EQ(messages, 1);
  EXPECT_LT(written, 200);
  leave.Open();
  client.join();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response_.received(), 200);
}

TEST_F(ClientStreamTest, LetsGoOfAStreamWhoseClientIsGone) {
  StartWith({});
  grpc::ClientContext context;
  const auto stream = stub_->BatchUpsert(&context, &response_);
  ASSERT_TRUE(stream->Write(Message(0, 1)));
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  test_server_->server().Drain(absl::Now() + absl::Seconds(10));
  EXPECT_FALSE(shared_.left_executor);
  // The cancellation may have overtaken the message; then there never was a stream.
  EXPECT_LE(shared_.destroyed, 1);
}

TEST_F(ClientStreamTest, RefusesMoreStreamsThanAllowed) {
  RpcServerOptions options;
  options.max_client_streams = 1;
  Gate entered, leave;
  shared_.on_message = [&](const Request&) {
    entered.Open();
    leave.Wait();
    return RpcStatus();
  };
  StartWith(options);
  grpc::ClientContext context;
  Response response;
  const auto stream = stub_->BatchUpsert(&context, &response);
  ASSERT_TRUE(stream->Write(Message(0, 1)));
  entered.Wait();
  EXPECT_EQ(Send(1, 1).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  leave.Open();
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

}  // namespace
}  // namespace attune::rpc
