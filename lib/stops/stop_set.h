#ifndef ATTUNE_LIB_STOPS_STOP_SET_H_
#define ATTUNE_LIB_STOPS_STOP_SET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "lib/catalog/catalog.h"

namespace attune::stops {

// What can be stopped: a treatment or a whole group, by name.
struct Target {
  enum class Kind { kTreatment, kGroup };
  Kind kind = Kind::kTreatment;
  std::string name;

  friend bool operator==(const Target&, const Target&) = default;
};

// Whether the catalog has what is to be stopped.
bool IsDeclared(const Target& target, const catalog::Catalog& catalog);

// A treatment or a group that was switched on or off.
struct Change {
  uint64_t number = 0;  // grows by 1 with every change
  Target target;
  bool stopped = false;  // else lifted
  std::string by;        // who
  std::string because;   // why
  int64_t time_us = 0;   // Unix microseconds
  std::string request_id;
  bool without_effect = false;  // it was so already
};

// Which treatments of one catalog are stopped. Immutable, thread-safe.
class StopSet {
 public:
  // Nothing is stopped.
  StopSet() = default;
  // `stops` of names that the catalog doesn't have stop nothing.
  StopSet(const std::vector<Change>& stops, const catalog::Catalog& catalog);

  // Whether the treatment, by its index in the catalog, or its group is stopped.
  bool IsStopped(int treatment) const { return !stop_of_.empty() && StopOf(treatment) != nullptr; }
  // What stopped the treatment: its own stop before that of its group; nullptr: nothing.
  const Change* StopOf(int treatment) const;

  // How many of the stops are of treatments and groups that the catalog has.
  int size() const { return static_cast<int>(stops_.size()); }

 private:
  std::vector<Change> stops_;
  // By index of the treatment: an index into stops_, -1: not stopped. Empty when nothing is.
  std::vector<int> stop_of_;
};

}  // namespace attune::stops

#endif  // ATTUNE_LIB_STOPS_STOP_SET_H_
