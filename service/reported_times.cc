#include "service/reported_times.h"

#include "absl/strings/str_cat.h"
#include "lib/context/decision_request.h"
#include "service/value_conversion.h"

namespace attune::service {

std::string ReportedTimes::ProblemOf(const google::protobuf::Timestamp* time) const {
  const absl::Time now = clock->Now();
  if (time == nullptr) {
    return now == clock_not_set ? "is required until a decision has set the replay clock" : "";
  }
  if (time->nanos() < 0 || time->nanos() > 999'999'999) {
    return "has nanos out of range; they must be 0 to 999999999";
  }
  if (!context::IsDecidable(ToTime(*time))) return "must lie between 1970 and 2200";
  if (ToTime(*time) - now <= max_clock_skew) return "";
  return absl::StrCat("is further than ", absl::FormatDuration(max_clock_skew),
                      " after the server's clock, which reads ",
                      absl::FormatTime(absl::RFC3339_sec, now, absl::UTCTimeZone()));
}

}  // namespace attune::service
