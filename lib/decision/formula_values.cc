#include "lib/decision/formula_values.h"

#include <cmath>

#include "lib/decision/decision_pipeline.h"

namespace attune::decision {

bool ComputedContent::Add(const policy::ComputedField& field, std::string_view text) {
  if (bytes_.size() + text.size() > policy::kMaxComputedBytesInAll) return false;
  values_.push_back({&field, bytes_.size(), text.size()});
  bytes_ += text;
  return true;
}

void ComputedContent::Truncate(size_t size) {
  if (size >= values_.size()) return;
  bytes_.resize(values_[size].begin);
  values_.resize(size);
}

policy::PriorityTermValues TermValuesOf(const arbitration::Terms& terms) {
  // In the order of policy::kPriorityTerms.
  return {terms.propensity, terms.context_weight, terms.value, terms.lever, terms.cost};
}

std::optional<double> MoneyOf(const expression::Value& value) {
  const std::optional<double> money = policy::NumberOf(value);
  // NaN is not within either.
  const bool is_within = money && *money >= 0 && *money <= catalog::kMaxMoney;
  return is_within ? money : std::nullopt;
}

std::optional<double> ModelFormulas::Evaluate(int formula, int treatment) {
  return policy::NumberOf(state_.Evaluate(formulas_.all[static_cast<size_t>(formula)], treatment));
}

const policy::EngagementState& FormulaValues::StateOf(int slot) const {
  return result_.PolicyOf(slot).engagement;
}

absl::Span<const policy::ComputedField> FormulaValues::FieldsOf(int treatment, int slot) const {
  return formulas_.FieldsOf(treatment, asked_.ChannelOf(slot));
}

std::optional<double> FormulaValues::Evaluate(int treatment, int slot,
                                              const arbitration::Terms& terms) {
  const policy::Formula& formula = formulas_.all[static_cast<size_t>(formulas_.priority)];
  const std::optional<double> priority = policy::NumberOf(
      StateOf(slot).EvaluatorFor(treatment, TermValuesOf(terms)).Evaluate(formula.id));
  return priority && std::isfinite(*priority) ? priority : std::nullopt;
}

std::optional<double> FormulaValues::MoneyBy(int formula, int treatment, int slot) const {
  return MoneyOf(StateOf(slot).Evaluate(formulas_.all[static_cast<size_t>(formula)], treatment));
}

std::optional<arbitration::Worth> FormulaValues::WorthOf(int treatment, int slot) {
  const catalog::Treatment& written = catalog_.treatments[static_cast<size_t>(treatment)];
  const policy::ComputedWorth computed = formulas_.WorthOf(treatment);
  std::optional<double> value = written.value;
  std::optional<double> cost = written.cost;
  if (computed.value >= 0) value = MoneyBy(computed.value, treatment, slot);
  if (computed.cost >= 0) cost = MoneyBy(computed.cost, treatment, slot);
  if (!value || !cost) return std::nullopt;
  return arbitration::Worth{*value, *cost};
}

bool FormulaValues::ComputeText(const policy::ComputedField& field, int slot,
                                std::string& text) const {
  text.clear();
  const policy::Formula& formula = formulas_.all[static_cast<size_t>(field.formula)];
  return policy::AppendContent(StateOf(slot).Evaluate(formula, field.treatment), text) &&
         text.size() <= policy::kMaxComputedBytes;
}

bool FormulaValues::Compute(int treatment, int slot) {
  std::string& text = scratch();
  const size_t before = content_->size();
  for (const policy::ComputedField& field : FieldsOf(treatment, slot)) {
    if (ComputeText(field, slot, text) && content_->Add(field, text)) continue;
    // All or nothing: a treatment that is dropped leaves nothing behind.
    content_->Truncate(before);
    return false;
  }
  return true;
}

const policy::ComputedField* FormulaValues::FailingField(int treatment, int slot) {
  std::string& text = scratch();
  for (const policy::ComputedField& field : FieldsOf(treatment, slot)) {
    if (!ComputeText(field, slot, text)) return &field;
  }
  return nullptr;
}

}  // namespace attune::decision
