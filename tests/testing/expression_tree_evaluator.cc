#include "tests/testing/expression_tree_evaluator.h"

#include <algorithm>

#include "lib/expression/operators.h"

namespace attune::expression {

Value TreeEvaluator::Evaluate(const Expr& root) {
  context_.StartEvaluation();
  const Value value = Eval(root);
  return context_.limit_hit() ? context_.LimitError() : value;
}

Value TreeEvaluator::Eval(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kInvalid:
      return Value::Error(ErrorCode::kInvalidArgument, "invalid");
    case Expr::Kind::kLiteral:
      return expr.literal;
    case Expr::Kind::kIdent:
      return Variable(expr);
    case Expr::Kind::kSelect:
      return Selection(expr);
    case Expr::Kind::kCall:
      return Call(expr);
    case Expr::Kind::kList:
    case Expr::Kind::kMap:
      return Aggregate(expr);
    case Expr::Kind::kLoop:
      return EvalLoop(expr);
  }
  return Value();
}

Value TreeEvaluator::Variable(const Expr& expr) {
  if (expr.local >= 0) return locals_[expr.local];
  if (expr.type_name) return expr.literal;
  if (expr.variable == nullptr) return Value::Error(ErrorCode::kUnknownName, "unknown name");
  const Value value = values_.at(expr.variable->path);
  if (expr.has) return Value::Bool(value.present() && !value.is_error());
  return value;
}

Value TreeEvaluator::Selection(const Expr& expr) {
  if (expr.variable != nullptr || expr.type_name) return Variable(expr);
  const Value operand = Eval(*expr.operand);
  if (operand.is_error()) return operand;
  return expr.has ? HasField(context_, operand, expr.name)
                  : SelectField(context_, operand, expr.name);
}

Value TreeEvaluator::Condition(const Expr& expr) {
  const Value value = Eval(expr);
  if (value.is_error() || value.kind() == Kind::kBool) return value;
  return Value::Error(ErrorCode::kNoOverload, "not a bool");
}

Value TreeEvaluator::Logic(const Expr& expr, bool decisive) {
  Value result = Value::Bool(!decisive);
  for (const Expr* argument : expr.args) {
    const Value value = Condition(*argument);
    if (!value.is_error() && value.bool_value() == decisive) return value;
    if (value.is_error() && !result.is_error()) result = value;
  }
  return result;
}

Value TreeEvaluator::Call(const Expr& expr) {
  if (expr.function == nullptr) return Value::Error(ErrorCode::kUnknownName, "unknown function");
  if (expr.name == op::kAnd) return Logic(expr, false);
  if (expr.name == op::kOr) return Logic(expr, true);
  if (expr.name == op::kNot) {
    const Value value = Condition(*expr.args[0]);
    return value.is_error() ? value : Value::Bool(!value.bool_value());
  }
  if (expr.name == op::kConditional) {
    const Value condition = Condition(*expr.args[0]);
    if (condition.is_error()) return condition;
    return Eval(*expr.args[condition.bool_value() ? 1 : 2]);
  }
  const bool receiver = expr.operand != nullptr && !expr.global_call;
  const size_t count = expr.args.size() + (receiver ? 1 : 0);
  const auto fits = [&](const Overload& overload) {
    return overload.receiver == receiver && overload.args.size() == count;
  };
  const auto& overloads = expr.function->overloads;
  const bool variadic = expr.function->variadic_numbers && !receiver && count > 0;
  if (!variadic && std::none_of(overloads.begin(), overloads.end(), fits)) {
    return Value::Error(ErrorCode::kNoOverload, "no such form");
  }
  std::vector<Value> args;
  if (receiver) args.push_back(Eval(*expr.operand));
  for (const Expr* argument : expr.args) {
    if (!args.empty() && args.back().is_error()) return args.back();
    args.push_back(Eval(*argument));
  }
  if (!args.empty() && args.back().is_error()) return args.back();
  return expr.function->body(context_, args.data(), args.size());
}

