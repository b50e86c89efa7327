// What customers are worth, from the write of a feature to a decision and a report.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "service/ctl/ctl.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::HasSubstr;

constexpr char kScoresAndRules[] = R"yaml(
scores:
  - name: spend
    description: What the customer pays per year.
    value: customer.monthly_charges * 12.0
    tiers:
      - {name: low}
      - {name: high, from_percentile: 75}
eligibility:
  - name: only_the_best
    when: score.spend.tier == 'high'
)yaml";

class ServerValueTest : public ServerTest {
 protected:
  ServerValueTest() {
    WriteStrategy(dir_.path(), absl::StrCat(kSmallStrategy, kScoresAndRules));
    Start();
  }

  void Spends(const std::string& id, double monthly_charges) const {
    v1::Value value;
    value.set_double_value(monthly_charges);
    Upsert(id, {{"monthly_charges", value}});
  }
  v1::Score SpendScore() const {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::ValueServiceListScoresResponse response;
    EXPECT_TRUE(client().values().ListScores(&context, {}, &response).ok());
    return response.scores_size() == 1 ? response.scores(0) : v1::Score();
  }
  // Until so many customers are known, and all; the server publishes once a second.
  void WaitForCustomers(int64_t customers) const {
    for (int i = 0; i < 600; ++i) {
      const v1::Score score = SpendScore();
      if (score.complete() && score.customers() == customers) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    FAIL() << SpendScore().DebugString();
  }
  bool MayGet(const std::string& id) const {
    const auto counts = Counts(Decide(id, "app"));
    return std::none_of(counts.begin(), counts.end(), [](const std::string& count) {
      return count.find("policy/not_eligible") != std::string::npos;
    });
  }
  struct Run {
    int status = 0;
    std::string out;
    std::string err;
  };
  Run Report(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"report", "value", "--server",
                                          absl::StrCat("127.0.0.1:", server().port())};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    ctl::Console console{in, out, err};
    const int status = ctl::RunCtl(arguments, console);
    return {status, out.str(), err.str()};
  }
};

TEST_F(ServerValueTest, RulesSeeWhereTheCustomerStands) {
  for (int i = 0; i < 20; ++i) Spends(absl::StrCat("c", i), 10 + i);
  WaitForCustomers(20);
  EXPECT_FALSE(MayGet("c5"));
  EXPECT_TRUE(MayGet("c18"));
  EXPECT_FALSE(MayGet("nobody")) << "who isn't known has the declared default: 20 a month";
  Spends("c5", 500);
  client().Erase("c0");
  WaitForCustomers(19);
  EXPECT_TRUE(MayGet("c5"));
  EXPECT_EQ(client().Health("attune.v1.ValueService"), "SERVING");
}

TEST_F(ServerValueTest, TheBaseOutlivesARestart) {
  for (int i = 0; i < 20; ++i) Spends(absl::StrCat("c", i), 10 + i);
  WaitForCustomers(20);
  Restart();
  EXPECT_EQ(SpendScore().customers(), 20);
  EXPECT_TRUE(SpendScore().complete());
  EXPECT_TRUE(MayGet("c18"));
  // A server without scores keeps nothing up to date; the next one reads everybody.
  RestartWith(kSmallStrategy);
  Spends("late", 1000);
  RestartWith(absl::StrCat(kSmallStrategy, kScoresAndRules));
  WaitForCustomers(21);
}

TEST_F(ServerValueTest, AScoreFollowsTheVersionOfItsModel) {
  const std::string worth = "linear: {link: identity, terms: [{input: customer.monthly_charges, ";
  v1::ModelHeader header;
  header.set_name("worth");
  header.set_file("worth.yaml");
  header.set_by("ann");
  header.set_comment("a test");
  const auto put = [&](const std::string& weight) {
    const auto answer =
        client().PutModel(header, absl::StrCat(worth, "numeric: {weight: ", weight, "}}]}\n"));
    ASSERT_TRUE(answer.ok()) << answer.status.error_message();
  };
  put("12");
  RestartWith(Replaced(Replaced(absl::StrCat(kSmallStrategy, kScoresAndRules),
                                "value: customer.monthly_charges * 12.0", "model: worth"),
                       "models:\n", "models:\n  - {name: worth, stored: worth}\n"));
  for (int i = 0; i < 20; ++i) Spends(absl::StrCat("c", i), 10 + i);
  WaitForCustomers(20);
  EXPECT_FALSE(MayGet("c1"));
  EXPECT_TRUE(MayGet("c18"));
  // 12 x (10 + 11 + … + 29) = 4680, not cut to the 1 that is the most of a propensity.
  EXPECT_THAT(Report({"--score", "spend"}).out, HasSubstr("4,680 EUR\n"));
  // The other way round.
  put("-1");
  for (int i = 0; i < 600 && !MayGet("c1"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  WaitForCustomers(20);
  EXPECT_TRUE(MayGet("c1"));
  EXPECT_FALSE(MayGet("c18"));
  EXPECT_THAT(Report({"--score", "spend"}).out, HasSubstr("together they cost 390 EUR.\n"));
}

TEST_F(ServerValueTest, TheReportIsOfAllCustomers) {
  // By hand: 1200 together, of which the best 2 of 10 bring 1080, and the last 2 cost 120.
  const double charges[] = {5, 60, 4, -4, 3, 30, 0, 8, -6, 0};
  for (int i = 0; i < 10; ++i) Spends(absl::StrCat("c", i), charges[i]);
  const Run run = Report({"--score", "spend", "--svg", dir_.File("curve.svg")});
  EXPECT_EQ(run.status, ctl::kExitOk) << run.err;
  EXPECT_THAT(run.out, HasSubstr("The best 20 % of customers bring 90 % of the profit, the last "
                                 "20 % cost 10 %.\n"));
  EXPECT_THAT(run.out, HasSubstr("1,200 EUR\n"));
  const Run wrong = Report({"--score", "spent"});
  EXPECT_EQ(wrong.status, ctl::kExitFailure);
  EXPECT_THAT(wrong.err, HasSubstr("did you mean \"spend\"?"));
  RestartWith(kSmallStrategy);
  EXPECT_THAT(Report({}).err, HasSubstr("the strategy declares no scores"));
}

}  // namespace
}  // namespace attune::service
