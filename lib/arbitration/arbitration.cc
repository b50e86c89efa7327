#include "lib/arbitration/arbitration.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "lib/arbitration/channel_choice.h"
#include "lib/arbitration/places.h"
#include "lib/arbitration/priority.h"

namespace attune::arbitration {
namespace {

using candidates::Reason;

using Contender = ArbitrationResult::Contender;
using Key = ArbitrationResult::Key;

bool RanksAfter(const Contender& a, const Contender& b) {
  if (a.must_show != b.must_show) return b.must_show;
  if (a.priority != b.priority) return a.priority < b.priority;
  if (a.value != b.value) return a.value < b.value;
  return a.name_rank > b.name_rank;
}

Key KeyOf(size_t index, const Contender& contender) {
  return {contender.priority, static_cast<uint32_t>(index), contender.must_show};
}

// RanksAfter of two contenders by their keys.
struct KeyRanksAfter {
  const std::vector<Contender>& contenders;

  bool operator()(const Key& a, const Key& b) const {
    if (a.must_show != b.must_show) return b.must_show;
    if (a.priority != b.priority) return a.priority < b.priority;
    return RanksAfter(contenders[a.contender], contenders[b.contender]);
  }
};

// Where the best one is. By hand, as std::max_element chooses without a branch and so waits in each
// step for the one before; here nearly all steps go the same way. REQUIRES: there are any.
size_t BestOf(const std::vector<Key>& keys, const KeyRanksAfter& ranks_after) {
  size_t best_index = 0;
  Key best = keys.front();
  for (size_t i = 1; i < keys.size(); ++i) {
    if (keys[i].must_show == best.must_show && keys[i].priority < best.priority) continue;
    if (!ranks_after(best, keys[i])) continue;
    best = keys[i];
    best_index = i;
  }
  return best_index;
}

// The context weight of a candidate of this slot: see ArbitrationResult::group_weight.
double WeightIn(const std::vector<double>& group_weight, const catalog::Catalog& catalog,
                const catalog::Treatment& treatment, int slot) {
  return group_weight[static_cast<size_t>(slot) * catalog.groups.size() +
                      static_cast<size_t>(treatment.group)];
}

// The terms as a formula sees them when these factors are left out.
Terms Without(Terms terms, const FactorSet& without) {
  const auto leave_out = [&](Factor factor, double& value, double neutral) {
    if (without[static_cast<size_t>(factor)]) value = neutral;
  };
  leave_out(Factor::kPropensity, terms.propensity, 1);
  leave_out(Factor::kContextWeight, terms.context_weight, 1);
  leave_out(Factor::kValue, terms.value, 1);
  leave_out(Factor::kLever, terms.lever, 1);
  leave_out(Factor::kCost, terms.cost, 0);
  return terms;
}

// Ranks the scored candidates of one decision. Lives for one call of Arbitrate.
class Arbiter {
 public:
  Arbiter(const Settings& settings, const catalog::Catalog& catalog,
          const context::DecisionContext& context, scoring::ScoredCandidates& candidates,
          const Computed& computed, absl::Span<const scoring::ScoredCandidates* const> by_slot,
          ArbitrationResult& result)
      : settings_(settings),
        catalog_(catalog),
        context_(context),
        scored_(candidates.scored),
        computed_(computed),
        by_slot_(by_slot),
        result_(result),
        places_(settings, context, catalog.groups.size(), result.places) {}

  // Computes the priorities and finds out who may be ranked.
  void FindContenders();
  // Lets exploration choose among the contenders and ranks the one that it puts on top.
  void Explore(std::optional<double> draw);
  // Ranks the contenders by their order, as far as there are places.
  void RankTheBest();
  // Ranks the first fallback that can be used when nothing else is ranked.
  void FallBack();
  // Who comes later may have moved others.
  void TellPlaces();
  // Without exploration the first of the ranking was there for certain.
  void TellChances();
  void TellRejections();

