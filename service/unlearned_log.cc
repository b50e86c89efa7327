#include "service/unlearned_log.h"

#include "spdlog/spdlog.h"

namespace attune::service {

void UnlearnedLog::Note(const LearnerState& state, size_t limit,
                        std::chrono::steady_clock::time_point now) {
  const outcome::AttributionCounts& counts = state.attribution().counts();
  const std::array<uint64_t, kReasons> current = {counts.no_room, counts.left_the_log,
                                                  state.unlearned().refused};
  for (size_t i = 0; i < kReasons; ++i) {
    Series& series = series_[i];
    const uint64_t added = current[i] - series.noted;
    if (is_first_) series.noted = current[i];
    if (is_first_ || added == 0 || now < series.quiet_until) continue;
    series.noted = current[i];
    series.quiet_until = now + kPeriod;
    switch (i) {
      case 0:
        spdlog::error(
            "learning: {} treatments were not learned from for want of room, as {} wait for their "
            "outcomes; let more wait (--learner_max_waiting, now {}), or make the windows of "
            "outcomes shorter",
            added, state.attribution().open(), limit);
        break;
      case 1:
        spdlog::error(
            "learning: the decisions of {} treatments left the log before their outcomes were "
            "known; let the log grow larger (--log_max_mb)",
            added);
        break;
      default:
        spdlog::error(
            "learning: {} times a model or the success rates refused a treatment: they have no "
            "room, or the reward is too large",
            added);
    }
  }
  is_first_ = false;
}

}  // namespace attune::service
