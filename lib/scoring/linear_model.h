#ifndef ATTUNE_LIB_SCORING_LINEAR_MODEL_H_
#define ATTUNE_LIB_SCORING_LINEAR_MODEL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "attune/strategy/v1/model.pb.h"
#include "lib/scoring/model.h"
#include "lib/scoring/model_factory.h"

namespace attune::scoring {

// A linear or logistic model: intercept plus terms, then the link function (model.proto). Terms on
// the customer and the context are the same for every treatment and are summed once per decision;
// terms on the treatment are folded into one offset per treatment when the model is created.
// Immutable, thread-safe.
class LinearModel : public Model {
 public:
  // As CreateModel.
  static std::unique_ptr<const Model> Create(const attune::strategy::v1::LinearModel& file,
                                             const InputNames& names, InputTable& inputs,
                                             const ReportIssue& report);

  void Predict(const InputFrame& frame, absl::Span<const int> treatments,
               absl::Span<double> propensity) const override;
  std::vector<Contribution> Explain(const InputFrame& frame, int treatment) const override;

 private:
  class Builder;

  struct NumericTerm {
    Input input;
    int index = 0;  // into InputFrame::numeric
    double weight = 0;
    double mean = 0;
    double scale = 1;
    double Of(double x) const { return weight * ((x - mean) / scale); }
  };
  struct BucketTerm {
    Input input;
    int index = 0;  // into InputFrame::numeric
    std::vector<double> bounds;
    std::vector<double> weights;  // one more than bounds
    double Of(double x) const;
  };
  struct OneHotTerm {
    Input input;
    int index = 0;                // into InputFrame::category or, for a list, ::categories
    std::vector<double> weights;  // by category; [0]: every category that is not listed
    // Other models may have numbered further categories since: they are not listed here.
    double Of(int32_t category) const {
      const auto i = static_cast<size_t>(category);
      return i < weights.size() ? weights[i] : weights[0];
    }
  };
  struct TreatmentTerm {
    Input input;
    std::vector<double> weights;  // by index of the treatment
  };

  double SharedSum(const InputFrame& frame) const;

  attune::strategy::v1::Link link_ = attune::strategy::v1::LINK_LOGISTIC;
  double intercept_ = 0;
  std::vector<NumericTerm> numeric_;
  std::vector<BucketTerm> buckets_;
  std::vector<OneHotTerm> one_hot_;
  std::vector<OneHotTerm> multi_hot_;
  std::vector<TreatmentTerm> of_treatment_;
  std::vector<double> treatment_offset_;  // the sum of of_treatment_, by index of the treatment
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_LINEAR_MODEL_H_
