#include "lib/registry/model_registry.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "attune/storage/v1/models.pb.h"
#include "lib/base/absl_strings.h"
#include "lib/base/codec.h"
#include "lib/base/hash.h"
#include "lib/base/text.h"
#include "lib/storage/crc32c.h"

namespace attune::registry {
namespace {

constexpr std::string_view kIndexName = "models";
constexpr size_t kHashDigits = 64;
// As many as answers and lists show.
constexpr size_t kShownDigits = 12;
constexpr size_t kMaxListedVersions = 12;

std::string BlobName(uint64_t number) { return absl::StrCat("model/", number); }

bool ComesBefore(const ModelVersion& a, const ModelVersion& b) {
  return std::tie(a.name, a.number) < std::tie(b.name, b.number);
}

// How many versions of the model there are.
size_t CountOf(const RegistryState& state, std::string_view name) {
  return static_cast<size_t>(
      std::count_if(state.versions.begin(), state.versions.end(),
                    [&](const ModelVersion& version) { return version.name == name; }));
}

absl::Status DamagedIndex() {
  return absl::DataLossError(
      "the stored index of the model registry is damaged; restore the store from a backup");
}

absl::Status DamagedContent(const ModelVersion& version) {
  return absl::DataLossError(absl::StrCat(
      "the stored model ", version.version(),
      " is damaged: its content has not the hash that it was put with; put it again, or activate "
      "another version"));
}

ModelVersion Read(storage::v1::Models::Version& stored) {
  ModelVersion version;
  version.name = std::move(*stored.mutable_name());
  version.hash = std::move(*stored.mutable_hash());
  version.file = std::move(*stored.mutable_file());
  version.kind = std::move(*stored.mutable_kind());
  version.bytes = stored.bytes();
  version.time_us = stored.time_us();
  version.by = std::move(*stored.mutable_by());
  version.comment = std::move(*stored.mutable_comment());
  version.number = stored.number();
  return version;
}

void Write(const ModelVersion& version, storage::v1::Models::Version& stored) {
  stored.set_name(version.name);
  stored.set_hash(version.hash);
  stored.set_file(version.file);
  stored.set_kind(version.kind);
  stored.set_bytes(version.bytes);
  stored.set_time_us(version.time_us);
  stored.set_by(version.by);
  stored.set_comment(version.comment);
  stored.set_number(version.number);
}

Run Read(const storage::v1::Models::Run& stored) {
  Run run{stored.strategy(), stored.file_hash(), {}};
  for (const auto& model : stored.models()) {
    run.models.push_back({model.name(), model.hash(), model.pinned()});
  }
  return run;
}

void Write(const Run& run, storage::v1::Models::Run& stored) {
  stored.set_strategy(run.strategy);
  stored.set_file_hash(run.file_hash);
  for (const UsedModel& used : run.models) {
    storage::v1::Models::Run::Used& model = *stored.add_models();
    model.set_name(used.name);
    model.set_hash(used.hash);
    model.set_pinned(used.pinned);
  }
}

// The index as a blob: a CRC-32C of the message, then the message.
std::string Encode(const storage::v1::Models& models) {
  const std::string message = models.SerializeAsString();
  std::string blob;
  PutFixed(blob, storage::Crc32c(message));
  return blob + message;
}

bool Decode(std::string_view blob, storage::v1::Models& models) {
  ByteReader reader(blob);
  const auto checksum = reader.Fixed<uint32_t>();
  const std::string_view message = reader.Bytes(reader.remaining());
  return reader.ok() && checksum == storage::Crc32c(message) &&
         models.ParseFromArray(message.data(), static_cast<int>(message.size()));
}

}  // namespace

std::string VersionName(std::string_view name, std::string_view hash) {
  return absl::StrCat(ToAbsl(name), "@", ToAbsl(hash.substr(0, kShownDigits)));
}

std::vector<const ModelVersion*> RegistryState::VersionsOf(std::string_view name) const {
  std::vector<const ModelVersion*> found;
  for (const ModelVersion& version : versions) {
    if (version.name == name) found.push_back(&version);
  }
  return found;
}

std::vector<std::string> RegistryState::Names() const {
  std::vector<std::string> names;
  for (const ModelVersion& version : versions) {
    if (names.empty() || names.back() != version.name) names.push_back(version.name);
  }
  return names;
}

absl::StatusOr<const ModelVersion*> RegistryState::Find(std::string_view name,
                                                        std::string_view hash) const {
  const std::vector<const ModelVersion*> all = VersionsOf(name);
  if (all.empty()) {
    const std::vector<std::string> names = Names();
    return absl::NotFoundError(
        absl::StrCat("the registry has no model ", Quoted(name), Suggestion(name, names),
                     names.empty() ? "; it is empty" : "", "; store one with attunectl model put"));
  }
  const auto active_hash = active.find(name);
  for (const ModelVersion* version : all) {
    if (hash.empty() ? active_hash != active.end() && version->hash == active_hash->second
                     : version->hash.starts_with(hash)) {
      return version;
    }
  }
  if (hash.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "no version of the model ", Quoted(name),
        " is active; activate one with attunectl model activate ", all.back()->version()));
  }
  std::string known;
  for (size_t i = 0; i < all.size() && i < kMaxListedVersions; ++i) {
    absl::StrAppend(&known, i == 0 ? "" : ", ", all[all.size() - 1 - i]->version());
  }
  return absl::NotFoundError(absl::StrCat("the registry has no version ",
                                          Quoted(absl::StrCat(ToAbsl(name), "@", ToAbsl(hash))),
                                          "; newest first it has: ", known));
}

