#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "service/ctl/console.h"
#include "tests/testing/paths.h"
#include "tests/testing/temp_dir.h"
#include "tests/unit/ctl/fake_attuned.h"

namespace attune::ctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// By hand: 100 together; the best 2 of 10 bring 90, the last 2 cost 10.
constexpr char kTenCustomers[] =
    "who,profit\na,5\nb,60\nc,4\nd,-4\ne,3\nf,30\ng,0\nh,8\ni,-6\nj,0\n";
constexpr char kTenSentence[] =
    "The best 20 % of customers bring 90 % of the profit, the last 20 % cost 10 %.";

class ReportCommandTest : public ::testing::Test {
 protected:
  CtlRun Report(const std::string& csv, std::vector<std::string> more = {}) const {
    std::ofstream(folder_.File("table.csv"), std::ios::binary) << csv;
    std::vector<std::string> arguments = {"report",   "value", "--csv", folder_.File("table.csv"),
                                          "--column", "profit"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunAttunectl(arguments);
  }
  std::string Picture() const {
    std::ifstream in(folder_.File("curve.svg"), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  testing::TempDir folder_;
};

TEST_F(ReportCommandTest, TellsWhoBringsAndWhoCosts) {
  const CtlRun run = Report(kTenCustomers);
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_THAT(run.out, StartsWith(std::string(kTenSentence) + "\n\n"));
  EXPECT_THAT(run.out, HasSubstr("customers       10\n"));
  EXPECT_THAT(run.out, HasSubstr("below zero       2\n"));
  EXPECT_THAT(run.out, HasSubstr("together    100.00\n"));
  EXPECT_THAT(run.out, HasSubstr("median        3.50\n"));
  EXPECT_THAT(run.out, HasSubstr(" 20 %          2   90.00        90.0 %\n"));
  EXPECT_THAT(run.out, HasSubstr(" 80 %          8  110.00       110.0 %\n"));
  EXPECT_THAT(run.out, HasSubstr("100 %         10  100.00       100.0 %\n"));
}

TEST_F(ReportCommandTest, AddsUpTheRowsOfACustomer) {
  const CtlRun run = Report("profit,who\n3,a\n2,b\n-1,a\n,c\n5,b\n,b\n", {"--id", "who", "--json"});
  ASSERT_EQ(run.status, kExitOk) << run.err;
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["customers"], 2);
  EXPECT_EQ(json["without_score"], 1);
  EXPECT_EQ(json["highest"], 7);
  EXPECT_EQ(json["lowest"], 2);
  EXPECT_EQ(json["score"], "profit");
}

TEST_F(ReportCommandTest, EachRowIsACustomerWithoutIds) {
  const CtlRun run =
      Report("who;profit\r\na; 1.5 \r\na;\"2\"\r\nb;\r\n", {"--delimiter", ";", "--json"});
  ASSERT_EQ(run.status, kExitOk) << run.err;
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["customers"], 2);
  EXPECT_EQ(json["without_score"], 1);
  EXPECT_EQ(json["total"], 3.5);
  EXPECT_EQ(json["points"].size(), 3u);
}

TEST_F(ReportCommandTest, ABlankLineOfOneColumnIsACustomerWithoutAValue) {
  const CtlRun run = Report("\nprofit\n1\n\n2\n", {"--json"});
  ASSERT_EQ(run.status, kExitOk) << run.err;
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["customers"], 2);
  EXPECT_EQ(json["without_score"], 1);
}

TEST_F(ReportCommandTest, HasAsManyPointsAsAskedFor) {
  const CtlRun run = Report(kTenCustomers, {"--points", "3", "--json"});
  const auto json = nlohmann::json::parse(run.out);
  ASSERT_EQ(json["points"].size(), 3u);
  EXPECT_EQ(json["points"][1]["customers"], 0.8) << "where the losses begin";
  EXPECT_EQ(json["points"][1]["profit"], 110);
  EXPECT_EQ(Report(kTenCustomers, {"--points", "1"}).status, kExitUsage);
  EXPECT_EQ(Report(kTenCustomers, {"--points", "1001"}).status, kExitUsage);
}

