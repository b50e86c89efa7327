#include "lib/scoring/adaptive_scorer.h"

#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/trees/link.h"

namespace attune::scoring {
namespace {

namespace pb = attune::strategy::v1;
using learning::InputKind;
using learning::InputLayout;
using learning::InputValue;

constexpr double kDefaultPrior = 0.05;
constexpr double kMinPrior = 1e-6;
constexpr double kMaxPrior = 1 - 1e-6;
constexpr int64_t kMaxMinEvidence = 1'000'000'000;
constexpr absl::Duration kMinHalfLife = absl::Minutes(1);
// Event time is in microseconds since 1970 and half-lives are counted on it: longer ones are none.
constexpr absl::Duration kMaxHalfLife = absl::Hours(24 * 36'500);

}  // namespace

// Reads the message field by field. Used once.
class AdaptiveScorer::Builder {
 public:
  Builder(const pb::ModelReference& reference, const InputNames& names, InputTable& inputs,
          const ReportIssue& report)
      : file_(reference.adaptive()), names_(names), inputs_(inputs), report_(report) {}

  std::unique_ptr<const AdaptiveScorer> Build(size_t index, size_t treatments) {
    std::unique_ptr<AdaptiveScorer> model(new AdaptiveScorer());
    model->options_.max_treatments = kMaxAdaptiveTreatments;
    model->options_.max_groups = kMaxAdaptiveGroups;
    model->index_ = index;
    for (const catalog::Treatment& treatment : names_.catalog.treatments) {
      model->names_.push_back(
          {treatment.number, names_.catalog.groups[static_cast<size_t>(treatment.group)].number});
    }
    if (treatments > kMaxAdaptiveTreatments) {
      Report("adaptive", absl::StrCat(treatments, " treatments name the model; at most ",
                                      kMaxAdaptiveTreatments,
                                      " are allowed: divide them among several models"));
    }
    ReadSettings(*model);
    AddInputs(*model);
    const std::vector<learning::CrossSpec> crosses = Crosses();
    if (failed_) return nullptr;
    absl::StatusOr<std::shared_ptr<const InputLayout>> layout =
        InputLayout::Create(specs_, crosses, learning::InputLimits());
    if (!layout.ok()) {
      ReportAll("adaptive.inputs", layout.status());
      return nullptr;
    }
    if ((*layout)->weights() > kMaxAdaptiveWeights) {
      Report("adaptive.inputs",
             absl::StrCat("the inputs and crosses have ", (*layout)->weights(),
                          " weights together; at most ", kMaxAdaptiveWeights,
                          " are allowed: a number has 13, a bool 3, a string 257, a cross 1024"));
      return nullptr;
    }
    model->layout_ = *std::move(layout);
    const auto unlearned = learning::AdaptiveModel::Create(model->layout_, model->options_);
    if (!unlearned.ok()) {
      ReportAll("adaptive", unlearned.status());
      return nullptr;
    }
    model->unlearned_ = unlearned->MakeSnapshot();
    return model;
  }

 private:
  void Report(const std::string& path, std::string message) {
    failed_ = true;
    report_(path, std::move(message));
  }
  // Every line of the status is a problem.
  void ReportAll(const std::string& path, const absl::Status& status) {
    const std::vector<std::string> problems = absl::StrSplit(status.message(), '\n');
    for (const std::string& problem : problems) Report(path, problem);
  }

  void ReadSettings(AdaptiveScorer& model) {
    model.options_.prior = file_.has_prior() ? file_.prior() : kDefaultPrior;
    if (!(model.options_.prior >= kMinPrior && model.options_.prior <= kMaxPrior)) {
      Report("adaptive.prior", absl::StrCat("must be between ", kMinPrior, " and 1 - ", kMinPrior,
                                            ", not ", file_.prior()));
    }
    if (file_.min_evidence() < 0 || file_.min_evidence() > kMaxMinEvidence) {
      Report("adaptive.min_evidence", absl::StrCat("must be between 0 and ", kMaxMinEvidence,
                                                   ", not ", file_.min_evidence()));
    }
    model.min_evidence_ = static_cast<uint64_t>(std::max<int64_t>(0, file_.min_evidence()));
    if (!file_.has_half_life()) return;
    const absl::Duration half_life =
        absl::Seconds(file_.half_life().seconds()) + absl::Nanoseconds(file_.half_life().nanos());
    const bool is_forever = half_life == absl::ZeroDuration();
    if (!is_forever && (half_life < kMinHalfLife || half_life > kMaxHalfLife)) {
      Report("adaptive.half_life",
             absl::StrCat("must be 0s, so that nothing is forgotten, or between ",
                          absl::FormatDuration(kMinHalfLife), " and ",
                          absl::FormatDuration(kMaxHalfLife), ", not ",
                          absl::FormatDuration(half_life)));
    }
    model.options_.half_life = half_life;
  }