const Run* RegistryState::FindRun(std::string_view file_hash) const {
  for (const Run& run : runs) {
    if (run.file_hash == file_hash) return &run;
  }
  return nullptr;
}

bool RegistryState::IsUsed(const ModelVersion& version, bool current_only) const {
  const auto uses = [&](const Run& run) {
    return std::any_of(run.models.begin(), run.models.end(), [&](const UsedModel& used) {
      return used.name == version.name && used.hash == version.hash;
    });
  };
  if (current_only) return !runs.empty() && uses(runs.back());
  return std::any_of(runs.begin(), runs.end(), uses);
}

bool RegistryState::IsActive(const ModelVersion& version) const {
  const auto found = active.find(version.name);
  return found != active.end() && found->second == version.hash;
}

uint64_t RegistryState::bytes() const {
  uint64_t sum = 0;
  for (const ModelVersion& version : versions) sum += version.bytes;
  return sum;
}

absl::StatusOr<std::unique_ptr<ModelRegistry>> ModelRegistry::Load(storage::StateStore* store,
                                                                   const Limits& limits) {
  absl::StatusOr<std::optional<std::string>> blob = store->GetBlob(kIndexName);
  if (!blob.ok()) return blob.status();
  storage::v1::Models models;
  if (blob->has_value() && !Decode(**blob, models)) return DamagedIndex();
  auto state = std::make_shared<RegistryState>();
  for (storage::v1::Models::Version& stored : *models.mutable_versions()) {
    state->versions.push_back(registry::Read(stored));
  }
  std::sort(state->versions.begin(), state->versions.end(), ComesBefore);
  for (const storage::v1::Models::Active& active : models.active()) {
    state->active[active.name()] = active.hash();
  }
  for (const storage::v1::Models::Run& run : models.runs()) {
    state->runs.push_back(registry::Read(run));
  }
  std::unique_ptr<ModelRegistry> registry(new ModelRegistry(store, limits));
  MutexLock writing(registry->writing_);
  registry->next_number_ = std::max<uint64_t>(1, models.next_number());
  registry->dropped_.assign(models.dropped().begin(), models.dropped().end());
  // The rest of a put that was cut off.
  registry->dropped_.push_back(registry->next_number_);
  registry->RemoveDropped();
  MutexLock lock(registry->mutex_);
  registry->state_ = std::move(state);
  return registry;
}

std::shared_ptr<const RegistryState> ModelRegistry::state() const {
  MutexLock lock(mutex_);
  return state_;
}

