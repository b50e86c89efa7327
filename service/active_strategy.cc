#include "service/active_strategy.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/hash.h"
#include "lib/base/text.h"
#include "lib/strategy/source_file.h"
#include "lib/strategy/strategy_loader.h"
#include "spdlog/spdlog.h"

namespace attune::service {
namespace {

using registry::ModelName;
using registry::ModelVersion;
using strategy::ModelContent;
using strategy::StoredModel;

// Who put a model that came with the start.
constexpr char kPutAtStart[] = "attuned --stored";

// Every error as a violation of the place where it is.
void AddErrors(const IssueList& issues, Violations& violations) {
  for (const Issue& issue : issues.issues()) {
    if (issue.severity != Issue::Severity::kError) continue;
    std::string place = issue.location.file;
    if (issue.location.line > 0) {
      absl::StrAppend(&place, ":", issue.location.line, ":", issue.location.column);
    }
    violations.Add(place, issue.message);
  }
}

// Does the strategy use whatever version of the model is active?
bool Follows(const strategy::Strategy& strategy, std::string_view name) {
  return std::any_of(strategy.model_origins.begin(), strategy.model_origins.end(),
                     [&](const strategy::ModelOrigin& origin) { return origin.stored == name; });
}

std::string ErrorText(const IssueList& issues) {
  return absl::StrCat("the strategy has ", issues.errors(),
                      issues.errors() == 1 ? " error:\n" : " errors:\n", issues.ToString());
}

}  // namespace

std::string_view ModelRefusalName(ModelRefusal refusal) {
  switch (refusal) {
    case ModelRefusal::kInvalid:
      return "invalid";
    case ModelRefusal::kUnfit:
      return "unfit";
    case ModelRefusal::kLimit:
      return "limit";
    case ModelRefusal::kStore:
      return "store";
  }
  return "unknown";
}

ActiveStrategy::ActiveStrategy(std::string path, storage::NameDictionary* names,
                               registry::ModelRegistry* registry)
    : path_(std::move(path)), names_(*names), registry_(*registry) {}

void ActiveStrategy::SetConnector(scoring::RemoteConnector* connector) {
  MutexLock changing(changing_);
  sources_.SetConnector(connector);
}

std::shared_ptr<const strategy::Strategy> ActiveStrategy::strategy() const {
  MutexLock lock(mutex_);
  return strategy_;
}

registry::VersionHashes ActiveStrategy::VersionsToRestore() {
  registry::VersionHashes restored;
  const auto state = registry_.state();
  if (state->runs.empty() || state->runs.back().file_hash == file_hash_) return restored;
  const registry::Run* run = state->FindRun(file_hash_);
  if (run == nullptr) return restored;
  for (const registry::UsedModel& used : run->models) {
    if (used.pinned) continue;
    const auto version = state->Find(used.name, used.hash);
    if (!version.ok()) {
      spdlog::warn("model {}: the strategy ran with it last, but it is not there any more",
                   registry::VersionName(used.name, used.hash));
    } else if (!state->IsActive(**version)) {
      restored[used.name] = used.hash;
      spdlog::warn("model {} is active again: the strategy ran with it last",
                   (*version)->version());
    }
  }
  return restored;
}

absl::Status ActiveStrategy::PutIfAbsent(const StoredFile& file, absl::Time now) {
  const auto failed = [&](const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat("--stored ", file.name, "=", file.path, ": ",
                                                    status.message()));
  };
  if (registry_.state()->active.contains(file.name)) {
    spdlog::info("the registry has a model {} already; {} is not looked at", file.name, file.path);
    return absl::OkStatus();
  }
  const std::string base = std::filesystem::path(file.path).filename();
  const auto bytes = strategy::ReadFile(file.path, strategy::MaxModelFileBytes(base));
  if (!bytes.ok()) return failed(bytes.status());
  const auto content = strategy::ReadContent(base, *bytes);
  if (!content.ok()) return failed(content.status());
  IssueList issues;
  ModelVersion version;
  version.name = file.name;
  version.file = base;
  version.kind = strategy::KindOf(**content, issues);
  version.hash = (*content)->hash;
  version.bytes = (*content)->bytes;
  version.time_us = absl::ToUnixMicros(now);
  version.by = kPutAtStart;
  if (issues.has_errors()) return failed(absl::InvalidArgumentError(issues.ToString()));
  const std::string name = version.version();
  registry::ModelRegistry::Use use;
  use.activate = true;
  const auto changed = registry_.Put(std::move(version), *bytes, use);
  if (!changed.ok()) return failed(changed.status());
  spdlog::info("model {} is in the registry, from {}", name, file.path);
  return absl::OkStatus();
}

