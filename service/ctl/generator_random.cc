#include "service/ctl/generator_random.h"

namespace attune::ctl {

int64_t GeneratorRandom::Count(double mean) {
  // A Poisson number by inversion, with exp(-mean) as the limit of (1 + x/n)^-n, which libm has no
  // part in.
  double base = 1 + mean / 1024;
  for (int i = 0; i < 10; ++i) base *= base;
  double probability = 1 / base;
  double left = Uniform();
  for (int64_t count = 0; count < 20; ++count) {
    if (left < probability) return count;
    left -= probability;
    probability = probability * mean / static_cast<double>(count + 1);
  }
  return 20;
}

double ValueAt(absl::Span<const QuantilePoint> points, double quantile) {
  for (size_t i = 1; i < points.size(); ++i) {
    const QuantilePoint& low = points[i - 1];
    const QuantilePoint& high = points[i];
    if (quantile > high.quantile) continue;
    const double share = (quantile - low.quantile) / (high.quantile - low.quantile);
    return low.value + share * (high.value - low.value);
  }
  return points.back().value;
}

std::string_view Pick(GeneratorRandom& random, absl::Span<const WeightedName> names) {
  double sum = 0;
  for (const WeightedName& name : names) sum += name.weight;
  double left = random.Uniform() * sum;
  for (const WeightedName& name : names) {
    if (left < name.weight) return name.name;
    left -= name.weight;
  }
  return names.back().name;
}

}  // namespace attune::ctl
