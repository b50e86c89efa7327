#include "lib/strategy/strategy_loader.h"

#include <algorithm>
#include <cstddef>
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
#include "lib/scoring/success_rate_model.h"
#include "lib/scoring/tree_model.h"
#include "lib/strategy/adaptive_models.h"
#include "lib/strategy/exploration_checker.h"
#include "lib/strategy/formula_compiler.h"
#include "lib/strategy/hopeless_groups.h"
#include "lib/strategy/model_file.h"
#include "lib/strategy/on_error.h"
#include "lib/strategy/outside_model.h"
#include "lib/strategy/ramp_checker.h"
#include "lib/strategy/score_models.h"
#include "lib/strategy/strategy_checker.h"
#include "lib/strategy/strategy_compiler.h"
#include "lib/strategy/yaml_document.h"
#include "lib/strategy/yaml_reader.h"

namespace attune::strategy {
namespace {

constexpr int kFullHashDigits = 64;
// As many as versions show.
constexpr size_t kShownHashDigits = 12;

// Loads one strategy. Not thread-safe.
class Loader {
 public:
  // The dictionary is copied: a strategy that is refused leaves no names behind.
  Loader(const std::string& path, StrategySources& sources,
         const storage::NameDictionary& dictionary, IssueList& issues)
      : path_(path), sources_(sources), dictionary_(dictionary), issues_(issues) {}

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
  // A model once more, to give a score. What is wrong with it is told by LoadModel.
  std::optional<ScoreModel> LoadForScore(int index, const scoring::InputNames& names);
  // Of a model that is no content: a plugin, a server.
  // How many treatments the model may have to score at once, as a fallback too.
  size_t TreatmentsOf(int index, const Strategy& strategy) const;
  void LoadOutside(int index, Strategy* strategy, scoring::InputTable& inputs);
  // Adds a model that learns here.
  void LoadAdaptive(int index, Strategy* strategy, scoring::InputTable& inputs);
  void LoadSuccessRate(int index, Strategy* strategy, scoring::InputTable& inputs);
  // Adds a model that is an expression, which was compiled with the rules.
  void LoadFormula(int index, Strategy* strategy);
  // What the reference names: the content with the model's version.
  absl::StatusOr<StoredModel> FindContent(const v1::ModelReference& reference);
  // Notes what the model is made of.
  void AddToVersion(const v1::ModelReference& reference, const StoredModel& model);
  void CheckNoTreeInputs(const v1::ModelReference& reference, const std::string& field);

  void Report(std::string_view field, std::string message) {
    source_->Report(field, std::move(message), issues_);
  }

