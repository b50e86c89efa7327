#ifndef ATTUNE_SERVICE_CTL_STOP_COMMAND_H_
#define ATTUNE_SERVICE_CTL_STOP_COMMAND_H_

#include "service/ctl/command.h"

namespace attune::ctl {

// Adds `stop set`, `stop lift`, `stop list` and `stop history`.
void AddStopCommand(CLI::App& program, Commands& commands);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_STOP_COMMAND_H_
