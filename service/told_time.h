#ifndef ATTUNE_SERVICE_TOLD_TIME_H_
#define ATTUNE_SERVICE_TOLD_TIME_H_

#include <chrono>
#include <optional>

#include "absl/time/time.h"

namespace attune::service {

// What time it is, to be told where a wrong answer can't be taken back: the wall clock, but when it
// jumps, the time as it goes on by the steady clock, until the wall clock has agreed with itself
// for kAgreement. Not thread-safe.
class ToldTime {
 public:
  // What the clocks may differ by from one call to the next without it being a jump.
  static constexpr absl::Duration kTolerance = absl::Minutes(2);
  // For how long the wall clock must go on evenly after a jump to be believed.
  static constexpr absl::Duration kAgreement = absl::Minutes(5);

  // The time, by what both clocks say now. The first call believes the wall clock. REQUIRES: steady
  // is not before that of the last call.
  absl::Time At(absl::Time wall, std::chrono::steady_clock::time_point steady);

 private:
  // What both clocks said at the same time.
  struct Reading {
    absl::Time wall;
    std::chrono::steady_clock::time_point steady;
  };
  static absl::Time GoneOn(const Reading& from, std::chrono::steady_clock::time_point steady);
  static bool Agree(absl::Time a, absl::Time b) { return absl::AbsDuration(a - b) <= kTolerance; }

  std::optional<Reading> believed_;  // the last that was; absent: none yet
  std::optional<Reading> jumped_;    // the first after a jump that is not believed yet
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_TOLD_TIME_H_
