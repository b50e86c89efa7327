#include "lib/policy/engagement_state.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "absl/time/time.h"

namespace attune::policy {

using candidates::Reason;
using expression::CallContext;
using expression::ErrorCode;
using expression::Value;
using expression::Verdict;

namespace {

Value NoSuchScore() {
  return Value::Error(ErrorCode::kInvalidArgument, "the strategy has no such score");
}

}  // namespace

void EngagementState::Reset(const EngagementInput& input, InteractionHistory& history) {
  rules_ = &input.rules;
  contact_ = &input.contact;
  standings_ = input.standings;
  shared_scores_ = input.shared_scores;
  told_.clear();
  time_us_ = input.context.time_us;
  features_ = input.features;
  history_incomplete_ = false;
  time_zone_unknown_ = false;
  counts_.Reset(input.contact, input.catalog, input.context, history, input.shared_history);
  if (rule_set_ != input.rules.rule_set()) {
    rule_set_ = input.rules.rule_set();
    evaluator_ = std::make_unique<expression::Evaluator>(*rule_set_);
    const auto& models = input.rules.scores().models;
    predictor_ = models == nullptr ? nullptr : models->MakePredictor();
    other_evaluator_ = nullptr;
    slots_.assign(input.rules.decision_slots(), Value());
    slots_[DecisionSlots::kAllHistory] = HistoryPart(Scope::kAll, false);
    slots_[DecisionSlots::kAllHistoryOnChannel] = HistoryPart(Scope::kAll, true);
  }
  FillSlots(input);
  other_slots_.clear();
  evaluator_->set_host(this);
  evaluator_->StartDecision(slots_.data());
}

void EngagementState::FillSlots(const EngagementInput& input) {
  const context::DecisionContext& context = input.context;
  slots_[DecisionSlots::kChannel] = Value::String(input.schema.channels[context.channel].name);
  const Value intent = Value::String(input.schema.IntentName(context.intent));
  slots_[DecisionSlots::kIntent] =
      context.intent == context::kUnknownIntent ? intent.Absent() : intent;
  slots_[DecisionSlots::kTime] = Value::TimestampMicros(time_us_);
  for (const int feature : rules_->used_features()) {
    const auto i = static_cast<size_t>(feature);
    slots_[DecisionSlots::kFirstFeature + i] = ToExpression(input.features[i]);
  }
  for (const int attribute : rules_->used_attributes()) {
    const auto i = static_cast<size_t>(attribute);
    slots_[rules_->first_attribute_slot() + i] = ToExpression(context.attributes[i]);
  }
}

expression::Evaluator& EngagementState::EvaluatorFor(int treatment) const {
  treatment_ = treatment;
  evaluator_->StartCandidate(rules_->CandidateValues(treatment));
  return *evaluator_;
}

expression::Evaluator& EngagementState::EvaluatorFor(int treatment,
                                                     const PriorityTermValues& terms) const {
  priority_terms_ = terms;
  return EvaluatorFor(treatment);
}

std::optional<candidates::Rejection> EngagementState::RejectionOf(int treatment) {
  const absl::Span<const int> holding = rules_->Holding(treatment);
  if (holding.empty()) return std::nullopt;
  expression::Evaluator& evaluator = EvaluatorFor(treatment);
  for (const int rule : holding) {
    const Verdict verdict = evaluator.Test(static_cast<expression::RuleId>(rule));
    if (verdict == Verdict::kTrue) continue;
    candidates::Rejection rejection;
    rejection.treatment = treatment;
    rejection.reason =
        verdict == Verdict::kError ? Reason::kRuleError : ReasonOf((*rules_)[rule].stage);
    rejection.rule = rule;
    return rejection;
  }
  return std::nullopt;
}

bool EngagementState::WouldHold(int treatment, InputSet inputs, uint32_t slot,
                                const Value& value) const {
  if (other_evaluator_ == nullptr) {
    other_evaluator_ = std::make_unique<expression::Evaluator>(*rule_set_);
    other_evaluator_->set_host(evaluator_->machine().context().host());
  }
  if (other_slots_.empty()) other_slots_ = slots_;
  const Value actual = std::exchange(other_slots_[slot], value);
  treatment_ = treatment;
  other_evaluator_->StartDecision(other_slots_.data());
  other_evaluator_->StartCandidate(rules_->CandidateValues(treatment));
  const absl::Span<const int> holding = rules_->Holding(treatment);
  const bool hold = std::all_of(holding.begin(), holding.end(), [&](int rule) {
    return (rules_->InputSetOf(rule) & inputs) == 0 ||
           other_evaluator_->Test(static_cast<expression::RuleId>(rule)) == Verdict::kTrue;
  });
  other_slots_[slot] = actual;
  return hold;
}

std::optional<HistoryQuery> EngagementState::QueryOf(CallContext& context, const Value* args,
                                                     Value* problem) const {
  HistoryQuery query;
  query.of = ScopeOf(args[0]);
  query.on_channel = IsOnChannel(args[0]);
  query.treatment = treatment_;
  expression::ListReader outcomes(args[kCountOutcomes]);
  Value outcome;
  while (outcomes.Next(&outcome)) {
    const std::string_view name =
        outcome.kind() == expression::Kind::kString ? outcome.text() : std::string_view();
    const auto found = rules_->terms().outcomes.find(name);
    if (found == rules_->terms().outcomes.end()) {
      *problem = context.Error(ErrorCode::kInvalidArgument, {"unknown outcome: ", name});
      return std::nullopt;
    }
    query.outcomes |= found->second;
  }
  return query;
}

Value EngagementState::HistoryUnknown() const {
  history_incomplete_ = true;
  return Value::Error(ErrorCode::kMissingValue,
                      "what is remembered of the customer's interactions does not tell");
}

Value EngagementState::Count(CallContext& context, const Value* args) const {
  Value problem;
  const std::optional<HistoryQuery> query = QueryOf(context, args, &problem);
  if (!query) return problem;
  const int64_t window_ms = WindowMs(args[kCountWindow]);
  if (window_ms <= 0) {
    return Value::Error(ErrorCode::kInvalidArgument, "the window must be longer than 0");
  }
  const std::optional<int64_t> count = counts_.Count(*query, window_ms);
  return count ? Value::Int(*count) : HistoryUnknown();
}

Value EngagementState::Last(CallContext& context, const Value* args) const {
  Value problem;
  const std::optional<HistoryQuery> query = QueryOf(context, args, &problem);
  if (!query) return problem;
  const std::optional<int64_t> last_ms = counts_.LastMs(*query);
  return last_ms ? Value::TimestampMicros(*last_ms * 1000) : HistoryUnknown();
}

Value EngagementState::Percentile(const Value* args) const {
  const double score = args[0].double_value();
  const int64_t index = args[1].int_value();
  if (index < 0 || index >= static_cast<int64_t>(rules_->scores().scores.size())) {
    return NoSuchScore();
  }
  if (!std::isfinite(score)) {
    return Value::Error(ErrorCode::kInvalidArgument, "the score is no finite number");
  }
  const auto place = static_cast<size_t>(index);
  const value::RankTable* table =
      standings_ == nullptr ? nullptr
                            : standings_->Find(place, rules_->scores().scores[place].fingerprint);
  const double percentile =
      table == nullptr ? value::RankTable().Percentile(score) : table->Percentile(score);
  // The first time is the decision's own; explanations ask what would be with other values.
  const bool is_known = std::any_of(told_.begin(), told_.end(), [&](const Standing& standing) {
    return standing.score == static_cast<int>(index);
  });
  if (!is_known) told_.push_back({static_cast<int>(index), percentile});
  return Value::Double(percentile);
}

Value EngagementState::Tier(const Value* args) const {
  const int64_t index = args[1].int_value();
  if (index < 0 || index >= static_cast<int64_t>(rules_->scores().scores.size())) {
    return NoSuchScore();
  }
  const CustomerScore& score = rules_->scores().scores[static_cast<size_t>(index)];
  return Value::String(value::TierOf(score.tiers, args[0].double_value()));
}

Value EngagementState::LocalTime() const {
  bool unknown = false;
  const absl::TimeZone zone = contact_->clock().ZoneOf(features_, &unknown);
  time_zone_unknown_ |= unknown;
  const int offset_s = zone.At(absl::FromUnixMicros(time_us_)).offset;
  return Value::TimestampMicros(time_us_ + offset_s * int64_t{1'000'000});
}

}  // namespace attune::policy
