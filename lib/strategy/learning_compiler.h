#ifndef ATTUNE_LIB_STRATEGY_LEARNING_COMPILER_H_
#define ATTUNE_LIB_STRATEGY_LEARNING_COMPILER_H_

#include <memory>

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/issue.h"
#include "lib/outcome/attribution_terms.h"
#include "lib/strategy/engagement_compiler.h"
#include "lib/strategy/strategy.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// Checks that a strategy that learns says from what. What is wrong with its formulas is
// CompileLearning's to report. Every problem is added to `issues`.
void CheckLearning(const v1::Strategy& file, YamlDocument& source, IssueList& issues);

// How outcomes are attributed and what they are worth; nullptr: the strategy does not say, or its
// formulas are wrong, which was reported. REQUIRES: CheckStrategy returned true; the names, the
// outcomes and the catalog of `strategy` were compiled.
std::shared_ptr<const outcome::AttributionTerms> CompileLearning(const v1::Strategy& file,
                                                                 const Strategy& strategy,
                                                                 ReportExpression report);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_LEARNING_COMPILER_H_
