#include "lib/strategy/engagement_compiler.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/absl_strings.h"
#include "lib/base/codec.h"
#include "lib/base/hash.h"
#include "lib/context/value_codec.h"
#include "lib/expression/rule_set.h"
#include "lib/expression/source.h"
#include "lib/policy/customer_scores.h"
#include "lib/strategy/checker_base.h"
#include "lib/strategy/contact_compiler.h"
#include "lib/strategy/formula_compiler.h"
#include "lib/strategy/literal.h"

namespace attune::strategy {
namespace {

using google::protobuf::RepeatedPtrField;
using policy::ContactOwner;
using policy::EngagementRules;
using policy::EngagementStage;

constexpr std::string_view kDerived = "derived.";
constexpr std::string_view kScore = "score.";

// A formula that others can use: a derived value or a score.
struct Formula {
  enum class Progress : uint8_t { kNotSeen, kOpen, kDone };

  std::string variable;  // "derived.tenure", "score.margin.value"
  std::string name;
  const std::string* text = nullptr;
  std::string path;  // of the text in the file
  int score = -1;    // its index in the file; of a derived value -1
  // Of a score that a model gives: where that stands in the file; else empty. The text is that of
  // the model, if it is a formula.
  std::string model_path;
  int model = -1;  // the index of the model, if it is none
  std::string model_hash;
  Progress progress = Progress::kNotSeen;
  bool defined = false;
  // What it names that doesn't belong to the customer, first; empty: nothing.
  std::string foreign;
};

// The first part of a dotted name behind a prefix.
std::string_view FirstPart(std::string_view name, std::string_view prefix) {
  const std::string_view rest = name.substr(prefix.size());
  return rest.substr(0, rest.find('.'));
}

// What of a score stands in this field: "value", "percentile", "tier".
std::string ScoreVariable(std::string_view score, std::string_view field) {
  return absl::StrCat(ToAbsl(kScore), ToAbsl(score), ".", ToAbsl(field));
}

// Compiles the rules of one file. Not thread-safe.
class Compiler {
 public:
  Compiler(const v1::Strategy& file, const Strategy& strategy, ReportExpression report,
           const LoadScoreModel& load)
      : file_(file), strategy_(strategy), report_(report), load_(load) {}

  EngagementRules Compile();

 private:
  void MakeTerms();
  void FindProtected();
  void ListFormulas();
  // The formula that a dotted name is one of, or a field of; -1: none.
  int FormulaOf(std::string_view name) const;
  // Defines a formula and, before it, those that it depends on.
  void DefineFormula(int index);
  void ReportCycle(int index);
  void Define(int index, const std::vector<std::string>& names);
  // The score is given by the model of that name.
  void GiveByModel(const std::string& model, Formula& formula) const;
  // Defines a score that a model gives which is no formula.
  void DefinePredicted(int index);
  // Reports that a score depends on something else than the customer.
  void ReportForeign(const Formula& formula, const std::string& foreign);
  // Why an expression of a score can't be compiled, if it can't.
  void ReportScore(const Formula& formula, const IssueList& issues);
  // Defines where the customer stands by the score.
  void DefineStanding(const Formula& formula, bool is_protected);
  // What of these names doesn't belong to the customer; empty: all do.
  std::string ForeignOf(const std::vector<std::string>& names) const;
  void DeclareAsAnything(const Formula& formula);
  // A hash of all that the formula is computed from but the customer; `features` says how those are
  // declared. REQUIRES: fingerprints_ has those of what it names.
  std::string FingerprintOf(const Formula& formula, const std::string& features) const;
  // The scores once more, for customers who are looked at outside of a decision.
  void CompileScores();
  template <typename Owner>
  void AddRules(const Owner& owner, std::string_view path, ContactOwner place);
  void AddRules(const RepeatedPtrField<v1::Rule>& rules, const std::string& list,
                EngagementStage stage, ContactOwner place);
  void FillAttributes();
  void AddFormulas();

