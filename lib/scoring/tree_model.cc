#include "lib/scoring/tree_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "lib/base/text.h"

namespace attune::scoring {
namespace {

namespace pb = attune::strategy::v1;

constexpr int kMaxCodes = 10'000;
// Features of a model that nothing is known of are reported one by one, up to so many.
constexpr int kMaxReportedFeatures = 10;
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

bool HasCategories(ValueType type) {
  return type == ValueType::kString || type == ValueType::kBool || type == ValueType::kInt;
}

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
    model->columns_.resize(model->ensemble_.features());
    found_.assign(model->columns_.size(), false);
    const std::vector<std::string>& features = model->ensemble_.info().features;
    for (size_t i = 0; i < features.size(); ++i) feature_of_.try_emplace(features[i], i);
    for (int i = 0; i < reference_.inputs_size(); ++i) {
      AddDeclared(absl::StrCat("inputs[", i, "]"), reference_.inputs(i), *model);
    }
    for (size_t i = 0; i < features.size(); ++i) {
      if (found_[i]) continue;
      if (model->ensemble_.IsUsed(i)) {
        AddByName(features[i], model->columns_[i]);
      } else {
        model->columns_[i].kind = Column::Kind::kUnused;
      }
    }
    if (missing_ > kMaxReportedFeatures) {
      Report("file", absl::StrCat(missing_ - kMaxReportedFeatures,
                                  " further features of the model can't be used either"));
    }
    for (size_t i = 0; i < model->columns_.size(); ++i) {
      if (model->columns_[i].kind == Column::Kind::kTreatment) model->of_treatment_.push_back(i);
    }
    if (failed_) return nullptr;
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

  void AddDeclared(const std::string& path, const pb::TreeInput& declared, TreeModel& model) {
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
    std::string problem;
    const std::optional<Input> input = names_.Find(declared.input(), problem);
    if (!input) {
      Report(path + ".input", declared.input().empty()
                                  ? "is required, for example customer.tenure_months"
                                  : problem);
      return;
    }
    Column& column = model.columns_[found->second];
    column.input = *input;
    if (declared.has_equals() && !declared.codes().empty()) {
      Report(path, "takes codes or equals, not both");
    } else if (declared.has_equals()) {
      AddEquals(path + ".equals", declared.equals(), column);
    } else if (!declared.codes().empty()) {
      AddCodes(path + ".codes", declared, column);
    } else if (std::string type = TypeProblem(*input); !type.empty()) {
      Report(path, type);
    } else {
      AddNumber(*input, column);
    }
  }

  void AddNumber(const Input& input, Column& column) {
    column.kind = Column::Kind::kNumber;
    column.input = input;
    column.index = inputs_.AddNumeric(input, WhenUnknown::kMissing);
  }

  // Why the input is no number; empty: it is one.
  std::string TypeProblem(const Input& input) const {
    if (input.type == ValueType::kStringList) {
      return absl::StrCat(names_.NameOf(input),
                          " is of type string_list: say with equals which element the feature is");
    }
    if (input.type != ValueType::kString) return "";
    return absl::StrCat(names_.NameOf(input),
                        " is of type string: say with codes which number each category has, or "
                        "with equals which category the feature is");
  }

  void AddByName(const std::string& feature, Column& column) {
    std::string problem;
    std::optional<Input> input = names_.Find(feature, problem);
    if (!input) input = names_.Find(absl::StrCat("customer.", feature), problem);
    if (input) problem = TypeProblem(*input);
    if (problem.empty()) return AddNumber(*input, column);
    if (++missing_ > kMaxReportedFeatures) {
      failed_ = true;
      return;
    }
    Report("file", absl::StrCat("the model's feature ", Quoted(feature), ": ", problem,
                                input ? "" : ", or say under inputs what it is"));
  }

  void AddEquals(const std::string& path, const std::string& category, Column& column) {
    const Input& input = column.input;
    if (input.type != ValueType::kStringList && !HasCategories(input.type)) {
      return Report(path, absl::StrCat("is for categories; ", names_.NameOf(input), " is of type ",
                                       ToAbsl(ValueTypeName(input.type))));
    }
    if (const std::string problem = names_.CategoryProblem(input, category); !problem.empty()) {
      return Report(path, problem);
    }
    if (input.of_treatment()) {
      column.kind = Column::Kind::kTreatment;
      for (size_t i = 0; i < names_.catalog.treatments.size(); ++i) {
        column.codes.push_back(CategoryOf(input, i) == category ? 1 : 0);
      }
      return;
    }
    column.kind = input.type == ValueType::kStringList ? Column::Kind::kHas : Column::Kind::kIs;
    column.index = inputs_.AddCategorical(input, WhenUnknown::kMissing);
    if (!inputs_.AddCategory(input, column.index, category, column.category)) {
      Report(path, NoValue(input, category));
    }
  }

