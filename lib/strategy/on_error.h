#ifndef ATTUNE_LIB_STRATEGY_ON_ERROR_H_
#define ATTUNE_LIB_STRATEGY_ON_ERROR_H_

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/issue.h"
#include "lib/scoring/model.h"
#include "lib/strategy/checker_base.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// Checks on_error of all models: that an action is chosen, a default is a propensity, and a
// fallback is another model that has none itself. `models`: those that are declared. Every problem
// is added to `issues`.
void CheckOnErrors(const v1::Strategy& file, const NameIndex& models, YamlDocument& source,
                   IssueList& issues);

// What on_error of the model with this index says. REQUIRES: CheckOnErrors found nothing.
scoring::OnError OnErrorOf(const v1::Strategy& file, int model);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_ON_ERROR_H_
