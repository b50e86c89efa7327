#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/rpc/test_server.h"

namespace attune::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;
using v1::CustomerServiceUpsertRequest;
using v1::CustomerServiceUpsertResponse;
using v1::DecideRequest;
using v1::DecideResponse;
using Batch = absl::Span<const BatchedOf<DecideRequest, DecideResponse>>;

// A server that answers decisions together, with the customer's id as the decision's, and notes the
// ids of each batch. The first batch waits until it is let go, so that a test decides what comes
// meanwhile.
class BatchedUnaryTest : public ::testing::Test {
 protected:
  ~BatchedUnaryTest() override {
    leave_.Open();
    for (std::thread& caller : callers_) caller.join();
  }

  void StartWith(RpcServerOptions options) {
    options.completion_queues = 1;
    test_server_ = std::make_unique<TestServer>(std::move(options));
    test_server_->server().AddBatchedUnary<DecideRequest, DecideResponse>(
        kDecide, [this](Batch batch) { AnswerAll(batch); });
    test_server_->server().AddUnary<CustomerServiceUpsertRequest, CustomerServiceUpsertResponse>(
        kUpsert, [](CallContext&, const CustomerServiceUpsertRequest&,
                    ReplyOf<CustomerServiceUpsertResponse>) { return RpcStatus(); });
    test_server_->Start();
  }
  void StartWithOneBatchAtATime() {
    RpcServerOptions options;
    options.max_batches = 1;
    StartWith(std::move(options));
  }

  grpc::Status Decide(const std::string& id, std::string* answer = nullptr,
                      absl::Duration timeout = absl::Minutes(5)) {
    DecideRequest request;
    request.set_customer_id(id);
    DecideResponse response;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    const grpc::Status status =
        test_server_->NewDecisionStub()->Decide(&context, request, &response);
    if (answer != nullptr) *answer = response.decision_id();
    return status;
  }
  // Calls from a thread of its own, and returns when the call waits on the server, or is answered.
  void Call(const std::string& id) {
    const int before = test_server_->observer().started("Decide");
    callers_.emplace_back([this, id] {
      std::string answer;
      const grpc::Status status = Decide(id, &answer);
      MutexLock lock(mutex_);
      ended_.push_back(status.ok() ? answer : absl::StrCat("error ", status.error_code()));
    });
    while (test_server_->observer().started("Decide") == before) std::this_thread::yield();
    // The polling thread counts a call first and lets it wait then, and answers this one next.
    CustomerServiceUpsertResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(test_server_->NewCustomerStub()->Upsert(&context, {}, &response).ok());
  }
  // The first call, whose batch does not end before LetGo.
  void CallFirst() {
    Call("first");
    entered_.Wait();
  }
  // Lets the first batch end, and waits for all calls.
  void LetGo() {
    leave_.Open();
    for (std::thread& caller : callers_) caller.join();
    callers_.clear();
  }

  std::vector<std::vector<std::string>> batches() {
    MutexLock lock(mutex_);
    return batches_;
  }
  std::vector<std::string> ended() {
    MutexLock lock(mutex_);
    return ended_;
  }

  std::unique_ptr<TestServer> test_server_;

 private:
  void AnswerAll(Batch batch) {
    std::vector<std::string> ids;
    for (const auto& call : batch) ids.push_back(call.request().customer_id());
    {
      MutexLock lock(mutex_);
      batches_.push_back(ids);
    }
    if (ids.front() == "first") {
      entered_.Open();
      leave_.Wait();
    }
    for (const auto& call : batch) {
      const std::string& id = call.request().customer_id();
      if (id == "throw") throw std::runtime_error("secret");
      if (id == "nobody") call.status() = absl::NotFoundError("nobody");
      call.response().set_decision_id(id);
    }
  }

  Gate entered_, leave_;
  std::vector<std::thread> callers_;
  Mutex mutex_;
  std::vector<std::vector<std::string>> batches_;  // of the ids that came together
  std::vector<std::string> ended_;                 // answers and errors of Call
};

TEST_F(BatchedUnaryTest, ALoneCallWaitsForNobody) {
  StartWith({});
  for (int i = 0; i < 100; ++i) {
    std::string answer;
    ASSERT_TRUE(Decide(absl::StrCat("customer-", i), &answer).ok());
    ASSERT_EQ(answer, absl::StrCat("customer-", i));
  }
  EXPECT_EQ(batches().size(), 100u);
}

