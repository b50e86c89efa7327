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
  std::string TextOf(const Finding& finding, bool hides) const;

  const EngagementRules& rules_;
  expression::Evaluator& evaluator_;
  const candidates::Rejection& rejection_;
  const NearestChange nearest_change_;
  RuleExplanation result_;
  std::string what_;
};

void Append(std::string& text, std::string_view separator, std::string more) {
  if (text.empty()) {
    text = std::move(more);
  } else if (!more.empty()) {
    absl::StrAppend(&text, ToAbsl(separator), more);
  }
}

RuleExplanation Explainer::Run() {
  const EngagementRule& rule = rules_[rejection_.rule];
  result_.rule = rule.name;
  result_.because = rule.because;
  for (const Finding& finding :
       Explain(evaluator_, static_cast<expression::RuleId>(rejection_.rule))) {
    Add(finding);
  }
  result_.sentence =
      absl::StrCat(ToAbsl(EngagementStageName(rule.stage)), " ", rule.name, ": ", what_,
                   rule.because.empty() ? "" : " (", rule.because, rule.because.empty() ? "" : ")");
  return std::move(result_);
}

void Explainer::Add(const Finding& finding) {
  const bool hides =
      std::any_of(finding.seen.begin(), finding.seen.end(),
                  [&](const SeenValue& seen) { return rules_.IsProtected(*seen.variable); });
  AddValues(finding);
  Append(what_, "; or ", TextOf(finding, hides));
  if (hides) return;
  Append(result_.expression, " || ", std::string(finding.text));
  if (finding.comparison == nullptr) return;
  Append(result_.needed, " or ", NeededText(*finding.comparison));
  Append(result_.nearest_change, " || ", nearest_change_.Of(finding));
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

std::string Explainer::TextOf(const Finding& finding, bool hides) const {
  const std::string seen = Describe(finding, IsHidden, &rules_);
  if (finding.result.is_error()) {
    // The message may quote a value.
    const std::string_view problem =
        hides ? ErrorCodeName(finding.result.error_code()) : finding.result.error_message();
    return absl::StrCat("can't be evaluated: ", ToAbsl(problem), seen.empty() ? "" : "; ", seen);
  }
  if (hides || finding.comparison != nullptr) return seen;
  return absl::StrCat(ToAbsl(finding.text), " is false", seen.empty() ? "" : " with ", seen);
}

}  // namespace

RuleExplanation ExplainRule(const EngagementRules& rules, const EngagementState& state,
                            const candidates::Rejection& rejection) {
  return Explainer(rules, state, rejection).Run();
}

}  // namespace attune::policy
