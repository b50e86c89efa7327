#include "lib/learning/forward_decay.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"

namespace attune::learning {
namespace {

// About 36,000 years before and after 1970: differences of such times don't overflow.
constexpr int64_t kFarthestUs = int64_t{1} << 60;

int64_t ToUs(absl::Time time) {
  return std::clamp(absl::ToUnixMicros(time), -kFarthestUs, kFarthestUs);
}

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// What is left after so many half-lives, of which there are none or more.
double LeftAfter(int64_t half_lives) {
  // Beyond that nothing is left of a double.
  constexpr int64_t kMost = 4096;
  return std::ldexp(1.0, -static_cast<int>(std::min(kMost, half_lives)));
}

}  // namespace

absl::Time TrustedTime(absl::Time time, absl::Time written) { return std::min(time, written); }

ForwardDecay::ForwardDecay(absl::Duration half_life)
    : half_life_us_(std::clamp(absl::ToInt64Microseconds(half_life), int64_t{0}, kFarthestUs)) {}

double ForwardDecay::AdvanceTo(absl::Time time) {
  const int64_t time_us = ToUs(time);
  if (!started_) {
    started_ = true;
    now_us_ = time_us;
    if (half_life_us_ > 0) landmark_ = FloorDivide(now_us_, half_life_us_);
    UpdateScale();
    return 1;
  }
  if (time_us <= now_us_) return 1;
  now_us_ = time_us;
  if (half_life_us_ == 0) return 1;
  double factor = 1;
  const int64_t half_lives = FloorDivide(now_us_, half_life_us_) - landmark_;
  if (half_lives >= kMaxHalfLives) {
    landmark_ += half_lives;
    factor = LeftAfter(half_lives);
  }
  UpdateScale();
  return factor;
}

double ForwardDecay::HalfLivesBefore(int64_t time_us) const {
  return static_cast<double>(now_us_ - time_us) / static_cast<double>(half_life_us_);
}

double ForwardDecay::WeightOf(absl::Time time) const {
  if (half_life_us_ == 0 || !started_) return 1;
  return std::exp2(-std::max(0.0, HalfLivesBefore(ToUs(time))));
}

void ForwardDecay::UpdateScale() {
  if (half_life_us_ > 0) scale_ = std::exp2(-HalfLivesBefore(landmark_ * half_life_us_));
}

absl::Time ForwardDecay::now() const {
  return started_ ? absl::FromUnixMicros(now_us_) : absl::InfinitePast();
}

ForwardDecay::Factors ForwardDecay::Merge(const ForwardDecay& other) {
  if (!other.started_) return {};
  if (!started_) {
    *this = other;
    return {};
  }
  const int64_t landmark = std::max(landmark_, other.landmark_);
  const Factors factors{LeftAfter(landmark - landmark_), LeftAfter(landmark - other.landmark_)};
  landmark_ = landmark;
  now_us_ = std::max(now_us_, other.now_us_);
  UpdateScale();
  return factors;
}

void ForwardDecay::Encode(std::string& out) const {
  PutVarint(out, ZigZag(half_life_us_));
  out.push_back(started_ ? 1 : 0);
  PutVarint(out, ZigZag(now_us_));
  PutVarint(out, ZigZag(landmark_));
}

absl::StatusOr<ForwardDecay> ForwardDecay::Decode(ByteReader& reader) {
  const absl::Status damaged = absl::DataLossError("a stored clock of forgetting is malformed");
  ForwardDecay decay(absl::ZeroDuration());
  decay.half_life_us_ = UnZigZag(reader.Varint());
  const uint8_t started = reader.Fixed<uint8_t>();
  decay.now_us_ = UnZigZag(reader.Varint());
  decay.landmark_ = UnZigZag(reader.Varint());
  if (!reader.ok() || started > 1 || decay.half_life_us_ < 0 || decay.half_life_us_ > kFarthestUs ||
      decay.now_us_ < -kFarthestUs || decay.now_us_ > kFarthestUs) {
    return damaged;
  }
  decay.started_ = started == 1;
  if (!decay.started_ || decay.half_life_us_ == 0) {
    if (decay.landmark_ != 0 || (!decay.started_ && decay.now_us_ != 0)) return damaged;
    return decay;
  }
  const int64_t latest = FloorDivide(decay.now_us_, decay.half_life_us_);
  // A merge takes the later landmark and the later clock, so no more than kMaxHalfLives are
  // between.
  if (decay.landmark_ > latest || decay.landmark_ <= latest - kMaxHalfLives) return damaged;
  decay.UpdateScale();
  return decay;
}

}  // namespace attune::learning
