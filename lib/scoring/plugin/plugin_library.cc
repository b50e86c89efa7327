#include "lib/scoring/plugin/plugin_library.h"

#include <dlfcn.h>

#include <array>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/base/text.h"

namespace attune::scoring {
namespace {

// Room for what a library says about an error.
constexpr size_t kErrorBytes = 256;
using ErrorBuffer = std::array<char, kErrorBytes>;

// What a library wrote, whatever it wrote; in quotes, and printable.
std::string TextOf(ErrorBuffer& buffer) {
  buffer.back() = '\0';
  return Quoted(buffer.data(), kErrorBytes);
}

// dlopen says "path: what is wrong"; the path is known.
std::string LoadError(const std::string& path) {
  const char* text = dlerror();
  std::string_view message = text == nullptr ? "no reason is given" : text;
  const std::string prefix = path + ": ";
  if (message.starts_with(prefix)) message.remove_prefix(prefix.size());
  return std::string(message);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PluginLibrary>> PluginLibrary::Load(const std::string& path) {
  // With a slash in it, or the system's folders would be searched.
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  // Everything is resolved now: a symbol that is missing must not end the server in a decision.
  // What the library defines stays its own.
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("it can't be loaded as a shared library: ", LoadError(file)));
  }
  std::shared_ptr<PluginLibrary> library(new PluginLibrary(handle));
  using Get = const attune_model_plugin* (*)();
  const auto get = reinterpret_cast<Get>(dlsym(handle, ATTUNE_MODEL_SYMBOL));
  if (get == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("it does not export the function ", ATTUNE_MODEL_SYMBOL,
                     ", so it is no plugin; see lib/scoring/plugin/attune_model.h"));
  }
  const attune_model_plugin* functions = get();
  if (functions == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(ATTUNE_MODEL_SYMBOL, " returns NULL"));
  }
  if (functions->abi_version != ATTUNE_MODEL_ABI_VERSION) {
    return absl::FailedPreconditionError(
        absl::StrCat("it is made for version ", functions->abi_version,
                     " of the interface of plugins, and this server has version ",
                     ATTUNE_MODEL_ABI_VERSION, "; compile it with this server's attune_model.h"));
  }
  if (functions->create == nullptr || functions->predict == nullptr ||
      functions->destroy == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("it leaves out the function ", functions->create == nullptr    ? "create"
                                                    : functions->predict == nullptr ? "predict"
                                                                                    : "destroy"));
  }
  library->functions_ = functions;
  return library;
}

PluginLibrary::~PluginLibrary() { dlclose(handle_); }

absl::StatusOr<std::unique_ptr<const PluginInstance>> PluginInstance::Create(
    std::shared_ptr<const PluginLibrary> library, const std::string& config,
    const std::vector<std::string>& feature_names) {
  std::vector<const char*> names;
  names.reserve(feature_names.size());
  for (const std::string& name : feature_names) names.push_back(name.c_str());
  ErrorBuffer error{};
  attune_model* model = library->functions().create(config.c_str(), config.size(), names.data(),
                                                    names.size(), error.data(), error.size());
  if (model == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "it can't make the model: ", error[0] == '\0' ? "it does not say why" : TextOf(error)));
  }
  return std::unique_ptr<const PluginInstance>(new PluginInstance(std::move(library), model));
}

PluginInstance::~PluginInstance() { library_->functions().destroy(model_); }

bool PluginInstance::Predict(const double* features, size_t rows, size_t columns,
                             double* propensity, double* deviation, std::string& error) const {
  ErrorBuffer buffer;
  buffer[0] = '\0';
  if (library_->functions().predict(model_, features, rows, columns, propensity, deviation,
                                    buffer.data(), buffer.size()) == 0) {
    return true;
  }
  if (buffer[0] != '\0') error = TextOf(buffer);
  return false;
}

absl::StatusOr<std::shared_ptr<const PluginInstance>> PluginInstances::Get(
    std::shared_ptr<const PluginLibrary> library, const std::string& config,
    const std::vector<std::string>& feature_names) {
  std::erase_if(used_, [](const auto& entry) { return entry.second.expired(); });
  const Key key(library.get(), config, feature_names);
  const auto known = used_.find(key);
  if (known != used_.end()) {
    if (std::shared_ptr<const PluginInstance> instance = known->second.lock()) return instance;
  }
  auto made = PluginInstance::Create(std::move(library), config, feature_names);
  if (!made.ok()) return made.status();
  std::shared_ptr<const PluginInstance> instance = *std::move(made);
  used_[key] = instance;
  return instance;
}

}  // namespace attune::scoring
