#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "tests/integration/rpc/test_server.h"

namespace attune::rpc {
namespace {

using v1::CustomerServiceUpsertRequest;
using v1::CustomerServiceUpsertResponse;
using v1::DecideRequest;
using v1::DecideResponse;

// Answers with the customer's id as the decision's id.
RpcStatus EchoId(CallContext&, const DecideRequest& request, ReplyOf<DecideResponse> reply) {
  reply.message().set_decision_id(request.customer_id());
  return {};
}

class UnaryTest : public ::testing::Test {
 protected:
  void StartWith(MessageHandlerOf<DecideRequest, DecideResponse> handler) {
    test_server_.server().AddUnary<DecideRequest, DecideResponse>(kDecide, std::move(handler));
    test_server_.Start();
    stub_ = test_server_.NewDecisionStub();
  }
  grpc::Status Decide(const std::string& customer_id) {
    DecideRequest request;
    request.set_customer_id(customer_id);
    grpc::ClientContext context;
    return stub_->Decide(&context, request, &response_);
  }

  TestServer test_server_;
  std::unique_ptr<v1::DecisionService::Stub> stub_;
  DecideResponse response_;
};

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

TEST_F(UnaryTest, AnswersCallAfterCall) {
  StartWith(EchoId);
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(Decide(absl::StrCat("customer-", i)).ok());
    ASSERT_EQ(response_.decision_id(), absl::StrCat("customer-", i));
  }
}

// A call that its sender does not wait for.
struct CallInFlight {
  grpc::ClientContext context;
  DecideResponse response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<DecideResponse>> reader;
};

// Sends so many calls at once, with the ids 0, 1, ..., and returns them when all were answered.
std::vector<std::unique_ptr<CallInFlight>> DecideAtOnce(v1::DecisionService::Stub& stub,
                                                        int count) {
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<CallInFlight>> calls;
  for (int i = 0; i < count; ++i) {
    DecideRequest request;
    request.set_customer_id(absl::StrCat(i));
    auto call = std::make_unique<CallInFlight>();
    call->context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
    call->reader = stub.AsyncDecide(&call->context, request, &queue);
    call->reader->Finish(&call->response, &call->status, call.get());
    calls.push_back(std::move(call));
  }
  void* tag = nullptr;
  bool ok = false;
  for (int i = 0; i < count; ++i) EXPECT_TRUE(queue.Next(&tag, &ok) && ok);
  queue.Shutdown();
  EXPECT_FALSE(queue.Next(&tag, &ok));
  return calls;
}

TEST_F(UnaryTest, AnswersEachOfManyCallsAtOnceWithItsOwnAnswer) {
  StartWith(EchoId);
  // One, the calls of a burst, one more, and many bursts: none waits for a call that never comes.
  for (const int count : {1, 2, 7, 8, 9, 200}) {
    const auto calls = DecideAtOnce(*stub_, count);
    for (int i = 0; i < count; ++i) {
      const CallInFlight& call = *calls[static_cast<size_t>(i)];
      ASSERT_TRUE(call.status.ok()) << i << " of " << count;
      ASSERT_EQ(call.response.decision_id(), absl::StrCat(i)) << "of " << count;
    }
  }
}

TEST_F(UnaryTest, CallsThatFailDoNotSpoilThoseThatCameWithThem) {
  StartWith([](CallContext& context, const DecideRequest& request,
               ReplyOf<DecideResponse> reply) -> RpcStatus {
    const int id = std::stoi(request.customer_id());
    if (id % 3 == 1) throw std::runtime_error("secret");
    if (id % 3 == 2) return absl::NotFoundError("nobody");
    return EchoId(context, request, reply);
  });
  // Twice: what a call is used for again must not have the status of the one before.
  for (int round = 0; round < 2; ++round) {
    const auto calls = DecideAtOnce(*stub_, 60);
    constexpr grpc::StatusCode kExpected[] = {grpc::StatusCode::OK, grpc::StatusCode::INTERNAL,
                                              grpc::StatusCode::NOT_FOUND};
    for (size_t i = 0; i < calls.size(); ++i) {
      EXPECT_EQ(calls[i]->status.error_code(), kExpected[i % 3]) << i;
    }
  }
}

TEST_F(UnaryTest, ADrainWaitsForTheAnswerThatIsBeingMade) {
  Gate entered, leave;
  StartWith([&](CallContext& context, const DecideRequest& request, ReplyOf<DecideResponse> reply) {
    entered.Open();
    leave.Wait();
    return EchoId(context, request, reply);
  });
  grpc::Status status;
  std::thread caller([&] { status = Decide("waiting"); });
  entered.Wait();
  std::thread drain([&] { test_server_.server().Drain(absl::Now() + absl::Seconds(60)); });
  leave.Open();
  drain.join();
  caller.join();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response_.decision_id(), "waiting");
}

