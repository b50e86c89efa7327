#ifndef ATTUNE_SERVICE_CTL_OUTCOME_COMMAND_H_
#define ATTUNE_SERVICE_CTL_OUTCOME_COMMAND_H_

#include "service/ctl/command.h"

namespace attune::ctl {

// Adds `outcome record` and `outcome activate`.
void AddOutcomeCommand(CLI::App& program, Commands& commands);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_OUTCOME_COMMAND_H_
