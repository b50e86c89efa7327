#ifndef ATTUNE_LIB_STRATEGY_MODEL_FILE_H_
#define ATTUNE_LIB_STRATEGY_MODEL_FILE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/issue.h"
#include "lib/scoring/model.h"
#include "lib/scoring/model_factory.h"

namespace attune::strategy {

// Where a model file of a strategy lies: the path as written, joined to the strategy's folder.
// Errors complete "the model file …": INVALID_ARGUMENT when it could lie outside of the folder: an
// absolute path, one with `..`, a symbolic link that leads out; NOT_FOUND.
absl::StatusOr<std::string> FindModelFile(const std::string& strategy_path,
                                          const std::string& file);

// Whether a model file of that name holds a Model in YAML; any other holds a model of trees.
bool IsYamlModel(std::string_view file);

// Every field of a reference that may say how the model is given.
inline constexpr std::string_view kModelSources[] = {"file",   "stored",   "formula",     "plugin",
                                                     "remote", "adaptive", "success_rate"};

// How the model is given: those of kModelSources that are there, of which there must be exactly
// one.
std::vector<std::string_view> SourcesOf(const v1::ModelReference& reference);

// Makes the model of a YAML file's text; `path` is how messages call the file. The model adds its
// inputs to `inputs`. Problems are added to `issues`; nullptr when there was an error. Without
// `names`, when the strategy itself is in no state to be checked against, the file is only read,
// and nullptr comes back.
std::unique_ptr<const scoring::Model> ReadModel(const std::string& path, std::string text,
                                                const scoring::InputNames* names,
                                                scoring::InputTable& inputs, IssueList& issues);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_MODEL_FILE_H_
