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
  if (a.is_taken != b.is_taken) return a.is_taken;
  if (a.is_default != b.is_default) return b.is_default;
  if (!a.contends && a.fallback != b.fallback) return a.fallback < b.fallback;
  return a.priority > b.priority;
}

// How good the channel of a slot is for a candidate that was scored there. `weight` is the context
// weight of its group there.
Best Rate(const Settings& settings, const catalog::Catalog& catalog,
          const context::DecisionContext& context, const scoring::ScoredCandidate& candidate,
          int slot, double weight, const Computed& computed) {
  const catalog::Treatment& treatment =
      catalog.treatments[static_cast<size_t>(candidate.treatment)];
  const Rating rating = RatingOf(computed, settings, treatment, candidate.treatment, slot,
                                 candidate.propensity, weight);
  const bool is_taken = HasPlace(settings, context, treatment, slot);
  const bool contends =
      is_taken && !WhyNoContender(settings, treatment, candidate.propensity, rating).has_value();
  const int fallback =
      contends ? 0 : FallbackOf(settings, candidate.treatment, context.ChannelOf(slot));
  return {slot,     rating.priority, rating.worth.value,
          contends, is_taken,        candidate.source == scoring::ScoredCandidate::Source::kDefault,
          fallback};
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
      const auto group = static_cast<size_t>(catalog.treatments[index].group);
      const Best here =
          Rate(settings, catalog, context, candidate, slot, memory.group_weight[group], computed);
      if (IsBetter(here, memory.best[index])) memory.best[index] = here;
    }
  }
  chosen.clear();
  for (size_t t = 0; t < memory.best.size(); ++t) {
    const Best& best = memory.best[t];
    if (best.slot < 0) continue;
    chosen.push_back(*FindScored(static_cast<int>(t), *scored[static_cast<size_t>(best.slot)]));
    chosen.back().slot = best.slot;
  }
}

std::optional<Best> BestChannelAmong(const ChannelComparison& channels, int treatment,
                                     absl::FunctionRef<bool(int slot)> is_wanted) {
  const catalog::Catalog& catalog = channels.catalog;
  const auto group = static_cast<size_t>(catalog.treatments[static_cast<size_t>(treatment)].group);
  Best best;
  for (size_t s = 0; s < channels.scored.size(); ++s) {
    const auto slot = static_cast<int>(s);
    if (!is_wanted(slot)) continue;
    const scoring::ScoredCandidate* const candidate = FindScored(treatment, *channels.scored[s]);
    if (candidate == nullptr) continue;
    const Best here =
        Rate(channels.settings, catalog, channels.context, *candidate, slot,
             channels.group_weight[s * catalog.groups.size() + group], channels.computed);
    if (here.contends && IsBetter(here, best)) best = here;
  }
  if (best.slot < 0) return std::nullopt;
  return best;
}

const scoring::ScoredCandidate* FindScored(int treatment,
                                           const scoring::ScoredCandidates& candidates) {
  const auto found = std::lower_bound(
      candidates.scored.begin(), candidates.scored.end(), treatment,
      [](const scoring::ScoredCandidate& s, int wanted) { return s.treatment < wanted; });
  return found == candidates.scored.end() || found->treatment != treatment ? nullptr : &*found;
}

}  // namespace attune::arbitration