 private:
  const catalog::Treatment& TreatmentOf(size_t scored) const {
    return catalog_.treatments[static_cast<size_t>(scored_[scored].treatment)];
  }
  double WeightOf(size_t scored) const {
    return WeightIn(result_.group_weight, catalog_, TreatmentOf(scored), scored_[scored].slot);
  }
  // Index of the exploration by which the treatment competes; -1: it competes with nobody.
  int ExplorationOf(const catalog::Treatment& treatment) const {
    return treatment.explored && !treatment.must_show
               ? settings_.exploration_of_group[static_cast<size_t>(treatment.group)]
               : -1;
  }
  // Computes the context weights for the channels of all slots.
  void WeighChannels();
  // nullopt: the formula of the strategy can't tell. REQUIRES: the worth is known.
  std::optional<double> PriorityWith(size_t scored, double propensity) const;
  // The standard deviation of the priority: as the model tells that of the propensity, or as if it
  // had been learned from that much evidence.
  double DeviationOf(size_t scored, double evidence) const;
  // How steeply the formula of the priority rises with the propensity.
  double SlopeOf(size_t scored) const;
  // Takes away contenders whose content can't be computed: they must have no chance.
  void DropUnshowable();
  // Lays out the contenders that have this exploration.
  void FindArms(int exploration);
  // Ranks the candidate if its group has a place left, there is room in one of the request that
  // takes it, and something to show. For want of room, or of what to show on another channel than
  // that which was chosen first, it contends for the next best channel.
  void Rank(Contender contender);
  void ContendOnNextChannel(Contender contender);
  // Takes the best out of those who wait, and returns it: an index into
  // ArbitrationResult::contenders. REQUIRES: somebody waits.
  size_t TakeBest();
  // Makes the candidate the one that was scored on the channel of this slot, and keeps what it was.
  void MoveTo(size_t scored, int slot);

