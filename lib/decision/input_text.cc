#include "lib/decision/input_text.h"

#include <string_view>

#include "absl/strings/str_cat.h"

namespace attune::decision {
namespace {

std::string KnownOrDefault(const ValueRef& value) {
  if (value.known()) return value.ToString();
  // A moment that stands in for one that nobody knows says nothing to people.
  if (value.type() == ValueType::kTimestamp) return "not known";
  return absl::StrCat(value.ToString(), " (default)");
}

}  // namespace

std::string IntentText(const strategy::Strategy& strategy,
                       const context::DecisionContext& context) {
  const std::string_view name = strategy.context.IntentName(context.intent);
  return name.empty() ? "not known" : std::string(name);
}

InputNameList::InputNameList(const strategy::Strategy& strategy)
    : features_(static_cast<size_t>(strategy.features.size())),
      attributes_(static_cast<size_t>(strategy.context.attributes.size())) {
  using Source = scoring::Input::Source;
  const scoring::InputNames names{strategy.features, strategy.context, strategy.catalog};
  scoring::Input input;
  for (const Source source : {Source::kCustomer, Source::kAttribute, Source::kChannel,
                              Source::kIntent, Source::kTreatmentName, Source::kTreatmentGroup}) {
    input.source = source;
    const size_t slots = source == Source::kCustomer    ? features_
                         : source == Source::kAttribute ? attributes_
                                                        : 1;
    for (size_t slot = 0; slot < slots; ++slot) {
      input.slot = static_cast<int>(slot);
      names_.push_back(names.NameOf(input));
    }
  }
}

size_t InputNameList::NumberOf(const scoring::Input& input) const {
  using Source = scoring::Input::Source;
  const auto slot = static_cast<size_t>(input.slot);
  switch (input.source) {
    case Source::kCustomer:
      return slot;
    case Source::kAttribute:
      return features_ + slot;
    case Source::kChannel:
    case Source::kIntent:
    case Source::kTreatmentName:
    case Source::kTreatmentGroup:
      break;
  }
  return features_ + attributes_ + static_cast<size_t>(input.source) -
         static_cast<size_t>(Source::kChannel);
}

bool IsProtected(const strategy::Strategy& strategy, const scoring::Input& input) {
  return input.source == scoring::Input::Source::kCustomer &&
         strategy.features[input.slot].is_protected;
}

std::string InputValue(const strategy::Strategy& strategy, const context::DecisionContext& context,
                       const Decision& decision, const catalog::Treatment& treatment,
                       const scoring::Input& input) {
  const auto slot = static_cast<size_t>(input.slot);
  switch (input.source) {
    case scoring::Input::Source::kCustomer: {
      if (IsProtected(strategy, input)) return "(protected)";
      return KnownOrDefault(decision.features[slot]);
    }
    case scoring::Input::Source::kAttribute: {
      return KnownOrDefault(context.attributes[slot]);
    }
    case scoring::Input::Source::kChannel:
      return strategy.context.channels[context.channel].name;
    case scoring::Input::Source::kIntent:
      return IntentText(strategy, context);
    case scoring::Input::Source::kTreatmentName:
      return treatment.name;
    case scoring::Input::Source::kTreatmentGroup:
      return strategy.catalog.groups[static_cast<size_t>(treatment.group)].name;
  }
  return "";
}

}  // namespace attune::decision