  expression::CompileOptions Options(const expression::Type* result) const {
    expression::CompileOptions options;
    options.result = result;
    options.check_constants = true;
    return options;
  }
  void Report(const std::string& path, std::string_view text, const IssueList& issues) {
    for (const Issue& issue : issues.issues()) {
      report_(path, expression::OffsetOf(text, issue.location), issue.severity, issue.message);
    }
  }
  // Is the name, or what it is a field of, protected?
  bool IsProtected(std::string_view name) const;
  // Is one of these?
  bool IsAnyProtected(const std::vector<std::string>& names) const {
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return IsProtected(name); });
  }

  const v1::Strategy& file_;
  const Strategy& strategy_;
  ReportExpression report_;
  const LoadScoreModel& load_;
  std::shared_ptr<ScoreModelSet> score_models_;  // null: no model gives a score
  EngagementRules::Parts parts_;
  std::shared_ptr<expression::Environment> environment_;
  std::unique_ptr<expression::RuleSetBuilder> builder_;
  absl::flat_hash_set<std::string> protected_;
  std::vector<Formula> formulas_;          // derived values, then scores
  StringViewMap<int> derived_;             // formulas by name
  StringViewMap<int> scores_;              // formulas by name
  std::vector<int> open_;                  // formulas that are being defined, outermost first
  std::vector<int> order_;                 // formulas as they were defined
  std::vector<std::string> fingerprints_;  // of formulas that scores may name
};

EngagementRules Compiler::Compile() {
  const policy::EngagementSchema schema{strategy_.features, strategy_.context,
                                        strategy_.treatment_attributes};
  MakeTerms();
  environment_ = policy::MakeEnvironment(schema, *parts_.terms);
  builder_ = std::make_unique<expression::RuleSetBuilder>(environment_, policy::kExpressionLimits);
  FindProtected();
  ListFormulas();
  for (int i = 0; i < static_cast<int>(formulas_.size()); ++i) DefineFormula(i);
  CompileScores();
  using Level = ContactOwner::Level;
  AddRules(file_, "", {Level::kStrategy, 0});
  for (int i = 0; i < file_.groups_size(); ++i) {
    const auto& groups = strategy_.catalog.groups;
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const catalog::Group& group) {
      return group.name == file_.groups(i).name();
    });
    AddRules(file_.groups(i), Element("groups", i),
             {Level::kGroup, static_cast<int>(found - groups.begin())});
  }
  for (int i = 0; i < file_.treatments_size(); ++i) {
    AddRules(file_.treatments(i), Element("treatments", i),
             {Level::kTreatment, strategy_.catalog.Find(file_.treatments(i).name())});
  }
  FillAttributes();
  AddFormulas();
  parts_.rule_set = builder_->Build();
  return EngagementRules(std::move(parts_), strategy_.catalog, schema);
}

void Compiler::MakeTerms() {
  auto terms = std::make_shared<policy::HistoryTerms>();
  const v1::History& history = file_.history();
  const int64_t retention_ms = MillisOf(history.retention());
  if (retention_ms > 0) terms->retention_ms = retention_ms;
  terms->reach = ReachOf(history);
  terms->outcomes.emplace("decided", policy::kDecidedOnly);
  for (int i = 0; i < std::min(strategy_.outcomes.size(), policy::kMaxOutcomes); ++i) {
    terms->outcomes.emplace(strategy_.outcomes[i].name, policy::OutcomeSet{2} << i);
  }
  parts_.terms = std::move(terms);
}

void Compiler::FindProtected() {
  for (int slot = 0; slot < strategy_.features.size(); ++slot) {
    if (!strategy_.features[slot].is_protected) continue;
    protected_.insert(absl::StrCat("customer.", strategy_.features[slot].name));
    if (slot == strategy_.contact.clock().feature) parts_.local_time_protected = true;
  }
  if (parts_.local_time_protected) protected_.insert("context.local_time");
}

bool Compiler::IsProtected(std::string_view name) const {
  for (size_t end = name.find('.'); end != name.npos; end = name.find('.', end + 1)) {
    if (protected_.contains(ToAbsl(name.substr(0, end)))) return true;
  }
  return protected_.contains(ToAbsl(name));
}

