#include "lib/scoring/plugin_model.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/text.h"

namespace attune::scoring {
namespace {

constexpr size_t kMaxConfigBytes = 65'536;

}  // namespace

std::unique_ptr<const Model> PluginModel::Create(std::string name,
                                                 std::shared_ptr<const PluginLibrary> library,
                                                 PluginInstances& instances,
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
  auto instance = instances.Get(std::move(library), plugin.config(), features);
  if (!instance.ok()) {
    report("plugin.file",
           absl::StrCat("the plugin ", Quoted(plugin.file()), ": ", instance.status().message()));
    return nullptr;
  }
  return std::unique_ptr<const Model>(
      new PluginModel(std::move(name), std::move(columns), *std::move(instance)));
}

ModelFailure PluginModel::PredictRows(absl::Span<const double> rows, absl::Time /*deadline*/,
                                      const Predictions& predictions,
                                      std::string& failure_text) const {
  // What the plugin leaves unwritten is no score.
  std::fill(predictions.propensity.begin(), predictions.propensity.end(),
            std::numeric_limits<double>::quiet_NaN());
  std::fill(predictions.deviation.begin(), predictions.deviation.end(), kUnknownDeviation);
  return instance_->Predict(rows.data(), predictions.propensity.size(), columns().size(),
                            predictions.propensity.data(), predictions.deviation.data(),
                            failure_text)
             ? ModelFailure::kNone
             : ModelFailure::kPlugin;
}

std::string PluginModel::Noun() const { return absl::StrCat("plugin ", name()); }

}  // namespace attune::scoring
