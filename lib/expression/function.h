#ifndef ATTUNE_LIB_EXPRESSION_FUNCTION_H_
#define ATTUNE_LIB_EXPRESSION_FUNCTION_H_

#include <string>
#include <string_view>
#include <vector>

#include "lib/base/issue.h"
#include "lib/expression/call_context.h"
#include "lib/expression/type.h"
#include "lib/expression/value.h"

namespace attune::expression {

// How long a value holds.
enum class Scope : uint8_t {
  kConstant,   // for ever
  kDecision,   // while one decision is made
  kCandidate,  // for one candidate of a decision
};

// Runs a function. No argument is an error; their kinds are up to the function, which answers with
// CallContext::NoOverload when it isn't defined for them.
using FunctionBody = Value (*)(CallContext& context, const Value* args, size_t count);

// A function of the host: `data` is what was given when it was declared. The arguments have the
// declared kinds.
using HostBody = Value (*)(CallContext& context, const void* data, const Value* args, size_t count);

// What a function of the host has to say about an argument that is a constant (of a list that is
// written out: about one of its elements; of a choice: about what may be chosen). A receiver is
// argument 0.
struct HostRemark {
  Issue::Severity severity = Issue::Severity::kError;
  std::string message;  // empty: nothing
};
using HostCheck = HostRemark (*)(const void* data, size_t argument, const Value& constant);

// One form of a function, as the checker sees it. A receiver is the first argument.
struct Overload {
  bool receiver = false;
  std::vector<const Type*> args;
  const Type* result = nullptr;
  // Of a function of the host only.
  HostBody host = nullptr;
  HostCheck check = nullptr;  // null: any argument will do
  const void* data = nullptr;
};

// A function by its name, with all its forms. Immutable while expressions use it.
struct Function {
  std::string name;
  std::vector<Overload> overloads;
  FunctionBody body = nullptr;     // null: a function of the host
  Scope scope = Scope::kConstant;  // of the host's: what its result depends on beside the arguments
  bool variadic_numbers = false;   // math.greatest and math.least: any number of numbers
};

// One row of the table of functions that are built in.
struct BuiltinFunction {
  std::string_view name;
  FunctionBody body;
  // "(int, int) -> int; string.(int) -> string": the forms, those with a receiver with its type and
  // a dot in front. Capital letters are type parameters.
  std::string_view overloads;
};

// The tables, one per file of implementations; standard_functions.cc puts them together.
std::vector<BuiltinFunction> OperatorFunctions();
std::vector<BuiltinFunction> ConversionFunctions();
std::vector<BuiltinFunction> StringFunctions();
std::vector<BuiltinFunction> MathFunctions();
std::vector<BuiltinFunction> TimeFunctions();
std::vector<BuiltinFunction> StandardFunctions();

// `format` of the strings extension, in a file of its own.
Value FormatString(CallContext& context, const Value* args, size_t count);

// Reads the column `overloads` of a row. False when it is malformed.
bool ParseOverloads(std::string_view text, TypePool& types, std::vector<Overload>* overloads);

// True when a value may be passed where this type is declared, as far as its kind tells.
bool KindMatches(const Value& value, const Type* type);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_FUNCTION_H_
