#ifndef ATTUNE_LIB_SCORING_COLUMN_MODEL_H_
#define ATTUNE_LIB_SCORING_COLUMN_MODEL_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/scoring/feature_columns.h"
#include "lib/scoring/model.h"

namespace attune::scoring {

// A model that nobody can look into and that is asked for rows of numbers: one for each treatment,
// or one for all where no input tells treatments apart; then its answer is that of all treatments.
// Immutable, thread-safe.
class ColumnModel : public Model {
 public:
  ModelFailure PredictBatch(const Batch& batch, const Predictions& predictions,
                            ModelScratch& scratch) const final;
  // As PredictBatch with no deadline; NaN where that fails.
  void Predict(const InputFrame& frame, absl::Span<const int> treatments,
               absl::Span<double> propensity, ModelScratch& scratch) const final;
  bool LooksAtTreatment() const final { return columns_.of_treatment(); }
  bool DependsOnChannel() const final { return columns_.of_channel(); }

 protected:
  // `name` is the strategy's.
  ColumnModel(std::string name, FeatureColumns columns)
      : name_(std::move(name)), columns_(std::move(columns)) {}

  // Asks for one prediction per row, of which there is at least one. `rows` has columns().size()
  // numbers per row. Until when the caller waits and what is said of a failure: as for
  // PredictBatch.
  virtual ModelFailure PredictRows(absl::Span<const double> rows, absl::Time deadline,
                                   const Predictions& predictions,
                                   std::string& failure_text) const = 0;

  const std::string& name() const { return name_; }
  const FeatureColumns& columns() const { return columns_; }

 private:
  const std::string name_;
  const FeatureColumns columns_;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_COLUMN_MODEL_H_
