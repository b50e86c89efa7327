#include "lib/policy/nearest_change.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/container/inlined_vector.h"
#include "lib/expression/cel_text.h"

namespace attune::policy {
namespace {

using expression::Finding;
using expression::Findings;
using expression::Input;
using expression::Kind;
using expression::Relation;
using expression::SimpleComparison;
using expression::Value;
using expression::Verdict;

// Most values that are tried: each is a look at all rules of the treatment.
constexpr size_t kMaxTriedValues = 16;

using Values = absl::InlinedVector<Value, kMaxTriedValues>;

// The whole number that lies so far from this one, if there is one.
void AddNext(int64_t number, int64_t step, Values& values) {
  int64_t next = 0;
  if (!__builtin_add_overflow(number, step, &next)) values.push_back(Value::Int(next));
}

// Values of the variable's kind with which the comparison is just true, where there are such; of a
// list the first ones.
Values ValuesThatDo(Relation relation, const Value& needed, Kind kind) {
  Values values;
  if (relation == Relation::kIn && needed.is_list()) {
    expression::ListReader elements(needed);
    Value element;
    while (values.size() < kMaxTriedValues && elements.Next(&element)) {
      if (element.kind() == kind) values.push_back(element);
    }
    return values;
  }
  if (needed.kind() != kind) return values;
  const bool is_int = kind == Kind::kInt;
  switch (relation) {
    case Relation::kEqual:
    case Relation::kLessEqual:
    case Relation::kGreaterEqual:
      values.push_back(needed);
      break;
    case Relation::kNotEqual:
      if (kind == Kind::kBool) values.push_back(Value::Bool(!needed.bool_value()));
      if (is_int) AddNext(needed.int_value(), 1, values);
      if (is_int) AddNext(needed.int_value(), -1, values);
      break;
    case Relation::kLess:
      if (is_int) AddNext(needed.int_value(), -1, values);
      break;
    case Relation::kGreater:
      if (is_int) AddNext(needed.int_value(), 1, values);
      break;
    default:
      break;
  }
  return values;
}

}  // namespace

void AppendChange(const Finding& finding, const Change& change, TextBuffer& text) {
  if (change.kind == Change::Kind::kNone) return;
  const SimpleComparison& comparison = *finding.comparison;
  if (change.kind == Change::Kind::kValue) {
    text += comparison.variable->path;
    text += " == ";
    text += expression::ToCel(change.value);
  } else if (comparison.needed_node) {
    std::string condition;
    AppendCondition(comparison, finding.needed, condition);
    text += condition;
  } else {
    text += comparison.condition;
  }
}

Change NearestChange::Of(const Findings& findings, const Finding& finding, const RulePart& part) {
  // Nothing could change what looks at nothing.
  if (finding.comparison == nullptr || !finding.sufficient || part.changed.empty()) return {};
  if (!OtherRulesHold() || ReachesBeyondRules(part.changed)) return {};
  if (!IsAlone(part)) return ValueFor(findings, finding, part);
  const SimpleComparison& comparison = *finding.comparison;
  const bool has_condition = comparison.needed_node ? HasCondition(comparison, finding.needed)
                                                    : !comparison.condition.empty();
  return {has_condition ? Change::Kind::kCondition : Change::Kind::kNone, Value()};
}

Change NearestChange::ValueFor(const Findings& findings, const Finding& finding,
                               const RulePart& part) const {
  const expression::Variable* variable = finding.comparison->variable;
  const bool is_told = variable != nullptr && variable->definition < 0 &&
                       variable->scope == expression::Scope::kDecision;
  if (!is_told) return {};
  const absl::Span<const expression::SeenValue> all = findings.SeenBy(finding);
  const auto seen = std::find_if(all.begin(), all.end(),
                                 [&](const auto& value) { return value.variable == variable; });
  if (seen == all.end()) return {};
  const Relation relation = finding.comparison->relation;
  for (const Value& value : ValuesThatDo(relation, finding.needed, seen->value.kind())) {
    if (!expression::FitsCel(value, expression::kMaxConditionBytes)) continue;
    if (state_.WouldHold(rejection_.treatment, part.changed_set, variable->slot, value)) {
      return {Change::Kind::kValue, value};
    }
  }
  return {};
}

bool NearestChange::ReachesBeyondRules(absl::Span<const Input> inputs) const {
  const int zone = state_.contact().clock().feature;
  return std::any_of(inputs.begin(), inputs.end(), [&](const Input& input) {
    if (input.lazy != nullptr) return true;  // the customer's clock, a score that a model gives
    if (IsHistory(input)) return CountsContacts();
    if (input.scope == expression::Scope::kCandidate) {
      return input.slot == CandidateSlots::kName || input.slot == CandidateSlots::kGroup;
    }
    return input.slot <= DecisionSlots::kTime ||
           (zone >= 0 &&
            input.slot == DecisionSlots::kFirstFeature + static_cast<uint32_t>(zone)) ||
           MovesModels(input);
  });
}

bool NearestChange::MovesModels(const Input& input) const {
  const std::vector<int>& features = rules_.scores().model_features;
  return input.slot >= DecisionSlots::kFirstFeature &&
         std::binary_search(features.begin(), features.end(),
                            static_cast<int>(input.slot - DecisionSlots::kFirstFeature));
}

bool NearestChange::CountsContacts() const {
  const ContactPolicies& contact = state_.contact();
  const auto holding = contact.Holding(rejection_.treatment);
  return std::any_of(holding.begin(), holding.end(), [&](const ContactPolicies::Place& place) {
    return !contact[place.policy].is_calendar();
  });
}

bool NearestChange::IsAlone(const RulePart& part) const {
  const auto meets = [&](const RulePart& other) {
    if ((other.input_set & part.changed_set) == 0) return false;
    // The same part elsewhere becomes true as well.
    if (other.node == part.node && !other.decides) return false;
    return MeetsAny(other.inputs, part.changed);
  };
  const absl::Span<const int> holding = rules_.Holding(rejection_.treatment);
  return std::none_of(holding.begin(), holding.end(), [&](int rule) {
    if ((rules_.InputSetOf(rule) & part.changed_set) == 0) return false;
    const absl::Span<const RulePart> parts = rules_.PartsOf(rule);
    return std::any_of(parts.begin(), parts.end(), meets);
  });
}

bool NearestChange::OtherRulesHold() {
  if (other_rules_hold_) return *other_rules_hold_;
  expression::Evaluator& evaluator = state_.EvaluatorFor(rejection_.treatment);
  const absl::Span<const int> holding = rules_.Holding(rejection_.treatment);
  // Those before it held: it was the first that did not.
  const auto rule = std::find(holding.begin(), holding.end(), rejection_.rule);
  other_rules_hold_ = std::all_of(
      rule == holding.end() ? rule : rule + 1, holding.end(),
      [&](int r) { return evaluator.Test(static_cast<expression::RuleId>(r)) == Verdict::kTrue; });
  return *other_rules_hold_;
}

}  // namespace attune::policy
