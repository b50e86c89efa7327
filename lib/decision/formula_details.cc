#include "lib/decision/formula_details.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/decision/formula_values.h"
#include "lib/decision/number_text.h"
#include "lib/policy/formula_explanation.h"

namespace attune::decision {
namespace {

using candidates::Reason;

// The expression as written; empty when it looks at something protected.
std::string ShownExpression(const policy::EngagementRules& rules, const policy::Formula& formula) {
  return formula.hides ? "" : std::string(rules.rule_set()->text(formula.id));
}

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
  std::string OfWorth() const;

 private:
  // Whether it is this formula, of a value or a cost, that can't be used; -1: there is none.
  bool FailsAsMoney(int formula) const {
    return formula >= 0 &&
           !MoneyOf(state_.Evaluate(formulas_.all[static_cast<size_t>(formula)], treatment_));
  }
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
  const arbitration::Worth worth = decision_.result.arbitration.WorthOf(
      treatment(), static_cast<size_t>(found - scored.begin()));
  // From here on the formula is evaluated with these.
  state_.EvaluatorFor(
      treatment_, TermValuesOf({.propensity = found->propensity,
                                .context_weight = decision_.result.arbitration.group_weight[weight],
                                .value = worth.value,
                                .lever = treatment().lever,
                                .cost = worth.cost}));
  return WhatHappened("the formula of the priority ", formulas_.priority);
}

std::string DetailWriter::OfWorth() const {
  const policy::ComputedWorth computed = formulas_.WorthOf(treatment_);
  const bool is_value = FailsAsMoney(computed.value);
  const int formula = is_value ? computed.value : computed.cost;
  if (!is_value && !FailsAsMoney(formula)) return "";
  const std::string expression =
      ShownExpression(strategy_.engagement, formulas_.all[static_cast<size_t>(formula)]);
  const std::string what = absl::StrCat("the ", is_value ? "value " : "cost ",
                                        expression.empty() ? "" : Quoted(expression) + " ");
  return absl::StrCat(WhatHappened(what, formula), "; it must be 0 to ",
                      FourDigits(catalog::kMaxMoney));
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

// What a formula of a ranked treatment looked at: "customer.lines = 2 (default)".
std::string SeenText(const policy::RuleValue& seen) {
  return absl::StrCat(ToAbsl(seen.name), " = ",
                      seen.is_protected ? "(protected)" : ToAbsl(seen.text),
                      seen.is_default ? " (default)" : "");
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
    case Reason::kValueError:
      return writer.OfWorth();
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
  const int slot = decision.result.SlotOf(ranked);
  policy::ForEachSeen(strategy.engagement, decision.result.PolicyOf(slot).engagement,
                      strategy.engagement.formulas().all[static_cast<size_t>(formula)],
                      ranked.treatment, [&](const policy::RuleValue& seen) {
                        if (told++ < max) visit(SeenText(seen));
                      });
  if (told == 0) visit("the formula of its model looks at nothing");
  return true;
}

void ExplainWorth(const strategy::Strategy& strategy, const Decision& decision,
                  const arbitration::RankedTreatment& ranked,
                  absl::FunctionRef<void(std::string_view)> visit) {
  const policy::EngagementRules& rules = strategy.engagement;
  const policy::ComputedWorth computed = rules.formulas().WorthOf(ranked.treatment);
  const arbitration::Worth worth = decision.result.arbitration.WorthOf(
      strategy.catalog.treatments[static_cast<size_t>(ranked.treatment)],
      static_cast<size_t>(ranked.scored));
  const policy::EngagementState& state =
      decision.result.PolicyOf(decision.result.SlotOf(ranked)).engagement;
  const auto explain = [&](const char* what, int index, double money) {
    if (index < 0) return;
    const policy::Formula& formula = rules.formulas().all[static_cast<size_t>(index)];
    const std::optional<double> came_to = MoneyOf(state.Evaluate(formula, ranked.treatment));
    const std::string expression = ShownExpression(rules, formula);
    std::string reason = absl::StrCat(what, FourDigits(money));
    if (came_to == money) {
      absl::StrAppend(&reason, expression.empty() ? " by a formula" : " is ", expression);
    } else {
      absl::StrAppend(&reason, ", for not all can be computed", expression.empty() ? "" : ": ",
                      expression);
    }
    const char* separator = "; ";
    policy::ForEachSeen(rules, state, formula, ranked.treatment,
                        [&](const policy::RuleValue& seen) {
                          absl::StrAppend(&reason, separator, SeenText(seen));
                          separator = ", ";
                        });
    Shorten(reason, kMaxWorthBytes);
    visit(reason);
  };
  explain("value ", computed.value, worth.value);
  explain("cost ", computed.cost, worth.cost);
}

}  // namespace attune::decision
