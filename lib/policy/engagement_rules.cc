#include "lib/policy/engagement_rules.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace attune::policy {
namespace {

using candidates::Reason;
using expression::Value;
using Level = ContactOwner::Level;

// Notes which parts look at something protected.
void FindHiding(const EngagementRules& rules, const expression::ExplainNode& tree,
                std::vector<RulePart>& parts) {
  for (const expression::ExplainNode& child : tree.children) FindHiding(rules, child, parts);
  if (tree.kind != expression::ExplainNode::Kind::kLeaf) return;
  parts[tree.leaf].hides =
      std::any_of(tree.variables.begin(), tree.variables.end(),
                  [&](const expression::Variable* v) { return rules.IsProtected(*v); });
}

}  // namespace

std::string_view EngagementStageName(EngagementStage stage) {
  switch (stage) {
    case EngagementStage::kEligibility:
      return "eligibility";
    case EngagementStage::kApplicability:
      return "applicability";
    case EngagementStage::kSuitability:
      break;
  }
  return "suitability";
}

Reason ReasonOf(EngagementStage stage) {
  switch (stage) {
    case EngagementStage::kEligibility:
      return Reason::kNotEligible;
    case EngagementStage::kApplicability:
      return Reason::kNotApplicable;
    case EngagementStage::kSuitability:
      break;
  }
  return Reason::kNotSuitable;
}

Value HistoryPart(Scope of, bool on_channel) {
  return Value::Opaque(nullptr, 2 * static_cast<uint32_t>(of) + (on_channel ? 1 : 0));
}
Scope ScopeOf(const Value& part) { return static_cast<Scope>(part.opaque_tag() / 2); }
bool IsOnChannel(const Value& part) { return part.opaque_tag() % 2 != 0; }

int64_t WindowMs(const Value& duration) {
  return duration.seconds() * 1000 + duration.nanos() / 1'000'000;
}

Value ToExpression(const ValueRef& value) {
  const Value converted = [&] {
    switch (value.type()) {
      case ValueType::kBool:
        return Value::Bool(value.bool_value());
      case ValueType::kInt:
        return Value::Int(value.int_value());
      case ValueType::kDouble:
        return Value::Double(value.double_value());
      case ValueType::kString:
        return Value::String(value.string_value());
      case ValueType::kTimestamp:
        return Value::TimestampMicros(value.timestamp_us());
      case ValueType::kStringList:
        return Value::EncodedList(value.encoded_list());
    }
    return Value();
  }();
  return value.known() ? converted : converted.Absent();
}

EngagementRules::EngagementRules(Parts parts, const catalog::Catalog& catalog,
                                 const EngagementSchema& schema)
    : parts_(std::move(parts)) {
  PlaceRules(catalog);
  PlaceValues(catalog, schema);
  FindUsed(schema);
  FindProtected(schema);
  FindParts();
  FindLongestWindow();
}

void EngagementRules::PlaceRules(const catalog::Catalog& catalog) {
  // Most rules stand on one treatment: each is looked at for its own only.
  std::vector<std::vector<int>> of_group(catalog.groups.size());
  std::vector<std::vector<int>> of_treatment(catalog.treatments.size());
  std::vector<int> of_strategy;
  for (int r = 0; r < size(); ++r) {
    const ContactOwner& owner = (*this)[r].owner;
    const auto index = static_cast<size_t>(owner.index);
    if (owner.level == Level::kStrategy) of_strategy.push_back(r);
    if (owner.level == Level::kGroup) of_group[index].push_back(r);
    if (owner.level == Level::kTreatment) of_treatment[index].push_back(r);
  }
  for (size_t t = 0; t < catalog.treatments.size(); ++t) {
    const auto group = static_cast<size_t>(catalog.treatments[t].group);
    for (const EngagementStage stage : kEngagementStages) {
      for (const std::vector<int>* rules : {&of_strategy, &of_group[group], &of_treatment[t]}) {
        for (const int r : *rules) {
          if ((*this)[r].stage == stage) holding_.push_back(r);
        }
      }
    }
    first_holding_.push_back(holding_.size());
  }
}

