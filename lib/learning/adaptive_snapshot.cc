#include "lib/learning/adaptive_snapshot.h"

#include <algorithm>

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

void AdaptiveSnapshot::Explain(const EncodedInputs& inputs, uint32_t row,
                               PredictionParts& parts) const {
  const InputLayout& layout = encoder_->layout();
  parts.intercept = 0;
  parts.inputs.assign(layout.inputs().size(), 0);
  parts.crosses.assign(layout.crosses().size(), 0);
  double mean = 0;
  double variance = 0;
  // Weights lie in the order of the layout: the last range that begins at or before one has it.
  const auto range_of = [](const auto& ranges, uint32_t weight) {
    const auto behind =
        std::upper_bound(ranges.begin(), ranges.end(), weight,
                         [](uint32_t w, const auto& range) { return w < range.first; });
    return static_cast<size_t>(behind - ranges.begin()) - 1;
  };
  const auto amount_of = [&](uint32_t weight) -> double& {
    if (weight == InputLayout::kIntercept) return parts.intercept;
    if (!layout.crosses().empty() && weight >= layout.crosses().front().first) {
      return parts.crosses[range_of(layout.crosses(), weight)];
    }
    return parts.inputs[range_of(layout.inputs(), weight)];
  };
  for (const EncodedInputs::Active& active : inputs.active) {
    const Cell& cell = cells_[active.weight * rows_ + row];
    amount_of(active.weight) += active.part * cell.mean;
    mean += active.part * cell.mean;
    variance += active.part * active.part * cell.variance;
  }
  const double factor = ModerationFactor(variance);
  parts.score = mean * factor;
  parts.intercept *= factor;
  for (double& amount : parts.inputs) amount *= factor;
  for (double& amount : parts.crosses) amount *= factor;
}

}  // namespace attune::learning
