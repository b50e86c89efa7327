#include "lib/storage/log_damage.h"

#include <optional>

namespace attune::storage {
namespace {

// No event has this position or a later one.
constexpr uint64_t kBeyondLog = uint64_t{1} << 62;

}  // namespace

// Nobody tells where the damage ends: it is looked for in steps that double, then in between.
absl::StatusOr<uint64_t> FindReadable(const StateStore& store, uint64_t damaged,
                                      const absl::Status& problem) {
  std::optional<uint64_t> readable;
  for (uint64_t step = 1; !readable || *readable - damaged > 1;) {
    const uint64_t at = readable ? damaged + (*readable - damaged) / 2 : damaged + step;
    if (at >= kBeyondLog) return problem;
    const absl::Status status = store.ReadLog(at, [](const LogEntry& /*entry*/) { return false; });
    if (status.ok()) {
      readable = at;
    } else if (absl::IsDataLoss(status) || absl::IsOutOfRange(status)) {
      damaged = at;
      step *= 2;
    } else {
      return status;
    }
  }
  return *readable;
}

}  // namespace attune::storage
