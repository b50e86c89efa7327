#ifndef ATTUNE_LIB_ARBITRATION_ARBITRATION_H_
#define ATTUNE_LIB_ARBITRATION_ARBITRATION_H_

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "lib/arbitration/exploration.h"
#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/context_schema.h"
#include "lib/context/decision_context.h"
#include "lib/scoring/scoring.h"

namespace attune::arbitration {

// Most treatments that one ranking may hold.
inline constexpr int kMaxRanked = 100;
// Most context weights of one strategy.
inline constexpr int kMaxContextWeights = 1000;

// One situation that raises or lowers one group.
struct ContextWeight {
  int group = 0;  // index into Catalog::groups
  context::ChannelSet channels;
  context::IntentSet intents;
  double percent = 0;  // -100 … 1000
};

// What to do when nothing was ranked.
struct Fallback {
  int treatment = 0;  // index into Catalog::treatments
  context::ChannelSet channels;
};

// A part of the priority that can be left out.
enum class Factor { kPropensity, kContextWeight, kValue, kLever, kCost };
inline constexpr size_t kFactors = 5;

// Factors that are left out of a priority; as a bitset by the value of the enum.
using FactorSet = std::bitset<kFactors>;

// What the priority of a treatment is made of.
struct Terms {
  double propensity = 0;      // 0 … 1
  double context_weight = 1;  // 0 or more
  double value = 0;
  double lever = 1;  // 0 or more
  double cost = 0;
};

// What the good outcome of a treatment is worth, and what showing it costs, in the strategy's
// currency.
struct Worth {
  double value = 0;
  double cost = 0;
};

// propensity x context weight x value x lever - cost; a factor that is left out counts as 1, cost
// as 0.
inline double PriorityOf(const Terms& terms, const FactorSet& without) {
  const auto factor = [&](Factor which, double value) {
    return without[static_cast<size_t>(which)] ? 1.0 : value;
  };
  const double product = factor(Factor::kPropensity, terms.propensity) *
                         factor(Factor::kContextWeight, terms.context_weight) *
                         factor(Factor::kValue, terms.value) * factor(Factor::kLever, terms.lever);
  return without[static_cast<size_t>(Factor::kCost)] ? product : product - terms.cost;
}

// Most groups of one strategy.
inline constexpr size_t kMaxGroups = 64;

// Bit i: the group with index i.
using GroupSet = std::bitset<kMaxGroups>;

// A place that a request may ask to fill.
struct Placement {
  context::ChannelSet channels;  // where it is
  GroupSet groups;               // what it takes
  int max_treatments = 1;        // 1 … kMaxRanked

  bool Takes(int group, int channel) const {
    return groups[static_cast<size_t>(group)] && channels[static_cast<size_t>(channel)];
  }
};

// The formula of a strategy that stands in place of the default priority, as evaluated in one
// decision: on what the rules saw on the channel of a slot, see DecisionContext::ChannelOf. Not
// thread-safe.
class PriorityFormula {
 public:
  // The priority, finite; nullopt when the formula can't be evaluated or is not finite.
  virtual std::optional<double> Evaluate(int treatment, int slot, const Terms& terms) = 0;

 protected:
  ~PriorityFormula() = default;
};

// What treatments are worth on the channel of a slot, where a strategy computes values or costs.
// Not thread-safe.
class WorthSource {
 public:
  // What of it is computed and, for the rest, what is written; nullopt where something can't be
  // computed, or is not 0 … catalog::kMaxMoney.
  virtual std::optional<Worth> WorthOf(int treatment, int slot) = 0;

 protected:
  ~WorthSource() = default;
};

// What treatments show on the channel of a slot, where that is computed in the decision. Not
// thread-safe.
class ContentSource {
 public:
  // Can it be computed for this treatment?
  virtual bool CanCompute(int treatment, int slot) = 0;
  // The same, and keeps it: the treatment is going to be ranked.
  virtual bool Compute(int treatment, int slot) = 0;

 protected:
  ~ContentSource() = default;
};

// What of a strategy is computed by formulas while its treatments are ranked; nullptr: nothing.
struct Computed {
  PriorityFormula* priority = nullptr;
  ContentSource* content = nullptr;
  WorthSource* worth = nullptr;
};

// How a strategy ranks. Immutable once built, thread-safe.
struct Settings {
  int max_treatments = 3;          // 1 … kMaxRanked
  int max_per_group = kMaxRanked;  // 1 … kMaxRanked
  double min_propensity = 0;       // 0 … 1
  double min_priority = -std::numeric_limits<double>::infinity();
  std::vector<ContextWeight> context_weights;
  FactorSet without;  // factors that are switched off
  std::vector<Fallback> fallbacks;
  // The strategy's exploration, then those of the groups that have their own. Empty: nobody
  // explores.
  std::vector<Exploration> explorations;
  // By index of the group: which of them is the group's. Empty as they are.
  std::vector<int> exploration_of_group;
  std::vector<Placement> placements;  // by index into ContextSchema::placements

