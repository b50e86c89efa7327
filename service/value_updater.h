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
#include "absl/types/span.h"
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
// with bytes := varint(size) bytes. After an orderly end (`closed`) they go on from it. After a
// crash, with other formulas, when notes were lost, or when most customers have gone so that the
// sketches became inexact, all customers are read once more in the background, in the order of
// their keys, while what is known by then is served.
class ValueUpdater : public customer::ProfileObserver {
 public:
  struct Options {
    std::shared_ptr<const strategy::Strategy> strategy;  // has scores
    storage::StateStore* store = nullptr;                // outlives the updater
    // Most bytes of notes that wait; further ones are dropped, and all customers are read again.
    size_t max_queue_bytes = 64u << 20;
    // How many customers are read at a time.
    size_t scan_records = 16'384;
  };
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

  // As of the last publication. Never null.
  std::shared_ptr<const value::Standings> standings() const;
  // Grows with every publication; see StandingReader.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  // How often all customers were read, or began to be, since the start.
  uint64_t rebuilds() const { return rebuilds_.load(std::memory_order_relaxed); }

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
    // Every write has told its changes that began before the last chunk was read.
    bool chunk_told = false;
  };
  // Reading all customers anew.
  struct Rebuild {
    std::vector<value::QuantileSketch> sketches;
    // Everything up to here was read; absent at first, and when `at_end` everything was.
    std::optional<storage::CustomerKey> cursor;
    bool at_end = false;
    // The chunk that was read last, until all writes have told what came before it: where it began,
    // and the versions that were read.
    bool chunk_open = false;
    int chunk_phase = 0;
    std::optional<storage::CustomerKey> chunk_after;
    absl::flat_hash_map<storage::CustomerKey, uint64_t> chunk;
  };

  void Run();
  void Load();
  absl::Status Save(bool closed);
  void SaveAndLog(bool closed);
  void StartRebuild();
  // Reads the next customers. False: they can't be read now.
  bool ReadChunk();
  void FinishChunk();
  Work TakeWork();
  void Apply(const Notes& notes);
  // Whether the rebuild has to be told of the note: not when it has read, or will read, the change.
  bool ConcernsRebuild(const Note& note);
  void AddTo(std::vector<value::QuantileSketch>& sketches, std::string_view features);
  void RemoveFrom(std::vector<value::QuantileSketch>& sketches, std::string_view features);
  absl::Span<const double> ScoresOf(std::string_view features);
  // What is served.
  const std::vector<value::QuantileSketch>& Served() const;
  void Publish();

  const Options options_;
  const policy::CustomerScores& scores_;

  // Of the thread, or of who calls Step.
  policy::ScoreEvaluator evaluator_;
  std::vector<ValueRef> slots_;
  std::vector<value::QuantileSketch> sketches_;
  std::unique_ptr<Rebuild> rebuild_;  // null: the sketches are complete
  bool changed_ = false;              // since the last publication
  bool unsaved_ = false;              // since the last Save
  bool scan_failed_ = false;          // logged once

  mutable Mutex mutex_;
  CondVar work_;
  Notes queue_ ABSL_GUARDED_BY(mutex_);
  bool lost_ ABSL_GUARDED_BY(mutex_) = false;
  // Writes are counted by the phase in which they begin; see ReadChunk.
  int phase_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<int, 2> writing_ ABSL_GUARDED_BY(mutex_){};
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const value::Standings> standings_ ABSL_GUARDED_BY(mutex_);

  std::atomic<uint64_t> generation_{0};
  std::atomic<uint64_t> rebuilds_{0};
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

// Exports whether the sketches are complete, how many customers are in them, and how often they
// were rebuilt. `updater` must outlive the registry's last scrape; null where there are no scores:
// then nothing is missing.
void AddValueMetrics(telemetry::Registry& registry, const ValueUpdater* updater);

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_VALUE_UPDATER_H_
