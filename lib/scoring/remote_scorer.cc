#include "lib/scoring/remote_scorer.h"

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"

namespace attune::scoring {
namespace {

// Of the time that the caller still waits: the rest is for what comes of the answer, or of its
// absence.
constexpr double kShareOfTimeLeft = 0.75;

}  // namespace

RemoteScorer::RemoteScorer(RemoteSettings settings, std::unique_ptr<RemoteTransport> transport,
                           const Clock* clock)
    : settings_(std::move(settings)),
      transport_(std::move(transport)),
      clock_(*clock),
      breaker_(settings_.breaker) {}

RemoteAnswer RemoteScorer::Ask(absl::Span<const double> rows, absl::Time deadline,
                               const Predictions& predictions) {
  if (deadline == absl::InfinitePast()) return {ModelFailure::kNotAsked, ""};
  RemoteAnswer answer = AskWithin(rows, deadline, predictions);
  counts_[static_cast<size_t>(answer.failure)].fetch_add(1, std::memory_order_relaxed);
  return answer;
}

RemoteAnswer RemoteScorer::AskWithin(absl::Span<const double> rows, absl::Time deadline,
                                     const Predictions& predictions) {
  const absl::Time now = clock_.Now();
  if (deadline <= now) return {ModelFailure::kNoTime, ""};
  const absl::Cleanup leave = [this] { under_way_.fetch_sub(1, std::memory_order_release); };
  if (under_way_.fetch_add(1, std::memory_order_acquire) >= settings_.max_concurrent) {
    return {ModelFailure::kBusy, ""};
  }
  const std::optional<CircuitBreaker::Permit> permit = breaker_.TryPass(now);
  if (!permit) return {ModelFailure::kBreakerOpen, ""};
  const absl::Time own = now + settings_.deadline;
  const absl::Time callers =
      deadline == absl::InfiniteFuture() ? deadline : now + (deadline - now) * kShareOfTimeLeft;
  RemoteAnswer answer = transport_->Ask(rows, std::min(own, callers), predictions);
  if (answer.failure == ModelFailure::kNone) {
    breaker_.ReportSuccess(*permit);
  } else if (answer.failure == ModelFailure::kTimeout && callers < own) {
    breaker_.ReportHurried(*permit, clock_.Now());
  } else {
    breaker_.ReportFailure(*permit, clock_.Now());
  }
  return answer;
}

}  // namespace attune::scoring