TEST_F(ReportCommandTest, DrawsTheCurve) {
  ASSERT_EQ(Report(kTenCustomers, {"--svg", folder_.File("curve.svg")}).status, kExitOk);
  const std::string picture = Picture();
  EXPECT_THAT(picture, StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_THAT(picture, ::testing::EndsWith("</svg>\n"));
  EXPECT_THAT(picture, HasSubstr(kTenSentence));
  // The plot is 630 by 350 pixels; 0 to 120 % of the profit, 20 % a line.
  EXPECT_THAT(picture, HasSubstr("points=\"100.0,440.0 163.0,265.0 226.0,177.5 "));
  EXPECT_THAT(picture, HasSubstr("cx=\"226.0\" cy=\"177.5\""));
  EXPECT_THAT(picture, HasSubstr("best 20 %: 90 %"));
  EXPECT_THAT(picture, HasSubstr("losses begin: 110 %"));
  EXPECT_THAT(picture, HasSubstr(">120 %</text>"));
  EXPECT_THAT(picture, HasSubstr("share of the 10 customers, the best first"));
}

TEST_F(ReportCommandTest, DrawsABaseThatLoses) {
  ASSERT_EQ(Report("profit\n10\n-30\n", {"--svg", folder_.File("curve.svg")}).status, kExitOk);
  EXPECT_THAT(Picture(), AllOf(HasSubstr(">-20</text>"), HasSubstr(">0</text>"),
                               HasSubstr(">10</text>"), HasSubstr("profit (profit)")));
}

TEST_F(ReportCommandTest, DrawsWhereNobodyBringsAnything) {
  ASSERT_EQ(Report("profit\n0\n0\n", {"--svg", folder_.File("curve.svg")}).status, kExitOk);
  EXPECT_THAT(Picture(), Not(HasSubstr("nan")));
  const CtlRun nobody = Report("profit\n", {"--svg", folder_.File("none.svg")});
  EXPECT_EQ(nobody.status, kExitFailure);
  EXPECT_THAT(nobody.err, HasSubstr("nothing to draw"));
  EXPECT_EQ(Report("profit\n").out, "There are no customers.\n");
}

TEST_F(ReportCommandTest, SaysWhatIsWrongWithATable) {
  const auto error = [&](const std::string& csv, const std::vector<std::string>& more = {}) {
    const CtlRun run = Report(csv, more);
    EXPECT_EQ(run.status, kExitFailure) << run.out;
    return run.err;
  };
  EXPECT_THAT(error(""), HasSubstr("no first row"));
  EXPECT_THAT(error("who,profits\n"),
              HasSubstr("line 1: there is no column \"profit\"; did you mean \"profits\"?"));
  EXPECT_THAT(error("profit,profit\n"), HasSubstr("line 1: two columns are called \"profit\""));
  EXPECT_THAT(error("profit\n1\nmuch\n"),
              HasSubstr("line 3: column \"profit\": \"much\" is no finite number"));
  EXPECT_THAT(error("profit\ninf\n"), HasSubstr("no finite number"));
  EXPECT_THAT(error("profit\n1e999\n"), HasSubstr("no finite number"));
  EXPECT_THAT(error("profit,who\n1\n"), HasSubstr("line 2: has 1 fields; the first row has 2"));
  EXPECT_THAT(error("profit\n1\n", {"--id", "who"}), HasSubstr("there is no column \"who\""));
  EXPECT_THAT(error("profit\n\"1\n"), HasSubstr("line 2: a quote is not closed"));
  EXPECT_THAT(error("profit,who\n1,a\n\n1, \n", {"--id", "who"}),
              HasSubstr("line 4: column \"who\" is empty"));
  EXPECT_THAT(error("profit,who\n1e308,a\n1e308,a\n", {"--id", "who"}),
              HasSubstr("line 3: the sum of the customer's values is too large"));
  EXPECT_THAT(error("profit\n1e308\n1e308\n"), HasSubstr("the sum of the values is too large"));
  const CtlRun latin =
      RunAttunectl({"report", "value", "--csv", folder_.File("table.csv"), "--column", "Erl\xF6s"});
  EXPECT_EQ(latin.status, kExitFailure);
  EXPECT_THAT(latin.err, HasSubstr("not valid UTF-8"));
}

TEST_F(ReportCommandTest, RefusesOptionsThatDontFit) {
  EXPECT_EQ(RunAttunectl({"report", "value", "--column", "profit"}).status, kExitUsage);
  EXPECT_EQ(RunAttunectl({"report", "value", "--csv", "a.csv"}).status, kExitUsage);
  EXPECT_EQ(Report(kTenCustomers, {"--score", "margin"}).status, kExitUsage);
  EXPECT_EQ(Report(kTenCustomers, {"--delimiter", "ab"}).status, kExitUsage);
}

// 4,339 buyers of a gift wholesaler. The figures were computed from the table with exact fractions,
// by another program.
TEST_F(ReportCommandTest, ReportsAWholesaler) {
  const char* named = std::getenv("ATTUNE_SHARED");
  const std::string shared = named != nullptr ? named : testing::SourcePath("../shared");
  const std::string table = shared + "/data/online_retail/rfm_by_customer.csv";
  if (!std::filesystem::exists(table)) {
    GTEST_SKIP() << "the real data are not here: " << table;
  }
  const CtlRun run = RunAttunectl({"report", "value", "--csv", table, "--column", "net_spend_gbp",
                                   "--id", "CustomerID", "--json"});
  ASSERT_EQ(run.status, kExitOk) << run.err;
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["customers"], 4339);
  EXPECT_NEAR(json["total"].get<double>(), 8310477.05, 0.01);
  EXPECT_EQ(json["top_customers"], 868);
  EXPECT_NEAR(json["top_profit"].get<double>(), 6115311.89, 0.01);
  EXPECT_EQ(json["losing_customers"], 8);
  EXPECT_NEAR(json["losing_profit"].get<double>(), -2817.90, 0.01);
  EXPECT_EQ(json["highest"], 279489.02);
  EXPECT_EQ(json["lowest"], -1165.30);
  EXPECT_EQ(json["median"], 654.92);
  EXPECT_EQ(json["sentence"],
            "The best 20 % of customers bring 74 % of the profit, the last 0.2 % cost <0.1 %.");
}

TEST(CtlReportRates, PrintsAllPagesAsOneTable) {
  FakeAttuned server;
  const CtlRun run = RunAttunectl({"report", "rates", "--server", server.address()});
  EXPECT_EQ(run.status, kExitOk) << run.err;
  EXPECT_EQ(run.out,
            "treatment  channel  shown  good    rate    from      to  reward\n"
            "upgrade    app          4     3  0.7500  0.3006  0.9544   21.50\n"
            "gift       app      1,200   300  0.2500  0.2263  0.2753   -0.40\n"
            "\n"
            "The reward is the mean of one showing, in EUR.\n");
  const nlohmann::json json = nlohmann::json::parse(
      RunAttunectl({"report", "rates", "--json", "--server", server.address()}).out);
  ASSERT_EQ(json["rates"].size(), 2u);
  EXPECT_EQ(json["rates"][1]["treatment_id"], "gift");
  EXPECT_EQ(json["total_size"], 2);
}

}  // namespace
}  // namespace attune::ctl
