// Many decisions on one stream.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class ServerDecideStreamTest : public ServerTest {
 protected:
  ServerDecideStreamTest() { Start(); }

  // Sends all of it, half-closes, and returns the answers by their ids; an id that comes twice is a
  // failure.
  std::map<std::string, v1::DecideStreamResponse> Exchange(
      const std::vector<v1::DecideStreamRequest>& requests) const {
    std::map<std::string, v1::DecideStreamResponse> answers;
    size_t sent = 0;
    const grpc::Status status = client().DecideStream(
        [&](v1::DecideStreamRequest& request) {
          if (sent == requests.size()) return false;
          request = requests[sent++];
          return true;
        },
        [&](const v1::DecideStreamResponse& response) {
          EXPECT_TRUE(answers.emplace(response.correlation_id(), response).second)
              << response.correlation_id();
        });
    EXPECT_TRUE(status.ok()) << status.error_message();
    return answers;
  }
};

v1::DecideStreamRequest Message(const std::string& correlation_id,
                                const v1::DecideRequest& request) {
  v1::DecideStreamRequest message;
  message.set_correlation_id(correlation_id);
  *message.mutable_decide() = request;
  return message;
}

TEST_F(ServerDecideStreamTest, AnswersThousandsOfMessagesEachUnderItsId) {
  constexpr int kMessages = 5000;
  std::vector<v1::DecideStreamRequest> requests;
  for (int i = 0; i < kMessages; ++i) {
    v1::DecideRequest request = DecideFor(absl::StrCat("customer ", i % 700), "app");
    // A time of its own, by which the answer is recognised.
    *request.mutable_time() = ToProtoTime(Noon() + absl::Milliseconds(i));
    requests.push_back(Message(absl::StrCat("m", i), request));
  }
  const auto answers = Exchange(requests);
  ASSERT_THAT(answers, SizeIs(kMessages));
  for (int i = 0; i < kMessages; ++i) {
    const auto& answer = answers.at(absl::StrCat("m", i));
    ASSERT_TRUE(answer.has_decide()) << answer.ShortDebugString();
    ASSERT_EQ(FromProtoTime(answer.decide().time()), Noon() + absl::Milliseconds(i));
    ASSERT_TRUE(answer.decide().unknown_customer()) << i;
  }
  EXPECT_EQ(Get("customer 0").decision_count(), 8u);
  EXPECT_EQ(Get("customer 699").decision_count(), 7u);
}

TEST_F(ServerDecideStreamTest, AnswersAreThoseOfUnaryCalls) {
  Upsert("ann", {{"plan", String("premium")}});
  v1::DecideRequest request = DecideFor("ann", "app", "browse_plans");
  request.set_explain(true);
  request.set_dry_run(true);
  const auto unary = Decide(request);
  const auto answers = Exchange({Message("a", request)});
  EXPECT_EQ(Bytes(answers.at("a").decide()), Bytes(unary));
}

TEST_F(ServerDecideStreamTest, AnErrorOfOneMessageDoesNotEndTheStream) {
  std::vector<v1::DecideStreamRequest> requests;
  for (int i = 0; i < 300; ++i) {
    v1::DecideRequest request = DecideFor("ann", "app");
    if (i % 3 == 1) request.set_channel("fax");
    if (i % 3 == 2) request.set_customer_id("");
    requests.push_back(Message(absl::StrCat(i), request));
  }
  const auto answers = Exchange(requests);
  ASSERT_THAT(answers, SizeIs(300));
  for (int i = 0; i < 300; ++i) {
    const auto& answer = answers.at(absl::StrCat(i));
    if (i % 3 == 0) {
      EXPECT_TRUE(answer.has_decide());
      continue;
    }
    ASSERT_TRUE(answer.has_error());
    EXPECT_EQ(answer.error().code(), static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
    google::rpc::BadRequest details;
    ASSERT_THAT(answer.error().details(), SizeIs(1));
    ASSERT_TRUE(answer.error().details(0).UnpackTo(&details));
    ASSERT_THAT(details.field_violations(), SizeIs(1));
    // Paths are those of the DecideRequest, as in a unary call.
    EXPECT_EQ(details.field_violations(0).field(), i % 3 == 1 ? "channel" : "customer_id");
  }
  EXPECT_EQ(Get("ann").decision_count(), 100u);
}

TEST_F(ServerDecideStreamTest, AMessageWithoutARequestIsAnError) {
  const auto answers = Exchange({v1::DecideStreamRequest()});
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers.at("").error().code(), static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
}

TEST_F(ServerDecideStreamTest, EndsWithoutAnAnswerWhenNothingIsAsked) {
  EXPECT_THAT(Exchange({}), IsEmpty());
}

TEST_F(ServerDecideStreamTest, AnswersBeforeTheClientHalfCloses) {
  grpc::ClientContext context;
  SetDeadline(context);
  const auto stream = client().decisions().DecideStream(&context);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(stream->Write(Message(absl::StrCat(i), DecideFor("ann", "ivr"))));
    v1::DecideStreamResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.correlation_id(), absl::StrCat(i));
  }
  ASSERT_TRUE(stream->WritesDone());
  v1::DecideStreamResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ServerDecideStreamTest, RetriesOnOneStreamGetTheSameAnswer) {
  v1::DecideRequest request = DecideFor("ann", "app");
  request.set_request_id("once");
  std::vector<v1::DecideStreamRequest> requests;
  for (int i = 0; i < 20; ++i) requests.push_back(Message(absl::StrCat(i), request));
  const auto answers = Exchange(requests);
  for (const auto& [id, answer] : answers) {
    EXPECT_EQ(Bytes(answer.decide()), Bytes(answers.at("0").decide())) << id;
  }
  EXPECT_EQ(Get("ann").decision_count(), 1u);
}

TEST_F(ServerDecideStreamTest, AClientThatGoesAwayHarmsNobody) {
  {
    grpc::ClientContext context;
    const auto stream = client().decisions().DecideStream(&context);
    ASSERT_TRUE(stream->Write(Message("a", DecideFor("ann", "ivr"))));
    context.TryCancel();
    stream->Finish();
  }
  EXPECT_TRUE(client().Decide(DecideFor("bob", "ivr")).ok());
}

}  // namespace
}  // namespace attune::service