absl::Status ActiveStrategy::Load() {
  MutexLock changing(changing_);
  const absl::StatusOr<std::string> text = sources_.ReadStrategy(path_);
  if (text.ok()) file_hash_ = ContentHash(*text, kFullHashDigits);
  const registry::VersionHashes restored = VersionsToRestore();
  IssueList issues;
  const auto strategy = Compile(restored, nullptr, names_, issues);
  if (strategy == nullptr) return absl::FailedPreconditionError(ErrorText(issues));
  if (issues.warnings() > 0) spdlog::warn("strategy:\n{}", issues.ToString());
  // Who has no use for a registry needs no index.
  const auto state = registry_.state();
  if (!state->versions.empty() || !state->runs.empty()) {
    const auto remembered = registry_.Activate(restored, RunOf(*strategy));
    if (!remembered.ok()) return remembered.status();
  }
  MutexLock lock(mutex_);
  strategy_ = strategy;
  return absl::OkStatus();
}

std::shared_ptr<const strategy::Strategy> ActiveStrategy::Compile(
    const registry::VersionHashes& chosen, const Candidate* candidate,
    storage::NameDictionary& names, IssueList& issues) {
  sources_.SetFindStored(
      [&](const std::string& stored) { return FindStored(stored, chosen, candidate); });
  auto strategy = strategy::LoadStrategy(path_, sources_, names, issues);
  sources_.SetFindStored(nullptr);
  return strategy;
}

absl::StatusOr<StoredModel> ActiveStrategy::FindStored(const std::string& stored,
                                                       const registry::VersionHashes& chosen,
                                                       const Candidate* candidate) {
  const absl::StatusOr<ModelName> wanted = registry::ParseModelName(stored);
  if (!wanted.ok()) return wanted.status();
  if (candidate != nullptr && candidate->name == wanted->name && wanted->hash.empty()) {
    return StoredModel{registry::VersionName(candidate->name, candidate->content->hash),
                       candidate->content};
  }
  const auto choice = chosen.find(wanted->name);
  const bool is_chosen = wanted->hash.empty() && choice != chosen.end();
  const auto state = registry_.state();
  const auto version = state->Find(wanted->name, is_chosen ? choice->second : wanted->hash);
  if (!version.ok()) return version.status();
  absl::StatusOr<std::shared_ptr<const ModelContent>> content = ContentOf(**version);
  if (!content.ok()) return content.status();
  return StoredModel{(*version)->version(), *std::move(content)};
}

absl::StatusOr<std::shared_ptr<const ModelContent>> ActiveStrategy::ContentOf(
    const ModelVersion& version) {
  const auto known = contents_.find(version.version());
  if (known != contents_.end() && known->second->hash == version.hash) return known->second;
  const absl::StatusOr<std::string> bytes = registry_.Read(version);
  if (!bytes.ok()) return bytes.status();
  auto content = strategy::ReadContent(version.file, *bytes);
  if (content.ok()) contents_[version.version()] = *content;
  return content;
}

registry::Run ActiveStrategy::RunOf(const strategy::Strategy& strategy) const {
  registry::Run run{strategy.name, file_hash_, {}};
  for (const strategy::ModelOrigin& origin : strategy.model_origins) {
    if (origin.stored.empty()) continue;
    const absl::StatusOr<ModelName> name = registry::ParseModelName(origin.stored);
    if (name.ok()) run.models.push_back({name->name, origin.hash, !name->hash.empty()});
  }
  return run;
}

absl::StatusOr<ActiveStrategy::Swap> ActiveStrategy::PrepareSwap(const Candidate& candidate,
                                                                 Violations& violations) {
  Swap swap;
  const auto current = strategy();
  if (!Follows(*current, candidate.name)) return swap;
  // The same strategy has no new names: its numbers are those of now.
  storage::NameDictionary names = names_;
  IssueList issues;
  auto next = Compile({}, &candidate, names, issues);
  if (next == nullptr) {
    AddErrors(issues, violations);
    return Refused(ModelRefusal::kUnfit, candidate.name, violations.ToStatus());
  }
  swap.run = RunOf(*next);
  if (next->version == current->version) return swap;
  if (prepare_) swap.publish = prepare_(next);
  swap.strategy = std::move(next);
  return swap;
}

void ActiveStrategy::ForgetUnused() {
  std::set<std::string> used;
  for (const strategy::ModelOrigin& origin : strategy()->model_origins) {
    if (!origin.stored.empty()) used.insert(origin.version);
  }
  std::erase_if(contents_, [&](const auto& content) { return !used.contains(content.first); });
}

