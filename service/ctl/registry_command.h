#ifndef ATTUNE_SERVICE_CTL_REGISTRY_COMMAND_H_
#define ATTUNE_SERVICE_CTL_REGISTRY_COMMAND_H_

#include "attune/v1/model_service.pb.h"
#include "service/ctl/command.h"

namespace attune::ctl {

// Adds `model put`, `list`, `activate` and `delete`: what is done with the server's registry.
void AddRegistryCommands(CLI::App& model, Commands& commands);

// What a version is, as lines of a table.
std::string VersionText(const v1::ModelVersion& version);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_REGISTRY_COMMAND_H_
