#include "lib/scoring/circuit_breaker.h"

namespace attune::scoring {

void CircuitBreaker::Enter(State state) {
  state_ = state;
  ++era_;
  failures_ = 0;
  hurried_ = 0;
  trying_ = false;
}

void CircuitBreaker::Open(absl::Time now) {
  Enter(State::kOpen);
  open_until_ = now + options_.open_for;
}

bool CircuitBreaker::KeepsShut(absl::Time now) const {
  return state_ == State::kOpen && now < open_until_ && now >= open_until_ - options_.open_for;
}

std::optional<CircuitBreaker::Permit> CircuitBreaker::TryPass(absl::Time now) {
  MutexLock lock(mutex_);
  if (KeepsShut(now)) return std::nullopt;
  if (state_ == State::kOpen) Enter(State::kHalfOpen);
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
  hurried_ = 0;
}

void CircuitBreaker::ReportFailure(Permit permit, absl::Time now) {
  MutexLock lock(mutex_);
  if (permit.era_ != era_) return;
  if (state_ == State::kClosed && ++failures_ < options_.failures) return;
  Open(now);
}

void CircuitBreaker::ReportHurried(Permit permit, absl::Time now) {
  MutexLock lock(mutex_);
  if (permit.era_ != era_) return;
  if (state_ == State::kClosed && ++hurried_ < kHurriedPerFailure * options_.failures) return;
  Open(now);
}

CircuitBreaker::State CircuitBreaker::state(absl::Time now) const {
  MutexLock lock(mutex_);
  return state_ == State::kOpen && !KeepsShut(now) ? State::kHalfOpen : state_;
}

}  // namespace attune::scoring