  void AddCodes(const std::string& path, const pb::TreeInput& declared, Column& column) {
    const Input& input = column.input;
    if (!HasCategories(input.type)) {
      return Report(path, absl::StrCat("is for string, bool and int inputs; ", names_.NameOf(input),
                                       " is of type ", ToAbsl(ValueTypeName(input.type))));
    }
    if (declared.codes_size() > kMaxCodes) {
      return Report(path, absl::StrCat("at most ", kMaxCodes, " categories are allowed"));
    }
    // In the order of their names: numbering must not differ from run to run.
    const std::map<std::string, double> codes(declared.codes().begin(), declared.codes().end());
    for (const auto& [category, code] : codes) {
      const std::string entry = EntryPath(path, category);
      if (!std::isfinite(code)) Report(entry, "must be finite");
      const std::string problem = names_.CategoryProblem(input, category);
      if (!problem.empty()) Report(entry, problem);
    }
    if (input.of_treatment()) {
      column.kind = Column::Kind::kTreatment;
      for (size_t i = 0; i < names_.catalog.treatments.size(); ++i) {
        const auto code = codes.find(CategoryOf(input, i));
        column.codes.push_back(code == codes.end() ? kMissing : code->second);
      }
      return;
    }
    column.kind = Column::Kind::kCode;
    column.index = inputs_.AddCategorical(input, WhenUnknown::kMissing);
    for (const auto& [category, code] : codes) {
      int32_t number = 0;
      if (!inputs_.AddCategory(input, column.index, category, number)) {
        Report(EntryPath(path, category), NoValue(input, category));
        continue;
      }
      const auto place = static_cast<size_t>(number);
      if (column.codes.size() <= place) column.codes.resize(place + 1, kMissing);
      column.codes[place] = code;
    }
  }

  std::string NoValue(const Input& input, const std::string& category) const {
    return absl::StrCat(Quoted(category), " can't be a value of ", names_.NameOf(input),
                        ", which is of type ", ToAbsl(ValueTypeName(input.type)));
  }

  const std::string& CategoryOf(const Input& input, size_t treatment) const {
    const catalog::Treatment& of = names_.catalog.treatments[treatment];
    return input.source == Input::Source::kTreatmentName
               ? of.name
               : names_.catalog.groups[static_cast<size_t>(of.group)].name;
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

double TreeModel::ValueOf(const Column& column, const InputFrame& frame, int treatment) {
  const auto index = static_cast<size_t>(column.index);
  switch (column.kind) {
    case Column::Kind::kNumber:
      return frame.numeric[index];
    case Column::Kind::kCode: {
      const auto category = static_cast<size_t>(frame.category[index]);
      return category < column.codes.size() ? column.codes[category] : kMissing;
    }
    case Column::Kind::kIs:
      return frame.category[index] == column.category ? 1 : 0;
    case Column::Kind::kHas: {
      const std::vector<int32_t>& elements = frame.categories[index];
      return std::find(elements.begin(), elements.end(), column.category) != elements.end() ? 1 : 0;
    }
    case Column::Kind::kTreatment:
      return column.codes[static_cast<size_t>(treatment)];
    case Column::Kind::kUnused:
      return kMissing;
  }
  return kMissing;
}

void TreeModel::FillRow(const InputFrame& frame, int treatment, double* row) const {
  for (size_t i = 0; i < columns_.size(); ++i) row[i] = ValueOf(columns_[i], frame, treatment);
}

void TreeModel::Predict(const InputFrame& frame, absl::Span<const int> treatments,
                        absl::Span<double> propensity, ModelScratch& scratch) const {
  if (treatments.empty()) return;
  const size_t features = columns_.size();
  const size_t rows = of_treatment_.empty() ? 1 : treatments.size();
  scratch.rows.resize(rows * features);
  double* first = scratch.rows.data();
  FillRow(frame, treatments[0], first);
  for (size_t row = 1; row < rows; ++row) {
    double* values = first + row * features;
    std::copy_n(first, features, values);
    for (const size_t i : of_treatment_) {
      values[i] = ValueOf(columns_[i], frame, treatments[row]);
    }
  }
  const size_t outputs = ensemble_.outputs();
  scratch.outputs.resize(rows * outputs);
  ensemble_.Predict(scratch.rows, absl::MakeSpan(scratch.outputs), scratch.trees);
  for (size_t i = 0; i < treatments.size(); ++i) {
    propensity[i] = scratch.outputs[(rows == 1 ? 0 : i) * outputs + output_];
  }
}

std::vector<Contribution> TreeModel::Explain(const InputFrame& frame, int treatment) const {
  std::vector<double> row(columns_.size());
  FillRow(frame, treatment, row.data());
  std::vector<double> amounts(columns_.size() + 1);
  ensemble_.Contributions(row, output_, absl::MakeSpan(amounts));
  std::vector<Contribution> contributions;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (amounts[i] != 0) contributions.push_back({columns_[i].input, amounts[i]});
  }
  return contributions;
}

}  // namespace attune::scoring
