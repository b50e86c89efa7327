#ifndef ATTUNE_LIB_DECISION_FORMULA_VALUES_H_
#define ATTUNE_LIB_DECISION_FORMULA_VALUES_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "lib/arbitration/arbitration.h"
#include "lib/context/decision_context.h"
#include "lib/policy/engagement_state.h"
#include "lib/policy/formulas.h"
#include "lib/scoring/formula_model.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

struct PipelineResult;

// What the ranked treatments of one decision show as far as it was computed: at most
// policy::kMaxComputedBytesInAll. Reused from decision to decision. Not thread-safe.
class ComputedContent {
 public:
  void Clear() {
    values_.clear();
    bytes_.clear();
  }
  // False when there is no room for it. REQUIRES: the field outlives the use of this object.
  bool Add(const policy::ComputedField& field, std::string_view text);
  // How many fields there are; takes those behind the first `size` away again.
  size_t size() const { return values_.size(); }
  void Truncate(size_t size);
  // For whoever computes texts: kept for its capacity.
  std::string& scratch() { return scratch_; }

  // Calls `visit(std::string_view name, std::string_view text)` for every field of the treatment,
  // by name.
  template <typename Visitor>
  void ForEachField(int treatment, Visitor visit) const {
    for (const Entry& value : values_) {
      if (value.field->treatment != treatment) continue;
      visit(std::string_view(value.field->name),
            std::string_view(bytes_).substr(value.begin, value.size));
    }
  }

 private:
  struct Entry {
    const policy::ComputedField* field = nullptr;
    size_t begin = 0;  // in `bytes_`
    size_t size = 0;
  };
  std::vector<Entry> values_;
  std::string bytes_;
  std::string scratch_;
};

// The formulas that are models of a strategy, evaluated on the values that the rules saw on one
// channel. Cheap to make. Not thread-safe.
class ModelFormulas final : public scoring::FormulaSource {
 public:
  // REQUIRES: when the strategy has formulas, `state` is that of the channel in the decision; both
  // outlive this object.
  ModelFormulas(const strategy::Strategy& strategy, const policy::EngagementState& state)
      : formulas_(strategy.engagement.formulas()), state_(state) {}

  std::optional<double> Evaluate(int formula, int treatment) override;

 private:
  const policy::Formulas& formulas_;
  const policy::EngagementState& state_;
};

// The other formulas of a strategy in one decision, as arbitration asks for them: evaluated on the
// values that the rules saw on the channel of the slot. Cheap to make. Not thread-safe.
class FormulaValues final : public arbitration::PriorityFormula,
                            public arbitration::ContentSource,
                            public arbitration::WorthSource {
 public:
  // `asked` is the context of the decision. `content`: where Compute keeps what it computed.
  // REQUIRES: when the strategy has formulas, the policies of `result` have been applied by the
  // time that one is evaluated; all outlive this object.
  FormulaValues(const strategy::Strategy& strategy, const context::DecisionContext& asked,
                const PipelineResult& result, ComputedContent* content)
      : catalog_(strategy.catalog),
        formulas_(strategy.engagement.formulas()),
        asked_(asked),
        result_(result),
        content_(content) {}

  // What arbitration is to ask this object for: what the strategy has no formula for is nullptr.
  arbitration::Computed computed() {
    return {.priority = formulas_.priority < 0 ? nullptr : this,
            .content = formulas_.fields.empty() ? nullptr : this,
            .worth = formulas_.worth.empty() ? nullptr : this};
  }

  // Of the priority.
  std::optional<double> Evaluate(int treatment, int slot, const arbitration::Terms& terms) override;
  // Of value and cost.
  std::optional<arbitration::Worth> WorthOf(int treatment, int slot) override;
  // Of content.
  bool CanCompute(int treatment, int slot) override {
    return FailingField(treatment, slot) == nullptr;
  }
  bool Compute(int treatment, int slot) override;

  // The first field of the treatment that can't be computed; nullptr: all can.
  const policy::ComputedField* FailingField(int treatment, int slot);

 private:
  const policy::EngagementState& StateOf(int slot) const;
  // What the formula with this index comes to as a value or a cost; nullopt: it can't be used.
  std::optional<double> MoneyBy(int formula, int treatment, int slot) const;
  // The fields that are computed for the treatment on the channel of the slot.
  absl::Span<const policy::ComputedField> FieldsOf(int treatment, int slot) const;
  // Computes the text of the field; false: it can't be.
  bool ComputeText(const policy::ComputedField& field, int slot, std::string& text) const;
  // Where texts are computed; where there is content, in memory that is kept.
  std::string& scratch() { return content_ == nullptr ? text_ : content_->scratch(); }

  const catalog::Catalog& catalog_;
  const policy::Formulas& formulas_;
  const context::DecisionContext& asked_;
  const PipelineResult& result_;
  ComputedContent* const content_;
  std::string text_;
};

// The value or the cost that a formula came to; nullopt: it is none, or not 0 … catalog::kMaxMoney.
std::optional<double> MoneyOf(const expression::Value& value);

// What the formula of the priority sees.
policy::PriorityTermValues TermValuesOf(const arbitration::Terms& terms);

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_FORMULA_VALUES_H_
