#include "lib/scoring/linear_model.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/base/text.h"
#include "lib/trees/link.h"

namespace attune::scoring {
namespace {

namespace pb = attune::strategy::v1;

constexpr int kMaxTerms = 10'000;
// Most terms on the treatment itself: each holds a weight for every treatment of the strategy.
constexpr size_t kMaxTreatmentTerms = 16;
constexpr int kMaxCategories = 10'000;
constexpr int kMaxBuckets = 1'000;

bool IsNumeric(ValueType type) {
  return type == ValueType::kInt || type == ValueType::kDouble || type == ValueType::kTimestamp;
}

}  // namespace

// Checks the terms of a file one by one and adds them to the model. Not thread-safe.
class LinearModel::Builder {
 public:
  Builder(const InputNames& names, InputTable& inputs, const ReportIssue& report)
      : names_(names), inputs_(inputs), report_(report) {}

  std::unique_ptr<const Model> Build(const pb::LinearModel& file) {
    auto model = std::make_unique<LinearModel>();
    if (file.link() == pb::LINK_UNSPECIFIED) {
      Report("linear.link", "is required: logistic or identity");
    }
    CheckFinite("linear.intercept", file.intercept());
    if (file.terms_size() > kMaxTerms) {
      Report("linear.terms", absl::StrCat("has ", file.terms_size(), " terms; at most ", kMaxTerms,
                                          " are allowed"));
      return nullptr;
    }
    model->link_ = file.link();
    model->intercept_ = file.intercept();
    for (int i = 0; i < file.terms_size(); ++i) {
      AddTerm(absl::StrCat("linear.terms[", i, "]"), file.terms(i), *model);
    }
    model->treatment_offset_.assign(names_.catalog.treatments.size(), 0.0);
    for (const TreatmentTerm& term : model->of_treatment_) {
      for (size_t i = 0; i < term.weights.size(); ++i) {
        model->treatment_offset_[i] += term.weights[i];
      }
    }
    if (failed_) return nullptr;
    return model;
  }

 private:
  void Report(std::string_view path, std::string message) {
    failed_ = true;
    report_(path, std::move(message));
  }

  void CheckFinite(std::string_view path, double value) {
    if (!std::isfinite(value)) Report(path, "must be finite");
  }

  void AddTerm(const std::string& path, const pb::LinearTerm& term, LinearModel& model) {
    if (term.input().empty()) {
      Report(path, "a term needs an input, for example customer.tenure_months");
      return;
    }
    std::string problem;
    const std::optional<Input> input = names_.Find(term.input(), problem);
    if (!input) {
      Report(path + ".input", problem);
      return;
    }
    switch (term.kind_case()) {
      case pb::LinearTerm::kNumeric:
        AddNumeric(path + ".numeric", *input, term.numeric(), model);
        return;
      case pb::LinearTerm::kOneHot:
        AddOneHot(path + ".one_hot", *input, term.one_hot(), model);
        return;
      case pb::LinearTerm::kBuckets:
        AddBuckets(path + ".buckets", *input, term.buckets(), model);
        return;
      case pb::LinearTerm::KIND_NOT_SET:
        Report(path, "a term needs one of numeric, one_hot or buckets");
        return;
    }
  }

  void ReportType(const std::string& path, const Input& input, std::string_view accepted) {
    Report(path,
           absl::StrCat(names_.NameOf(input), " is of type ", ToAbsl(ValueTypeName(input.type)),
                        "; this kind of term takes ", ToAbsl(accepted)));
  }

  void AddNumeric(const std::string& path, const Input& input, const pb::NumericTerm& term,
                  LinearModel& model) {
    if (!IsNumeric(input.type) && input.type != ValueType::kBool) {
      ReportType(path, input, "bool, int, double or timestamp; use one_hot");
      return;
    }
    const double scale = term.has_scale() ? term.scale() : 1.0;
    CheckFinite(path + ".weight", term.weight());
    CheckFinite(path + ".mean", term.mean());
    const double factor = term.weight() / scale;
    if (!std::isfinite(scale) || scale <= 0) {
      Report(path + ".scale", "must be above 0 and finite");
    } else if (std::isfinite(term.weight()) && !std::isfinite(factor)) {
      Report(path + ".scale", "is too small for the weight: weight / scale must be finite");
    }
    model.numeric_.push_back({factor, term.mean(), inputs_.AddNumeric(input), input});
  }

