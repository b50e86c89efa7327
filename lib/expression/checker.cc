#include "lib/expression/checker.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/text.h"
#include "lib/expression/type_inference.h"

namespace attune::expression {
namespace {

// After so many, the others would hardly be of interest.
constexpr size_t kMaxIssues = 100;

std::string DidYouMean(std::string_view text, const std::vector<std::string_view>& names) {
  const std::string closest = ClosestName(text, names);
  return closest.empty() ? "" : "; did you mean \"" + closest + "\"?";
}

// The operator within "_&&_"; other names as they are.
std::string DisplayName(std::string_view function) {
  if (function == op::kConditional) return "?:";
  if (function == op::kIndex) return "[]";
  std::string name;
  for (const char c : function) {
    if (c != '_' || function.find_first_of("&|!<>=+-*/%") == std::string_view::npos) name += c;
  }
  return function == op::kIn ? "in" : name;
}

class Checker {
 public:
  Checker(Ast& ast, const Environment& environment, const Limits& limits,
          const CheckOptions& options, IssueReporter& reporter)
      : environment_(environment),
        limits_(limits),
        options_(options),
        reporter_(reporter),
        types_(ast.types()),
        inference_(types_) {}

  void Run(Expr& root) {
    const Type* type = Visit(root);
    if (options_.result != nullptr && !inference_.Assign(options_.result, type)) {
      Report(root.range.begin, "this must be of type " + ToString(options_.result) + ", but is " +
                                   ToString(inference_.Finalise(type)));
    }
    for (Expr* expr : visited_) expr->type = inference_.Finalise(expr->type);
  }

 private:
  struct Local {
    std::string_view name;
    const Type* type;
  };

  static const Type* Dyn() { return SimpleType(TypeKind::kDyn); }
  static const Type* Bool() { return SimpleType(TypeKind::kBool); }

  // True when nobody wants to know: to find out what to suggest takes time.
  bool quiet() const { return options_.lenient || reporter_.reported() >= kMaxIssues; }
  void Report(uint32_t at, std::string message) {
    if (!quiet()) reporter_.Report(at, std::move(message));
  }
  std::string Describe(const Type* type) { return ToString(inference_.Finalise(type)); }

  const Type* Visit(Expr& expr) {
    expr.type = Dyn();
    visited_.push_back(&expr);
    expr.type = TypeOf(expr);
    return expr.type;
  }

  const Type* TypeOf(Expr& expr) {
    switch (expr.kind) {
      case Expr::Kind::kInvalid:
        return Dyn();
      case Expr::Kind::kLiteral:
        return LiteralType(expr.literal);
      case Expr::Kind::kIdent:
        return Identifier(expr);
      case Expr::Kind::kSelect:
        return Selection(expr);
      case Expr::Kind::kCall:
        return Call(expr);
      case Expr::Kind::kList:
        return List(expr);
      case Expr::Kind::kMap:
        return Map(expr);
      case Expr::Kind::kLoop:
        return expr.loop == Loop::kBind ? Bind(expr) : Comprehension(expr);
    }
    return Dyn();
  }

  static const Type* LiteralType(const Value& literal) {
    switch (literal.kind()) {
      case Kind::kNull:
        return SimpleType(TypeKind::kNull);
      case Kind::kBool:
        return SimpleType(TypeKind::kBool);
      case Kind::kInt:
        return SimpleType(TypeKind::kInt);
      case Kind::kUint:
        return SimpleType(TypeKind::kUint);
      case Kind::kDouble:
        return SimpleType(TypeKind::kDouble);
      case Kind::kString:
        return SimpleType(TypeKind::kString);
      case Kind::kBytes:
        return SimpleType(TypeKind::kBytes);
      default:
        return SimpleType(TypeKind::kDyn);
    }
  }

  // --- names ---

  const Local* FindLocal(std::string_view name) const {
    for (size_t i = locals_.size(); i-- > 0;) {
      if (locals_[i].name == name) return &locals_[i];
    }
    return nullptr;
  }

  // "a.b.c" when the expression is that and `a` is no variable of a loop; empty otherwise.
  std::string DottedPath(const Expr& expr) const {
    std::vector<std::string_view> names;
    const Expr* at = &expr;
    for (; at->kind == Expr::Kind::kSelect && (!at->has || at == &expr); at = at->operand) {
      names.push_back(at->name);
    }
    if (at->kind != Expr::Kind::kIdent) return "";
    if (!at->leading_dot && FindLocal(at->name) != nullptr) return "";
    std::string path(at->name);
    for (size_t i = names.size(); i-- > 0;) path.append(".").append(names[i]);
    return path;
  }

