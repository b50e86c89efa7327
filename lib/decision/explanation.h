#ifndef ATTUNE_LIB_DECISION_EXPLANATION_H_
#define ATTUNE_LIB_DECISION_EXPLANATION_H_

#include <string>
#include <vector>

#include "lib/candidates/rejection.h"
#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

// Most reasons that ExplainRanked gives.
inline constexpr size_t kMaxReasons = 3;

// Why a treatment was not ranked, in a sentence with the values that mattered.
// REQUIRES: `decision` was made for `context` with `strategy`.
std::string ExplainRejection(const strategy::Strategy& strategy,
                             const context::DecisionContext& context, const Decision& decision,
                             const candidates::Rejection& rejection);

// What moved the propensity of a ranked treatment most, strongest first:
// "customer.open_incidents = 2 (+0.80)". The number is what the term adds to the score before the
// link function, all terms on one input together. Values of protected features are not printed, nor
// is how much they move. At most kMaxReasons, and at least one: when nothing moved it, that is the
// reason.
std::vector<std::string> ExplainRanked(const strategy::Strategy& strategy,
                                       const context::DecisionContext& context,
                                       const Decision& decision,
                                       const arbitration::RankedTreatment& ranked);

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_EXPLANATION_H_
