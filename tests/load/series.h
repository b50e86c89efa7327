#ifndef ATTUNE_TESTS_LOAD_SERIES_H_
#define ATTUNE_TESTS_LOAD_SERIES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/load/load_client.h"

namespace attune::load {

// The figures of one round, in the order in which they are printed.
inline constexpr const char* kFigures[] = {"qps",    "p50_us",  "p90_us",
                                           "p99_us", "p999_us", "max_us"};
inline constexpr size_t kQps = 0;
inline constexpr size_t kP99 = 3;

// All rounds of one server, or of what it is compared with. Not thread-safe.
struct Series {
  std::vector<std::vector<double>> rounds;  // of kFigures
  uint64_t answered = 0;
  uint64_t errors = 0;
  std::string first_error;
  std::string last_answer;

  void Add(LoadResult result);
  double MedianOf(size_t figure) const;
};

// The median of the ratios of rounds that stood side by side; a round of `b` that has nothing
// counts as 0. REQUIRES: both have as many rounds, at least one.
double MedianRatio(const Series& a, const Series& b, size_t figure);

}  // namespace attune::load

#endif  // ATTUNE_TESTS_LOAD_SERIES_H_