  // The type of a declared variable or of a type's name; null when the path is neither.
  const Type* Resolve(Expr& expr, std::string_view path) {
    if (const Variable* variable = environment_.FindVariable(path)) {
      expr.variable = variable;
      return expr.has ? Bool() : variable->type;
    }
    if (const std::string_view name = TypeConstant(path); !name.empty() && !expr.has) {
      expr.type_name = true;
      expr.literal = Value::Type(name);
      return SimpleType(TypeKind::kType);
    }
    return nullptr;
  }

  const Type* Identifier(Expr& expr) {
    if (!expr.leading_dot) {
      if (const Local* local = FindLocal(expr.name)) {
        expr.local = static_cast<int>(local - locals_.data());
        return local->type;
      }
    }
    if (const Type* type = Resolve(expr, expr.name)) return type;
    if (quiet()) return Dyn();
    const std::string name = chain_.empty() ? std::string(expr.name) : chain_;
    if (const std::string_view within = FirstWithin(name); !within.empty()) {
      Report(expr.at,
             Quoted(name) + " is no value by itself; name one within, as " + Quoted(within));
      return Dyn();
    }
    Report(expr.at, "unknown name " + Quoted(name) + SuggestVariable(name));
    return Dyn();
  }

  // The first variable of the names that start so: "customer.age" for "customer".
  std::string_view FirstWithin(std::string_view name) const {
    for (const std::string_view path : environment_.VariablePaths()) {
      if (path.size() > name.size() && path.substr(0, name.size()) == name &&
          path[name.size()] == '.') {
        return path;
      }
    }
    return {};
  }

  std::string SuggestVariable(std::string_view name) const {
    std::vector<std::string_view> names = environment_.VariablePaths();
    for (const Local& local : locals_) names.push_back(local.name);
    names.insert(names.end(), {"true", "false", "null"});
    return DidYouMean(name, names);
  }

  const Type* Selection(Expr& expr) {
    const std::string path = DottedPath(expr);
    if (!path.empty()) {
      if (const Type* type = Resolve(expr, path)) return type;
    }
    // An unknown name within is reported with all of its fields.
    const bool outermost = chain_.empty();
    if (outermost) chain_ = path;
    const Type* operand = inference_.Follow(Visit(*expr.operand));
    if (outermost) chain_.clear();
    switch (operand->kind) {
      case TypeKind::kMap:
        if (!inference_.Assign(operand->first, SimpleType(TypeKind::kString))) {
          Report(expr.at, "a map with keys of type " + Describe(operand->first) + " has no fields");
        }
        return expr.has ? Bool() : operand->second;
      case TypeKind::kParam:
        inference_.Assign(operand, Dyn());
        return expr.has ? Bool() : Dyn();
      case TypeKind::kDyn:
        return expr.has ? Bool() : Dyn();
      default:
        Report(expr.at,
               "a value of type " + Describe(operand) + " has no field " + Quoted(expr.name));
        return Dyn();
    }
  }

  // --- calls ---

  const Type* Call(Expr& expr) {
    if (expr.operand != nullptr) {
      const std::string path = DottedPath(*expr.operand);
      if (!path.empty()) {
        expr.function = environment_.FindFunction(path + "." + std::string(expr.name));
        expr.global_call = expr.function != nullptr;
      }
    }
    if (expr.function == nullptr) expr.function = environment_.FindFunction(expr.name);
    std::vector<const Type*> args;
    if (expr.operand != nullptr && !expr.global_call && !IsUnknownNamespace(expr)) {
      args.push_back(Outside([&] { return Visit(*expr.operand); }));
    }
    for (Expr* argument : expr.args) args.push_back(Outside([&] { return Visit(*argument); }));
    if (expr.function == nullptr) return UnknownFunction(expr);
    if (expr.name == op::kAnd || expr.name == op::kOr) return Logic(expr, args);
    if (expr.function->variadic_numbers) return GreatestOrLeast(expr, args);
    return Overloaded(expr, args);
  }

  // True for `math.gratest(1)`: there `math` is no name to complain about.
  bool IsUnknownNamespace(const Expr& call) const {
    const Expr& operand = *call.operand;
    return call.function == nullptr && operand.kind == Expr::Kind::kIdent &&
           FindLocal(operand.name) == nullptr && environment_.FindVariable(operand.name) == nullptr;
  }