void Compiler::ListFormulas() {
  for (int i = 0; i < file_.derived_size(); ++i) {
    const v1::Derived& derived = file_.derived(i);
    derived_.try_emplace(derived.name(), static_cast<int>(formulas_.size()));
    Formula& formula = formulas_.emplace_back();
    formula.variable = absl::StrCat(ToAbsl(kDerived), derived.name());
    formula.name = derived.name();
    formula.text = &derived.value();
    formula.path = Field(Element("derived", i), "value");
  }
  for (int i = 0; i < file_.scores_size(); ++i) {
    const v1::Score& score = file_.scores(i);
    if (!scores_.try_emplace(score.name(), static_cast<int>(formulas_.size())).second) continue;
    Formula& formula = formulas_.emplace_back();
    formula.variable = ScoreVariable(score.name(), "value");
    formula.name = score.name();
    formula.text = &score.value();
    formula.path = Field(Element("scores", i), "value");
    formula.score = i;
    if (score.model().empty()) continue;
    formula.model_path = Field(Element("scores", i), "model");
    GiveByModel(score.model(), formula);
  }
  if (file_.scores_size() > 0) policy::AddScoreFunctions(*environment_);
}

void Compiler::GiveByModel(const std::string& model, Formula& formula) const {
  const auto found =
      std::find_if(file_.models().begin(), file_.models().end(),
                   [&](const v1::ModelReference& reference) { return reference.name() == model; });
  if (found == file_.models().end()) return;  // reported
  const auto index = static_cast<int>(found - file_.models().begin());
  if (found->formula().empty()) {
    formula.model = index;
  } else {
    formula.text = &found->formula();
    formula.path = Field(Element("models", index), "formula");
  }
}

int Compiler::FormulaOf(std::string_view name) const {
  for (const auto& [prefix, formulas] :
       {std::pair(kDerived, &derived_), std::pair(kScore, &scores_)}) {
    if (!absl::StartsWith(ToAbsl(name), ToAbsl(prefix))) continue;
    const auto found = formulas->find(FirstPart(name, prefix));
    if (found != formulas->end()) return found->second;
  }
  return -1;
}

void Compiler::DefineFormula(int index) {
  Formula& formula = formulas_[static_cast<size_t>(index)];
  using Progress = Formula::Progress;
  if (formula.progress == Progress::kOpen) ReportCycle(index);
  if (formula.progress != Progress::kNotSeen) return;
  formula.progress = Progress::kOpen;
  open_.push_back(index);
  const std::vector<std::string> names =
      expression::NamesIn(*formula.text, policy::kExpressionLimits);
  for (const std::string& name : names) {
    if (const int other = FormulaOf(name); other >= 0) DefineFormula(other);
  }
  open_.pop_back();
  // One that is part of a cycle was declared when the cycle was found.
  if (formula.progress == Progress::kOpen) Define(index, names);
  formula.progress = Progress::kDone;
}

void Compiler::DeclareAsAnything(const Formula& formula) {
  const auto declare = [&](const std::string& variable) {
    environment_
        ->AddVariable(variable, expression::SimpleType(expression::TypeKind::kDyn),
                      expression::Scope::kDecision, 0)
        .IgnoreError();
  };
  declare(formula.variable);
  if (formula.score < 0) return;
  for (const char* field : {"percentile", "tier"}) declare(ScoreVariable(formula.name, field));
}

// Whatever is part of the cycle is declared as anything, so that its users are not reported too.
void Compiler::ReportCycle(int index) {
  std::vector<std::string> path;
  for (auto it = std::find(open_.begin(), open_.end(), index); it != open_.end(); ++it) {
    Formula& formula = formulas_[static_cast<size_t>(*it)];
    path.push_back(formula.variable);
    DeclareAsAnything(formula);
    formula.progress = Formula::Progress::kDone;
  }
  path.push_back(path.front());
  // Where the last of them names the first.
  const Formula& last = formulas_[static_cast<size_t>(open_.back())];
  const size_t at = last.text->find(path.front());
  report_(last.path, at == std::string::npos ? 0 : at, Issue::Severity::kError,
          absl::StrCat(last.score < 0 ? "a derived value" : "a score",
                       " can't depend on itself: ", absl::StrJoin(path, " -> ")));
}

