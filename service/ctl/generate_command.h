#ifndef ATTUNE_SERVICE_CTL_GENERATE_COMMAND_H_
#define ATTUNE_SERVICE_CTL_GENERATE_COMMAND_H_

#include "service/ctl/command.h"

namespace attune::ctl {

// Adds `generate customers`.
void AddGenerateCommand(CLI::App& program, Commands& commands);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_GENERATE_COMMAND_H_