  void AddInputs(AdaptiveScorer& model) {
    if (file_.inputs_size() > static_cast<int>(InputLayout::kMaxInputs)) {
      return Report("adaptive.inputs",
                    absl::StrCat("has ", file_.inputs_size(), " entries; at most ",
                                 InputLayout::kMaxInputs, " are allowed"));
    }
    for (int i = 0; i < file_.inputs_size(); ++i) {
      const std::string path = absl::StrCat("adaptive.inputs[", i, "]");
      const std::string& name = file_.inputs(i);
      std::string problem;
      const std::optional<Input> input = names_.Find(name, problem);
      if (!input) {
        Report(path, std::move(problem));
      } else if (input->of_treatment()) {
        Report(path, absl::StrCat("leave out ", name,
                                  ": an adaptive model learns by treatment and group anyway"));
      } else if (input->type == ValueType::kStringList) {
        Report(path, absl::StrCat(name,
                                  " is of type string_list, which an adaptive model can't "
                                  "learn from"));
      } else if (!known_.insert(name).second) {
        Report(path, absl::StrCat("the input ", Quoted(name), " is listed twice"));
      } else {
        AddInput(*input, name, model);
      }
    }
  }

  void AddInput(const Input& input, const std::string& name, AdaptiveScorer& model) {
    Place place;
    if (input.type == ValueType::kString) {
      place.kind = InputKind::kCategory;
      place.index = static_cast<size_t>(inputs_.AddText(input));
    } else {
      place.kind = input.type == ValueType::kBool ? InputKind::kBool : InputKind::kNumber;
      place.index = static_cast<size_t>(inputs_.AddNumeric(input, WhenUnknown::kMissing));
    }
    model.places_.push_back(place);
    model.inputs_.push_back(input);
    model.is_protected_.push_back(IsProtected(input));
    specs_.push_back({name, place.kind});
  }

  bool IsProtected(const Input& input) const {
    return input.source == Input::Source::kCustomer && names_.features[input.slot].is_protected;
  }

  std::vector<learning::CrossSpec> Crosses() {
    std::vector<learning::CrossSpec> crosses;
    if (file_.crosses_size() > static_cast<int>(InputLayout::kMaxCrosses)) {
      Report("adaptive.crosses", absl::StrCat("has ", file_.crosses_size(), " entries; at most ",
                                              InputLayout::kMaxCrosses, " are allowed"));
      return crosses;
    }
    absl::flat_hash_set<std::pair<std::string, std::string>> seen;
    for (int i = 0; i < file_.crosses_size(); ++i) {
      const pb::AdaptiveCross& cross = file_.crosses(i);
      const std::string path = absl::StrCat("adaptive.crosses[", i, "]");
      CheckCrossed(path + ".first", cross.first());
      CheckCrossed(path + ".second", cross.second());
      if (cross.first() == cross.second() && !cross.first().empty()) {
        Report(path + ".second", "must be another input than first");
      } else if (!seen.insert(std::minmax(cross.first(), cross.second())).second) {
        Report(path, "is listed twice");
      }
      crosses.push_back({cross.first(), cross.second()});
    }
    return crosses;
  }

  void CheckCrossed(const std::string& path, const std::string& name) {
    const std::vector<std::string> inputs(file_.inputs().begin(), file_.inputs().end());
    if (name.empty()) {
      Report(path, "is required: one of the model's inputs");
    } else if (std::find(inputs.begin(), inputs.end(), name) == inputs.end()) {
      Report(path, absl::StrCat(Quoted(name), " is not among the model's inputs",
                                Suggestion(name, inputs), "; list it there too"));
    }
  }

