#ifndef ATTUNE_LIB_STRATEGY_ADAPTIVE_MODELS_H_
#define ATTUNE_LIB_STRATEGY_ADAPTIVE_MODELS_H_

#include <cstddef>
#include <string>

#include "absl/functional/function_ref.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/issue.h"
#include "lib/strategy/checker_base.h"
#include "lib/strategy/strategy.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// Of all that the strategy says of the model: 64 digits. What it has learned is not in it.
std::string HashOfAdaptive(const v1::Adaptive& adaptive);
std::string HashOfSuccessRate(const v1::SuccessRate& rate);

// What the adaptive model does.
AdaptiveUse::Mode ModeOf(const v1::Adaptive& adaptive);

// Checks of all adaptive models that the one which serves in their place is there where it is
// needed and only there, and that the strategy says what they and success rates learn from.
// `models`: those that are declared. Every problem is added to `issues`. What they look at is
// checked when they are made.
void CheckAdaptiveModels(const v1::Strategy& file, const NameIndex& models, YamlDocument& source,
                         IssueList& issues);

// Notes which treatments each of Strategy::adaptive learns from, and gives those of a model that
// does not serve the model that does. REQUIRES: nothing is wrong with the strategy; once.
void AssignAdaptiveModels(const v1::Strategy& file, Strategy& strategy);

// What all adaptive models of a strategy may take at most, once they have learned something of
// every weight: they are stored together, and what decisions read of them is made anew several
// times a second.
inline constexpr size_t kMaxAdaptiveBytes = 96 << 20;

// Reports models that learn from too many treatments, and the first with which all of them are too
// large. REQUIRES: AssignAdaptiveModels was called.
void CheckAdaptiveSizes(const Strategy& strategy,
                        absl::FunctionRef<void(int model, std::string message)> report);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_ADAPTIVE_MODELS_H_
