#ifndef ATTUNE_LIB_DECISION_EXPLANATION_H_
#define ATTUNE_LIB_DECISION_EXPLANATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/policy/engagement_explanation.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

// Most reasons that ExplainRanked gives.
inline constexpr size_t kMaxReasons = 3;
// Most values that an explanation names, and its longest texts, in bytes; what is longer is cut and
// ends in "...", as a long value does anyway. A rule may have kilobytes.
inline constexpr size_t kMaxShownValues = 32;
inline constexpr size_t kMaxShownBytes = 1024;   // of the part of a rule, and of what it needed
inline constexpr size_t kMaxDetailBytes = 4096;  // of the sentence, which has the others in it

// The greedy choice, when exploration put another treatment on top; else nullptr. REQUIRES:
// `decision` was made with `strategy`.
const catalog::Treatment* DisplacedTreatment(const strategy::Strategy& strategy,
                                             const Decision& decision);

// Why a treatment was not ranked.
struct RejectionExplanation {
  std::string detail;  // a sentence with the values that mattered
  // Of the rule or contact policy that said no, if one did; see policy::RuleExplanation. A contact
  // policy has no expression; a cap has its count as a value.
  std::string_view rule;
  std::string_view because;
  std::string expression;
  std::vector<policy::RuleValue> values;
  std::string needed;
  std::string nearest_change;
  // The first moment, Unix milliseconds, at which the contact policies let the treatment pass
  // again; only when one of them said no, and waiting helps.
  std::optional<int64_t> allowed_from_ms;
};

// Bounded by the limits above. REQUIRES: `decision` was made for `context` with `strategy`, and
// what it was made from is still there. Not to be called by several threads for one decision.
RejectionExplanation ExplainRejection(const strategy::Strategy& strategy,
                                      const context::DecisionContext& context,
                                      const Decision& decision,
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
