#ifndef ATTUNE_SERVICE_CTL_MODEL_COMMAND_H_
#define ATTUNE_SERVICE_CTL_MODEL_COMMAND_H_

#include "service/ctl/command.h"

namespace attune::ctl {

// Adds `model predict`, `model inspect` and the commands of the registry.
void AddModelCommand(CLI::App& program, Commands& commands);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_MODEL_COMMAND_H_
