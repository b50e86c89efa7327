#ifndef ATTUNE_LIB_STRATEGY_RAMP_CHECKER_H_
#define ATTUNE_LIB_STRATEGY_RAMP_CHECKER_H_

#include <cstdint>

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/issue.h"
#include "lib/strategy/strategy.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// The share that a ramp begins with unless it says otherwise, and the most evidence that it may
// want (strategy.proto).
inline constexpr double kDefaultRampFrom = 0.02;
inline constexpr int64_t kMaxRampEvidence = 1'000'000'000'000;

// Checks the ramps of the arbitration and of treatments: that each has what it needs, in range,
// that what it counts is declared, and that it stands on nothing that must reach everybody. Every
// problem is added to `issues`.
void CheckRamps(const v1::Strategy& file, YamlDocument& source, IssueList& issues);

// Warns of ramps that can't grow and of those that change nothing. REQUIRES: `strategy` was
// compiled from `file`.
void WarnOfUselessRamps(const v1::Strategy& file, const Strategy& strategy,
                        const YamlDocument& source, IssueList& issues);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_RAMP_CHECKER_H_
