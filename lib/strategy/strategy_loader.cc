#include "lib/strategy/strategy_loader.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/absl_strings.h"
#include "lib/base/codec.h"
#include "lib/base/hash.h"
#include "lib/base/text.h"
#include "lib/strategy/exploration_checker.h"
#include "lib/strategy/hopeless_groups.h"
#include "lib/strategy/model_file.h"
#include "lib/strategy/source_file.h"
#include "lib/strategy/strategy_checker.h"
#include "lib/strategy/strategy_compiler.h"
#include "lib/strategy/yaml_document.h"
#include "lib/strategy/yaml_reader.h"
#include "lib/trees/model_reader.h"

namespace attune::strategy {
namespace {

constexpr int kFullHashDigits = 64;

// Loads one strategy. Not thread-safe.
class Loader {
 public:
  // The dictionary is copied: a strategy that is refused leaves no names behind.
  Loader(const std::string& path, const storage::NameDictionary& dictionary, IssueList& issues)
      : path_(path), dictionary_(dictionary), issues_(issues) {}

  // nullptr when there was an error.
  std::shared_ptr<const Strategy> Load();

  // With the names of the strategy that was loaded.
  storage::NameDictionary& dictionary() { return dictionary_; }

 private:
  bool ReadStrategy();
  std::shared_ptr<Strategy> Compile();
  // Reads every model and, unless `strategy` is nullptr, adds it there.
  void LoadModels(Strategy* strategy);
  void LoadModel(int index, Strategy* strategy, scoring::InputTable& inputs);
  void CheckNoTreeInputs(const v1::ModelReference& reference, const std::string& field);

  void Report(std::string_view field, std::string message) {
    source_->Report(field, std::move(message), issues_);
  }

  const std::string& path_;
  storage::NameDictionary dictionary_;
  IssueList& issues_;
  std::unique_ptr<YamlDocument> source_;
  v1::Strategy file_;
  std::string hashed_;  // what the version is the hash of: each part with its size
};

bool Loader::ReadStrategy() {
  absl::StatusOr<std::string> text = ReadFile(path_, kMaxStrategyFileBytes);
  if (!text.ok()) {
    issues_.Add({Issue::Severity::kError,
                 {path_, 0, 0},
                 absl::StrCat("can't read the strategy: ", text.status().message()),
                 ""});
    return false;
  }
  PutBytes(hashed_, ContentHash(*text, kFullHashDigits));
  source_ = YamlDocument::Parse(path_, *std::move(text), issues_);
  if (source_ == nullptr) return false;
  ReadMessage(*source_, file_, issues_);
  return !source_->HasFlawed("");
}

std::shared_ptr<Strategy> Loader::Compile() {
  const auto number_of = [&](storage::NameKind kind, std::string_view name) -> uint32_t {
    if (!IsName(name)) return 0;
    const absl::StatusOr<uint32_t> number = dictionary_.Intern(kind, name);
    if (number.ok()) return *number;
    Report("", std::string(number.status().message()));
    return 0;
  };
  const auto report = [&](const std::string& path, size_t offset, Issue::Severity severity,
                          std::string message) {
    source_->ReportWithin(path, offset, severity, std::move(message), issues_);
  };
  return CompileStrategy(file_, number_of, report);
}

void Loader::LoadModel(int index, Strategy* strategy, scoring::InputTable& inputs) {
  const v1::ModelReference& reference = file_.models(index);
  const std::string field = absl::StrCat("models[", index, "]");
  if (reference.file().empty()) return;  // reported
  const bool is_yaml = IsYamlModel(reference.file());
  const absl::StatusOr<std::string> path = FindModelFile(path_, reference.file());
  absl::StatusOr<std::string> text =
      path.ok() ? ReadFile(*path, is_yaml ? kMaxStrategyFileBytes : trees::kMaxModelBytes)
                : path.status();
  if (!text.ok()) {
    Report(absl::StrCat(field, ".file"), absl::StrCat("the model file ", Quoted(reference.file()),
                                                      ": ", text.status().message()));
    return;
  }
  PutBytes(hashed_, reference.name());
  PutBytes(hashed_, ContentHash(*text, kFullHashDigits));
  const std::string version = absl::StrCat(reference.name(), "@", ContentHash(*text));
  std::optional<scoring::InputNames> names;
  if (strategy != nullptr) {
    names.emplace(scoring::InputNames{strategy->features, strategy->context, strategy->catalog});
  }
  const scoring::InputNames* known = names ? &*names : nullptr;
  std::unique_ptr<const scoring::Model> model;
  if (is_yaml) {
    CheckNoTreeInputs(reference, field);
    model = ReadModel(*path, *std::move(text), known, inputs, issues_);
  } else {
    model = ReadTreeModel(
        *text, reference, known, inputs, [&](std::string_view in_reference, std::string message) {
          Report(absl::StrCat(field, ".", ToAbsl(in_reference)), std::move(message));
        });
  }
  if (strategy == nullptr) return;
  strategy->models.models.push_back({reference.name(), version, std::move(model)});
}

void Loader::CheckNoTreeInputs(const v1::ModelReference& reference, const std::string& field) {
  const std::string_view message = "is for models of trees; a YAML model names its inputs itself";
  if (!reference.inputs().empty()) Report(field + ".inputs", std::string(message));
  if (reference.has_output()) Report(field + ".output", std::string(message));
}

void Loader::LoadModels(Strategy* strategy) {
  scoring::InputTable unused;
  scoring::InputTable& inputs = strategy == nullptr ? unused : strategy->models.inputs;
  for (int i = 0; i < std::min(file_.models_size(), kMaxModels); ++i) {
    LoadModel(i, strategy, inputs);
  }
}

std::shared_ptr<const Strategy> Loader::Load() {
  const size_t errors_before = issues_.errors();
  if (!ReadStrategy()) return nullptr;
  std::shared_ptr<Strategy> strategy;
  if (CheckStrategy(file_, *source_, issues_)) strategy = Compile();
  LoadModels(strategy.get());
  if (issues_.errors() > errors_before) return nullptr;
  WarnOfTheUnused(file_, *strategy, *source_, issues_);
  WarnOfHopelessGroups(file_, *strategy, *source_, issues_);
  WarnOfUselessExplorations(file_, *strategy, *source_, issues_);
  strategy->version = absl::StrCat(strategy->name, "@", ContentHash(hashed_));
  return strategy;
}

}  // namespace

std::shared_ptr<const Strategy> LoadStrategy(const std::string& path,
                                             storage::NameDictionary& dictionary,
                                             IssueList& issues) {
  Loader loader(path, dictionary, issues);
  std::shared_ptr<const Strategy> strategy = loader.Load();
  if (strategy != nullptr) dictionary = std::move(loader.dictionary());
  issues.Sort();
  return strategy;
}

}  // namespace attune::strategy
