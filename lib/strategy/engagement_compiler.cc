#include "lib/strategy/engagement_compiler.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/absl_strings.h"
#include "lib/expression/rule_set.h"
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

// Where in the text an issue points; its end when the place is not in it.
size_t OffsetOf(std::string_view text, const SourceLocation& location) {
  size_t offset = 0;
  for (int line = 1; line < location.line; ++line) {
    const size_t end = text.find('\n', offset);
    if (end == text.npos) return text.size();
    offset = end + 1;
  }
  const auto is_continuation = [&](size_t at) {
    return at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80;
  };
  for (int column = 1; column < location.column && offset < text.size(); ++column) {
    ++offset;
    while (is_continuation(offset)) ++offset;
  }
  return offset;
}

// Compiles the rules of one file. Not thread-safe.
class Compiler {
 public:
  Compiler(const v1::Strategy& file, const Strategy& strategy, ReportExpression report)
      : file_(file), strategy_(strategy), report_(report) {}

  EngagementRules Compile();

 private:
  enum class Progress : uint8_t { kNotSeen, kOpen, kDone };

  void MakeTerms();
  void FindProtected();
  // Defines a derived value and, before it, those that it depends on.
  void DefineDerived(int index);
  void ReportCycle(int index);
  void Define(int index, const std::vector<std::string>& names);
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
      report_(path, OffsetOf(text, issue.location), issue.severity, issue.message);
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
  EngagementRules::Parts parts_;
  std::shared_ptr<expression::Environment> environment_;
  std::unique_ptr<expression::RuleSetBuilder> builder_;
  absl::flat_hash_set<std::string> protected_;
  StringViewMap<int> derived_;
  std::vector<Progress> progress_;  // of derived values
  std::vector<int> open_;           // derived values that are being defined, outermost first
};

EngagementRules Compiler::Compile() {
  const policy::EngagementSchema schema{strategy_.features, strategy_.context,
                                        strategy_.treatment_attributes};
  MakeTerms();
  environment_ = policy::MakeEnvironment(schema, *parts_.terms);
  builder_ = std::make_unique<expression::RuleSetBuilder>(environment_, policy::kExpressionLimits);
  FindProtected();
  progress_.assign(static_cast<size_t>(file_.derived_size()), Progress::kNotSeen);
  for (int i = 0; i < file_.derived_size(); ++i) derived_.try_emplace(file_.derived(i).name(), i);
  for (int i = 0; i < file_.derived_size(); ++i) DefineDerived(i);
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

void Compiler::DefineDerived(int index) {
  Progress& progress = progress_[static_cast<size_t>(index)];
  if (progress == Progress::kOpen) ReportCycle(index);
  if (progress != Progress::kNotSeen) return;
  progress = Progress::kOpen;
  open_.push_back(index);
  const std::vector<std::string> names =
      expression::NamesIn(file_.derived(index).value(), policy::kExpressionLimits);
  for (const std::string& name : names) {
    if (!absl::StartsWith(name, ToAbsl(kDerived))) continue;
    const std::string_view rest = std::string_view(name).substr(kDerived.size());
    const auto found = derived_.find(rest.substr(0, rest.find('.')));
    if (found != derived_.end()) DefineDerived(found->second);
  }
  open_.pop_back();
  // One that is part of a cycle was declared when the cycle was found.
  if (progress == Progress::kOpen) Define(index, names);
  progress = Progress::kDone;
}

// Whatever is part of the cycle is declared as anything, so that its users are not reported too.
void Compiler::ReportCycle(int index) {
  std::vector<std::string> path;
  for (auto it = std::find(open_.begin(), open_.end(), index); it != open_.end(); ++it) {
    path.push_back(absl::StrCat(ToAbsl(kDerived), file_.derived(*it).name()));
    environment_
        ->AddVariable(path.back(), expression::SimpleType(expression::TypeKind::kDyn),
                      expression::Scope::kDecision, 0)
        .IgnoreError();
    progress_[static_cast<size_t>(*it)] = Progress::kDone;
  }
  path.push_back(path.front());
  // Where the last of them names the first.
  const int last = open_.back();
  const std::string& text = file_.derived(last).value();
  const size_t at = text.find(path.front());
  report_(Field(Element("derived", last), "value"), at == text.npos ? 0 : at,
          Issue::Severity::kError,
          absl::StrCat("a derived value can't depend on itself: ", absl::StrJoin(path, " -> ")));
}

void Compiler::Define(int index, const std::vector<std::string>& names) {
  const v1::Derived& derived = file_.derived(index);
  const std::string variable = absl::StrCat(ToAbsl(kDerived), derived.name());
  const std::string path = Field(Element("derived", index), "value");
  IssueList issues;
  if (derived.value().empty() || environment_->FindVariable(variable) != nullptr ||
      !builder_->Define(variable, derived.name(), derived.value(), Options(nullptr), issues)) {
    Report(path, derived.value(), issues);
    environment_
        ->AddVariable(variable, expression::SimpleType(expression::TypeKind::kDyn),
                      expression::Scope::kDecision, 0)
        .IgnoreError();
    return;
  }
  Report(path, derived.value(), issues);
  const bool is_protected = IsAnyProtected(names);
  if (is_protected) protected_.insert(variable);
  parts_.derived.push_back({derived.name(), derived.description(),
                            ToString(environment_->FindVariable(variable)->type), is_protected});
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
                                  ReportExpression report) {
  return Compiler(file, strategy, report).Compile();
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
  return environment;
}

}  // namespace attune::strategy