  bool explores() const { return !explorations.empty(); }
};

// A treatment in the ranking.
struct RankedTreatment {
  int scored = 0;             // index into ScoredCandidates::scored
  int treatment = 0;          // index into Catalog::treatments
  double context_weight = 1;  // 0 or more
  double priority = 0;        // see PriorityOf, or what the strategy's formula came to
  // The chance with which this treatment is put on top for this customer in this context.
  double selection_probability = 0;
  // Where it goes: an index into DecisionContext::placements; -1: the request asks for no places.
  int place = -1;
};

// A scored candidate that had a chance to be put on top.
struct Selectable {
  int scored = 0;          // index into ScoredCandidates::scored
  double probability = 0;  // above 0
};

// Memory of Places, reused from decision to decision.
struct PlacesMemory {
  // A treatment that has a place.
  struct Seat {
    int group = 0;
    int slot = 0;   // of its channel
    int place = 0;  // an index into DecisionContext::placements
  };
  std::vector<Seat> seats;     // in the order in which they were taken
  std::vector<int> taken;      // how many treatments each place has
  std::vector<bool> hopeless;  // no room can be made any more; by slot x index of the group

  // What one search for room has reached, by indexes into DecisionContext::placements.
  struct Search {
    // Full places that could make room, in the order in which they were reached.
    std::array<int, context::kMaxPlacements> reached{};
    size_t count = 0;
    std::bitset<context::kMaxPlacements> was_reached;
    // By place: who would move there, an index into `seats`, or nobody who has a place yet.
    std::array<int, context::kMaxPlacements> mover{};
  };
  Search search;
};

// The ranking, best first, and why the other scored treatments are not in it.
struct ArbitrationResult {
  std::vector<RankedTreatment> ranked;
  bool is_fallback = false;  // what is ranked is a fallback, because nothing else was
  std::vector<candidates::Rejection> rejected;  // ascending by treatment
  // Priorities of all scored candidates, parallel to ScoredCandidates::scored. Of one for which the
  // formulas of the strategy can't tell 0.
  std::vector<double> priority;
  // Where the strategy computes values or costs, those of all scored candidates, parallel to
  // ScoredCandidates::scored; of one for which they can't be computed both 0. Else empty.
  std::vector<Worth> worth;
  // Who could have been put on top, ascending by `scored`. Their chances add up to 1 within 1e-9;
  // empty when nothing is ranked. They were computed before anybody moved.
  std::vector<Selectable> selectable;
  // What is on top without exploration, as an index into ScoredCandidates::scored; -1: nothing is.
  int greedy = -1;

  // Why a scored candidate is not ranked, parallel to ScoredCandidates::scored; none: it is.
  std::vector<std::optional<candidates::Reason>> reason;
  // The context weights, by slot of the channel x index of the group.
  std::vector<double> group_weight;

  // What a treatment that was ranked on another channel was on the one that was chosen first: what
  // its chance was computed from.
  struct Moved {
    int scored = 0;  // index into ScoredCandidates::scored
    scoring::ScoredCandidate was;
    double priority = 0;
    Worth worth;  // where the strategy computes none, as written
  };
  std::vector<Moved> moved;  // in the order of the ranking
  // Contenders whose value or cost can't be computed on the channel that was chosen first, as
  // indexes into ScoredCandidates::scored, ascending. They must be shown; their priority counts as
  // 0.
  std::vector<int> unknown_worth;

  // Did exploration put another treatment on top than the greedy choice?
  bool explored() const { return !ranked.empty() && ranked.front().scored != greedy; }
  // The value and the cost of the treatment, which is this scored candidate.
  Worth WorthOf(const catalog::Treatment& treatment, size_t scored) const {
    return worth.empty() ? Worth{treatment.value, treatment.cost} : worth[scored];
  }
  // The chance with which this scored candidate was put on top.
  double SelectionProbabilityOf(int scored) const;
  // Makes the chances those of a decision in which nobody could explore: what is on top is there
  // for certain. REQUIRES: it was ranked without a draw.
  void MakeCertain();

