#ifndef ATTUNE_LIB_ARBITRATION_PLACES_H_
#define ATTUNE_LIB_ARBITRATION_PLACES_H_

#include <cstddef>

#include "lib/arbitration/arbitration.h"
#include "lib/catalog/catalog.h"
#include "lib/context/context_schema.h"
#include "lib/context/decision_context.h"

namespace attune::arbitration {

// The places that a request asks to fill, and who has one. A treatment gets a place when those that
// already have one can be seated anew, each on its own channel, so that all of them still have one:
// there is an augmenting path (Kuhn 1955, "The Hungarian method for the assignment problem"). So on
// one channel nothing else that fits into the places, is within max_per_group and leaves out
// somebody has higher priorities: neither their sum nor those of the first, the second and so on.
// For the sets that can be seated are the independent sets of a matroid (a transversal one, Edmonds
// and Fulkerson 1965; with max_per_group a gammoid), in which the greedy choice is the best one
// (Rado 1957; Edmonds 1971). Over several channels, where a treatment may be seated on one of them
// only, none of those that were seated before loses its channel for one that comes after.
//
// Lives for one call of Arbitrate. Not thread-safe. A search looks at each place and at each
// treatment that has one once, and is made for a group on a channel only until it finds nothing.
class Places {
 public:
  // `memory` is overwritten; its capacity is reused. All outlive this object. `groups`: how many
  // the catalog has. REQUIRES: no place is asked for twice.
  Places(const Settings& settings, const context::DecisionContext& context, size_t groups,
         PlacesMemory& memory);

  // Does the request ask for places at all? If not, everything has a place.
  bool any() const { return !memory_.taken.empty(); }
  // It does, and there is no room left in any of them.
  bool full() const { return any() && left_ == 0; }

  // Can room be made for one more treatment of this group on the channel of this slot? Where a
  // place that takes it has room it goes to the first such, in the order of the request; else as
  // few as possible move, of each place the one that got its place last of those that can.
  // REQUIRES: any().
  bool Find(int group, int slot);
  // Seats what was last asked for. REQUIRES: Find said yes to it.
  void Take();
  // Has Find said no to this group on this channel? It always will then: whoever gets a place
  // makes no room. REQUIRES: any().
  bool IsHopeless(int group, int slot) const { return memory_.hopeless[IndexOf(group, slot)]; }
  // Where the treatment is that was the n-th to get a place, from 0: an index into
  // DecisionContext::placements. It may change with Take.
  int PlaceOf(size_t n) const { return memory_.seats[n].place; }

 private:
  using Seat = PlacesMemory::Seat;

  static constexpr int kNewcomer = -1;  // as PlacesMemory::Search::mover
  static constexpr int kNowhere = -1;

  const Placement& PlacementAt(size_t place) const {
    return settings_.placements[static_cast<size_t>(context_.placements[place])];
  }
  size_t IndexOf(int group, int slot) const {
    return static_cast<size_t>(slot) * groups_ + static_cast<size_t>(group);
  }
  // The place with room to which somebody moves in the end, or kNowhere.
  int FindRoom(int group, int slot);
  // Reaches the places that take such a treatment, which is `mover`. The first of them that has
  // room, or kNowhere.
  int Reach(int group, int slot, int mover);

  const Settings& settings_;
  const context::DecisionContext& context_;
  const size_t groups_;
  PlacesMemory& memory_;
  int left_ = 0;  // for so many there is room
  // Of the last call of Find.
  Seat newcomer_;
  int room_ = kNowhere;
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
