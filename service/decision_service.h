#ifndef ATTUNE_SERVICE_DECISION_SERVICE_H_
#define ATTUNE_SERVICE_DECISION_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "attune/v1/decision_service.pb.h"
#include "lib/base/clock.h"
#include "lib/base/mutex.h"
#include "lib/base/violations.h"
#include "lib/context/decision_context.h"
#include "lib/context/decision_request.h"
#include "lib/decision/decider.h"
#include "lib/evidence/evidence_fold.h"
#include "lib/stops/stop_list.h"
#include "lib/strategy/strategy.h"
#include "service/decision_answer.h"
#include "service/learner.h"
#include "service/metrics.h"
#include "service/value_conversion.h"
#include "service/value_updater.h"

namespace attune::service {

// attune.v1.DecisionService without its transport: messages in, messages out. Thread-safe.
class DecisionService {
 public:
  struct Options {
    std::shared_ptr<const strategy::Strategy> strategy;  // the first one
    // How many decisions at the same time find warm memory after the strategy was swapped.
    int warm_decisions = 1;
    storage::StateStore* store = nullptr;  // outlives the service
    HashKey seed{};
    const Clock* clock = nullptr;  // outlives the service
    // Set in a replay: valid requests that are no dry run move it on from kReplayStart, and no skew
    // is too large. Then `clock` is the same object.
    ManualClock* replay_clock = nullptr;
    absl::Duration max_clock_skew = absl::Minutes(5);
    const stops::StopList* stops = nullptr;  // outlives the service; nullptr: nothing is stopped
    // Outlives the service; nullptr: every treatment reaches everybody. In a replay each decision
    // counts first what has happened before it, so that it does not depend on when it is made.
    evidence::EvidenceFold* evidence = nullptr;
    // Outlives the service; nullptr: nothing is learned. In a replay as `evidence`.
    Learner* learner = nullptr;
    DecisionMetrics* metrics = nullptr;    // outlives the service
    const ValueUpdater* values = nullptr;  // outlives the service; nullptr: there are no scores
  };
  // The time of a replay clock that no request has set yet.
  static constexpr absl::Time kReplayStart = absl::UnixEpoch();

  explicit DecisionService(const Options& options);
  ~DecisionService();

  // A strategy made ready to decide. Immutable.
  struct Prepared;
  // Makes a strategy ready: encodes what answers repeat, and warms it up. Takes its time. REQUIRES:
  // it is the first one with other models.
  std::shared_ptr<Prepared> Prepare(std::shared_ptr<const strategy::Strategy> strategy) const;
  // Decisions that begin from now on use the strategy; those that have begun finish with the one
  // before. Waits for nobody.
  void Publish(const std::shared_ptr<Prepared>& prepared);

  // See the service's comments in decision_service.proto. The answer is appended to `answer` as the
  // bytes of a DecideResponse; a repeated request gets the same bytes, but for an explanation too
  // long to be kept. INVALID_ARGUMENT comes with
  // every violation in `violations`. Only where a model waits for another process it matters how
  // long the caller waits: until `deadline`, by the system's clock. `durability` is that of
  // decision::DecideOptions. `is_unflushed` is set when the decision waits for Flush.
  absl::Status Decide(const attune::v1::DecideRequest& request, std::string* answer,
                      Violations& violations, absl::Time deadline = absl::InfiniteFuture(),
                      storage::Durability durability = storage::Durability::kProcess,
                      bool* is_unflushed = nullptr);

  // To be called after decisions with kFlush, before they are answered: once for all that were made
  // meanwhile. An error: they may be lost, and nobody may get them; decide anew, with kProcess.
  absl::Status Flush();

  // Whether decisions wait for other processes, so that they must not run on a thread that others
  // need. The same for all strategies from the first one on.
  bool waits() const { return waits_; }

 private:
  // What decides from one swap to the next. Immutable.
  struct Snapshot {
    explicit Snapshot(std::shared_ptr<const strategy::Strategy> of)
        : strategy(std::move(of)), encoder(*strategy) {}
    const std::shared_ptr<const strategy::Strategy> strategy;
    const AnswerEncoder encoder;
  };
  // What one decision needs of memory; reused.
  struct Workspace {
    std::shared_ptr<const Snapshot> snapshot;  // what it decides with
    context::DecisionRequest request;
    context::DecisionContext context;
    decision::Decision decision;
    stops::StopReader stops;
    evidence::RampReader ramps;
    StandingReader standings;
    LearnedReader learned;
    ListBuffers lists;
  };
  std::unique_ptr<Workspace> TakeWorkspace();
  void ReturnWorkspace(std::unique_ptr<Workspace> workspace);

  absl::Status DecideWith(const attune::v1::DecideRequest& request, absl::Time deadline,
                          storage::Durability durability, Workspace& workspace,
                          Violations& violations);
  // Logs which models failed, and how; at most one line a second.
  void LogFailedModels(const strategy::Strategy& strategy, const scoring::ScoredCandidates& scored);
  // True at most once a second.
  static bool MayLog(std::atomic<int64_t>& next_log_us);
  // How far the ramps have come; nullptr when there are none.
  const evidence::RampShares* ReadRamps(Workspace& workspace);
  // What adaptive models have learned; nullptr when there are none.
  const scoring::LearnedModels* ReadLearned(Workspace& workspace);
  // Logs what the store did to a decision; at most one line a second.
  void LogStoreStatus(const absl::Status& status);
  void FillRequest(const attune::v1::DecideRequest& request, Workspace& workspace,
                   Violations& violations) const;

  const Options options_;
  const decision::Decider decider_;
  const bool waits_;
  std::atomic<int64_t> next_log_us_{0};          // Unix microseconds
  std::atomic<int64_t> next_failure_log_us_{0};  // Unix microseconds

  Mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ ABSL_GUARDED_BY(mutex_);
  // All of them for snapshot_.
  std::vector<std::unique_ptr<Workspace>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_DECISION_SERVICE_H_
