#ifndef ATTUNE_LIB_STRATEGY_HOPELESS_GROUPS_H_
#define ATTUNE_LIB_STRATEGY_HOPELESS_GROUPS_H_

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/issue.h"
#include "lib/strategy/strategy.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// Warns of groups of which no treatment can ever stand on top, by bounds of their priorities: with
// the propensity at 1 and the weight of the best situation that they can be used in, all of them
// stay below min_priority, or don't get above 0, or stay below a treatment of another group that is
// always there. What always is there has no rule, contact policy, purpose or date, can be used
// wherever the group can, is taken by every placement that takes the group, and has at least the
// priority that a propensity of 0 makes. Of a value or a cost that each decision computes nothing
// but 0 … catalog::kMaxMoney is known, and a treatment that has one is not always there, for it may
// fail; one that must be shown does not. Nor is one there always, even if it must be shown, with
// content that is computed, or with a model that may give no score: a formula, a plugin or a remote
// model, whose on_error has no other score. A group that exploration may put above it is not warned
// of, nor one with a treatment that must be shown, nor one whose treatments all have no value: of
// that WarnOfTheUnused warns. Of a treatment that must be shown and is always there it warns once,
// whatever number of groups stand below it.
void WarnOfHopelessGroups(const v1::Strategy& file, const Strategy& strategy,
                          const YamlDocument& source, IssueList& issues);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_HOPELESS_GROUPS_H_
