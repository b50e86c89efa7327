#ifndef ATTUNE_SERVICE_REPORTED_TIMES_H_
#define ATTUNE_SERVICE_REPORTED_TIMES_H_

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "lib/base/clock.h"

namespace attune::service {

// When something that is reported may have happened. Immutable, thread-safe.
struct ReportedTimes {
  const Clock* clock = nullptr;  // outlives the object
  // How far in the future a time may lie; infinite in a replay.
  absl::Duration max_clock_skew = absl::Minutes(5);
  // A clock that reads this was never set: times must be given.
  std::optional<absl::Time> clock_not_set;

  // What is wrong with a time as given, nullptr: with none, which means now. Empty: nothing is.
  std::string ProblemOf(const google::protobuf::Timestamp* time) const;
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_REPORTED_TIMES_H_
