#include "lib/scoring/plugin_model.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "absl/strings/str_cat.h"
#include "lib/base/text.h"

namespace attune::scoring {
namespace {

constexpr size_t kMaxConfigBytes = 65'536;

}  // namespace

std::unique_ptr<const Model> PluginModel::Create(std::string name,
                                                 std::shared_ptr<const PluginLibrary> library,
                                                 const attune::strategy::v1::Plugin& plugin,
                                                 const InputNames& names, InputTable& inputs,
                                                 const ReportIssue& report) {
  FeatureColumns columns = ListedColumns("plugin.inputs", plugin.inputs(), names, inputs, report);
  if (plugin.config().size() > kMaxConfigBytes) {
    report("plugin.config", absl::StrCat("has ", plugin.config().size(), " bytes; at most ",
                                         kMaxConfigBytes, " are allowed"));
    return nullptr;
  }
  if (columns.size() == 0 || library == nullptr) return nullptr;
  std::vector<std::string> features;
  features.reserve(static_cast<size_t>(plugin.inputs_size()));
  for (const attune::strategy::v1::TreeInput& input : plugin.inputs()) {
    features.push_back(input.feature());
  }
  auto instance = PluginInstance::Create(std::move(library), plugin.config(), features);
  if (!instance.ok()) {
    report("plugin.file",
           absl::StrCat("the plugin ", Quoted(plugin.file()), ": ", instance.status().message()));
    return nullptr;
  }
  return std::unique_ptr<const Model>(
      new PluginModel(std::move(name), std::move(columns), *std::move(instance)));
}

ModelFailure PluginModel::PredictBatch(const Batch& batch, const Predictions& predictions,
                                       ModelScratch& scratch) const {
  if (batch.treatments.empty()) return ModelFailure::kNone;
  const size_t rows = columns_.FillRows(batch.frame, batch.treatments, scratch.rows);
  // What the plugin leaves unwritten is no score.
  const auto unknown = static_cast<std::ptrdiff_t>(rows);
  std::fill_n(predictions.propensity.begin(), unknown, std::numeric_limits<double>::quiet_NaN());
  std::fill_n(predictions.deviation.begin(), unknown, kUnknownDeviation);
  if (!instance_->Predict(scratch.rows.data(), rows, columns_.size(), predictions.propensity.data(),
                          predictions.deviation.data(), scratch.failure_text)) {
    return ModelFailure::kPlugin;
  }
  if (rows == 1) {
    std::fill(predictions.propensity.begin(), predictions.propensity.end(),
              predictions.propensity[0]);
    std::fill(predictions.deviation.begin(), predictions.deviation.end(), predictions.deviation[0]);
  }
  return ModelFailure::kNone;
}

void PluginModel::Predict(const InputFrame& frame, absl::Span<const int> treatments,
                          absl::Span<double> propensity, ModelScratch& scratch) const {
  scratch.deviations.assign(treatments.size(), kUnknownDeviation);
  const ModelFailure failure =
      PredictBatch({frame, treatments}, {propensity, absl::MakeSpan(scratch.deviations)}, scratch);
  if (failure == ModelFailure::kNone) return;
  std::fill(propensity.begin(), propensity.end(), std::numeric_limits<double>::quiet_NaN());
}

std::vector<Contribution> PluginModel::Explain(const InputFrame&, int) const { return {}; }

std::string PluginModel::Noun() const { return absl::StrCat("plugin ", name_); }

}  // namespace attune::scoring