std::string Compiler::ForeignOf(const std::vector<std::string>& names) const {
  for (const std::string& name : names) {
    const int other = FormulaOf(name);
    if (other >= 0) {
      const Formula& formula = formulas_[static_cast<size_t>(other)];
      const bool is_value = formula.score < 0 || absl::StartsWith(name, formula.variable);
      if (!is_value || !formula.foreign.empty()) return name;
      continue;
    }
    for (const char* owner : {"context", "treatment", "history"}) {
      if (name == owner || absl::StartsWith(name, absl::StrCat(owner, "."))) return name;
    }
  }
  return "";
}

void Compiler::Define(int index, const std::vector<std::string>& names) {
  Formula& formula = formulas_[static_cast<size_t>(index)];
  if (formula.model >= 0) return DefinePredicted(index);
  formula.foreign = ForeignOf(names);
  for (const std::string_view function : {policy::kPercentileFunction, policy::kTierFunction}) {
    if (absl::StrContains(*formula.text, ToAbsl(function))) formula.foreign = function;
  }
  if (formula.score >= 0 && !formula.foreign.empty()) {
    ReportForeign(formula, formula.foreign);
    DeclareAsAnything(formula);
    return;
  }
  IssueList issues;
  const expression::Type* result =
      formula.score < 0 ? nullptr : expression::SimpleType(expression::TypeKind::kDouble);
  if (formula.text->empty() || environment_->FindVariable(formula.variable) != nullptr ||
      !builder_->Define(formula.variable, formula.name, *formula.text, Options(result), issues)) {
    ReportScore(formula, issues);
    DeclareAsAnything(formula);
    return;
  }
  ReportScore(formula, issues);
  formula.defined = true;
  order_.push_back(index);
  const bool is_protected = IsAnyProtected(names);
  if (is_protected) protected_.insert(formula.variable);
  if (formula.score >= 0) {
    DefineStanding(formula, is_protected);
    return;
  }
  const v1::Derived& derived = file_.derived(index);
  parts_.derived.push_back({derived.name(), derived.description(),
                            ToString(environment_->FindVariable(formula.variable)->type),
                            is_protected});
}

void Compiler::ReportForeign(const Formula& formula, const std::string& foreign) {
  if (!formula.model_path.empty()) {
    report_(formula.model_path, 0, Issue::Severity::kError,
            absl::StrCat("a score depends on the customer alone, but this model looks at ", foreign,
                         "; a model that gives a score may look at customer.<feature>, but for "
                         "timestamps"));
    return;
  }
  const size_t at = formula.text->find(foreign);
  report_(formula.path, at == std::string::npos ? 0 : at, Issue::Severity::kError,
          absl::StrCat("a score depends on the customer alone, but ", foreign,
                       " does not; it may use customer.<feature>, score.<name>.value, and "
                       "derived values of these"));
}

void Compiler::ReportScore(const Formula& formula, const IssueList& issues) {
  if (formula.model_path.empty()) return Report(formula.path, *formula.text, issues);
  // What is wrong with the formula of a model is reported where it stands, once.
  if (!issues.has_errors()) return;
  report_(formula.model_path, 0, Issue::Severity::kError,
          absl::StrCat("the formula of this model can't give a score: ",
                       issues.issues().front().message));
}

void Compiler::DefinePredicted(int index) {
  Formula& formula = formulas_[static_cast<size_t>(index)];
  const scoring::InputNames names{strategy_.features, strategy_.context, strategy_.catalog};
  std::optional<ScoreModel> model;
  if (load_) model = load_(formula.model, names);
  if (model) formula.foreign = ForeignInputOf(*model, names);
  if (!formula.foreign.empty()) ReportForeign(formula, formula.foreign);
  // Why there is no model is reported when it is loaded for treatments.
  if (!model || !formula.foreign.empty()) return DeclareAsAnything(formula);
  policy::CustomerScores& scores = parts_.scores;
  const size_t score = scores.scores.size();
  policy::DeclarePredictedScore(*environment_, formula.variable, static_cast<int>(score),
                                policy::ScoreHost::kDecision);
  bool is_protected = false;
  for (const scoring::Input& input : model->inputs.Inputs()) {
    is_protected |= strategy_.features[input.slot].is_protected;
    scores.model_features.push_back(input.slot);
  }
  std::sort(scores.model_features.begin(), scores.model_features.end());
  scores.model_features.erase(
      std::unique(scores.model_features.begin(), scores.model_features.end()),
      scores.model_features.end());
  if (score_models_ == nullptr) {
    score_models_ = std::make_shared<ScoreModelSet>(strategy_.context);
    scores.models = score_models_;
  }
  formula.defined = true;
  formula.model_hash = model->hash;
  order_.push_back(index);
  score_models_->Add(score, *std::move(model));
  if (is_protected) protected_.insert(formula.variable);
  DefineStanding(formula, is_protected);
}