TEST_F(UnaryTest, AnswersMessagesLargerThanItsFirstBlockOfMemory) {
  StartWith(EchoId);
  const std::string large(3 * 1024 * 1024, 'x');
  const grpc::Status status = Decide(large);
  ASSERT_TRUE(status.ok()) << status.error_code() << " " << status.error_message();
  EXPECT_EQ(response_.decision_id(), large);
  ASSERT_TRUE(Decide("small").ok());
  EXPECT_EQ(response_.decision_id(), "small");
}

TEST_F(UnaryTest, SendsStoredBytesAsTheyAre) {
  StartWith([](CallContext&, const DecideRequest& request, ReplyOf<DecideResponse> reply) {
    reply.message().set_decision_id("not this one");
    reply.bytes() = request.customer_id();
    return RpcStatus();
  });
  DecideRequest request;
  request.set_customer_id("stored bytes, whatever they are");
  std::string answer;
  ASSERT_TRUE(
      CallWithBytes(test_server_.NewChannel(), kDecide, request.SerializeAsString(), &answer).ok());
  EXPECT_EQ(answer, "stored bytes, whatever they are");
}

TEST_F(UnaryTest, RefusesMalformedBytesAndCountsThem) {
  StartWith(EchoId);
  const auto channel = test_server_.NewChannel();
  const struct {
    const char* name;
    std::string bytes;
  } cases[] = {
      {"no field at all", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"},
      {"truncated string", std::string("\x0A\x20", 2) + "short"},
      {"string that is not UTF-8", std::string("\x0A\x02\xC3\x28", 4)},
  };
  int malformed = 0;
  for (const auto& c : cases) {
    const grpc::Status status = CallWithBytes(channel, kDecide, c.bytes);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << c.name;
    EXPECT_NE(status.error_message().find("attune.v1.DecideRequest"), std::string::npos) << c.name;
    EXPECT_EQ(test_server_.observer().malformed("Decide"), ++malformed) << c.name;
  }
  EXPECT_TRUE(CallWithBytes(channel, kDecide, "").ok()) << "no bytes are an empty message";
}

TEST_F(UnaryTest, UnknownMethodsAreUnimplemented) {
  StartWith(EchoId);
  const auto channel = test_server_.NewChannel();
  for (const char* method : {kUpsert, "/attune.v1.DecisionService/Guess", "/", "/no.Such/Thing"}) {
    EXPECT_EQ(CallWithBytes(channel, method, "").error_code(), grpc::StatusCode::UNIMPLEMENTED)
        << method;
  }
}

TEST_F(UnaryTest, RefusesMessagesAboveTheLimitAndGoesOnServing) {
  StartWith(EchoId);
  const grpc::Status status = Decide(std::string(10'000'000, 'x'));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_TRUE(Decide("small").ok());
}

TEST_F(UnaryTest, RefusesCompressedMessages) {
  StartWith(EchoId);
  DecideRequest request;
  request.set_customer_id(std::string(100'000, 'x'));
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  EXPECT_EQ(stub_->Decide(&context, request, &response_).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(Decide("plain").ok());
}

TEST_F(UnaryTest, TellsTheHandlerAboutItsCall) {
  absl::Time deadline;
  std::string peer, method;
  StartWith([&](CallContext& context, const DecideRequest&, ReplyOf<DecideResponse>) {
    deadline = context.deadline();
    peer = context.peer();
    method = context.method().service + "." + context.method().method;
    return RpcStatus();
  });
  ASSERT_TRUE(Decide("a").ok());
  EXPECT_EQ(deadline, absl::InfiniteFuture());
  EXPECT_EQ(peer.substr(0, 15), "ipv4:127.0.0.1:");
  EXPECT_EQ(method, "attune.v1.DecisionService.Decide");

  const absl::Time wanted = absl::Now() + absl::Seconds(60);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(wanted));
  ASSERT_TRUE(stub_->Decide(&context, {}, &response_).ok());
  EXPECT_LT(absl::AbsDuration(deadline - wanted), absl::Seconds(5));
}

TEST_F(UnaryTest, AThrowingHandlerIsAnInternalErrorWithoutItsText) {
  StartWith([](CallContext& context, const DecideRequest& request,
               ReplyOf<DecideResponse> reply) -> RpcStatus {
    if (request.customer_id() == "std") throw std::runtime_error("secret");
    if (request.customer_id() == "int") throw 7;
    return EchoId(context, request, reply);
  });
  for (const char* kind : {"std", "int"}) {
    const grpc::Status status = Decide(kind);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_EQ(status.error_message().find("secret"), std::string::npos);
  }
  EXPECT_EQ(test_server_.observer().exceptions(),
            (std::vector<std::string>{"secret", "not a std::exception"}));
  EXPECT_TRUE(Decide("fine").ok());
}

TEST_F(UnaryTest, ListsViolationsAsBadRequest) {
  StartWith([](CallContext&, const DecideRequest&, ReplyOf<DecideResponse>) {
    Violations violations;
    violations.Add("customer_id", "must not be empty");
    violations.Add("channel", "is not declared");
    return RpcStatus::Invalid(std::move(violations));
  });
  const grpc::Status status = Decide("");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const google::rpc::Status details = DetailsOf(status);
  EXPECT_EQ(details.code(), 3);
  EXPECT_EQ(details.message(), status.error_message());
  ASSERT_EQ(details.details_size(), 1);
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(details.details(0).UnpackTo(&bad_request));
  ASSERT_EQ(bad_request.field_violations_size(), 2);
  EXPECT_EQ(bad_request.field_violations(1).field(), "channel");
  EXPECT_EQ(bad_request.field_violations(1).description(), "is not declared");
}

TEST_F(UnaryTest, ManyViolationsStillFitInWhatClientsAccept) {
  StartWith([](CallContext&, const DecideRequest&, ReplyOf<DecideResponse>) {
    Violations violations;
    for (int i = 0; i < 10'000; ++i) {
      violations.Add(absl::StrCat("attributes[\"attribute_", i, "\"]"), std::string(150, 'x'));
    }
    return RpcStatus::Invalid(std::move(violations));
  });
  const grpc::Status status = Decide("");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_EQ(status.error_message().substr(0, 16), "10000 violations");
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(DetailsOf(status).details(0).UnpackTo(&bad_request));
  EXPECT_GT(bad_request.field_violations_size(), 10);
}

TEST_F(UnaryTest, ALongMessageIsCut) {
  StartWith([](CallContext&, const DecideRequest&, ReplyOf<DecideResponse>) {
    std::string text;
    for (int i = 0; i < 10'000; ++i) text += "\xE2\x82\xAC";
    return RpcStatus(absl::NotFoundError(text));
  });
  const grpc::Status status = Decide("");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message().size(), 510u + 3u) << "whole characters and three dots";
}

TEST_F(UnaryTest, TellsWhenToRetry) {
  StartWith([](CallContext&, const DecideRequest&, ReplyOf<DecideResponse>) {
    return RpcStatus::RetryAfter(absl::UnavailableError("not now"), absl::Milliseconds(1500));
  });
  grpc::ClientContext context;
  const grpc::Status status = stub_->Decide(&context, {}, &response_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  google::rpc::RetryInfo info;
  ASSERT_TRUE(DetailsOf(status).details(0).UnpackTo(&info));
  EXPECT_EQ(info.retry_delay().seconds(), 1);
  EXPECT_EQ(info.retry_delay().nanos(), 500'000'000);
  const auto& trailers = context.GetServerTrailingMetadata();
  ASSERT_EQ(trailers.count("grpc-retry-pushback-ms"), 1u);
  EXPECT_EQ(trailers.find("grpc-retry-pushback-ms")->second, "1500");
}

TEST_F(UnaryTest, CountsCallsByMethodAndCode) {
  StartWith([](CallContext& context, const DecideRequest& request,
               ReplyOf<DecideResponse> reply) -> RpcStatus {
    if (request.customer_id().empty()) return absl::NotFoundError("nobody");
    return EchoId(context, request, reply);
  });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Decide("a").ok());
  EXPECT_FALSE(Decide("").ok());
  EXPECT_EQ(test_server_.observer().started("Decide"), 4);
  EXPECT_EQ(test_server_.observer().handled("Decide", absl::StatusCode::kOk), 3);
  EXPECT_EQ(test_server_.observer().handled("Decide", absl::StatusCode::kNotFound), 1);
  EXPECT_FALSE(test_server_.observer().negative_duration());
}

TEST_F(UnaryTest, ListsItsMethods) {
  StartWith(EchoId);
  const std::vector<MethodInfo> methods = test_server_.server().methods();
  std::vector<std::string> names;
  for (size_t i = 0; i < methods.size(); ++i) {
    EXPECT_EQ(methods[i].index, static_cast<int>(i));
    names.push_back(absl::StrCat(methods[i].service, "/", methods[i].method, " ",
                                 std::string(MethodTypeName(methods[i].type))));
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{
                "grpc.health.v1.Health/Check unary", "grpc.health.v1.Health/Watch server_stream",
                "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo bidi_stream",
                "attune.v1.DecisionService/Decide unary"}));
}

TEST(BeforeAnswersTest, IsCalledOnceForCallsThatCameTogetherAndBeforeTheirAnswers) {
  std::atomic<int> handled = 0, completed = 0, completions = 0;
  RpcServerOptions options;
  options.completion_queues = 1;
  options.before_answers = [&] {
    completed = handled.load();
    ++completions;
    return absl::OkStatus();
  };
  TestServer test_server(options);
  test_server.server().AddUnary<DecideRequest, DecideResponse>(
      kDecide,
      [&](CallContext& context, const DecideRequest& request, ReplyOf<DecideResponse> reply) {
        ++handled;
        context.CompleteLater();
        return EchoId(context, request, reply);
      });
  test_server.Start();
  const auto stub = test_server.NewDecisionStub();
  constexpr int kCalls = 400;
  for (const auto& call : DecideAtOnce(*stub, kCalls)) {
    EXPECT_TRUE(call->status.ok()) << call->status.error_message();
  }
  EXPECT_EQ(completed, kCalls);
  EXPECT_GE(completions, kCalls / 8) << "a burst has at most 8 calls";
  EXPECT_LE(completions, kCalls);
}

TEST(BeforeAnswersTest, WhenItFailsHandlersThatLeftSomethingToItAnswerOnceMore) {
  std::atomic<bool> fails = true;
  std::atomic<int> first_tries = 0, second_tries = 0;
  RpcServerOptions options;
  options.before_answers = [&] {
    return fails ? absl::UnavailableError("the disk is gone") : absl::OkStatus();
  };
  TestServer test_server(options);
  test_server.server().AddUnary<DecideRequest, DecideResponse>(
      kDecide,
      [&](CallContext& context, const DecideRequest& request,
          ReplyOf<DecideResponse> reply) -> RpcStatus {
        ++(context.is_second_try() ? second_tries : first_tries);
        if (request.customer_id() == "0") return absl::NotFoundError("nobody");
        if (request.customer_id() == "1" && context.is_second_try()) {
          return absl::UnavailableError("not now");
        }
        if (request.customer_id() != "3") context.CompleteLater();
        reply.message().set_decision_id(
            absl::StrCat(context.is_second_try() ? "second " : "first ", request.customer_id()));
        return {};
      });
  test_server.Start();
  const auto stub = test_server.NewDecisionStub();
  auto calls = DecideAtOnce(*stub, 4);
  EXPECT_EQ(calls[0]->status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(calls[1]->status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(calls[2]->response.decision_id(), "second 2");
  EXPECT_EQ(calls[3]->response.decision_id(), "first 3") << "it had left nothing to be completed";
  EXPECT_EQ(first_tries, 4);
  EXPECT_EQ(second_tries, 2);
  EXPECT_EQ(test_server.observer().handled("Decide", absl::StatusCode::kOk), 2);
  // The same calls, used again, begin anew.
  fails = false;
  for (int round = 0; round < 40; ++round) {
    calls = DecideAtOnce(*stub, 4);
    for (size_t i : {1, 2, 3}) {
      EXPECT_EQ(calls[i]->response.decision_id(), absl::StrCat("first ", i));
    }
  }
  EXPECT_EQ(second_tries, 2);
}

class BlockingUnaryTest : public ::testing::Test {
 protected:
  using Handler = MessageHandlerOf<CustomerServiceUpsertRequest, CustomerServiceUpsertResponse>;

  void StartWith(RpcServerOptions options, Handler handler) {
    test_server_ = std::make_unique<TestServer>(std::move(options));
    test_server_->server().AddUnary<DecideRequest, DecideResponse>(kDecide, EchoId);
    test_server_->server()
        .AddBlockingUnary<CustomerServiceUpsertRequest, CustomerServiceUpsertResponse>(
            kUpsert, std::move(handler));
    test_server_->Start();
  }
  grpc::Status Upsert(grpc::ClientContext& context) {
    CustomerServiceUpsertResponse response;
    return test_server_->NewCustomerStub()->Upsert(&context, {}, &response);
  }

  std::unique_ptr<TestServer> test_server_;
};

TEST_F(BlockingUnaryTest, DoesNotHoldUpOtherCalls) {
  Gate entered, leave;
  std::string thread_name(16, '\0');
  StartWith({}, [&](CallContext&, const CustomerServiceUpsertRequest&,
                    ReplyOf<CustomerServiceUpsertResponse> reply) {
    pthread_getname_np(pthread_self(), thread_name.data(), thread_name.size());
    entered.Open();
    leave.Wait();
    reply.message().set_version(7);
    return RpcStatus();
  });
  std::thread caller([&] {
    CustomerServiceUpsertResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(test_server_->NewCustomerStub()->Upsert(&context, {}, &response).ok());
    EXPECT_EQ(response.version(), 7u);
  });
  entered.Wait();
  const auto stub = test_server_->NewDecisionStub();
  for (int i = 0; i < 100; ++i) {
    DecideResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(stub->Decide(&context, {}, &response).ok());
  }
  leave.Open();
  caller.join();
  EXPECT_EQ(thread_name.substr(0, 9), "rpc-exec-");
}

TEST_F(BlockingUnaryTest, RefusesWhatIsTooMuchAndTellsWhenToRetry) {
  RpcServerOptions options;
  options.executor_threads = 1;
  options.max_blocking_calls = 2;
  options.retry_delay = absl::Milliseconds(40);
  Gate leave;
  StartWith(options, [&](CallContext&, const CustomerServiceUpsertRequest&,
                         ReplyOf<CustomerServiceUpsertResponse>) {
    leave.Wait();
    return RpcStatus();
  });
  std::vector<std::thread> callers;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] {
      grpc::ClientContext context;
      if (Upsert(context).ok()) ++answered;
    });
  }
  while (test_server_->observer().started("Upsert") < 2) std::this_thread::yield();
  grpc::ClientContext context;
  const grpc::Status status = Upsert(context);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  google::rpc::RetryInfo info;
  ASSERT_TRUE(DetailsOf(status).details(0).UnpackTo(&info));
  EXPECT_EQ(info.retry_delay().nanos(), 40'000'000);
  EXPECT_EQ(context.GetServerTrailingMetadata().count("grpc-retry-pushback-ms"), 1u);
  leave.Open();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(answered, 2);
  grpc::ClientContext later;
  EXPECT_TRUE(Upsert(later).ok()) << "there is room again";
}

TEST(WaitingCallsTest, CallsThatWaitForServersDoNotKeepThoseForTheDiskWaiting) {
  RpcServerOptions options;
  options.executor_threads = 1;
  options.server_executor_threads = 1;
  Gate entered, leave;
  TestServer test_server(options);
  test_server.server().AddBlockingUnary<DecideRequest, DecideResponse>(
      kDecide,
      [&](CallContext&, const DecideRequest&, ReplyOf<DecideResponse>) {
        entered.Open();
        leave.Wait();
        return RpcStatus();
      },
      WaitsFor::kServers);
  test_server.server()
      .AddBlockingUnary<CustomerServiceUpsertRequest, CustomerServiceUpsertResponse>(
          kUpsert, [](CallContext&, const CustomerServiceUpsertRequest&,
                      ReplyOf<CustomerServiceUpsertResponse>) { return RpcStatus(); });
  test_server.Start();
  std::thread waiting([&] {
    DecideResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(test_server.NewDecisionStub()->Decide(&context, {}, &response).ok());
  });
  entered.Wait();
  CustomerServiceUpsertResponse response;
  grpc::ClientContext context;
  EXPECT_TRUE(test_server.NewCustomerStub()->Upsert(&context, {}, &response).ok());
  leave.Open();
  waiting.join();
}

TEST_F(BlockingUnaryTest, DoesNotWorkForACallerWhoHasGivenUp) {
  RpcServerOptions options;
  options.executor_threads = 1;
  Gate entered, leave;
  std::atomic<int> handled = 0;
  StartWith(options, [&](CallContext&, const CustomerServiceUpsertRequest&,
                         ReplyOf<CustomerServiceUpsertResponse>) {
    if (++handled == 1) {
      entered.Open();
      leave.Wait();
    }
    return RpcStatus();
  });
  // The first call holds the only thread until the deadline of the second one is past.
  std::thread first([&] {
    grpc::ClientContext context;
    EXPECT_TRUE(Upsert(context).ok());
  });
  entered.Wait();
  grpc::ClientContext late;
  late.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(50)));
  EXPECT_EQ(Upsert(late).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  // The server counts from when it has read the call: its deadline is a little later.
  absl::SleepFor(absl::Milliseconds(200));
  leave.Open();
  first.join();
  grpc::ClientContext third;
  EXPECT_TRUE(Upsert(third).ok());
  EXPECT_EQ(handled, 2) << "the late call must not have reached the handler";
}