  const Settings& settings_;
  const catalog::Catalog& catalog_;
  const context::DecisionContext& context_;
  std::vector<scoring::ScoredCandidate>& scored_;
  const Computed& computed_;
  const absl::Span<const scoring::ScoredCandidates* const> by_slot_;
  ArbitrationResult& result_;
  Places places_;
  // The few best of a ranking are found by looking at all who wait, so often at most: each look is
  // cheap, as it hardly ever finds a better one. Then a heap is made, because in the worst case
  // thousands are taken out before enough of them find a place.
  static constexpr int kMaxScans = 4;
  int scans_ = 0;
  bool is_heap_ = false;  // those who wait
};

void Arbiter::WeighChannels() {
  const size_t groups = catalog_.groups.size();
  result_.group_weight.resize(context_.slots() * groups);
  for (size_t slot = 0; slot < context_.slots(); ++slot) {
    WeighGroups(settings_, context_.ChannelOf(static_cast<int>(slot)), context_.intent,
                absl::MakeSpan(result_.group_weight).subspan(slot * groups, groups));
  }
}

std::optional<double> Arbiter::PriorityWith(size_t scored, double propensity) const {
  const catalog::Treatment& treatment = TreatmentOf(scored);
  return PriorityBy(
      computed_.priority, settings_, scored_[scored].treatment, scored_[scored].slot,
      TermsOf(treatment, result_.WorthOf(treatment, scored), propensity, WeightOf(scored)));
}

void Arbiter::FindContenders() {
  result_.ranked.clear();
  result_.rejected.clear();
  result_.selectable.clear();
  result_.greedy = -1;
  result_.priority.resize(scored_.size());
  result_.worth.clear();
  result_.moved.clear();
  // Only those that are ranked move.
  if (!by_slot_.empty() && places_.any()) result_.moved.reserve(kMaxRanked);
  result_.unknown_worth.clear();
  result_.reason.assign(scored_.size(), Reason::kOutranked);
  result_.contenders.clear();
  result_.waiting.clear();
  result_.group_count.assign(catalog_.groups.size(), 0);
  WeighChannels();
  for (size_t i = 0; i < scored_.size(); ++i) {
    const catalog::Treatment& treatment = TreatmentOf(i);
    const double propensity = scored_[i].propensity;
    const Rating rating = RatingOf(computed_, settings_, treatment, scored_[i].treatment,
                                   scored_[i].slot, propensity, WeightOf(i));
    if (computed_.worth != nullptr) result_.worth.push_back(rating.worth);
    result_.priority[i] = rating.priority;
    if (const auto reason = WhyNoContender(settings_, treatment, propensity, rating)) {
      result_.reason[i] = reason;
    } else if (!HasPlace(settings_, context_, treatment, scored_[i].slot)) {
      result_.reason[i] = Reason::kNoPlacement;
    } else {
      // Filled in place: a copy of what was just written field by field waits for the writes.
      Contender& contender = result_.contenders.emplace_back();
      contender.must_show = treatment.must_show;
      contender.priority = rating.priority;
      contender.value = rating.worth.value;
      contender.name_rank = treatment.name_rank;
      contender.scored = static_cast<int>(i);
      contender.slot = scored_[i].slot;
      if (!rating.knows_worth) result_.unknown_worth.push_back(static_cast<int>(i));
    }
  }
}

void Arbiter::Rank(Contender contender) {
  const auto scored = static_cast<size_t>(contender.scored);
  const catalog::Treatment& treatment = TreatmentOf(scored);
  int& count = result_.group_count[static_cast<size_t>(treatment.group)];
  if (count >= settings_.max_per_group) {
    result_.reason[scored] = Reason::kGroupLimitReached;
    return;
  }
  if (places_.any() && !places_.Find(treatment.group, contender.slot)) {
    return ContendOnNextChannel(contender);
  }
  const bool moves = contender.slot != scored_[scored].slot;
  if (computed_.content != nullptr &&
      !computed_.content->Compute(scored_[scored].treatment, contender.slot)) {
    if (moves) return ContendOnNextChannel(contender);
    result_.reason[scored] = Reason::kContentError;
    return;
  }
  if (moves) MoveTo(scored, contender.slot);
  if (places_.any()) places_.Take();
  ++count;
  result_.reason[scored].reset();
  result_.ranked.push_back({contender.scored, scored_[scored].treatment, WeightOf(scored),
                            result_.priority[scored], 0.0, -1});
}

void Arbiter::ContendOnNextChannel(Contender contender) {
  if (by_slot_.empty()) return;
  const auto scored = static_cast<size_t>(contender.scored);
  const catalog::Treatment& treatment = TreatmentOf(scored);
  contender.tried.set(static_cast<size_t>(contender.slot));
  const std::optional<ChannelChoice::Best> next =
      BestChannelAmong({settings_, catalog_, context_, by_slot_, result_.group_weight, computed_},
                       scored_[scored].treatment, [&](int slot) {
                         return !contender.tried[static_cast<size_t>(slot)] &&
                                !places_.IsHopeless(treatment.group, slot) &&
                                HasPlace(settings_, context_, treatment, slot);
                       });
  if (!next) return;
  contender.slot = next->slot;
  // A default that on_error declares may be above the score that it comes after.
  contender.priority = std::min(contender.priority, next->priority);
  contender.value = next->value;
  std::vector<Key>& waiting = result_.waiting;
  waiting.push_back(KeyOf(result_.contenders.size(), contender));
  result_.contenders.push_back(contender);
  if (is_heap_) std::push_heap(waiting.begin(), waiting.end(), KeyRanksAfter{result_.contenders});
}

void Arbiter::MoveTo(size_t scored, int slot) {
  scoring::ScoredCandidate& candidate = scored_[scored];
  result_.moved.push_back({static_cast<int>(scored), candidate, result_.priority[scored],
                           result_.WorthOf(TreatmentOf(scored), scored)});
  candidate = *FindScored(candidate.treatment, *by_slot_[static_cast<size_t>(slot)]);
  candidate.slot = slot;
  const Rating rating = RatingOf(computed_, settings_, TreatmentOf(scored), candidate.treatment,
                                 slot, candidate.propensity, WeightOf(scored));
  if (computed_.worth != nullptr) result_.worth[scored] = rating.worth;
  result_.priority[scored] = rating.priority;
}

double Arbiter::DeviationOf(size_t scored, double evidence) const {
  const catalog::Treatment& treatment = TreatmentOf(scored);
  if (settings_.without[static_cast<size_t>(Factor::kPropensity)]) return 0;
  const double p = scored_[scored].propensity;
  const double known = scored_[scored].deviation;
  const double deviation = known >= 0 ? known : std::sqrt(p * (1 - p) / (evidence + 1));
  if (computed_.priority != nullptr) return std::fabs(SlopeOf(scored)) * deviation;
  Terms terms = TermsOf(treatment, result_.WorthOf(treatment, scored), deviation, WeightOf(scored));
  terms.cost = 0;
  return PriorityOf(terms, settings_.without);
}

// The central difference (P(p + h) - P(p - h)) / 2h, one-sided within h of 0 and 1, which is exact
// where the formula is linear in the propensity. The smaller h is, the more rounding tells; of
// doubles 1e-4 leaves about 12 digits. Where a formula can't tell there, nothing is uncertain.
double Arbiter::SlopeOf(size_t scored) const {
  constexpr double kStep = 1e-4;
  const double p = scored_[scored].propensity;
  const double low = std::max(0.0, p - kStep);
  const double high = std::min(1.0, p + kStep);
  const std::optional<double> at_low = PriorityWith(scored, low);
  const std::optional<double> at_high = PriorityWith(scored, high);
  return at_low && at_high ? (*at_high - *at_low) / (high - low) : 0.0;
}

void Arbiter::DropUnshowable() {
  if (computed_.content == nullptr) return;
  std::erase_if(result_.contenders, [&](const Contender& contender) {
    const auto scored = static_cast<size_t>(contender.scored);
    const scoring::ScoredCandidate& candidate = scored_[scored];
    if (computed_.content->CanCompute(candidate.treatment, candidate.slot)) return false;
    result_.reason[scored] = Reason::kContentError;
    return true;
  });
}

void Arbiter::FindArms(int exploration) {
  const Exploration& by = settings_.explorations[static_cast<size_t>(exploration)];
  const bool is_uncertain = by.method == Exploration::Method::kThompson;
  result_.arms.clear();
  result_.arm_contender.clear();
  for (size_t c = 0; c < result_.contenders.size(); ++c) {
    const auto scored = static_cast<size_t>(result_.contenders[c].scored);
    if (ExplorationOf(TreatmentOf(scored)) != exploration) continue;
    result_.arms.push_back(
        {result_.contenders[c].priority, is_uncertain ? DeviationOf(scored, by.evidence) : 0.0});
    result_.arm_contender.push_back(c);
  }
}

void Arbiter::Explore(std::optional<double> draw) {
  std::vector<Contender>& contenders = result_.contenders;
  DropUnshowable();
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
  const size_t drawn = result_.arm_contender[Pick(result_.arm_probability, *draw)];
  const Contender top = contenders[drawn];
  contenders[drawn] = contenders.back();
  contenders.pop_back();
  Rank(top);
}

void Arbiter::RankTheBest() {
  std::vector<Key>& waiting = result_.waiting;
  waiting.resize(result_.contenders.size());
  for (size_t c = 0; c < waiting.size(); ++c) waiting[c] = KeyOf(c, result_.contenders[c]);
  while (!waiting.empty() && !places_.full() &&
         result_.ranked.size() < static_cast<size_t>(context_.max_treatments)) {
    Rank(result_.contenders[TakeBest()]);
  }
}

size_t Arbiter::TakeBest() {
  std::vector<Key>& waiting = result_.waiting;
  const KeyRanksAfter ranks_after{result_.contenders};
  if (!is_heap_ && (scans_ == kMaxScans || context_.max_treatments > kMaxScans)) {
    std::make_heap(waiting.begin(), waiting.end(), ranks_after);
    is_heap_ = true;
  }
  if (is_heap_) {
    std::pop_heap(waiting.begin(), waiting.end(), ranks_after);
  } else {
    ++scans_;
    std::swap(waiting[BestOf(waiting, ranks_after)], waiting.back());
  }
  const size_t best = waiting.back().contender;
  waiting.pop_back();
  return best;
}

void Arbiter::FallBack() {
  result_.is_fallback = false;
  if (!result_.ranked.empty()) return;
  for (const Fallback& fallback : settings_.fallbacks) {
    const catalog::Treatment& treatment =
        catalog_.treatments[static_cast<size_t>(fallback.treatment)];
    const auto found = std::find_if(
        scored_.begin(), scored_.end(), [&](const scoring::ScoredCandidate& candidate) {
          return candidate.treatment == fallback.treatment &&
                 fallback.channels[static_cast<size_t>(context_.ChannelOf(candidate.slot))] &&
                 HasPlace(settings_, context_, treatment, candidate.slot);
        });
    if (found == scored_.end()) continue;
    const auto scored = static_cast<size_t>(found - scored_.begin());
    Rank({treatment.must_show, result_.priority[scored], result_.WorthOf(treatment, scored).value,
          treatment.name_rank, static_cast<int>(scored), found->slot});
    result_.is_fallback = !result_.ranked.empty();
    if (result_.is_fallback) return;
  }
}

void Arbiter::TellPlaces() {
  if (!places_.any()) return;
  for (size_t r = 0; r < result_.ranked.size(); ++r) result_.ranked[r].place = places_.PlaceOf(r);
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
    if (!result_.reason[i]) continue;
    candidates::Rejection& rejection = result_.rejected.emplace_back();
    rejection.treatment = scored_[i].treatment;
    rejection.reason = *result_.reason[i];
    rejection.slot = scored_[i].slot;
  }
}

// Ranks what contended in a decision by priorities that are not the decision's own.
class Ranker {
 public:
  Ranker(const Settings& settings, const catalog::Catalog& catalog,
         const scoring::ScoredCandidates& candidates, const ArbitrationResult& result,
         PriorityFormula* formula);

