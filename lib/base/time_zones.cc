#include "lib/base/time_zones.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

// Stands for a file that is no time zone.
const absl::TimeZone* Unreadable() {
  static const absl::TimeZone zone;
  return &zone;
}

// "Europe/Berlin", but not "zone1970.tab", "posix/…", "leapseconds" or "localtime".
bool IsZoneName(std::string_view name) {
  return absl::ascii_isupper(static_cast<unsigned char>(name[0])) && name.find('.') == name.npos &&
         name != "Factory";
}

std::vector<std::string> ZoneNames() {
  const char* environment = std::getenv("TZDIR");
  const fs::path folder = environment == nullptr ? "/usr/share/zoneinfo" : environment;
  std::vector<std::string> names = {"UTC"};
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().lexically_relative(folder).string();
    const bool is_folder = it->is_directory(error);
    if (!IsZoneName(name)) {
      if (is_folder) it.disable_recursion_pending();
    } else if (!is_folder) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

TimeZones::TimeZones() : names_(ZoneNames()), zones_(names_.size()) {
  for (size_t i = 0; i < names_.size(); ++i) index_.emplace(names_[i], i);
}

TimeZones::~TimeZones() {
  for (const auto& slot : zones_) {
    const absl::TimeZone* zone = slot.load(std::memory_order_acquire);
    if (zone != Unreadable()) delete zone;
  }
}

const absl::TimeZone* TimeZones::Find(std::string_view name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) return nullptr;
  std::atomic<const absl::TimeZone*>& slot = zones_[found->second];
  const absl::TimeZone* zone = slot.load(std::memory_order_acquire);
  if (zone == nullptr) {
    auto read = std::make_unique<absl::TimeZone>();
    const bool usable = absl::LoadTimeZone(names_[found->second], read.get());
    const absl::TimeZone* mine = usable ? read.get() : Unreadable();
    // Another thread may have been faster; then its zone is the one that is kept.
    if (slot.compare_exchange_strong(zone, mine, std::memory_order_acq_rel)) {
      zone = mine;
      if (usable) static_cast<void>(read.release());
    }
  }
  return zone == Unreadable() ? nullptr : zone;
}

std::vector<std::string_view> TimeZones::Names() const { return {names_.begin(), names_.end()}; }

const TimeZones& SystemTimeZones() {
  static const TimeZones* const zones =
      new TimeZones();  // never destroyed: threads may outlive main
  return *zones;
}

}  // namespace attune
