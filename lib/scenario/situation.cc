#include "lib/scenario/situation.h"

#include "lib/context/decision_request.h"

namespace attune::scenario {

void NormaliseSituation(const strategy::Strategy& strategy, std::string_view customer_id,
                        const Situation& situation, absl::Time at,
                        context::DecisionContext& context, Violations& violations) {
  context::DecisionRequest request;
  request.customer_id = customer_id;
  request.open_channels.assign(situation.open_channels.begin(), situation.open_channels.end());
  if (situation.open_channels.empty() && situation.channel == context::kEveryChannel) {
    request.open_channels = {context::kEveryChannel};
  } else {
    request.channel = situation.channel;
  }
  request.intent = situation.intent;
  request.time = at;
  for (const auto& [name, value] : situation.attributes) {
    request.attributes.emplace_back(name, value.ref());
  }
  request.treatment_ids.assign(situation.treatment_ids.begin(), situation.treatment_ids.end());
  request.max_treatments = situation.max_treatments;
  request.placements.assign(situation.placements.begin(), situation.placements.end());
  const auto find_treatment = [&](std::string_view name) { return strategy.catalog.Find(name); };
  const context::RequestRules rules{
      .schema = strategy.context,
      .find_treatment = find_treatment,
      .default_max_treatments = strategy.arbitration.max_treatments,
      .now = at,
      .max_clock_skew = absl::InfiniteDuration(),
  };
  context::NormaliseRequest(request, rules, context, violations);
}

}  // namespace attune::scenario