  const pb::Adaptive& file_;
  const InputNames& names_;
  InputTable& inputs_;
  const ReportIssue& report_;
  absl::flat_hash_set<std::string> known_;
  std::vector<learning::InputSpec> specs_;
  bool failed_ = false;
};

std::unique_ptr<const AdaptiveScorer> AdaptiveScorer::Create(const pb::ModelReference& reference,
                                                             size_t index, size_t treatments,
                                                             const InputNames& names,
                                                             InputTable& inputs,
                                                             const ReportIssue& report) {
  return Builder(reference, names, inputs, report).Build(index, treatments);
}

const learning::AdaptiveSnapshot& AdaptiveScorer::SnapshotOf(const InputFrame& frame) const {
  if (frame.learned == nullptr || index_ >= frame.learned->models.size()) return *unlearned_;
  const learning::AdaptiveSnapshot* const learned = frame.learned->models[index_].get();
  return learned == nullptr || learned->examples() < min_evidence_ ? *unlearned_ : *learned;
}

void AdaptiveScorer::ValuesOf(const InputFrame& frame, std::vector<InputValue>& values) const {
  values.clear();
  for (const Place& place : places_) {
    if (place.kind == InputKind::kCategory) {
      const std::optional<std::string_view>& text = frame.text[place.index];
      values.push_back(text ? InputValue::Category(*text) : InputValue::Missing());
    } else {
      // What is not known is NaN here, and missing there.
      values.push_back(InputValue::Number(frame.numeric[place.index]));
    }
  }
}

ModelFailure AdaptiveScorer::PredictBatch(const Batch& batch, const Predictions& predictions,
                                          ModelScratch& scratch) const {
  AdaptiveScratch& memory = scratch.adaptive;
  const learning::AdaptiveSnapshot& snapshot = SnapshotOf(batch.frame);
  ValuesOf(batch.frame, memory.values);
  snapshot.Encode(memory.values, memory.encoded);
  memory.rows.clear();
  for (const int treatment : batch.treatments) {
    const Names& names = names_[static_cast<size_t>(treatment)];
    memory.rows.push_back(snapshot.RowOf(names.treatment, names.group));
  }
  memory.predictions.resize(batch.treatments.size());
  snapshot.Predict(memory.encoded, memory.rows, absl::MakeSpan(memory.predictions));
  for (size_t i = 0; i < memory.predictions.size(); ++i) {
    predictions.propensity[i] = memory.predictions[i].propensity;
    predictions.deviation[i] = memory.predictions[i].deviation;
  }
  return ModelFailure::kNone;
}

void AdaptiveScorer::Predict(const InputFrame& frame, absl::Span<const int> treatments,
                             absl::Span<double> propensity, ModelScratch& scratch) const {
  std::vector<double>& deviations = scratch.deviations;
  deviations.resize(treatments.size());
  PredictBatch({frame, treatments}, {propensity, absl::MakeSpan(deviations)}, scratch);
}

std::optional<ScoreParts> AdaptiveScorer::Parts(const InputFrame& frame, int treatment) const {
  const learning::AdaptiveSnapshot& snapshot = SnapshotOf(frame);
  AdaptiveScratch memory;
  ValuesOf(frame, memory.values);
  snapshot.Encode(memory.values, memory.encoded);
  const Names& names = names_[static_cast<size_t>(treatment)];
  learning::PredictionParts told;
  snapshot.Explain(memory.encoded, snapshot.RowOf(names.treatment, names.group), told);
  const std::vector<InputLayout::Cross>& crosses = layout_->crosses();
  for (size_t i = 0; i < crosses.size(); ++i) {
    const size_t first = crosses[i].first_input;
    const size_t second = crosses[i].second_input;
    const bool is_even = is_protected_[first] == is_protected_[second];
    const double of_first = is_even ? 0.5 : is_protected_[first] ? 1 : 0;
    told.inputs[first] += of_first * told.crosses[i];
    told.inputs[second] += (1 - of_first) * told.crosses[i];
  }
  ScoreParts parts;
  parts.base = told.intercept;
  parts.score = told.score;
  parts.link = trees::LinkName(trees::Link::kSigmoid);
  parts.contributions.reserve(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    parts.contributions.push_back({inputs_[i], told.inputs[i]});
  }
  return parts;
}

}  // namespace attune::scoring
