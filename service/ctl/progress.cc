#include "service/ctl/progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "service/ctl/table.h"

namespace attune::ctl {
namespace {

constexpr absl::Duration kInterval = absl::Milliseconds(200);
// Before this there is too little to tell a rate from.
constexpr absl::Duration kFirstRate = absl::Milliseconds(100);

std::string Megabytes(int64_t bytes) {
  return absl::StrFormat("%.1f", static_cast<double>(bytes) / 1e6);
}

std::string FormatTimeLeft(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 60) return absl::StrCat(whole, "s left");
  if (whole < 3600) return absl::StrFormat("%dm %02ds left", whole / 60, whole % 60);
  return absl::StrFormat("%dh %02dm left", whole / 3600, whole / 60 % 60);
}

}  // namespace

std::string FormatProgress(const ProgressState& state) {
  // A file that has no rows is told by its bytes alone.
  const bool has_rows = state.rows > 0 || state.bytes == 0;
  std::string text = has_rows ? absl::StrCat(Grouped(state.rows), " rows") : "";
  const double seconds = absl::ToDoubleSeconds(state.elapsed);
  const bool has_rate = state.elapsed >= kFirstRate;
  if (has_rate && has_rows) {
    const auto rate = static_cast<int64_t>(static_cast<double>(state.rows) / seconds);
    absl::StrAppend(&text, "  ", Grouped(rate), " rows/s");
  }
  if (state.bytes > 0) absl::StrAppend(&text, has_rows ? "  " : "", Megabytes(state.bytes));
  double done = 0;
  if (state.total_bytes.value_or(0) > 0) {
    absl::StrAppend(&text, " of ", Megabytes(*state.total_bytes));
    done = static_cast<double>(state.bytes) / static_cast<double>(*state.total_bytes);
  } else if (state.total_rows.value_or(0) > 0) {
    done = static_cast<double>(state.rows) / static_cast<double>(*state.total_rows);
  }
  if (state.bytes > 0) absl::StrAppend(&text, " MB");
  done = std::min(done, 1.0);
  if (done > 0) {
    absl::StrAppend(&text, "  ", static_cast<int>(done * 100), "%");
    if (has_rate) absl::StrAppend(&text, "  ", FormatTimeLeft(seconds / done - seconds));
  }
  return text;
}

ProgressLine::ProgressLine(const Console& console, const Clock& clock)
    : console_(console), clock_(clock), start_(clock.Now()), last_shown_(start_) {}

ProgressLine::~ProgressLine() { Clear(); }

void ProgressLine::Show(ProgressState state) {
  if (!console_.err_is_terminal) return;
  const absl::Time now = clock_.Now();
  if (now - last_shown_ < kInterval) return;
  last_shown_ = now;
  state.elapsed = now - start_;
  const std::string line = FormatProgress(state);
  console_.err << "\r" << line << std::string(width_ - std::min(width_, line.size()), ' ')
               << std::flush;
  width_ = line.size();
}

void ProgressLine::Clear() {
  if (width_ == 0) return;
  console_.err << "\r" << std::string(width_, ' ') << "\r" << std::flush;
  width_ = 0;
}

}  // namespace attune::ctl