absl::Status ModelRegistry::MakeRoom(const ModelVersion& version, RegistryState& next,
                                     std::vector<uint64_t>& dropped) const {
  size_t count = CountOf(next, version.name);
  if (count == 0 && next.Names().size() >= limits_.max_models) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the registry has ", limits_.max_models,
                     " models, as many as it may (max_models); delete those that are not needed "
                     "any more with attunectl model delete"));
  }
  const auto may_go = [&](const ModelVersion& old) {
    return old.name == version.name && !next.IsActive(old) &&
           !next.IsUsed(old, /*current_only=*/false);
  };
  while (count >= limits_.max_model_versions) {
    // Ascending by number: the first is the oldest.
    const auto oldest = std::find_if(next.versions.begin(), next.versions.end(), may_go);
    if (oldest == next.versions.end()) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the model ", Quoted(version.name), " has ", count, " versions, as many as are kept (",
          "max_model_versions), and strategies use all of them; delete one with attunectl model "
          "delete"));
    }
    dropped.push_back(oldest->number);
    next.versions.erase(oldest);
    --count;
  }
  if (next.bytes() + version.bytes > limits_.max_registry_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the models in the registry have ", next.bytes(), " bytes and this one ", version.bytes,
        "; together at most ", limits_.max_registry_bytes, " are allowed (max_registry_bytes); ",
        "delete versions that are not needed any more with attunectl model delete"));
  }
  return absl::OkStatus();
}

void ModelRegistry::AddRun(const Run& run, RegistryState& next) const {
  std::erase_if(next.runs, [&](const Run& old) { return old.file_hash == run.file_hash; });
  next.runs.push_back(run);
  if (next.runs.size() > limits_.max_runs) next.runs.erase(next.runs.begin());
}

absl::StatusOr<bool> ModelRegistry::Put(ModelVersion version, std::string_view content,
                                        const Use& use) {
  MutexLock writing(writing_);
  const std::shared_ptr<const RegistryState> before = state();
  auto next = std::make_shared<RegistryState>(*before);
  if (use.activate) next->active[version.name] = version.hash;
  if (use.run) AddRun(*use.run, *next);
  const auto known = std::find_if(
      before->versions.begin(), before->versions.end(), [&](const ModelVersion& earlier) {
        return earlier.name == version.name && earlier.hash == version.hash;
      });
  if (known != before->versions.end()) {
    const absl::StatusOr<bool> mended = Mend(*known, content);
    if (!mended.ok() || (next->active == before->active && next->runs == before->runs)) {
      return mended;
    }
    if (absl::Status status = Save(std::move(next), {}); !status.ok()) return status;
    return true;
  }
  std::vector<uint64_t> dropped;
  if (absl::Status status = MakeRoom(version, *next, dropped); !status.ok()) return status;
  version.number = next_number_;
  if (absl::Status status = store_.PutBlob(BlobName(version.number), content); !status.ok()) {
    return status;
  }
  const uint64_t number = next_number_++;
  next->versions.push_back(std::move(version));
  std::sort(next->versions.begin(), next->versions.end(), ComesBefore);
  if (absl::Status status = Save(std::move(next), std::move(dropped)); !status.ok()) {
    // Whether the index was written is open. The next one that is does not name the blob.
    dropped_.push_back(number);
    return status;
  }
  return true;
}

absl::StatusOr<bool> ModelRegistry::Mend(const ModelVersion& version, std::string_view content) {
  const absl::Status stored = Read(version).status();
  if (!absl::IsDataLoss(stored)) {
    if (!stored.ok()) return stored;
    return false;
  }
  if (absl::Status status = store_.PutBlob(BlobName(version.number), content); !status.ok()) {
    return status;
  }
  return true;
}

absl::StatusOr<bool> ModelRegistry::Activate(const VersionHashes& versions,
                                             const std::optional<Run>& run) {
  MutexLock writing(writing_);
  const std::shared_ptr<const RegistryState> before = state();
  auto next = std::make_shared<RegistryState>(*before);
  for (const auto& [name, hash] : versions) {
    const absl::StatusOr<const ModelVersion*> found = before->Find(name, hash);
    if (!found.ok()) return found.status();
    next->active[name] = (*found)->hash;
  }
  if (run) AddRun(*run, *next);
  if (next->active == before->active && next->runs == before->runs) return false;
  if (absl::Status status = Save(std::move(next), {}); !status.ok()) return status;
  return true;
}

