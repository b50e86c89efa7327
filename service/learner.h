#ifndef ATTUNE_SERVICE_LEARNER_H_
#define ATTUNE_SERVICE_LEARNER_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/base/clock.h"
#include "lib/base/mutex.h"
#include "lib/learning/model_health.h"
#include "lib/learning/success_rates.h"
#include "lib/outcome/attribution.h"
#include "lib/scoring/learned_models.h"
#include "lib/storage/state_store.h"
#include "lib/strategy/strategy.h"
#include "service/learner_state.h"
#include "service/told_time.h"
#include "service/unlearned_log.h"

namespace attune::service {

// How one adaptive model does.
struct ModelReport {
  std::string name;
  std::string version;  // of what the strategy says of it
  strategy::AdaptiveUse::Mode mode = strategy::AdaptiveUse::Mode::kOnline;
  uint64_t examples = 0;            // that it has learned
  std::vector<std::string> inputs;  // parallel to health.drift
  learning::HealthReport health;    // of its own predictions, before it learned what came
  learning::HealthReport served;    // of those that decisions went by
};

// How learning goes.
struct LearnerReport {
  std::vector<ModelReport> models;  // in the order of the strategy
  uint64_t position = 0;            // what stands before it in the log was read
  // What is read next was recorded so long ago, and the log ends so many positions behind it, which
  // are at least as many as its events; 0: nothing is left to be read.
  absl::Duration lag;
  uint64_t lag_positions = 0;
  uint64_t waiting = 0;  // treatments whose windows are not closed
  outcome::AttributionCounts attribution;
  LearnerState::Unlearned unlearned;
};

// How often one treatment was shown on one channel, and what came of it.
struct RateReport {
  int treatment = 0;  // index into the catalog
  int channel = 0;    // index into the channels
  learning::SuccessRates::Counts counts;
};

// Learns from the event log, keeps what it has learned in the store, and tells decisions. Each
// outcome is learned once, whenever the process is killed: what was learned is stored together with
// how far the log has been read, and learned anew from there. Decisions read an immutable snapshot;
// nobody waits for learning. Thread-safe.
//
// A log that ends before what was learned has lost its end, as when somebody moved a damaged
// journal away. What was learned is kept and learning goes on from where the log ends, so that
// nothing is learned twice and what comes to the lost positions is learned.
//
// The state lies in the blob "learner/<name of the strategy>".
class Learner {
 public:
  // Unless the options say otherwise, the thread stores what was learned so often.
  static constexpr std::chrono::seconds kSavePeriod{10};

  struct Options {
    std::shared_ptr<const strategy::Strategy> strategy;  // has an attribution
    storage::StateStore* store = nullptr;                // outlives the learner
    const Clock* clock = nullptr;  // outlives the learner; tells the lag, no more
    // Events that tell the time and nothing else are written when nothing else is and treatments
    // wait, so that their windows close. Not in a replay, where the log tells what time it is.
    bool writes_clock_events = true;
    // What was learned is stored so long after it was stored last; zero: nearly all the time.
    std::chrono::milliseconds save_period = kSavePeriod;
    // What the attribution keeps at most.
    outcome::AttributionLimits limits = {};
  };
  // Most events that one step reads, and about how many bytes of them: the event that exceeds the
  // bound is the step's last. Whoever asks for a report waits so long.
  static constexpr size_t kMaxEventsPerStep = 2'000;
  static constexpr size_t kMaxBytesPerStep = 4 << 20;
  // The thread looks for events so often when there were none, ...
  static constexpr std::chrono::milliseconds kPollPeriod{100};
  // ... publishes what it has learned so long after it did so last (with large models so much later
  // that it takes a fifth of the time), ...
  static constexpr std::chrono::milliseconds kPublishPeriod{200};
  static constexpr int kPublishShare = 5;
  // ... and lets others have what it knows for so long when they ask while there is more to learn.
  static constexpr std::chrono::milliseconds kGiveWay{1};
  // What was learned is not stored sooner than so long after it was stored last.
  static constexpr std::chrono::milliseconds kLeastSavePause{10};
  // How far the time in the log may be behind while treatments wait and nothing happens.
  static constexpr absl::Duration kClockEventPeriod = absl::Seconds(10);

  // Reads what is stored, so that decisions see it from the start. What is stored and damaged is
  // learned anew from what the log still has; see was_damaged(). Errors: those of the store.
  static absl::StatusOr<std::unique_ptr<Learner>> Load(const Options& options);
  // Stops.
  ~Learner();

  // Starts the threads: one learns, one stores. Call once, or never and the next ones instead.
  void Start();
  // Stops the threads and stores what was learned; the store is still there. Idempotent.
  absl::Status Stop() ABSL_LOCKS_EXCLUDED(saving_, stepping_, mutex_, thread_mutex_);

  // Learns from the next events, or from a part of what settles by one. True: there may be more.
  // After an error it goes on where it stopped. What the log can't read because it is damaged is
  // left out, once there is something to read behind it; DATA_LOSS: there is no such place.
  absl::StatusOr<bool> Step() ABSL_LOCKS_EXCLUDED(stepping_);
  // The next decision sees what was learned.
  void Publish() ABSL_LOCKS_EXCLUDED(stepping_, mutex_);
  // Stores what was learned, unless it is stored already, and returns when that survives power
  // loss. Learning waits while the state becomes bytes, not for the disk.
  absl::Status Save() ABSL_LOCKS_EXCLUDED(saving_, stepping_);
  // Steps until there is no more, and publishes.
  absl::Status CatchUp() ABSL_LOCKS_EXCLUDED(stepping_, mutex_);

