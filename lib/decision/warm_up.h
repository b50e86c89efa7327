#ifndef ATTUNE_LIB_DECISION_WARM_UP_H_
#define ATTUNE_LIB_DECISION_WARM_UP_H_

#include <cstdint>

#include "lib/decision/decider.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

// Decides for a customer of whom nothing is known, at this moment (Unix microseconds), on every
// channel with every intent (of many, the first 256 of these situations), once with the first eight
// channels open and all places to fill, and lets every model
// score every treatment and all be ranked, so that the first real decision with the strategy finds
// its memory allocated and what it reads in caches. Nothing is stored or counted; what `decision`
// holds afterwards means nothing.
void WarmUp(const strategy::Strategy& strategy, int64_t time_us, Decision& decision);

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_WARM_UP_H_
