// An explanation can be as long as the strategy is large. However long it is, the decision is made,
// remembered and answered again under its request_id.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/decision/explanation.h"
#include "lib/storage/state_store.h"
#include "service/decision_answer.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::EndsWith;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr int kTreatments = 2000;
// What a client takes that says nothing else.
constexpr size_t kMaxMessageBytes = 4u << 20;

// The small strategy and many treatments, each with a rule of its own that no customer meets and
// with a sentence as long as said.
std::string LargeStrategy(size_t because_bytes) {
  std::string treatments;
  for (int i = 0; i < kTreatments; ++i) {
    absl::StrAppend(&treatments, "  - name: extra_", i,
                    "\n    group: offer\n    value: 10\n    cost: 1\n    model: sell\n"
                    "    content: {app: {text: One more.}}\n"
                    "    eligibility: [{name: rule_",
                    i, ", when: customer.tenure_months > ", 10'000 + i,
                    ", because: ", std::string(because_bytes, 'x'), "}]\n");
  }
  return Replaced(kSmallStrategy, "arbitration:\n", treatments + "arbitration:\n");
}

v1::DecideRequest Explained(const std::string& customer) {
  v1::DecideRequest request = DecideFor(customer, "app");
  request.set_request_id("r-1");
  request.set_explain(true);
  return request;
}

// The answer as it is given again when its explanation could not be kept.
v1::DecideResponse Unexplained(v1::DecideResponse response) {
  response.clear_rejected_treatments();
  for (v1::RankedTreatment& ranked : *response.mutable_treatments()) {
    ranked.clear_reasons();
    ranked.clear_ranks();
    ranked.clear_score_parts();
  }
  response.set_explanation_incomplete(true);
  return response;
}

class ServerLongExplanationTest : public ServerTest {
 protected:
  void StartWith(size_t because_bytes) {
    WriteStrategy(dir_.path(), LargeStrategy(because_bytes));
    Start();
  }
};

TEST_F(ServerLongExplanationTest, TheDecisionIsKeptWithoutItAndGivenAgain) {
  StartWith(/*because_bytes=*/200);
  const v1::DecideResponse first = Decide(Explained("ann"));
  EXPECT_GT(first.ByteSizeLong(), storage::kMaxEventBytes);
  EXPECT_FALSE(first.degraded()) << first.degraded_reasons(0);
  EXPECT_FALSE(first.explanation_incomplete());
  EXPECT_THAT(first.treatments(), SizeIs(2));
  ASSERT_THAT(first.rejected_treatments(), SizeIs(kTreatments + 3));
  for (const v1::RejectedTreatment& rejected : first.rejected_treatments()) {
    ASSERT_THAT(rejected.detail(), Not(IsEmpty())) << rejected.treatment_id();
  }
  const std::string kept = Bytes(Unexplained(first));
  EXPECT_EQ(Bytes(Decide(Explained("ann"))), kept);
  Restart();
  EXPECT_EQ(Bytes(Decide(Explained("ann"))), kept);
  EXPECT_EQ(Get("ann").decision_count(), 1u);
}

TEST_F(ServerLongExplanationTest, BeyondItsLimitTreatmentsComeWithTheirRuleOnly) {
  StartWith(/*because_bytes=*/1024);
  const v1::DecideResponse response = Decide(Explained("ann"));
  EXPECT_FALSE(response.degraded());
  EXPECT_TRUE(response.explanation_incomplete());
  EXPECT_LT(response.ByteSizeLong(), kMaxMessageBytes);
  ASSERT_THAT(response.rejected_treatments(), SizeIs(kTreatments + 3));
  size_t explained = 0;
  for (const v1::RejectedTreatment& rejected : response.rejected_treatments()) {
    if (!rejected.detail().empty()) ++explained;
    if (!rejected.treatment_id().starts_with("extra_")) continue;
    ASSERT_EQ(rejected.stage(), "policy");
    ASSERT_EQ(rejected.reason(), "not_eligible");
    ASSERT_EQ(rejected.rule(), absl::StrCat("rule_", rejected.treatment_id().substr(6)));
  }
  EXPECT_GT(explained, 500u);
  EXPECT_FALSE(response.rejected_treatments(0).detail().empty());
  EXPECT_TRUE(response.rejected_treatments(kTreatments + 2).detail().empty());
  EXPECT_EQ(Bytes(Decide(Explained("ann"))), Bytes(Unexplained(response)));
}

TEST_F(ServerLongExplanationTest, ComesOverAStreamAsWell) {
  StartWith(/*because_bytes=*/1024);
  constexpr int kRequests = 3;
  int sent = 0;
  int answered = 0;
  const grpc::Status status = client().DecideStream(
      [&](v1::DecideStreamRequest& request) {
        if (sent == kRequests) return false;
        *request.mutable_decide() = Explained(absl::StrCat("customer ", sent++));
        return true;
      },
      [&](const v1::DecideStreamResponse& response) {
        EXPECT_FALSE(response.decide().degraded());
        EXPECT_THAT(response.decide().rejected_treatments(), SizeIs(kTreatments + 3));
        ++answered;
      });
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(answered, kRequests);
}

TEST_F(ServerLongExplanationTest, LongValuesAndRulesAreCut) {
  std::string names;
  for (int i = 0; i < 200; ++i) absl::StrAppend(&names, "'a long name of something', ");
  WriteStrategy(dir_.path(),
                absl::StrCat(kSmallStrategy, "eligibility:\n  - name: likes\n    when: \"[", names,
                             "'x'].all(name, name in customer.interests)\"\n"));
  Start();
  Upsert("ann", {{"interests", List(std::vector<std::string>(64, std::string(1024, 'y')))}});
  const v1::DecideResponse response = Decide(Explained("ann"));
  EXPECT_FALSE(response.degraded());
  ASSERT_THAT(response.rejected_treatments(), SizeIs(5));
  const v1::RejectedTreatment& rejected = response.rejected_treatments(0);
  EXPECT_THAT(rejected.expression(), SizeIs(decision::kMaxShownBytes));
  EXPECT_THAT(rejected.expression(), EndsWith("..."));
  ASSERT_THAT(rejected.values(), SizeIs(1));
  EXPECT_LE(rejected.values(0).value().size(), decision::kMaxShownBytes);
  EXPECT_THAT(rejected.detail(), SizeIs(decision::kMaxDetailBytes));
  EXPECT_EQ(Bytes(Decide(Explained("ann"))), Bytes(response)) << "so short that it is kept";
}

}  // namespace
}  // namespace attune::service
