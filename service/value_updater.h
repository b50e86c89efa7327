#ifndef ATTUNE_SERVICE_VALUE_UPDATER_H_
#define ATTUNE_SERVICE_VALUE_UPDATER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/base/clock.h"
#include "lib/base/mutex.h"
#include "lib/context/value.h"
#include "lib/customer/profile_observer.h"
#include "lib/policy/customer_scores.h"
#include "lib/storage/state_store.h"
#include "lib/strategy/strategy.h"
#include "lib/telemetry/metrics.h"
#include "lib/value/quantile_sketch.h"
#include "lib/value/standings.h"

namespace attune::service {

// The sketch of a score whose changes may be told out of order. Not thread-safe.
class FollowedSketch {
 public:
  // Most numbers that it may owe.
  static constexpr uint64_t kMaxOwed = 10'000;

  void Add(double value);
  // A number that is taken out before it is put in is owed: the next Add of it is none.
  void Remove(double value);

  const value::QuantileSketch& sketch() const { return sketch_; }
  uint64_t owed() const { return owed_count_; }
  // It should owe more than it may: it is wrong, and only a new one is right.
  bool overdrawn() const { return overdrawn_; }

 private:
  friend class ValueUpdater;  // reads stored ones

  value::QuantileSketch sketch_;
  absl::flat_hash_map<double, uint64_t> owed_;
  uint64_t owed_count_ = 0;
  bool overdrawn_ = false;
};

// Follows the scores of all customers: how they are distributed, for percentiles and tiers.
// Thread-safe.
//
// Writers only leave a note in a bounded queue. A thread of its own takes the customer's old score
// out of the sketches and puts the new one in, and publishes what decisions look at at most once a
// second. The sketches are kept in a blob of the store,
//
//   blob := format(1 byte, 1) closed(1 byte) bytes(fingerprint) varint(scores)
//           { bytes(name) bytes(QuantileSketch) }
//
// with bytes := varint(size) bytes. Where another version of a model gives a score there is nothing
// to go on from for that one, and where formulas, features or models are others at the start, for
// none. After an orderly end (`closed`) they go on from it. After a crash, with other formulas,
// when notes were lost, or when most customers have gone so that the sketches became inexact, all
// customers are read once more in the background, in the order of their keys, while what is known
// by then is served. That begins at most every kRebuildPeriod; what is lost meanwhile, or while it
// runs, makes another one. Another score waits for no period, but while all customers are read it
// makes another reading too.
class ValueUpdater : public customer::ProfileObserver {
 public:
  struct Options {
    std::shared_ptr<const strategy::Strategy> strategy;  // has scores
    storage::StateStore* store = nullptr;                // outlives the updater
    const Clock* clock = nullptr;                        // outlives the updater
    // Most bytes of notes that wait; further ones are dropped, and all customers are read again.
    size_t max_queue_bytes = 64u << 20;
    // How many customers are read at a time.
    size_t scan_records = 16'384;
  };
  // Between the beginnings of two readings of all customers.
  static constexpr absl::Duration kRebuildPeriod = absl::Seconds(30);
  // Pauses after customers could not be read: twice the one before, up to the last.
  static constexpr absl::Duration kFirstRetry = absl::Seconds(1);
  static constexpr absl::Duration kLastRetry = absl::Seconds(60);

  // Takes up what is stored.
  explicit ValueUpdater(const Options& options);
  // Stops, and stores the sketches.
  ~ValueUpdater() override;

  // Starts the thread. Call once, or never and Step instead.
  void Start();
  // Does what is to be done now: applies the notes that are there, reads some customers, publishes
  // when `publish`. True: there is more to do at once. REQUIRES: not while the thread runs.
  bool Step(bool publish);
  // Stops the thread and stores the sketches; whoever follows writes must have ended. Idempotent.
  void Stop();

  // Follows the scores of this strategy from the next step on: that of now with other versions of
  // its models. Where they give other scores, by the fingerprint of each, all customers are read
  // again, and until then percentiles of these are those among the customers who have been read;
  // the other scores stay as they are.
  void Follow(std::shared_ptr<const strategy::Strategy> strategy);
  // That whose scores are asked for: the one that was followed last.
  std::shared_ptr<const strategy::Strategy> strategy() const;

  // As of the last publication. Never null.
  std::shared_ptr<const value::Standings> standings() const;
  // Grows with every publication; see StandingReader.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  // How often all customers were read, or began to be, since the start.
  uint64_t rebuilds() const { return rebuilds_.load(std::memory_order_relaxed); }

  // Customers whose records could not be understood when all were read last.
  uint64_t unreadable() const { return unreadable_.load(std::memory_order_relaxed); }

  int WriteBegins() override;
  void WriteEnds(int begun) override;
  void FeaturesChanged(const customer::ProfileNotice& notice) override;
  void ChangeUncertain() override;

