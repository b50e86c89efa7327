#ifndef ATTUNE_LIB_SCORING_SUCCESS_RATE_MODEL_H_
#define ATTUNE_LIB_SCORING_SUCCESS_RATE_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/learning/success_rates.h"
#include "lib/scoring/model.h"
#include "lib/scoring/model_factory.h"

namespace attune::scoring {

// The simplest model that learns: the rate at which showing the treatment on the channel of the
// decision was good (learning::EstimateRate), the same for all customers. It has no state of its
// own: the rates are those that are counted for the strategy anyway, InputFrame::learned has them.
// Immutable, thread-safe.
class SuccessRateModel : public Model {
 public:
  // Every problem is reported, with paths that begin at the reference ("success_rate.prior");
  // nullptr when there was one. The model adds the channel to `inputs`.
  static std::unique_ptr<const SuccessRateModel> Create(
      const attune::strategy::v1::ModelReference& reference, const InputNames& names,
      InputTable& inputs, const ReportIssue& report);

  // With the deviations. What nothing was learned of has the prior. Does not fail.
  ModelFailure PredictBatch(const Batch& batch, const Predictions& predictions,
                            ModelScratch& scratch) const override;
  void Predict(const InputFrame& frame, absl::Span<const int> treatments,
               absl::Span<double> propensity, ModelScratch& scratch) const override;
  std::string Noun() const override;
  bool LooksAtTreatment() const override { return true; }
  bool Learns() const override { return true; }

 private:
  SuccessRateModel() = default;

  learning::RateEstimate EstimateOf(const InputFrame& frame, int treatment) const;

  std::string name_;
  double prior_ = 0;     // above 0 and below 1
  double strength_ = 0;  // above 0
  size_t channel_ = 0;   // index into InputFrame::category
  // Numbers of the NameDictionary: by the category of the channel, 0 being none; by index of the
  // treatment.
  std::vector<uint32_t> channels_;
  std::vector<uint32_t> treatments_;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_SUCCESS_RATE_MODEL_H_
