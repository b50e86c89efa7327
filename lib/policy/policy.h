#ifndef ATTUNE_LIB_POLICY_POLICY_H_
#define ATTUNE_LIB_POLICY_POLICY_H_

#include <vector>

#include "absl/types/span.h"
#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"

namespace attune::policy {

// What the policies let through. Both lists ascend; together they hold every candidate.
struct PolicyResult {
  std::vector<int> kept;  // indexes into Catalog::treatments
  std::vector<candidates::Rejection> rejected;
};

// Applicability: keeps the candidates that make sense for the channel and the intent. `result` is
// overwritten; its capacity is reused.
void ApplyPolicies(const catalog::Catalog& catalog, const context::DecisionContext& context,
                   absl::Span<const int> candidates, PolicyResult& result);

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_POLICY_H_