void ActiveStrategy::Publish(const Swap& swap, const Candidate& candidate) {
  if (swap.strategy == nullptr) return;
  if (swap.publish) swap.publish();
  const auto before = strategy();
  {
    MutexLock lock(mutex_);
    strategy_ = swap.strategy;
  }
  for (const strategy::ModelOrigin& origin : swap.strategy->model_origins) {
    const bool is_candidate = !origin.stored.empty() && origin.hash == candidate.content->hash;
    if (is_candidate) contents_[origin.version] = candidate.content;
  }
  ForgetUnused();
  if (swapped_) swapped_();
  spdlog::info("model {} ({} bytes) decides from now on: strategy {} in place of {}",
               registry::VersionName(candidate.name, candidate.content->hash),
               candidate.content->bytes, swap.strategy->version, before->version);
}

absl::Status ActiveStrategy::Refused(ModelRefusal refusal, std::string_view model,
                                     absl::Status status) const {
  if (refused_) refused_(refusal);
  spdlog::warn("a version of the model {} was refused ({}), nothing has changed: {}", Quoted(model),
               ModelRefusalName(refusal), std::string(status.message()));
  return status;
}

ActiveStrategy::Change ActiveStrategy::Done(std::string_view name, std::string_view hash,
                                            bool changed, bool swapped) const {
  Change change;
  const auto state = registry_.state();
  const auto version = state->Find(name, hash);
  if (version.ok()) change.model = **version;
  change.changed = changed;
  change.swapped = swapped;
  change.strategy_version = strategy()->version;
  return change;
}

absl::StatusOr<ActiveStrategy::Change> ActiveStrategy::Put(ModelVersion version,
                                                           const std::string& content,
                                                           bool store_only,
                                                           Violations& violations) {
  const std::string name = version.name;
  auto parsed = strategy::ReadContent(version.file, content);
  if (!parsed.ok()) {
    violations.Add(version.file, std::string(parsed.status().message()));
    return Refused(ModelRefusal::kInvalid, name, violations.ToStatus());
  }
  IssueList issues;
  version.kind = strategy::KindOf(**parsed, issues);
  if (issues.has_errors()) {
    AddErrors(issues, violations);
    return Refused(ModelRefusal::kInvalid, name, violations.ToStatus());
  }
  version.hash = (*parsed)->hash;
  version.bytes = (*parsed)->bytes;
  const Candidate candidate{name, *std::move(parsed)};

  MutexLock changing(changing_);
  registry::ModelRegistry::Use use;
  use.activate = !store_only || !registry_.state()->active.contains(name);
  absl::StatusOr<Swap> swap = Swap();
  if (use.activate) swap = PrepareSwap(candidate, violations);
  if (!swap.ok()) return swap.status();
  use.run = swap->run;
  const absl::StatusOr<bool> changed = registry_.Put(std::move(version), content, use);
  if (!changed.ok()) {
    const bool is_limit = absl::IsResourceExhausted(changed.status());
    return Refused(is_limit ? ModelRefusal::kLimit : ModelRefusal::kStore, name, changed.status());
  }
  Publish(*swap, candidate);
  return Done(name, candidate.content->hash, *changed, swap->strategy != nullptr);
}

absl::StatusOr<ActiveStrategy::Change> ActiveStrategy::Activate(std::string_view name,
                                                                std::string_view hash,
                                                                Violations& violations) {
  MutexLock changing(changing_);
  const auto state = registry_.state();
  const auto version = state->Find(name, hash);
  if (!version.ok()) return version.status();
  const absl::StatusOr<std::shared_ptr<const ModelContent>> content = ContentOf(**version);
  if (!content.ok()) return Refused(ModelRefusal::kStore, name, content.status());
  const Candidate candidate{std::string(name), *content};
  const absl::StatusOr<Swap> swap = PrepareSwap(candidate, violations);
  absl::StatusOr<bool> changed = false;
  if (swap.ok()) {
    changed = registry_.Activate({{std::string(name), (*version)->hash}}, swap->run);
    if (changed.ok()) Publish(*swap, candidate);
  }
  ForgetUnused();  // the candidate, unless it decides now
  if (!swap.ok()) return swap.status();
  if (!changed.ok()) return Refused(ModelRefusal::kStore, name, changed.status());
  return Done(name, (*version)->hash, *changed, swap->strategy != nullptr);
}

absl::Status ActiveStrategy::Delete(std::string_view name, std::string_view hash) {
  MutexLock changing(changing_);
  return registry_.Delete(name, hash);
}

}  // namespace attune::service
