#ifndef ATTUNE_LIB_SCORING_REMOTE_SCORER_H_
#define ATTUNE_LIB_SCORING_REMOTE_SCORER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/base/clock.h"
#include "lib/scoring/circuit_breaker.h"
#include "lib/scoring/model.h"

namespace attune::scoring {

// How a model on a server is reached and asked: what a strategy says (strategy.proto, Remote), with
// its defaults filled in.
struct RemoteSettings {
  std::vector<std::string> endpoints;  // host:port, at least one
  std::string model;
  std::string version;  // empty: the server chooses
  size_t columns = 0;
  std::string input_tensor;
  std::string output_tensor;  // empty: the first of the answer
  size_t output = 0;
  std::optional<size_t> deviation_output;
  bool is_double = false;  // FP64, else FP32
  absl::Duration deadline;
  int max_concurrent = 1;
  int channels = 1;  // to each endpoint
  CircuitBreaker::Options breaker;
  friend bool operator==(const RemoteSettings&, const RemoteSettings&) = default;
};

// What becomes of one call.
struct RemoteAnswer {
  ModelFailure failure = ModelFailure::kNone;
  std::string text;  // of a failure, for the log
};

// Carries questions to a server. Thread-safe.
class RemoteTransport {
 public:
  virtual ~RemoteTransport() = default;

  // Asks for one prediction per row and waits for the answer, not longer than `deadline`. `rows`
  // has RemoteSettings::columns numbers per row. Failures: kTimeout, kUnavailable, kRefused,
  // kBadAnswer.
  virtual RemoteAnswer Ask(absl::Span<const double> rows, absl::Time deadline,
                           const Predictions& predictions) = 0;
};

// Asks one model on a server, within limits: how many calls are under way, how long they take, and
// whether the server has been failing. Counts what becomes of them. Thread-safe. Lives on when the
// strategy is made anew with other models.
class RemoteScorer {
 public:
  // `clock` is the system's time and outlives the scorer.
  RemoteScorer(RemoteSettings settings, std::unique_ptr<RemoteTransport> transport,
               const Clock* clock);

  // As RemoteTransport::Ask, for as long as the settings say, and at most three quarters of the
  // time until `deadline`, so that the caller gets an answer even when there is none here. Failures
  // besides: kNoTime, kBusy, kBreakerOpen. InfinitePast is not counted.
  RemoteAnswer Ask(absl::Span<const double> rows, absl::Time deadline,
                   const Predictions& predictions);

  const RemoteSettings& settings() const { return settings_; }
  // How many calls ended so; kNone: well.
  uint64_t count(ModelFailure failure) const {
    return counts_[static_cast<size_t>(failure)].load(std::memory_order_relaxed);
  }
  CircuitBreaker::State breaker_state() const { return breaker_.state(clock_.Now()); }

 private:
  RemoteAnswer AskWithin(absl::Span<const double> rows, absl::Time deadline,
                         const Predictions& predictions);

  const RemoteSettings settings_;
  const std::unique_ptr<RemoteTransport> transport_;
  const Clock& clock_;
  CircuitBreaker breaker_;
  std::atomic<int> under_way_{0};
  std::array<std::atomic<uint64_t>, kModelFailures> counts_{};
};

// Where remote models get their connections from. Thread-safe.
class RemoteConnector {
 public:
  virtual ~RemoteConnector() = default;

  // The scorer for the model that the strategy calls `name`: the one of before, when it has the
  // same settings. Connects in the background: no server needs to be there. When it is, and the
  // model does not take or give what the settings say, `warning` says so.
  virtual std::shared_ptr<RemoteScorer> Connect(const std::string& name,
                                                const RemoteSettings& settings,
                                                std::string& warning) = 0;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_REMOTE_SCORER_H_
