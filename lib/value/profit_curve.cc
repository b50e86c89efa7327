#include "lib/value/profit_curve.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/absl_strings.h"

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

// The best customers: a fifth (kTopShare), rounded up.
size_t TopOf(size_t customers) { return (customers + 4) / 5; }

// After how many customers the curve has its points, ascending.
std::vector<size_t> PlacesOf(size_t customers, size_t losses_begin, int max_points,
                             size_t min_group) {
  const auto intervals = std::min(static_cast<size_t>(max_points - 1), customers / min_group);
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
  if (min_group > 1) {
    // No two sums may tell of fewer by their difference.
    const size_t top = TopOf(customers);
    std::erase_if(places, [&](size_t place) {
      const size_t from_top = place > top ? place - top : top - place;
      const bool is_near = (from_top > 0 && from_top < min_group) ||
                           (distance(place) > 0 && distance(place) < min_group);
      return is_near && place != 0 && place != customers;
    });
    return places;
  }
  if (distance(0) == 0 || distance(customers) == 0) return places;
  *std::min_element(places.begin() + 1, places.end() - 1,
                    [&](size_t a, size_t b) { return distance(a) < distance(b); }) = losses_begin;
  return places;
}

// Whether sums at these places tell of no fewer customers than a group, whichever are subtracted.
bool AreApart(std::vector<size_t> places, size_t min_group) {
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return std::adjacent_find(places.begin(), places.end(),
                            [&](size_t a, size_t b) { return b - a < min_group; }) == places.end();
}

// Of customers who bring nothing together, of whom some cost.
std::string LossSentence(const ProfitCurve& curve, std::string_view currency) {
  const auto amount = [&](double value) { return AmountText(value, currency); };
  if (curve.peak() <= 0 || curve.losing_customers == curve.customers) {
    return absl::StrCat("The customers bring no profit: together they cost ", amount(-curve.total),
                        ".");
  }
  const double share =
      static_cast<double>(curve.losing_customers) / static_cast<double>(curve.customers);
  return absl::StrCat("All customers together bring no profit",
                      curve.total < 0 ? absl::StrCat(" but cost ", amount(-curve.total)) : "",
                      ": those above zero bring ", amount(curve.peak()), ", the last ",
                      PercentText(share), " cost ", amount(-curve.losing_profit), ".");
}

}  // namespace

ProfitCurve MakeProfitCurve(std::vector<double>& values, int max_points, size_t min_group) {
  ProfitCurve curve;
  if (values.empty()) return curve;
  std::sort(values.begin(), values.end(), std::greater<>());
  curve.customers = static_cast<int64_t>(values.size());
  curve.top_customers = static_cast<int64_t>(TopOf(values.size()));
  curve.highest = values.front();
  curve.lowest = values.back();
  curve.median = MedianOf(values);
  const auto losses_begin = static_cast<size_t>(
      std::lower_bound(values.begin(), values.end(), 0.0, std::greater_equal<>()) - values.begin());
  curve.losing_customers = curve.customers - static_cast<int64_t>(losses_begin);

  const std::vector<size_t> places = PlacesOf(values.size(), losses_begin, max_points, min_group);
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
  std::vector<size_t> told = places;
  told.push_back(static_cast<size_t>(curve.top_customers));
  told.push_back(losses_begin);
  curve.parts_told = AreApart(std::move(told), min_group);
  if (!curve.parts_told) {
    curve.top_customers = curve.losing_customers = 0;
    curve.top_profit = curve.losing_profit = 0;
  }
  return curve;
}

bool IsFinite(const ProfitCurve& curve) {
  // A sum that was too large once stays so.
  return std::isfinite(curve.total) && std::isfinite(curve.losing_profit);
}

std::string PercentText(double share) {
  const double percent = 100 * share;
  if (percent > 0 && percent < 0.05) return "<0.1 %";
  // A whole number where a digit more tells nothing: and never "100 %" of what isn't all.
  const bool whole = percent >= 9.95 && (percent < 99.5 || percent >= 100);
  if (whole || percent == 0) return absl::StrFormat("%.0f %%", percent);
  return absl::StrFormat("%.1f %%", std::min(percent, 99.9));
}

std::string AmountText(double amount, std::string_view currency) {
  const bool whole = amount == std::round(amount) || std::abs(amount) >= 100;
  std::string text = whole ? absl::StrFormat("%.0f", amount) : absl::StrFormat("%.2f", amount);
  if (std::abs(amount) >= 1e15) {
    text = absl::StrFormat("%.6g", amount);
  } else if (whole) {
    const size_t first = text.front() == '-' ? 1 : 0;
    for (size_t i = text.size(); i > first + 3;) {
      i -= 3;
      text.insert(text.begin() + static_cast<ptrdiff_t>(i), ',');
    }
  }
  if (!currency.empty()) absl::StrAppend(&text, " ", ToAbsl(currency));
  return text;
}

std::string ProfitSentence(const ProfitCurve& curve, std::string_view currency) {
  if (curve.customers == 0) return "There are no customers.";
  if (!curve.parts_told) {
    return absl::StrCat("All customers together ", curve.total < 0 ? "cost " : "bring ",
                        AmountText(std::abs(curve.total), currency), ".");
  }
  if (curve.total <= 0 && curve.losing_customers == 0) {
    return "The customers bring no profit, and nobody costs money.";
  }
  if (curve.total <= 0) return LossSentence(curve, currency);
  std::string losing = ", nobody costs money.";
  if (curve.losing_customers > 0) {
    const double share =
        static_cast<double>(curve.losing_customers) / static_cast<double>(curve.customers);
    losing = absl::StrCat(", the last ", PercentText(share), " cost ",
                          PercentText(-curve.losing_profit / curve.total), ".");
  }
  return absl::StrCat("The best ", PercentText(kTopShare), " of customers bring ",
                      PercentText(curve.top_profit / curve.total), " of the profit", losing);
}

}  // namespace attune::value