  // Visits something that is no part of the chain of fields around it.
  template <typename Visitor>
  const Type* Outside(Visitor visitor) {
    std::string chain = std::exchange(chain_, "");
    const Type* type = visitor();
    chain_ = std::move(chain);
    return type;
  }

  const Type* UnknownFunction(const Expr& expr) {
    if (quiet()) return Dyn();
    std::string name(expr.name);
    if (expr.operand != nullptr && expr.operand->kind == Expr::Kind::kIdent &&
        expr.operand->variable == nullptr && expr.operand->local < 0) {
      name = std::string(expr.operand->name) + "." + name;
    }
    std::vector<std::string_view> names = environment_.FunctionNames();
    for (const std::string_view macro : {"has", "all", "exists", "exists_one", "map", "filter",
                                         "transformList", "transformMap", "cel.bind"}) {
      if (macro == name) {
        Report(expr.at, Quoted(name) + " is not used with " + std::to_string(expr.args.size()) +
                            " arguments" +
                            (expr.operand == nullptr && name != "has"
                                 ? " or without a list or map in front of it"
                                 : ""));
        return Dyn();
      }
      names.push_back(macro);
    }
    Report(expr.at, "unknown function " + Quoted(name) + DidYouMean(name, names));
    return Dyn();
  }

  const Type* Logic(const Expr& expr, const std::vector<const Type*>& args) {
    for (size_t i = 0; i < args.size(); ++i) {
      if (inference_.Assign(Bool(), args[i])) continue;
      Report(expr.args[i]->range.begin,
             DisplayName(expr.name) + " wants bool, but this is " + Describe(args[i]));
    }
    return Bool();
  }

  static bool IsNumber(const Type* type) {
    return type->kind == TypeKind::kInt || type->kind == TypeKind::kUint ||
           type->kind == TypeKind::kDouble;
  }

  const Type* GreatestOrLeast(const Expr& expr, std::vector<const Type*> args) {
    if (args.size() == 1) {
      const Type* list = inference_.Follow(args[0]);
      if (list->kind == TypeKind::kList) args[0] = list->first;
    }
    const Type* common = nullptr;
    for (size_t i = 0; i < args.size(); ++i) {
      const Type* type = inference_.Follow(args[i]);
      if (!IsNumber(type) && type->kind != TypeKind::kDyn && type->kind != TypeKind::kParam) {
        Report(expr.args[i]->range.begin,
               expr.function->name + " wants numbers, but this is " + Describe(type));
      }
      common = common == nullptr || SameType(common, type) ? type : Dyn();
    }
    if (common == nullptr) Report(expr.at, expr.function->name + " wants at least one number");
    return common == nullptr || !IsNumber(common) ? Dyn() : common;
  }

  const Type* Overloaded(const Expr& expr, const std::vector<const Type*>& args) {
    const bool receiver = expr.operand != nullptr && !expr.global_call;
    const Type* result = nullptr;
    for (const Overload& overload : expr.function->overloads) {
      if (overload.receiver != receiver || overload.args.size() != args.size()) continue;
      const Type* one = Match(overload, args);
      if (one == nullptr) continue;
      result = result == nullptr || SameType(result, one) ? one : Dyn();
    }
    if (result != nullptr) return result;
    if (quiet()) return Dyn();
    std::string types;
    for (size_t i = receiver ? 1 : 0; i < args.size(); ++i) {
      types += (types.empty() ? "" : ", ") + Describe(args[i]);
    }
    Report(expr.at, Quoted(DisplayName(expr.name)) + " is not defined for " +
                        (receiver ? Describe(args[0]) + "." : "") + "(" + types + ")" +
                        Forms(*expr.function));
    return Dyn();
  }

  // The result of an overload for these arguments; null when it is not for them.
  const Type* Match(const Overload& overload, const std::vector<const Type*>& args) {
    inference_.StartInstance();
    std::vector<const Type*> wanted;
    for (const Type* type : overload.args) wanted.push_back(inference_.Instantiate(type));
    const Type* result = inference_.Instantiate(overload.result);
    return inference_.AssignAll(wanted, args) ? inference_.Resolve(result) : nullptr;
  }

  // What a function that was called wrongly would take. Operators explain themselves.
  static std::string Forms(const Function& function) {
    constexpr size_t kMaxForms = 3;
    if (function.name.find('_') != std::string::npos || function.overloads.size() > kMaxForms)
      return "";
    std::string forms;
    for (const Overload& overload : function.overloads) {
      forms += forms.empty() ? "; it takes " : " or ";
      if (overload.receiver) forms += ToString(overload.args[0]) + ".";
      forms += "(";
      for (size_t i = overload.receiver ? 1 : 0; i < overload.args.size(); ++i) {
        if (i > (overload.receiver ? 1 : 0)) forms += ", ";
        forms += ToString(overload.args[i]);
      }
      forms += ")";
    }
    return forms;
  }

