#ifndef ATTUNE_LIB_STORAGE_PACER_H_
#define ATTUNE_LIB_STORAGE_PACER_H_

#include <cstddef>
#include <functional>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace attune::storage {

// Cuts long work into short pieces with pauses in between, so that those who answer calls wait for
// a processor no longer than a piece takes. Not thread-safe.
class Pacer {
 public:
  // About 0.2 ms of a checkpoint's work; with the pauses some 50 MiB/s. Each pause is a switch from
  // thread to thread and back on the processor of somebody else, so there should not be too many.
  static constexpr size_t kPieceBytes = 32 << 10;
  static constexpr absl::Duration kPause = absl::Microseconds(400);

  // `in_a_hurry` says when there is no time for pauses.
  explicit Pacer(std::function<bool()> in_a_hurry) : in_a_hurry_(std::move(in_a_hurry)) {}

  // To be called after each bit of the work, with its bytes.
  void Did(size_t bytes) {
    bytes_ += bytes;
    if (bytes_ < kPieceBytes) return;
    bytes_ = 0;
    if (!in_a_hurry_()) absl::SleepFor(kPause);
  }

 private:
  const std::function<bool()> in_a_hurry_;
  size_t bytes_ = 0;
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_PACER_H_
