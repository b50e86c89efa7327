#include "lib/scoring/tree_model.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "lib/base/text.h"
#include "lib/trees/link.h"

namespace attune::scoring {
namespace {

namespace pb = attune::strategy::v1;

// Features of a model that nothing is known of are reported one by one, up to so many.
constexpr int kMaxReportedFeatures = 10;

}  // namespace

// Finds the input of every feature. Not thread-safe; used once.
class TreeModel::Builder {
 public:
  Builder(const pb::ModelReference& reference, const InputNames& names, InputTable& inputs,
          const ReportIssue& report)
      : reference_(reference), names_(names), inputs_(inputs), report_(report) {}

  std::unique_ptr<const Model> Build(std::shared_ptr<const trees::TreeEnsemble> ensemble) {
    auto model = std::unique_ptr<TreeModel>(new TreeModel(std::move(ensemble)));
    CheckOutput(*model);
    FeatureColumnsBuilder columns(model->ensemble_.features(), names_, inputs_, report_);
    found_.assign(model->ensemble_.features(), false);
    const std::vector<std::string>& features = model->ensemble_.info().features;
    for (size_t i = 0; i < features.size(); ++i) feature_of_.try_emplace(features[i], i);
    for (int i = 0; i < reference_.inputs_size(); ++i) {
      AddDeclared(absl::StrCat("inputs[", i, "]"), reference_.inputs(i), *model, columns);
    }
    for (size_t i = 0; i < features.size(); ++i) {
      if (!found_[i] && model->ensemble_.IsUsed(i)) AddByName(features[i], i, columns);
    }
    if (missing_ > kMaxReportedFeatures) {
      Report("file", absl::StrCat(missing_ - kMaxReportedFeatures,
                                  " further features of the model can't be used either"));
    }
    if (failed_ || columns.failed()) return nullptr;
    model->columns_ = columns.Finish();
    return model;
  }

 private:
  void Report(std::string_view path, std::string message) {
    failed_ = true;
    report_(path, std::move(message));
  }

  void CheckOutput(TreeModel& model) {
    const trees::TreeEnsemble& ensemble = model.ensemble_;
    if (ensemble.link() == trees::Link::kArgmax) {
      Report("file",
             absl::StrCat("the model predicts the number of a class (", ensemble.info().objective,
                          "), not how likely it is; train it with multi:softprob"));
      return;
    }
    const auto outputs = static_cast<int>(ensemble.outputs());
    if (outputs > 1 && !reference_.has_output()) {
      Report("file", absl::StrCat("the model predicts ", outputs,
                                  " classes; say with output which of them, counted from 0, is "
                                  "the good outcome"));
    } else if (reference_.output() < 0 || reference_.output() >= outputs) {
      Report("output", absl::StrCat("must be between 0 and ", outputs - 1, ": the model has ",
                                    Counted(outputs, "output")));
    }
    model.output_ = static_cast<size_t>(std::clamp(reference_.output(), 0, outputs - 1));
  }

  void AddDeclared(const std::string& path, const pb::TreeInput& declared, const TreeModel& model,
                   FeatureColumnsBuilder& columns) {
    const auto found = feature_of_.find(declared.feature());
    if (found == feature_of_.end()) {
      Report(path + ".feature",
             absl::StrCat("the model has no feature ", Quoted(declared.feature()),
                          Suggestion(declared.feature(), model.ensemble_.info().features)));
      return;
    }
    if (found_[found->second]) {
      Report(path + ".feature",
             absl::StrCat("the feature ", Quoted(declared.feature()), " is listed twice"));
      return;
    }
    found_[found->second] = true;
    columns.AddDeclared(path, declared, found->second);
  }

  void AddByName(const std::string& feature, size_t column, FeatureColumnsBuilder& columns) {
    std::string problem;
    std::optional<Input> input = names_.Find(feature, problem);
    if (!input) input = names_.Find(absl::StrCat("customer.", feature), problem);
    if (input) problem = columns.TypeProblem(*input);
    if (problem.empty()) return columns.AddNumber(*input, column);
    if (++missing_ > kMaxReportedFeatures) {
      failed_ = true;
      return;
    }
    Report("file", absl::StrCat("the model's feature ", Quoted(feature), ": ", problem,
                                input ? "" : ", or say under inputs what it is"));
  }

  const pb::ModelReference& reference_;
  const InputNames& names_;
  InputTable& inputs_;
  const ReportIssue& report_;
  absl::flat_hash_map<std::string, size_t> feature_of_;
  std::vector<bool> found_;  // by feature: it is listed under inputs
  int missing_ = 0;          // features that nothing is known of
  bool failed_ = false;
};

std::unique_ptr<const Model> TreeModel::Create(trees::TreeEnsemble ensemble,
                                               const pb::ModelReference& reference,
                                               const InputNames& names, InputTable& inputs,
                                               const ReportIssue& report) {
  return Create(std::make_shared<const trees::TreeEnsemble>(std::move(ensemble)), reference, names,
                inputs, report);
}

std::unique_ptr<const Model> TreeModel::Create(std::shared_ptr<const trees::TreeEnsemble> ensemble,
                                               const pb::ModelReference& reference,
                                               const InputNames& names, InputTable& inputs,
                                               const ReportIssue& report) {
  return Builder(reference, names, inputs, report).Build(std::move(ensemble));
}

void TreeModel::Predict(const InputFrame& frame, absl::Span<const int> treatments,
                        absl::Span<double> propensity, ModelScratch& scratch) const {
  if (treatments.empty()) return;
  const size_t rows = columns_.FillRows(frame, treatments, scratch.rows);
  const size_t outputs = ensemble_.outputs();
  scratch.outputs.resize(rows * outputs);
  ensemble_.Predict(scratch.rows, absl::MakeSpan(scratch.outputs), scratch.trees);
  for (size_t i = 0; i < treatments.size(); ++i) {
    propensity[i] = scratch.outputs[(rows == 1 ? 0 : i) * outputs + output_];
  }
}

std::optional<ScoreParts> TreeModel::Parts(const InputFrame& frame, int treatment) const {
  std::vector<double> row(columns_.size());
  columns_.FillRow(frame, treatment, row.data());
  std::vector<double> amounts(columns_.size() + 1);
  ScoreParts parts;
  parts.score = ensemble_.Contributions(row, output_, absl::MakeSpan(amounts));
  parts.base = amounts.back();
  parts.link = trees::LinkName(ensemble_.link());
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (!ensemble_.IsUsed(i)) continue;
    parts.contributions.push_back({columns_.input(i), amounts[i], ensemble_.info().features[i]});
  }
  return parts;
}

std::optional<std::vector<Input>> TreeModel::PartInputs() const {
  std::vector<Input> inputs;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (ensemble_.IsUsed(i)) inputs.push_back(columns_.input(i));
  }
  return inputs;
}

}  // namespace attune::scoring
