#ifndef ATTUNE_SERVICE_ACTIVE_STRATEGY_H_
#define ATTUNE_SERVICE_ACTIVE_STRATEGY_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/base/issue.h"
#include "lib/base/mutex.h"
#include "lib/base/violations.h"
#include "lib/registry/model_registry.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/strategy.h"
#include "lib/strategy/strategy_sources.h"
#include "service/stored_files.h"

namespace attune::service {

// Why a version of a model was refused; a label of a metric.
enum class ModelRefusal {
  kInvalid,  // the content is damaged or not supported
  kUnfit,    // it does not fit the strategy that decides
  kLimit,    // a limit of the registry is reached
  kStore,    // it could not be stored
};
inline constexpr int kModelRefusals = 4;
// "invalid", "unfit", "limit", "store".
std::string_view ModelRefusalName(ModelRefusal refusal);

// The strategy that decides, made anew when a model that it names in the registry gets another
// version. Nobody else changes which version is active. Thread-safe.
//
// A change goes: compile the strategy with the new version, from the same files as at the start;
// make it ready; write the registry; publish. Until the last step, which can't fail, an error
// leaves everything as it is; a process that is killed starts again with what the registry says.
//
// A strategy that was run before and is started again after another one had run in between (a
// rollback) gets the models that it ran with last: they become active again.
class ActiveStrategy {
 public:
  // Both outlive the object. The dictionary is changed by Load only.
  ActiveStrategy(std::string path, storage::NameDictionary* names,
                 registry::ModelRegistry* registry);

  // Puts a file into the registry, and makes it the active version, unless a model of that name is
  // there already: before Load, so that a strategy that follows the model can be started at all.
  // INVALID_ARGUMENT: the file is damaged or not supported. Others as ModelRegistry::Put.
  absl::Status PutIfAbsent(const StoredFile& file, absl::Time now);

  // Where remote models get their connections from; it outlives the object. Set it before Load.
  void SetConnector(scoring::RemoteConnector* connector) ABSL_LOCKS_EXCLUDED(changing_);

  // Loads the strategy file: once, before the other methods. FAILED_PRECONDITION: it has errors,
  // which the message lists.
  absl::Status Load();

  std::shared_ptr<const strategy::Strategy> strategy() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Makes a strategy ready to decide and returns what lets it; the latter can't fail.
  using Prepare =
      std::function<std::function<void()>(std::shared_ptr<const strategy::Strategy> strategy)>;
  // Set it before any change is made.
  void SetPrepare(Prepare prepare) { prepare_ = std::move(prepare); }
  // Hears of refusals, for metrics. Set it before any change is made.
  void OnRefusal(std::function<void(ModelRefusal)> refused) { refused_ = std::move(refused); }
  void OnSwap(std::function<void()> swapped) { swapped_ = std::move(swapped); }

  // What a change did.
  struct Change {
    registry::ModelVersion model;
    bool changed = false;  // of the registry
    bool swapped = false;  // another strategy was published
    std::string strategy_version;
  };

  // Stores a version of a model and, unless `store_only` is set and another one is active, makes it
  // the active one. `version`: name, file, time_us, by and comment. INVALID_ARGUMENT comes with
  // `violations`: the content is damaged or does not fit the strategy. Others as
  // ModelRegistry::Put.
  absl::StatusOr<Change> Put(registry::ModelVersion version, const std::string& content,
                             bool store_only, Violations& violations)
      ABSL_LOCKS_EXCLUDED(changing_, mutex_);

  // Makes a stored version the active one. NOT_FOUND; DATA_LOSS: it is damaged; INVALID_ARGUMENT
  // comes with `violations`: it does not fit the strategy.
  absl::StatusOr<Change> Activate(std::string_view name, std::string_view hash,
                                  Violations& violations) ABSL_LOCKS_EXCLUDED(changing_, mutex_);

  // As ModelRegistry::Delete.
  absl::Status Delete(std::string_view name, std::string_view hash)
      ABSL_LOCKS_EXCLUDED(changing_, mutex_);

 private:
  // A version to be looked at in place of the stored one.
  struct Candidate {
    std::string name;
    std::shared_ptr<const strategy::ModelContent> content;
  };

  // Compiles the strategy with `chosen` versions in place of the active ones and, when it is not
  // nullptr, the candidate. nullptr: `issues` say why not.
  std::shared_ptr<const strategy::Strategy> Compile(const registry::VersionHashes& chosen,
                                                    const Candidate* candidate,
                                                    storage::NameDictionary& names,
                                                    IssueList& issues)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  // Called back within Compile, where the analysis does not see that changing_ is held.
  absl::StatusOr<strategy::StoredModel> FindStored(
      const std::string& stored, const registry::VersionHashes& chosen,
      const Candidate* candidate) ABSL_NO_THREAD_SAFETY_ANALYSIS;
  absl::StatusOr<std::shared_ptr<const strategy::ModelContent>> ContentOf(
      const registry::ModelVersion& version) ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  // What a change makes of the strategy.
  struct Swap {
    std::shared_ptr<const strategy::Strategy> strategy;  // nullptr: it stays as it is
    std::function<void()> publish;
    std::optional<registry::Run> run;
  };
  // Compiles with the candidate and makes the strategy ready, if it follows the model.
  absl::StatusOr<Swap> PrepareSwap(const Candidate& candidate, Violations& violations)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  // Forgets contents that the strategy is not made of.
  void ForgetUnused() ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_) ABSL_LOCKS_EXCLUDED(mutex_);
  void Publish(const Swap& swap, const Candidate& candidate)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_) ABSL_LOCKS_EXCLUDED(mutex_);
  registry::Run RunOf(const strategy::Strategy& strategy) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  // The versions that a rollback brings back.
  registry::VersionHashes VersionsToRestore() ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_);
  // Counts and logs a refusal; returns its status.
  absl::Status Refused(ModelRefusal refusal, std::string_view model, absl::Status status) const;
  Change Done(std::string_view name, std::string_view hash, bool changed, bool swapped) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string path_;
  storage::NameDictionary& names_;
  registry::ModelRegistry& registry_;
  Prepare prepare_;
  std::function<void(ModelRefusal)> refused_;
  std::function<void()> swapped_;

  Mutex changing_;  // one change at a time; before mutex_
  strategy::StrategySources sources_ ABSL_GUARDED_BY(changing_);
  std::string file_hash_ ABSL_GUARDED_BY(changing_);  // of the strategy file
  // By version: of the stored models that the strategy is made of.
  std::map<std::string, std::shared_ptr<const strategy::ModelContent>> contents_
      ABSL_GUARDED_BY(changing_);
  mutable Mutex mutex_;
  std::shared_ptr<const strategy::Strategy> strategy_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_ACTIVE_STRATEGY_H_