void Compiler::DefineStanding(const Formula& formula, bool is_protected) {
  const v1::Score& file = file_.scores(formula.score);
  policy::CustomerScore score;
  score.name = file.name();
  score.description = file.description();
  score.is_protected = is_protected;
  for (const v1::Tier& tier : file.tiers()) {
    score.tiers.push_back({tier.name(), tier.from_percentile()});
  }
  const size_t index = parts_.scores.scores.size();
  const auto define = [&](std::string_view field, std::string_view function, std::string_view of) {
    const std::string variable = ScoreVariable(formula.name, field);
    IssueList none;
    builder_->Define(
        variable, formula.name,
        absl::StrCat(ToAbsl(function), "(", ScoreVariable(formula.name, of), ", ", index, ")"),
        Options(nullptr), none);
    if (is_protected) protected_.insert(variable);
  };
  define("percentile", policy::kPercentileFunction, "value");
  if (!score.tiers.empty()) define("tier", policy::kTierFunction, "percentile");
  parts_.scores.scores.push_back(std::move(score));
}

std::string Compiler::FingerprintOf(const Formula& formula, const std::string& features) const {
  std::string hashed = features;
  PutBytes(hashed, formula.variable);
  if (formula.model >= 0) {
    PutBytes(hashed, formula.model_hash);
    return ContentHash(hashed);
  }
  PutBytes(hashed, *formula.text);
  for (const std::string& name : expression::NamesIn(*formula.text, policy::kExpressionLimits)) {
    const int other = FormulaOf(name);
    if (other >= 0) PutBytes(hashed, fingerprints_[static_cast<size_t>(other)]);
  }
  return ContentHash(hashed);
}

void Compiler::CompileScores() {
  policy::CustomerScores& scores = parts_.scores;
  if (scores.scores.empty()) return;
  const auto environment = policy::MakeCustomerEnvironment(strategy_.features);
  expression::RuleSetBuilder builder(environment, policy::kExpressionLimits);
  expression::CompileOptions options;
  options.for_many_candidates = false;
  options.explain = false;
  // What was compiled for decisions compiles here too: there are no new issues.
  IssueList none;
  std::string features;
  for (int slot = 0; slot < strategy_.features.size(); ++slot) {
    const ValueDeclaration& feature = strategy_.features[slot];
    PutBytes(features, feature.name);
    PutVarint(features, static_cast<uint64_t>(feature.type));
    AppendValue(features, static_cast<uint32_t>(slot), feature.default_value.ref());
  }
  std::string hashed = features;
  fingerprints_.resize(formulas_.size());
  for (const int index : order_) {
    const Formula& formula = formulas_[static_cast<size_t>(index)];
    if (!formula.foreign.empty()) continue;
    fingerprints_[static_cast<size_t>(index)] = FingerprintOf(formula, features);
    PutBytes(hashed, formula.variable);
    if (formula.model >= 0) {
      policy::DeclarePredictedScore(*environment, formula.variable, scores.IndexOf(formula.name),
                                    policy::ScoreHost::kEvaluator);
      PutBytes(hashed, formula.model_hash);
    } else {
      builder.Define(formula.variable, formula.name, *formula.text, options, none);
      PutBytes(hashed, *formula.text);
    }
  }
  for (policy::CustomerScore& score : scores.scores) {
    builder.Add(score.name, ScoreVariable(score.name, "value"), options, none);
    score.fingerprint =
        fingerprints_[static_cast<size_t>(FormulaOf(ScoreVariable(score.name, "value")))];
  }
  scores.rule_set = builder.Build();
  scores.fingerprint = ContentHash(hashed);
}

