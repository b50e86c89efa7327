#ifndef ATTUNE_SERVICE_CTL_STRATEGY_TEST_COMMAND_H_
#define ATTUNE_SERVICE_CTL_STRATEGY_TEST_COMMAND_H_

#include "service/ctl/command.h"

namespace attune::ctl {

// Adds `test` to the command `strategy`.
void AddStrategyTestCommand(CLI::App& strategy, Commands& commands);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_STRATEGY_TEST_COMMAND_H_