  // Would the ranks be others without this factor? It may be that of all contenders.
  bool Matters(Factor factor) const {
    // Also where values are no factor, they break ties.
    return varied_[static_cast<size_t>(factor)] &&
           (!settings_.without[static_cast<size_t>(factor)] || factor == Factor::kValue);
  }

  // Does the ranking have the best by priority, in their order? Neither exploration nor the places
  // of a group put another one there.
  bool is_by_priority() const { return is_by_priority_; }

  // Calls `visit(size_t r, int rank)` for each of ArbitrationResult::ranked with its rank, from 1.
  template <typename Visitor>
  void RankBy(const FactorSet& without, bool value_breaks_ties, Visitor visit);

 private:
  // On the channel that was chosen first.
  struct Rated {
    const catalog::Treatment* treatment = nullptr;
    Terms terms;
    int scored = 0;
    int slot = 0;
  };
  double PriorityWithout(const Rated& rated, const FactorSet& without) const {
    return formula_
        ->Evaluate(scored_[static_cast<size_t>(rated.scored)].treatment, rated.slot,
                   Without(rated.terms, without))
        .value_or(0.0);
  }
  // The priorities of all contenders.
  void SetPriorities(const FactorSet& without);
  // The same, as if the worth of all were known.
  void SetKnownPriorities(const FactorSet& without);
  // One of contenders_ as it is ranked by priority_.
  Contender ContenderAt(size_t i, bool value_breaks_ties) const {
    const Rated& rated = contenders_[i];
    return {rated.treatment->must_show, priority_[i], value_breaks_ties ? rated.terms.value : 0.0,
            rated.treatment->name_rank, rated.scored};
  }
  // Where a scored candidate is among contenders_, or would be.
  size_t PlaceOf(int scored) const {
    const auto found =
        std::lower_bound(contenders_.begin(), contenders_.end(), scored,
                         [](const Rated& rated, int wanted) { return rated.scored < wanted; });
    return static_cast<size_t>(found - contenders_.begin());
  }
  Rated RatedOf(int scored, const scoring::ScoredCandidate& candidate, const Worth& worth) const {
    const catalog::Treatment& treatment =
        catalog_.treatments[static_cast<size_t>(candidate.treatment)];
    const double weight = WeightIn(result_.group_weight, catalog_, treatment, candidate.slot);
    return {&treatment, TermsOf(treatment, worth, candidate.propensity, weight), scored,
            candidate.slot};
  }
  void NoteVaried(const Terms& terms);

