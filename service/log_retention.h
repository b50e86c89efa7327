#ifndef ATTUNE_SERVICE_LOG_RETENTION_H_
#define ATTUNE_SERVICE_LOG_RETENTION_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/base/clock.h"
#include "lib/storage/state_store.h"
#include "lib/telemetry/metrics.h"

namespace attune::service {

// Keeps the event log within its size and its age. Apply is for one thread; the others are
// thread-safe.
//
// The age of an event is that of the time in it: when it was recorded or, of a decision, the moment
// that was decided for. Events go from the oldest on, up to the first that is young enough: one
// that a clock dated back by mistake goes no earlier than those before it, and one that was dated
// into the future goes with the next one behind it. Nor does a clock that jumps ahead empty the
// log: from the first Apply on no more time passes here than the steady clock counts.
class LogRetention {
 public:
  using Steady = std::chrono::steady_clock;

  struct Options {
    storage::StateStore* store = nullptr;  // outlives this
    const Clock* clock = nullptr;          // outlives this
    uint64_t max_bytes = 0;
    // How old events may become; 0: as old as the size allows. A sixteenth later they are gone, so
    // that not every event is dropped on its own. In a replay, where time is that of the requests,
    // nothing ages.
    absl::Duration max_age;
  };
  // While something reads the log that has not come to its end, the log may have so many times its
  // size, and any age.
  static constexpr uint64_t kBehindFactor = 2;
  static constexpr int kAgeSlackDivisor = 16;
  // How many events one Apply looks at for their age: what is more goes with the next one.
  static constexpr size_t kMaxEventsPerApply = 100'000;

  explicit LogRetention(const Options& options) : options_(options) {}

  // Drops what is too old and what is too much. `all_read`: whoever reads the log for good has come
  // to its end. `now`: the steady clock's, for tests. Tells loudly, once, when a log has outgrown
  // its size because it is not read. Errors are those of StateStore; what could be dropped was.
  absl::Status Apply(bool all_read, Steady::time_point now = Steady::now());

  // Whether Apply may find something to drop.
  bool MayDrop() const;
  // When the oldest event was recorded, as far as the last Apply saw; nullopt: the log had none, or
  // it tells no time.
  std::optional<absl::Time> oldest() const;
  // How often the log was found larger than its size while it was not read to its end.
  uint64_t overruns() const { return overruns_.load(std::memory_order_relaxed); }
  const Options& options() const { return options_; }

 private:
  static constexpr int64_t kNoTime = std::numeric_limits<int64_t>::min();

  // No later than what the steady clock has counted.
  absl::Time Now(Steady::time_point steady);
  absl::Status DropOlderThan(absl::Time limit, absl::Time now);
  absl::Status NoteOldest();
  void NoteOverrun(bool all_read);

  const Options options_;
  // Of Apply.
  std::optional<absl::Time> first_time_;
  Steady::time_point first_steady_;
  bool is_overrun_ = false;

  std::atomic<int64_t> oldest_us_{kNoTime};
  std::atomic<uint64_t> overruns_{0};
};

// Exports the log's limits, how old it is and when it could not be kept within them. Both must
// outlive the registry's last scrape.
void AddLogMetrics(telemetry::Registry& registry, const LogRetention* retention,
                   const Clock* clock);

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_LOG_RETENTION_H_
