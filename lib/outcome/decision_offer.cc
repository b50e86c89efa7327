#include "lib/outcome/decision_offer.h"

#include <algorithm>
#include <utility>

#include "attune/storage/v1/event.pb.h"

namespace attune::outcome {

const DecisionOffer::Ranked* DecisionOffer::Find(uint32_t treatment) const {
  const auto found = std::find_if(ranking.begin(), ranking.end(),
                                  [&](const Ranked& r) { return r.treatment == treatment; });
  return found == ranking.end() ? nullptr : &*found;
}

std::optional<DecisionOffer> ReadDecisionOffer(std::string_view event) {
  storage::v1::DecisionEvent parsed;
  if (!parsed.ParseFromArray(event.data(), static_cast<int>(event.size()))) return std::nullopt;
  DecisionOffer offer;
  offer.decision_id = std::move(*parsed.mutable_decision_id());
  offer.time_us = parsed.time_us();
  offer.channel = parsed.channel();
  for (const uint32_t ranked : parsed.ranking()) {
    if (ranked >= static_cast<uint32_t>(parsed.scored_size())) return std::nullopt;
    const auto scored = static_cast<int>(ranked);
    DecisionOffer::Ranked& entry = offer.ranking.emplace_back();
    entry.treatment = parsed.scored(scored);
    entry.channel = parsed.channel();
    if (parsed.open_channels().empty()) continue;
    // The channel was left open: each treatment has its own.
    if (scored >= parsed.scored_channel_size()) return std::nullopt;
    const uint32_t slot = parsed.scored_channel(scored);
    if (slot >= static_cast<uint32_t>(parsed.open_channels_size())) return std::nullopt;
    entry.channel = parsed.open_channels(static_cast<int>(slot));
  }
  return offer;
}

}  // namespace attune::outcome
