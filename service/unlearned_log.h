#ifndef ATTUNE_SERVICE_UNLEARNED_LOG_H_
#define ATTUNE_SERVICE_UNLEARNED_LOG_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "service/learner_state.h"

namespace attune::service {

// Logs that treatments are not learned from, for reasons that somebody can do something about: the
// first of a series, and again when it still goes on after kPeriod. Not thread-safe.
class UnlearnedLog {
 public:
  static constexpr std::chrono::hours kPeriod{1};

  // Logs what has come since the last call for each reason. What the state had at the first call
  // was there before. `limit`: of the treatments that wait.
  void Note(const LearnerState& state, size_t limit, std::chrono::steady_clock::time_point now);

 private:
  static constexpr size_t kReasons = 3;

  struct Series {
    uint64_t noted = 0;  // the count when it was logged last, or as nothing was to be logged
    std::chrono::steady_clock::time_point quiet_until;
  };

  bool is_first_ = true;
  std::array<Series, kReasons> series_;
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_UNLEARNED_LOG_H_
