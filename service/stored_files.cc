#include "service/stored_files.h"

#include <map>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/base/text.h"
#include "lib/registry/model_registry.h"

namespace attune::service {
namespace {

using Files = std::map<std::string, std::string>;  // by name

absl::StatusOr<strategy::StoredModel> Find(const Files& files, const std::string& stored) {
  const absl::StatusOr<registry::ModelName> wanted = registry::ParseModelName(stored);
  if (!wanted.ok()) return wanted.status();
  const auto file = files.find(wanted->name);
  if (file == files.end()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it is in the registry of a server, and none is asked here; say with --stored ",
        wanted->name, "=FILE which file to take for it"));
  }
  const auto content = strategy::StrategySources().ReadModel(file->second);
  if (!content.ok()) {
    return absl::Status(content.status().code(), absl::StrCat("the file ", Quoted(file->second),
                                                              ": ", content.status().message()));
  }
  if (!(*content)->hash.starts_with(wanted->hash)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the file ", Quoted(file->second), " is another version, ",
                     registry::VersionName(wanted->name, (*content)->hash)));
  }
  return strategy::StoredModel{registry::VersionName(wanted->name, (*content)->hash), *content};
}

}  // namespace

void AddStoredOption(CLI::App& app, const std::string& help, std::vector<StoredFile>& stored) {
  app.add_option_function<std::vector<std::string>>(
         "--stored",
         [&stored](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) {
             const size_t equals = text.find('=');
             stored.push_back({text.substr(0, equals), text.substr(equals + 1)});
           }
         },
         help)
      ->type_name("NAME=FILE")
      ->allow_extra_args(false)
      ->check([](const std::string& text) {
        const size_t equals = text.find('=');
        const bool is_pair = equals != std::string::npos && IsName(text.substr(0, equals)) &&
                             equals + 1 < text.size();
        return is_pair ? "" : "must be NAME=FILE, for example churn=churn.json";
      });
}

strategy::StrategySources SourcesWith(const std::vector<StoredFile>& stored) {
  auto files = std::make_shared<Files>();
  for (const StoredFile& file : stored) (*files)[file.name] = file.path;
  return strategy::StrategySources([files](const std::string& name) { return Find(*files, name); });
}

}  // namespace attune::service
