#ifndef ATTUNE_LIB_OUTCOME_RECENT_REPORTS_H_
#define ATTUNE_LIB_OUTCOME_RECENT_REPORTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "lib/base/mutex.h"
#include "lib/outcome/outcome.h"

namespace attune::outcome {

// How many reports about decisions that no record remembers are told from their repeats.
inline constexpr size_t kMaxRecentReports = 65'536;

// The latest reports that stand in no record, so that a repeat is not logged again. Gone with the
// process. Thread-safe.
class RecentReports {
 public:
  // The report's hash, that of its content, and what became of it.
  using Key = std::tuple<uint64_t, uint64_t, Status>;

  // `limit`: at least 1.
  explicit RecentReports(size_t limit = kMaxRecentReports) : limit_(limit) {}

  bool Contains(const Key& key) const {
    MutexLock lock(mutex_);
    return known_.contains(key);
  }
  // The oldest makes room.
  void Add(const Key& key) {
    MutexLock lock(mutex_);
    if (!known_.insert(key).second) return;
    order_.push_back(key);
    if (order_.size() <= limit_) return;
    known_.erase(order_.front());
    order_.pop_front();
  }

 private:
  const size_t limit_;
  mutable Mutex mutex_;
  absl::flat_hash_set<Key> known_ ABSL_GUARDED_BY(mutex_);
  std::deque<Key> order_ ABSL_GUARDED_BY(mutex_);  // oldest first
};

}  // namespace attune::outcome

#endif  // ATTUNE_LIB_OUTCOME_RECENT_REPORTS_H_
