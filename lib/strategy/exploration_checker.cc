#include "lib/strategy/exploration_checker.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/expression/rule_set.h"
#include "lib/policy/formulas.h"
#include "lib/strategy/checker_base.h"

namespace attune::strategy {
namespace {

class ExplorationChecker : public CheckerBase {
 public:
  ExplorationChecker(YamlDocument& source, IssueList& issues) : CheckerBase(source, issues) {}

  void Check(const v1::Exploration& exploration, const std::string& path);

 private:
  void CheckMethod(const v1::Exploration& exploration, const std::string& path);
  // A number that the method needs.
  void CheckNumber(const std::string& path, std::string_view method, std::string_view field,
                   bool has_value, double value, double min, double max);
};

void ExplorationChecker::Check(const v1::Exploration& exploration, const std::string& path) {
  CheckMethod(exploration, path);
  if (!exploration.has_floor()) return;
  CheckRange(path, "floor", exploration.floor(), 0, 1);
  if (exploration.has_none()) {
    Report(Field(path, "floor"), "without exploration there is no floor; leave it out");
  }
}

void ExplorationChecker::CheckMethod(const v1::Exploration& exploration, const std::string& path) {
  switch (exploration.method_case()) {
    case v1::Exploration::kNone:
      return;
    case v1::Exploration::kEpsilonGreedy: {
      const v1::EpsilonGreedy& method = exploration.epsilon_greedy();
      return CheckNumber(path, "epsilon_greedy", "epsilon", method.has_epsilon(), method.epsilon(),
                         0, 1);
    }
    case v1::Exploration::kSoftmax: {
      const v1::Softmax& method = exploration.softmax();
      return CheckNumber(path, "softmax", "temperature", method.has_temperature(),
                         method.temperature(), kMinTemperature, kMaxTemperature);
    }
    case v1::Exploration::kSquareCb: {
      const v1::SquareCb& method = exploration.square_cb();
      return CheckNumber(path, "square_cb", "gamma", method.has_gamma(), method.gamma(), 0,
                         kMaxGamma);
    }
    case v1::Exploration::kThompsonSampling: {
      const v1::ThompsonSampling& method = exploration.thompson_sampling();
      return CheckNumber(path, "thompson_sampling", "evidence", method.has_evidence(),
                         method.evidence(), 1, kMaxEvidence);
    }
    case v1::Exploration::METHOD_NOT_SET:
      break;
  }
  if (!source_.HasUnflawed(path)) return;
  std::vector<std::string> keys;
  const auto& oneof = *v1::Exploration::descriptor()->FindOneofByName("method");
  keys.reserve(static_cast<size_t>(oneof.field_count()));
  for (int i = 0; i < oneof.field_count(); ++i) keys.push_back(oneof.field(i)->name());
  Report(path, absl::StrCat("an exploration needs one of the keys ", absl::StrJoin(keys, ", ")));
}

void ExplorationChecker::CheckNumber(const std::string& path, std::string_view method,
                                     std::string_view field, bool has_value, double value,
                                     double min, double max) {
  const std::string owner = Field(path, method);
  if (!has_value) {
    IsUsable(owner, method, field);
  } else {
    CheckRange(owner, field, value, min, max);
  }
}

// What is wrong with one exploration of a compiled strategy.
class ExplorationReview {
 public:
  // `index`: into Settings::explorations.
  ExplorationReview(const Strategy& strategy, int index);

  // Does any treatment belong to a group with this exploration?
  bool concerns_any() const { return concerns_any_; }
  bool nobody_competes() const { return competitors_.empty(); }
  // How many treatments can compete in one situation, when by the floor they all have the same
  // chance; else 0.
  size_t LevelledByFloor() const;
  bool LooksForCertainty() const {
    return exploration_.method == arbitration::Exploration::Method::kThompson &&
           !IsPriorityByPropensity();
  }

 private:
  bool IsPriorityByPropensity() const;

