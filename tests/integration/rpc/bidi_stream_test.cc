#include <algorithm>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/integration/rpc/test_server.h"

namespace attune::rpc {
namespace {

using v1::DecideRequest;
using v1::DecideResponse;
using v1::DecideStreamRequest;
using v1::DecideStreamResponse;

using Stream = grpc::ClientReaderWriter<DecideStreamRequest, DecideStreamResponse>;

RpcStatus EchoIds(CallContext&, const DecideStreamRequest& request,
                  ReplyOf<DecideStreamResponse> reply) {
  reply.message().set_correlation_id(request.correlation_id());
  reply.message().mutable_decide()->set_decision_id(request.decide().customer_id());
  return {};
}

class BidiStreamTest : public ::testing::Test {
 protected:
  void StartWith(RpcServerOptions options,
                 MessageHandlerOf<DecideStreamRequest, DecideStreamResponse> handler,
                 bool is_blocking = false) {
    test_server_ = std::make_unique<TestServer>(std::move(options));
    RpcServer& server = test_server_->server();
    if (is_blocking) {
      server.AddBlockingBidiStream<DecideStreamRequest, DecideStreamResponse>(kDecideStream,
                                                                              std::move(handler));
    } else {
      server.AddBidiStream<DecideStreamRequest, DecideStreamResponse>(kDecideStream,
                                                                      std::move(handler));
    }
    test_server_->server().AddUnary<DecideRequest, DecideResponse>(
        kDecide,
        [](CallContext&, const DecideRequest&, ReplyOf<DecideResponse>) { return RpcStatus(); });
    test_server_->Start();
    stub_ = test_server_->NewDecisionStub();
  }
  static DecideStreamRequest Request(int id) {
    DecideStreamRequest request;
    request.set_correlation_id(absl::StrCat("message-", id));
    request.mutable_decide()->set_customer_id(absl::StrCat("customer-", id));
    return request;
  }
  int handled(absl::StatusCode code) const {
    return test_server_->observer().handled("DecideStream", code);
  }