  void AddBuckets(const std::string& path, const Input& input, const pb::BucketTerm& term,
                  LinearModel& model) {
    if (!IsNumeric(input.type)) {
      ReportType(path, input, "int, double or timestamp; use one_hot");
      return;
    }
    if (term.bounds_size() > kMaxBuckets) {
      Report(path + ".bounds", absl::StrCat("at most ", kMaxBuckets, " bounds are allowed"));
    }
    if (term.weights_size() != term.bounds_size() + 1) {
      Report(path + ".weights",
             absl::StrCat("needs one weight more than bounds: ", term.bounds_size() + 1, ", not ",
                          term.weights_size()));
    }
    for (int i = 0; i < term.bounds_size(); ++i) {
      const std::string bound = absl::StrCat(path, ".bounds[", i, "]");
      CheckFinite(bound, term.bounds(i));
      if (i > 0 && !(term.bounds(i) > term.bounds(i - 1))) {
        Report(bound, "must be larger than the bound before it");
      }
    }
    for (int i = 0; i < term.weights_size(); ++i) {
      CheckFinite(absl::StrCat(path, ".weights[", i, "]"), term.weights(i));
    }
    model.buckets_.push_back(
        model.AddWeights(input, inputs_.AddBuckets(input, term.bounds()), term.weights()));
  }

  void AddOneHot(const std::string& path, const Input& input, const pb::OneHotTerm& term,
                 LinearModel& model) {
    if (input.type == ValueType::kDouble || input.type == ValueType::kTimestamp) {
      ReportType(path, input, "string, string_list, bool or int; use numeric or buckets");
      return;
    }
    if (term.weights_size() > kMaxCategories) {
      Report(path + ".weights",
             absl::StrCat("at most ", kMaxCategories, " categories are allowed"));
      return;
    }
    CheckFinite(path + ".other", term.other());
    // In the order of their names: protobuf maps have none of their own, and numbering must not
    // differ from run to run.
    const std::map<std::string, double> weights(term.weights().begin(), term.weights().end());
    for (const auto& [category, weight] : weights) {
      CheckFinite(EntryPath(path + ".weights", category), weight);
    }
    if (input.of_treatment()) {
      AddTreatmentTerm(path, input, weights, term.other(), model);
      return;
    }
    const int index = inputs_.AddCategorical(input);
    std::vector<double> by_number = {term.other()};
    absl::flat_hash_set<int32_t> numbers;
    for (const auto& [category, weight] : weights) {
      const std::string entry = EntryPath(path + ".weights", category);
      if (const std::string problem = names_.CategoryProblem(input, category); !problem.empty()) {
        Report(entry, problem);
        continue;
      }
      int32_t number = 0;
      if (!inputs_.AddCategory(input, index, category, number)) {
        Report(entry, absl::StrCat(Quoted(category), " can't be a value of ", names_.NameOf(input),
                                   ", which is of type ", ToAbsl(ValueTypeName(input.type))));
        continue;
      }
      if (!numbers.insert(number).second) {
        Report(entry, "is the same value as another category");
        continue;
      }
      if (by_number.size() <= static_cast<size_t>(number)) {
        by_number.resize(static_cast<size_t>(number) + 1, term.other());
      }
      by_number[static_cast<size_t>(number)] = weight;
    }
    const bool list = input.type == ValueType::kStringList;
    (list ? model.multi_hot_ : model.one_hot_).push_back(model.AddWeights(input, index, by_number));
  }

  void AddTreatmentTerm(const std::string& path, const Input& input,
                        const std::map<std::string, double>& weights, double other,
                        LinearModel& model) {
    if (model.of_treatment_.size() == kMaxTreatmentTerms) {
      Report(path,
             absl::StrCat("is one term too many on treatment.name and treatment.group; at most ",
                          kMaxTreatmentTerms, " are allowed"));
      return;
    }
    for (const auto& [category, weight] : weights) {
      const std::string problem = names_.CategoryProblem(input, category);
      if (!problem.empty()) Report(EntryPath(path + ".weights", category), problem);
    }
    const catalog::Catalog& catalog = names_.catalog;
    const bool by_name = input.source == Input::Source::kTreatmentName;
    TreatmentTerm compiled{input, {}};
    compiled.weights.reserve(catalog.treatments.size());
    for (const catalog::Treatment& treatment : catalog.treatments) {
      const auto it = weights.find(
          by_name ? treatment.name : catalog.groups[static_cast<size_t>(treatment.group)].name);
      compiled.weights.push_back(it == weights.end() ? other : it->second);
    }
    model.of_treatment_.push_back(std::move(compiled));
  }

