#ifndef ATTUNE_LIB_STRATEGY_OUTCOME_TERMS_H_
#define ATTUNE_LIB_STRATEGY_OUTCOME_TERMS_H_

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/base/issue.h"
#include "lib/strategy/strategy.h"
#include "lib/strategy/yaml_document.h"

namespace attune::strategy {

// Checks the windows, the showing and the values of a strategy's outcomes; their names are
// CheckContact's. Every problem is added to `issues`.
void CheckOutcomeTerms(const v1::Strategy& file, YamlDocument& source, IssueList& issues);

// Fills in what the strategy says of its outcomes besides their names, and how long decisions are
// kept for them. REQUIRES: CheckStrategy returned true.
void CompileOutcomeTerms(const v1::Strategy& file, Strategy& strategy);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_OUTCOME_TERMS_H_
