#ifndef ATTUNE_LIB_STRATEGY_ADAPTIVE_MODELS_H_
#define ATTUNE_LIB_STRATEGY_ADAPTIVE_MODELS_H_

#include <string>

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

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_ADAPTIVE_MODELS_H_
