#ifndef ATTUNE_LIB_SCORING_PLUGIN_MODEL_H_
#define ATTUNE_LIB_SCORING_PLUGIN_MODEL_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/scoring/column_model.h"
#include "lib/scoring/feature_columns.h"
#include "lib/scoring/model.h"
#include "lib/scoring/model_factory.h"
#include "lib/scoring/plugin/plugin_library.h"

namespace attune::scoring {

// A model of a shared library (plugin/attune_model.h), with the inputs that its columns are.
// Immutable, thread-safe.
class PluginModel : public ColumnModel {
 public:
  // The model that `plugin` names, `name` in the strategy; paths of issues begin with "plugin".
  // Every problem is reported; nullptr when there was one. The model adds its inputs to `inputs`.
  // Without a library, which was reported, only the rest is checked. What is the same as another
  // of `instances` is shared with it.
  static std::unique_ptr<const Model> Create(std::string name,
                                             std::shared_ptr<const PluginLibrary> library,
                                             PluginInstances& instances,
                                             const attune::strategy::v1::Plugin& plugin,
                                             const InputNames& names, InputTable& inputs,
                                             const ReportIssue& report);

  std::string Noun() const override;

 protected:
  ModelFailure PredictRows(absl::Span<const double> rows, absl::Time deadline,
                           const Predictions& predictions,
                           std::string& failure_text) const override;

 private:
  PluginModel(std::string name, FeatureColumns columns,
              std::shared_ptr<const PluginInstance> instance)
      : ColumnModel(std::move(name), std::move(columns)), instance_(std::move(instance)) {}

  const std::shared_ptr<const PluginInstance> instance_;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_PLUGIN_MODEL_H_
