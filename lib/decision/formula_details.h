#ifndef ATTUNE_LIB_DECISION_FORMULA_DETAILS_H_
#define ATTUNE_LIB_DECISION_FORMULA_DETAILS_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "lib/arbitration/arbitration.h"
#include "lib/candidates/rejection.h"
#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

// Why a formula of the strategy made the treatment drop out, with the values it looked at: "the
// formula of the priority can't be evaluated: division by zero; customer.lines = 0". Empty when it
// was for something else. REQUIRES: as RejectionExplainer.
std::string FormulaDetail(const strategy::Strategy& strategy, const context::DecisionContext& asked,
                          const Decision& decision, const candidates::Rejection& rejection);

// Calls `visit` with what the formula of the ranked treatment's model looked at, in the order in
// which it is written, at most `max` values: "customer.open_incidents = 2". False, and nothing is
// visited, when the model is no formula. REQUIRES: `decision` was made with `strategy`.
bool ExplainFormulaModel(const strategy::Strategy& strategy, const Decision& decision,
                         const arbitration::RankedTreatment& ranked, size_t max,
                         absl::FunctionRef<void(std::string_view)> visit);

// Most bytes that are told of one value or cost.
inline constexpr size_t kMaxWorthBytes = 1024;

// Calls `visit` with how the value of the ranked treatment came about, if it was computed, and then
// with the same of its cost: "value 120 is customer.monthly_charges * 12.0;
// customer.monthly_charges = 10". Of what must be shown, or is a fallback, and has neither because
// one of them can't be computed: "value 0, for not all can be computed: ...". Values of protected
// features are not printed, nor is an expression that looks at one. REQUIRES: as above.
void ExplainWorth(const strategy::Strategy& strategy, const Decision& decision,
                  const arbitration::RankedTreatment& ranked,
                  absl::FunctionRef<void(std::string_view)> visit);

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_FORMULA_DETAILS_H_
