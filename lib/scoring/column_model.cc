#include "lib/scoring/column_model.h"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace attune::scoring {

ModelFailure ColumnModel::PredictBatch(const Batch& batch, const Predictions& predictions,
                                       ModelScratch& scratch) const {
  if (batch.treatments.empty()) return ModelFailure::kNone;
  const size_t rows = columns_.FillRows(batch.frame, batch.treatments, scratch.rows);
  const ModelFailure failure =
      PredictRows(scratch.rows, batch.deadline,
                  {predictions.propensity.subspan(0, rows), predictions.deviation.subspan(0, rows)},
                  scratch.failure_text);
  if (failure == ModelFailure::kNone && rows == 1) {
    std::fill(predictions.propensity.begin(), predictions.propensity.end(),
              predictions.propensity[0]);
    std::fill(predictions.deviation.begin(), predictions.deviation.end(), predictions.deviation[0]);
  }
  return failure;
}

void ColumnModel::Predict(const InputFrame& frame, absl::Span<const int> treatments,
                          absl::Span<double> propensity, ModelScratch& scratch) const {
  scratch.deviations.assign(treatments.size(), kUnknownDeviation);
  const ModelFailure failure =
      PredictBatch({frame, treatments}, {propensity, absl::MakeSpan(scratch.deviations)}, scratch);
  if (failure == ModelFailure::kNone) return;
  std::fill(propensity.begin(), propensity.end(), std::numeric_limits<double>::quiet_NaN());
}

}  // namespace attune::scoring
