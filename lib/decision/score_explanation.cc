#include "lib/decision/score_explanation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/decision/input_text.h"

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

ScoreExplainer::ScoreExplainer(const strategy::Strategy& strategy,
                               const context::DecisionContext& asked, const Decision& decision)
    : strategy_(strategy), asked_(asked), decision_(decision) {}

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

const ScoreExplainer::InputTexts& ScoreExplainer::TextsOf(const scoring::Input& input) {
  const auto features = static_cast<size_t>(strategy_.features.size());
  const auto attributes = static_cast<size_t>(strategy_.context.attributes.size());
  if (place_of_.empty()) {
    constexpr auto kSources = static_cast<size_t>(Source::kTreatmentGroup) + 1;
    place_of_.assign(features + attributes + kSources, -1);
  }
  const auto slot = static_cast<size_t>(input.slot);
  const size_t number = input.source == Source::kCustomer ? slot
                        : input.source == Source::kAttribute
                            ? features + slot
                            : features + attributes + static_cast<size_t>(input.source);
  int& place = place_of_[number];
  if (place < 0) {
    place = static_cast<int>(texts_.size());
    const scoring::InputNames names{strategy_.features, strategy_.context, strategy_.catalog};
    InputTexts& texts = texts_.emplace_back();
    texts.name = names.NameOf(input);
    if (IsOfDecision(input)) {
      texts.value =
          InputValue(strategy_, asked_, decision_, strategy_.catalog.treatments[0], input);
    }
  }
  return texts_[static_cast<size_t>(place)];
}

ShownPart ScoreExplainer::Show(const scoring::Contribution& contribution,
                               const arbitration::RankedTreatment& ranked) {
  const InputTexts& texts = TextsOf(contribution.input);
  ShownPart part{texts.name, texts.value, contribution.amount};
  if (!IsCalledSo(contribution.feature, texts.name)) {
    name_ = absl::StrCat(texts.name, " (", FeatureText(contribution.feature), ")");
    part.input = name_;
  }
  if (!IsOfDecision(contribution.input)) {
    const context::DecisionContext& context =
        decision_.result.ContextOf(asked_, decision_.result.SlotOf(ranked));
    value_ = InputValue(strategy_, context, decision_,
                        strategy_.catalog.treatments[static_cast<size_t>(ranked.treatment)],
                        contribution.input);
    part.value = value_;
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
