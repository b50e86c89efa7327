#include "lib/learning/adaptive_snapshot.h"

namespace attune::learning {

uint32_t AdaptiveSnapshot::RowOf(uint32_t treatment, uint32_t group) const {
  const auto known = row_by_treatment_.find(treatment);
  if (known != row_by_treatment_.end()) return known->second;
  const auto of_group = row_by_group_.find(group);
  return of_group != row_by_group_.end() ? of_group->second : 0;
}

void AdaptiveSnapshot::Predict(const EncodedInputs& inputs, absl::Span<const uint32_t> rows,
                               absl::Span<Prediction> out) const {
  for (Prediction& prediction : out) prediction = Prediction();
  for (const EncodedInputs::Active& active : inputs.active) {
    const Cell* const cells = cells_.data() + active.weight * rows_;
    const double part = active.part;
    for (size_t i = 0; i < rows.size(); ++i) {
      const Cell cell = cells[rows[i]];
      out[i].mean += part * cell.mean;
      out[i].variance += part * part * cell.variance;
    }
  }
  for (Prediction& prediction : out) {
    prediction = Moderated(prediction.mean, prediction.variance);
  }
}

}  // namespace attune::learning
