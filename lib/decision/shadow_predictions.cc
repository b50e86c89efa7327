#include "lib/decision/shadow_predictions.h"

#include <algorithm>
#include <cstddef>

#include "absl/types/span.h"

namespace attune::decision {
namespace {

// Asks one model for what is ranked with this slot.
void PredictOnSlot(const strategy::AdaptiveUse& use, const PipelineResult& result, int slot,
                   ShadowScratch& scratch, std::vector<ShadowPrediction>& shadows) {
  const size_t first = shadows.size();
  scratch.treatments.clear();
  for (const arbitration::RankedTreatment& ranked : result.arbitration.ranked) {
    if (result.SlotOf(ranked) != slot) continue;
    if (!use.treatments[static_cast<size_t>(ranked.treatment)]) continue;
    scratch.treatments.push_back(ranked.treatment);
    shadows.push_back({.scored = ranked.scored, .model = use.model, .propensity = 0});
  }
  if (scratch.treatments.empty()) return;
  scratch.propensity.resize(scratch.treatments.size());
  scratch.deviation.resize(scratch.treatments.size());
  // An adaptive model does not fail.
  use.scorer->PredictBatch({.frame = result.FrameOf(slot), .treatments = scratch.treatments},
                           {.propensity = absl::MakeSpan(scratch.propensity),
                            .deviation = absl::MakeSpan(scratch.deviation)},
                           scratch.models);
  for (size_t i = first; i < shadows.size(); ++i) {
    shadows[i].propensity = scratch.propensity[i - first];
  }
}

}  // namespace

void PredictShadows(const strategy::Strategy& strategy, const PipelineResult& result,
                    ShadowScratch& scratch, std::vector<ShadowPrediction>& shadows) {
  shadows.clear();
  const int slots = std::max(1, static_cast<int>(result.open_channels));
  for (const strategy::AdaptiveUse& use : strategy.adaptive) {
    if (use.mode != strategy::AdaptiveUse::Mode::kShadow) continue;
    for (int slot = 0; slot < slots; ++slot) PredictOnSlot(use, result, slot, scratch, shadows);
  }
}

}  // namespace attune::decision
