#ifndef ATTUNE_LIB_REGISTRY_MODEL_REGISTRY_H_
#define ATTUNE_LIB_REGISTRY_MODEL_REGISTRY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/mutex.h"
#include "lib/storage/state_store.h"

namespace attune::registry {

// Longest name of who put a model, and longest comment, in bytes.
inline constexpr size_t kMaxByBytes = 64;
inline constexpr size_t kMaxCommentBytes = 256;
// Longest name of a model's file, in bytes.
inline constexpr size_t kMaxFileBytes = 256;

// name@hash with as many digits of the hash as answers have.
std::string VersionName(std::string_view name, std::string_view hash);

// One version of one model, but for its content.
struct ModelVersion {
  std::string name;
  std::string hash;  // ContentHash of the content, all digits
  std::string file;  // what its file was called
  std::string kind;  // "trees", "linear", ...
  uint64_t bytes = 0;
  int64_t time_us = 0;  // when it was put, Unix microseconds
  std::string by;       // who put it; may be empty
  std::string comment;  // may be empty
  uint64_t number = 0;  // set by the registry; grows with every put

  std::string version() const { return VersionName(name, hash); }
};

// Model names with hashes: which version of each.
using VersionHashes = std::map<std::string, std::string, std::less<>>;

// A version that a strategy is made of.
struct UsedModel {
  std::string name;
  std::string hash;
  bool pinned = false;  // the strategy names the version itself
  friend bool operator==(const UsedModel&, const UsedModel&) = default;
};

// Which models a strategy was run with last.
struct Run {
  std::string strategy;   // its name
  std::string file_hash;  // ContentHash of the strategy file, all digits
  std::vector<UsedModel> models;
  friend bool operator==(const Run&, const Run&) = default;
};

// Everything about the registry at one moment. Immutable.
struct RegistryState {
  std::vector<ModelVersion> versions;  // by name, then ascending by number
  VersionHashes active;
  std::vector<Run> runs;  // the last one is the strategy that runs

  // The versions of a model, ascending by number.
  std::vector<const ModelVersion*> VersionsOf(std::string_view name) const;
  // The names of all models, ascending.
  std::vector<std::string> Names() const;
  // The version of the model whose hash begins with these digits, at least 12; or, when `hash` is
  // empty, the active one. NOT_FOUND says what there is.
  absl::StatusOr<const ModelVersion*> Find(std::string_view name, std::string_view hash) const;
  // How the strategy with this file was run last; nullptr: it was not, or that is forgotten.
  const Run* FindRun(std::string_view file_hash) const;
  // Does a strategy that is remembered use the version? `current_only`: the one that runs.
  bool IsUsed(const ModelVersion& version, bool current_only) const;
  bool IsActive(const ModelVersion& version) const;
  uint64_t bytes() const;
};

// What was learned: models by name, each in several versions of which one is active. Kept in the
// store, and the only place where what learns meets what decides. Thread-safe.
//
// The content of a version is a blob under a number of its own, written before the index names it
// and removed after it has stopped to. So whatever happens in between, the index names what is
// there: a put that was cut off leaves the state before it.
class ModelRegistry {
 public:
  struct Limits {
    size_t max_models = 1'000;
    // Of one model. The oldest make room, but for the active one and those of remembered runs.
    size_t max_model_versions = 20;
    // Of all versions of all models together.
    uint64_t max_registry_bytes = uint64_t{4} << 30;
    // Strategies whose models are remembered.
    size_t max_runs = 10;
  };

  // Reads the index and finishes removals. `store` must outlive the registry. DATA_LOSS: the index
  // is damaged.
  static absl::StatusOr<std::unique_ptr<ModelRegistry>> Load(storage::StateStore* store,
                                                             const Limits& limits);
  static absl::StatusOr<std::unique_ptr<ModelRegistry>> Load(storage::StateStore* store) {
    return Load(store, Limits());
  }

  std::shared_ptr<const RegistryState> state() const ABSL_LOCKS_EXCLUDED(mutex_);

  // What a change makes of which version is used, in the same write.
  struct Use {
    // The version becomes the active one.
    bool activate = false;
    // How the strategy runs from then on; absent: as before.
    std::optional<Run> run;
  };

  // Stores a version; one with this content that is there already stays as it is (a damaged one is
  // mended), and only `use` is carried out. Returns false when nothing changed. RESOURCE_EXHAUSTED
  // names the limit and says what to do. After an error of the store nothing has changed, unless
  // what failed is that it survives power loss: then the version may be there after the next start.
  // REQUIRES: `version` is filled in but for its number, its hash is that of `content`.
  absl::StatusOr<bool> Put(ModelVersion version, std::string_view content, const Use& use)
      ABSL_LOCKS_EXCLUDED(writing_, mutex_);

  // Makes versions of several models the active ones, all or none, and notes the run. Returns false
  // when nothing changed. NOT_FOUND: there is no such version.
  absl::StatusOr<bool> Activate(const VersionHashes& versions, const std::optional<Run>& run)
      ABSL_LOCKS_EXCLUDED(writing_, mutex_);

  // Removes one version of a model, or, without a hash, all of them. NOT_FOUND;
  // FAILED_PRECONDITION: the strategy that runs uses it, or it is the active one and there are
  // others.
  absl::Status Delete(std::string_view name, std::string_view hash)
      ABSL_LOCKS_EXCLUDED(writing_, mutex_);

  // The content. DATA_LOSS: it is not what was put.
  absl::StatusOr<std::string> Read(const ModelVersion& version) const;
  // At most `max_bytes` of it from `offset` on, not checked.
  absl::StatusOr<std::string> ReadPart(const ModelVersion& version, uint64_t offset,
                                       size_t max_bytes) const;

 private:
  ModelRegistry(storage::StateStore* store, const Limits& limits)
      : store_(*store), limits_(limits) {}

  absl::Status MakeRoom(const ModelVersion& version, RegistryState& next,
                        std::vector<uint64_t>& dropped) const;
  // Writes the content of a version again if it is damaged; returns whether it was.
  absl::StatusOr<bool> Mend(const ModelVersion& version, std::string_view content)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(writing_);
  // Writes the index, makes it the state, and removes what it has dropped.
  absl::Status Save(std::shared_ptr<RegistryState> next, std::vector<uint64_t> dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(writing_) ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveDropped() ABSL_EXCLUSIVE_LOCKS_REQUIRED(writing_);
  void AddRun(const Run& run, RegistryState& next) const;

  storage::StateStore& store_;
  const Limits limits_;
  Mutex writing_;  // one change at a time; before mutex_
  uint64_t next_number_ ABSL_GUARDED_BY(writing_) = 1;
  std::vector<uint64_t> dropped_ ABSL_GUARDED_BY(writing_);  // blobs to be removed
  mutable Mutex mutex_;
  std::shared_ptr<const RegistryState> state_ ABSL_GUARDED_BY(mutex_);
};

// A model as strategies and people name it: "churn", or "churn@" and at least 12 digits of a hash.
struct ModelName {
  std::string name;
  std::string hash;  // empty: the active version
};
// INVALID_ARGUMENT completes "the model name …".
absl::StatusOr<ModelName> ParseModelName(std::string_view text);

}  // namespace attune::registry

#endif  // ATTUNE_LIB_REGISTRY_MODEL_REGISTRY_H_