 private:
  // Notices, the features of all of them behind each other.
  struct Note {
    storage::CustomerKey key{};
    uint64_t version = 0;
    bool was_known = false;
    bool erased = false;
    size_t before_bytes = 0;
    size_t after_bytes = 0;
  };
  struct Notes {
    std::vector<Note> notes;
    std::string features;
    size_t bytes() const { return notes.size() * sizeof(Note) + features.size(); }
  };
  // What other threads left to be done.
  struct Work {
    Notes notes;
    bool lost = false;
    // Every write of the other phase has told its changes: all that began before the last chunk was
    // read.
    bool others_told = false;
    // Not null: these scores are followed from now on.
    std::shared_ptr<const strategy::Strategy> strategy;
  };
  // Reading all customers anew.
  struct Rebuild {
    std::vector<FollowedSketch> sketches;
    // Everything up to here was read; absent at first, and when `at_end` everything was.
    std::optional<storage::CustomerKey> cursor;
    bool at_end = false;
    // The chunk that was read last, until all writes have told what came before it: where it began,
    // and the versions that were read; 0 of who was not there.
    bool chunk_open = false;
    std::optional<storage::CustomerKey> chunk_after;
    absl::flat_hash_map<storage::CustomerKey, uint64_t> chunk;
    uint64_t unreadable = 0;
  };

  void Run();
  void Load();
  absl::Status Save(bool closed);
  void SaveAndLog(bool closed);
  void StartRebuild();
  // True: there is more to do at once.
  bool ContinueRebuild(bool others_told);
  // Reads the next customers. False: they can't be read now.
  bool ReadChunk();
  void WaitAfter(const absl::Status& failure);
  void FinishChunk();
  // Whether what is kept is wrong by more than it may.
  bool IsOff() const;
  Work TakeWork();
  void Switch(std::shared_ptr<const strategy::Strategy> strategy);
  void Apply(const Notes& notes);
  // Whether the rebuild has to be told of the note: not when it has read, or will read, the change.
  bool ConcernsRebuild(const Note& note);
  void AddTo(std::vector<FollowedSketch>& sketches, std::string_view features);
  void RemoveFrom(std::vector<FollowedSketch>& sketches, std::string_view features);
  // Empty: these are no features.
  absl::Span<const double> ScoresOf(std::string_view features);
  // What is served of the score with this index.
  const FollowedSketch& Served(size_t score) const;
  void Publish();

  const policy::CustomerScores& scores() const { return followed_->engagement.scores(); }

  const Options options_;

  // Of the thread, or of who calls Step.
  std::shared_ptr<const strategy::Strategy> followed_;
  std::unique_ptr<policy::ScoreEvaluator> evaluator_;
  std::vector<ValueRef> slots_;
  std::vector<FollowedSketch> sketches_;
  std::unique_ptr<Rebuild> rebuild_;  // null: the sketches are complete, unless notes_lost_
  bool notes_lost_ = false;           // since the last rebuild began
  absl::Time next_rebuild_ = absl::InfinitePast();
  bool changed_ = false;  // since the last publication
  bool unsaved_ = false;  // since the last Save
  absl::Duration retry_;  // 0: the last read went well
  absl::Time next_read_ = absl::InfinitePast();

  mutable Mutex mutex_;
  CondVar work_;
  Notes queue_ ABSL_GUARDED_BY(mutex_);
  bool lost_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const strategy::Strategy> strategy_ ABSL_GUARDED_BY(mutex_);
  // Writes are counted by the phase in which they begin; see ContinueRebuild.
  int phase_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<int, 2> writing_ ABSL_GUARDED_BY(mutex_){};
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const value::Standings> standings_ ABSL_GUARDED_BY(mutex_);

  std::atomic<uint64_t> generation_{0};
  std::atomic<uint64_t> rebuilds_{0};
  std::atomic<uint64_t> unreadable_{0};
  std::thread thread_;
};

// A reader's own reference to the newest standings, which costs a lock only after a publication.
// Not thread-safe.
class StandingReader {
 public:
  // Valid until the next call of any method.
  const value::Standings& Read(const ValueUpdater& updater) {
    // The generation first: standings that are newer than it are read once more.
    const uint64_t generation = updater.generation();
    if (standings_ == nullptr) standings_ = known_.lock();
    if (standings_ == nullptr || generation != generation_) {
      standings_ = updater.standings();
      known_ = standings_;
      generation_ = generation;
    }
    return *standings_;
  }
  // Holds nothing until the next Read, so that a reader who rests keeps no old standings alive.
  void Rest() { standings_ = nullptr; }

 private:
  uint64_t generation_ = 0;
  std::weak_ptr<const value::Standings> known_;
  std::shared_ptr<const value::Standings> standings_;  // null while it rests
};

// Removes what an updater stored: without scores nobody keeps it right.
void ForgetStoredScores(storage::StateStore& store);

// Exports whether the sketches are complete, how many customers are in them, how often they were
// rebuilt, and how many customers could not be read then. `updater` must outlive the registry's
// last scrape; null where there are no scores: then nothing is missing.
void AddValueMetrics(telemetry::Registry& registry, const ValueUpdater* updater);

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_VALUE_UPDATER_H_
