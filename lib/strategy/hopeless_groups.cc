#include "lib/strategy/hopeless_groups.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/strategy/checker_base.h"

namespace attune::strategy {
namespace {

using arbitration::Factor;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Situations that treatments can be used in.
struct Situations {
  context::ChannelSet channels;
  context::IntentSet intents;

  bool Cover(const Situations& others) const {
    return (others.channels & ~channels).none() && (others.intents & ~intents).none();
  }
};

struct Range {
  double lowest = kInfinity;
  double highest = -kInfinity;
};

// The context weights of one group in every situation.
class WeightTable {
 public:
  WeightTable(const Strategy& strategy, int group)
      : channels_(static_cast<size_t>(strategy.context.channels.size())),
        intents_(static_cast<size_t>(strategy.context.intents.size()) + 1),
        weight_(channels_ * intents_, 0.0) {
    for (const arbitration::ContextWeight& weight : strategy.arbitration.context_weights) {
      if (weight.group != group) continue;
      ForEach({weight.channels, weight.intents}, [&](double& sum) { sum += weight.percent; });
    }
    for (double& weight : weight_) weight = std::max(0.0, 1 + weight / 100);
  }

  Range RangeIn(const Situations& situations) {
    Range range;
    ForEach(situations, [&](double weight) {
      range.lowest = std::min(range.lowest, weight);
      range.highest = std::max(range.highest, weight);
    });
    return range;
  }

 private:
  template <typename Visitor>
  void ForEach(const Situations& situations, Visitor visit) {
    for (size_t channel = 0; channel < channels_; ++channel) {
      if (!situations.channels[channel]) continue;
      for (size_t intent = 0; intent < intents_; ++intent) {
        if (situations.intents[intent]) visit(weight_[channel * intents_ + intent]);
      }
    }
  }

  const size_t channels_;
  const size_t intents_;
  std::vector<double> weight_;
};

// Bounds of the priorities of one group's treatments.
struct GroupBounds {
  Situations situations;  // in which one of them or another can be used
  double highest = -kInfinity;
  bool must_show = false;
  bool has_value = false;
  bool explored = false;  // one of them competes by the group's exploration
};

// Something that is always there when a group's treatments are.
struct Rival {
  int treatment = 0;
  double lowest = 0;  // its priority is this at least
};

class Analysis {
 public:
  explicit Analysis(const Strategy& strategy);

  const GroupBounds& of(int group) const { return bounds_[static_cast<size_t>(group)]; }
  // Is there something of the group that the strategist wants to be on top?
  bool IsMeantToWin(int group) const {
    return of(group).highest > -kInfinity && !of(group).must_show && of(group).has_value;
  }
  // A treatment of another group that always stands above all of this group.
  std::optional<Rival> FindRival(int group);

 private:
  static Situations SituationsOf(const catalog::Treatment& treatment) {
    return {treatment.channels, treatment.intents};
  }
  double PriorityOf(const catalog::Treatment& treatment, const arbitration::Worth& worth,
                    double propensity, double weight) const {
    return arbitration::PriorityOf({.propensity = propensity,
                                    .context_weight = weight,
                                    .value = worth.value,
                                    .lever = treatment.lever,
                                    .cost = worth.cost},
                                   strategy_.arbitration.without);
  }
  policy::ComputedWorth ComputedOf(size_t treatment) const {
    return strategy_.engagement.formulas().WorthOf(static_cast<int>(treatment));
  }
  // The best that the treatment can be worth.
  arbitration::Worth BestOf(size_t treatment) const {
    const catalog::Treatment& written = strategy_.catalog.treatments[treatment];
    const policy::ComputedWorth computed = ComputedOf(treatment);
    return {.value = computed.value < 0 ? written.value : catalog::kMaxMoney,
            .cost = computed.cost < 0 ? written.cost : 0.0};
  }
  bool IsAlwaysThere(int index) const;
  // In spite of its on_error.
  bool MayGiveNoScore(int model) const;
  // Does every placement that may show something of the group take the other group's too?
  bool MeetsInPlacements(int group, int other) const;
  // Can the group be put on top by exploration when the greedy choice has this priority?
  bool IsExploredAbove(int group, double priority) const;
  // The least priority of a treatment that is always there; nullopt when it may be dropped.
  std::optional<double> LowestOf(const catalog::Treatment& treatment, const Situations& situations);

