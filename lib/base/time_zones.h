#ifndef ATTUNE_LIB_BASE_TIME_ZONES_H_
#define ATTUNE_LIB_BASE_TIME_ZONES_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "lib/base/absl_strings.h"

namespace attune {

// The time zones of the system's zoneinfo folder by their IANA names. Each one is read at its first
// use and kept; a name that is not in the folder, as hostile text is, costs a look-up and no more.
// Thread-safe; a look-up takes no lock once the zone was read.
class TimeZones {
 public:
  // Lists the folder that zones are read from: the environment's TZDIR, or /usr/share/zoneinfo.
  // Without such a folder only UTC is known.
  TimeZones();
  ~TimeZones();
  TimeZones(const TimeZones&) = delete;
  TimeZones& operator=(const TimeZones&) = delete;

  // The zone with exactly this name; nullptr when there is none. Valid as long as this object.
  const absl::TimeZone* Find(std::string_view name) const;

  std::vector<std::string_view> Names() const;

 private:
  std::vector<std::string> names_;  // sorted
  StringViewMap<size_t> index_;     // views into names_
  // By index of the name: nullptr until it is first asked for, then the zone, or kUnreadable.
  mutable std::vector<std::atomic<const absl::TimeZone*>> zones_;
};

// Those of this process, listed at the first use. Valid until its end.
const TimeZones& SystemTimeZones();

}  // namespace attune

#endif  // ATTUNE_LIB_BASE_TIME_ZONES_H_