absl::Status ModelRegistry::Delete(std::string_view name, std::string_view hash) {
  MutexLock writing(writing_);
  const std::shared_ptr<const RegistryState> before = state();
  std::vector<const ModelVersion*> doomed;
  if (!hash.empty() || before->VersionsOf(name).empty()) {
    const absl::StatusOr<const ModelVersion*> found = before->Find(name, hash);
    if (!found.ok()) return found.status();
    doomed = {*found};
  } else {
    doomed = before->VersionsOf(name);
  }
  const bool all = doomed.size() == CountOf(*before, name);
  auto next = std::make_shared<RegistryState>(*before);
  std::vector<uint64_t> dropped;
  for (const ModelVersion* version : doomed) {
    if (before->IsUsed(*version, /*current_only=*/true)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the strategy that decides uses ", version->version(), "; activate another version of ",
          "the model first, or start a strategy that does not name it"));
    }
    if (before->IsActive(*version) && !all) {
      return absl::FailedPreconditionError(absl::StrCat(
          version->version(), " is the active version of the model; activate another one first"));
    }
    dropped.push_back(version->number);
    std::erase_if(next->versions,
                  [&](const ModelVersion& kept) { return kept.number == version->number; });
  }
  if (all) next->active.erase(std::string(name));
  return Save(std::move(next), std::move(dropped));
}

absl::Status ModelRegistry::Save(std::shared_ptr<RegistryState> next,
                                 std::vector<uint64_t> dropped) {
  dropped.insert(dropped.end(), dropped_.begin(), dropped_.end());
  storage::v1::Models models;
  for (const ModelVersion& version : next->versions) Write(version, *models.add_versions());
  for (const auto& [name, hash] : next->active) {
    storage::v1::Models::Active& active = *models.add_active();
    active.set_name(name);
    active.set_hash(hash);
  }
  for (const Run& run : next->runs) Write(run, *models.add_runs());
  models.set_next_number(next_number_);
  models.mutable_dropped()->Add(dropped.begin(), dropped.end());
  if (absl::Status status = store_.PutBlob(kIndexName, Encode(models)); !status.ok()) {
    return status;
  }
  {
    MutexLock lock(mutex_);
    state_ = std::move(next);
  }
  dropped_ = std::move(dropped);
  RemoveDropped();
  return absl::OkStatus();
}

void ModelRegistry::RemoveDropped() {
  // What can't be removed now is removed after the next change, or with the next start.
  std::erase_if(dropped_,
                [&](uint64_t number) { return store_.DeleteBlob(BlobName(number)).ok(); });
}

absl::StatusOr<std::string> ModelRegistry::Read(const ModelVersion& version) const {
  absl::StatusOr<std::optional<std::string>> content = store_.GetBlob(BlobName(version.number));
  if (!content.ok()) return content.status();
  if (!content->has_value() || (*content)->size() != version.bytes ||
      ContentHash(**content, kHashDigits) != version.hash) {
    return DamagedContent(version);
  }
  return *std::move(*content);
}

absl::StatusOr<std::string> ModelRegistry::ReadPart(const ModelVersion& version, uint64_t offset,
                                                    size_t max_bytes) const {
  absl::StatusOr<std::optional<std::string>> part =
      store_.GetBlobPart(BlobName(version.number), offset, max_bytes);
  if (!part.ok()) return part.status();
  if (!part->has_value()) return DamagedContent(version);
  return *std::move(*part);
}

absl::StatusOr<ModelName> ParseModelName(std::string_view text) {
  const size_t at = text.find('@');
  const std::string_view name = text.substr(0, at);
  if (!IsName(name)) {
    return absl::InvalidArgumentError(absl::StrCat(
        Quoted(text), " must be lower_snake: a letter a-z, then letters, digits and underscores, ",
        "at most ", kMaxNameBytes, " bytes; or such a name, @ and a version's hash"));
  }
  if (at == text.npos) return ModelName{std::string(name), ""};
  const std::string_view hash = text.substr(at + 1);
  const bool is_hash = hash.size() >= kShownDigits && hash.size() <= kHashDigits &&
                       hash.find_first_not_of("0123456789abcdef") == hash.npos;
  if (!is_hash) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(text), " must have ", kShownDigits, " to ", kHashDigits,
                     " digits 0-9 and a-f behind the @, as attunectl model list shows them"));
  }
  return ModelName{std::string(name), std::string(hash)};
}

}  // namespace attune::registry
