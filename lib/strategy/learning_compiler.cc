#include "lib/strategy/learning_compiler.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/outcome/reward.h"
#include "lib/policy/engagement_rules.h"
#include "lib/strategy/checker_base.h"

namespace attune::strategy {
namespace {

constexpr std::string_view kRewardPath = "learning.reward";
constexpr std::string_view kGoodPath = "learning.good";

std::string_view PathOf(outcome::Reward::Formula formula) {
  return formula == outcome::Reward::Formula::kReward ? kRewardPath : kGoodPath;
}

class LearningChecker : public CheckerBase {
 public:
  LearningChecker(const v1::Strategy& file, YamlDocument& source, IssueList& issues)
      : CheckerBase(source, issues), file_(file) {}

  void Check() {
    const v1::Learning& learning = file_.learning();
    if (learning.reward().empty() && IsUsable("learning", "strategy that learns", "reward")) {
      Report(kRewardPath, "reward needs a formula");
    }
    if (learning.good().empty() && source_.HasUnflawed(kGoodPath)) {
      Report(kGoodPath, "good needs a formula; leave it out where a reward above 0 is good");
    }
    if (file_.outcomes().empty() && !source_.HasFlawed("outcomes")) {
      Report("learning",
             "there is nothing to learn from: declare under \"outcomes\" what may happen");
    }
  }

 private:
  const v1::Strategy& file_;
};

// What a formula makes of silence, which is what becomes of most treatments: that it can't be
// evaluated then is hardly meant.
void WarnOfSilence(const outcome::AttributionTerms& terms, const catalog::Catalog& catalog,
                   ReportExpression report) {
  outcome::RewardEvaluator evaluator(terms.reward);
  // Nothing but the showing.
  std::vector<outcome::OutcomeTally> silence(terms.outcomes.size());
  for (size_t i = 0; i < silence.size(); ++i) silence[i].count = terms.outcomes[i].showing ? 1 : 0;
  for (const catalog::Treatment& treatment : catalog.treatments) {
    outcome::RewardInput input;
    input.treatment = treatment.name;
    input.group = catalog.groups[static_cast<size_t>(treatment.group)].name;
    input.value = treatment.value;
    input.cost = treatment.cost;
    input.outcomes = silence;
    if (evaluator.Evaluate(input)) continue;
    report(std::string(PathOf(evaluator.failed())), 0, Issue::Severity::kWarning,
           absl::StrCat("where nobody tells of an outcome of the treatment \"", treatment.name,
                        "\" this fails, and nothing is learned: ", evaluator.error()));
    return;
  }
}

}  // namespace

void CheckLearning(const v1::Strategy& file, YamlDocument& source, IssueList& issues) {
  if (file.has_learning()) LearningChecker(file, source, issues).Check();
}

std::shared_ptr<const outcome::AttributionTerms> CompileLearning(const v1::Strategy& file,
                                                                 const Strategy& strategy,
                                                                 ReportExpression report) {
  if (!file.has_learning() || file.learning().reward().empty()) return nullptr;
  auto terms = std::make_shared<outcome::AttributionTerms>();
  terms->reward = outcome::Reward::Compile(strategy.outcomes.Names(), file.learning().reward(),
                                           file.learning().good(), policy::kExpressionLimits,
                                           [&](outcome::Reward::Formula formula, size_t offset,
                                               Issue::Severity severity, std::string message) {
                                             report(std::string(PathOf(formula)), offset, severity,
                                                    std::move(message));
                                           });
  if (terms->reward == nullptr) return nullptr;
  terms->outcomes = strategy.outcome_terms;
  for (int i = 0; i < strategy.outcomes.size(); ++i) {
    const catalog::OutcomeTerms& outcome = strategy.outcome_terms[static_cast<size_t>(i)];
    terms->outcome_index.try_emplace(strategy.outcomes[i].number, i);
    if (outcome.showing) {
      terms->has_showing = true;
      terms->showing_window_us = outcome.window_us;
    } else {
      terms->longest_window_us = std::max(terms->longest_window_us, outcome.window_us);
    }
  }
  for (const catalog::Treatment& treatment : strategy.catalog.treatments) {
    const catalog::Group& group = strategy.catalog.groups[static_cast<size_t>(treatment.group)];
    terms->treatments.try_emplace(treatment.number, outcome::AttributionTerms::Treatment{
                                                        treatment.name, group.name, group.number,
                                                        treatment.value, treatment.cost});
  }
  for (int i = 0; i < strategy.context.channels.size(); ++i) {
    const context::NamedEntry& channel = strategy.context.channels[i];
    terms->channels.try_emplace(channel.number, channel.name);
  }
  WarnOfSilence(*terms, strategy.catalog, report);
  return terms;
}

}  // namespace attune::strategy
