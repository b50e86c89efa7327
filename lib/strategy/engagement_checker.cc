#include "lib/strategy/engagement_checker.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "lib/policy/engagement_rules.h"
#include "lib/strategy/checker_base.h"
#include "lib/strategy/literal.h"
#include "lib/strategy/score_models.h"

namespace attune::strategy {
namespace {

class EngagementChecker : public CheckerBase {
 public:
  EngagementChecker(const v1::Strategy& file, const StringMap<std::string>& path_of_name,
                    YamlDocument& source, IssueList& issues)
      : CheckerBase(source, issues), file_(file), path_of_name_(path_of_name) {}

  bool Check();

 private:
  // The three lists of the strategy, a group or a treatment.
  template <typename Owner>
  void CheckRulesOf(const Owner& owner, std::string_view path);
  void CheckRules(const Repeated<v1::Rule>& rules, const std::string& list);
  void CheckRuleName(const v1::Rule& rule, const std::string& path);
  void CheckDerived();
  void CheckScores();
  void CheckModelOfScore(const v1::Score& score, const std::string& path, const NameIndex& models);
  void CheckTiers(const v1::Score& score, const std::string& path);
  void CheckReservedNames();
  void CheckAttributes(const v1::Treatment& treatment, const std::string& path);

  const v1::Strategy& file_;
  StringMap<std::string> path_of_name_;  // of contact policies and of rules
  NameIndex attributes_;
  int rules_ = 0;
};

bool EngagementChecker::Check() {
  CheckDerived();
  CheckScores();
  attributes_ = CheckNames(file_.treatment_attributes(), "treatment_attributes",
                           "treatment attribute", policy::kMaxTreatmentAttributes);
  CheckReservedNames();
  CheckRulesOf(file_, "");
  for (int i = 0; i < file_.groups_size(); ++i) {
    CheckRulesOf(file_.groups(i), Element("groups", i));
  }
  for (int i = 0; i < file_.treatments_size(); ++i) {
    const std::string path = Element("treatments", i);
    CheckRulesOf(file_.treatments(i), path);
    CheckAttributes(file_.treatments(i), path);
  }
  if (rules_ > policy::kMaxRules) {
    compilable_ = false;
    Report("",
           absl::StrCat("a strategy may have at most ", policy::kMaxRules, " rules, not ", rules_));
  }
  return compilable_;
}

template <typename Owner>
void EngagementChecker::CheckRulesOf(const Owner& owner, std::string_view path) {
  CheckRules(owner.eligibility(), Field(path, "eligibility"));
  CheckRules(owner.applicability(), Field(path, "applicability"));
  CheckRules(owner.suitability(), Field(path, "suitability"));
}

void EngagementChecker::CheckRules(const Repeated<v1::Rule>& rules, const std::string& list) {
  rules_ += rules.size();
  if (rules.size() > policy::kMaxRulesOfOne) {
    compilable_ = false;
    Report(list, absl::StrCat("the list has ", rules.size(), " rules; at most ",
                              policy::kMaxRulesOfOne, " are allowed"));
    return;
  }
  for (int i = 0; i < rules.size(); ++i) {
    const std::string path = Element(list, i);
    CheckRuleName(rules[i], path);
    CheckBecause(path, rules[i].because());
    if (rules[i].when().empty() && IsUsable(path, "rule", "when")) {
      Report(Field(path, "when"), "when needs a condition");
    }
  }
}

void EngagementChecker::CheckRuleName(const v1::Rule& rule, const std::string& path) {
  CheckName(path, rule.name(), "rule");
  if (rule.name().empty()) return;
  const auto [earlier, is_new] = path_of_name_.try_emplace(rule.name(), path);
  if (is_new) return;
  Report(Field(path, "name"),
         absl::StrCat("duplicate name ", Quoted(rule.name()), " of a rule; it stands on line ",
                      source_.LineOf(Field(earlier->second, "name")), " already"));
}

void EngagementChecker::CheckDerived() {
  CheckNames(file_.derived(), "derived", "derived value", policy::kMaxDerived);
  for (int i = 0; i < file_.derived_size(); ++i) {
    const std::string path = Element("derived", i);
    if (file_.derived(i).value().empty() && IsUsable(path, "derived value", "value")) {
      Report(Field(path, "value"), "value needs a formula");
    }
  }
}

void EngagementChecker::CheckScores() {
  CheckNames(file_.scores(), "scores", "score", policy::kMaxScores);
  NameIndex models;
  for (int i = 0; i < file_.models_size(); ++i) models.try_emplace(file_.models(i).name(), i);
  for (int i = 0; i < file_.scores_size(); ++i) {
    const std::string path = Element("scores", i);
    if (source_.Has(Field(path, "model"))) {
      CheckModelOfScore(file_.scores(i), path, models);
    } else if (const std::string value = Field(path, "value"); source_.HasUnflawed(value)) {
      if (file_.scores(i).value().empty()) Report(value, "value needs a formula");
    } else if (!source_.Has(value) && !source_.HasFlawed(path)) {
      Report(value, "a score needs a value, which is a formula, or a model");
    }
    CheckTiers(file_.scores(i), path);
  }
}

void EngagementChecker::CheckModelOfScore(const v1::Score& score, const std::string& path,
                                          const NameIndex& models) {
  const std::string field = Field(path, "model");
  if (source_.Has(Field(path, "value"))) {
    Report(field, "a score has either value, a formula, or model");
  }
  CheckReference(path, "score", "model", score.model(), models);
  const auto found = models.find(score.model());
  if (found != models.end() && !MayGiveScores(file_.models(found->second))) {
    Report(field,
           absl::StrCat("the model ", Quoted(score.model()),
                        file_.models(found->second).has_remote()
                            ? " is remote, and is asked within decisions only; a score needs a "
                        : file_.models(found->second).has_adaptive()
                            ? " is adaptive, and predicts for treatments; a score needs a "
                            : " is a success rate, and predicts for treatments; a score needs a ",
                        "formula, a file, what is stored, or a plugin"));
  }
}

void EngagementChecker::CheckTiers(const v1::Score& score, const std::string& path) {
  const std::string list = Field(path, "tiers");
  CheckNames(score.tiers(), list, "tier", policy::kMaxTiers);
  for (int i = 0; i < score.tiers_size(); ++i) {
    const std::string tier = Element(list, i);
    const std::string from = Field(tier, "from_percentile");
    const double percentile = score.tiers(i).from_percentile();
    CheckRange(tier, "from_percentile", percentile, 0, 100);
    if (i == 0) {
      if (percentile != 0) {
        Report(from, "the first tier must begin at 0, so that everybody is in one");
      }
    } else if (percentile <= score.tiers(i - 1).from_percentile()) {
      Report(from, absl::StrCat("must be higher than the ", score.tiers(i - 1).from_percentile(),
                                " of the tier before it, for tiers stand lowest first"));
    }
  }
}

void EngagementChecker::CheckReservedNames() {
  for (const std::string_view reserved : {"name", "group"}) {
    const auto found = attributes_.find(reserved);
    if (found == attributes_.end()) continue;
    Report(Field(Element("treatment_attributes", found->second), "name"),
           absl::StrCat("treatment.", ToAbsl(reserved), " is there without being declared"));
  }
}

void EngagementChecker::CheckAttributes(const v1::Treatment& treatment, const std::string& path) {
  const std::string list = Field(path, "attributes");
  for (const auto& [name, literal] : treatment.attributes()) {
    const std::string entry = EntryPath(list, name);
    const auto found = attributes_.find(name);
    if (found == attributes_.end()) {
      source_.ReportKey(entry, UnknownName("treatment attribute", name, attributes_), issues_);
      continue;
    }
    const v1::ValueType type = file_.treatment_attributes(found->second).type();
    if (type == v1::VALUE_TYPE_UNSPECIFIED || !source_.HasUnflawed(entry)) continue;
    const absl::StatusOr<OwnedValue> value = ValueOf(literal, TypeOf(type));
    if (!value.ok()) Report(entry, absl::StrCat("the value ", value.status().message()));
  }
}

}  // namespace

bool CheckEngagement(const v1::Strategy& file, const StringMap<std::string>& path_of_name,
                     YamlDocument& source, IssueList& issues) {
  return EngagementChecker(file, path_of_name, source, issues).Check();
}

}  // namespace attune::strategy