TEST_F(BatchedUnaryTest, WhatComesMeanwhileIsAnsweredTogetherInItsOrder) {
  StartWithOneBatchAtATime();
  CallFirst();
  for (const char* id : {"a", "b", "c"}) Call(id);
  LetGo();
  EXPECT_THAT(batches(), ElementsAre(ElementsAre("first"), ElementsAre("a", "b", "c")));
  EXPECT_THAT(ended(), UnorderedElementsAre("first", "a", "b", "c"));
  EXPECT_EQ(test_server_->observer().handled("Decide", absl::StatusCode::kOk), 4);
}

TEST_F(BatchedUnaryTest, AnotherBatchIsMadeWhileOneWaits) {
  RpcServerOptions options;
  options.max_batches = 2;
  StartWith(options);
  CallFirst();
  std::string answer;
  EXPECT_TRUE(Decide("a", &answer).ok()) << "while the first one waits";
  EXPECT_EQ(answer, "a");
  LetGo();
  EXPECT_THAT(batches(), ElementsAre(ElementsAre("first"), ElementsAre("a")));
}

TEST_F(BatchedUnaryTest, ABatchHasItsLimits) {
  RpcServerOptions options;
  options.max_batches = 1;
  options.max_batched_calls = 3;
  options.max_batch_bytes = 1000;
  StartWith(options);
  CallFirst();
  const std::string half(600, 'x'), large(5000, 'y');
  for (const std::string& id : {std::string("a"), std::string("b"), std::string("c"),
                                std::string("d"), half, half, large, std::string("e")}) {
    Call(id);
  }
  LetGo();
  EXPECT_THAT(batches(),
              ElementsAre(ElementsAre("first"), ElementsAre("a", "b", "c"), ElementsAre("d", half),
                          ElementsAre(half), ElementsAre(large), ElementsAre("e")));
}

TEST_F(BatchedUnaryTest, AnErrorIsThatOfOneCall) {
  StartWithOneBatchAtATime();
  CallFirst();
  for (const char* id : {"a", "nobody", "b"}) Call(id);
  std::thread malformed([&] {
    EXPECT_EQ(CallWithBytes(test_server_->NewChannel(), kDecide, "\x0A\x20").error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  });
  LetGo();
  malformed.join();
  EXPECT_THAT(ended(), UnorderedElementsAre("first", "a", "b",
                                            absl::StrCat("error ", grpc::StatusCode::NOT_FOUND)));
  EXPECT_EQ(test_server_->observer().malformed("Decide"), 1);
}

TEST_F(BatchedUnaryTest, AThrowingHandlerEndsItsBatchOnly) {
  StartWithOneBatchAtATime();
  CallFirst();
  Call("a");
  Call("throw");
  LetGo();
  const std::string internal = absl::StrCat("error ", grpc::StatusCode::INTERNAL);
  EXPECT_THAT(ended(), UnorderedElementsAre("first", internal, internal));
  EXPECT_THAT(test_server_->observer().exceptions(), ElementsAre("secret"));
  EXPECT_TRUE(Decide("b").ok());
}

TEST_F(BatchedUnaryTest, WhatNobodyWaitsForIsNotDone) {
  StartWithOneBatchAtATime();
  CallFirst();
  EXPECT_EQ(Decide("late", nullptr, absl::Milliseconds(50)).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  Call("a");
  LetGo();
  EXPECT_THAT(batches(), ElementsAre(ElementsAre("first"), ElementsAre("a")));
}

TEST_F(BatchedUnaryTest, RefusesWhatIsTooMuch) {
  RpcServerOptions options;
  options.max_batches = 1;
  options.max_blocking_calls = 2;
  StartWith(options);
  CallFirst();
  Call("a");
  const grpc::Status refused = Decide("b");
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(absl::StrContains(refused.error_message(), "try again later"));
  LetGo();
  EXPECT_THAT(ended(), UnorderedElementsAre("first", "a"));
  EXPECT_TRUE(Decide("b").ok()) << "their places are free again";
}

TEST_F(BatchedUnaryTest, ADrainAnswersWhatWaits) {
  StartWithOneBatchAtATime();
  CallFirst();
  Call("a");
  std::thread drain([&] { test_server_->server().Drain(absl::Now() + absl::Minutes(1)); });
  LetGo();
  drain.join();
  EXPECT_THAT(ended(), UnorderedElementsAre("first", "a"));
}

TEST_F(BatchedUnaryTest, ManyCallersGetTheirOwnAnswers) {
  StartWith({});
  std::vector<std::thread> callers;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 16; ++t) {
    callers.emplace_back([&, t] {
      const auto stub = test_server_->NewDecisionStub();
      for (int i = 0; i < 200; ++i) {
        DecideRequest request;
        request.set_customer_id(absl::StrCat(t, "/", i));
        DecideResponse response;
        grpc::ClientContext context;
        const bool ok = stub->Decide(&context, request, &response).ok();
        if (!ok || response.decision_id() != request.customer_id()) ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace attune::rpc
