#ifndef ATTUNE_SERVICE_CTL_PROGRESS_H_
#define ATTUNE_SERVICE_CTL_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "lib/base/clock.h"
#include "service/ctl/console.h"

namespace attune::ctl {

// How far a long command has come.
struct ProgressState {
  int64_t rows = 0;
  int64_t bytes = 0;                   // of the file, as it lies on disk
  std::optional<int64_t> total_bytes;  // absent: not known
  std::optional<int64_t> total_rows;   // absent: not known
  absl::Duration elapsed;
};

// One line: "1,234,000 rows  103,000 rows/s  312.4 of 745.0 MB  41%  4s left". What isn't known is
// left out.
std::string FormatProgress(const ProgressState& state);

// Shows the progress in one line of the terminal that is written over and over; silent when stderr
// is no terminal. Not thread-safe.
class ProgressLine {
 public:
  // Both must outlive the line.
  ProgressLine(const Console& console, const Clock& clock);
  // Wipes the line.
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Shows the state, but not more often than every 200 ms. `state.elapsed` is filled in here.
  void Show(ProgressState state);
  // Wipes the line, so that something else can be printed.
  void Clear();

  absl::Duration elapsed() const { return clock_.Now() - start_; }

 private:
  const Console& console_;
  const Clock& clock_;
  const absl::Time start_;
  absl::Time last_shown_;
  size_t width_ = 0;  // of what stands on the terminal
};

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_PROGRESS_H_
