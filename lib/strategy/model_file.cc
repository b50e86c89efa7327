#include "lib/strategy/model_file.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "attune/strategy/v1/model.pb.h"
#include "lib/base/text.h"
#include "lib/scoring/model_factory.h"
#include "lib/strategy/yaml_document.h"
#include "lib/strategy/yaml_reader.h"

namespace attune::strategy {
namespace {

namespace fs = std::filesystem;

// Longest path of a model file, in bytes.
constexpr size_t kMaxPathBytes = 1024;

bool IsInside(const fs::path& folder, const fs::path& file) {
  return std::mismatch(folder.begin(), folder.end(), file.begin(), file.end()).first ==
         folder.end();
}

}  // namespace

absl::StatusOr<std::string> FindModelFile(const std::string& strategy_path,
                                          const std::string& file) {
  if (const auto problem = IdProblem(file, kMaxPathBytes)) {
    return absl::InvalidArgumentError(*problem);
  }
  const fs::path relative(file);
  if (relative.is_absolute() ||
      std::find(relative.begin(), relative.end(), "..") != relative.end()) {
    return absl::InvalidArgumentError(
        "must be a path inside of the strategy's folder, without .. or a leading /");
  }
  const fs::path folder = fs::path(strategy_path).parent_path();
  const fs::path path = folder / relative;
  std::error_code error;
  const fs::path real_folder = fs::canonical(folder.empty() ? "." : folder, error);
  const fs::path real_path = error ? fs::path() : fs::canonical(path, error);
  if (error) return absl::NotFoundError("does not exist");
  if (!IsInside(real_folder, real_path)) {
    return absl::InvalidArgumentError("is a link that leads out of the strategy's folder");
  }
  return path.string();
}

bool IsYamlModel(std::string_view file) {
  return file.ends_with(".yaml") || file.ends_with(".yml");
}

std::vector<std::string_view> SourcesOf(const v1::ModelReference& reference) {
  std::vector<std::string_view> sources;
  if (!reference.file().empty()) sources.emplace_back("file");
  if (!reference.stored().empty()) sources.emplace_back("stored");
  if (!reference.formula().empty()) sources.emplace_back("formula");
  if (reference.has_plugin()) sources.emplace_back("plugin");
  if (reference.has_remote()) sources.emplace_back("remote");
  if (reference.has_adaptive()) sources.emplace_back("adaptive");
  if (reference.has_success_rate()) sources.emplace_back("success_rate");
  return sources;
}

std::unique_ptr<const scoring::Model> ReadModel(const std::string& path, std::string text,
                                                const scoring::InputNames* names,
                                                scoring::InputTable& inputs, IssueList& issues) {
  const std::unique_ptr<YamlDocument> document = YamlDocument::Parse(path, std::move(text), issues);
  if (document == nullptr) return nullptr;
  v1::Model file;
  const size_t errors_before = issues.errors();
  ReadMessage(*document, file, issues);
  if (names == nullptr) return nullptr;
  const auto report = [&](std::string_view field, std::string message) {
    // What could not be read was reported; that it is missing is no news.
    if (document->HasFlawed(field)) return;
    document->Report(field, std::move(message), issues);
  };
  std::unique_ptr<const scoring::Model> model = scoring::CreateModel(file, *names, inputs, report);
  return issues.errors() == errors_before ? std::move(model) : nullptr;
}

}  // namespace attune::strategy
