#ifndef ATTUNE_LIB_SCENARIO_DIFFERENCE_H_
#define ATTUNE_LIB_SCENARIO_DIFFERENCE_H_

#include <string>
#include <vector>

#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/scenario/scenario.h"
#include "lib/strategy/strategy.h"

namespace attune::scenario {

// Something about a decision that is not as expected, for people.
struct Difference {
  int line = 0;      // of the file of cases: where it is expected
  std::string what;  // "ranking", "top", "includes", "rejected.plan_upgrade", "earliest"
  std::string expected;
  std::string got;
  // What explains it, treatment by treatment: "care_call: no_consent: the customer said no to …".
  std::vector<std::string> why;
};

// Everything about the decision that is not as expected; empty when all is. REQUIRES: `decision`
// was made for `context` with `strategy`, and what it was made from is still there.
std::vector<Difference> Compare(const strategy::Strategy& strategy,
                                const context::DecisionContext& context,
                                const decision::Decision& decision, const Expectation& expect);

}  // namespace attune::scenario

#endif  // ATTUNE_LIB_SCENARIO_DIFFERENCE_H_
