#ifndef ATTUNE_LIB_STRATEGY_PLACEMENT_CHECKER_H_
#define ATTUNE_LIB_STRATEGY_PLACEMENT_CHECKER_H_

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/issue.h"
#include "lib/strategy/checker_base.h"
#include "lib/strategy/strategy.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// Checks the placements: names, what they refer to, and their room. Every problem is added to
// `issues`. False when there are so many that the strategy can't be compiled.
bool CheckPlacements(const v1::Strategy& file, const NameIndex& channels, const NameIndex& groups,
                     YamlDocument& source, IssueList& issues);

// Warns of placements that never show anything: no treatment of their groups can be used on their
// channels. REQUIRES: `strategy` was compiled from `file`.
void WarnOfEmptyPlacements(const v1::Strategy& file, const Strategy& strategy,
                           const YamlDocument& source, IssueList& issues);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_PLACEMENT_CHECKER_H_
