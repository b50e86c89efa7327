#include "lib/strategy/formula_compiler.h"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/hash.h"
#include "lib/base/text.h"
#include "lib/scoring/formula_model.h"
#include "lib/strategy/checker_base.h"

namespace attune::strategy {
namespace {

// What an expression may come to, as RuleSet::type calls it. What is known only when it is
// evaluated ("dyn") is looked at then.
using Types = std::vector<std::string>;

// Compiles the formulas of one file. Not thread-safe.
class FormulaCompiler {
 public:
  FormulaCompiler(const v1::Strategy& file, const Strategy& strategy, const FormulaTarget& target)
      : file_(file), strategy_(strategy), target_(target) {}

  policy::Formulas Compile();

 private:
  // The index of the formula; -1 when something is wrong with it.
  int Add(const std::string& path, const std::string& text, const Types& types);
  void AddContent(const v1::Treatment& treatment, const std::string& path);
  void AddField(const std::string& path, const std::string& text, policy::ComputedField field);
  void AddWorth(const v1::Treatment& treatment, const std::string& path);
  // The value or the cost of a treatment, which is computed when there is a text. -1 when there is
  // none.
  int AddMoney(const std::string& path, const std::string& text);
  // Of what an answer shows.
  void WarnWhereShown(const std::string& path, int formula);

  const v1::Strategy& file_;
  const Strategy& strategy_;
  const FormulaTarget& target_;
  const Types number_ = {"double", "int"};
  const Types shown_ = {"string", "int", "double", "bool"};
  policy::Formulas formulas_;
};

policy::Formulas FormulaCompiler::Compile() {
  for (int i = 0; i < file_.models_size(); ++i) {
    const std::string& formula = file_.models(i).formula();
    formulas_.of_model.push_back(
        formula.empty() ? -1 : Add(Field(Element("models", i), "formula"), formula, number_));
  }
  for (int i = 0; i < file_.treatments_size(); ++i) {
    AddContent(file_.treatments(i), Field(Element("treatments", i), "content"));
    AddWorth(file_.treatments(i), Element("treatments", i));
  }
  std::sort(formulas_.fields.begin(), formulas_.fields.end(), [](const auto& a, const auto& b) {
    return std::tie(a.treatment, a.channel, a.name) < std::tie(b.treatment, b.channel, b.name);
  });
  policy::DeclarePriorityTerms(target_.environment);
  if (const std::string& priority = file_.arbitration().priority(); !priority.empty()) {
    formulas_.priority = Add("arbitration.priority", priority, number_);
  }
  return std::move(formulas_);
}

int FormulaCompiler::Add(const std::string& path, const std::string& text, const Types& types) {
  const std::optional<expression::RuleId> id = target_.add(path, text);
  if (!id) return -1;
  const std::string& type = target_.type_of(*id);
  if (type != "dyn" && std::find(types.begin(), types.end(), type) == types.end()) {
    target_.report(
        path, 0, Issue::Severity::kError,
        absl::StrCat("this must be of type ", absl::StrJoin(types, " or "), ", but is ", type));
    return -1;
  }
  formulas_.all.push_back({*id, target_.hides(text)});
  return static_cast<int>(formulas_.all.size()) - 1;
}

void FormulaCompiler::AddContent(const v1::Treatment& treatment, const std::string& path) {
  const int index = strategy_.catalog.Find(treatment.name());
  // Maps of messages have no order of their own; problems are sorted by place in the end.
  for (const auto& [channel, content] : treatment.content()) {
    for (const auto& [name, text] : content.computed()) {
      AddField(Field(EntryPath(EntryPath(path, channel), name), "computed"), text,
               {.treatment = index,
                .channel = strategy_.context.channels.IndexOf(channel),
                .name = name});
    }
  }
}

void FormulaCompiler::AddField(const std::string& path, const std::string& text,
                               policy::ComputedField field) {
  if (text.empty()) return;  // reported
  field.formula = Add(path, text, shown_);
  // What is not declared was reported.
  if (field.formula < 0 || field.treatment < 0 || field.channel < 0) return;
  WarnWhereShown(path, field.formula);
  formulas_.fields.push_back(std::move(field));
}

void FormulaCompiler::WarnWhereShown(const std::string& path, int formula) {
  if (!formulas_.all[static_cast<size_t>(formula)].hides) return;
  target_.report(path, 0, Issue::Severity::kWarning,
                 "this looks at something protected, and answers will show what it comes to");
}

int FormulaCompiler::AddMoney(const std::string& path, const std::string& text) {
  if (text.empty()) return -1;
  const int formula = Add(Field(path, "computed"), text, number_);
  if (formula >= 0) WarnWhereShown(Field(path, "computed"), formula);
  return formula;
}

void FormulaCompiler::AddWorth(const v1::Treatment& treatment, const std::string& path) {
  const policy::ComputedWorth worth = {
      .value = AddMoney(Field(path, "value"), treatment.computed_value()),
      .cost = AddMoney(Field(path, "cost"), treatment.computed_cost())};
  const int index = strategy_.catalog.Find(treatment.name());
  if (index < 0 || (worth.value < 0 && worth.cost < 0)) return;
  formulas_.worth.resize(strategy_.catalog.treatments.size());
  formulas_.worth[static_cast<size_t>(index)] = worth;
}

}  // namespace

policy::Formulas CompileFormulas(const v1::Strategy& file, const Strategy& strategy,
                                 const FormulaTarget& target) {
  return FormulaCompiler(file, strategy, target).Compile();
}

std::optional<scoring::NamedModel> MakeFormulaModel(const v1::Strategy& file, int index,
                                                    const Strategy& strategy) {
  const policy::Formulas& formulas = strategy.engagement.formulas();
  const int formula = formulas.of_model[static_cast<size_t>(index)];
  if (formula < 0) return std::nullopt;
  const expression::RuleId id = formulas.all[static_cast<size_t>(formula)].id;
  const bool looks_at_treatment =
      strategy.engagement.rule_set()->scope(id) == expression::Scope::kCandidate;
  const v1::ModelReference& reference = file.models(index);
  scoring::NamedModel model;
  model.name = reference.name();
  model.version = absl::StrCat(reference.name(), "@", ContentHash(reference.formula()));
  model.model = std::make_unique<scoring::FormulaModel>(formula, looks_at_treatment);
  model.formula = formula;
  return model;
}

}  // namespace attune::strategy
