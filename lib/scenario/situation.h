#ifndef ATTUNE_LIB_SCENARIO_SITUATION_H_
#define ATTUNE_LIB_SCENARIO_SITUATION_H_

#include <string_view>

#include "absl/time/time.h"
#include "lib/base/violations.h"
#include "lib/context/decision_context.h"
#include "lib/scenario/scenario.h"
#include "lib/strategy/strategy.h"

namespace attune::scenario {

// Checks the situation and lays it out for a decision, as a request to the server is. `context`
// points to the customer's id and into `situation`; it is good only when nothing was added to
// `violations`, whose fields are those of ScenarioStep, but for "time".
void NormaliseSituation(const strategy::Strategy& strategy, std::string_view customer_id,
                        const Situation& situation, absl::Time at,
                        context::DecisionContext& context, Violations& violations);

}  // namespace attune::scenario

#endif  // ATTUNE_LIB_SCENARIO_SITUATION_H_
