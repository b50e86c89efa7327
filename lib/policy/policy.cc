#include "lib/policy/policy.h"

namespace attune::policy {

using candidates::Reason;

void ApplyPolicies(const catalog::Catalog& catalog, const context::DecisionContext& context,
                   absl::Span<const int> candidates, PolicyResult& result) {
  result.kept.clear();
  result.rejected.clear();
  for (const int candidate : candidates) {
    const catalog::Treatment& treatment = catalog.treatments[static_cast<size_t>(candidate)];
    if (!treatment.channels[static_cast<size_t>(context.channel)]) {
      result.rejected.push_back({candidate, Reason::kChannelNotApplicable});
    } else if (!treatment.intents[static_cast<size_t>(context.intent)]) {
      result.rejected.push_back({candidate, Reason::kIntentNotApplicable});
    } else {
      result.kept.push_back(candidate);
    }
  }
}

}  // namespace attune::policy