void EngagementRules::PlaceValues(const catalog::Catalog& catalog, const EngagementSchema& schema) {
  const auto attributes = static_cast<size_t>(schema.treatment_attributes.size());
  candidate_slots_ = CandidateSlots::kFirstAttribute + attributes;
  for (size_t t = 0; t < catalog.treatments.size(); ++t) {
    const catalog::Treatment& treatment = catalog.treatments[t];
    candidate_values_.insert(
        candidate_values_.end(),
        {Value::String(treatment.name),
         Value::String(catalog.groups[static_cast<size_t>(treatment.group)].name),
         HistoryPart(Scope::kTreatment, false), HistoryPart(Scope::kTreatment, true),
         HistoryPart(Scope::kGroup, false), HistoryPart(Scope::kGroup, true)});
    for (size_t i = 0; i < attributes; ++i) {
      candidate_values_.push_back(ToExpression(parts_.attributes[t][i].ref()));
    }
  }
}

void EngagementRules::FindParts() {
  explained_.resize(parts_.rules.size());
  for (size_t r = 0; r < explained_.size(); ++r) {
    const EngagementRule& rule = parts_.rules[r];
    Explained& explained = explained_[r];
    explained.heading = absl::StrCat(ToAbsl(EngagementStageName(rule.stage)), " ", rule.name, ": ");
    const expression::ExplainNode* tree =
        parts_.rule_set->explain_tree(static_cast<expression::RuleId>(r));
    if (tree == nullptr) continue;
    explained.parts = PartsOfRule(*parts_.rule_set, *tree);
    FindHiding(*this, *tree, explained.parts);
    explained.inputs = 0;
    for (const RulePart& part : explained.parts) explained.inputs |= part.input_set;
  }
}

void EngagementRules::FindUsed(const EngagementSchema& schema) {
  const auto features = static_cast<uint32_t>(schema.features.size());
  first_attribute_slot_ = DecisionSlots::kFirstFeature + features;
  decision_slots_ = first_attribute_slot_ + static_cast<size_t>(schema.context.attributes.size());
  if (parts_.rule_set == nullptr) return;
  for (const uint32_t slot : parts_.rule_set->UsedSlots(expression::Scope::kDecision)) {
    if (slot < DecisionSlots::kFirstFeature) continue;
    if (slot < first_attribute_slot_) {
      used_features_.push_back(static_cast<int>(slot - DecisionSlots::kFirstFeature));
    } else {
      used_attributes_.push_back(static_cast<int>(slot - first_attribute_slot_));
    }
  }
}

void EngagementRules::FindProtected(const EngagementSchema& schema) {
  for (int slot = 0; slot < schema.features.size(); ++slot) {
    if (!schema.features[slot].is_protected) continue;
    protected_.emplace(absl::StrCat("customer.", schema.features[slot].name));
  }
  for (const DerivedValue& derived : parts_.derived) {
    if (derived.is_protected) protected_.emplace(absl::StrCat("derived.", derived.name));
  }
  for (const CustomerScore& score : parts_.scores.scores) {
    if (!score.is_protected) continue;
    for (const char* field : {".value", ".percentile", ".tier"}) {
      protected_.emplace(absl::StrCat("score.", score.name, field));
    }
  }
  if (parts_.local_time_protected) protected_.emplace("context.local_time");
}

void EngagementRules::FindLongestWindow() {
  if (parts_.rule_set == nullptr) return;
  for (const Value& window : parts_.rule_set->ConstantArguments(kCountFunction, kCountWindow)) {
    if (window.kind() != expression::Kind::kDuration) continue;
    longest_window_ms_ = std::max(longest_window_ms_, std::min(WindowMs(window), kMaxWindowMs));
  }
}

}  // namespace attune::policy
