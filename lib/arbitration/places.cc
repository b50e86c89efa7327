#include "lib/arbitration/places.h"

#include <utility>

namespace attune::arbitration {

Places::Places(const Settings& settings, const context::DecisionContext& context, size_t groups,
               PlacesMemory& memory)
    : settings_(settings), context_(context), groups_(groups), memory_(memory) {
  memory_.seats.clear();
  memory_.taken.assign(context.placements.size(), 0);
  if (!any()) return;
  memory_.hopeless.assign(context.slots() * groups, false);
  for (size_t place = 0; place < memory_.taken.size(); ++place) {
    left_ += PlacementAt(place).max_treatments;
  }
}

bool Places::Find(int group, int slot) {
  if (IsHopeless(group, slot)) return false;
  room_ = FindRoom(group, slot);
  newcomer_ = {group, slot, kNowhere};
  memory_.hopeless[IndexOf(group, slot)] = room_ == kNowhere;
  return room_ != kNowhere;
}

int Places::FindRoom(int group, int slot) {
  memory_.search.count = 0;
  memory_.search.was_reached.reset();
  int room = Reach(group, slot, kNewcomer);
  // Breadth first: the way that is found is a shortest one.
  for (size_t i = 0; room == kNowhere && i < memory_.search.count; ++i) {
    for (size_t s = memory_.seats.size(); room == kNowhere && s > 0; --s) {
      const Seat& seat = memory_.seats[s - 1];
      if (seat.place != memory_.search.reached[i]) continue;
      room = Reach(seat.group, seat.slot, static_cast<int>(s - 1));
    }
  }
  return room;
}

int Places::Reach(int group, int slot, int mover) {
  for (size_t place = 0; place < memory_.taken.size(); ++place) {
    if (memory_.search.was_reached[place]) continue;
    const Placement& placement = PlacementAt(place);
    if (!placement.Takes(group, context_.ChannelOf(slot))) continue;
    memory_.search.was_reached.set(place);
    memory_.search.mover[place] = mover;
    if (memory_.taken[place] < placement.max_treatments) return static_cast<int>(place);
    memory_.search.reached[memory_.search.count++] = static_cast<int>(place);
  }
  return kNowhere;
}

void Places::Take() {
  ++memory_.taken[static_cast<size_t>(room_)];
  --left_;
  // Back along the way: each moves to where there is room and leaves room where it was.
  int free = room_;
  for (;;) {
    const int mover = memory_.search.mover[static_cast<size_t>(free)];
    if (mover == kNewcomer) break;
    std::swap(free, memory_.seats[static_cast<size_t>(mover)].place);
  }
  newcomer_.place = free;
  memory_.seats.push_back(newcomer_);
}

}  // namespace attune::arbitration
