#ifndef ATTUNE_SERVICE_CTL_STORED_FILES_H_
#define ATTUNE_SERVICE_CTL_STORED_FILES_H_

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "lib/strategy/strategy_sources.h"

namespace attune::ctl {

// Adds --stored NAME=FILE, which may be given more than once, to a command that loads strategies
// without a server.
void AddStoredOption(CLI::App& command, std::vector<std::string>& stored);

// What strategies are loaded from: models that they name by `stored` are these files, "NAME=FILE".
strategy::StrategySources SourcesWith(const std::vector<std::string>& stored);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_STORED_FILES_H_
