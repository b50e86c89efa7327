#ifndef ATTUNE_LIB_STRATEGY_OUTSIDE_MODEL_H_
#define ATTUNE_LIB_STRATEGY_OUTSIDE_MODEL_H_

#include <functional>
#include <memory>
#include <string>

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/scoring/model.h"
#include "lib/scoring/model_factory.h"
#include "lib/strategy/strategy_sources.h"

namespace attune::strategy {

// A model that is not data but something that runs: a plugin or a server.
struct OutsideModel {
  std::string kind;  // "plugin" or "remote"
  // Of the library's bytes with its config and inputs, or of how the server is asked: what it has
  // learned, nobody here knows.
  std::string hash;
  std::unique_ptr<const scoring::Model> model;
};

// Is the model one of those?
inline bool IsOutside(const v1::ModelReference& reference) {
  return reference.has_plugin() || reference.has_remote();
}

// Loads the plugin or connects to the server that the reference names; paths of issues are those of
// ModelReference's fields. Every problem is reported; `model` is nullptr when there was one.
// Without `names`, when the strategy itself is in no state to be checked against, the rest is
// checked. `treatments`: how many the model may have to score at once. What may be wrong on a
// server goes to `warn`. REQUIRES: IsOutside(reference).
OutsideModel LoadOutsideModel(const std::string& strategy_path, const v1::ModelReference& reference,
                              StrategySources& sources, const scoring::InputNames* names,
                              size_t treatments, scoring::InputTable& inputs,
                              const scoring::ReportIssue& report, const scoring::ReportIssue& warn);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_OUTSIDE_MODEL_H_
