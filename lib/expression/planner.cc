#include "lib/expression/planner.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "lib/expression/explain_builder.h"
#include "lib/expression/operators.h"

namespace attune::expression {
namespace {

// Longer constant lists are hashed.
constexpr uint32_t kScannedElements = 6;
// What is lighter costs no more than remembering it: up to three comparisons with constants.
constexpr uint32_t kMinMemoWeight = 5;
// What is used so often is remembered when it is lighter, too.
constexpr uint32_t kMinSharedWeight = 3;
constexpr uint32_t kManyUses = 4;
// A call weighs as much as that.
constexpr uint32_t kCallWeight = 5;

// Which outcomes of a comparison make it true: bit 0 less, 1 equal, 2 greater, 3 unordered.
uint8_t Accepted(Comparison comparison) {
  uint8_t bits = 0;
  constexpr Ordering kOutcomes[] = {Ordering::kLess, Ordering::kEqual, Ordering::kGreater,
                                    Ordering::kUnordered};
  for (size_t i = 0; i < std::size(kOutcomes); ++i) {
    if (Holds(comparison, kOutcomes[i])) bits |= static_cast<uint8_t>(1 << i);
  }
  return bits;
}

bool Foldable(Op op) {
  switch (op) {
    case Op::kNot:
    case Op::kCompare:
    case Op::kInConstants:
    case Op::kSelect:
    case Op::kHasField:
    case Op::kMatches:
    case Op::kCall:
    case Op::kList:
    case Op::kMap:
      return true;
    default:
      return false;
  }
}

// The number of arguments, a receiver included.
size_t ArgumentCount(const Expr& call) {
  return call.args.size() + (call.operand != nullptr && !call.global_call ? 1 : 0);
}

bool HasForm(const Expr& call) {
  if (call.function->variadic_numbers)
    return !call.args.empty() && ArgumentCount(call) == call.args.size();
  const bool receiver = call.operand != nullptr && !call.global_call;
  return std::any_of(call.function->overloads.begin(), call.function->overloads.end(),
                     [&](const Overload& overload) {
                       return overload.receiver == receiver &&
                              overload.args.size() == ArgumentCount(call);
                     });
}

}  // namespace

size_t Planner::KeyHash::operator()(const Key& key) const {
  return absl::HashOf(key.node.op, key.node.comparison, key.node.loop, key.node.index_variable,
                      key.node.slot, key.node.data, key.node.body, HashOf(key.node.constant),
                      key.children);
}

bool Planner::KeyEqual::operator()(const Key& a, const Key& b) const {
  return a.node.op == b.node.op && a.node.comparison == b.node.comparison &&
         a.node.loop == b.node.loop && a.node.index_variable == b.node.index_variable &&
         a.node.scope == b.node.scope && a.node.slot == b.node.slot && a.node.data == b.node.data &&
         a.node.body == b.node.body && a.children == b.children &&
         Identical(a.node.constant, b.node.constant);
}

Planner::Planner(const Limits& limits) : limits_(limits), plan_(std::make_unique<Plan>()) {}

bool Planner::IsConstant(uint32_t index) const {
  return node(index).op == Op::kConstant && !node(index).constant.is_error();
}

bool Planner::IsFalse(uint32_t index) const {
  return IsConstant(index) && node(index).constant.kind() == Kind::kBool &&
         !node(index).constant.bool_value();
}

bool Planner::YieldsBool(uint32_t index) const {
  const Node& found = node(index);
  if (found.op == Op::kLoop) return found.loop <= Loop::kExistsOne;
  return found.op == Op::kHasSlot || found.op == Op::kHasLazy ||
         (found.op >= Op::kAnd && found.op <= Op::kNot) ||
         (found.op >= Op::kCompareInt && found.op <= Op::kInConstants) || found.op == Op::kMatches;
}

uint32_t Planner::Intern(Node node, std::vector<uint32_t> children) {
  uint64_t free_locals = node.op == Op::kLocal ? uint64_t{1} << node.slot : 0;
  uint64_t weight = 1;
  for (const uint32_t child : children) {
    // A slot, a lazy variable and a function of the host come with a scope of their own.
    node.scope = std::max(node.scope, plan_->nodes[child].scope);
    free_locals |= free_locals_[child];
    weight += plan_->nodes[child].weight;
  }
  if (node.op == Op::kLoop || node.op == Op::kBind) {
    free_locals &= ~(uint64_t{node.index_variable ? 3u : 1u} << node.slot);
    plan_->locals = std::max(plan_->locals, node.slot + (node.index_variable ? 2 : 1));
    if (node.op == Op::kLoop) weight += 8;
  }
  if (node.op == Op::kCall || node.op == Op::kMatches || node.op == Op::kHostCall) {
    weight += kCallWeight;
  }
  node.weight = static_cast<uint32_t>(std::min<uint64_t>(weight, 1'000'000));
  const auto [found, inserted] =
      known_.try_emplace(Key{node, children}, static_cast<uint32_t>(plan_->nodes.size()));
  if (!inserted) return found->second;
  node.first_child = static_cast<uint32_t>(children_.size());
  node.child_count = static_cast<uint32_t>(children.size());
  children_.insert(children_.end(), children.begin(), children.end());
  plan_->nodes.push_back(node);
  free_locals_.push_back(free_locals);
  return found->second;
}

uint32_t Planner::Constant(const Value& value) {
  Node node;
  node.constant = Keep(value);
  return Intern(node, {});
}

uint32_t Planner::Error(ErrorCode code, std::initializer_list<std::string_view> message) {
  std::string text;
  for (const std::string_view part : message) text.append(part);
  return Constant(Value::Error(code, text));
}

uint32_t Planner::Pure(Node node, std::vector<uint32_t> children) {
  const bool constant = std::all_of(children.begin(), children.end(),
                                    [&](uint32_t child) { return IsConstant(child); });
  const uint32_t index = Intern(node, std::move(children));
  if (!constant || !Foldable(node.op)) return index;
  Plan alone;
  Isolate(index, alone);
  Machine machine(alone, limits_);
  const Value value = machine.Run(0);
  // An error stays where it is: it is one only when it is evaluated.
  return value.is_error() ? index : Constant(value);
}

void Planner::Isolate(uint32_t index, Plan& plan) const {
  plan.nodes.push_back(node(index));
  plan.nodes.front().first_child = 1;
  for (uint32_t i = 0; i < node(index).child_count; ++i) {
    plan.nodes.push_back(node(Children(index)[i]));
  }
}

uint32_t Planner::Add(const Expr& root, bool check_constants) {
  planned_.clear();
  problems_.clear();
  check_constants_ = check_constants;
  return Visit(root);
}

ExplainNode Planner::Explain(const Expr& root) const {
  return ExplainBuilder(*plan_, planned_).Build(root);
}

ExplainNode Planner::Positions(const Expr& root) const {
  return ExplainBuilder(*plan_, planned_).BuildPositions(root);
}

uint32_t Planner::Define(uint32_t node) {
  definitions_.push_back(node);
  return node;
}

uint32_t Planner::Visit(const Expr& expr) {
  uint32_t index = 0;
  switch (expr.kind) {
    case Expr::Kind::kInvalid:
      index = Error(ErrorCode::kInvalidArgument, {"not an expression"});
      break;
    case Expr::Kind::kLiteral:
      index = Constant(expr.literal);
      break;
    case Expr::Kind::kIdent:
      index = PlanVariable(expr);
      break;
    case Expr::Kind::kSelect:
      index = PlanSelection(expr);
      break;
    case Expr::Kind::kCall:
      index = PlanCall(expr);
      break;
    case Expr::Kind::kList:
    case Expr::Kind::kMap: {
      std::vector<uint32_t> children;
      for (const Expr* element : expr.args) children.push_back(Visit(*element));
      Node node;
      node.op = expr.kind == Expr::Kind::kList ? Op::kList : Op::kMap;
      index = Pure(node, std::move(children));
      break;
    }
    case Expr::Kind::kLoop:
      index = PlanLoop(expr);
      break;
  }
  planned_[&expr] = index;
  if (check_constants_ && expr.kind == Expr::Kind::kCall) CheckConstant(expr, index);
  return index;
}

void Planner::CheckConstant(const Expr& expr, uint32_t index) {
  const auto* child = Children(index);
  const bool has_constants_only = std::all_of(child, child + node(index).child_count,
                                              [&](uint32_t c) { return IsConstant(c); });
  if (node(index).op != Op::kConstant && (!has_constants_only || !Foldable(node(index).op))) return;
  Plan alone;
  Isolate(index, alone);
  Machine machine(alone, limits_);  // holds the message
  const Value value = machine.Run(0);
  if (!value.is_error()) return;
  problems_.push_back({Issue::Severity::kError, expr.at,
                       "this fails always: " + std::string(value.error_message())});
}

uint32_t Planner::PlanVariable(const Expr& expr) {
  Node node;
  if (expr.local >= 0) {
    node.op = Op::kLocal;
    node.slot = static_cast<uint32_t>(expr.local);
    return Intern(node, {});
  }
  if (expr.type_name) return Constant(expr.literal);
  if (expr.variable == nullptr) {
    return Error(ErrorCode::kUnknownName, {"unknown name: ", expr.name});
  }
  const Variable& variable = *expr.variable;
  if (variable.lazy == nullptr && variable.definition < 0) {
    node.op = expr.has ? Op::kHasSlot : Op::kSlot;
    node.scope = variable.scope;
    node.slot = variable.slot;
    return Intern(node, {});
  }
  uint32_t index = 0;
  if (variable.definition >= 0) {
    index = definitions_[variable.definition];
  } else {
    node.op = Op::kLazy;
    node.scope = variable.scope;
    node.variable = &variable;
    index = Intern(node, {});
  }
  if (!expr.has) return index;
  Node has;
  has.op = Op::kHasLazy;
  return Intern(has, {index});
}

uint32_t Planner::PlanSelection(const Expr& expr) {
  if (expr.variable != nullptr || expr.type_name) return PlanVariable(expr);
  const uint32_t operand = Visit(*expr.operand);
  Node node;
  node.op = expr.has ? Op::kHasField : Op::kSelect;
  node.constant = Keep(Value::String(expr.name));
  return Pure(node, {operand});
}

uint32_t Planner::PlanCall(const Expr& expr) {
  if (expr.function == nullptr) {
    return Error(ErrorCode::kUnknownName, {"unknown function: ", expr.name});
  }
  if (expr.name == op::kAnd) return PlanLogic(expr, true);
  if (expr.name == op::kOr) return PlanLogic(expr, false);
  if (expr.name == op::kNot) return PlanNot(expr);
  if (expr.name == op::kConditional) return PlanConditional(expr);
  if (expr.name == op::kIn) return PlanIn(expr);
  if (const std::optional<Comparison> comparison = ComparisonOf(expr.name)) {
    const uint32_t left = Visit(*expr.args[0]);
    const uint32_t right = Visit(*expr.args[1]);
    return PlanComparison(*comparison, left, right);
  }
  return PlanFunction(expr);
}

uint32_t Planner::PlanLogic(const Expr& expr, bool is_and) {
  std::vector<uint32_t> children;
  bool decided = false;
  const auto add = [&](uint32_t child) {
    if (is_and ? IsFalse(child) : IsTrue(child)) decided = true;
    // What is neutral is left out, and so is what stands there already.
    if (is_and ? IsTrue(child) : IsFalse(child)) return;
    if (std::find(children.begin(), children.end(), child) == children.end()) {
      children.push_back(child);
    }
  };
  const Op op = is_and ? Op::kAnd : Op::kOr;
  for (const Expr* argument : expr.args) {
    const uint32_t child = Visit(*argument);
    if (node(child).op != op) {
      add(child);
      continue;
    }
    // (a && b) && c is a && b && c.
    for (uint32_t i = 0; i < node(child).child_count; ++i) {
      add(children_[node(child).first_child + i]);
    }
  }
  if (decided) return Constant(Value::Bool(!is_and));
  if (children.empty()) return Constant(Value::Bool(is_and));
  if (children.size() == 1 && YieldsBool(children[0])) return children[0];
  Node node;
  node.op = op;
  return Intern(node, std::move(children));
}

uint32_t Planner::PlanNot(const Expr& expr) {
  Node node;
  node.op = Op::kNot;
  return Pure(node, {Visit(*expr.args[0])});
}

uint32_t Planner::PlanConditional(const Expr& expr) {
  const uint32_t condition = Visit(*expr.args[0]);
  const uint32_t yes = Visit(*expr.args[1]);
  const uint32_t no = Visit(*expr.args[2]);
  if (IsTrue(condition)) return yes;
  if (IsFalse(condition)) return no;
  Node node;
  node.op = Op::kConditional;
  return Intern(node, {condition, yes, no});
}

bool Planner::FuseComparison(Comparison comparison, const Node& slot, const Value& constant,
                             Node* fused) {
  const bool equality = comparison == Comparison::kEqual || comparison == Comparison::kNotEqual;
  fused->scope = slot.scope;
  fused->slot = slot.slot;
  fused->constant = constant;
  fused->comparison = comparison;
  fused->accepted = Accepted(comparison);
  switch (constant.kind()) {
    case Kind::kInt:
      fused->op = Op::kCompareInt;
      return true;
    case Kind::kDouble:
      fused->op = Op::kCompareDouble;
      return true;
    case Kind::kString:
      fused->op = Op::kCompareString;
      return equality;
    default:
      return false;
  }
}

uint32_t Planner::PlanComparison(Comparison comparison, uint32_t left, uint32_t right) {
  if (IsConstant(left) && !IsConstant(right)) {
    std::swap(left, right);
    comparison = Mirrored(comparison);
  }
  Node node;
  if (this->node(left).op == Op::kSlot && IsConstant(right) &&
      FuseComparison(comparison, this->node(left), this->node(right).constant, &node)) {
    return Intern(node, {});
  }
  node = Node();
  node.op = Op::kCompare;
  node.comparison = comparison;
  node.accepted = Accepted(comparison);
  return Pure(node, {left, right});
}

const ConstantSet* Planner::MakeSet(const Value& list) {
  const auto all_are = [&](Kind kind) {
    return std::all_of(list.items(), list.items() + list.size(),
                       [&](const Value& item) { return item.kind() == kind; });
  };
  const bool strings = all_are(Kind::kString);
  if (list.size() <= kScannedElements || (!strings && !all_are(Kind::kInt))) return nullptr;
  for (const ConstantSet& set : plan_->sets) {
    if (set.list == list.items()) return &set;
  }
  ConstantSet& set = plan_->sets.emplace_back();
  set.list = list.items();
  for (uint32_t i = 0; i < list.size(); ++i) {
    if (strings) {
      set.strings.insert(ToAbsl(list.items()[i].text()));
    } else {
      set.ints.insert(list.items()[i].int_value());
    }
  }
  return &set;
}

uint32_t Planner::PlanIn(const Expr& expr) {
  const uint32_t element = Visit(*expr.args[0]);
  const uint32_t container = Visit(*expr.args[1]);
  Node node;
  if (IsConstant(container) && this->node(container).constant.kind() == Kind::kList) {
    node.op = Op::kInConstants;
    node.constant = this->node(container).constant;
    node.set = MakeSet(node.constant);
    return Pure(node, {element});
  }
  node.op = Op::kCall;
  node.body = expr.function->body;
  return Pure(node, {element, container});
}

uint32_t Planner::PlanFunction(const Expr& expr) {
  if (!HasForm(expr)) {
    return Error(ErrorCode::kNoOverload,
                 {expr.function->name, " is not defined for so many arguments"});
  }
  std::vector<uint32_t> children;
  if (expr.operand != nullptr && !expr.global_call) children.push_back(Visit(*expr.operand));
  for (const Expr* argument : expr.args) children.push_back(Visit(*argument));
  Node node;
  if (expr.function->body == nullptr) {
    CheckArguments(expr, children);
    node.op = Op::kHostCall;
    node.scope = expr.function->scope;
    node.function = expr.function;
    return Intern(node, std::move(children));
  }
  if (expr.name == "matches" && IsConstant(children[1]) &&
      this->node(children[1]).constant.kind() == Kind::kString) {
    return PlanMatches(std::move(children));
  }
  node.op = Op::kCall;
  node.body = expr.function->body;
  return Pure(node, std::move(children));
}

void Planner::CheckArguments(const Expr& call, const std::vector<uint32_t>& children) {
  const size_t receivers = children.size() - call.args.size();
  for (const Overload& overload : call.function->overloads) {
    if (overload.check == nullptr || overload.args.size() != children.size()) continue;
    for (size_t i = 0; i < call.args.size(); ++i) {
      CheckArgument(overload, receivers + i, *call.args[i], children[receivers + i]);
    }
    return;
  }
}

void Planner::CheckArgument(const Overload& overload, size_t index, const Expr& argument,
                            uint32_t node) {
  if (argument.kind == Expr::Kind::kList && !argument.args.empty()) {
    for (const Expr* element : argument.args) {
      CheckArgument(overload, index, *element, planned_.at(element));
    }
    return;
  }
  CheckChoices(overload, index, argument.range.begin, node);
}

void Planner::CheckChoices(const Overload& overload, size_t index, uint32_t at, uint32_t node) {
  absl::flat_hash_set<uint32_t> seen;
  std::vector<uint32_t> open = {node};
  while (!open.empty()) {
    const Node& choice = this->node(open.back());
    const bool is_new = seen.insert(open.back()).second;
    open.pop_back();
    if (is_new && choice.op == Op::kConditional) {
      const uint32_t* children = children_.data() + choice.first_child;
      open.insert(open.end(), {children[1], children[2]});
    }
    if (!is_new || choice.op != Op::kConstant || choice.constant.is_error()) continue;
    HostRemark remark = overload.check(overload.data, index, choice.constant);
    if (remark.message.empty()) continue;
    problems_.push_back({remark.severity, at, std::move(remark.message)});
  }
}

uint32_t Planner::PlanMatches(std::vector<uint32_t> children) {
  const Value pattern = node(children[1]).constant;
  const RE2* regex = nullptr;
  for (const std::unique_ptr<RE2>& known : plan_->regexes) {
    if (known->pattern() == pattern.text()) regex = known.get();
  }
  if (regex == nullptr) {
    std::unique_ptr<RE2> compiled = CompileRegex(pattern.text());
    if (!compiled->ok()) {
      return Error(ErrorCode::kInvalidArgument, {"malformed regular expression: ", pattern.text()});
    }
    regex = plan_->regexes.emplace_back(std::move(compiled)).get();
  }
  Node node;
  node.op = Op::kMatches;
  node.constant = pattern;
  node.regex = regex;
  return Pure(node, {children[0]});
}

uint32_t Planner::PlanLoop(const Expr& expr) {
  if (expr.first_local < 0) return Error(ErrorCode::kInvalidArgument, {"nested too deeply"});
  Node node;
  node.op = expr.loop == Loop::kBind ? Op::kBind : Op::kLoop;
  node.loop = expr.loop;
  node.index_variable = expr.index_variable;
  node.slot = static_cast<uint32_t>(expr.first_local);
  const uint32_t over = Visit(*expr.operand);
  std::vector<uint32_t> children = {over, Visit(*expr.body)};
  if (expr.filter != nullptr) children.push_back(Visit(*expr.filter));
  return Intern(node, std::move(children));
}

// --- memos ---

void Planner::AddMemos(const std::vector<uint32_t>& roots, std::vector<uint32_t>& replaced) {
  const size_t count = plan_->nodes.size();
  std::vector<uint32_t> uses(count, 0);
  std::vector<bool> repeated(count, false);
  for (const uint32_t node : repeated_) repeated[node] = true;
  std::vector<bool> reachable(count, false);
  for (const uint32_t root : roots) {
    ++uses[root];
    reachable[root] = true;
  }
  // Children were made before their parents.
  for (size_t i = count; i-- > 0;) {
    if (!reachable[i]) continue;
    const Node& parent = plan_->nodes[i];
    for (uint32_t c = 0; c < parent.child_count; ++c) {
      const uint32_t child = children_[parent.first_child + c];
      reachable[child] = true;
      // What a loop does in every pass counts as used often, and so does what holds for the whole
      // decision but is needed for each candidate.
      const bool often =
          (parent.op == Op::kLoop && c > 0) ||
          (parent.scope == Scope::kCandidate && plan_->nodes[child].scope != Scope::kCandidate);
      uses[child] += often ? 2 : 1;
    }
  }
  for (uint32_t i = 0; i < count; ++i) {
    const Node& node = plan_->nodes[i];
    const bool costly = node.op == Op::kLazy || node.weight >= kMinMemoWeight ||
                        (node.weight >= kMinSharedWeight && uses[i] >= kManyUses);
    const bool once_per_decision = repeated[i] && node.scope != Scope::kCandidate;
    if (!reachable[i] || !costly || free_locals_[i] != 0 || node.op == Op::kConstant) continue;
    if (node.op != Op::kLazy && uses[i] < 2 && !once_per_decision) continue;
    Node memo;
    memo.op = Op::kMemo;
    memo.scope = std::max(node.scope, Scope::kDecision);
    memo.slot = plan_->memos++;
    memo.weight = node.weight;
    memo.first_child = static_cast<uint32_t>(children_.size());
    memo.child_count = 1;
    replaced[i] = static_cast<uint32_t>(plan_->nodes.size());
    children_.push_back(i);
    plan_->nodes.push_back(memo);
  }
}

void Planner::PutChildrenSideBySide() {
  std::vector<Node>& nodes = plan_->nodes;
  const auto count = static_cast<uint32_t>(nodes.size());
  nodes.reserve(count + children_.size());
  std::vector<uint32_t> first_child(count);
  for (uint32_t i = 0; i < count; ++i) {
    first_child[i] = static_cast<uint32_t>(nodes.size());
    for (uint32_t c = 0; c < nodes[i].child_count; ++c) {
      nodes.push_back(nodes[children_[nodes[i].first_child + c]]);
    }
  }
  // A copy has the children of the node that it is of.
  uint32_t copy = count;
  for (uint32_t i = 0; i < count; ++i) {
    for (uint32_t c = 0; c < nodes[i].child_count; ++c) {
      nodes[copy++].first_child = first_child[children_[nodes[i].first_child + c]];
    }
  }
  for (uint32_t i = 0; i < count; ++i) nodes[i].first_child = first_child[i];
}

std::unique_ptr<const Plan> Planner::Build(std::vector<uint32_t>& roots,
                                           std::vector<uint32_t>& definitions,
                                           std::vector<ExplainNode>& trees) {
  std::vector<uint32_t> replaced(plan_->nodes.size());
  for (uint32_t i = 0; i < replaced.size(); ++i) replaced[i] = i;
  const size_t children = children_.size();
  AddMemos(roots, replaced);
  // Not the children of the memos themselves, which were appended.
  for (size_t i = 0; i < children; ++i) children_[i] = replaced[children_[i]];
  for (uint32_t& root : roots) root = replaced[root];
  for (uint32_t& definition : definitions) definition = replaced[definition];
  for (ExplainNode& tree : trees) ReplaceNodes(tree, replaced);
  PutChildrenSideBySide();
  return std::move(plan_);
}

}  // namespace attune::expression
