#ifndef ATTUNE_SERVICE_CTL_HISTORY_COMMAND_H_
#define ATTUNE_SERVICE_CTL_HISTORY_COMMAND_H_

#include "service/ctl/command.h"

namespace attune::ctl {

// Adds `customer consent` and `customer record`.
void AddHistoryCommands(CLI::App& customer, Commands& commands);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_HISTORY_COMMAND_H_
