#include "lib/expression/macros.h"

#include <string>

namespace attune::expression {
namespace {

struct LoopMacro {
  std::string_view name;
  size_t arguments;  // variables included
  size_t variables;
  Loop loop;
  bool filtered = false;
};

constexpr LoopMacro kLoopMacros[] = {
    {"all", 2, 1, Loop::kAll},
    {"all", 3, 2, Loop::kAll},
    {"exists", 2, 1, Loop::kExists},
    {"exists", 3, 2, Loop::kExists},
    {"exists_one", 2, 1, Loop::kExistsOne},
    {"exists_one", 3, 2, Loop::kExistsOne},
    {"existsOne", 2, 1, Loop::kExistsOne},
    {"existsOne", 3, 2, Loop::kExistsOne},
    {"map", 2, 1, Loop::kMap},
    {"map", 3, 1, Loop::kMap, true},
    {"filter", 2, 1, Loop::kFilter},
    {"transformList", 3, 2, Loop::kMap},
    {"transformList", 4, 2, Loop::kMap, true},
    {"transformMap", 3, 2, Loop::kTransformMap},
    {"transformMap", 4, 2, Loop::kTransformMap, true},
};

// The name that an argument declares; reports when it is none.
bool TakeVariable(const Expr& argument, std::string_view* name, IssueReporter& reporter) {
  if (argument.kind == Expr::Kind::kIdent && !argument.leading_dot) {
    *name = argument.name;
    return true;
  }
  if (argument.kind != Expr::Kind::kInvalid) {
    reporter.Report(argument.range.begin, "here a plain name of a variable is expected");
  }
  return false;
}

void ExpandHas(Expr& call, IssueReporter& reporter) {
  Expr& argument = *call.args[0];
  if (argument.kind == Expr::Kind::kInvalid) {
    call.kind = Expr::Kind::kInvalid;
    return;
  }
  if (argument.kind != Expr::Kind::kSelect || argument.has) {
    reporter.Report(argument.range.begin, "has() asks for a field: has(something.field)");
    call.kind = Expr::Kind::kInvalid;
    return;
  }
  call.kind = Expr::Kind::kSelect;
  call.has = true;
  call.name = argument.name;
  call.at = argument.at;
  call.operand = argument.operand;
  call.args.clear();
}

void ExpandLoop(const LoopMacro& macro, Expr& call, IssueReporter& reporter) {
  bool valid = true;
  for (size_t i = 0; i < macro.variables; ++i) {
    valid = TakeVariable(*call.args[i], &call.variables[i], reporter) && valid;
  }
  if (valid && macro.variables == 2 && call.variables[0] == call.variables[1]) {
    reporter.Report(call.args[1]->range.begin, "the two variables need different names");
    valid = false;
  }
  call.kind = valid ? Expr::Kind::kLoop : Expr::Kind::kInvalid;
  call.loop = macro.loop;
  call.index_variable = macro.variables == 2;
  call.filter = macro.filtered ? call.args[macro.variables] : nullptr;
  call.body = call.args.back();
  call.args.clear();
}

void ExpandBind(Expr& call, IssueReporter& reporter) {
  const bool valid = TakeVariable(*call.args[0], &call.variables[0], reporter);
  call.kind = valid ? Expr::Kind::kLoop : Expr::Kind::kInvalid;
  call.loop = Loop::kBind;
  call.operand = call.args[1];
  call.body = call.args[2];
  call.args.clear();
}

}  // namespace

void ExpandMacro(Expr& call, IssueReporter& reporter) {
  if (call.operand == nullptr) {
    if (call.name == "has" && call.args.size() == 1) ExpandHas(call, reporter);
    return;
  }
  if (call.name == "bind" && call.args.size() == 3 && call.operand->kind == Expr::Kind::kIdent &&
      call.operand->name == "cel") {
    return ExpandBind(call, reporter);
  }
  for (const LoopMacro& macro : kLoopMacros) {
    if (call.name == macro.name && call.args.size() == macro.arguments) {
      return ExpandLoop(macro, call, reporter);
    }
  }
}

}  // namespace attune::expression
