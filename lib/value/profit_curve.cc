#include "lib/value/profit_curve.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace attune::value {
namespace {

// Adds numbers of any size and order with hardly any loss: Neumaier (1974).
class Sum {
 public:
  void Add(double value) {
    const double next = sum_ + value;
    rest_ += std::abs(sum_) >= std::abs(value) ? (sum_ - next) + value : (value - next) + sum_;
    sum_ = next;
  }
  double value() const { return sum_ + rest_; }

 private:
  double sum_ = 0;
  double rest_ = 0;
};

double MedianOf(const std::vector<double>& sorted) {
  const size_t middle = sorted.size() / 2;
  if (sorted.size() % 2 == 1) return sorted[middle];
  return sorted[middle - 1] / 2 + sorted[middle] / 2;
}

// After how many customers the curve has its points, ascending.
std::vector<size_t> PlacesOf(size_t customers, size_t losses_begin, int max_points) {
  const auto intervals = std::min(static_cast<size_t>(max_points - 1), customers);
  std::vector<size_t> places;
  places.reserve(intervals + 1);
  for (size_t i = 0; i <= intervals; ++i) {
    places.push_back(static_cast<size_t>(std::llround(
        static_cast<double>(customers) * static_cast<double>(i) / static_cast<double>(intervals))));
  }
  // Where the losses begin takes the place of the point that is nearest, but for the ends.
  if (places.size() < 3) return places;
  const auto distance = [&](size_t place) {
    return place > losses_begin ? place - losses_begin : losses_begin - place;
  };
  if (distance(0) == 0 || distance(customers) == 0) return places;
  *std::min_element(places.begin() + 1, places.end() - 1,
                    [&](size_t a, size_t b) { return distance(a) < distance(b); }) = losses_begin;
  return places;
}

}  // namespace

ProfitCurve MakeProfitCurve(std::vector<double>& values, int max_points) {
  ProfitCurve curve;
  if (values.empty()) return curve;
  std::sort(values.begin(), values.end(), std::greater<>());
  curve.customers = static_cast<int64_t>(values.size());
  curve.top_customers = (curve.customers + 4) / 5;  // kTopShare
  curve.highest = values.front();
  curve.lowest = values.back();
  curve.median = MedianOf(values);
  const auto losses_begin = static_cast<size_t>(
      std::lower_bound(values.begin(), values.end(), 0.0, std::greater_equal<>()) - values.begin());
  curve.losing_customers = curve.customers - static_cast<int64_t>(losses_begin);

  const std::vector<size_t> places = PlacesOf(values.size(), losses_begin, max_points);
  Sum sum;
  Sum losses;
  size_t next = 0;
  for (size_t i = 0; i <= values.size(); ++i) {
    if (i == static_cast<size_t>(curve.top_customers)) curve.top_profit = sum.value();
    if (next < places.size() && places[next] == i) {
      curve.points.push_back(
          {static_cast<double>(i) / static_cast<double>(values.size()), sum.value()});
      ++next;
    }
    if (i == values.size()) break;
    sum.Add(values[i]);
    if (i >= losses_begin) losses.Add(values[i]);
  }
  curve.total = sum.value();
  curve.losing_profit = losses.value();
  return curve;
}

std::string PercentText(double share) {
  const double percent = 100 * share;
  if (percent > 0 && percent < 0.05) return "<0.1 %";
  // A whole number where a digit more tells nothing: and never "100 %" of what isn't all.
  const bool whole = percent >= 9.95 && (percent < 99.5 || percent >= 100);
  if (whole || percent == 0) return absl::StrFormat("%.0f %%", percent);
  return absl::StrFormat("%.1f %%", std::min(percent, 99.9));
}

std::string ProfitSentence(const ProfitCurve& curve) {
  if (curve.customers == 0) return "There are no customers.";
  const auto share_of_all = [&](int64_t customers) {
    return static_cast<double>(customers) / static_cast<double>(curve.customers);
  };
  std::string losing = ", nobody costs money.";
  if (curve.losing_customers > 0)
    losing = absl::StrCat(", the last ", PercentText(share_of_all(curve.losing_customers)));
  if (curve.total <= 0) {
    if (curve.losing_customers == 0)
      return "The customers bring no profit, and nobody costs money.";
    return absl::StrFormat(
        "All customers together bring no profit but %.6g: %s bring %.6g%s cost %.6g.", curve.total,
        curve.peak() > 0 ? "those above zero" : "those who cost nothing", curve.peak(), losing,
        -curve.losing_profit);
  }
  if (curve.losing_customers > 0) {
    absl::StrAppend(&losing, " cost ", PercentText(-curve.losing_profit / curve.total), ".");
  }
  return absl::StrCat("The best ", PercentText(kTopShare), " of customers bring ",
                      PercentText(curve.top_profit / curve.total), " of the profit", losing);
}

}  // namespace attune::value
