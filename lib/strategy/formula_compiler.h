#ifndef ATTUNE_LIB_STRATEGY_FORMULA_COMPILER_H_
#define ATTUNE_LIB_STRATEGY_FORMULA_COMPILER_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/expression/environment.h"
#include "lib/expression/rule_set.h"
#include "lib/policy/formulas.h"
#include "lib/scoring/model.h"
#include "lib/strategy/engagement_compiler.h"
#include "lib/strategy/strategy.h"

namespace attune::strategy {

// What formulas are compiled into, with the rules.
struct FormulaTarget {
  // Compiles the expression that the field with this path holds; nullopt when something is wrong
  // with it, which was reported.
  absl::FunctionRef<std::optional<expression::RuleId>(const std::string& path,
                                                      const std::string& text)>
      add;
  // What an expression that was added comes to, for people.
  absl::FunctionRef<const std::string&(expression::RuleId)> type_of;
  // Does the expression name something protected?
  absl::FunctionRef<bool(const std::string& text)> hides;
  ReportExpression report;
  // The names of what only the formula of the priority may look at are declared here.
  expression::Environment& environment;
};

// Compiles the formulas of models, computed content, computed values and costs, and the formula of
// the priority. Every problem is reported; what has one is left out. REQUIRES: all rules were
// compiled; nothing else is afterwards, for the terms of the priority are known from then on.
policy::Formulas CompileFormulas(const v1::Strategy& file, const Strategy& strategy,
                                 const FormulaTarget& target);

// The model with this index of the file, which is a formula; its version is name@hash of the text.
// nullopt when something is wrong with the formula. REQUIRES: `strategy` was compiled from the
// file.
std::optional<scoring::NamedModel> MakeFormulaModel(const v1::Strategy& file, int index,
                                                    const Strategy& strategy);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_FORMULA_COMPILER_H_
