#ifndef ATTUNE_LIB_SCORING_LINEAR_MODEL_H_
#define ATTUNE_LIB_SCORING_LINEAR_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
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
               absl::Span<double> propensity, ModelScratch& scratch) const override;
  double PredictValue(const InputFrame& frame, ModelScratch& scratch) const override;
  bool LooksAtTreatment() const override { return !of_treatment_.empty(); }
  // The intercept and each term, also of several on one input.
  std::optional<ScoreParts> Parts(const InputFrame& frame, int treatment) const override;
  std::optional<std::vector<Input>> PartInputs() const override;

 private:
  class Builder;

  struct NumericTerm {
    double factor = 0;  // weight / scale
    double mean = 0;
    int index = 0;  // into InputFrame::numeric
    Input input;
    double Of(double x) const { return factor * (x - mean); }
  };
  // A bucketised or one-hot term: its weights lie in weights_ from `offset` on.
  struct CategoryTerm {
    int index = 0;  // into InputFrame::bucket, ::category or, for a list, ::categories
    uint32_t offset = 0;
    uint32_t size = 0;
    Input input;
  };
  struct TreatmentTerm {
    Input input;
    std::vector<double> weights;  // by index of the treatment
  };

  // The first weight of a one-hot term is for every category that is not listed. Other models may
  // have numbered further categories since: they are not listed here.
  double WeightOf(const CategoryTerm& term, int32_t category) const {
    const auto i = static_cast<uint32_t>(category);
    return weights_[term.offset + (i < term.size ? i : 0)];
  }
  CategoryTerm AddWeights(const Input& input, int index, absl::Span<const double> weights);
  double ElementSum(const CategoryTerm& term, const InputFrame& frame) const;
  double SharedSum(const InputFrame& frame) const;

  attune::strategy::v1::Link link_ = attune::strategy::v1::LINK_LOGISTIC;
  double intercept_ = 0;
  std::vector<NumericTerm> numeric_;
  std::vector<CategoryTerm> buckets_;
  std::vector<CategoryTerm> one_hot_;
  std::vector<CategoryTerm> multi_hot_;
  std::vector<double>
      weights_;  // of all of these, one after the other: one piece of memory to read
  std::vector<TreatmentTerm> of_treatment_;
  std::vector<double> treatment_offset_;  // the sum of of_treatment_, by index of the treatment
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_LINEAR_MODEL_H_
