#ifndef ATTUNE_LIB_STRATEGY_STRATEGY_COMPILER_H_
#define ATTUNE_LIB_STRATEGY_STRATEGY_COMPILER_H_

#include <memory>

#include "absl/functional/function_ref.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/engagement_compiler.h"
#include "lib/strategy/score_models.h"
#include "lib/strategy/strategy.h"

namespace attune::strategy {

// Gives a name its number; whoever provides it sees to errors.
using NumberOfName = absl::FunctionRef<uint32_t(storage::NameKind kind, std::string_view name)>;

// Compiles a strategy file, all but its version and its models, and reports what is wrong with its
// expressions. Of a strategy with errors it makes what models can be checked against, and no more:
// names that are declared twice count once, what is not declared is left out. REQUIRES:
// CheckStrategy returned true; `load` is not empty when a model that is no formula gives a score.
std::shared_ptr<Strategy> CompileStrategy(const v1::Strategy& file, NumberOfName number_of,
                                          ReportExpression report,
                                          const LoadScoreModel& load = nullptr);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_STRATEGY_COMPILER_H_
