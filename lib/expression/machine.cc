#include "lib/expression/machine.h"

#include <array>
#include <cstring>

#include "lib/expression/operators.h"

namespace attune::expression {
namespace {

Value NotBool(CallContext& context, const Value& value) {
  return context.Error(ErrorCode::kNoOverload,
                       {"a condition must be a bool, not ", TypeName(value)});
}

// The bit of `accepted` that tells what came out of a comparison, without a jump.
Verdict Accept(const Node& node, int64_t a, int64_t b) {
  return static_cast<Verdict>(node.accepted >> (1 + (a > b) - (a < b)) & 1);
}
Verdict Accept(const Node& node, double a, double b) {
  return static_cast<Verdict>(node.accepted >> (3 - 3 * (a < b) - 2 * (a == b) - (a > b)) & 1);
}

// Most texts of rules are short words: comparing them in place costs less than a call.
bool SameText(const Value& a, const Value& b) {
  const size_t size = a.text().size();
  if (size != b.text().size()) return false;
  const char* const left = a.text().data();
  const char* const right = b.text().data();
  const auto same = [&](auto word, size_t at) {
    auto other = word;
    std::memcpy(&word, left + at, sizeof word);
    std::memcpy(&other, right + at, sizeof other);
    return word == other;
  };
  if (size > 16) return std::memcmp(left, right, size) == 0;
  if (size >= 8) return same(uint64_t{}, 0) && same(uint64_t{}, size - 8);
  if (size >= 4) return same(uint32_t{}, 0) && same(uint32_t{}, size - 4);
  if (size >= 2) return same(uint16_t{}, 0) && same(uint16_t{}, size - 2);
  return size == 0 || *left == *right;
}

Verdict ToVerdict(bool value) { return static_cast<Verdict>(value); }

}  // namespace

// What a loop goes over.
class Machine::Range {
 public:
  explicit Range(const Value& value) : list_(value.is_list() ? value : Value::List(nullptr, 0)) {
    if (value.kind() == Kind::kMap) map_ = value.map();
    size_ = map_ != nullptr ? map_->size : ListSize(value);
  }

  size_t size() const { return size_; }
  // Key and value of a map's entry, index and value of a list's element.
  bool Next(Value* key, Value* value) {
    if (map_ != nullptr) {
      if (position_ == map_->size) return false;
      *key = map_->entries[position_].key;
      *value = map_->entries[position_].value;
    } else {
      if (!list_.Next(value)) return false;
      *key = Value::Int(position_);
    }
    ++position_;
    return true;
  }
  // What a loop with one variable sees.
  bool Next(Value* element) {
    Value other;
    return map_ != nullptr ? Next(element, &other) : Next(&other, element);
  }

