#include "lib/policy/rule_parts.h"

#include <algorithm>
#include <utility>

#include "lib/policy/engagement_rules.h"

namespace attune::policy {
namespace {

using expression::ExplainNode;
using expression::Input;
using expression::RuleSet;

bool IsAmong(const Input& input, absl::Span<const Input> inputs) {
  return IsHistory(input) ? std::any_of(inputs.begin(), inputs.end(), IsHistory)
                          : std::find(inputs.begin(), inputs.end(), input) != inputs.end();
}

// All parts of the history have one bit, all lazy variables another.
InputSet BitOf(const Input& input) {
  constexpr uint32_t kOthers = 62;
  if (IsHistory(input)) return InputSet{1} << kOthers;
  if (input.lazy != nullptr) return InputSet{1} << (kOthers + 1);
  const uint32_t of_candidate = input.scope == expression::Scope::kCandidate ? 1 : 0;
  return InputSet{1} << ((2 * input.slot + of_candidate) % kOthers);
}

std::vector<Input> ChangedBy(const RuleSet& rules, const ExplainNode& leaf, const RulePart& part) {
  if (!leaf.comparison) return {};
  if (!leaf.comparison->needed_node) return part.inputs;
  std::vector<Input> measured = InputsOf(rules, leaf.comparison->node);
  if (MeetsAny(measured, InputsOf(rules, *leaf.comparison->needed_node))) return {};
  return measured;
}

void AddParts(const RuleSet& rules, const ExplainNode& tree, bool decides,
              std::vector<RulePart>& parts) {
  if (tree.kind == ExplainNode::Kind::kLeaf) {
    RulePart& part = parts.emplace_back();
    part.node = tree.node;
    part.decides = decides;
    part.inputs = InputsOf(rules, tree.node);
    part.input_set = InputSetOf(part.inputs);
    part.changed = ChangedBy(rules, tree, part);
    part.changed_set = InputSetOf(part.changed);
    return;
  }
  const bool chooses = tree.kind == ExplainNode::Kind::kConditional;
  for (size_t i = 0; i < tree.children.size(); ++i) {
    AddParts(rules, tree.children[i], decides || (chooses && i == 0), parts);
  }
}

}  // namespace

bool IsHistory(const Input& input) {
  if (input.lazy != nullptr) return false;
  if (input.scope == expression::Scope::kCandidate) {
    return input.slot >= CandidateSlots::kTreatmentHistory &&
           input.slot <= CandidateSlots::kGroupHistoryOnChannel;
  }
  return input.slot == DecisionSlots::kAllHistory ||
         input.slot == DecisionSlots::kAllHistoryOnChannel;
}

bool MeetsAny(absl::Span<const Input> some, absl::Span<const Input> others) {
  return std::any_of(some.begin(), some.end(),
                     [&](const Input& input) { return IsAmong(input, others); });
}

InputSet InputSetOf(absl::Span<const Input> inputs) {
  InputSet set = 0;
  for (const Input& input : inputs) set |= BitOf(input);
  return set;
}

std::vector<RulePart> PartsOfRule(const RuleSet& rules, const ExplainNode& tree) {
  std::vector<RulePart> parts;
  AddParts(rules, tree, false, parts);
  return parts;
}

}  // namespace attune::policy
