#include "lib/decision/formula_details.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/decision/formula_values.h"
#include "lib/policy/formula_explanation.h"

namespace attune::decision {
namespace {

using candidates::Reason;

// Tells about one rejection. Lives for one call.
class DetailWriter {
 public:
  DetailWriter(const strategy::Strategy& strategy, const context::DecisionContext& asked,
               const Decision& decision, const candidates::Rejection& rejection)
      : strategy_(strategy),
        asked_(asked),
        decision_(decision),
        treatment_(rejection.treatment),
        slot_(rejection.slot),
        state_(decision.result.PolicyOf(slot_).engagement),
        formulas_(strategy.engagement.formulas()) {}

  std::string OfScore() const;
  std::string OfPriority() const;
  std::string OfContent() const;

 private:
  const catalog::Treatment& treatment() const {
    return strategy_.catalog.treatments[static_cast<size_t>(treatment_)];
  }
  std::string WhatHappened(std::string text, int formula) const {
    policy::AppendWhatHappened(strategy_.engagement, state_,
                               formulas_.all[static_cast<size_t>(formula)], treatment_, text);
    return text;
  }

  const strategy::Strategy& strategy_;
  const context::DecisionContext& asked_;
  const Decision& decision_;
  const int treatment_;
  const int slot_;
  const policy::EngagementState& state_;
  const policy::Formulas& formulas_;
};

std::string DetailWriter::OfScore() const {
  const scoring::NamedModel& model =
      strategy_.models.models[static_cast<size_t>(treatment().model)];
  if (model.formula < 0) return "";
  return WhatHappened(absl::StrCat("the formula of the model ", model.version, " "), model.formula);
}

std::string DetailWriter::OfPriority() const {
  const auto& scored = decision_.result.scored.scored;
  const auto found = std::find_if(
      scored.begin(), scored.end(),
      [&](const scoring::ScoredCandidate& candidate) { return candidate.treatment == treatment_; });
  if (found == scored.end() || formulas_.priority < 0) return "";
  const size_t weight = static_cast<size_t>(slot_) * strategy_.catalog.groups.size() +
                        static_cast<size_t>(treatment().group);
  // From here on the formula is evaluated with these.
  state_.EvaluatorFor(
      treatment_, TermValuesOf({.propensity = found->propensity,
                                .context_weight = decision_.result.arbitration.group_weight[weight],
                                .value = treatment().value,
                                .lever = treatment().lever,
                                .cost = treatment().cost}));
  return WhatHappened("the formula of the priority ", formulas_.priority);
}

std::string DetailWriter::OfContent() const {
  const policy::ComputedField* field =
      FormulaValues(strategy_, asked_, decision_.result, nullptr).FailingField(treatment_, slot_);
  if (field == nullptr) {
    return absl::StrCat(
        "what is computed for those ranked above leaves no room for it; all of a "
        "ranking may have ",
        policy::kMaxComputedBytesInAll, " bytes");
  }
  const std::string what = absl::StrCat("the content ", Quoted(field->name), " ");
  const policy::Formula& formula = formulas_.all[static_cast<size_t>(field->formula)];
  const expression::Value value = state_.Evaluate(formula, treatment_);
  if (value.kind() == expression::Kind::kString) {
    return absl::StrCat(what, "has ", value.text().size(), " bytes; at most ",
                        policy::kMaxComputedBytes, " are allowed");
  }
  return WhatHappened(what, field->formula);
}

}  // namespace

std::string FormulaDetail(const strategy::Strategy& strategy, const context::DecisionContext& asked,
                          const Decision& decision, const candidates::Rejection& rejection) {
  const DetailWriter writer(strategy, asked, decision, rejection);
  switch (rejection.reason) {
    case Reason::kScoreNotFinite:
    case Reason::kScoreError:
      return writer.OfScore();
    case Reason::kPriorityError:
      return writer.OfPriority();
    case Reason::kContentError:
      return writer.OfContent();
    default:
      return "";
  }
}

bool ExplainFormulaModel(const strategy::Strategy& strategy, const Decision& decision,
                         const arbitration::RankedTreatment& ranked, size_t max,
                         absl::FunctionRef<void(std::string_view)> visit) {
  const int model = strategy.catalog.treatments[static_cast<size_t>(ranked.treatment)].model;
  const int formula = strategy.models.models[static_cast<size_t>(model)].formula;
  if (formula < 0) return false;
  size_t told = 0;
  std::string reason;
  const int slot = decision.result.SlotOf(ranked);
  policy::ForEachSeen(strategy.engagement, decision.result.PolicyOf(slot).engagement,
                      strategy.engagement.formulas().all[static_cast<size_t>(formula)],
                      ranked.treatment, [&](const policy::RuleValue& seen) {
                        if (told++ >= max) return;
                        reason = absl::StrCat(ToAbsl(seen.name), " = ",
                                              seen.is_protected ? "(protected)" : ToAbsl(seen.text),
                                              seen.is_default ? " (default)" : "");
                        visit(reason);
                      });
  if (told == 0) visit("the formula of its model looks at nothing");
  return true;
}

}  // namespace attune::decision
