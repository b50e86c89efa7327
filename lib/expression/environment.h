#ifndef ATTUNE_LIB_EXPRESSION_ENVIRONMENT_H_
#define ATTUNE_LIB_EXPRESSION_ENVIRONMENT_H_

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "lib/base/absl_strings.h"
#include "lib/expression/function.h"
#include "lib/expression/type.h"

namespace attune::expression {

// Computes the value of a lazy variable: `data` is what was given when it was declared.
using LazyBody = Value (*)(CallContext& context, const void* data);

// What a variable's value comes from.
struct Variable {
  std::string path;  // "customer.plan"
  const Type* type = nullptr;
  Scope scope = Scope::kDecision;
  // Place in the array that the evaluator is bound to, counted per scope. Not of lazy variables and
  // definitions.
  uint32_t slot = 0;
  // Set: asked for when the value is first needed in a decision (or for a candidate).
  LazyBody lazy = nullptr;
  const void* data = nullptr;
  // Not negative: an expression that a RuleSetBuilder defined.
  int definition = -1;
  // Nobody can change it to make a rule hold: where and when something happens, what is offered.
  bool given = false;
};

// What expressions may name: variables, functions, types. Built once, then immutable and
// thread-safe; programs and rule sets that were made with it must not outlive it.
class Environment {
 public:
  // With all standard functions.
  Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // Makes the types of what is declared, and keeps them.
  TypePool& types() { return types_; }

  // ALREADY_EXISTS when the path is taken. A path is names with dots between them.
  absl::Status AddVariable(std::string_view path, const Type* type, Scope scope, uint32_t slot);
  absl::Status AddLazyVariable(std::string_view path, const Type* type, Scope scope, LazyBody body,
                               const void* data);
  absl::Status AddDefinition(std::string_view path, const Type* type, Scope scope, int definition);
  // Says that a variable is given: see Variable. REQUIRES: it was added.
  void SetGiven(std::string_view path);

  // Adds forms of a function of the host; `overloads` as in BuiltinFunction: "history.(string) ->
  // int". `scope`: what its result depends on beside its arguments. `check` may be null.
  // INVALID_ARGUMENT when malformed; ALREADY_EXISTS when a standard function has this name.
  absl::Status AddFunction(std::string_view name, std::string_view overloads, Scope scope,
                           HostBody body, const void* data, HostCheck check = nullptr);

  // null when there is none.
  const Variable* FindVariable(std::string_view path) const;
  const Function* FindFunction(std::string_view name) const;

  // For suggestions; in the order in which they were declared.
  std::vector<std::string_view> VariablePaths() const;
  std::vector<std::string_view> FunctionNames() const;

 private:
  absl::Status Add(Variable variable);

  TypePool types_;
  std::deque<Variable> variables_;
  std::deque<Function> functions_;
  StringViewMap<const Variable*> variables_by_path_;
  StringViewMap<Function*> functions_by_name_;
};

// The name that a type has in expressions, given an identifier or a dotted path: "int",
// "google.protobuf.Timestamp". Empty when it names no type. Valid for ever.
std::string_view TypeConstant(std::string_view path);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_ENVIRONMENT_H_
