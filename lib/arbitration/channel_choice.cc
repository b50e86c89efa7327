#include "lib/arbitration/channel_choice.h"

#include <algorithm>
#include <optional>

#include "lib/arbitration/places.h"
#include "lib/arbitration/priority.h"

namespace attune::arbitration {
namespace {

using Best = ChannelChoice::Best;

// The first fallback that names the treatment on the channel; one past the last when none does.
int FallbackOf(const Settings& settings, int treatment, int channel) {
  int index = 0;
  for (const Fallback& fallback : settings.fallbacks) {
    if (fallback.treatment == treatment && fallback.channels[static_cast<size_t>(channel)]) break;
    ++index;
  }
  return index;
}

// Of equals the one that was there before stays: channels come in their order.
bool IsBetter(const Best& a, const Best& b) {
  if (b.slot < 0) return true;
  if (a.contends != b.contends) return a.contends;
  if (a.is_default != b.is_default) return b.is_default;
  if (!a.contends && a.fallback != b.fallback) return a.fallback < b.fallback;
  return a.priority > b.priority;
}

// REQUIRES: the treatment is among them.
const scoring::ScoredCandidate& ScoredAs(int treatment, const scoring::ScoredCandidates& scored) {
  return *std::lower_bound(
      scored.scored.begin(), scored.scored.end(), treatment,
      [](const scoring::ScoredCandidate& s, int wanted) { return s.treatment < wanted; });
}

}  // namespace

void ChooseChannels(const Settings& settings, const catalog::Catalog& catalog,
                    const context::DecisionContext& context,
                    absl::Span<const scoring::ScoredCandidates* const> scored,
                    ChannelChoice& memory, std::vector<scoring::ScoredCandidate>& chosen,
                    const Computed& computed) {
  memory.best.assign(catalog.treatments.size(), Best());
  memory.group_weight.resize(catalog.groups.size());
  for (int slot = 0; slot < static_cast<int>(scored.size()); ++slot) {
    const int channel = context.ChannelOf(slot);
    WeighGroups(settings, channel, context.intent, absl::MakeSpan(memory.group_weight));
    for (const scoring::ScoredCandidate& candidate : scored[static_cast<size_t>(slot)]->scored) {
      const auto index = static_cast<size_t>(candidate.treatment);
      const catalog::Treatment& treatment = catalog.treatments[index];
      const double weight = memory.group_weight[static_cast<size_t>(treatment.group)];
      const Rating rating = RatingOf(computed, settings, treatment, candidate.treatment, slot,
                                     candidate.propensity, weight);
      const bool is_taken = HasPlace(settings, context, treatment, slot);
      const bool contends =
          is_taken &&
          !WhyNoContender(settings, treatment, candidate.propensity, rating).has_value();
      const int fallback = is_taken ? FallbackOf(settings, candidate.treatment, channel)
                                    : static_cast<int>(settings.fallbacks.size());
      const Best here = {slot, rating.priority.value_or(0.0), contends,
                         candidate.source == scoring::ScoredCandidate::Source::kDefault, fallback};
      if (IsBetter(here, memory.best[index])) memory.best[index] = here;
    }
  }
  chosen.clear();
  for (size_t t = 0; t < memory.best.size(); ++t) {
    const Best& best = memory.best[t];
    if (best.slot < 0) continue;
    chosen.push_back(ScoredAs(static_cast<int>(t), *scored[static_cast<size_t>(best.slot)]));
    chosen.back().slot = best.slot;
  }
}

}  // namespace attune::arbitration