Value TreeEvaluator::Aggregate(const Expr& expr) {
  if (!context_.ChargeElements(expr.args.size())) return context_.LimitError();
  Value* items = context_.arena().Allocate<Value>(expr.args.size());
  for (size_t i = 0; i < expr.args.size(); ++i) {
    items[i] = Eval(*expr.args[i]);
    if (items[i].is_error()) return items[i];
    // A map complains about a bad key before it looks at the next entry.
    if (expr.kind != Expr::Kind::kMap || i % 2 == 0) continue;
    MapBuilder builder(context_.arena(), i / 2 + 1);
    for (size_t j = 0; j < i; j += 2) {
      if (const auto problem = builder.Add(items[j], items[j + 1])) return *problem;
    }
  }
  if (expr.kind == Expr::Kind::kList) return Value::List(items, expr.args.size());
  MapBuilder builder(context_.arena(), expr.args.size() / 2);
  for (size_t i = 0; i + 1 < expr.args.size(); i += 2) builder.Add(items[i], items[i + 1]);
  return builder.Build();
}

void TreeEvaluator::SetLocals(const Expr& expr, const MapData::Entry& entry, bool map) {
  locals_[expr.first_local] = expr.index_variable || map ? entry.key : entry.value;
  if (expr.index_variable) locals_[expr.first_local + 1] = entry.value;
}

Value TreeEvaluator::EvalLoop(const Expr& expr) {
  if (expr.first_local < 0) return Value::Error(ErrorCode::kInvalidArgument, "too deep");
  const Value over = Eval(*expr.operand);
  if (expr.loop == Loop::kBind) {
    locals_[expr.first_local] = over;
    return Eval(*expr.body);
  }
  if (over.is_error()) return over;
  std::vector<MapData::Entry> entries;
  if (over.kind() == Kind::kMap) {
    entries.assign(over.map()->entries, over.map()->entries + over.map()->size);
  } else if (over.is_list()) {
    for (int64_t i = 0; const auto element = ListElement(over, i); ++i) {
      entries.push_back({Value::Int(i), *element});
    }
  } else {
    return Value::Error(ErrorCode::kNoOverload, "not a range");
  }
  const bool map = over.kind() == Kind::kMap;
  if (expr.loop > Loop::kExistsOne) return Collect(expr, entries, map);
  return Quantify(expr, entries, map);
}

// Evaluates the condition everywhere before it decides.
Value TreeEvaluator::Quantify(const Expr& expr, const std::vector<MapData::Entry>& entries,
                              bool map) {
  std::vector<Value> found;
  for (const MapData::Entry& entry : entries) {
    if (!context_.Charge(1)) return context_.LimitError();
    SetLocals(expr, entry, map);
    found.push_back(Condition(*expr.body));
  }
  const auto count = [&](auto test) { return std::count_if(found.begin(), found.end(), test); };
  const auto error =
      std::find_if(found.begin(), found.end(), [](const Value& v) { return v.is_error(); });
  const auto truths = count([](const Value& v) { return v.is_true(); });
  const auto falses = count([](const Value& v) { return !v.is_error() && !v.is_true(); });
  if (expr.loop == Loop::kAll && falses > 0) return Value::Bool(false);
  if (expr.loop == Loop::kExists && truths > 0) return Value::Bool(true);
  if (error != found.end()) return *error;
  if (expr.loop == Loop::kExistsOne) return Value::Bool(truths == 1);
  return Value::Bool(expr.loop == Loop::kAll);
}

Value TreeEvaluator::Collect(const Expr& expr, const std::vector<MapData::Entry>& entries,
                             bool map) {
  std::vector<MapData::Entry> results;
  for (const MapData::Entry& entry : entries) {
    if (!context_.Charge(1)) return context_.LimitError();
    SetLocals(expr, entry, map);
    if (const Expr* test = expr.loop == Loop::kFilter ? expr.body : expr.filter; test != nullptr) {
      const Value passes = Condition(*test);
      if (passes.is_error()) return passes;
      if (!passes.bool_value()) continue;
    }
    const Value kept = locals_[expr.first_local];
    const Value value = expr.loop == Loop::kFilter ? kept : Eval(*expr.body);
    if (value.is_error()) return value;
    results.push_back({entry.key, value});
  }
  if (expr.loop == Loop::kTransformMap) {
    MapBuilder builder(context_.arena(), results.size());
    for (const MapData::Entry& entry : results) {
      if (const auto problem = builder.Add(entry.key, entry.value)) return *problem;
    }
    return builder.Build();
  }
  Value* items = context_.arena().Allocate<Value>(results.size());
  for (size_t i = 0; i < results.size(); ++i) items[i] = results[i].value;
  return Value::List(items, results.size());
}

}  // namespace attune::expression
