#ifndef ATTUNE_LIB_SCORING_CIRCUIT_BREAKER_H_
#define ATTUNE_LIB_SCORING_CIRCUIT_BREAKER_H_

#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "lib/base/mutex.h"

namespace attune::scoring {

// Keeps calls away from a server that does not answer, so that nobody waits for nothing and it can
// recover. Thread-safe; what time it is the caller says.
//
//   closed     every call passes; `failures` failures in a row open the breaker
//   open       no call passes, for `open_for`
//   half-open  one call at a time passes and tries: a success closes the breaker, a failure opens
//              it again
//
// A call that its caller gave up early tells less: `kHurriedPerFailure` times as many of those in a
// row open the breaker, and in the half-open state one opens it again.
class CircuitBreaker {
 public:
  static constexpr int64_t kHurriedPerFailure = 4;
  struct Options {
    int failures = 5;                            // in a row, at least 1
    absl::Duration open_for = absl::Seconds(1);  // above 0
    friend bool operator==(const Options&, const Options&) = default;
  };
  // The numbers are those of a metric.
  enum class State { kClosed = 0, kHalfOpen = 1, kOpen = 2 };

  explicit CircuitBreaker(const Options& options) : options_(options) {}

  // Lets a call pass; its holder owes the breaker one report of what became of it.
  class Permit {
   private:
    friend class CircuitBreaker;
    explicit Permit(uint64_t era) : era_(era) {}
    uint64_t era_;
  };
  // nullopt: the call must not be made.
  std::optional<Permit> TryPass(absl::Time now);

  // The call succeeded, or failed at `now`. What was begun before the state last changed says
  // nothing about it any more and is not looked at.
  void ReportSuccess(Permit permit);
  void ReportFailure(Permit permit, absl::Time now);
  // The call was given up at `now`, before the server had the time that it is allowed.
  void ReportHurried(Permit permit, absl::Time now);

  State state(absl::Time now) const;

 private:
  void Enter(State state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Open(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A clock that was set back does not keep the breaker open for longer than `open_for`.
  bool KeepsShut(absl::Time now) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const Options options_;
  mutable Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kClosed;
  uint64_t era_ ABSL_GUARDED_BY(mutex_) = 0;     // how often the state has changed
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;     // in a row, while closed
  int64_t hurried_ ABSL_GUARDED_BY(mutex_) = 0;  // given up early, with no success in between
  absl::Time open_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool trying_ ABSL_GUARDED_BY(mutex_) = false;  // while half-open: a call is under way
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_CIRCUIT_BREAKER_H_
