#ifndef ATTUNE_LIB_CANDIDATES_CANDIDATES_H_
#define ATTUNE_LIB_CANDIDATES_CANDIDATES_H_

#include <optional>
#include <vector>

#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"
#include "lib/evidence/ramp_shares.h"
#include "lib/stops/stop_set.h"

namespace attune::candidates {

// The treatments that could be used at all. Both lists ascend; together they hold every treatment.
struct CandidateSet {
  std::vector<int> kept;  // indexes into Catalog::treatments
  std::vector<Rejection> rejected;
};

// Keeps the treatments that the request asks for, that nobody stopped, that the channel can carry,
// that are valid at the moment of the decision and whose ramps reach the customer. `result` is
// overwritten; its capacity is reused. REQUIRES: `stops` and `reach` were made for the catalog.
void SelectCandidates(const catalog::Catalog& catalog, const stops::StopSet& stops,
                      const context::DecisionContext& context, CandidateSet& result,
                      const evidence::RampReach& reach = {});

// Why treatments can't be used, as far as no channel matters to it, by index into
// Catalog::treatments: they are not requested, stopped, outside of their dates, or not reached.
using ReasonsOnAnyChannel = std::vector<std::optional<Reason>>;

// Finds these reasons. `reasons` is overwritten; its capacity is reused. REQUIRES: as for
// SelectCandidates.
void FindReasonsOnAnyChannel(const catalog::Catalog& catalog, const stops::StopSet& stops,
                             const context::DecisionContext& context,
                             const evidence::RampReach& reach, ReasonsOnAnyChannel& reasons);

// The same as SelectCandidates for a context of this channel (an index into
// ContextSchema::channels), given what was found for any.
void SelectCandidatesOn(const catalog::Catalog& catalog, int channel,
                        const ReasonsOnAnyChannel& reasons, CandidateSet& result);

}  // namespace attune::candidates

#endif  // ATTUNE_LIB_CANDIDATES_CANDIDATES_H_