  // --- aggregates ---

  const Type* List(Expr& expr) {
    const Type* element = nullptr;
    for (Expr* item : expr.args) {
      element = inference_.Join(element, Outside([&] { return Visit(*item); }));
    }
    return types_.List(element == nullptr ? inference_.NewParam() : element);
  }

  const Type* Map(Expr& expr) {
    const Type* key = nullptr;
    const Type* value = nullptr;
    for (size_t i = 0; i + 1 < expr.args.size(); i += 2) {
      key = inference_.Join(key, Outside([&] { return Visit(*expr.args[i]); }));
      value = inference_.Join(value, Outside([&] { return Visit(*expr.args[i + 1]); }));
    }
    if (key == nullptr) return types_.Map(inference_.NewParam(), inference_.NewParam());
    return types_.Map(key, value);
  }

  // --- loops ---

  bool TooManyLocals(const Expr& expr) {
    if (++loops_ <= limits_.max_comprehension_depth) return false;
    // Also when lenient: the evaluator has no room for more.
    reporter_.Report(expr.at, "comprehensions nest too deeply: more than " +
                                  std::to_string(limits_.max_comprehension_depth) + " levels");
    return true;
  }

  const Type* Bind(Expr& expr) {
    const Type* type = Outside([&] { return Visit(*expr.operand); });
    if (TooManyLocals(expr)) return Dyn();
    expr.first_local = static_cast<int>(locals_.size());
    locals_.push_back({expr.variables[0], type});
    const Type* result = Outside([&] { return Visit(*expr.body); });
    locals_.pop_back();
    --loops_;
    return result;
  }

  // The types of what a loop's variables stand for: key or index, and value.
  std::pair<const Type*, const Type*> RangeTypes(const Expr& expr, const Type* range) {
    switch (range->kind) {
      case TypeKind::kList:
        return {SimpleType(TypeKind::kInt), range->first};
      case TypeKind::kMap:
        return {range->first, range->second};
      case TypeKind::kParam:
        inference_.Assign(range, Dyn());
        return {Dyn(), Dyn()};
      case TypeKind::kDyn:
        return {Dyn(), Dyn()};
      default:
        Report(expr.at,
               Quoted(expr.name) + " goes over a list or a map, not over " + Describe(range));
        return {Dyn(), Dyn()};
    }
  }

  const Type* Comprehension(Expr& expr) {
    const Type* range = inference_.Follow(Outside([&] { return Visit(*expr.operand); }));
    const auto [key, value] = RangeTypes(expr, range);
    if (TooManyLocals(expr)) return Dyn();
    expr.first_local = static_cast<int>(locals_.size());
    const Type* element = range->kind == TypeKind::kMap ? key : value;
    if (expr.index_variable) {
      locals_.push_back({expr.variables[0], key});
      locals_.push_back({expr.variables[1], value});
    } else {
      locals_.push_back({expr.variables[0], element});
    }
    if (expr.filter != nullptr) {
      WantBool(*expr.filter, Outside([&] { return Visit(*expr.filter); }));
    }
    const Type* body = Outside([&] { return Visit(*expr.body); });
    locals_.resize(expr.first_local);
    --loops_;
    switch (expr.loop) {
      case Loop::kMap:
        return types_.List(body);
      case Loop::kTransformMap:
        return types_.Map(key, body);
      case Loop::kFilter:
        WantBool(*expr.body, body);
        return types_.List(element);
      default:
        WantBool(*expr.body, body);
        return Bool();
    }
  }

  void WantBool(const Expr& expr, const Type* type) {
    if (inference_.Assign(Bool(), type)) return;
    Report(expr.range.begin, "this must be of type bool, but is " + Describe(type));
  }

  const Environment& environment_;
  const Limits& limits_;
  const CheckOptions& options_;
  IssueReporter& reporter_;
  TypePool& types_;
  TypeInference inference_;
  std::vector<Expr*> visited_;
  std::vector<Local> locals_;
  int loops_ = 0;
  std::string chain_;  // the outermost selection that is being visited, as a path
};

}  // namespace

void Check(Ast& ast, const Environment& environment, const Limits& limits,
           const CheckOptions& options, IssueReporter& reporter) {
  Checker(ast, environment, limits, options, reporter).Run(*ast.root);
}

}  // namespace attune::expression
