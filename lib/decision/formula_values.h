#ifndef ATTUNE_LIB_DECISION_FORMULA_VALUES_H_
#define ATTUNE_LIB_DECISION_FORMULA_VALUES_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/arbitration/arbitration.h"
#include "lib/policy/engagement_state.h"
#include "lib/policy/formulas.h"
#include "lib/scoring/formula_model.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

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
};

// The formulas of a strategy in one decision, as the stages behind the policies ask for them:
// evaluated on the values that the rules saw. Cheap to make. Not thread-safe.
class FormulaValues final : public scoring::FormulaSource,
                            public arbitration::PriorityFormula,
                            public arbitration::ContentSource {
 public:
  // REQUIRES: `state` is that of the decision, for whose channel this is, when the strategy has
  // formulas; all outlive this object. `content`: where Compute keeps what it computed.
  FormulaValues(const strategy::Strategy& strategy, const policy::EngagementState& state,
                int channel, ComputedContent* content)
      : formulas_(strategy.engagement.formulas()),
        state_(state),
        channel_(channel),
        content_(content) {}

  // What arbitration is to ask this object for: what the strategy has no formula for is nullptr.
  arbitration::Computed computed() {
    return {.priority = formulas_.priority < 0 ? nullptr : this,
            .content = formulas_.fields.empty() ? nullptr : this};
  }

  // Of models.
  std::optional<double> Evaluate(int formula, int treatment) override;
  // Of the priority.
  std::optional<double> Evaluate(int treatment, const arbitration::Terms& terms) override;
  // Of content.
  bool CanCompute(int treatment) override { return FailingField(treatment) == nullptr; }
  bool Compute(int treatment) override;

  // The first field of the treatment that can't be computed; nullptr: all can.
  const policy::ComputedField* FailingField(int treatment);

 private:
  // The text of the field, in `text_`; false: it can't be computed.
  bool ComputeText(const policy::ComputedField& field);

  const policy::Formulas& formulas_;
  const policy::EngagementState& state_;
  const int channel_;
  ComputedContent* const content_;
  std::string text_;
};

// What the formula of the priority sees.
policy::PriorityTermValues TermValuesOf(const arbitration::Terms& terms);

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_FORMULA_VALUES_H_