template <typename Owner>
void Compiler::AddRules(const Owner& owner, std::string_view path, ContactOwner place) {
  AddRules(owner.eligibility(), Field(path, "eligibility"), EngagementStage::kEligibility, place);
  AddRules(owner.applicability(), Field(path, "applicability"), EngagementStage::kApplicability,
           place);
  AddRules(owner.suitability(), Field(path, "suitability"), EngagementStage::kSuitability, place);
}

void Compiler::AddRules(const RepeatedPtrField<v1::Rule>& rules, const std::string& list,
                        EngagementStage stage, ContactOwner place) {
  if (place.index < 0) return;
  expression::CompileOptions options = Options(expression::SimpleType(expression::TypeKind::kBool));
  options.for_many_candidates = place.level != ContactOwner::Level::kTreatment;
  for (int i = 0; i < rules.size(); ++i) {
    const v1::Rule& rule = rules[i];
    if (rule.when().empty()) continue;
    IssueList issues;
    const auto added = builder_->Add(rule.name(), rule.when(), options, issues);
    if (added) parts_.rules.push_back({rule.name(), rule.because(), stage, place});
    Report(Field(Element(list, i), "when"), rule.when(), issues);
  }
}

void Compiler::FillAttributes() {
  const ValueSchema& schema = strategy_.treatment_attributes;
  std::vector<OwnedValue> defaults;
  for (const ValueRef& value : schema.defaults()) defaults.emplace_back(value);
  parts_.attributes.assign(strategy_.catalog.treatments.size(), defaults);
  for (const v1::Treatment& treatment : file_.treatments()) {
    const int index = strategy_.catalog.Find(treatment.name());
    for (const auto& [name, literal] : treatment.attributes()) {
      const int slot = schema.SlotOf(name);
      if (index < 0 || slot < 0) continue;
      absl::StatusOr<OwnedValue> value = ValueOf(literal, schema[slot].type);
      if (!value.ok()) continue;
      parts_.attributes[static_cast<size_t>(index)][static_cast<size_t>(slot)] = *std::move(value);
    }
  }
}

void Compiler::AddFormulas() {
  const auto add = [&](const std::string& path, const std::string& text) {
    IssueList issues;
    const auto added = builder_->Add(path, text, Options(nullptr), issues);
    Report(path, text, issues);
    return added;
  };
  const auto type_of = [&](expression::RuleId id) -> const std::string& {
    return builder_->type(id);
  };
  const auto hides = [&](const std::string& text) {
    return IsAnyProtected(expression::NamesIn(text, policy::kExpressionLimits));
  };
  parts_.formulas =
      CompileFormulas(file_, strategy_, {add, type_of, hides, report_, *environment_});
}

}  // namespace

EngagementRules CompileEngagement(const v1::Strategy& file, const Strategy& strategy,
                                  ReportExpression report, const LoadScoreModel& load) {
  return Compiler(file, strategy, report, load).Compile();
}

std::shared_ptr<expression::Environment> MakeEnvironment(const Strategy& strategy) {
  std::shared_ptr<expression::Environment> environment =
      policy::MakeEnvironment({strategy.features, strategy.context, strategy.treatment_attributes},
                              strategy.engagement.terms());
  for (const policy::DerivedValue& derived : strategy.engagement.derived()) {
    environment
        ->AddVariable(absl::StrCat(ToAbsl(kDerived), derived.name),
                      environment->types().Parse(derived.type), expression::Scope::kCandidate, 0)
        .IgnoreError();
  }
  for (const policy::CustomerScore& score : strategy.engagement.scores().scores) {
    const auto add = [&](std::string_view field, expression::TypeKind type) {
      environment
          ->AddVariable(ScoreVariable(score.name, field), expression::SimpleType(type),
                        expression::Scope::kDecision, 0)
          .IgnoreError();
    };
    add("value", expression::TypeKind::kDouble);
    add("percentile", expression::TypeKind::kDouble);
    if (!score.tiers.empty()) add("tier", expression::TypeKind::kString);
  }
  return environment;
}

}  // namespace attune::strategy