  // What decisions see. Never null.
  std::shared_ptr<const scoring::LearnedModels> learned() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Grows with every change of learned(). Takes no lock.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  // Waits for a step, and takes a millisecond per model.
  LearnerReport Report() const ABSL_LOCKS_EXCLUDED(stepping_);
  // Of what the strategy has, as far as anything was shown: by treatment, then by channel.
  std::vector<RateReport> Rates() const ABSL_LOCKS_EXCLUDED(stepping_);

  // The stored state could not be read at the start.
  bool was_damaged() const { return was_damaged_; }
  // Whether there is something left to be read. Takes no lock.
  bool is_behind() const { return is_behind_.load(std::memory_order_relaxed); }

  // Since the start; take no lock.
  uint64_t events() const { return events_.load(std::memory_order_relaxed); }
  // How often events had left the log before they were learned from, and how many positions of the
  // log were passed over, then and because they can't be read.
  uint64_t gaps() const { return gaps_.load(std::memory_order_relaxed); }
  uint64_t missed_positions() const { return missed_positions_.load(std::memory_order_relaxed); }
  // 1: at the start the log ended before what was learned.
  uint64_t lost_ends() const { return lost_ends_.load(std::memory_order_relaxed); }
  // How often the clock jumped, so that no window was closed by it for a while.
  uint64_t clock_jumps() const { return clock_jumps_.load(std::memory_order_relaxed); }
  // How often a step failed, or had to leave out what the log can't read.
  uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }
  // How often what was learned could not be stored.
  uint64_t save_failures() const { return save_failures_.load(std::memory_order_relaxed); }

 private:
  explicit Learner(const Options& options);

  void Run() ABSL_LOCKS_EXCLUDED(thread_mutex_);
  // Waits, at most that long. True: the thread is to end.
  bool WaitOrStop(std::chrono::steady_clock::duration period) ABSL_LOCKS_EXCLUDED(thread_mutex_);
  // Where the log ends before what was learned, goes on from its end.
  void AcceptLostEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(saving_, stepping_);
  absl::StatusOr<bool> ReadOn(uint64_t from) ABSL_EXCLUSIVE_LOCKS_REQUIRED(stepping_);
  // Goes on behind events that are not there any more.
  absl::StatusOr<bool> SkipGap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(stepping_);
  absl::StatusOr<bool> SkipDamage(const absl::Status& problem)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stepping_);
  // How long ago the last event was recorded that was read; 0: none was.
  absl::Duration TimeBehind() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(stepping_);
  // Logs why a formula failed: the first time.
  void NoteFormulaError() ABSL_EXCLUSIVE_LOCKS_REQUIRED(stepping_);
  // Tells the log what time it is, if that is needed.
  absl::Status WriteClockEvent() ABSL_LOCKS_EXCLUDED(stepping_);
  void RunSaves() ABSL_LOCKS_EXCLUDED(thread_mutex_);

  const Options options_;
  const std::string blob_;
  bool was_damaged_ = false;  // constant after Load
  std::atomic<bool> is_behind_{true};
  std::atomic<uint64_t> events_{0};
  std::atomic<uint64_t> gaps_{0};
  std::atomic<uint64_t> missed_positions_{0};
  std::atomic<uint64_t> lost_ends_{0};
  std::atomic<uint64_t> clock_jumps_{0};
  std::atomic<uint64_t> failures_{0};
  std::atomic<uint64_t> save_failures_{0};
  std::atomic<uint64_t> generation_{1};

  // Who waits for stepping_: the thread lets them have it between two steps.
  mutable std::atomic<int> asking_{0};
  Mutex saving_;  // before stepping_: one is stored at a time
  std::optional<uint64_t> saved_position_ ABSL_GUARDED_BY(saving_);
  // When Save ended last, by the steady clock since its epoch.
  std::atomic<std::chrono::steady_clock::duration> last_save_{};

  mutable Mutex stepping_;  // before mutex_
  LearnerState state_ ABSL_GUARDED_BY(stepping_);
  // What was published before, until no decision reads it: large ones take their time to go.
  std::vector<std::shared_ptr<const scoring::LearnedModels>> retired_ ABSL_GUARDED_BY(stepping_);
  bool formula_error_noted_ ABSL_GUARDED_BY(stepping_) = false;
  ToldTime told_time_ ABSL_GUARDED_BY(stepping_);
  bool is_clock_believed_ ABSL_GUARDED_BY(stepping_) = true;
  UnlearnedLog unlearned_log_ ABSL_GUARDED_BY(stepping_);

  mutable Mutex mutex_;
  std::shared_ptr<const scoring::LearnedModels> learned_ ABSL_GUARDED_BY(mutex_);

  Mutex thread_mutex_;
  CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(thread_mutex_) = false;
  std::thread thread_;
  std::thread saver_;
};

// A reader's own reference to what was learned last, which costs a lock only after a publication.
// Not thread-safe.
class LearnedReader {
 public:
  // Valid until the next call of any method.
  const scoring::LearnedModels& Read(const Learner& learner) {
    // The generation first: what is newer than it is read once more.
    const uint64_t generation = learner.generation();
    if (learned_ == nullptr) learned_ = known_.lock();
    if (learned_ == nullptr || generation != generation_) {
      learned_ = learner.learned();
      known_ = learned_;
      generation_ = generation;
    }
    return *learned_;
  }
  // Holds nothing until the next Read, so that a reader who rests keeps no old models alive.
  void Rest() { learned_ = nullptr; }

 private:
  uint64_t generation_ = 0;
  std::weak_ptr<const scoring::LearnedModels> known_;
  std::shared_ptr<const scoring::LearnedModels> learned_;  // null while it rests
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_LEARNER_H_
