#include "lib/arbitration/arbitration.h"

#include <algorithm>
#include <cmath>
#include <utility>

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

using Contender = ArbitrationResult::Contender;

bool RanksAfter(const Contender& a, const Contender& b) {
  if (a.must_show != b.must_show) return b.must_show;
  if (a.priority != b.priority) return a.priority < b.priority;
  if (a.value != b.value) return a.value < b.value;
  return a.name_rank > b.name_rank;
}

Terms TermsOf(const catalog::Treatment& treatment, double propensity,
              const std::vector<double>& group_weight) {
  return {.propensity = propensity,
          .context_weight = group_weight[static_cast<size_t>(treatment.group)],
          .value = treatment.value,
          .lever = treatment.lever,
          .cost = treatment.cost};
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

// Ranks the scored candidates of one decision. Lives for one call of Arbitrate.
class Arbiter {
 public:
  Arbiter(const Settings& settings, const catalog::Catalog& catalog,
          const context::DecisionContext& context, const scoring::ScoredCandidates& candidates,
          ArbitrationResult& result)
      : settings_(settings),
        catalog_(catalog),
        context_(context),
        scored_(candidates.scored),
        result_(result) {}

  // Computes the priorities and leaves in the heap, not yet as one, who may be ranked.
  void FindContenders();
  // Lets exploration choose among the contenders and ranks the one that it puts on top.
  void Explore(std::optional<double> draw);
  // Ranks the contenders by their order, as far as there are places.
  void RankTheBest();
  // Ranks the first fallback that can be used when nothing else is ranked.
  void FallBack();
  // Without exploration the first of the ranking was there for certain.
  void TellChances();
  void TellRejections();

 private:
  const catalog::Treatment& TreatmentOf(size_t scored) const {
    return catalog_.treatments[static_cast<size_t>(scored_[scored].treatment)];
  }
  double WeightOf(const catalog::Treatment& treatment) const {
    return result_.group_weight[static_cast<size_t>(treatment.group)];
  }
  // Index of the exploration by which the treatment competes; -1: it competes with nobody.
  int ExplorationOf(const catalog::Treatment& treatment) const {
    return treatment.explored && !treatment.must_show
               ? settings_.exploration_of_group[static_cast<size_t>(treatment.group)]
               : -1;
  }
  // The standard deviation of the priority when the propensity was learned from that much evidence.
  double DeviationOf(size_t scored, double evidence) const;
  // Lays out the contenders that have this exploration.
  void FindArms(int exploration);
  // Ranks the candidate if its group has a place left.
  void Rank(size_t scored);

  const Settings& settings_;
  const catalog::Catalog& catalog_;
  const context::DecisionContext& context_;
  const std::vector<scoring::ScoredCandidate>& scored_;
  ArbitrationResult& result_;
};

void Arbiter::FindContenders() {
  result_.ranked.clear();
  result_.rejected.clear();
  result_.selectable.clear();
  result_.greedy = -1;
  result_.priority.resize(scored_.size());
  result_.reason.assign(scored_.size(), Reason::kOutranked);
  result_.heap.clear();
  result_.group_count.assign(catalog_.groups.size(), 0);
  WeighGroups(settings_, catalog_, context_, result_.group_weight);
  for (size_t i = 0; i < scored_.size(); ++i) {
    const catalog::Treatment& treatment = TreatmentOf(i);
    const double priority = PriorityOf(
        TermsOf(treatment, scored_[i].propensity, result_.group_weight), settings_.without);
    result_.priority[i] = priority;
    if (treatment.only_as_fallback) {
      result_.reason[i] = Reason::kOnlyAsFallback;
    } else if (scored_[i].propensity < settings_.min_propensity && !treatment.must_show) {
      result_.reason[i] = Reason::kBelowMinPropensity;
    } else if (priority < settings_.min_priority && !treatment.must_show) {
      result_.reason[i] = Reason::kBelowMinPriority;
    } else {
      result_.heap.push_back({treatment.must_show, priority, treatment.value, treatment.name_rank,
                              static_cast<int>(i)});
    }
  }
}

void Arbiter::Rank(size_t scored) {
  const catalog::Treatment& treatment = TreatmentOf(scored);
  int& count = result_.group_count[static_cast<size_t>(treatment.group)];
  if (count >= settings_.max_per_group) {
    result_.reason[scored] = Reason::kGroupLimitReached;
    return;
  }
  ++count;
  result_.reason[scored].reset();
  result_.ranked.push_back({static_cast<int>(scored), scored_[scored].treatment,
                            WeightOf(treatment), result_.priority[scored], 0.0});
}

double Arbiter::DeviationOf(size_t scored, double evidence) const {
  const catalog::Treatment& treatment = TreatmentOf(scored);
  if (settings_.without[static_cast<size_t>(Factor::kPropensity)]) return 0;
  const double p = scored_[scored].propensity;
  Terms terms = TermsOf(treatment, std::sqrt(p * (1 - p) / (evidence + 1)), result_.group_weight);
  terms.cost = 0;
  return PriorityOf(terms, settings_.without);
}

void Arbiter::FindArms(int exploration) {
  const Exploration& by = settings_.explorations[static_cast<size_t>(exploration)];
  const bool is_uncertain = by.method == Exploration::Method::kThompson;
  result_.arms.clear();
  result_.arm_contender.clear();
  for (size_t c = 0; c < result_.heap.size(); ++c) {
    const auto scored = static_cast<size_t>(result_.heap[c].scored);
    if (ExplorationOf(TreatmentOf(scored)) != exploration) continue;
    result_.arms.push_back(
        {result_.heap[c].priority, is_uncertain ? DeviationOf(scored, by.evidence) : 0.0});
    result_.arm_contender.push_back(c);
  }
}

void Arbiter::Explore(std::optional<double> draw) {
  std::vector<Contender>& contenders = result_.heap;
  if (contenders.empty()) return;
  const auto greedy = std::max_element(contenders.begin(), contenders.end(), RanksAfter);
  result_.greedy = greedy->scored;
  const int exploration = ExplorationOf(TreatmentOf(static_cast<size_t>(greedy->scored)));
  if (exploration < 0) return;
  const Exploration& by = settings_.explorations[static_cast<size_t>(exploration)];
  if (by.method == Exploration::Method::kNone) return;
  FindArms(exploration);
  const auto greedy_arm = std::find(result_.arm_contender.begin(), result_.arm_contender.end(),
                                    static_cast<size_t>(greedy - contenders.begin())) -
                          result_.arm_contender.begin();
  SelectionProbabilities(by, result_.arms, static_cast<size_t>(greedy_arm), result_.exploration,
                         result_.arm_probability);
  for (size_t a = 0; a < result_.arms.size(); ++a) {
    if (result_.arm_probability[a] <= 0) continue;
    result_.selectable.push_back(
        {contenders[result_.arm_contender[a]].scored, result_.arm_probability[a]});
  }
  if (!draw) return;
  Contender& top = contenders[result_.arm_contender[Pick(result_.arm_probability, *draw)]];
  Rank(static_cast<size_t>(top.scored));
  top = contenders.back();
  contenders.pop_back();
}

void Arbiter::RankTheBest() {
  // A heap, because only the few best of possibly thousands are wanted in order.
  std::vector<Contender>& heap = result_.heap;
  std::make_heap(heap.begin(), heap.end(), RanksAfter);
  while (!heap.empty() && result_.ranked.size() < static_cast<size_t>(context_.max_treatments)) {
    std::pop_heap(heap.begin(), heap.end(), RanksAfter);
    const auto scored = static_cast<size_t>(heap.back().scored);
    heap.pop_back();
    Rank(scored);
  }
}

void Arbiter::FallBack() {
  const int fallback = result_.ranked.empty() ? FindFallback(settings_, context_, scored_) : -1;
  result_.is_fallback = fallback >= 0;
  if (result_.is_fallback) Rank(static_cast<size_t>(fallback));
}

void Arbiter::TellChances() {
  if (result_.ranked.empty()) return;
  if (result_.greedy < 0) result_.greedy = result_.ranked.front().scored;
  if (result_.selectable.empty()) return result_.MakeCertain();
  for (RankedTreatment& ranked : result_.ranked) {
    ranked.selection_probability = result_.SelectionProbabilityOf(ranked.scored);
  }
}

void Arbiter::TellRejections() {
  for (size_t i = 0; i < scored_.size(); ++i) {
    if (result_.reason[i]) result_.rejected.push_back({scored_[i].treatment, *result_.reason[i]});
  }
}

// Ranks what contended in a decision by priorities that are not the decision's own.
class Ranker {
 public:
  Ranker(const catalog::Catalog& catalog, const scoring::ScoredCandidates& candidates,
         const ArbitrationResult& result)
      : catalog_(catalog), scored_(candidates.scored), result_(result) {}

  // The rank, from 1, of each ranked treatment, parallel to ArbitrationResult::ranked.
  std::vector<int> RanksBy(const FactorSet& without, bool value_breaks_ties) const;

 private:
  bool Contended(size_t scored) const {
    const std::optional<Reason>& reason = result_.reason[scored];
    return !reason || *reason == Reason::kOutranked || *reason == Reason::kGroupLimitReached;
  }
  Contender ContenderOf(size_t scored, const FactorSet& without, bool value_breaks_ties) const {
    const catalog::Treatment& treatment =
        catalog_.treatments[static_cast<size_t>(scored_[scored].treatment)];
    const Terms terms = TermsOf(treatment, scored_[scored].propensity, result_.group_weight);
    return {treatment.must_show, PriorityOf(terms, without),
            value_breaks_ties ? treatment.value : 0.0, treatment.name_rank,
            static_cast<int>(scored)};
  }

  const catalog::Catalog& catalog_;
  const std::vector<scoring::ScoredCandidate>& scored_;
  const ArbitrationResult& result_;
};

std::vector<int> Ranker::RanksBy(const FactorSet& without, bool value_breaks_ties) const {
  // The ranked ones, best first by these priorities, each with its index in the ranking.
  std::vector<std::pair<Contender, size_t>> ranked;
  for (size_t r = 0; r < result_.ranked.size(); ++r) {
    const auto scored = static_cast<size_t>(result_.ranked[r].scored);
    ranked.emplace_back(ContenderOf(scored, without, value_breaks_ties), r);
  }
  std::sort(ranked.begin(), ranked.end(),
            [](const auto& a, const auto& b) { return RanksAfter(b.first, a.first); });
  // How many contenders stand between each of them and the one above it.
  std::vector<int> between(ranked.size() + 1);
  for (size_t i = 0; i < scored_.size(); ++i) {
    if (!Contended(i)) continue;
    const Contender contender = ContenderOf(i, without, value_breaks_ties);
    const auto below = std::partition_point(
        ranked.begin(), ranked.end(),
        [&](const auto& candidate) { return !RanksAfter(candidate.first, contender); });
    ++between[static_cast<size_t>(below - ranked.begin())];
  }
  std::vector<int> ranks(ranked.size());
  int above = 0;
  for (size_t r = 0; r < ranked.size(); ++r) {
    above += between[r];
    ranks[ranked[r].second] = above + 1;
  }
  return ranks;
}

}  // namespace

