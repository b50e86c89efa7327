#include "tests/load/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace attune::load {
namespace {

// A bucket is a power of two and the six bits below its highest one.
constexpr int kSubBits = 6;
constexpr int kSubBuckets = 1 << kSubBits;
constexpr int kBuckets = (64 - kSubBits) * kSubBuckets;
constexpr double kNanosPerMicro = 1e3;

size_t BucketOf(uint64_t nanos) {
  if (nanos < kSubBuckets) return static_cast<size_t>(nanos);
  const int shift = 63 - std::countl_zero(nanos) - kSubBits;
  return static_cast<size_t>(shift + 1) * kSubBuckets + ((nanos >> shift) - kSubBuckets);
}

uint64_t UpperBound(size_t bucket) {
  if (bucket < kSubBuckets) return bucket;
  const size_t shift = bucket / kSubBuckets - 1;
  return ((kSubBuckets + bucket % kSubBuckets + 1) << shift) - 1;
}

}  // namespace

LatencyHistogram::LatencyHistogram() : buckets_(kBuckets) {}

void LatencyHistogram::Add(int64_t nanos) {
  ++buckets_[BucketOf(static_cast<uint64_t>(std::max<int64_t>(nanos, 0)))];
  ++count_;
  max_nanos_ = std::max(max_nanos_, nanos);
}

void LatencyHistogram::Add(const LatencyHistogram& other) {
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    buckets_[bucket] += other.buckets_[bucket];
  }
  count_ += other.count_;
  max_nanos_ = std::max(max_nanos_, other.max_nanos_);
}

double LatencyHistogram::PercentileMicros(double fraction) const {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<uint64_t>(
      std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= std::max<uint64_t>(wanted, 1)) {
      return std::min(static_cast<double>(UpperBound(bucket)), static_cast<double>(max_nanos_)) /
             kNanosPerMicro;
    }
  }
  return MaxMicros();
}

double LatencyHistogram::MaxMicros() const {
  return static_cast<double>(max_nanos_) / kNanosPerMicro;
}

}  // namespace attune::load
