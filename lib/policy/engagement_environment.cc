// What expressions of a strategy may name.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/policy/contact_explanation.h"
#include "lib/policy/customer_scores.h"
#include "lib/policy/engagement_rules.h"
#include "lib/policy/engagement_state.h"

namespace attune::policy {
namespace {

using expression::CallContext;
using expression::Environment;
using expression::HostRemark;
using expression::Kind;
using expression::SimpleType;
using expression::Type;
using expression::TypeKind;
using expression::Value;
using Severity = Issue::Severity;

const EngagementState& StateOf(CallContext& context) {
  return *static_cast<const EngagementState*>(context.host());
}
Value CountBody(CallContext& context, const void*, const Value* args, size_t) {
  return StateOf(context).Count(context, args);
}
Value LastBody(CallContext& context, const void*, const Value* args, size_t) {
  return StateOf(context).Last(context, args);
}
Value LocalTimeBody(CallContext& context, const void*) { return StateOf(context).LocalTime(); }

std::string CheckOutcome(const HistoryTerms& terms, const Value& constant) {
  if (constant.is_list() && expression::ListSize(constant) == 0) {
    return "names no outcome; nothing would be counted";
  }
  if (constant.is_list()) {
    expression::ListReader outcomes(constant);
    std::string problem;
    Value outcome;
    while (problem.empty() && outcomes.Next(&outcome)) problem = CheckOutcome(terms, outcome);
    return problem;
  }
  if (constant.kind() != Kind::kString || terms.outcomes.contains(constant.text())) return "";
  std::vector<std::string_view> known;
  for (const auto& [name, set] : terms.outcomes) known.push_back(name);
  std::sort(known.begin(), known.end());
  return absl::StrCat("unknown outcome ", Quoted(constant.text()),
                      DidYouMean(constant.text(), known));
}

std::string CheckWindow(const HistoryTerms& terms, const Value& constant) {
  if (constant.kind() != Kind::kDuration) return "";
  const int64_t window_ms = WindowMs(constant);
  if (window_ms <= 0) return "the window must be longer than 0";
  if (window_ms > kMaxWindowMs) {
    return absl::StrCat("the window must be at most ", kMaxWindowDays, "d");
  }
  if (window_ms <= terms.retention_ms.value_or(window_ms)) return "";
  return absl::StrCat("the history keeps ", DurationText(*terms.retention_ms),
                      " (history.retention), so nothing can be counted within ",
                      DurationText(window_ms));
}

HostRemark CheckHistoryCall(const void* data, size_t argument, const Value& constant) {
  const auto& terms = *static_cast<const HistoryTerms*>(data);
  if (argument == kCountOutcomes) return {Severity::kError, CheckOutcome(terms, constant)};
  if (std::string problem = CheckWindow(terms, constant); !problem.empty()) {
    return {Severity::kError, std::move(problem)};
  }
  if (constant.kind() != Kind::kDuration || terms.reach.Covers(WindowMs(constant))) return {};
  return {Severity::kWarning, terms.reach.Warning("counting fails, and a rule does not hold")};
}

const Type* TypeOf(Environment& environment, ValueType type) {
  switch (type) {
    case ValueType::kBool:
      return SimpleType(TypeKind::kBool);
    case ValueType::kInt:
      return SimpleType(TypeKind::kInt);
    case ValueType::kDouble:
      return SimpleType(TypeKind::kDouble);
    case ValueType::kString:
      return SimpleType(TypeKind::kString);
    case ValueType::kTimestamp:
      return SimpleType(TypeKind::kTimestamp);
    case ValueType::kStringList:
      break;
  }
  return environment.types().List(SimpleType(TypeKind::kString));
}

// Adds the declared values of a schema from the slot on. What is there already stays: the names of
// one strategy are unique, and checked elsewhere.
void AddValues(Environment& environment, std::string_view owner, const ValueSchema& schema,
               expression::Scope scope, uint32_t first_slot) {
  for (int i = 0; i < schema.size(); ++i) {
    environment
        .AddVariable(absl::StrCat(ToAbsl(owner), ".", schema[i].name),
                     TypeOf(environment, schema[i].type), scope,
                     first_slot + static_cast<uint32_t>(i))
        .IgnoreError();
  }
}

}  // namespace

std::shared_ptr<Environment> MakeEnvironment(const EngagementSchema& schema,
                                             const HistoryTerms& terms) {
  auto environment = std::make_shared<Environment>();
  const auto add = [&](std::string_view path, const Type* type, expression::Scope scope,
                       uint32_t slot) {
    environment->AddVariable(path, type, scope, slot).IgnoreError();
  };
  constexpr auto kDecision = expression::Scope::kDecision;
  constexpr auto kCandidate = expression::Scope::kCandidate;
  const Type* text = SimpleType(TypeKind::kString);
  add("context.channel", text, kDecision, DecisionSlots::kChannel);
  add("context.intent", text, kDecision, DecisionSlots::kIntent);
  add("context.time", SimpleType(TypeKind::kTimestamp), kDecision, DecisionSlots::kTime);
  environment
      ->AddLazyVariable("context.local_time", SimpleType(TypeKind::kTimestamp), kDecision,
                        LocalTimeBody, nullptr)
      .IgnoreError();
  add("treatment.name", text, kCandidate, CandidateSlots::kName);
  add("treatment.group", text, kCandidate, CandidateSlots::kGroup);

  for (const std::string_view given : {"context.channel", "context.intent", "context.time",
                                       "context.local_time", "treatment.name", "treatment.group"}) {
    environment->SetGiven(given);
  }

  const Type* history = environment->types().Opaque("history");
  add("history.all", history, kDecision, DecisionSlots::kAllHistory);
  add("history.all.on_channel", history, kDecision, DecisionSlots::kAllHistoryOnChannel);
  add("history.treatment", history, kCandidate, CandidateSlots::kTreatmentHistory);
  add("history.treatment.on_channel", history, kCandidate,
      CandidateSlots::kTreatmentHistoryOnChannel);
  add("history.group", history, kCandidate, CandidateSlots::kGroupHistory);
  add("history.group.on_channel", history, kCandidate, CandidateSlots::kGroupHistoryOnChannel);
  environment
      ->AddFunction(kCountFunction, "history.(list(string), duration) -> int", kDecision, CountBody,
                    &terms, CheckHistoryCall)
      .IgnoreError();
  environment
      ->AddFunction("last", "history.(list(string)) -> timestamp", kDecision, LastBody, &terms,
                    CheckHistoryCall)
      .IgnoreError();

  const auto features = static_cast<uint32_t>(schema.features.size());
  AddValues(*environment, "customer", schema.features, kDecision, DecisionSlots::kFirstFeature);
  AddValues(*environment, "context.attributes", schema.context.attributes, kDecision,
            DecisionSlots::kFirstFeature + features);
  AddValues(*environment, "treatment", schema.treatment_attributes, kCandidate,
            CandidateSlots::kFirstAttribute);
  for (const std::string_view attribute : schema.treatment_attributes.Names()) {
    environment->SetGiven(absl::StrCat("treatment.", ToAbsl(attribute)));
  }
  return environment;
}

std::shared_ptr<Environment> MakeCustomerEnvironment(const ValueSchema& features) {
  auto environment = std::make_shared<Environment>();
  AddValues(*environment, "customer", features, expression::Scope::kDecision, 0);
  return environment;
}

}  // namespace attune::policy
