#ifndef ATTUNE_SERVICE_CTL_IMPORT_COMMAND_H_
#define ATTUNE_SERVICE_CTL_IMPORT_COMMAND_H_

#include "service/ctl/command.h"

namespace attune::ctl {

// Adds `import customers` and `import interactions`.
void AddImportCommand(CLI::App& program, Commands& commands);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_IMPORT_COMMAND_H_
