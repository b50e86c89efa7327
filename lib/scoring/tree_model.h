#ifndef ATTUNE_LIB_SCORING_TREE_MODEL_H_
#define ATTUNE_LIB_SCORING_TREE_MODEL_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/scoring/feature_columns.h"
#include "lib/scoring/model.h"
#include "lib/scoring/model_factory.h"
#include "lib/trees/tree_ensemble.h"

namespace attune::scoring {

// A model of trees, with the inputs that its features are. What it predicts (of several classes,
// the one that was chosen) is the propensity. Immutable, thread-safe.
class TreeModel : public Model {
 public:
  // The model that `reference` names; paths of issues are those of ModelReference's fields. Every
  // problem is reported, of many features the first; nullptr when there was one. The model adds its
  // inputs to `inputs`.
  static std::unique_ptr<const Model> Create(trees::TreeEnsemble ensemble,
                                             const attune::strategy::v1::ModelReference& reference,
                                             const InputNames& names, InputTable& inputs,
                                             const ReportIssue& report);

  // The same with trees that others share.
  static std::unique_ptr<const Model> Create(std::shared_ptr<const trees::TreeEnsemble> ensemble,
                                             const attune::strategy::v1::ModelReference& reference,
                                             const InputNames& names, InputTable& inputs,
                                             const ReportIssue& report);

  // One row for all treatments, unless the model looks at the treatment.
  void Predict(const InputFrame& frame, absl::Span<const int> treatments,
               absl::Span<double> propensity, ModelScratch& scratch) const override;
  bool LooksAtTreatment() const override { return columns_.of_treatment(); }
  // Each feature that a prediction may look at, by TreeEnsemble::Contributions.
  std::optional<ScoreParts> Parts(const InputFrame& frame, int treatment) const override;
  std::optional<std::vector<Input>> PartInputs() const override;

 private:
  class Builder;

  explicit TreeModel(std::shared_ptr<const trees::TreeEnsemble> ensemble)
      : shared_(std::move(ensemble)), ensemble_(*shared_) {}

  const std::shared_ptr<const trees::TreeEnsemble> shared_;
  const trees::TreeEnsemble& ensemble_;
  size_t output_ = 0;
  FeatureColumns columns_;  // by feature
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_TREE_MODEL_H_
