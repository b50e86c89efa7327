#include "lib/policy/customer_scores.h"

#include <array>
#include <cmath>
#include <limits>

#include "lib/policy/engagement_rules.h"
#include "lib/policy/engagement_state.h"

namespace attune::policy {
namespace {

using expression::CallContext;
using expression::ErrorCode;
using expression::Value;

const EngagementState& HostOf(CallContext& context) {
  return *static_cast<const EngagementState*>(context.host());
}
Value PercentileBody(CallContext& context, const void*, const Value* args, size_t) {
  return HostOf(context).Percentile(args);
}
Value TierBody(CallContext& context, const void*, const Value* args, size_t) {
  return HostOf(context).Tier(args);
}

// By index of a score: what its variable hands to the bodies below.
constexpr std::array<int, kMaxScores> kScoreIndexes = [] {
  std::array<int, kMaxScores> indexes{};
  for (int i = 0; i < kMaxScores; ++i) indexes[static_cast<size_t>(i)] = i;
  return indexes;
}();

Value DecisionScoreBody(CallContext& context, const void* score) {
  return HostOf(context).Predicted(*static_cast<const int*>(score));
}
Value EvaluatorScoreBody(CallContext& context, const void* score) {
  const auto& evaluator = *static_cast<const ScoreEvaluator*>(context.host());
  return evaluator.Predicted(*static_cast<const int*>(score));
}

}  // namespace

void DeclarePredictedScore(expression::Environment& environment, std::string_view path, int score,
                           ScoreHost host) {
  environment
      .AddLazyVariable(path, expression::SimpleType(expression::TypeKind::kDouble),
                       expression::Scope::kDecision,
                       host == ScoreHost::kDecision ? DecisionScoreBody : EvaluatorScoreBody,
                       &kScoreIndexes[static_cast<size_t>(score)])
      .IgnoreError();
}

Value PredictedScore(ScorePredictor* predictor, int score, absl::Span<const ValueRef> features) {
  const double value = predictor == nullptr ? std::numeric_limits<double>::quiet_NaN()
                                            : predictor->Predict(score, features);
  return std::isfinite(value)
             ? Value::Double(value)
             : Value::Error(ErrorCode::kInvalidArgument, "the model gives no score");
}

int CustomerScores::IndexOf(std::string_view name) const {
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

void AddScoreFunctions(expression::Environment& environment) {
  constexpr auto kDecision = expression::Scope::kDecision;
  environment
      .AddFunction(kPercentileFunction, "(double, int) -> double", kDecision, PercentileBody,
                   nullptr)
      .IgnoreError();
  environment.AddFunction(kTierFunction, "(double, int) -> string", kDecision, TierBody, nullptr)
      .IgnoreError();
}

ScoreEvaluator::ScoreEvaluator(const CustomerScores& scores)
    : used_(scores.rule_set->UsedSlots(expression::Scope::kDecision)),
      predictor_(scores.models == nullptr ? nullptr : scores.models->MakePredictor()),
      evaluator_(*scores.rule_set),
      values_(scores.scores.size()) {
  evaluator_.set_host(this);
}

absl::Span<const double> ScoreEvaluator::Evaluate(absl::Span<const ValueRef> features) {
  features_ = features;
  slots_.resize(features.size());
  for (const uint32_t slot : used_) slots_[slot] = ToExpression(features[slot]);
  evaluator_.StartDecision(slots_.data());
  for (size_t i = 0; i < values_.size(); ++i) {
    const Value value = evaluator_.Evaluate(static_cast<expression::RuleId>(i));
    const bool is_number = value.kind() == expression::Kind::kDouble;
    values_[i] = is_number && std::isfinite(value.double_value())
                     ? value.double_value()
                     : std::numeric_limits<double>::quiet_NaN();
  }
  return values_;
}

}  // namespace attune::policy
