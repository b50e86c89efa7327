#ifndef ATTUNE_LIB_EVIDENCE_EVIDENCE_FOLD_H_
#define ATTUNE_LIB_EVIDENCE_EVIDENCE_FOLD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/mutex.h"
#include "lib/catalog/catalog.h"
#include "lib/evidence/evidence_counts.h"
#include "lib/evidence/ramp_shares.h"
#include "lib/storage/state_store.h"

namespace attune::evidence {

// Most events that one step counts, and about how many bytes of them: the event that exceeds the
// bound is the step's last.
inline constexpr int kMaxEventsPerStep = 100'000;
inline constexpr size_t kMaxBytesPerStep = 16 << 20;

// Counts the evidence of treatments from the event log, keeps it in the store, and tells decisions
// how far the ramps have come. Each event counts once, whenever the process is killed: what is
// counted is stored together with how far the log has been read, and counted anew from there. What
// is counted stays when a customer is erased or when the log loses its oldest events. Thread-safe.
class EvidenceFold {
 public:
  // Reads what is stored, so that decisions see it from the start. Both must outlive the object.
  // What is stored and damaged is counted anew from what the log still has; see was_damaged().
  static absl::StatusOr<std::unique_ptr<EvidenceFold>> Load(storage::StateStore* store,
                                                            const catalog::Catalog* catalog);

  // Counts the next events, at most kMaxEventsPerStep and kMaxBytesPerStep; the next decision sees
  // them. True: there may be more. After an error it goes on where it stopped. What the log can't
  // read because it is damaged is left out, once there is something to read behind it or the log
  // ends there; DATA_LOSS: there is no such place.
  absl::StatusOr<bool> Step() ABSL_LOCKS_EXCLUDED(stepping_, mutex_);

  // Stores what was counted, unless it is stored already, and returns when that survives power
  // loss. What isn't stored is counted again after the next start, as long as the log has it.
  absl::Status Save() ABSL_LOCKS_EXCLUDED(stepping_);

  std::shared_ptr<const RampShares> shares() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Grows with every change of shares(). Takes no lock.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  // The stored evidence could not be read at the start.
  bool was_damaged() const { return was_damaged_; }
  // At the start the log ended before what was counted: it has lost its last events. Their counts
  // are kept, and what comes to their positions is counted.
  bool lost_end() const { return lost_end_; }

  // Since the start; take no lock.
  uint64_t events() const { return events_.load(std::memory_order_relaxed); }
  // How often events could not be counted: damaged, or beyond kMaxCounts. What the log can't read
  // counts as one, however many there were.
  uint64_t uncounted() const { return uncounted_.load(std::memory_order_relaxed); }
  // How often events had left the log before they were counted.
  uint64_t gaps() const { return gaps_.load(std::memory_order_relaxed); }
  // How often a step or storing failed, or had to leave out what the log can't read.
  uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }

 private:
  EvidenceFold(storage::StateStore* store, const catalog::Catalog* catalog)
      : store_(*store), catalog_(*catalog) {}

  // Reads the log from where `counts` has come to.
  absl::StatusOr<bool> ReadOn(uint64_t from, EvidenceCounts& counts);
  // Moves `counts` behind what the log can't read. True: there may be more; an error: `problem`,
  // when no place can be read, or another one.
  absl::StatusOr<bool> SkipDamage(const absl::Status& problem, EvidenceCounts& counts);
  absl::Status SaveCounts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(stepping_);
  void Publish(const EvidenceCounts& counts) ABSL_LOCKS_EXCLUDED(mutex_);

  storage::StateStore& store_;
  const catalog::Catalog& catalog_;
  bool was_damaged_ = false;  // constant after Load
  bool lost_end_ = false;     // constant after Load
  std::atomic<uint64_t> events_{0};
  std::atomic<uint64_t> uncounted_{0};
  std::atomic<uint64_t> gaps_{0};
  std::atomic<uint64_t> failures_{0};
  std::atomic<uint64_t> generation_{1};

  Mutex stepping_;  // before mutex_
  EvidenceCounts counts_ ABSL_GUARDED_BY(stepping_);
  uint64_t saved_position_ ABSL_GUARDED_BY(stepping_) = 0;

  mutable Mutex mutex_;
  std::shared_ptr<const RampShares> shares_ ABSL_GUARDED_BY(mutex_);
};

// Steps until there is no more.
absl::Status CountAll(EvidenceFold& fold);

// A reader's own reference to the newest shares, which costs a lock only after a change. Not
// thread-safe.
class RampReader {
 public:
  // How far the ramps have come now; valid until the next call.
  const RampShares& Read(const EvidenceFold& fold) {
    // The generation first: shares that are newer than it are read once more.
    if (const uint64_t generation = fold.generation(); generation != generation_) {
      shares_ = fold.shares();
      generation_ = generation;
    }
    return *shares_;
  }

 private:
  uint64_t generation_ = 0;
  std::shared_ptr<const RampShares> shares_;
};

}  // namespace attune::evidence

#endif  // ATTUNE_LIB_EVIDENCE_EVIDENCE_FOLD_H_
