#include "lib/scoring/feature_columns.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"

namespace attune::scoring {
namespace {

namespace pb = attune::strategy::v1;

constexpr int kMaxCodes = 10'000;
constexpr double kMissingValue = std::numeric_limits<double>::quiet_NaN();

bool HasCategories(ValueType type) {
  return type == ValueType::kString || type == ValueType::kBool || type == ValueType::kInt;
}

}  // namespace

double FeatureColumns::ValueOf(const Column& column, const InputFrame& frame, int treatment) {
  const auto index = static_cast<size_t>(column.index);
  switch (column.kind) {
    case Column::Kind::kNumber:
      return frame.numeric[index];
    case Column::Kind::kCode: {
      const auto category = static_cast<size_t>(frame.category[index]);
      return category < column.codes.size() ? column.codes[category] : kMissingValue;
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
      return kMissingValue;
  }
  return kMissingValue;
}

bool FeatureColumns::of_channel() const {
  return std::any_of(columns_.begin(), columns_.end(), [](const Column& column) {
    return column.kind != Column::Kind::kUnused && column.input.source == Input::Source::kChannel;
  });
}

void FeatureColumns::FillRow(const InputFrame& frame, int treatment, double* row) const {
  for (size_t i = 0; i < columns_.size(); ++i) row[i] = ValueOf(columns_[i], frame, treatment);
}

size_t FeatureColumns::FillRows(const InputFrame& frame, absl::Span<const int> treatments,
                                std::vector<double>& rows) const {
  const size_t count = of_treatment() ? treatments.size() : 1;
  rows.resize(count * columns_.size());
  double* first = rows.data();
  FillRow(frame, treatments[0], first);
  for (size_t row = 1; row < count; ++row) {
    double* values = first + row * columns_.size();
    std::copy_n(first, columns_.size(), values);
    for (const size_t i : of_treatment_) {
      values[i] = ValueOf(columns_[i], frame, treatments[row]);
    }
  }
  return count;
}

FeatureColumnsBuilder::FeatureColumnsBuilder(size_t columns, const InputNames& names,
                                             InputTable& inputs, const ReportIssue& report)
    : names_(names), inputs_(inputs), report_(report) {
  columns_.columns_.resize(columns);
}

void FeatureColumnsBuilder::Report(const std::string& path, std::string message) {
  failed_ = true;
  report_(path, std::move(message));
}

FeatureColumns FeatureColumnsBuilder::Finish() {
  for (size_t i = 0; i < columns_.columns_.size(); ++i) {
    if (columns_.columns_[i].kind == Column::Kind::kTreatment) columns_.of_treatment_.push_back(i);
  }
  return std::move(columns_);
}

void FeatureColumnsBuilder::AddDeclared(const std::string& path, const pb::TreeInput& declared,
                                        size_t place) {
  std::string problem;
  const std::optional<Input> input = names_.Find(declared.input(), problem);
  if (!input) {
    Report(path + ".input",
           declared.input().empty() ? "is required, for example customer.tenure_months" : problem);
    return;
  }
  Column& column = columns_.columns_[place];
  column.input = *input;
  if (declared.has_equals() && !declared.codes().empty()) {
    Report(path, "takes codes or equals, not both");
  } else if (declared.has_equals()) {
    AddEquals(path + ".equals", declared.equals(), column);
  } else if (!declared.codes().empty()) {
    AddCodes(path + ".codes", declared, column);
  } else if (std::string type = TypeProblem(*input); !type.empty()) {
    Report(path, std::move(type));
  } else {
    AddNumber(*input, place);
  }
}

void FeatureColumnsBuilder::AddNumber(const Input& input, size_t place) {
  Column& column = columns_.columns_[place];
  column.kind = Column::Kind::kNumber;
  column.input = input;
  column.index = inputs_.AddNumeric(input, WhenUnknown::kMissing);
}

std::string FeatureColumnsBuilder::TypeProblem(const Input& input) const {
  if (input.type == ValueType::kStringList) {
    return absl::StrCat(names_.NameOf(input),
                        " is of type string_list: say with equals which element the feature is");
  }
  if (input.type != ValueType::kString) return "";
  return absl::StrCat(names_.NameOf(input),
                      " is of type string: say with codes which number each category has, or "
                      "with equals which category the feature is");
}

void FeatureColumnsBuilder::AddEquals(const std::string& path, const std::string& category,
                                      Column& column) {
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

void FeatureColumnsBuilder::AddCodes(const std::string& path, const pb::TreeInput& declared,
                                     Column& column) {
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
      column.codes.push_back(code == codes.end() ? kMissingValue : code->second);
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
    if (column.codes.size() <= place) column.codes.resize(place + 1, kMissingValue);
    column.codes[place] = code;
  }
}

std::string FeatureColumnsBuilder::NoValue(const Input& input, const std::string& category) const {
  return absl::StrCat(Quoted(category), " can't be a value of ", names_.NameOf(input),
                      ", which is of type ", ToAbsl(ValueTypeName(input.type)));
}

const std::string& FeatureColumnsBuilder::CategoryOf(const Input& input, size_t treatment) const {
  const catalog::Treatment& of = names_.catalog.treatments[treatment];
  return input.source == Input::Source::kTreatmentName
             ? of.name
             : names_.catalog.groups[static_cast<size_t>(of.group)].name;
}

FeatureColumns ListedColumns(const std::string& path,
                             const google::protobuf::RepeatedPtrField<pb::TreeInput>& listed,
                             const InputNames& names, InputTable& inputs,
                             const ReportIssue& report) {
  if (listed.empty() || listed.size() > kMaxListedColumns) {
    report(path, listed.empty() ? "a model needs inputs: what its columns are, in their order"
                                : absl::StrCat("has ", listed.size(), " inputs; at most ",
                                               kMaxListedColumns, " are allowed"));
    return {};
  }
  bool failed = false;
  FeatureColumnsBuilder builder(static_cast<size_t>(listed.size()), names, inputs, report);
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < listed.size(); ++i) {
    const std::string element = absl::StrCat(path, "[", i, "]");
    const std::string& feature = listed[i].feature();
    if (feature.empty() || !seen.insert(feature).second) {
      failed = true;
      report(element + ".feature",
             feature.empty() ? "is required: what the model calls the column"
                             : absl::StrCat("the feature ", Quoted(feature), " is listed twice"));
    }
    builder.AddDeclared(element, listed[i], static_cast<size_t>(i));
  }
  return failed || builder.failed() ? FeatureColumns() : builder.Finish();
}

}  // namespace attune::scoring
