#include "lib/policy/nearest_change.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/expression/cel_text.h"

namespace attune::policy {
namespace {

using expression::Finding;
using expression::Input;
using expression::Kind;
using expression::Relation;
using expression::SimpleComparison;
using expression::Value;
using expression::Verdict;

// Most values that are tried: each is a look at all rules of the treatment.
constexpr size_t kMaxTriedValues = 16;

// The whole number that lies so far from this one, if there is one.
void AddNext(int64_t number, int64_t step, std::vector<Value>& values) {
  int64_t next = 0;
  if (!__builtin_add_overflow(number, step, &next)) values.push_back(Value::Int(next));
}

// Values of the variable's kind with which the comparison is just true, where there are such; of a
// list the first ones.
std::vector<Value> ValuesThatDo(const SimpleComparison& comparison, Kind kind) {
  std::vector<Value> values;
  const Value& needed = comparison.needed;
  if (comparison.relation == Relation::kIn && needed.is_list()) {
    expression::ListReader elements(needed);
    Value element;
    while (values.size() < kMaxTriedValues && elements.Next(&element)) {
      if (element.kind() == kind) values.push_back(element);
    }
    return values;
  }
  if (needed.kind() != kind) return values;
  const bool is_int = kind == Kind::kInt;
  switch (comparison.relation) {
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

bool IsHistory(const Input& input) {
  if (input.lazy != nullptr) return false;
  if (input.scope == expression::Scope::kCandidate) {
    return input.slot >= CandidateSlots::kTreatmentHistory &&
           input.slot <= CandidateSlots::kGroupHistoryOnChannel;
  }
  return input.slot == DecisionSlots::kAllHistory ||
         input.slot == DecisionSlots::kAllHistoryOnChannel;
}

// One interaction is in several parts of the history.
bool IsAmong(const Input& input, absl::Span<const Input> inputs) {
  return IsHistory(input) ? std::any_of(inputs.begin(), inputs.end(), IsHistory)
                          : std::find(inputs.begin(), inputs.end(), input) != inputs.end();
}

bool MeetsAny(absl::Span<const Input> some, absl::Span<const Input> others) {
  return std::any_of(some.begin(), some.end(),
                     [&](const Input& input) { return IsAmong(input, others); });
}

}  // namespace

std::string NearestChange::Of(const Finding& finding) const {
  if (!finding.comparison || !finding.sufficient || !OtherRulesHold()) return "";
  const absl::Span<const RulePart> parts = rules_.PartsOf(rejection_.rule);
  const auto part = std::find_if(parts.begin(), parts.end(), [&](const RulePart& candidate) {
    return candidate.node == finding.node;
  });
  if (part == parts.end()) return "";
  const SimpleComparison& comparison = *finding.comparison;
  std::vector<Input> measured;
  if (comparison.needed_node) {
    measured = InputsOf(*rules_.rule_set(), comparison.node);
    const std::vector<Input> needed = InputsOf(*rules_.rule_set(), *comparison.needed_node);
    if (MeetsAny(measured, needed)) return "";  // both sides would move
  }
  const absl::Span<const Input> changed = comparison.needed_node ? measured : part->inputs;
  // Nothing could change what looks at nothing.
  if (changed.empty() || ReachesBeyondRules(changed)) return "";
  if (IsAlone(*part, changed)) return ConditionOf(finding);
  const expression::Variable* variable = comparison.variable;
  const bool is_told = variable != nullptr && variable->definition < 0 &&
                       variable->scope == expression::Scope::kDecision;
  if (!is_told) return "";
  const auto seen = std::find_if(finding.seen.begin(), finding.seen.end(),
                                 [&](const auto& value) { return value.variable == variable; });
  if (seen == finding.seen.end()) return "";
  for (const Value& value : ValuesThatDo(comparison, seen->value.kind())) {
    if (!expression::FitsCel(value, expression::kMaxConditionBytes)) continue;
    if (state_.WouldHold(rejection_.treatment, variable->slot, value)) {
      return absl::StrCat(variable->path, " == ", expression::ToCel(value));
    }
  }
  return "";
}

bool NearestChange::ReachesBeyondRules(absl::Span<const Input> inputs) const {
  const int zone = state_.contact().clock().feature;
  return std::any_of(inputs.begin(), inputs.end(), [&](const Input& input) {
    if (input.lazy != nullptr) return true;  // the customer's clock
    if (IsHistory(input)) return CountsContacts();
    if (input.scope == expression::Scope::kCandidate) {
      return input.slot == CandidateSlots::kName || input.slot == CandidateSlots::kGroup;
    }
    return input.slot <= DecisionSlots::kTime ||
           (zone >= 0 && input.slot == DecisionSlots::kFirstFeature + static_cast<uint32_t>(zone));
  });
}

bool NearestChange::CountsContacts() const {
  const ContactPolicies& contact = state_.contact();
  const auto holding = contact.Holding(rejection_.treatment);
  return std::any_of(holding.begin(), holding.end(), [&](const ContactPolicies::Place& place) {
    return !contact[place.policy].is_calendar();
  });
}

bool NearestChange::IsAlone(const RulePart& part, absl::Span<const Input> changed) const {
  const auto meets = [&](const RulePart& other) {
    // The same part elsewhere becomes true as well.
    if (other.node == part.node && !other.decides) return false;
    return MeetsAny(other.inputs, changed);
  };
  const absl::Span<const int> holding = rules_.Holding(rejection_.treatment);
  return std::none_of(holding.begin(), holding.end(), [&](int rule) {
    const absl::Span<const RulePart> parts = rules_.PartsOf(rule);
    return std::any_of(parts.begin(), parts.end(), meets);
  });
}

bool NearestChange::OtherRulesHold() const {
  expression::Evaluator& evaluator = state_.EvaluatorFor(rejection_.treatment);
  const absl::Span<const int> holding = rules_.Holding(rejection_.treatment);
  return std::all_of(holding.begin(), holding.end(), [&](int rule) {
    return rule == rejection_.rule ||
           evaluator.Test(static_cast<expression::RuleId>(rule)) == Verdict::kTrue;
  });
}

}  // namespace attune::policy
