#include "lib/policy/engagement_explanation.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/expression/explanation.h"
#include "lib/policy/nearest_change.h"

namespace attune::policy {
namespace {

using expression::Finding;
using expression::SeenValue;
using expression::Variable;

bool IsHidden(const Variable& variable, const void* rules) {
  return static_cast<const EngagementRules*>(rules)->IsProtected(variable);
}

// What the sentence about a rule takes without the strategist's part, about.
constexpr size_t kUsualSentenceBytes = 120;

// Explains one rule that does not hold.
class Explainer {
 public:
  Explainer(const EngagementRules& rules, const EngagementState& state,
            const candidates::Rejection& rejection)
      : rules_(rules),
        evaluator_(state.EvaluatorFor(rejection.treatment)),
        rejection_(rejection),
        nearest_change_(rules, state, rejection) {}

  RuleExplanation Run();

 private:
  void Add(const Finding& finding);
  void AddValues(const Finding& finding);
  void AppendWhatHappened(const Finding& finding, bool hides, std::string& text) const;

  const EngagementRules& rules_;
  expression::Evaluator& evaluator_;
  const candidates::Rejection& rejection_;
  const NearestChange nearest_change_;
  RuleExplanation result_;
};

// What stands between two findings, each of which would have been enough.
void Separate(std::string_view separator, std::string& text) {
  if (!text.empty()) text += separator;
}

RuleExplanation Explainer::Run() {
  const EngagementRule& rule = rules_[rejection_.rule];
  result_.rule = rule.name;
  result_.because = rule.because;
  std::string& sentence = result_.sentence;
  sentence.reserve(kUsualSentenceBytes + rule.because.size());
  absl::StrAppend(&sentence, ToAbsl(EngagementStageName(rule.stage)), " ", rule.name, ": ");
  const std::vector<Finding> findings =
      Explain(evaluator_, static_cast<expression::RuleId>(rejection_.rule));
  for (const Finding& finding : findings) {
    if (&finding != &findings.front()) sentence += "; or ";
    Add(finding);
  }
  if (!rule.because.empty()) absl::StrAppend(&sentence, " (", rule.because, ")");
  return std::move(result_);
}

void Explainer::Add(const Finding& finding) {
  const bool hides =
      std::any_of(finding.seen.begin(), finding.seen.end(),
                  [&](const SeenValue& seen) { return rules_.IsProtected(*seen.variable); });
  AddValues(finding);
  AppendWhatHappened(finding, hides, result_.sentence);
  if (hides) return;
  Separate(" || ", result_.expression);
  result_.expression += finding.text;
  if (!finding.comparison) return;
  Separate(" or ", result_.needed);
  AppendNeeded(*finding.comparison, result_.needed);
  const std::string change = nearest_change_.Of(finding);
  if (change.empty()) return;
  Separate(" || ", result_.nearest_change);
  result_.nearest_change += change;
}

void Explainer::AddValues(const Finding& finding) {
  bool hides = false;
  for (const SeenValue& seen : finding.seen) {
    const bool is_new =
        std::none_of(result_.values.begin(), result_.values.end(),
                     [&](const RuleValue& value) { return value.name == seen.variable->path; });
    const bool is_protected = rules_.IsProtected(*seen.variable);
    hides |= is_protected;
    if (!is_new) continue;
    RuleValue& value = result_.values.emplace_back();
    value.name = seen.variable->path;
    value.is_protected = is_protected;
    if (is_protected) continue;
    value.value = ToString(seen.value);
    value.is_default = !seen.value.present();
  }
  if (hides || finding.compared.empty()) return;
  RuleValue& value = result_.values.emplace_back();
  value.name = finding.compared;
  value.value = ToString(finding.compared_value);
}

void Explainer::AppendWhatHappened(const Finding& finding, bool hides, std::string& text) const {
  const char* before_values = "";
  if (finding.result.is_error()) {
    // The message may quote a value.
    text += "can't be evaluated: ";
    text += hides ? ErrorCodeName(finding.result.error_code()) : finding.result.error_message();
    before_values = "; ";
  } else if (!hides && !finding.comparison) {
    text.append(finding.text).append(" is false");
    before_values = " with ";
  }
  if (!finding.seen.empty() || finding.comparison.has_value()) text += before_values;
  AppendDescription(finding, IsHidden, &rules_, text);
}

}  // namespace

RuleExplanation ExplainRule(const EngagementRules& rules, const EngagementState& state,
                            const candidates::Rejection& rejection) {
  return Explainer(rules, state, rejection).Run();
}

}  // namespace attune::policy
