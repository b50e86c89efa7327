// One seed, one state and one request give one answer, to the bit.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::SizeIs;

struct Course {
  std::optional<uint64_t> seed;
  int threads = 0;
  bool backwards = false;  // customers are imported in the opposite order
};

// The answers of a fresh server to a fixed course of events, in the order of the requests.
std::vector<v1::DecideResponse> AnswersOf(const Course& course) {
  constexpr int kCustomers = 100;
  testing::TempDir dir;
  Options options = LocalOptions(dir.path());
  options.seed = course.seed;
  options.threads = course.threads;
  ManualClock clock(Noon());
  const LocalServer server(options, &clock);
  const Client& client = server.client();
  std::vector<std::pair<std::string, std::vector<v1::Value>>> rows;
  for (int i = 0; i < kCustomers; ++i) {
    rows.push_back({absl::StrCat("customer ", i),
                    {String(i % 3 == 0 ? "premium" : "basic"), Double(i), Double(i * 50)}});
  }
  if (course.backwards) std::reverse(rows.begin(), rows.end());
  EXPECT_TRUE(client.BatchUpsert({RowsOf({"plan", "monthly_charges", "income"}, rows)}).ok());
  std::vector<v1::DecideResponse> answers;
  for (int i = 0; i < 5 * kCustomers; ++i) {
    v1::DecideRequest request =
        DecideFor(absl::StrCat("customer ", i % (kCustomers + 10)), i % 2 == 0 ? "app" : "ivr",
                  i % 3 == 0 ? "browse_plans" : "");
    *request.mutable_time() = ToProtoTime(Noon() + absl::Milliseconds(i));
    (*request.mutable_attributes())["wait_s"] = Double(i % 120);
    request.set_explain(i % 4 != 0);
    if (i % 5 == 0) request.set_request_id(absl::StrCat("r", i));
    const auto answer = client.Decide(request);
    EXPECT_TRUE(answer.ok()) << answer.status.error_message();
    answers.push_back(answer.response);
  }
  return answers;
}

std::vector<std::string> AllBytes(const std::vector<v1::DecideResponse>& answers) {
  std::vector<std::string> bytes;
  for (const v1::DecideResponse& answer : answers) bytes.push_back(Bytes(answer));
  return bytes;
}

TEST(ServerReproducibleTest, ASeedFixesEveryBitOfEveryAnswer) {
  const auto first = AllBytes(AnswersOf({.seed = 42}));
  ASSERT_THAT(first, SizeIs(500));
  EXPECT_EQ(AllBytes(AnswersOf({.seed = 42})), first) << "another server, another data folder";
  EXPECT_EQ(AllBytes(AnswersOf({.seed = 42, .threads = 4})), first)
      << "whatever the number of threads";
  EXPECT_EQ(AllBytes(AnswersOf({.seed = 42, .backwards = true})), first)
      << "whatever the order in which customers came";
}

TEST(ServerReproducibleTest, AnotherSeedGivesOtherIdsAndNothingElse) {
  auto first = AnswersOf({.seed = 42});
  auto second = AnswersOf({.seed = 43});
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_NE(first[i].decision_id().substr(0, 16), second[i].decision_id().substr(0, 16));
    EXPECT_NE(first[i].decision_id().substr(16), second[i].decision_id().substr(16));
    first[i].clear_decision_id();
    second[i].clear_decision_id();
  }
  EXPECT_EQ(AllBytes(first), AllBytes(second));
}

TEST(ServerReproducibleTest, WithoutASeedEveryStoreHasItsOwn) {
  const auto first = AnswersOf({});
  const auto second = AnswersOf({});
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_NE(first[i].decision_id(), second[i].decision_id());
  }
}

}  // namespace
}  // namespace attune::service
