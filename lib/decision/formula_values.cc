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
