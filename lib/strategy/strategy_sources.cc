#include "lib/strategy/strategy_sources.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "attune/strategy/v1/model.pb.h"
#include "google/protobuf/descriptor.h"
#include "lib/base/hash.h"
#include "lib/strategy/model_file.h"
#include "lib/strategy/source_file.h"
#include "lib/strategy/yaml_document.h"
#include "lib/strategy/yaml_reader.h"
#include "lib/trees/model_reader.h"

namespace attune::strategy {
namespace {

constexpr int kFullHashDigits = 64;

}  // namespace

size_t MaxModelFileBytes(std::string_view file) {
  return IsYamlModel(file) ? kMaxStrategyFileBytes : trees::kMaxModelBytes;
}

absl::StatusOr<std::shared_ptr<const ModelContent>> ReadContent(std::string file,
                                                                std::string_view bytes) {
  if (bytes.size() > MaxModelFileBytes(file)) {
    return absl::InvalidArgumentError(absl::StrCat("it has ", bytes.size(), " bytes; at most ",
                                                   MaxModelFileBytes(file), " are allowed"));
  }
  auto content = std::make_shared<ModelContent>();
  content->hash = ContentHash(bytes, kFullHashDigits);
  content->bytes = bytes.size();
  if (IsYamlModel(file)) {
    content->yaml = std::string(bytes);
  } else {
    absl::StatusOr<trees::TreeEnsemble> trees = trees::ReadModel(bytes);
    if (!trees.ok()) return trees.status();
    content->trees = std::make_shared<const trees::TreeEnsemble>(*std::move(trees));
  }
  content->file = std::move(file);
  return content;
}

std::string KindOf(const ModelContent& content, IssueList& issues) {
  if (content.trees != nullptr) return "trees";
  const size_t errors_before = issues.errors();
  const auto document = YamlDocument::Parse(content.file, content.yaml, issues);
  if (document == nullptr) return "";
  v1::Model model;
  ReadMessage(*document, model, issues);
  const google::protobuf::FieldDescriptor* kind = model.GetReflection()->GetOneofFieldDescriptor(
      model, model.GetDescriptor()->FindOneofByName("kind"));
  if (kind == nullptr && issues.errors() == errors_before) {
    document->Report("", "a model file needs a kind, for example linear", issues);
  }
  return issues.errors() > errors_before ? "" : std::string(kind->name());
}

StrategySources::StrategySources()
    : find_stored_([](const std::string&) -> absl::StatusOr<StoredModel> {
        return absl::FailedPreconditionError(
            "it is in the registry of a server, and none is asked here; attunectl strategy check "
            "takes a file for it with --stored NAME=FILE");
      }) {}

absl::StatusOr<std::string> StrategySources::ReadStrategy(const std::string& path) {
  const auto known = texts_.find(path);
  if (known != texts_.end()) return known->second;
  absl::StatusOr<std::string> text = ReadFile(path, kMaxStrategyFileBytes);
  if (text.ok()) texts_.emplace(path, *text);
  return text;
}

absl::StatusOr<std::shared_ptr<const ModelContent>> StrategySources::ReadModel(
    const std::string& path) {
  const auto known = models_.find(path);
  if (known != models_.end()) return known->second;
  const absl::StatusOr<std::string> bytes = ReadFile(path, MaxModelFileBytes(path));
  if (!bytes.ok()) return bytes.status();
  auto content = ReadContent(path, *bytes);
  if (content.ok()) models_.emplace(path, *content);
  return content;
}

absl::StatusOr<StrategySources::Plugin> StrategySources::LoadPlugin(const std::string& path) {
  const auto known = plugins_.find(path);
  if (known != plugins_.end()) return known->second;
  const absl::StatusOr<std::string> bytes = ReadFile(path, kMaxPluginBytes);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<std::shared_ptr<const scoring::PluginLibrary>> library =
      scoring::PluginLibrary::Load(path);
  if (!library.ok()) return library.status();
  Plugin plugin{ContentHash(*bytes, kFullHashDigits), *std::move(library)};
  plugins_.emplace(path, plugin);
  return plugin;
}

}  // namespace attune::strategy
