#include "lib/scoring/circuit_breaker.h"

namespace attune::scoring {

void CircuitBreaker::Enter(State state) {
  state_ = state;
  ++era_;
  failures_ = 0;
  trying_ = false;
}

std::optional<CircuitBreaker::Permit> CircuitBreaker::TryPass(absl::Time now) {
  MutexLock lock(mutex_);
  if (state_ == State::kOpen) {
    if (now < open_until_) return std::nullopt;
    Enter(State::kHalfOpen);
  }
  if (state_ == State::kHalfOpen) {
    if (trying_) return std::nullopt;
    trying_ = true;
  }
  return Permit(era_);
}

void CircuitBreaker::ReportSuccess(Permit permit) {
  MutexLock lock(mutex_);
  if (permit.era_ != era_) return;
  if (state_ == State::kHalfOpen) Enter(State::kClosed);
  failures_ = 0;
}

void CircuitBreaker::ReportFailure(Permit permit, absl::Time now) {
  MutexLock lock(mutex_);
  if (permit.era_ != era_) return;
  if (state_ == State::kClosed && ++failures_ < options_.failures) return;
  Enter(State::kOpen);
  open_until_ = now + options_.open_for;
}

void CircuitBreaker::ReportNothing(Permit permit) {
  MutexLock lock(mutex_);
  if (permit.era_ == era_) trying_ = false;
}

CircuitBreaker::State CircuitBreaker::state(absl::Time now) const {
  MutexLock lock(mutex_);
  return state_ == State::kOpen && now >= open_until_ ? State::kHalfOpen : state_;
}

}  // namespace attune::scoring
