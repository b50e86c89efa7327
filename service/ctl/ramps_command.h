#ifndef ATTUNE_SERVICE_CTL_RAMPS_COMMAND_H_
#define ATTUNE_SERVICE_CTL_RAMPS_COMMAND_H_

#include "service/ctl/command.h"

namespace attune::ctl {

// Adds `ramps` to `strategy`.
void AddRampsCommand(CLI::App& strategy, Commands& commands);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_RAMPS_COMMAND_H_
