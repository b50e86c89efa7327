#ifndef ATTUNE_LIB_BASE_CLOCK_H_
#define ATTUNE_LIB_BASE_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace attune {

// What time it is. Thread-safe. Whatever depends on the time takes a Clock, so that tests and
// replays drive it; nothing in lib/ asks the system for the time of day.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

// The system's clock.
class SystemClock : public Clock {
 public:
  absl::Time Now() const override;
};

// Stands still until somebody moves it: by requests in a replay, by the test in a test.
class ManualClock : public Clock {
 public:
  explicit ManualClock(absl::Time start) : now_us_(absl::ToUnixMicros(start)) {}

  absl::Time Now() const override {
    return absl::FromUnixMicros(now_us_.load(std::memory_order_relaxed));
  }
  void Set(absl::Time now) { now_us_.store(absl::ToUnixMicros(now), std::memory_order_relaxed); }
  void Advance(absl::Duration by) {
    now_us_.fetch_add(absl::ToInt64Microseconds(by), std::memory_order_relaxed);
  }
  // Moves the clock to `time` unless it is already past it.
  void AdvanceTo(absl::Time time);

 private:
  std::atomic<int64_t> now_us_;
};

}  // namespace attune

#endif  // ATTUNE_LIB_BASE_CLOCK_H_