 private:
  ListReader list_;
  const MapData* map_ = nullptr;
  size_t size_ = 0;
  uint32_t position_ = 0;
};

Machine::Machine(const Plan& plan, const Limits& limits)
    : nodes_(plan.nodes.data()), context_(limits), memos_(plan.memos), locals_(plan.locals) {}

void Machine::StartDecision(const Value* slots) {
  slots_[static_cast<size_t>(Scope::kDecision)] = slots;
  slots_[static_cast<size_t>(Scope::kCandidate)] = nullptr;
  ++epochs_[static_cast<size_t>(Scope::kDecision)];
  ++epochs_[static_cast<size_t>(Scope::kCandidate)];
  context_.arena().Reset();
}

void Machine::StartCandidate(const Value* slots) {
  slots_[static_cast<size_t>(Scope::kCandidate)] = slots;
  ++epochs_[static_cast<size_t>(Scope::kCandidate)];
}

Value Machine::Run(uint32_t node) {
  context_.StartEvaluation();
  const Value value = Eval(nodes_[node]);
  return context_.limit_hit() ? context_.LimitError() : value;
}

Verdict Machine::RunTest(uint32_t node) {
  context_.StartEvaluation();
  const Verdict verdict = Test(nodes_[node]);
  return context_.limit_hit() ? Fail(context_.LimitError()) : verdict;
}

Verdict Machine::ToVerdict(const Value& value) {
  if (value.kind() == Kind::kBool) return expression::ToVerdict(value.bool_value());
  return Fail(value.is_error() ? value : NotBool(context_, value));
}

inline Verdict Machine::TestFast(const Node& node) {
  switch (node.op) {
    case Op::kCompareInt: {
      const Value& value = slot(node.scope, node.slot);
      if (value.kind() != Kind::kInt) break;
      return Accept(node, value.int_value(), node.constant.int_value());
    }
    case Op::kCompareDouble: {
      const Value& value = slot(node.scope, node.slot);
      if (value.kind() != Kind::kDouble) break;
      return Accept(node, value.double_value(), node.constant.double_value());
    }
    case Op::kCompareString: {
      const Value& value = slot(node.scope, node.slot);
      if (value.kind() != Kind::kString) break;
      return static_cast<Verdict>(node.accepted >> SameText(value, node.constant) & 1);
    }
    case Op::kMemo: {
      const Memo& memo = memos_[node.slot];
      if (memo.epoch != epochs_[static_cast<size_t>(node.scope)]) break;
      if (memo.value.kind() != Kind::kBool) break;
      return expression::ToVerdict(memo.value.bool_value());
    }
    default:
      break;
  }
  return Test(node);
}

// A comparison of a slot that doesn't hold what was declared: an error most of the time.
Verdict Machine::TestSlot(const Node& node) {
  const Value& value = slot(node.scope, node.slot);
  if (value.is_error()) return Fail(value);
  return ToVerdict(CompareValues(context_, node.comparison, value, node.constant));
}

Verdict Machine::TestNot(const Node& node) {
  const Verdict verdict = TestFast(Child(node, 0));
  if (verdict == Verdict::kError) return verdict;
  return expression::ToVerdict(verdict == Verdict::kFalse);
}

Verdict Machine::TestConditional(const Node& node) {
  const Verdict condition = TestFast(Child(node, 0));
  if (condition == Verdict::kError) return condition;
  return Test(Child(node, condition == Verdict::kTrue ? 1 : 2));
}

Verdict Machine::TestHasLazy(const Node& node) {
  const Value value = Eval(Child(node, 0));
  return expression::ToVerdict(value.present() && !value.is_error());
}

Verdict Machine::TestValue(const Node& node) { return ToVerdict(Eval(node)); }

// Every case is a jump to a function of its own, so that none pays for the frame of another.
Verdict Machine::Test(const Node& node) {
  switch (node.op) {
    case Op::kAnd:
      return TestAnd(node);
    case Op::kOr:
      return TestOr(node);
    case Op::kNot:
      return TestNot(node);
    case Op::kConditional:
      return TestConditional(node);
    case Op::kCompareInt:
    case Op::kCompareDouble:
    case Op::kCompareString: {
      const Value& value = slot(node.scope, node.slot);
      const Kind expected = node.constant.kind();
      return value.kind() == expected ? TestFast(node) : TestSlot(node);
    }
    case Op::kCompare:
      return TestCompare(node);
    case Op::kInConstants:
      return TestIn(node);
    case Op::kMatches:
      return TestMatches(node);
    case Op::kMemo:
      return TestMemo(node);
    case Op::kHasSlot: {
      const Value& value = slot(node.scope, node.slot);
      return expression::ToVerdict(value.present() && !value.is_error());
    }
    case Op::kHasLazy:
      return TestHasLazy(node);
    case Op::kLoop:
      if (node.loop <= Loop::kExistsOne) return TestLoop(node);
      return TestValue(node);
    default:
      return TestValue(node);
  }
}

Value Machine::Eval(const Node& node) {
  switch (node.op) {
    case Op::kConstant:
      return node.constant;
    case Op::kSlot:
      return slot(node.scope, node.slot);
    case Op::kLazy:
      return node.variable->lazy(context_, node.variable->data);
    case Op::kLocal:
      return locals_[node.slot];
    case Op::kConditional: {
      const Verdict condition = Test(Child(node, 0));
      if (condition == Verdict::kError) return error_;
      return Eval(Child(node, condition == Verdict::kTrue ? 1 : 2));
    }
    case Op::kMemo:
      return EvalMemo(node);
    case Op::kSelect:
    case Op::kHasField:
      return EvalField(node);
    case Op::kCall:
    case Op::kHostCall:
      return EvalCall(node);
    case Op::kList:
      return EvalList(node);
    case Op::kMap:
      return EvalMap(node);
    case Op::kLoop:
      if (node.loop <= Loop::kExistsOne) return ToValue(Test(node));
      return EvalLoop(node);
    case Op::kBind:
      return EvalBind(node);
    default:
      return ToValue(Test(node));
  }
}

// One false is enough, whatever failed before; else the first error is the result.
Verdict Machine::TestAnd(const Node& node) {
  const Node* child = nodes_ + node.first_child;
  const Node* const end = child + node.child_count;
  for (; child != end; ++child) {
    const Verdict verdict = TestFast(*child);
    if (verdict == Verdict::kTrue) continue;
    if (verdict == Verdict::kFalse || context_.limit_hit()) return verdict;
    const Value first_error = error_;
    while (++child != end) {
      if (Test(*child) == Verdict::kFalse) return Verdict::kFalse;
    }
    return Fail(first_error);
  }
  return Verdict::kTrue;
}

Verdict Machine::TestOr(const Node& node) {
  const Node* child = nodes_ + node.first_child;
  const Node* const end = child + node.child_count;
  for (; child != end; ++child) {
    const Verdict verdict = TestFast(*child);
    if (verdict == Verdict::kFalse) continue;
    if (verdict == Verdict::kTrue || context_.limit_hit()) return verdict;
    const Value first_error = error_;
    while (++child != end) {
      if (Test(*child) == Verdict::kTrue) return Verdict::kTrue;
    }
    return Fail(first_error);
  }
  return Verdict::kFalse;
}

Verdict Machine::TestCompare(const Node& node) {
  Value computed_left;
  const Value& left = Operand(Child(node, 0), computed_left);
  if (left.is_error()) return Fail(left);
  Value computed_right;
  const Value& right = Operand(Child(node, 1), computed_right);
  if (right.is_error()) return Fail(right);
  if (left.kind() == Kind::kInt && right.kind() == Kind::kInt) {
    return Accept(node, left.int_value(), right.int_value());
  }
  if (left.kind() == Kind::kDouble && right.kind() == Kind::kDouble) {
    return Accept(node, left.double_value(), right.double_value());
  }
  return ToVerdict(CompareValues(context_, node.comparison, left, right));
}

Verdict Machine::TestIn(const Node& node) {
  Value computed;
  const Value& element = Operand(Child(node, 0), computed);
  if (element.is_error()) return Fail(element);
  if (node.set != nullptr) {
    if (element.kind() == Kind::kString) {
      return expression::ToVerdict(node.set->strings.contains(ToAbsl(element.text())));
    }
    if (element.kind() == Kind::kInt) {
      return expression::ToVerdict(node.set->ints.contains(element.int_value()));
    }
  } else if (element.kind() == Kind::kString) {
    const Value* const items = node.constant.items();
    for (uint32_t i = 0; i < node.constant.size(); ++i) {
      if (items[i].kind() == Kind::kString && SameText(items[i], element)) {
        return Verdict::kTrue;
      }
    }
    return Verdict::kFalse;
  }
  return ToVerdict(In(context_, element, node.constant));
}

Verdict Machine::TestMatches(const Node& node) {
  Value computed;
  const Value& text = Operand(Child(node, 0), computed);
  if (text.is_error()) return Fail(text);
  if (text.kind() != Kind::kString) return Fail(context_.NoOverload("matches", &text, 1));
  const auto cost =
      static_cast<int64_t>((text.text().size() / 16 + 1) * (node.constant.text().size() / 16 + 1));
  if (!context_.Charge(cost)) return Fail(context_.LimitError());
  return expression::ToVerdict(
      RE2::PartialMatch(re2::StringPiece(text.text().data(), text.text().size()), *node.regex));
}

Verdict Machine::TestMemo(const Node& node) {
  Memo& memo = memos_[node.slot];
  const uint64_t epoch = epochs_[static_cast<size_t>(node.scope)];
  if (memo.epoch == epoch) {
    if (memo.value.kind() == Kind::kBool) return expression::ToVerdict(memo.value.bool_value());
    return ToVerdict(memo.value);
  }
  const Verdict verdict = TestFast(Child(node, 0));
  // What a limit cut off is not what the expression is worth.
  if (!context_.limit_hit()) memo = {ToValue(verdict), epoch};
  return verdict;
}

Value Machine::EvalMemo(const Node& node) {
  Memo& memo = memos_[node.slot];
  const uint64_t epoch = epochs_[static_cast<size_t>(node.scope)];
  if (memo.epoch == epoch) return memo.value;
  const Value value = Eval(Child(node, 0));
  if (!context_.limit_hit()) memo = {value, epoch};
  return value;
}

Value Machine::EvalField(const Node& node) {
  const Value operand = Eval(Child(node, 0));
  if (operand.is_error()) return operand;
  if (node.op == Op::kSelect) return SelectField(context_, operand, node.constant.text());
  return HasField(context_, operand, node.constant.text());
}

Value Machine::EvalCall(const Node& node) {
  constexpr uint32_t kInline = 4;
  std::array<Value, kInline> few;
  Value* args = few.data();
  if (node.child_count > kInline) {
    if (!context_.ChargeElements(node.child_count)) return context_.LimitError();
    args = context_.arena().Allocate<Value>(node.child_count);
  }
  for (uint32_t i = 0; i < node.child_count; ++i) {
    args[i] = Eval(Child(node, i));
    if (args[i].is_error()) return args[i];
  }
  if (node.op == Op::kHostCall) return CallHost(node, args);
  return node.body(context_, args, node.child_count);
}

Value Machine::CallHost(const Node& node, const Value* args) {
  for (const Overload& overload : node.function->overloads) {
    if (overload.args.size() != node.child_count) continue;
    uint32_t matching = 0;
    while (matching < node.child_count && KindMatches(args[matching], overload.args[matching])) {
      ++matching;
    }
    if (matching < node.child_count) continue;
    return overload.host(context_, overload.data, args, node.child_count);
  }
  return context_.NoOverload(node.function->name, args, node.child_count);
}

Value Machine::EvalList(const Node& node) {
  if (!context_.ChargeElements(node.child_count)) return context_.LimitError();
  Value* items = context_.arena().Allocate<Value>(node.child_count);
  for (uint32_t i = 0; i < node.child_count; ++i) {
    items[i] = Eval(Child(node, i));
    if (items[i].is_error()) return items[i];
  }
  return Value::List(items, node.child_count);
}

Value Machine::EvalMap(const Node& node) {
  if (!context_.ChargeElements(node.child_count)) return context_.LimitError();
  MapBuilder builder(context_.arena(), node.child_count / 2);
  for (uint32_t i = 0; i + 1 < node.child_count; i += 2) {
    const Value key = Eval(Child(node, i));
    if (key.is_error()) return key;
    const Value value = Eval(Child(node, i + 1));
    if (value.is_error()) return value;
    if (const std::optional<Value> problem = builder.Add(key, value)) return *problem;
  }
  return builder.Build();
}

bool Machine::NextPass(const Node& node, Range& range) {
  Value* const first = &locals_[node.slot];
  if (!(node.index_variable ? range.Next(first, first + 1) : range.Next(first))) return false;
  return context_.Charge(node.weight);
}

Verdict Machine::TestLoop(const Node& node) {
  const Value over = Eval(Child(node, 0));
  if (over.is_error()) return Fail(over);
  if (!over.is_list() && over.kind() != Kind::kMap) {
    return Fail(context_.NoOverload("a comprehension", &over, 1));
  }
  Range range(over);
  if (node.loop == Loop::kExistsOne) return TestExistsOne(node, range);
  const Verdict decisive = node.loop == Loop::kAll ? Verdict::kFalse : Verdict::kTrue;
  bool failed = false;
  Value first_error;
  while (NextPass(node, range)) {
    const Verdict verdict = Test(Child(node, 1));
    if (verdict == decisive) return verdict;
    if (verdict != Verdict::kError || failed) continue;
    failed = true;
    first_error = error_;
  }
  if (context_.limit_hit()) return Fail(context_.LimitError());
  if (failed) return Fail(first_error);
  return decisive == Verdict::kFalse ? Verdict::kTrue : Verdict::kFalse;
}

// Nothing absorbs an error here: whether there is exactly one isn't known then.
Verdict Machine::TestExistsOne(const Node& node, Range& range) {
  size_t found = 0;
  while (NextPass(node, range)) {
    const Verdict verdict = Test(Child(node, 1));
    if (verdict == Verdict::kError) return verdict;
    if (verdict == Verdict::kTrue) ++found;
  }
  if (context_.limit_hit()) return Fail(context_.LimitError());
  return expression::ToVerdict(found == 1);
}

Value Machine::EvalLoop(const Node& node) {
  const Value over = Eval(Child(node, 0));
  if (over.is_error()) return over;
  if (!over.is_list() && over.kind() != Kind::kMap) {
    return context_.NoOverload("a comprehension", &over, 1);
  }
  Range range(over);
  if (!context_.ChargeElements(range.size())) return context_.LimitError();
  return node.loop == Loop::kTransformMap ? LoopToMap(node, range) : LoopToList(node, range);
}

Value Machine::LoopToList(const Node& node, Range& range) {
  Value* items = context_.arena().Allocate<Value>(range.size());
  size_t filled = 0;
  while (NextPass(node, range)) {
    if (node.loop == Loop::kFilter || node.child_count > 2) {
      const Verdict verdict = Test(Child(node, node.loop == Loop::kFilter ? 1 : 2));
      if (verdict == Verdict::kError) return error_;
      if (verdict == Verdict::kFalse) continue;
    }
    items[filled] = node.loop == Loop::kFilter ? locals_[node.slot] : Eval(Child(node, 1));
    if (items[filled].is_error()) return items[filled];
    ++filled;
  }
  if (context_.limit_hit()) return context_.LimitError();
  return Value::List(items, filled);
}

Value Machine::LoopToMap(const Node& node, Range& range) {
  MapBuilder builder(context_.arena(), range.size());
  while (NextPass(node, range)) {
    if (node.child_count > 2) {
      const Verdict verdict = Test(Child(node, 2));
      if (verdict == Verdict::kError) return error_;
      if (verdict == Verdict::kFalse) continue;
    }
    const Value key = locals_[node.slot];
    const Value value = Eval(Child(node, 1));
    if (value.is_error()) return value;
    if (const std::optional<Value> problem = builder.Add(key, value)) return *problem;
  }
  if (context_.limit_hit()) return context_.LimitError();
  return builder.Build();
}

// An error that is bound to a name matters only where the name is used.
Value Machine::EvalBind(const Node& node) {
  locals_[node.slot] = Eval(Child(node, 0));
  if (context_.limit_hit()) return context_.LimitError();
  return Eval(Child(node, 1));
}

}  // namespace attune::expression
