#ifndef ATTUNE_LIB_STRATEGY_EXPLORATION_CHECKER_H_
#define ATTUNE_LIB_STRATEGY_EXPLORATION_CHECKER_H_

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/issue.h"
#include "lib/strategy/strategy.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// Bounds of what the methods of exploration are told (strategy.proto).
inline constexpr double kMinTemperature = 1e-6;
inline constexpr double kMaxTemperature = 1e12;
inline constexpr double kMaxGamma = 1e12;
inline constexpr double kMaxEvidence = 1e12;

// Checks the explorations of the strategy and of its groups: that each has a method with what it
// needs, in range. Every problem is added to `issues`.
void CheckExplorations(const v1::Strategy& file, YamlDocument& source, IssueList& issues);

// Warns of explorations that can't do what they are for: in which no treatment competes, whose
// floor gives all the same chance, or which look for uncertainty where there is none. REQUIRES:
// `strategy` was compiled from `file`.
void WarnOfUselessExplorations(const v1::Strategy& file, const Strategy& strategy,
                               const YamlDocument& source, IssueList& issues);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_EXPLORATION_CHECKER_H_