  // Scratch: kept for its capacity.
  std::vector<int> group_count;
  PlacesMemory places;
  struct Contender {
    bool must_show = false;
    double priority = 0;
    double value = 0;
    int name_rank = 0;
    int scored = 0;                  // index into ScoredCandidates::scored
    int slot = 0;                    // of the channel on which it is tried
    context::ChannelSet tried = {};  // before this one, by slot
  };
  std::vector<Contender> contenders;
  // What of a contender is looked at to find the best: what tells most apart, and which it is.
  struct Key {
    double priority = 0;
    uint32_t contender = 0;  // index into `contenders`
    bool must_show = false;
  };
  std::vector<Key> waiting;  // those who may still be ranked, once ranking has begun
  std::vector<Arm> arms;
  std::vector<size_t> arm_contender;  // index into `contenders`, parallel to `arms`
  std::vector<double> arm_probability;
  ExplorationScratch exploration;
};

// Where a ranked treatment stands, from 1, among all that passed the thresholds: by priority, and
// without one factor each. Exploration and places per group are left aside.
struct PriorityRanks {
  int by_priority = 1;
  int without[kFactors] = {1, 1, 1, 1, 1};  // by Factor
};

// Those of every ranked treatment, parallel to ArbitrationResult::ranked. Without values ties are
// broken by name alone. With a formula, without a factor means that it is 1 to the formula (costs:
// 0); where it can't be evaluated then, the priority counts as 0, and that of a treatment whose
// value or cost can't be computed always does. What moved to another channel is compared as it was
// on the one that was chosen first. REQUIRES: `result` was made by Arbitrate from the same.
std::vector<PriorityRanks> RanksOf(const Settings& settings, const catalog::Catalog& catalog,
                                   const scoring::ScoredCandidates& candidates,
                                   const ArbitrationResult& result,
                                   PriorityFormula* formula = nullptr);

// Ranks those that must be shown, then the others, by priority; ties by value, then by name of the
// treatment. Thresholds don't hold for those that must be shown. At most
// `context.max_treatments`, at most `max_per_group` of one group. When nothing is ranked, the first
// fallback for the channel that was scored is, whatever the limits say.
//
// Where the request asks for places, each treatment gets, in the same order, one that takes it, if
// those that have one can be seated anew so that all of them keep one: see Places. The limits hold
// over all of them. What no place takes is not ranked, nor does it compete.
//
// Candidates for several channels have the weights of their own. `by_slot` has, where the channel
// was left open, what was scored on each channel, by slot. Then a treatment for which no room can
// be made on its channel is tried on the best of the others on which it contends and room may be
// made, in the order of its priority there (but never before those that stood above it), and so on
// from channel to channel; its entry of `candidates` becomes that of the channel on which it is
// ranked, and `moved` of the result keeps what it was. One that has a place keeps its channel. What
// finds no room anywhere is rejected on the channel that was chosen first. Chances are those of
// treatments on the channels that were chosen first; whoever is on top is on that one. Empty: there
// are no other channels.
//
// The first of that order, the greedy choice, stands on top, unless exploration puts another one
// there; the others follow in their order, and the limits count from the top. Who passes the
// thresholds and has the same exploration as the greedy choice (its group's own, else the
// strategy's) competes with it; treatments that are not `explored` compete with nobody. `draw`,
// from [0, 1), says where it falls; without it the greedy choice stays on top, and the chances are
// told as they would be.
//
// With computed values and costs, or a formula of the priority, a treatment for which one of them
// can't tell is dropped; one that must be shown, or a fallback, needs no priority and has 0 then.
// Values, costs and priorities are computed once for each candidate here, whatever ChooseChannels
// computed before, and again for each other channel on which it may contend when it finds no room.
// A treatment whose content can't be computed is dropped in any case, and the next one takes its
// place; it has no chance in an exploration. What counts is the channel that was chosen first,
// unless there was no room on it; where content fails on another, that one is passed over as if it
// had no room.
//
// `result` is overwritten; its capacity is reused.
void Arbitrate(const Settings& settings, const catalog::Catalog& catalog,
               const context::DecisionContext& context, scoring::ScoredCandidates& candidates,
               std::optional<double> draw, ArbitrationResult& result, const Computed& computed = {},
               absl::Span<const scoring::ScoredCandidates* const> by_slot = {});

}  // namespace attune::arbitration

#endif  // ATTUNE_LIB_ARBITRATION_ARBITRATION_H_
