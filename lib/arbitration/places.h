#ifndef ATTUNE_LIB_ARBITRATION_PLACES_H_
#define ATTUNE_LIB_ARBITRATION_PLACES_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "lib/arbitration/arbitration.h"
#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"

namespace attune::arbitration {

// The places that a request asks to fill, and the room that is left in them. Lives for one call of
// Arbitrate. Not thread-safe.
class Places {
 public:
  // `taken` is overwritten; its capacity is reused. All outlive this object.
  Places(const Settings& settings, const context::DecisionContext& context, std::vector<int>& taken)
      : settings_(settings), context_(context), taken_(taken) {
    taken_.assign(context.placements.size(), 0);
    for (size_t place = 0; place < taken_.size(); ++place) {
      left_ += PlacementAt(place).max_treatments;
    }
  }

  // Does the request ask for places at all? If not, everything has a place.
  bool any() const { return !taken_.empty(); }
  // It does, and there is no room left in any of them.
  bool full() const { return any() && left_ == 0; }

  // The first place that takes the treatment and has room: an index into
  // DecisionContext::placements. nullopt: there is none. REQUIRES: any().
  std::optional<int> Find(const catalog::Treatment& treatment, int slot) const {
    for (size_t place = 0; place < taken_.size(); ++place) {
      if (taken_[place] == PlacementAt(place).max_treatments) continue;
      if (!PlacementAt(place).Takes(treatment.group, context_.ChannelOf(slot))) continue;
      return static_cast<int>(place);
    }
    return std::nullopt;
  }
  // Takes room for one treatment. REQUIRES: it was found.
  void Take(int place) {
    ++taken_[static_cast<size_t>(place)];
    --left_;
  }

 private:
  const Placement& PlacementAt(size_t place) const {
    return settings_.placements[static_cast<size_t>(context_.placements[place])];
  }

  const Settings& settings_;
  const context::DecisionContext& context_;
  std::vector<int>& taken_;  // by index into DecisionContext::placements
  int left_ = 0;             // for so many there is room
};

// Would one of the places of the request, were there room, take the treatment on the channel of
// this slot? True when it asks for none.
inline bool HasPlace(const Settings& settings, const context::DecisionContext& context,
                     const catalog::Treatment& treatment, int slot) {
  for (const int index : context.placements) {
    const Placement& placement = settings.placements[static_cast<size_t>(index)];
    if (placement.Takes(treatment.group, context.ChannelOf(slot))) return true;
  }
  return context.placements.empty();
}

}  // namespace attune::arbitration

#endif  // ATTUNE_LIB_ARBITRATION_PLACES_H_