  const InputNames& names_;
  InputTable& inputs_;
  const ReportIssue& report_;
  bool failed_ = false;
};

std::unique_ptr<const Model> LinearModel::Create(const pb::LinearModel& file,
                                                 const InputNames& names, InputTable& inputs,
                                                 const ReportIssue& report) {
  return Builder(names, inputs, report).Build(file);
}

LinearModel::CategoryTerm LinearModel::AddWeights(const Input& input, int index,
                                                  absl::Span<const double> weights) {
  const CategoryTerm term{index, static_cast<uint32_t>(weights_.size()),
                          static_cast<uint32_t>(weights.size()), input};
  weights_.insert(weights_.end(), weights.begin(), weights.end());
  return term;
}

double LinearModel::ElementSum(const CategoryTerm& term, const InputFrame& frame) const {
  double sum = 0;
  for (const int32_t category : frame.categories[static_cast<size_t>(term.index)]) {
    sum += WeightOf(term, category);
  }
  return sum;
}

double LinearModel::SharedSum(const InputFrame& frame) const {
  double sum = intercept_;
  for (const NumericTerm& term : numeric_) {
    sum += term.Of(frame.numeric[static_cast<size_t>(term.index)]);
  }
  for (const CategoryTerm& term : buckets_) {
    sum += WeightOf(term, frame.bucket[static_cast<size_t>(term.index)]);
  }
  for (const CategoryTerm& term : one_hot_) {
    sum += WeightOf(term, frame.category[static_cast<size_t>(term.index)]);
  }
  for (const CategoryTerm& term : multi_hot_) sum += ElementSum(term, frame);
  return sum;
}

void LinearModel::Predict(const InputFrame& frame, absl::Span<const int> treatments,
                          absl::Span<double> propensity, ModelScratch& /*scratch*/) const {
  const double shared = SharedSum(frame);
  for (size_t i = 0; i < treatments.size(); ++i) {
    const double sum = shared + treatment_offset_[static_cast<size_t>(treatments[i])];
    // A cut that lets NaN through: the scoring stage must see that a model failed.
    propensity[i] = link_ == pb::LINK_LOGISTIC ? 1.0 / (1.0 + std::exp(-sum))
                    : sum < 0                  ? 0.0
                    : sum > 1                  ? 1.0
                                               : sum;
  }
}

double LinearModel::PredictValue(const InputFrame& frame, ModelScratch& /*scratch*/) const {
  const double sum = SharedSum(frame);
  return link_ == pb::LINK_LOGISTIC ? 1.0 / (1.0 + std::exp(-sum)) : sum;
}

std::optional<ScoreParts> LinearModel::Parts(const InputFrame& frame, int treatment) const {
  ScoreParts parts;
  parts.base = intercept_;
  parts.score = SharedSum(frame) + treatment_offset_[static_cast<size_t>(treatment)];
  parts.link =
      trees::LinkName(link_ == pb::LINK_LOGISTIC ? trees::Link::kSigmoid : trees::Link::kIdentity);
  std::vector<Contribution>& contributions = parts.contributions;
  contributions.reserve(numeric_.size() + buckets_.size() + one_hot_.size() + multi_hot_.size() +
                        of_treatment_.size());
  for (const NumericTerm& term : numeric_) {
    contributions.push_back({term.input, term.Of(frame.numeric[static_cast<size_t>(term.index)])});
  }
  for (const CategoryTerm& term : buckets_) {
    contributions.push_back(
        {term.input, WeightOf(term, frame.bucket[static_cast<size_t>(term.index)])});
  }
  for (const CategoryTerm& term : one_hot_) {
    contributions.push_back(
        {term.input, WeightOf(term, frame.category[static_cast<size_t>(term.index)])});
  }
  for (const CategoryTerm& term : multi_hot_) {
    contributions.push_back({term.input, ElementSum(term, frame)});
  }
  for (const TreatmentTerm& term : of_treatment_) {
    contributions.push_back({term.input, term.weights[static_cast<size_t>(treatment)]});
  }
  return parts;
}

std::optional<std::vector<Input>> LinearModel::PartInputs() const {
  std::vector<Input> inputs;
  for (const NumericTerm& term : numeric_) inputs.push_back(term.input);
  for (const auto* terms : {&buckets_, &one_hot_, &multi_hot_}) {
    for (const CategoryTerm& term : *terms) inputs.push_back(term.input);
  }
  for (const TreatmentTerm& term : of_treatment_) inputs.push_back(term.input);
  return inputs;
}

}  // namespace attune::scoring
