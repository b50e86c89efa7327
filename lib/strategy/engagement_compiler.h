#ifndef ATTUNE_LIB_STRATEGY_ENGAGEMENT_COMPILER_H_
#define ATTUNE_LIB_STRATEGY_ENGAGEMENT_COMPILER_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/issue.h"
#include "lib/expression/environment.h"
#include "lib/policy/engagement_rules.h"
#include "lib/strategy/score_models.h"
#include "lib/strategy/strategy.h"

namespace attune::strategy {

// Takes what is wrong or doubtful with an expression: the path of the field that it stands in, the
// byte of its text, and the message.
using ReportExpression = absl::FunctionRef<void(const std::string& path, size_t offset,
                                                Issue::Severity severity, std::string message)>;

// Compiles the rules, derived values and scores of a file, given what else of it was compiled.
// Every problem of every expression is reported; what has one is left out. REQUIRES: CheckStrategy
// returned true; `strategy` stays where it is; `load` is not empty when a model that is no formula
// gives a score.
policy::EngagementRules CompileEngagement(const v1::Strategy& file, const Strategy& strategy,
                                          ReportExpression report, const LoadScoreModel& load);

// Everything that expressions of the strategy may name, derived values included: to check an
// expression against it. What is compiled with it can't be evaluated. The strategy must outlive it.
std::shared_ptr<expression::Environment> MakeEnvironment(const Strategy& strategy);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_ENGAGEMENT_COMPILER_H_
