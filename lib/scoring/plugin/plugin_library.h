#ifndef ATTUNE_LIB_SCORING_PLUGIN_PLUGIN_LIBRARY_H_
#define ATTUNE_LIB_SCORING_PLUGIN_PLUGIN_LIBRARY_H_

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/scoring/plugin/attune_model.h"

namespace attune::scoring {

// A shared library with models, loaded. It stays loaded as long as this lives; whoever calls into
// it holds a reference. Immutable, thread-safe.
class PluginLibrary {
 public:
  // Loads the library at this path, which runs its initialisers. Errors complete "the plugin …: ":
  // INVALID_ARGUMENT: it is no shared library, or needs another that is not there;
  // FAILED_PRECONDITION: it does not export ATTUNE_MODEL_SYMBOL, is of another version of the
  // interface, or leaves out one of its functions.
  static absl::StatusOr<std::shared_ptr<const PluginLibrary>> Load(const std::string& path);

  ~PluginLibrary();
  PluginLibrary(const PluginLibrary&) = delete;
  PluginLibrary& operator=(const PluginLibrary&) = delete;

  const attune_model_plugin& functions() const { return *functions_; }

 private:
  explicit PluginLibrary(void* handle) : handle_(handle) {}

  void* const handle_;  // of dlopen
  const attune_model_plugin* functions_ = nullptr;
};

// One model of a library. Immutable, thread-safe.
class PluginInstance {
 public:
  // INVALID_ARGUMENT: the library says why it can't be made.
  static absl::StatusOr<std::unique_ptr<const PluginInstance>> Create(
      std::shared_ptr<const PluginLibrary> library, const std::string& config,
      const std::vector<std::string>& feature_names);

  ~PluginInstance();
  PluginInstance(const PluginInstance&) = delete;
  PluginInstance& operator=(const PluginInstance&) = delete;

  // As attune_model_plugin::predict. False: it failed, and `error`, which is valid UTF-8 and may be
  // empty, says why.
  bool Predict(const double* features, size_t rows, size_t columns, double* propensity,
               double* deviation, std::string& error) const;

 private:
  PluginInstance(std::shared_ptr<const PluginLibrary> library, attune_model* model)
      : library_(std::move(library)), model_(model) {}

  const std::shared_ptr<const PluginLibrary> library_;
  attune_model* const model_;
};

// The instances that somebody uses, so that a strategy that is made anew with other models keeps
// those that are the same. Not thread-safe.
class PluginInstances {
 public:
  // The instance that was made of the same library, config and features, if somebody still has it;
  // else a new one. Errors as PluginInstance::Create.
  absl::StatusOr<std::shared_ptr<const PluginInstance>> Get(
      std::shared_ptr<const PluginLibrary> library, const std::string& config,
      const std::vector<std::string>& feature_names);

 private:
  // An instance keeps its library, so as long as there is one no other library has the address.
  using Key = std::tuple<const PluginLibrary*, std::string, std::vector<std::string>>;
  std::map<Key, std::weak_ptr<const PluginInstance>> used_;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_PLUGIN_PLUGIN_LIBRARY_H_
