#ifndef ATTUNE_SERVICE_CTL_GENERATOR_RANDOM_H_
#define ATTUNE_SERVICE_CTL_GENERATOR_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/types/span.h"

namespace attune::ctl {

// Numbers for generated data. The same seed and stream give the same numbers with every compiler
// and on every platform: SplitMix64 (Steele, Lea, Flood 2014) for the bits, and nothing but sums,
// products and quotients of doubles for the distributions; neither the standard's distributions nor
// the functions of libm are the same everywhere. Not thread-safe.
class GeneratorRandom {
 public:
  // Streams of one seed don't depend on each other.
  GeneratorRandom(uint64_t seed, uint64_t stream) : state_(Mix(Mix(seed) + stream)) {}

  uint64_t Next() { return Mix(state_ += 0x9E3779B97F4A7C15u); }

  // 0 <= x < 1.
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  double Between(double low, double high) { return low + (high - low) * Uniform(); }
  bool Chance(double probability) { return Uniform() < probability; }
  // 0 <= i < count. REQUIRES: 0 < count.
  int64_t Below(int64_t count) {
    return static_cast<int64_t>(Uniform() * static_cast<double>(count));
  }
  // Nearly normal, between -6 and 6: the sum of twelve uniform numbers less 6.
  double Normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += Uniform();
    return sum;
  }
  // How often an event that happens `mean` times on average happens; at most 20.
  int64_t Count(double mean);

 private:
  static uint64_t Mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

// A point of a distribution: a share `quantile` of all values is at most `value`.
struct QuantilePoint {
  double quantile;
  double value;
};

// The value at the quantile, on straight lines between the points. REQUIRES: the quantiles rise
// from 0 to 1; 0 <= quantile <= 1.
double ValueAt(absl::Span<const QuantilePoint> points, double quantile);

// A category and its share; shares need not add up to 1.
struct WeightedName {
  std::string_view name;
  double weight;
};

std::string_view Pick(GeneratorRandom& random, absl::Span<const WeightedName> names);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_GENERATOR_RANDOM_H_