  std::unique_ptr<TestServer> test_server_;
  std::unique_ptr<v1::DecisionService::Stub> stub_;
};

// Sends `count` messages on one stream while it reads, and checks that each is answered, in order.
void Converse(v1::DecisionService::Stub& stub, int count,
              const std::function<DecideStreamRequest(int)>& request) {
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = stub.DecideStream(&context);
  std::thread writer([&] {
    for (int i = 0; i < count; ++i) EXPECT_TRUE(stream->Write(request(i)));
    stream->WritesDone();
  });
  DecideStreamResponse response;
  int answered = 0;
  while (stream->Read(&response)) {
    EXPECT_EQ(response.correlation_id(), absl::StrCat("message-", answered));
    EXPECT_EQ(response.decide().decision_id(), absl::StrCat("customer-", answered));
    ++answered;
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(answered, count);
}

TEST_F(BidiStreamTest, AnswersTenThousandMessages) {
  StartWith({}, EchoIds);
  Converse(*stub_, 10'000, Request);
  EXPECT_EQ(handled(absl::StatusCode::kOk), 1);
}

TEST_F(BidiStreamTest, AnswersOnTheExecutorInOrder) {
  StartWith({}, EchoIds, /*is_blocking=*/true);
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] { Converse(*stub_, 500, Request); });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(handled(absl::StatusCode::kOk), 16);
}

TEST_F(BidiStreamTest, AHandlerThatWaitsHoldsUpNobody) {
  Gate gate;
  RpcServerOptions options;
  options.completion_queues = 1;
  StartWith(
      options,
      [&](CallContext& call, const DecideStreamRequest& request,
          ReplyOf<DecideStreamResponse> reply) {
        gate.Wait();
        return EchoIds(call, request, reply);
      },
      /*is_blocking=*/true);
  grpc::ClientContext stream_context;
  const std::unique_ptr<Stream> stream = stub_->DecideStream(&stream_context);
  ASSERT_TRUE(stream->Write(Request(1)));
  stream->WritesDone();
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  DecideResponse decided;
  EXPECT_TRUE(stub_->Decide(&context, DecideRequest(), &decided).ok());
  gate.Open();
  DecideStreamResponse response;
  EXPECT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.correlation_id(), "message-1");
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(BidiStreamTest, AnErrorOnTheExecutorEndsTheStream) {
  StartWith(
      {},
      [](CallContext&, const DecideStreamRequest&, ReplyOf<DecideStreamResponse>) -> RpcStatus {
        return absl::NotFoundError("not here");
      },
      /*is_blocking=*/true);
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = stub_->DecideStream(&context);
  stream->Write(Request(1));
  DecideStreamResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(BidiStreamTest, AnswersManyStreamsAtOnce) {
  StartWith({}, EchoIds);
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] { Converse(*stub_, 500, Request); });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(handled(absl::StatusCode::kOk), 16);
}

TEST_F(BidiStreamTest, AStreamWithoutMessagesIsFine) {
  StartWith({}, EchoIds);
  Converse(*stub_, 0, Request);
}

TEST_F(BidiStreamTest, SendsStoredBytesAsTheyAre) {
  StartWith({}, [](CallContext&, const DecideStreamRequest& request,
                   ReplyOf<DecideStreamResponse> reply) {
    DecideStreamResponse stored;
    stored.set_correlation_id(request.correlation_id());
    stored.mutable_decide()->set_decision_id(request.decide().customer_id());
    reply.bytes() = stored.SerializeAsString();
    return RpcStatus();
  });
  Converse(*stub_, 100, Request);
}

TEST_F(BidiStreamTest, AMalformedMessageEndsTheStreamAfterTheAnswersBeforeIt) {
  StartWith({}, EchoIds);
  grpc::GenericStub stub(test_server_->NewChannel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto next = [&] {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  };
  auto call = stub.PrepareCall(&context, kDecideStream, &queue);
  call->StartCall(nullptr);
  ASSERT_TRUE(next());
  for (const std::string& bytes : {Request(0).SerializeAsString(), Request(1).SerializeAsString(),
                                   std::string("\xFF\xFF\xFF")}) {
    const grpc::Slice slice(bytes);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    ASSERT_TRUE(next());
  }
  for (int i = 0; i < 2; ++i) {
    grpc::ByteBuffer answer;
    call->Read(&answer, nullptr);
    EXPECT_TRUE(next());
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  next();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(test_server_->observer().malformed("DecideStream"), 1);
  EXPECT_EQ(handled(absl::StatusCode::kInvalidArgument), 1);
}

TEST_F(BidiStreamTest, AnErrorOrAnExceptionOfTheHandlerEndsTheStream) {
  StartWith({},
            [](CallContext& context, const DecideStreamRequest& request,
               ReplyOf<DecideStreamResponse> reply) -> RpcStatus {
              if (request.decide().customer_id() == "customer-5")
                return absl::DataLossError("five");
              if (request.decide().customer_id() == "customer-50")
                throw std::runtime_error("fifty");
              return EchoIds(context, request, reply);
            });
  const struct {
    int first;
    int answered;
    grpc::StatusCode code;
  } cases[] = {{3, 2, grpc::StatusCode::DATA_LOSS}, {47, 3, grpc::StatusCode::INTERNAL}};
  for (const auto& c : cases) {
    grpc::ClientContext context;
    const auto stream = stub_->DecideStream(&context);
    for (int i = 0; i < 10 && stream->Write(Request(c.first + i)); ++i) {
    }
    DecideStreamResponse response;
    int answered = 0;
    while (stream->Read(&response)) ++answered;
    EXPECT_EQ(answered, c.answered);
    EXPECT_EQ(stream->Finish().error_code(), c.code);
  }
}

TEST_F(BidiStreamTest, HoldsBackAClientThatDoesNotRead) {
  constexpr int kMessages = 1000;
  constexpr int kAnswerBytes = 64 * 1024;
  std::atomic<int> answered = 0;
  RpcServerOptions options;
  options.max_pending_answers = 8;
  StartWith(options, [&](CallContext& context, const DecideStreamRequest& request,
                         ReplyOf<DecideStreamResponse> reply) {
    ++answered;
    *reply.message().mutable_decide()->mutable_strategy_version() = std::string(kAnswerBytes, 'x');
    return EchoIds(context, request, reply);
  });
  grpc::ClientContext context;
  const auto stream = stub_->DecideStream(&context);
  std::thread writer([&] {
    for (int i = 0; i < kMessages; ++i) EXPECT_TRUE(stream->Write(Request(i)));
    stream->WritesDone();
  });
  // Nobody reads. The server works until it has to stop, which shows as a count that stands still.
  int seen = -1;
  while (seen != answered) {
    seen = answered;
    absl::SleepFor(absl::Milliseconds(200));
  }
  // Eight wait, one is being written, and a few are in the sockets and windows on the way.
  EXPECT_LT(answered, 200);
  DecideStreamResponse response;
  int read = 0;
  while (stream->Read(&response)) {
    EXPECT_EQ(response.correlation_id(), absl::StrCat("message-", read++));
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(read, kMessages);
  EXPECT_EQ(answered, kMessages);
}

TEST_F(BidiStreamTest, AClientThatDoesNotReadHoldsUpNobodyElse) {
  StartWith({}, [&](CallContext& context, const DecideStreamRequest& request,
                    ReplyOf<DecideStreamResponse> reply) {
    *reply.message().mutable_decide()->mutable_strategy_version() = std::string(64 * 1024, 'x');
    return EchoIds(context, request, reply);
  });
  const auto slow = test_server_->NewDecisionStub();
  grpc::ClientContext context;
  const auto stream = slow->DecideStream(&context);
  std::thread writer([&] {
    for (int i = 0; i < 1000 && stream->Write(Request(i)); ++i) {
    }
  });
  for (int i = 0; i < 500; ++i) {
    grpc::ClientContext call;
    DecideResponse response;
    EXPECT_TRUE(stub_->Decide(&call, {}, &response).ok());
  }
  context.TryCancel();
  writer.join();
  stream->Finish();
}

TEST_F(BidiStreamTest, EndsWhenTheClientIsGone) {
  StartWith({}, EchoIds);
  grpc::ClientContext context;
  const auto stream = stub_->DecideStream(&context);
  DecideStreamResponse response;
  ASSERT_TRUE(stream->Write(Request(0)));
  ASSERT_TRUE(stream->Read(&response));
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  test_server_->server().Drain(absl::Now() + absl::Seconds(10));
  EXPECT_EQ(handled(absl::StatusCode::kCancelled) + handled(absl::StatusCode::kOk), 1);
}

TEST_F(BidiStreamTest, RefusesMoreStreamsThanAllowed) {
  RpcServerOptions options;
  options.max_bidi_streams = 2;
  StartWith(options, EchoIds);
  const auto open = [&](grpc::ClientContext& context) {
    auto stream = stub_->DecideStream(&context);
    DecideStreamResponse response;
    stream->Write(Request(0));
    stream->Read(&response);
    return stream;
  };
  grpc::ClientContext contexts[4];
  const auto first = open(contexts[0]);
  const auto second = open(contexts[1]);
  EXPECT_EQ(open(contexts[2])->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  first->WritesDone();
  EXPECT_TRUE(first->Finish().ok());
  const auto fourth = open(contexts[3]);
  fourth->WritesDone();
  EXPECT_TRUE(fourth->Finish().ok()) << "there is room again";
  second->WritesDone();
  EXPECT_TRUE(second->Finish().ok());
}

}  // namespace
}  // namespace attune::rpc
