#include "lib/decision/score_explanation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"

namespace attune::decision {
namespace {

using Source = scoring::Input::Source;

// Is its value the same for every treatment of a decision, on every channel?
bool IsOfDecision(const scoring::Input& input) {
  return input.source == Source::kCustomer || input.source == Source::kAttribute;
}

// Has the feature of the model the name of the input, with or without what stands before the dot?
bool IsCalledSo(std::string_view feature, std::string_view input) {
  return feature.empty() || feature == input || IsLastPart(feature, input);
}

// A name that a file tells, safe to print.
std::string FeatureText(std::string_view feature) {
  return IdProblem(feature, kMaxNameBytes) ? Quoted(feature) : std::string(feature);
}

}  // namespace

std::optional<scoring::ScoreParts> ScoreExplainer::PartsOf(
    const arbitration::RankedTreatment& ranked) const {
  const scoring::ScoredCandidate& scored =
      decision_.result.scored.scored[static_cast<size_t>(ranked.scored)];
  if (scored.source == scoring::ScoredCandidate::Source::kDefault) return std::nullopt;
  const int index = scoring::ModelOf(strategy_.models, strategy_.catalog, scored);
  const scoring::Model& model = *strategy_.models.models[static_cast<size_t>(index)].model;
  std::optional<scoring::ScoreParts> parts =
      model.Parts(decision_.result.FrameOf(scored.slot), ranked.treatment);
  if (!parts) return std::nullopt;
  const bool is_protected =
      std::any_of(parts->contributions.begin(), parts->contributions.end(),
                  [&](const scoring::Contribution& c) { return IsProtected(strategy_, c.input); });
  if (is_protected || !scoring::Arrange(*parts)) return std::nullopt;
  return parts;
}

std::string_view ScoreExplainer::ValueOf(const scoring::Input& input,
                                         const arbitration::RankedTreatment& ranked) {
  values_.resize(names_.size());
  std::string& value = values_[names_.NumberOf(input)];
  if (value.empty() || !IsOfDecision(input)) {
    const context::DecisionContext& context =
        decision_.result.ContextOf(asked_, decision_.result.SlotOf(ranked));
    value = InputValue(strategy_, context, decision_,
                       strategy_.catalog.treatments[static_cast<size_t>(ranked.treatment)], input);
  }
  return value;
}

ShownPart ScoreExplainer::Show(const scoring::Contribution& contribution,
                               const arbitration::RankedTreatment& ranked) {
  ShownPart part{names_[contribution.input], ValueOf(contribution.input, ranked),
                 contribution.amount};
  if (!IsCalledSo(contribution.feature, part.input)) {
    name_ = absl::StrCat(ToAbsl(part.input), " (", FeatureText(contribution.feature), ")");
    part.input = name_;
  }
  return part;
}

void ScoreExplainer::ForEachPart(const arbitration::RankedTreatment& ranked,
                                 const scoring::ScoreParts& parts,
                                 absl::FunctionRef<void(const ShownPart&)> visit) {
  for (const scoring::Contribution& c : parts.contributions) visit(Show(c, ranked));
  if (parts.others != 0) visit({kOtherParts, "", parts.others});
  if (parts.rounding != 0) visit({kRoundingPart, "", parts.rounding});
}

}  // namespace attune::decision
