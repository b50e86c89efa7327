#include "lib/value/profit_curve.h"

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace attune::value {
namespace {

ProfitCurve CurveOf(std::vector<double> values, int points = 101) {
  return MakeProfitCurve(values, points);
}

TEST(ProfitCurveTest, TellsWhoBringsAndWhoCosts) {
  // By hand: together 100; the best 2 of 10 bring 90; the last 2 cost 10.
  const ProfitCurve curve = CurveOf({5, 60, 4, -4, 3, 30, 0, 8, -6, 0});
  EXPECT_EQ(curve.customers, 10);
  EXPECT_EQ(curve.total, 100);
  EXPECT_EQ(curve.top_customers, 2);
  EXPECT_EQ(curve.top_profit, 90);
  EXPECT_EQ(curve.losing_customers, 2);
  EXPECT_EQ(curve.losing_profit, -10);
  EXPECT_EQ(curve.peak(), 110);
  EXPECT_EQ(curve.highest, 60);
  EXPECT_EQ(curve.lowest, -6);
  EXPECT_EQ(curve.median, 3.5);
  EXPECT_EQ(ProfitSentence(curve),
            "The best 20 % of customers bring 90 % of the profit, the last 20 % cost 10 %.");
}

TEST(ProfitCurveTest, HasAPointPerCustomerWhereThereAreFew) {
  const ProfitCurve curve = CurveOf({3, -1, 2});
  ASSERT_EQ(curve.points.size(), 4u);
  const double expected[] = {0, 3, 5, 4};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_DOUBLE_EQ(curve.points[i].customers, static_cast<double>(i) / 3);
    EXPECT_EQ(curve.points[i].profit, expected[i]);
  }
}

TEST(ProfitCurveTest, HasNoMorePointsThanWantedAndTheHighestAmongThem) {
  std::vector<double> values(1000, 1.0);
  values.insert(values.end(), 37, -1.0);
  for (const int points : {2, 3, 10, 1000}) {
    const ProfitCurve curve = CurveOf(values, points);
    ASSERT_EQ(curve.points.size(), static_cast<size_t>(points));
    EXPECT_EQ(curve.points.front().customers, 0);
    EXPECT_EQ(curve.points.back().customers, 1);
    EXPECT_EQ(curve.points.back().profit, 963);
    double highest = 0;
    for (size_t i = 1; i < curve.points.size(); ++i) {
      EXPECT_GT(curve.points[i].customers, curve.points[i - 1].customers);
      highest = std::max(highest, curve.points[i].profit);
    }
    EXPECT_EQ(highest, points == 2 ? 963 : 1000);
  }
}

TEST(ProfitCurveTest, LosesNothingInSums) {
  std::vector<double> values = {1e16, -1e16};
  values.insert(values.end(), 10'000, 0.25);
  EXPECT_EQ(CurveOf(values).total, 2500);
}

struct SentenceCase {
  std::string name;
  std::vector<double> values;
  std::string sentence;
};
void PrintTo(const SentenceCase& c, std::ostream* out) { *out << c.name; }

class ProfitSentences : public ::testing::TestWithParam<SentenceCase> {};

TEST_P(ProfitSentences, AreTrue) {
  EXPECT_EQ(ProfitSentence(CurveOf(GetParam().values)), GetParam().sentence);
}

std::vector<double> Many(int count, double value, std::vector<double> more) {
  more.insert(more.end(), static_cast<size_t>(count), value);
  return more;
}

INSTANTIATE_TEST_SUITE_P(
    All, ProfitSentences,
    ::testing::Values(
        SentenceCase{"Nobody", {}, "There are no customers."},
        SentenceCase{"One",
                     {7},
                     "The best 20 % of customers bring 100 % of the profit, nobody costs money."},
        SentenceCase{"AllAlike", Many(10, 4, {}),
                     "The best 20 % of customers bring 20 % of the profit, nobody costs money."},
        SentenceCase{"FewCostLittle", Many(999, 1, {-0.2}),
                     "The best 20 % of customers bring 20 % of the profit, the last 0.1 % cost "
                     "<0.1 %."},
        SentenceCase{"TheBestBringMoreThanAll",
                     {100, 0, 0, 0, -20},
                     "The best 20 % of customers bring 125 % of the profit, the last 20 % cost "
                     "25 %."},
        SentenceCase{"AllAreZero", Many(3, 0, {}),
                     "The customers bring no profit, and nobody costs money."},
        SentenceCase{
            "TheWholeLoses",
            {10, -30},
            "All customers together bring no profit but cost 20: those above zero bring 10, "
            "the last 50 % cost 30."},
        SentenceCase{
            "EverybodyLoses", {-1, -2}, "The customers bring no profit: together they cost 3."},
        SentenceCase{"NobodyIsAboveZero",
                     {0, -1, -2.5},
                     "The customers bring no profit: together they cost 3.50."},
        SentenceCase{"TheWholeBringsNothing",
                     {2000.4, -2000.4},
                     "All customers together bring no profit: those above zero bring 2,000, the "
                     "last 50 % cost 2,000."}),
    [](const auto& instance) { return instance.param.name; });

TEST(ProfitSentenceTest, TellsAmountsInTheCurrency) {
  EXPECT_EQ(ProfitSentence(CurveOf({-1, -2}), "EUR"),
            "The customers bring no profit: together they cost 3 EUR.");
  EXPECT_EQ(ProfitSentence(CurveOf({2000.4, -1234567}), "EUR"),
            "All customers together bring no profit but cost 1,232,567 EUR: those above zero bring "
            "2,000 EUR, the last 50 % cost 1,234,567 EUR.");
}

TEST(ProfitCurveTest, TellsOfNoFewerThanAGroup) {
  std::vector<double> values(905, 1.0);
  values.insert(values.end(), 95, -1.0);
  ProfitCurve curve = MakeProfitCurve(values, 1000, 10);
  EXPECT_TRUE(curve.parts_told);
  EXPECT_EQ(curve.losing_customers, 95);
  EXPECT_EQ(curve.points.size(), 99u) << "0, 10, … 1000 but for 900 and 910";
  std::fill(values.begin() + 5, values.end(), 1.0);
  std::fill(values.begin(), values.begin() + 5, -1.0);
  curve = MakeProfitCurve(values, 1000, 10);
  EXPECT_FALSE(curve.parts_told) << "5 lose";
  EXPECT_EQ(curve.top_customers, 0);
  EXPECT_EQ(curve.losing_profit, 0);
  EXPECT_EQ(ProfitSentence(curve), "All customers together bring 990.");
}

TEST(ProfitCurveTest, TellsWhenASumIsTooLarge) {
  EXPECT_TRUE(IsFinite(CurveOf({1e308, -1e308})));
  EXPECT_FALSE(IsFinite(CurveOf({1e308, 1e308})));
  EXPECT_FALSE(IsFinite(CurveOf({1.5e308, -1e308, -1e308})));
}

TEST(PercentTextTest, HasADigitMoreWhereItTellsSomething) {
  EXPECT_EQ(PercentText(0), "0 %");
  EXPECT_EQ(PercentText(0.0001), "<0.1 %");
  EXPECT_EQ(PercentText(0.0018), "0.2 %");
  EXPECT_EQ(PercentText(0.0994), "9.9 %");
  EXPECT_EQ(PercentText(0.0996), "10 %");
  EXPECT_EQ(PercentText(0.934), "93 %");
  EXPECT_EQ(PercentText(0.9951), "99.5 %");
  EXPECT_EQ(PercentText(0.99999), "99.9 %") << "not all";
  EXPECT_EQ(PercentText(1), "100 %");
  EXPECT_EQ(PercentText(1.254), "125 %");
}

}  // namespace
}  // namespace attune::value
