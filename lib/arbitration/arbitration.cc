#include "lib/arbitration/arbitration.h"

#include <algorithm>

namespace attune::arbitration {
namespace {

using candidates::Reason;

void WeighGroups(const Settings& settings, const catalog::Catalog& catalog,
                 const context::DecisionContext& context, std::vector<double>& group_weight) {
  group_weight.assign(catalog.groups.size(), 0.0);
  for (const ContextWeight& weight : settings.context_weights) {
    if (weight.channels[static_cast<size_t>(context.channel)] &&
        weight.intents[static_cast<size_t>(context.intent)]) {
      group_weight[static_cast<size_t>(weight.group)] += weight.percent;
    }
  }
  for (double& weight : group_weight) weight = std::max(0.0, 1.0 + weight / 100.0);
}

// The first fallback for the channel that is among the scored, as its index there; -1 when none is.
int FindFallback(const Settings& settings, const context::DecisionContext& context,
                 const std::vector<scoring::ScoredCandidate>& scored) {
  for (const Fallback& fallback : settings.fallbacks) {
    if (!fallback.channels[static_cast<size_t>(context.channel)]) continue;
    const auto found =
        std::find_if(scored.begin(), scored.end(), [&](const scoring::ScoredCandidate& candidate) {
          return candidate.treatment == fallback.treatment;
        });
    if (found != scored.end()) return static_cast<int>(found - scored.begin());
  }
  return -1;
}

}  // namespace

void Arbitrate(const Settings& settings, const catalog::Catalog& catalog,
               const context::DecisionContext& context, const scoring::ScoredCandidates& candidates,
               ArbitrationResult& result) {
  const std::vector<scoring::ScoredCandidate>& scored = candidates.scored;
  result.ranked.clear();
  result.rejected.clear();
  result.priority.resize(scored.size());
  result.reason.assign(scored.size(), Reason::kOutranked);
  result.heap.clear();
  WeighGroups(settings, catalog, context, result.group_weight);
  const auto treatment_of = [&](size_t i) -> const catalog::Treatment& {
    return catalog.treatments[static_cast<size_t>(scored[i].treatment)];
  };
  for (size_t i = 0; i < scored.size(); ++i) {
    const catalog::Treatment& treatment = treatment_of(i);
    const double weight = result.group_weight[static_cast<size_t>(treatment.group)];
    const double priority = scored[i].propensity * weight * treatment.value - treatment.cost;
    result.priority[i] = priority;
    if (treatment.only_as_fallback) {
      result.reason[i] = Reason::kOnlyAsFallback;
    } else if (scored[i].propensity < settings.min_propensity) {
      result.reason[i] = Reason::kBelowMinPropensity;
    } else if (priority < settings.min_priority) {
      result.reason[i] = Reason::kBelowMinPriority;
    } else {
      result.heap.push_back({priority, treatment.value, treatment.name_rank, static_cast<int>(i)});
    }
  }
  const auto rank = [&](size_t i) {
    const double weight = result.group_weight[static_cast<size_t>(treatment_of(i).group)];
    result.reason[i].reset();
    result.ranked.push_back(
        {static_cast<int>(i), scored[i].treatment, weight, result.priority[i], 0.0});
  };
  const auto ranks_after = [](const ArbitrationResult::Contender& a,
                              const ArbitrationResult::Contender& b) {
    if (a.priority != b.priority) return a.priority < b.priority;
    if (a.value != b.value) return a.value < b.value;
    return a.name_rank > b.name_rank;
  };
  // A heap, because only the few best of possibly thousands are wanted in order.
  std::make_heap(result.heap.begin(), result.heap.end(), ranks_after);
  result.group_count.assign(catalog.groups.size(), 0);
  while (!result.heap.empty() &&
         result.ranked.size() < static_cast<size_t>(context.max_treatments)) {
    std::pop_heap(result.heap.begin(), result.heap.end(), ranks_after);
    const auto i = static_cast<size_t>(result.heap.back().scored);
    result.heap.pop_back();
    const auto group = static_cast<size_t>(treatment_of(i).group);
    if (result.group_count[group] >= settings.max_per_group) {
      result.reason[i] = Reason::kGroupLimitReached;
      continue;
    }
    ++result.group_count[group];
    rank(i);
  }
  const int fallback = result.ranked.empty() ? FindFallback(settings, context, scored) : -1;
  result.is_fallback = fallback >= 0;
  if (result.is_fallback) rank(static_cast<size_t>(fallback));
  // Without exploration the best treatment is put on top for certain.
  if (!result.ranked.empty()) result.ranked.front().selection_probability = 1.0;
  for (size_t i = 0; i < scored.size(); ++i) {
    if (result.reason[i]) result.rejected.push_back({scored[i].treatment, *result.reason[i]});
  }
}

}  // namespace attune::arbitration
