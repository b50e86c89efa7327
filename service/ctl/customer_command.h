#ifndef ATTUNE_SERVICE_CTL_CUSTOMER_COMMAND_H_
#define ATTUNE_SERVICE_CTL_CUSTOMER_COMMAND_H_

#include "service/ctl/command.h"

namespace attune::ctl {

// Adds `customer get`, `customer put`, `customer consent`, `customer record` and `customer erase`.
void AddCustomerCommand(CLI::App& program, Commands& commands);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_CUSTOMER_COMMAND_H_
