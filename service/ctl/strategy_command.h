#ifndef ATTUNE_SERVICE_CTL_STRATEGY_COMMAND_H_
#define ATTUNE_SERVICE_CTL_STRATEGY_COMMAND_H_

#include "service/ctl/command.h"

namespace attune::ctl {

// Adds `strategy check`, `strategy test` and `strategy ramps`.
void AddStrategyCommand(CLI::App& program, Commands& commands);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_STRATEGY_COMMAND_H_