TEST_F(BlockingUnaryTest, SeesThatItsCallerIsGone) {
  Gate entered, saw_it;
  StartWith({}, [&](CallContext& context, const CustomerServiceUpsertRequest&,
                    ReplyOf<CustomerServiceUpsertResponse>) {
    entered.Open();
    while (!context.cancelled()) std::this_thread::yield();
    saw_it.Open();
    return RpcStatus();
  });
  grpc::ClientContext context;
  std::thread caller([&] { EXPECT_EQ(Upsert(context).error_code(), grpc::StatusCode::CANCELLED); });
  entered.Wait();
  context.TryCancel();
  saw_it.Wait();
  caller.join();
  test_server_->server().Drain(absl::Now() + absl::Seconds(10));
  EXPECT_EQ(test_server_->observer().handled("Upsert", absl::StatusCode::kCancelled), 1);
}

TEST_F(BlockingUnaryTest, MalformedBytesAndExceptionsAreErrorsHereToo) {
  StartWith({},
            [](CallContext&, const CustomerServiceUpsertRequest&,
               ReplyOf<CustomerServiceUpsertResponse>) -> RpcStatus {
              throw std::runtime_error("secret");
            });
  const auto channel = test_server_->NewChannel();
  EXPECT_EQ(CallWithBytes(channel, kUpsert, "\xFF\xFF").error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(CallWithBytes(channel, kUpsert, "").error_code(), grpc::StatusCode::INTERNAL);
}

}  // namespace
}  // namespace attune::rpc
