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
