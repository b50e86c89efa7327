#ifndef ATTUNE_LIB_SCORING_PLUGIN_MODEL_H_
#define ATTUNE_LIB_SCORING_PLUGIN_MODEL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/scoring/feature_columns.h"
#include "lib/scoring/model.h"
#include "lib/scoring/model_factory.h"
#include "lib/scoring/plugin/plugin_library.h"

namespace attune::scoring {

// A model of a shared library (plugin/attune_model.h), with the inputs that its columns are.
// Immutable, thread-safe.
class PluginModel : public Model {
 public:
  // The model that `plugin` names, `name` in the strategy; paths of issues begin with "plugin".
  // Every problem is reported; nullptr when there was one. The model adds its inputs to `inputs`.
  // Without a library, which was reported, only the rest is checked.
  static std::unique_ptr<const Model> Create(std::string name,
                                             std::shared_ptr<const PluginLibrary> library,
                                             const attune::strategy::v1::Plugin& plugin,
                                             const InputNames& names, InputTable& inputs,
                                             const ReportIssue& report);

  // One row for each treatment, or one for all where no input tells treatments apart.
  ModelFailure PredictBatch(const Batch& batch, const Predictions& predictions,
                            ModelScratch& scratch) const override;
  // NaN where the plugin fails.
  void Predict(const InputFrame& frame, absl::Span<const int> treatments,
               absl::Span<double> propensity, ModelScratch& scratch) const override;
  // Nothing: the library does not tell.
  std::vector<Contribution> Explain(const InputFrame& frame, int treatment) const override;
  bool LooksAtTreatment() const override { return columns_.of_treatment(); }
  std::string Noun() const override;

 private:
  PluginModel(std::string name, FeatureColumns columns,
              std::unique_ptr<const PluginInstance> instance)
      : name_(std::move(name)), columns_(std::move(columns)), instance_(std::move(instance)) {}

  const std::string name_;
  const FeatureColumns columns_;
  const std::unique_ptr<const PluginInstance> instance_;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_PLUGIN_MODEL_H_
