#ifndef ATTUNE_LIB_STOPS_STOP_LIST_H_
#define ATTUNE_LIB_STOPS_STOP_LIST_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "lib/base/mutex.h"
#include "lib/catalog/catalog.h"
#include "lib/stops/stop_set.h"
#include "lib/storage/state_store.h"

namespace attune::stops {

// Longest name of who changed a stop, and longest reason, in bytes.
inline constexpr size_t kMaxByBytes = 64;
inline constexpr size_t kMaxBecauseBytes = 256;
// Most treatments and groups that are stopped at one time, whether the strategy has them or not.
inline constexpr size_t kMaxStops = 20'000;
// So many changes are kept for audits; the oldest make room.
inline constexpr size_t kMaxChanges = 1'000;

// Everything about stops at one moment. Immutable.
struct StopState {
  std::vector<Change> current;  // the changes that stopped what is stopped, ascending by number
  std::vector<Change> changes;  // the last ones, ascending by number
  StopSet set;                  // `current`, for decisions
};

// What was switched off by people, at once and without a new strategy. Kept in the store.
// Thread-safe.
class StopList {
 public:
  // Reads what is stored. Both must outlive the list. DATA_LOSS: it can't be read.
  static absl::StatusOr<std::unique_ptr<StopList>> Load(storage::StateStore* store,
                                                        const catalog::Catalog* catalog);

  // What a change did. Repeated: the request was carried out before, so nothing was done now; one
  // that changed nothing then is unchanged again.
  enum class Done { kChanged, kUnchanged, kRepeated };

  // Switches a treatment or a group off or on again, and returns when that survives power loss; the
  // next decision sees it. `change.number` is set here. ALREADY_EXISTS: the request_id was used for
  // another change. RESOURCE_EXHAUSTED: kMaxStops reached. UNAVAILABLE: it can't be written now,
  // and whether it holds after the next start is open; retry. REQUIRES: the catalog has the target,
  // or it is to be lifted; the texts are within their bounds.
  absl::StatusOr<Done> Set(Change change) ABSL_LOCKS_EXCLUDED(writing_, mutex_);

  std::shared_ptr<const StopState> state() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Grows with every change of state(): who holds on to a state asks this whether there is a newer
  // one. Takes no lock.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  StopList(storage::StateStore* store, const catalog::Catalog* catalog)
      : store_(*store), catalog_(*catalog) {}

  storage::StateStore& store_;
  const catalog::Catalog& catalog_;
  Mutex writing_;  // one change at a time; before mutex_
  mutable Mutex mutex_;
  std::shared_ptr<const StopState> state_ ABSL_GUARDED_BY(mutex_);
  std::atomic<uint64_t> generation_{1};
};

// A reader's own reference to the newest state, which costs a lock only after a change. Not
// thread-safe.
class StopReader {
 public:
  // The stops that hold now; valid until the next call.
  const StopSet& Read(const StopList& list) {
    // The generation first: a state that is newer than it is read once more.
    if (const uint64_t generation = list.generation(); generation != generation_) {
      state_ = list.state();
      generation_ = generation;
    }
    return state_->set;
  }

 private:
  uint64_t generation_ = 0;
  std::shared_ptr<const StopState> state_;
};

}  // namespace attune::stops

#endif  // ATTUNE_LIB_STOPS_STOP_LIST_H_
