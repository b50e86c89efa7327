#include "lib/stops/stop_set.h"

#include <algorithm>
#include <iterator>

namespace attune::stops {
namespace {

// Index of the group; -1 when there is none of that name.
int FindGroup(const catalog::Catalog& catalog, const std::string& name) {
  const auto found = std::find_if(catalog.groups.begin(), catalog.groups.end(),
                                  [&](const catalog::Group& group) { return group.name == name; });
  if (found == catalog.groups.end()) return -1;
  return static_cast<int>(std::distance(catalog.groups.begin(), found));
}

}  // namespace

bool IsDeclared(const Target& target, const catalog::Catalog& catalog) {
  return target.kind == Target::Kind::kTreatment ? catalog.Find(target.name) >= 0
                                                 : FindGroup(catalog, target.name) >= 0;
}

StopSet::StopSet(const std::vector<Change>& stops, const catalog::Catalog& catalog) {
  std::copy_if(stops.begin(), stops.end(), std::back_inserter(stops_),
               [&](const Change& stop) { return IsDeclared(stop.target, catalog); });
  if (stops_.empty()) return;
  stop_of_.assign(catalog.treatments.size(), -1);
  for (size_t i = 0; i < stops_.size(); ++i) {
    if (stops_[i].target.kind != Target::Kind::kGroup) continue;
    const int group = FindGroup(catalog, stops_[i].target.name);
    for (size_t t = 0; t < catalog.treatments.size(); ++t) {
      if (catalog.treatments[t].group == group) stop_of_[t] = static_cast<int>(i);
    }
  }
  for (size_t i = 0; i < stops_.size(); ++i) {
    if (stops_[i].target.kind != Target::Kind::kTreatment) continue;
    stop_of_[static_cast<size_t>(catalog.Find(stops_[i].target.name))] = static_cast<int>(i);
  }
}

const Change* StopSet::StopOf(int treatment) const {
  if (stop_of_.empty()) return nullptr;
  const int stop = stop_of_[static_cast<size_t>(treatment)];
  return stop < 0 ? nullptr : &stops_[static_cast<size_t>(stop)];
}

}  // namespace attune::stops
