#include "lib/expression/environment.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace attune::expression {

Environment::Environment() {
  for (const BuiltinFunction& builtin : StandardFunctions()) {
    Function& function = functions_.emplace_back();
    function.name = std::string(builtin.name);
    function.body = builtin.body;
    function.variadic_numbers = builtin.name == "math.greatest" || builtin.name == "math.least";
    // A unit test checks that every row can be read.
    ParseOverloads(builtin.overloads, types_, &function.overloads);
    functions_by_name_.emplace(function.name, &function);
  }
}

absl::Status Environment::Add(Variable variable) {
  if (variables_by_path_.contains(variable.path)) {
    return absl::AlreadyExistsError(absl::StrCat("\"", variable.path, "\" is declared already"));
  }
  const Variable& kept = variables_.emplace_back(std::move(variable));
  variables_by_path_.emplace(kept.path, &kept);
  return absl::OkStatus();
}

absl::Status Environment::AddVariable(std::string_view path, const Type* type, Scope scope,
                                      uint32_t slot) {
  Variable variable{std::string(path), type, scope};
  variable.slot = slot;
  return Add(std::move(variable));
}

absl::Status Environment::AddLazyVariable(std::string_view path, const Type* type, Scope scope,
                                          LazyBody body, const void* data) {
  Variable variable{std::string(path), type, scope};
  variable.lazy = body;
  variable.data = data;
  return Add(std::move(variable));
}

absl::Status Environment::AddDefinition(std::string_view path, const Type* type, Scope scope,
                                        int definition) {
  Variable variable{std::string(path), type, scope};
  variable.definition = definition;
  return Add(std::move(variable));
}

void Environment::SetGiven(std::string_view path) {
  const auto found = std::find_if(variables_.begin(), variables_.end(),
                                  [&](const Variable& variable) { return variable.path == path; });
  found->given = true;
}

absl::Status Environment::AddFunction(std::string_view name, std::string_view overloads,
                                      Scope scope, HostBody body, const void* data,
                                      HostCheck check) {
  std::vector<Overload> parsed;
  if (!ParseOverloads(overloads, types_, &parsed)) {
    return absl::InvalidArgumentError(absl::StrCat("malformed overloads: ", ToAbsl(overloads)));
  }
  const auto found = functions_by_name_.find(name);
  if (found != functions_by_name_.end() && found->second->body != nullptr) {
    return absl::AlreadyExistsError(absl::StrCat("\"", ToAbsl(name), "\" is a standard function"));
  }
  Function* function = nullptr;
  if (found != functions_by_name_.end()) {
    function = found->second;
  } else {
    function = &functions_.emplace_back();
    function->name = std::string(name);
    function->scope = scope;
    functions_by_name_.emplace(function->name, function);
  }
  function->scope = std::max(function->scope, scope);
  for (Overload& overload : parsed) {
    overload.host = body;
    overload.check = check;
    overload.data = data;
    function->overloads.push_back(std::move(overload));
  }
  return absl::OkStatus();
}

const Variable* Environment::FindVariable(std::string_view path) const {
  const auto found = variables_by_path_.find(path);
  return found == variables_by_path_.end() ? nullptr : found->second;
}

const Function* Environment::FindFunction(std::string_view name) const {
  const auto found = functions_by_name_.find(name);
  return found == functions_by_name_.end() ? nullptr : found->second;
}

std::vector<std::string_view> Environment::VariablePaths() const {
  std::vector<std::string_view> paths;
  for (const Variable& variable : variables_) paths.push_back(variable.path);
  return paths;
}

std::vector<std::string_view> Environment::FunctionNames() const {
  std::vector<std::string_view> names;
  for (const Function& function : functions_) names.push_back(function.name);
  return names;
}

std::string_view TypeConstant(std::string_view path) {
  constexpr std::string_view kNames[] = {"bool",
                                         "int",
                                         "uint",
                                         "double",
                                         "string",
                                         "bytes",
                                         "list",
                                         "map",
                                         "null_type",
                                         "type",
                                         "google.protobuf.Timestamp",
                                         "google.protobuf.Duration"};
  for (const std::string_view name : kNames) {
    if (name == path) return name;
  }
  return {};
}

}  // namespace attune::expression
