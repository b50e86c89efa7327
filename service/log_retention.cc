#include "service/log_retention.h"

#include <algorithm>

#include "absl/time/time.h"
#include "lib/evidence/event_time.h"
#include "spdlog/spdlog.h"

namespace attune::service {
namespace {

constexpr uint64_t kOldestOfLog = 0;

}  // namespace

absl::Status LogRetention::Apply(bool all_read, Steady::time_point now) {
  const absl::Time time = Now(now);
  absl::Status status;
  if (all_read && options_.max_age > absl::ZeroDuration()) {
    status = DropOlderThan(time - options_.max_age, time);
  }
  status.Update(
      options_.store->TrimLog(all_read ? options_.max_bytes : kBehindFactor * options_.max_bytes));
  status.Update(NoteOldest());
  NoteOverrun(all_read);
  return status;
}

bool LogRetention::MayDrop() const {
  return options_.max_age > absl::ZeroDuration() ||
         options_.store->Stats().log_bytes > options_.max_bytes;
}

std::optional<absl::Time> LogRetention::oldest() const {
  const int64_t oldest_us = oldest_us_.load(std::memory_order_relaxed);
  if (oldest_us == kNoTime) return std::nullopt;
  return absl::FromUnixMicros(oldest_us);
}

absl::Time LogRetention::Now(Steady::time_point steady) {
  const absl::Time now = options_.clock->Now();
  if (!first_time_) {
    first_time_ = now;
    first_steady_ = steady;
  }
  return std::min(now, *first_time_ + absl::FromChrono(steady - first_steady_));
}

absl::Status LogRetention::DropOlderThan(absl::Time limit, absl::Time now) {
  const absl::Time due = limit - options_.max_age / kAgeSlackDivisor;
  bool is_due = false;
  uint64_t drop_before = 0;
  size_t seen = 0;
  const absl::Status read =
      options_.store->ReadLog(kOldestOfLog, [&](const storage::LogEntry& entry) {
        const std::optional<absl::Time> time = evidence::TimeOfEvent(entry);
        // What tells no time that can be goes with the next one that does.
        if (time && *time <= now) {
          is_due = is_due || *time < due;
          if (!is_due || *time >= limit) return false;
          drop_before = entry.position + 1;
        }
        return ++seen < kMaxEventsPerApply;
      });
  // What is readable before damage goes all the same.
  if (drop_before == 0) return read;
  absl::Status dropped = options_.store->TrimLogBefore(drop_before);
  return dropped.ok() ? read : dropped;
}

absl::Status LogRetention::NoteOldest() {
  std::optional<absl::Time> oldest;
  const absl::Status read =
      options_.store->ReadLog(kOldestOfLog, [&](const storage::LogEntry& entry) {
        oldest = evidence::TimeOfEvent(entry);
        return false;
      });
  oldest_us_.store(oldest ? absl::ToUnixMicros(*oldest) : kNoTime, std::memory_order_relaxed);
  return read;
}

void LogRetention::NoteOverrun(bool all_read) {
  const uint64_t bytes = all_read ? 0 : options_.store->Stats().log_bytes;
  // It is cut every now and then, not all the time.
  const bool is_overrun = bytes > options_.max_bytes + options_.max_bytes / 8;
  if (is_overrun && !is_overrun_) {
    overruns_.fetch_add(1, std::memory_order_relaxed);
    spdlog::error(
        "store, log retention: the log has {} MiB and is to have {}: what it tells is counted or "
        "learned more slowly than it comes. At {} MiB the oldest of it is dropped unlearned: let "
        "the log keep more (--log_max_mb), or take load off",
        bytes >> 20, options_.max_bytes >> 20, kBehindFactor * options_.max_bytes >> 20);
  }
  if (!is_overrun && is_overrun_)
    spdlog::info("store, log retention: the log is read in time again");
  is_overrun_ = is_overrun;
}

void AddLogMetrics(telemetry::Registry& registry, const LogRetention* retention,
                   const Clock* clock) {
  registry.AddGauge("attune_log_max_bytes",
                    "What --log_max_mb allows the log; twice that while it is not counted or "
                    "learned to its end.",
                    [retention] { return static_cast<double>(retention->options().max_bytes); });
  registry.AddGauge("attune_log_max_age_seconds",
                    "How old --log_max_age allows events of the log to become; 0: as old as its "
                    "size allows.",
                    [retention] { return absl::ToDoubleSeconds(retention->options().max_age); });
  registry.AddGauge("attune_log_oldest_event_age_seconds",
                    "How long ago the oldest event of the log was recorded, looked at every 10 "
                    "seconds.",
                    [retention, clock] {
                      const std::optional<absl::Time> oldest = retention->oldest();
                      if (!oldest) return std::numeric_limits<double>::quiet_NaN();
                      return std::max(0.0, absl::ToDoubleSeconds(clock->Now() - *oldest));
                    });
  registry.AddCounterFunction(
      "attune_log_overruns_total",
      "How often the log was larger than its size because it was not counted or learned to its "
      "end.",
      [retention] { return static_cast<double>(retention->overruns()); });
}

}  // namespace attune::service
