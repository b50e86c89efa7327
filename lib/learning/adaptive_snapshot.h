#ifndef ATTUNE_LIB_LEARNING_ADAPTIVE_SNAPSHOT_H_
#define ATTUNE_LIB_LEARNING_ADAPTIVE_SNAPSHOT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "lib/learning/input_layout.h"
#include "lib/learning/logistic.h"

namespace attune::learning {

// A prediction taken apart: the logit of its propensity, which is the mean of the log-odds times
// one factor (see Moderated), is the sum of these parts but for rounding. Memory that is reused.
struct PredictionParts {
  double score = 0;      // that logit; the propensity is nearer to 0.5 where Moderated cuts it
  double intercept = 0;  // what the treatment has in any situation
  // What each input and each cross adds, by its index in the layout.
  std::vector<double> inputs;
  std::vector<double> crosses;
};

// What an adaptive model knew at one moment. Immutable, thread-safe.
//
// Every treatment has a row, every group has one for treatments that nothing is known of, and there
// is one for those of unknown groups. The effects are added up already, and the rows of one weight
// stand side by side: a prediction for many treatments reads memory in order.
class AdaptiveSnapshot {
 public:
  // The row of a treatment; of an unknown one that of the group, or the one of all. The group of a
  // known one is that of its latest example, whatever is given here.
  uint32_t RowOf(uint32_t treatment, uint32_t group) const;

  // As InputEncoder::Encode.
  void Encode(absl::Span<const InputValue> values, EncodedInputs& out) const {
    encoder_->Encode(values, out);
  }

  // What the model says of the treatments of these rows in one situation, in single precision.
  // Allocates nothing. REQUIRES: the inputs were encoded by this snapshot, the rows are of it, and
  // out is as long as rows.
  void Predict(const EncodedInputs& inputs, absl::Span<const uint32_t> rows,
               absl::Span<Prediction> out) const;

  // The prediction for the treatment of this row taken apart. REQUIRES: as Predict.
  void Explain(const EncodedInputs& inputs, uint32_t row, PredictionParts& parts) const;

  size_t rows() const { return rows_; }
  // How many examples the model had learned.
  uint64_t examples() const { return examples_; }

 private:
  friend class AdaptiveModel;

  // Of the sum of the effects of one weight.
  struct Cell {
    float mean = 0;
    float variance = 0;
  };

  AdaptiveSnapshot() = default;

  std::shared_ptr<const InputEncoder> encoder_;
  uint64_t examples_ = 0;
  size_t rows_ = 0;
  absl::flat_hash_map<uint32_t, uint32_t> row_by_group_;
  absl::flat_hash_map<uint32_t, uint32_t> row_by_treatment_;
  std::vector<Cell> cells_;  // of row r and weight w at w * rows_ + r
};

}  // namespace attune::learning

#endif  // ATTUNE_LIB_LEARNING_ADAPTIVE_SNAPSHOT_H_