  const Strategy& strategy_;
  const arbitration::Exploration& exploration_;
  bool concerns_any_ = false;
  std::vector<const catalog::Treatment*> competitors_;
};

ExplorationReview::ExplorationReview(const Strategy& strategy, int index)
    : strategy_(strategy),
      exploration_(strategy.arbitration.explorations[static_cast<size_t>(index)]) {
  for (const catalog::Treatment& treatment : strategy.catalog.treatments) {
    const auto group = static_cast<size_t>(treatment.group);
    if (strategy.arbitration.exploration_of_group[group] != index) continue;
    concerns_any_ = true;
    if (treatment.explored && !treatment.must_show && !treatment.only_as_fallback) {
      competitors_.push_back(&treatment);
    }
  }
}

bool ExplorationReview::IsPriorityByPropensity() const {
  const policy::Formulas& formulas = strategy_.engagement.formulas();
  if (formulas.priority < 0) {
    return !strategy_.arbitration.without[static_cast<size_t>(arbitration::Factor::kPropensity)];
  }
  const expression::RuleId id = formulas.all[static_cast<size_t>(formulas.priority)].id;
  const std::vector<std::string> names =
      expression::NamesIn(strategy_.engagement.rule_set()->text(id), policy::kExpressionLimits);
  return std::find(names.begin(), names.end(), "propensity") != names.end();
}

size_t ExplorationReview::LevelledByFloor() const {
  const auto levels = [&](size_t n) {
    return n > 1 && exploration_.floor * static_cast<double>(n) >= 1;
  };
  if (!levels(competitors_.size())) return 0;
  const auto channels = static_cast<size_t>(strategy_.context.channels.size());
  const auto intents = static_cast<size_t>(strategy_.context.intents.size()) + 1;
  std::vector<size_t> in_situation(channels * intents);
  for (const catalog::Treatment* treatment : competitors_) {
    for (size_t channel = 0; channel < channels; ++channel) {
      if (!treatment->channels[channel]) continue;
      for (size_t intent = 0; intent < intents; ++intent) {
        if (treatment->intents[intent]) ++in_situation[channel * intents + intent];
      }
    }
  }
  const size_t most = *std::max_element(in_situation.begin(), in_situation.end());
  return levels(most) ? most : 0;
}

void WarnOfUselessExploration(const ExplorationReview& review, const std::string& path,
                              const YamlDocument& source, IssueList& issues) {
  if (review.nobody_competes()) {
    source.Warn(path,
                "no treatment is explored by this: each has no_exploration, must_show or "
                "only_as_fallback, or is of a group with an exploration of its own",
                issues);
    return;
  }
  if (review.LooksForCertainty()) {
    source.Warn(Field(path, "thompson_sampling"),
                "without the propensity no priority is uncertain, so thompson_sampling has nothing "
                "to explore; take another method",
                issues);
  }
  if (const size_t levelled = review.LevelledByFloor(); levelled > 0) {
    source.Warn(Field(path, "floor"),
                absl::StrCat("where ", levelled,
                             " treatments compete, this floor gives all of them the same chance, "
                             "whatever they are worth; it should be much less than ",
                             1.0 / static_cast<double>(levelled)),
                issues);
  }
}

}  // namespace

void WarnOfUselessExplorations(const v1::Strategy& file, const Strategy& strategy,
                               const YamlDocument& source, IssueList& issues) {
  if (!strategy.arbitration.explores()) return;
  int index = 0;
  const auto review = [&](const v1::Exploration& exploration, const std::string& path) {
    const int reviewed = index++;
    if (exploration.has_none()) return;
    const ExplorationReview found(strategy, reviewed);
    // Of a group without treatments WarnOfTheUnused warns.
    if (reviewed > 0 && !found.concerns_any()) return;
    WarnOfUselessExploration(found, path, source, issues);
  };
  // In the order in which they were compiled; the strategy's own has a place even if it has none.
  if (file.arbitration().has_exploration()) {
    review(file.arbitration().exploration(), "arbitration.exploration");
  } else {
    ++index;
  }
  for (int i = 0; i < file.groups_size(); ++i) {
    if (!file.groups(i).has_exploration()) continue;
    review(file.groups(i).exploration(), Field(Element("groups", i), "exploration"));
  }
}

void CheckExplorations(const v1::Strategy& file, YamlDocument& source, IssueList& issues) {
  ExplorationChecker checker(source, issues);
  if (file.arbitration().has_exploration()) {
    checker.Check(file.arbitration().exploration(), "arbitration.exploration");
  }
  for (int i = 0; i < file.groups_size(); ++i) {
    if (!file.groups(i).has_exploration()) continue;
    checker.Check(file.groups(i).exploration(), Field(Element("groups", i), "exploration"));
  }
}

}  // namespace attune::strategy
