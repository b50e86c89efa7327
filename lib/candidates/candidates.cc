#include "lib/candidates/candidates.h"

#include <optional>

namespace attune::candidates {
namespace {

std::optional<Reason> RejectionOf(const catalog::Treatment& treatment,
                                  const context::DecisionContext& context,
                                  const evidence::RampReach& reach) {
  if (!treatment.content[static_cast<size_t>(context.channel)]) {
    return Reason::kNoContentForChannel;
  }
  if (context.time_us < treatment.valid_from_us) return Reason::kNotYetValid;
  if (context.time_us >= treatment.valid_until_us) return Reason::kNoLongerValid;
  if (!reach.Reaches(treatment)) return Reason::kNotReachedYet;
  return std::nullopt;
}

}  // namespace

void SelectCandidates(const catalog::Catalog& catalog, const stops::StopSet& stops,
                      const context::DecisionContext& context, CandidateSet& result,
                      const evidence::RampReach& reach) {
  result.kept.clear();
  result.rejected.clear();
  auto requested = context.restricted_to.begin();
  for (int i = 0; i < static_cast<int>(catalog.treatments.size()); ++i) {
    if (context.restricted) {
      if (requested == context.restricted_to.end() || *requested != i) {
        result.rejected.push_back({i, Reason::kNotRequested});
        continue;
      }
      ++requested;
    }
    if (stops.IsStopped(i)) {
      result.rejected.push_back({i, Reason::kStopped});
      continue;
    }
    const std::optional<Reason> reason =
        RejectionOf(catalog.treatments[static_cast<size_t>(i)], context, reach);
    if (reason) {
      result.rejected.push_back({i, *reason});
    } else {
      result.kept.push_back(i);
    }
  }
}

}  // namespace attune::candidates
