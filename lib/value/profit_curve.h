#ifndef ATTUNE_LIB_VALUE_PROFIT_CURVE_H_
#define ATTUNE_LIB_VALUE_PROFIT_CURVE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune::value {

// Fewest and most points of a curve.
inline constexpr int kMinCurvePoints = 2;
inline constexpr int kMaxCurvePoints = 1000;

// What share of the customers counts as the best ones.
inline constexpr double kTopShare = 0.2;

// The best customers first: what they bring together. (A curve of Lorenz' kind, from the top; in
// customer profitability it is called the whale curve: Kaplan, Narayanan 2001.)
struct ProfitCurve {
  struct Point {
    double customers = 0;  // their share, 0 to 1
    double profit = 0;     // of these customers together, in the unit of the values
  };
  int64_t customers = 0;
  double total = 0;  // of all
  // False: the next four are 0, for they would tell of fewer customers than may be told of.
  bool parts_told = true;
  // The best customers, a fifth rounded up, and what they bring.
  int64_t top_customers = 0;
  double top_profit = 0;
  // Those below zero, and what they bring together: not above zero.
  int64_t losing_customers = 0;
  double losing_profit = 0;
  double highest = 0;
  double lowest = 0;
  double median = 0;
  // From {0, 0} to {1, total}, ascending by customers; where the losses begin is among them when
  // there are more than 2 and single customers may be told of. Empty without customers.
  std::vector<Point> points;

  // What all would bring without those below zero: the highest point of the curve.
  double peak() const { return total - losing_profit; }
};

// The curve of the values, which are sorted. Its sums, and the differences of any two of them, are
// of at least `min_group` customers each, but `highest`, `lowest` and `median` are always those of
// one or two. REQUIRES: all values are finite; max_points is within the limits above; there are
// none or at least `min_group`, which is 1 or more.
ProfitCurve MakeProfitCurve(std::vector<double>& values, int max_points, size_t min_group = 1);

// False: a sum is too large for a number.
bool IsFinite(const ProfitCurve& curve);

// "The best 20 % of customers bring 93 % of the profit, the last 15 % cost 11 %." Says so where the
// base as a whole brings nothing, with amounts in the currency, which may be empty.
std::string ProfitSentence(const ProfitCurve& curve, std::string_view currency = "");

// An amount for people, with cents where it is small: "1,234 EUR", "0.25". `currency` may be empty.
std::string AmountText(double amount, std::string_view currency);

// A share as percent for people: "93 %", "0.2 %", "<0.1 %".
std::string PercentText(double share);

}  // namespace attune::value

#endif  // ATTUNE_LIB_VALUE_PROFIT_CURVE_H_