  const std::string& path_;
  StrategySources& sources_;
  storage::NameDictionary dictionary_;
  IssueList& issues_;
  std::unique_ptr<YamlDocument> source_;
  v1::Strategy file_;
  std::string hashed_;  // what the version is the hash of: each part with its size
};

bool Loader::ReadStrategy() {
  absl::StatusOr<std::string> text = sources_.ReadStrategy(path_);
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
  return CompileStrategy(
      file_, number_of, report,
      [this](int model, const scoring::InputNames& names) { return LoadForScore(model, names); });
}

std::optional<ScoreModel> Loader::LoadForScore(int index, const scoring::InputNames& names) {
  const v1::ModelReference& reference = file_.models(index);
  if (SourcesOf(reference).size() != 1 || !MayGiveScores(reference)) return std::nullopt;
  const auto told_elsewhere = [](std::string_view, const std::string&) {};
  ScoreModel result;
  if (IsOutside(reference)) {
    OutsideModel outside = LoadOutsideModel(path_, reference, sources_, &names, /*treatments=*/1,
                                            result.inputs, told_elsewhere, told_elsewhere);
    result.model = std::move(outside.model);
    result.hash = HashOfScoreModel(reference, outside.hash);
  } else {
    const absl::StatusOr<StoredModel> found = FindContent(reference);
    if (!found.ok()) return std::nullopt;
    const ModelContent& content = *found->content;
    IssueList unused;
    result.model = content.trees == nullptr
                       ? ReadModel(content.file, content.yaml, &names, result.inputs, unused)
                       : scoring::TreeModel::Create(content.trees, reference, names, result.inputs,
                                                    told_elsewhere);
    result.hash = HashOfScoreModel(reference, content.hash);
  }
  if (result.model == nullptr) return std::nullopt;
  return result;
}

absl::StatusOr<StoredModel> Loader::FindContent(const v1::ModelReference& reference) {
  if (!reference.stored().empty()) return sources_.Stored(reference.stored());
  const absl::StatusOr<std::string> path = FindModelFile(path_, reference.file());
  if (!path.ok()) return path.status();
  absl::StatusOr<std::shared_ptr<const ModelContent>> content = sources_.ReadModel(*path);
  if (!content.ok()) return content.status();
  const std::string hash = (*content)->hash.substr(0, kShownHashDigits);
  return StoredModel{absl::StrCat(reference.name(), "@", hash), *std::move(content)};
}

void Loader::AddToVersion(const v1::ModelReference& reference, const StoredModel& model) {
  PutBytes(hashed_, reference.name());
  PutBytes(hashed_, model.content->hash);
}

void Loader::LoadModel(int index, Strategy* strategy, scoring::InputTable& inputs) {
  const v1::ModelReference& reference = file_.models(index);
  if (SourcesOf(reference).size() != 1) return;  // reported
  const std::string source(SourcesOf(reference).front());
  if (IsOutside(reference)) return LoadOutside(index, strategy, inputs);
  const std::string field = absl::StrCat("models[", index, "]");
  if (source == "formula") return LoadFormula(index, strategy);
  if (source == "adaptive") return LoadAdaptive(index, strategy, inputs);
  if (source == "success_rate") return LoadSuccessRate(index, strategy, inputs);
  const absl::StatusOr<StoredModel> found = FindContent(reference);
  if (!found.ok()) {
    Report(absl::StrCat(field, ".", source),
           absl::StrCat(reference.stored().empty() ? "the model file " : "the stored model ",
                        Quoted(reference.stored().empty() ? reference.file() : reference.stored()),
                        ": ", found.status().message()));
    return;
  }
  const ModelContent& content = *found->content;
  AddToVersion(reference, *found);
  std::optional<scoring::InputNames> names;
  if (strategy != nullptr) {
    names.emplace(scoring::InputNames{strategy->features, strategy->context, strategy->catalog});
  }
  const scoring::InputNames* known = names ? &*names : nullptr;
  std::unique_ptr<const scoring::Model> model;
  if (content.trees == nullptr) {
    CheckNoTreeInputs(reference, field);
    model = ReadModel(content.file, content.yaml, known, inputs, issues_);
  } else if (known != nullptr) {
    model = scoring::TreeModel::Create(
        content.trees, reference, *known, inputs,
        [&](std::string_view in_reference, std::string message) {
          // What is wrong with the model as a whole stands where the strategy names it.
          const std::string place = in_reference == "file" ? source : std::string(in_reference);
          Report(absl::StrCat(field, ".", place), std::move(message));
        });
  }
  if (strategy == nullptr) return;
  IssueList known_issues;
  strategy->model_origins.push_back({.name = reference.name(),
                                     .version = found->version,
                                     .kind = KindOf(content, known_issues),
                                     .hash = content.hash,
                                     .stored = reference.stored()});
  strategy->models.models.push_back({reference.name(), found->version, std::move(model)});
}

size_t Loader::TreatmentsOf(int index, const Strategy& strategy) const {
  const std::string& name = file_.models(index).name();
  return static_cast<size_t>(
      std::count_if(strategy.catalog.treatments.begin(), strategy.catalog.treatments.end(),
                    [&](const catalog::Treatment& treatment) {
                      if (treatment.model == index) return true;
                      return treatment.model < file_.models_size() &&
                             file_.models(treatment.model).on_error().fallback() == name;
                    }));
}

void Loader::LoadOutside(int index, Strategy* strategy, scoring::InputTable& inputs) {
  const v1::ModelReference& reference = file_.models(index);
  const std::string field = absl::StrCat("models[", index, "]");
  std::optional<scoring::InputNames> names;
  if (strategy != nullptr) {
    names.emplace(scoring::InputNames{strategy->features, strategy->context, strategy->catalog});
  }
  const auto report = [&](std::string_view in_reference, std::string message) {
    const std::string path = absl::StrCat(field, ".", ToAbsl(in_reference));
    // What could not be read was reported; that it is missing is no news.
    if (!source_->HasFlawed(path)) Report(path, std::move(message));
  };
  const auto warn = [&](std::string_view in_reference, std::string message) {
    source_->Warn(absl::StrCat(field, ".", ToAbsl(in_reference)), std::move(message), issues_);
  };
  OutsideModel outside = LoadOutsideModel(path_, reference, sources_, names ? &*names : nullptr,
                                          strategy == nullptr ? 0 : TreatmentsOf(index, *strategy),
                                          inputs, report, warn);
  PutBytes(hashed_, reference.name());
  PutBytes(hashed_, outside.hash);
  if (strategy == nullptr) return;
  const std::string version =
      absl::StrCat(reference.name(), "@", outside.hash.substr(0, kShownHashDigits));
  strategy->model_origins.push_back({.name = reference.name(),
                                     .version = version,
                                     .kind = std::move(outside.kind),
                                     .hash = std::move(outside.hash),
                                     .stored = ""});
  strategy->models.models.push_back({reference.name(), version, std::move(outside.model)});
}

void Loader::LoadAdaptive(int index, Strategy* strategy, scoring::InputTable& inputs) {
  const v1::ModelReference& reference = file_.models(index);
  const std::string field = absl::StrCat("models[", index, "]");
  CheckNoTreeInputs(reference, field);
  const std::string hash = HashOfAdaptive(reference.adaptive());
  PutBytes(hashed_, reference.name());
  PutBytes(hashed_, hash);
  if (strategy == nullptr) return;
  const auto& treatments = strategy->catalog.treatments;
  const auto count = std::count_if(treatments.begin(), treatments.end(),
                                   [&](const auto& treatment) { return treatment.model == index; });
  auto model = scoring::AdaptiveScorer::Create(
      reference, static_cast<size_t>(index), static_cast<size_t>(count),
      {strategy->features, strategy->context, strategy->catalog}, inputs,
      [&](std::string_view in_reference, std::string message) {
        const std::string path = absl::StrCat(field, ".", ToAbsl(in_reference));
        // What could not be read was reported; that it is missing is no news.
        if (!source_->HasFlawed(path)) Report(path, std::move(message));
      });
  const std::string version = absl::StrCat(reference.name(), "@", hash.substr(0, kShownHashDigits));
  strategy->adaptive.push_back({.model = index,
                                .mode = ModeOf(reference.adaptive()),
                                .scorer = model.get(),
                                .treatments = {}});
  strategy->model_origins.push_back({.name = reference.name(),
                                     .version = version,
                                     .kind = "adaptive",
                                     .hash = hash,
                                     .stored = ""});
  strategy->models.models.push_back({reference.name(), version, std::move(model)});
}

void Loader::LoadSuccessRate(int index, Strategy* strategy, scoring::InputTable& inputs) {
  const v1::ModelReference& reference = file_.models(index);
  const std::string field = absl::StrCat("models[", index, "]");
  CheckNoTreeInputs(reference, field);
  const std::string hash = HashOfSuccessRate(reference.success_rate());
  PutBytes(hashed_, reference.name());
  PutBytes(hashed_, hash);
  if (strategy == nullptr) return;
  auto model = scoring::SuccessRateModel::Create(
      reference, {strategy->features, strategy->context, strategy->catalog}, inputs,
      [&](std::string_view in_reference, std::string message) {
        const std::string path = absl::StrCat(field, ".", ToAbsl(in_reference));
        if (!source_->HasFlawed(path)) Report(path, std::move(message));
      });
  const std::string version = absl::StrCat(reference.name(), "@", hash.substr(0, kShownHashDigits));
  strategy->uses_success_rates = true;
  strategy->model_origins.push_back({.name = reference.name(),
                                     .version = version,
                                     .kind = "success_rate",
                                     .hash = hash,
                                     .stored = ""});
  strategy->models.models.push_back({reference.name(), version, std::move(model)});
}

void Loader::LoadFormula(int index, Strategy* strategy) {
  const v1::ModelReference& reference = file_.models(index);
  CheckNoTreeInputs(reference, absl::StrCat("models[", index, "]"));
  const std::string hash = ContentHash(reference.formula(), kFullHashDigits);
  PutBytes(hashed_, reference.name());
  PutBytes(hashed_, hash);
  if (strategy == nullptr) return;
  std::optional<scoring::NamedModel> model = MakeFormulaModel(file_, index, *strategy);
  if (!model) return;  // reported
  strategy->model_origins.push_back({.name = reference.name(),
                                     .version = model->version,
                                     .kind = "formula",
                                     .hash = hash,
                                     .stored = ""});
  strategy->models.models.push_back(*std::move(model));
}

void Loader::CheckNoTreeInputs(const v1::ModelReference& reference, const std::string& field) {
  const std::string_view message =
      "is for models of trees; other models name their inputs themselves";
  if (!reference.inputs().empty()) Report(field + ".inputs", std::string(message));
  if (reference.has_output()) Report(field + ".output", std::string(message));
}

void Loader::LoadModels(Strategy* strategy) {
  scoring::InputTable unused;
  scoring::InputTable& inputs = strategy == nullptr ? unused : strategy->models.inputs;
  for (int i = 0; i < std::min(file_.models_size(), kMaxModels); ++i) {
    LoadModel(i, strategy, inputs);
  }
  if (strategy == nullptr || issues_.has_errors()) return;
  for (size_t i = 0; i < strategy->models.models.size(); ++i) {
    strategy->models.models[i].on_error = OnErrorOf(file_, static_cast<int>(i));
  }
  AssignAdaptiveModels(file_, *strategy);
  CheckAdaptiveSizes(*strategy, [&](int model, std::string message) {
    Report(absl::StrCat("models[", model, "].adaptive"), std::move(message));
  });
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
  WarnOfUselessRamps(file_, *strategy, *source_, issues_);
  strategy->version = absl::StrCat(strategy->name, "@", ContentHash(hashed_));
  return strategy;
}

}  // namespace

std::shared_ptr<const Strategy> LoadStrategy(const std::string& path, StrategySources& sources,
                                             storage::NameDictionary& dictionary,
                                             IssueList& issues) {
  Loader loader(path, sources, dictionary, issues);
  std::shared_ptr<const Strategy> strategy = loader.Load();
  if (strategy != nullptr) dictionary = std::move(loader.dictionary());
  issues.Sort();
  return strategy;
}

std::shared_ptr<const Strategy> LoadStrategy(const std::string& path,
                                             storage::NameDictionary& dictionary,
                                             IssueList& issues) {
  StrategySources sources;
  return LoadStrategy(path, sources, dictionary, issues);
}

}  // namespace attune::strategy
