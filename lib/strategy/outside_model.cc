#include "lib/strategy/outside_model.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "lib/base/hash.h"
#include "lib/base/text.h"
#include "lib/scoring/plugin_model.h"
#include "lib/scoring/remote_model.h"
#include "lib/strategy/model_file.h"

namespace attune::strategy {
namespace {

constexpr int kOutsideHashDigits = 64;
// What servers of models, as all of gRPC, take at most unless they are told otherwise, is 4 MiB; a
// part of it is for names.
constexpr size_t kMaxRequestBytes = (4 << 20) - 4096;

// Equal messages have equal hashes, whatever the order of their maps.
std::string HashOf(const google::protobuf::MessageLite& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return ContentHash(bytes, kOutsideHashDigits);
}

absl::StatusOr<StrategySources::Plugin> FindPlugin(const std::string& strategy_path,
                                                   const std::string& file,
                                                   StrategySources& sources) {
  const absl::StatusOr<std::string> path = FindModelFile(strategy_path, file);
  if (!path.ok()) return path.status();
  return sources.LoadPlugin(*path);
}

OutsideModel LoadPlugin(const std::string& strategy_path, const v1::ModelReference& reference,
                        StrategySources& sources, const scoring::InputNames* names,
                        scoring::InputTable& inputs, const scoring::ReportIssue& report) {
  OutsideModel result{"plugin", "", nullptr};
  const v1::Plugin& plugin = reference.plugin();
  if (plugin.file().empty()) {
    report("plugin.file", "is required: the shared library, relative to the strategy's folder");
    return result;
  }
  const auto found = FindPlugin(strategy_path, plugin.file(), sources);
  std::shared_ptr<const scoring::PluginLibrary> library;
  if (found.ok()) {
    // The same library is another model with another config.
    v1::Plugin settings = plugin;
    settings.clear_file();
    result.hash = ContentHash(found->hash + HashOf(settings), kOutsideHashDigits);
    library = found->library;
  } else {
    report("plugin.file",
           absl::StrCat("the plugin ", Quoted(plugin.file()), ": ", found.status().message()));
  }
  if (names == nullptr) return result;
  result.model =
      scoring::PluginModel::Create(reference.name(), std::move(library), sources.plugin_instances(),
                                   plugin, *names, inputs, report);
  return result;
}

// Why the largest request is too large; empty: it is not.
std::string SizeProblem(const scoring::FeatureColumns& columns, size_t treatments, bool is_double) {
  const size_t rows = columns.of_treatment() ? treatments : 1;
  const size_t bytes = rows * columns.size() * (is_double ? sizeof(double) : sizeof(float));
  if (bytes <= kMaxRequestBytes) return "";
  return absl::StrCat(columns.size(), " inputs for ", rows, " treatments are ", bytes,
                      " bytes in one request, and at most ", kMaxRequestBytes,
                      " are allowed; list fewer inputs", is_double ? ", take datatype FP32," : "",
                      " or divide the treatments among several models");
}

OutsideModel ConnectRemote(const v1::ModelReference& reference, StrategySources& sources,
                           const scoring::InputNames* names, size_t treatments,
                           scoring::InputTable& inputs, const scoring::ReportIssue& report,
                           const scoring::ReportIssue& warn) {
  const v1::Remote& remote = reference.remote();
  OutsideModel result{"remote", HashOf(remote), nullptr};
  bool failed = false;
  const scoring::ReportIssue note = [&](std::string_view path, std::string message) {
    failed = true;
    report(path, std::move(message));
  };
  const scoring::RemoteSettings settings = scoring::SettingsOf(remote, note);
  if (names == nullptr) return result;
  scoring::FeatureColumns columns = scoring::RemoteModel::ColumnsOf(remote, *names, inputs, note);
  std::string problem = SizeProblem(columns, treatments, settings.is_double);
  if (!problem.empty()) note("remote.inputs", std::move(problem));
  if (failed) return result;
  std::shared_ptr<scoring::RemoteScorer> scorer;
  if (scoring::RemoteConnector* connector = sources.connector()) {
    std::string warning;
    scorer = connector->Connect(reference.name(), settings, warning);
    if (!warning.empty()) warn("remote", std::move(warning));
  }
  result.model = std::make_unique<scoring::RemoteModel>(reference.name(), std::move(columns),
                                                        std::move(scorer));
  return result;
}

}  // namespace

OutsideModel LoadOutsideModel(const std::string& strategy_path, const v1::ModelReference& reference,
                              StrategySources& sources, const scoring::InputNames* names,
                              size_t treatments, scoring::InputTable& inputs,
                              const scoring::ReportIssue& report,
                              const scoring::ReportIssue& warn) {
  const std::string_view message =
      "is for models of trees; a plugin or remote model has inputs of "
      "its own";
  if (!reference.inputs().empty()) report("inputs", std::string(message));
  if (reference.has_output()) report("output", std::string(message));
  return reference.has_plugin()
             ? LoadPlugin(strategy_path, reference, sources, names, inputs, report)
             : ConnectRemote(reference, sources, names, treatments, inputs, report, warn);
}

}  // namespace attune::strategy
