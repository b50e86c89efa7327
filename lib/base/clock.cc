#include "lib/base/clock.h"

#include "absl/time/clock.h"

namespace attune {

absl::Time SystemClock::Now() const { return absl::Now(); }

void ManualClock::AdvanceTo(absl::Time time) {
  const int64_t target = absl::ToUnixMicros(time);
  int64_t seen = now_us_.load(std::memory_order_relaxed);
  while (seen < target && !now_us_.compare_exchange_weak(seen, target, std::memory_order_relaxed)) {
  }
}

}  // namespace attune
