#ifndef ATTUNE_LIB_VALUE_PROFIT_CURVE_H_
#define ATTUNE_LIB_VALUE_PROFIT_CURVE_H_

#include <cstdint>
#include <string>
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
  // there are more than 2. Empty without customers.
  std::vector<Point> points;

  // What all would bring without those below zero: the highest point of the curve.
  double peak() const { return total - losing_profit; }
};

// The curve of the values, which are sorted. REQUIRES: all are finite; max_points is within the
// limits above.
ProfitCurve MakeProfitCurve(std::vector<double>& values, int max_points);

// "The best 20 % of customers bring 93 % of the profit, the last 15 % cost 11 %." Says so where the
// base as a whole brings nothing.
std::string ProfitSentence(const ProfitCurve& curve);

// A share as percent for people: "93 %", "0.2 %", "<0.1 %".
std::string PercentText(double share);

}  // namespace attune::value

#endif  // ATTUNE_LIB_VALUE_PROFIT_CURVE_H_
