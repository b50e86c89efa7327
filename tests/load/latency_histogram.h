#ifndef ATTUNE_TESTS_LOAD_LATENCY_HISTOGRAM_H_
#define ATTUNE_TESTS_LOAD_LATENCY_HISTOGRAM_H_

#include <cstdint>
#include <vector>

namespace attune::load {

// Latencies in buckets that are never wider than 1/64 of their value, so that
// any percentile is off by less than 2 %. Not thread-safe.
class LatencyHistogram {
 public:
  LatencyHistogram();
  void Add(int64_t nanos);
  // Adds what the other one has.
  void Add(const LatencyHistogram& other);
  // The latency that `fraction` (0 … 1) of the calls did not exceed, in
  // microseconds; 0 when empty.
  double PercentileMicros(double fraction) const;
  double MaxMicros() const;
  uint64_t count() const { return count_; }

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  int64_t max_nanos_ = 0;
};

}  // namespace attune::load

#endif  // ATTUNE_TESTS_LOAD_LATENCY_HISTOGRAM_H_