  const Settings& settings_;
  const catalog::Catalog& catalog_;
  const std::vector<scoring::ScoredCandidate>& scored_;
  const ArbitrationResult& result_;
  PriorityFormula* const formula_;
  std::vector<Rated> contenders_;  // ascending by `scored`
  bool is_by_priority_ = false;
  FactorSet varied_;  // the factors that are not for all contenders such that they change nothing
  // Scratch of RankBy.
  std::vector<double> priority_;  // parallel to contenders_
  std::vector<std::pair<Contender, size_t>> ranked_;
  std::vector<int> between_;
};

Ranker::Ranker(const Settings& settings, const catalog::Catalog& catalog,
               const scoring::ScoredCandidates& candidates, const ArbitrationResult& result,
               PriorityFormula* formula)
    : settings_(settings),
      catalog_(catalog),
      scored_(candidates.scored),
      result_(result),
      formula_(formula) {
  contenders_.reserve(scored_.size());
  // A place may be full for one that is better than what others show.
  is_by_priority_ = !result_.explored() && result_.ranked.front().place < 0;
  for (size_t i = 0; i < scored_.size(); ++i) {
    const std::optional<Reason>& reason = result_.reason[i];
    const bool is_limited = reason && *reason == Reason::kGroupLimitReached;
    if (reason && *reason != Reason::kOutranked && !is_limited) continue;
    if (is_limited) is_by_priority_ = false;
    const Worth worth =
        result_.WorthOf(catalog_.treatments[static_cast<size_t>(scored_[i].treatment)], i);
    contenders_.push_back(RatedOf(static_cast<int>(i), scored_[i], worth));
  }
  for (const ArbitrationResult::Moved& moved : result_.moved) {
    contenders_[PlaceOf(moved.scored)] = RatedOf(moved.scored, moved.was, moved.worth);
  }
  for (const Rated& rated : contenders_) NoteVaried(rated.terms);
}

void Ranker::NoteVaried(const Terms& terms) {
  const auto bit = [](Factor factor, bool varies) {
    return static_cast<unsigned>(varies) << static_cast<unsigned>(factor);
  };
  varied_ |= FactorSet(bit(Factor::kPropensity, terms.propensity != 1) |
                       bit(Factor::kContextWeight, terms.context_weight != 1) |
                       bit(Factor::kValue, terms.value != 1) |
                       bit(Factor::kLever, terms.lever != 1) | bit(Factor::kCost, terms.cost != 0));
}

void Ranker::SetPriorities(const FactorSet& without) {
  SetKnownPriorities(without);
  for (const int scored : result_.unknown_worth) {
    const size_t i = PlaceOf(scored);
    // One whose content can't be computed is no contender any more.
    if (i < contenders_.size() && contenders_[i].scored == scored) priority_[i] = 0;
  }
}

void Ranker::SetKnownPriorities(const FactorSet& without) {
  priority_.resize(contenders_.size());
  if (formula_ != nullptr) {
    for (size_t i = 0; i < priority_.size(); ++i) {
      priority_[i] = PriorityWithout(contenders_[i], without);
    }
    return;
  }
  // Asked once, not for each of them.
  const auto is_left_out = [&](Factor factor) { return without[static_cast<size_t>(factor)]; };
  const bool propensity = is_left_out(Factor::kPropensity);
  const bool context_weight = is_left_out(Factor::kContextWeight);
  const bool value = is_left_out(Factor::kValue);
  const bool lever = is_left_out(Factor::kLever);
  const bool cost = is_left_out(Factor::kCost);
  for (size_t i = 0; i < priority_.size(); ++i) {
    const Terms& terms = contenders_[i].terms;
    priority_[i] = PriorityOf(
        {propensity ? 1.0 : terms.propensity, context_weight ? 1.0 : terms.context_weight,
         value ? 1.0 : terms.value, lever ? 1.0 : terms.lever, cost ? 0.0 : terms.cost},
        FactorSet());
  }
}

template <typename Visitor>
void Ranker::RankBy(const FactorSet& without, bool value_breaks_ties, Visitor visit) {
  SetPriorities(without);
  // The ranked ones, best first by these priorities, each with its index in the ranking.
  ranked_.clear();
  for (size_t r = 0; r < result_.ranked.size(); ++r) {
    ranked_.emplace_back(ContenderAt(PlaceOf(result_.ranked[r].scored), value_breaks_ties), r);
  }
  std::sort(ranked_.begin(), ranked_.end(),
            [](const auto& a, const auto& b) { return RanksAfter(b.first, a.first); });
  // How many contenders stand between each of them and the one above it.
  between_.assign(ranked_.size(), 0);
  const Contender& last = ranked_.back().first;
  for (size_t i = 0; i < contenders_.size(); ++i) {
    // Most stand below all that are ranked, by a look at the priority alone.
    if (priority_[i] < last.priority && !contenders_[i].treatment->must_show) continue;
    const Contender contender = ContenderAt(i, value_breaks_ties);
    if (RanksAfter(contender, last)) continue;
    const auto below = std::partition_point(
        ranked_.begin(), ranked_.end(),
        [&](const auto& candidate) { return !RanksAfter(candidate.first, contender); });
    if (below != ranked_.end()) ++between_[static_cast<size_t>(below - ranked_.begin())];
  }
  int above = 0;
  for (size_t r = 0; r < ranked_.size(); ++r) {
    above += between_[r];
    visit(ranked_[r].second, above + 1);
  }
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
                                   const ArbitrationResult& result, PriorityFormula* formula) {
  std::vector<PriorityRanks> ranks(result.ranked.size());
  if (result.is_fallback || ranks.empty()) return ranks;
  Ranker ranker(settings, catalog, candidates, result, formula);
  const auto set_all = [&](size_t r, int rank) {
    ranks[r].by_priority = rank;
    std::fill_n(ranks[r].without, kFactors, rank);
  };
  if (ranker.is_by_priority()) {
    for (size_t r = 0; r < ranks.size(); ++r) set_all(r, static_cast<int>(r) + 1);
  } else {
    ranker.RankBy(settings.without, /*value_breaks_ties=*/true, set_all);
  }
  for (size_t factor = 0; factor < kFactors; ++factor) {
    if (!ranker.Matters(static_cast<Factor>(factor))) continue;
    FactorSet without = settings.without;
    // Were values to break ties, they would still tell the treatments apart.
    const bool value_breaks_ties = factor != static_cast<size_t>(Factor::kValue);
    ranker.RankBy(without.set(factor), value_breaks_ties,
                  [&](size_t r, int rank) { ranks[r].without[factor] = rank; });
  }
  return ranks;
}

void Arbitrate(const Settings& settings, const catalog::Catalog& catalog,
               const context::DecisionContext& context, scoring::ScoredCandidates& candidates,
               std::optional<double> draw, ArbitrationResult& result, const Computed& computed,
               absl::Span<const scoring::ScoredCandidates* const> by_slot) {
  Arbiter arbiter(settings, catalog, context, candidates, computed, by_slot, result);
  arbiter.FindContenders();
  if (settings.explores()) arbiter.Explore(draw);
  arbiter.RankTheBest();
  arbiter.FallBack();
  arbiter.TellPlaces();
  arbiter.TellChances();
  arbiter.TellRejections();
}

}  // namespace attune::arbitration
