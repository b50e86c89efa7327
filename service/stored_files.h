#ifndef ATTUNE_SERVICE_STORED_FILES_H_
#define ATTUNE_SERVICE_STORED_FILES_H_

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "lib/strategy/strategy_sources.h"

namespace attune::service {

// A file that stands for a model of the registry.
struct StoredFile {
  std::string name;  // of the model
  std::string path;
};

// Adds --stored NAME=FILE, which may be given more than once. `help` says what it does. Both
// outlive the parsing.
void AddStoredOption(CLI::App& app, const std::string& help, std::vector<StoredFile>& stored);

// What strategies are loaded from without a registry: models that they name by `stored` are these
// files.
strategy::StrategySources SourcesWith(const std::vector<StoredFile>& stored);

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_STORED_FILES_H_
