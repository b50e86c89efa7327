#include "lib/outcome/reward.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/expression/environment.h"
#include "lib/expression/source.h"

namespace attune::outcome {
namespace {

using expression::Environment;
using expression::Kind;
using expression::RuleId;
using expression::SimpleType;
using expression::TypeKind;
using expression::Value;

// Places of variables. Behind them each outcome has kOutcomeSlots.
enum Slot : uint32_t { kName, kGroup, kChannel, kValue, kCost, kFirstOutcome };

// What is known of an outcome, in the order of its slots.
struct OutcomeVariable {
  std::string_view name;
  TypeKind type;
};
constexpr std::array<OutcomeVariable, 5> kOutcomeVariables = {
    {{"seen", TypeKind::kBool},
     {"count", TypeKind::kInt},
     {"value", TypeKind::kDouble},
     {"first_after", TypeKind::kDuration},
     {"last_after", TypeKind::kDuration}}};
constexpr auto kOutcomeSlots = static_cast<uint32_t>(kOutcomeVariables.size());

constexpr std::string_view kNotSeen = "this outcome was not recorded; ask for its seen first";

// What is there already stays: the names of one strategy are unique, and checked elsewhere.
std::shared_ptr<Environment> MakeRewardEnvironment(const std::vector<std::string_view>& outcomes) {
  auto environment = std::make_shared<Environment>();
  const auto add = [&](std::string_view path, TypeKind type, uint32_t slot) {
    environment->AddVariable(path, SimpleType(type), expression::Scope::kDecision, slot)
        .IgnoreError();
  };
  add("treatment.name", TypeKind::kString, kName);
  add("treatment.group", TypeKind::kString, kGroup);
  add("treatment.value", TypeKind::kDouble, kValue);
  add("treatment.cost", TypeKind::kDouble, kCost);
  add("channel", TypeKind::kString, kChannel);
  uint32_t slot = kFirstOutcome;
  for (const std::string_view outcome : outcomes) {
    for (const OutcomeVariable& variable : kOutcomeVariables) {
      add(absl::StrCat("outcome.", ToAbsl(outcome), ".", ToAbsl(variable.name)), variable.type,
          slot++);
    }
  }
  return environment;
}

Value DurationOf(int64_t micros) {
  constexpr int64_t kMicrosPerSecond = 1'000'000;
  constexpr int64_t kNanosPerMicro = 1'000;
  return Value::Duration(micros / kMicrosPerSecond,
                         static_cast<int32_t>(micros % kMicrosPerSecond * kNanosPerMicro));
}

// Compiles one formula, which must come to one of these types; what is known only when it is
// evaluated ("dyn") is looked at then.
std::optional<RuleId> AddFormula(expression::RuleSetBuilder& builder, Reward::Formula formula,
                                 std::string_view text, bool may_be_bool, Reward::Report report) {
  expression::CompileOptions options;
  options.check_constants = true;
  options.for_many_candidates = false;
  options.explain = false;
  IssueList issues;
  const std::optional<RuleId> rule = builder.Add("", text, options, issues);
  for (const Issue& issue : issues.issues()) {
    report(formula, expression::OffsetOf(text, issue.location), issue.severity, issue.message);
  }
  if (!rule) return std::nullopt;
  const std::string& type = builder.type(*rule);
  if (type == "double" || type == "int" || type == "dyn") return rule;
  if (may_be_bool && type == "bool") return rule;
  report(formula, 0, Issue::Severity::kError,
         absl::StrCat("this must be of type double or int", may_be_bool ? " or bool" : "",
                      ", but is ", type));
  return std::nullopt;
}

}  // namespace

std::shared_ptr<const Reward> Reward::Compile(const std::vector<std::string_view>& outcomes,
                                              std::string_view reward, std::string_view good,
                                              const expression::Limits& limits, Report report) {
  expression::RuleSetBuilder builder(MakeRewardEnvironment(outcomes), limits);
  // Both, so that all that is wrong is reported.
  const std::optional<RuleId> reward_rule =
      AddFormula(builder, Formula::kReward, reward, /*may_be_bool=*/false, report);
  std::optional<RuleId> good_rule;
  if (!good.empty()) {
    good_rule = AddFormula(builder, Formula::kGood, good, /*may_be_bool=*/true, report);
    if (!good_rule) return nullptr;
  }
  if (!reward_rule) return nullptr;
  std::shared_ptr<Reward> compiled(new Reward());
  compiled->outcomes_ = outcomes.size();
  compiled->reward_ = *reward_rule;
  compiled->good_ = good_rule;
  compiled->rules_ = builder.Build();
  return compiled;
}

RewardEvaluator::RewardEvaluator(std::shared_ptr<const Reward> reward)
    : reward_(std::move(reward)),
      evaluator_(*reward_->rules_),
      slots_(kFirstOutcome + kOutcomeSlots * reward_->outcomes_) {}

std::optional<RewardResult> RewardEvaluator::Evaluate(const RewardInput& input) {
  slots_[kName] = Value::String(input.treatment);
  slots_[kGroup] = Value::String(input.group);
  slots_[kChannel] = Value::String(input.channel);
  slots_[kValue] = Value::Double(input.value);
  slots_[kCost] = Value::Double(input.cost);
  size_t slot = kFirstOutcome;
  for (const OutcomeTally& tally : input.outcomes) {
    const bool seen = tally.count > 0;
    const Value not_seen = Value::Error(expression::ErrorCode::kMissingValue, kNotSeen);
    slots_[slot++] = Value::Bool(seen);
    slots_[slot++] = Value::Int(tally.count);
    slots_[slot++] = Value::Double(tally.value);
    slots_[slot++] = seen ? DurationOf(tally.first_after_us) : not_seen;
    slots_[slot++] = seen ? DurationOf(tally.last_after_us) : not_seen;
  }
  evaluator_.StartDecision(slots_.data());
  const auto reward = Run(Reward::Formula::kReward, reward_->reward_, -kMaxReward, kMaxReward);
  if (!reward) return std::nullopt;
  if (!reward_->good_) return RewardResult{*reward, *reward > 0 ? 1.0 : 0.0};
  const auto good = Run(Reward::Formula::kGood, *reward_->good_, 0, 1);
  if (!good) return std::nullopt;
  return RewardResult{*reward, *good};
}

std::optional<double> RewardEvaluator::Run(Reward::Formula formula, RuleId rule, double min,
                                           double max) {
  failed_ = formula;
  const Value value = evaluator_.Evaluate(rule);
  double number = 0;
  switch (value.kind()) {
    case Kind::kDouble:
      number = value.double_value();
      break;
    case Kind::kInt:
      number = static_cast<double>(value.int_value());
      break;
    case Kind::kBool:
      if (formula == Reward::Formula::kGood) {
        number = value.bool_value() ? 1 : 0;
        break;
      }
      [[fallthrough]];
    default:
      error_ = value.is_error()
                   ? std::string(value.error_message())
                   : absl::StrCat("it is no number, but ", expression::ToString(value));
      return std::nullopt;
  }
  // Not for NaN.
  if (number >= min && number <= max) return number;
  error_ = absl::StrCat("it must lie between ", min, " and ", max, ", and is ", number);
  return std::nullopt;
}

}  // namespace attune::outcome