double ArbitrationResult::SelectionProbabilityOf(int scored) const {
  const auto found =
      std::lower_bound(selectable.begin(), selectable.end(), scored,
                       [](const Selectable& s, int wanted) { return s.scored < wanted; });
  return found == selectable.end() || found->scored != scored ? 0.0 : found->probability;
}

void ArbitrationResult::MakeCertain() {
  selectable.clear();
  if (ranked.empty()) return;
  for (RankedTreatment& treatment : ranked) treatment.selection_probability = 0;
  selectable.push_back({ranked.front().scored, 1.0});
  ranked.front().selection_probability = 1.0;
}

std::vector<PriorityRanks> RanksOf(const Settings& settings, const catalog::Catalog& catalog,
                                   const scoring::ScoredCandidates& candidates,
                                   const ArbitrationResult& result) {
  std::vector<PriorityRanks> ranks(result.ranked.size());
  if (result.is_fallback) return ranks;
  const Ranker ranker(catalog, candidates, result);
  const std::vector<int> by_priority = ranker.RanksBy(settings.without, true);
  for (size_t r = 0; r < ranks.size(); ++r) ranks[r].by_priority = by_priority[r];
  for (size_t factor = 0; factor < kFactors; ++factor) {
    FactorSet without = settings.without;
    // Were values to break ties, they would still tell the treatments apart.
    const bool value_breaks_ties = factor != static_cast<size_t>(Factor::kValue);
    const std::vector<int> others = ranker.RanksBy(without.set(factor), value_breaks_ties);
    for (size_t r = 0; r < ranks.size(); ++r) ranks[r].without[factor] = others[r];
  }
  return ranks;
}

void Arbitrate(const Settings& settings, const catalog::Catalog& catalog,
               const context::DecisionContext& context, const scoring::ScoredCandidates& candidates,
               std::optional<double> draw, ArbitrationResult& result) {
  Arbiter arbiter(settings, catalog, context, candidates, result);
  arbiter.FindContenders();
  if (settings.explores()) arbiter.Explore(draw);
  arbiter.RankTheBest();
  arbiter.FallBack();
  arbiter.TellChances();
  arbiter.TellRejections();
}

}  // namespace attune::arbitration
