#include "lib/decision/score_explanation.h"

#include <algorithm>
#include <bitset>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/decision/number_text.h"
#include "lib/scoring/score_parts.h"
#include "lib/scoring/scoring.h"

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

// Adds up what the model adds for each input: leaves one contribution of each, in the order in
// which they are first met.
void MergeInputs(std::vector<scoring::Contribution>& terms) {
  // Most inputs are met once. Which may have been met before, by their number; some share one.
  std::bitset<256> met;
  auto end = terms.begin();  // of the inputs
  for (const scoring::Contribution& term : terms) {
    constexpr size_t kApart = 37;  // sources; most strategies have fewer slots of the others
    const size_t number =
        static_cast<size_t>(term.input.slot) + kApart * static_cast<size_t>(term.input.source);
    const bool may_be_met = met[number % met.size()];
    met.set(number % met.size());
    const auto same = !may_be_met ? end : std::find_if(terms.begin(), end, [&](const auto& known) {
      return known.input.source == term.input.source && known.input.slot == term.input.slot;
    });
    if (same == end) {
      *end++ = term;
    } else {
      same->amount += term.amount;
    }
  }
  terms.erase(end, terms.end());
}

// Leaves what the model adds for each input, all terms of the input together, strongest first;
// equals in the order of the model.
void KeepStrongestInputs(std::vector<scoring::Contribution>& terms) {
  MergeInputs(terms);
  const auto is_stronger = [](const scoring::Contribution& a, const scoring::Contribution& b) {
    return std::fabs(a.amount) > std::fabs(b.amount);
  };
  size_t kept = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    if (terms[i].amount == 0) continue;
    if (kept == kMaxReasons && !is_stronger(terms[i], terms[kept - 1])) continue;
    // It goes behind those that are as strong.
    const scoring::Contribution term = terms[i];
    size_t place = kept < kMaxReasons ? kept++ : kept - 1;
    for (; place > 0 && is_stronger(term, terms[place - 1]); --place) {
      terms[place] = terms[place - 1];
    }
    terms[place] = term;
  }
  terms.resize(kept);
}

}  // namespace

ExplainedModels::ExplainedModels(const strategy::Strategy& strategy) : names_(strategy) {
  for (const scoring::NamedModel& model : strategy.models.models) {
    const std::optional<std::vector<scoring::Input>> inputs = model.model->PartInputs();
    tells_parts_.push_back(
        inputs && std::none_of(inputs->begin(), inputs->end(), [&](const scoring::Input& input) {
          return IsProtected(strategy, input);
        }));
  }
}

ScoreExplainer::TakenApart& ScoreExplainer::TakeApart(int model,
                                                      const arbitration::RankedTreatment& ranked) {
  const int slot = decision_.result.SlotOf(ranked);
  const scoring::Model& asked = *strategy_.models.models[static_cast<size_t>(model)].model;
  TakenApart& taken = taken_apart_[{model, slot}];
  if (taken.treatment == ranked.treatment) return taken;
  if (taken.treatment >= 0 && !asked.LooksAtTreatment()) return taken;
  std::optional<scoring::ScoreParts> parts =
      asked.Parts(decision_.result.FrameOf(slot), ranked.treatment);
  taken.treatment = ranked.treatment;
  taken.is_arranged = false;
  taken.is_told = parts.has_value();
  taken.parts = parts ? *std::move(parts) : scoring::ScoreParts();
  taken.strongest = taken.parts.contributions;
  // Of trees only the features that moved the score are met.
  std::erase_if(taken.strongest,
                [](const scoring::Contribution& c) { return c.amount == 0 && !c.feature.empty(); });
  KeepStrongestInputs(taken.strongest);
  return taken;
}

void ScoreExplainer::ForEachReason(const arbitration::RankedTreatment& ranked,
                                   absl::FunctionRef<void(std::string_view)> visit) {
  const int model = ModelOf(ranked);
  if (model < 0) return;
  std::string reason;
  for (const scoring::Contribution& c : TakeApart(model, ranked).strongest) {
    reason = absl::StrCat(models_.names()[c.input], " = ", ToAbsl(ValueOf(c.input, ranked)));
    // How much a protected value moves tells what it is.
    if (!IsProtected(strategy_, c.input)) absl::StrAppend(&reason, " (", Amount(c.amount), ")");
    visit(reason);
  }
}

const scoring::ScoreParts* ScoreExplainer::PartsOf(const arbitration::RankedTreatment& ranked) {
  const int model = ModelOf(ranked);
  if (model < 0 || !models_.TellsParts(model)) return nullptr;
  TakenApart& taken = TakeApart(model, ranked);
  if (!taken.is_arranged) {
    taken.is_arranged = true;
    taken.is_told = taken.is_told && scoring::Arrange(taken.parts);
  }
  return taken.is_told ? &taken.parts : nullptr;
}

int ScoreExplainer::ModelOf(const arbitration::RankedTreatment& ranked) const {
  const scoring::ScoredCandidate& scored =
      decision_.result.scored.scored[static_cast<size_t>(ranked.scored)];
  if (scored.source == scoring::ScoredCandidate::Source::kDefault) return -1;
  return scoring::ModelOf(strategy_.models, strategy_.catalog, scored);
}

std::string_view ScoreExplainer::ValueOf(const scoring::Input& input,
                                         const arbitration::RankedTreatment& ranked) {
  values_.resize(models_.names().size());
  std::string& value = values_[models_.names().NumberOf(input)];
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
  ShownPart part{models_.names()[contribution.input], ValueOf(contribution.input, ranked),
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
