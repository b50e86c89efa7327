#include "tests/load/series.h"

#include <algorithm>
#include <utility>

namespace attune::load {
namespace {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

void Series::Add(LoadResult result) {
  const LatencyHistogram& latency = result.latency;
  rounds.push_back({result.qps, latency.PercentileMicros(0.5), latency.PercentileMicros(0.9),
                    latency.PercentileMicros(0.99), latency.PercentileMicros(0.999),
                    latency.MaxMicros()});
  answered += result.answered;
  if (errors == 0) first_error = std::move(result.first_error);
  errors += result.errors;
  if (!result.last_answer.empty()) last_answer = std::move(result.last_answer);
}

double Series::MedianOf(size_t figure) const {
  std::vector<double> values;
  values.reserve(rounds.size());
  for (const std::vector<double>& round : rounds) values.push_back(round[figure]);
  return Median(std::move(values));
}

double MedianRatio(const Series& a, const Series& b, size_t figure) {
  std::vector<double> ratios;
  for (size_t i = 0; i < a.rounds.size(); ++i) {
    ratios.push_back(b.rounds[i][figure] > 0 ? a.rounds[i][figure] / b.rounds[i][figure] : 0);
  }
  return Median(std::move(ratios));
}

}  // namespace attune::load
