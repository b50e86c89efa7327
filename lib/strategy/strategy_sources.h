#ifndef ATTUNE_LIB_STRATEGY_STRATEGY_SOURCES_H_
#define ATTUNE_LIB_STRATEGY_STRATEGY_SOURCES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/base/issue.h"
#include "lib/scoring/plugin/plugin_library.h"
#include "lib/scoring/remote_scorer.h"
#include "lib/trees/tree_ensemble.h"

namespace attune::strategy {

// Largest strategy file, and largest model file in YAML, in bytes.
inline constexpr size_t kMaxStrategyFileBytes = 16u << 20;
// Largest shared library of a plugin, in bytes.
inline constexpr size_t kMaxPluginBytes = 256u << 20;

// What is in a model's file, read once and shared by all strategies that are made of it. Immutable,
// thread-safe.
struct ModelContent {
  std::string file;  // how messages call it
  std::string hash;  // ContentHash of its bytes, all digits
  uint64_t bytes = 0;
  // Of a Model in YAML: its text. Of any other: what it predicts with.
  std::string yaml;
  std::shared_ptr<const trees::TreeEnsemble> trees;  // nullptr: it is YAML
};

// Largest file of a model with that name, in bytes.
size_t MaxModelFileBytes(std::string_view file);

// Reads the bytes of a model's file; its name tells what it is (IsYamlModel). The text of YAML is
// not looked at. INVALID_ARGUMENT, UNIMPLEMENTED: it is damaged, too large or not supported; the
// message completes "the model file …: ".
absl::StatusOr<std::shared_ptr<const ModelContent>> ReadContent(std::string file,
                                                                std::string_view bytes);

// What a model is: "trees", or the kind of the Model in YAML ("linear"). Problems of YAML that no
// strategy is needed for are added to `issues`; "" when there was one.
std::string KindOf(const ModelContent& content, IssueList& issues);

// A model of the registry.
struct StoredModel {
  std::string version;  // name@hash, of the name in the registry
  std::shared_ptr<const ModelContent> content;
};

// Where the parts of a strategy come from: files, each read once, and the registry of models. What
// is loaded again from the same sources differs in nothing but the stored models, whatever has
// become of the files since. Not thread-safe.
class StrategySources {
 public:
  // Gives what `stored` of a model names; errors complete "the stored model …: ".
  using FindStored = std::function<absl::StatusOr<StoredModel>(const std::string& stored)>;

  // Without a registry: stored models can't be found.
  StrategySources();
  explicit StrategySources(FindStored find_stored) : find_stored_(std::move(find_stored)) {}

  // The text of the strategy file. Errors as ReadFile.
  absl::StatusOr<std::string> ReadStrategy(const std::string& path);
  // The model in this file. Errors as ReadFile and ReadContent.
  absl::StatusOr<std::shared_ptr<const ModelContent>> ReadModel(const std::string& path);
  absl::StatusOr<StoredModel> Stored(const std::string& stored) const {
    return find_stored_(stored);
  }

  // A shared library, with the ContentHash of its bytes, all digits.
  struct Plugin {
    std::string hash;
    std::shared_ptr<const scoring::PluginLibrary> library;
  };
  // The plugin in this file, loaded once. Errors as ReadFile and scoring::PluginLibrary::Load.
  absl::StatusOr<Plugin> LoadPlugin(const std::string& path);

  // What was made of these plugins and is still used.
  scoring::PluginInstances& plugin_instances() { return plugin_instances_; }

  // Where remote models get their connections from; nullptr: they are asked nothing. It outlives
  // the object.
  scoring::RemoteConnector* connector() const { return connector_; }
  void SetConnector(scoring::RemoteConnector* connector) { connector_ = connector; }

  // How stored models are found from now on.
  void SetFindStored(FindStored find_stored) { find_stored_ = std::move(find_stored); }

 private:
  FindStored find_stored_;
  std::map<std::string, std::string> texts_;
  std::map<std::string, std::shared_ptr<const ModelContent>> models_;
  std::map<std::string, Plugin> plugins_;
  scoring::PluginInstances plugin_instances_;
  scoring::RemoteConnector* connector_ = nullptr;
};

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_STRATEGY_SOURCES_H_
