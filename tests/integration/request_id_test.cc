// A retry with the same request_id gets the answer that was given before; a request_id with another
// content is refused.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>

#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::HasSubstr;

v1::DecideRequest Original() {
  v1::DecideRequest request = DecideFor("ann", "app", "browse_plans");
  request.set_request_id("r-1");
  request.set_explain(true);
  (*request.mutable_attributes())["topic"] = String("plans");
  return request;
}

class ServerRequestIdTest : public ServerTest {
 protected:
  ServerRequestIdTest() { Start(); }
};

TEST_F(ServerRequestIdTest, ARetryGetsTheEarlierAnswerAndIsNotCounted) {
  const auto first = Decide(Original());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Bytes(Decide(Original())), Bytes(first));
  EXPECT_EQ(Get("ann").decision_count(), 1u);
}

TEST_F(ServerRequestIdTest, ARetryGetsTheEarlierAnswerAfterTheCustomerChanged) {
  const auto first = Decide(Original());
  Upsert("ann", {{"plan", String("premium")}, {"income", Double(9000)}});
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(Bytes(Decide(Original())), Bytes(first));
  v1::DecideRequest other = Original();
  other.set_request_id("r-2");
  EXPECT_NE(Ranking(Decide(other)), Ranking(first)) << "the change would have mattered";
}

TEST_F(ServerRequestIdTest, ARetryGetsTheEarlierAnswerAfterARestart) {
  const auto first = Decide(Original());
  Restart();
  EXPECT_EQ(Bytes(Decide(Original())), Bytes(first));
  EXPECT_EQ(Get("ann").decision_count(), 1u);
}

TEST_F(ServerRequestIdTest, ARetryGetsTheEarlierAnswerAfterARestartWithAFixedSeed) {
  Stop();
  options_.data_dir += "_seeded";
  options_.seed = 7;
  Start();
  const auto first = Decide(Original());
  Restart();
  EXPECT_EQ(Bytes(Decide(Original())), Bytes(first));
}

TEST_F(ServerRequestIdTest, ARetryGetsTheEarlierAnswerUnderANewStrategy) {
  const auto first = Decide(Original());
  RestartWith(Replaced(kSmallStrategy, "value: 200", "value: 2"));
  EXPECT_EQ(Bytes(Decide(Original())), Bytes(first));
}

TEST_F(ServerRequestIdTest, AnIdBelongsToItsCustomer) {
  const auto for_ann = Decide(Original());
  v1::DecideRequest request = Original();
  request.set_customer_id("bob");
  EXPECT_NE(Decide(request).decision_id(), for_ann.decision_id());
}

TEST_F(ServerRequestIdTest, TheLast16IdsOfACustomerAreRemembered) {
  const auto decide = [this](int i) {
    v1::DecideRequest request = DecideFor("ann", "app");
    request.set_request_id("r-" + std::to_string(i));
    return Decide(request);
  };
  const auto oldest = decide(0);
  const auto second = decide(1);
  for (int i = 2; i <= 16; ++i) decide(i);
  EXPECT_EQ(Bytes(decide(1)), Bytes(second));
  EXPECT_EQ(Get("ann").decision_count(), 17u);
  EXPECT_NE(Bytes(decide(0)), Bytes(oldest)) << "16 others came after it";
  EXPECT_EQ(Get("ann").decision_count(), 18u);
}

struct OtherContent {
  std::string name;
  std::function<void(v1::DecideRequest&)> change;
};

void PrintTo(const OtherContent& c, std::ostream* out) { *out << c.name; }

class ServerOtherContentTest : public ServerRequestIdTest,
                               public ::testing::WithParamInterface<OtherContent> {};

TEST_P(ServerOtherContentTest, IsRefusedUnderTheSameId) {
  const auto first = Decide(Original());
  v1::DecideRequest other = Original();
  GetParam().change(other);
  const auto answer = client().Decide(other);
  EXPECT_EQ(answer.code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("use a new one"));
  EXPECT_EQ(Get("ann").decision_count(), 1u);
  EXPECT_EQ(Bytes(Decide(Original())), Bytes(first)) << "the right one is still answered";
}

const OtherContent kOtherContents[] = {
    {"Channel", [](auto& r) { r.set_channel("ivr"); }},
    {"Intent", [](auto& r) { r.set_intent("report_outage"); }},
    {"NoIntent", [](auto& r) { r.clear_intent(); }},
    {"Time", [](auto& r) { *r.mutable_time() = ToProtoTime(Noon()); }},
    {"Attribute", [](auto& r) { (*r.mutable_attributes())["topic"] = String("bills"); }},
    {"OneMoreAttribute", [](auto& r) { (*r.mutable_attributes())["wait_s"] = Double(1); }},
    {"NoAttributes", [](auto& r) { r.clear_attributes(); }},
    {"Number", [](auto& r) { r.set_max_treatments(1); }},
    {"Restriction", [](auto& r) { r.add_treatment_ids("upgrade"); }},
    {"NoExplanation", [](auto& r) { r.clear_explain(); }},
};

INSTANTIATE_TEST_SUITE_P(All, ServerOtherContentTest, ::testing::ValuesIn(kOtherContents),
                         [](const auto& info) { return info.param.name; });

TEST_F(ServerRequestIdTest, AWriteIsMadeOnceUnderItsId) {
  auto request = UpsertOf("ann", {{"plan", String("premium")}});
  request.set_request_id("w-1");
  const auto first = client().Upsert(request);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(first.response.created());
  Upsert("ann", {{"plan", String("basic")}});
  const auto again = client().Upsert(request);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(Bytes(again.response), Bytes(first.response));
  EXPECT_EQ(Get("ann").customer().features().at("plan").string_value(), "basic")
      << "a late retry must not undo what came after";
}

TEST_F(ServerRequestIdTest, AWriteWithAnotherContentIsRefused) {
  auto request = UpsertOf("ann", {{"plan", String("premium")}});
  request.set_request_id("w-1");
  ASSERT_TRUE(client().Upsert(request).ok());
  const auto other_value = UpsertOf("ann", {{"plan", String("basic")}});
  auto other = other_value;
  other.set_request_id("w-1");
  EXPECT_EQ(client().Upsert(other).code(), grpc::StatusCode::ALREADY_EXISTS);
  v1::DecideRequest decide = DecideFor("ann", "app");
  decide.set_request_id("w-1");
  EXPECT_EQ(client().Decide(decide).code(), grpc::StatusCode::ALREADY_EXISTS)
      << "a decision is another content as well";
  EXPECT_EQ(Get("ann").customer().features().at("plan").string_value(), "premium");
}

}  // namespace
}  // namespace attune::service
