#ifndef ATTUNE_LIB_STRATEGY_RAMP_COMPILER_H_
#define ATTUNE_LIB_STRATEGY_RAMP_COMPILER_H_

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/strategy/strategy.h"

namespace attune::strategy {

// Gives the treatments of the strategy their ramps: their own, else the arbitration's, and none to
// those that must reach everybody. REQUIRES: CheckStrategy returned true; outcomes, catalog and
// fallbacks were compiled.
void CompileRamps(const v1::Strategy& file, Strategy& strategy);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_RAMP_COMPILER_H_