  const Strategy& strategy_;
  std::vector<WeightTable> weights_;
  std::vector<GroupBounds> bounds_;
  std::vector<int> always_there_;
};

Analysis::Analysis(const Strategy& strategy)
    : strategy_(strategy), bounds_(strategy.catalog.groups.size()) {
  for (size_t group = 0; group < bounds_.size(); ++group) {
    weights_.emplace_back(strategy, static_cast<int>(group));
  }
  for (size_t t = 0; t < strategy.catalog.treatments.size(); ++t) {
    const catalog::Treatment& treatment = strategy.catalog.treatments[t];
    if (treatment.only_as_fallback || treatment.channels.none()) continue;
    GroupBounds& bounds = bounds_[static_cast<size_t>(treatment.group)];
    const Range weight =
        weights_[static_cast<size_t>(treatment.group)].RangeIn(SituationsOf(treatment));
    bounds.situations.channels |= treatment.channels;
    bounds.situations.intents |= treatment.intents;
    const arbitration::Worth best = BestOf(t);
    bounds.highest = std::max(bounds.highest, PriorityOf(treatment, best, 1, weight.highest));
    bounds.must_show |= treatment.must_show;
    bounds.has_value |= best.value > 0;
    bounds.explored |= treatment.explored && !treatment.must_show;
    if (IsAlwaysThere(static_cast<int>(t))) always_there_.push_back(static_cast<int>(t));
  }
}

bool Analysis::IsAlwaysThere(int index) const {
  const catalog::Treatment& treatment = strategy_.catalog.treatments[static_cast<size_t>(index)];
  const catalog::Treatment unbounded;
  const policy::ComputedWorth computed = ComputedOf(static_cast<size_t>(index));
  const std::vector<policy::ComputedField>& fields = strategy_.engagement.formulas().fields;
  const bool shows_computed =
      std::any_of(fields.begin(), fields.end(),
                  [&](const policy::ComputedField& field) { return field.treatment == index; });
  const bool may_fail = (!treatment.must_show && (computed.value >= 0 || computed.cost >= 0)) ||
                        shows_computed || MayGiveNoScore(treatment.model);
  return !may_fail && treatment.purpose < 0 && treatment.ramp < 0 &&
         treatment.valid_from_us == unbounded.valid_from_us &&
         treatment.valid_until_us == unbounded.valid_until_us &&
         strategy_.engagement.Holding(index).empty() && strategy_.contact.Holding(index).empty();
}

bool Analysis::MayGiveNoScore(int model) const {
  const std::vector<scoring::NamedModel>& models = strategy_.models.models;
  const auto may_fail = [&](int index) {
    const scoring::NamedModel& named = models[static_cast<size_t>(index)];
    // Of the others only plugins and remote models have a noun. What learns does not fail; but what
    // it is going to say, nobody knows.
    return named.formula >= 0 || named.model->Learns() || !named.model->Noun().empty();
  };
  using Action = scoring::OnError::Action;
  if (!may_fail(model)) return false;
  const scoring::OnError& on_error = models[static_cast<size_t>(model)].on_error;
  if (on_error.action != Action::kFallback) return on_error.action == Action::kSkip;
  const scoring::OnError& last = models[static_cast<size_t>(on_error.fallback)].on_error;
  return may_fail(on_error.fallback) && last.action == Action::kSkip;
}

bool Analysis::MeetsInPlacements(int group, int other) const {
  const std::vector<arbitration::Placement>& placements = strategy_.arbitration.placements;
  return std::all_of(placements.begin(), placements.end(),
                     [&](const arbitration::Placement& placement) {
                       return !placement.groups[static_cast<size_t>(group)] ||
                              placement.groups[static_cast<size_t>(other)] ||
                              (placement.channels & of(group).situations.channels).none();
                     });
}

// What it competes with must be able to be the greedy choice.
bool Analysis::IsExploredAbove(int group, double priority) const {
  const arbitration::Settings& settings = strategy_.arbitration;
  if (!settings.explores() || !of(group).explored) return false;
  const auto exploration_of = [&](size_t g) { return settings.exploration_of_group[g]; };
  const int exploration = exploration_of(static_cast<size_t>(group));
  if (settings.explorations[static_cast<size_t>(exploration)].method ==
      arbitration::Exploration::Method::kNone) {
    return false;
  }
  for (size_t other = 0; other < bounds_.size(); ++other) {
    if (other != static_cast<size_t>(group) && exploration_of(other) == exploration &&
        bounds_[other].explored && bounds_[other].highest >= priority) {
      return true;
    }
  }
  return false;
}

std::optional<double> Analysis::LowestOf(const catalog::Treatment& treatment,
                                         const Situations& situations) {
  const arbitration::Settings& settings = strategy_.arbitration;
  const Range weight = weights_[static_cast<size_t>(treatment.group)].RangeIn(situations);
  const double lowest = PriorityOf(treatment, {treatment.value, treatment.cost}, 0, weight.lowest);
  if (treatment.must_show) return kInfinity;
  if (settings.min_propensity > 0 || lowest < settings.min_priority) return std::nullopt;
  return lowest;
}

std::optional<Rival> Analysis::FindRival(int group) {
  std::optional<Rival> best;
  for (const int index : always_there_) {
    const catalog::Treatment& treatment = strategy_.catalog.treatments[static_cast<size_t>(index)];
    if (treatment.group == group || !SituationsOf(treatment).Cover(of(group).situations)) continue;
    if (!MeetsInPlacements(group, treatment.group)) continue;
    const std::optional<double> lowest = LowestOf(treatment, of(group).situations);
    if (!lowest || *lowest <= of(group).highest) continue;
    if (IsExploredAbove(group, *lowest)) continue;
    if (!best || *lowest > best->lowest) best = {index, *lowest};
  }
  return best;
}

// The names of groups that stand below what must be shown, by the index of that treatment.
using GroupsBelow = std::map<int, std::vector<std::string>>;

void WarnOfWhatIsAlwaysShown(const Strategy& strategy, const GroupsBelow& groups_below,
                             const YamlDocument& source, IssueList& issues) {
  for (const auto& [treatment, groups] : groups_below) {
    const std::string& name = strategy.catalog.treatments[static_cast<size_t>(treatment)].name;
    source.Warn(
        Element("treatments", treatment),
        absl::StrCat("\"", name, "\" must be shown and is always there, so nothing of the ",
                     groups.size() == 1 ? "group \"" : "groups \"", absl::StrJoin(groups, "\", \""),
                     "\" is ever on top; they have the places below. If it need not be shown "
                     "always, give it a rule, intents or dates"),
        issues);
  }
}

}  // namespace

void WarnOfHopelessGroups(const v1::Strategy& file, const Strategy& strategy,
                          const YamlDocument& source, IssueList& issues) {
  // What a formula can come to is not known.
  if (!file.arbitration().priority().empty()) return;
  Analysis analysis(strategy);
  GroupsBelow groups_below;
  const double min_priority = strategy.arbitration.min_priority;
  for (int group = 0; group < file.groups_size(); ++group) {
    if (!analysis.IsMeantToWin(group)) continue;
    const double highest = analysis.of(group).highest;
    std::string why;
    if (highest < min_priority) {
      why = absl::StrCat(", below the min_priority of ", min_priority);
    } else if (const std::optional<Rival> rival = analysis.FindRival(group)) {
      const catalog::Treatment& treatment =
          strategy.catalog.treatments[static_cast<size_t>(rival->treatment)];
      if (treatment.must_show) {
        groups_below[rival->treatment].push_back(file.groups(group).name());
        continue;
      }
      why = absl::StrCat(", and \"", treatment.name, "\" is always there, with at least ",
                         rival->lowest);
    } else if (highest <= 0) {
      why = ", so nothing of it is worth showing";
    }
    if (why.empty()) continue;
    source.Warn(Element("groups", group),
                absl::StrCat("no treatment of the group \"", file.groups(group).name(),
                             "\" can ever win: the highest priority that one can have is ", highest,
                             why, "; look at its values, costs, levers and context weights"),
                issues);
  }
  WarnOfWhatIsAlwaysShown(strategy, groups_below, source, issues);
}

}  // namespace attune::strategy
