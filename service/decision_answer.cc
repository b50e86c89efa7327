#include "service/decision_answer.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "lib/base/proto_wire.h"
#include "lib/decision/explanation.h"
#include "service/value_conversion.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

struct DegradationName {
  uint32_t bit;
  const char* name;
};
constexpr DegradationName kDegradations[] = {
    {decision::kCustomerUnavailable, "customer_unavailable"},
    {decision::kCustomerDamaged, "customer_damaged"},
    {decision::kNotRemembered, "not_remembered"},
    {decision::kScoreNotFinite, "score_not_finite"},
};

// What is the same whenever the treatment is ranked on the channel.
void FillStaticPart(const strategy::Strategy& strategy, const catalog::Treatment& treatment,
                    size_t channel, pb::RankedTreatment* out) {
  out->set_treatment_id(treatment.name);
  out->set_group(strategy.catalog.groups[static_cast<size_t>(treatment.group)].name);
  for (const auto& [name, text] : *treatment.content[channel]) {
    (*out->mutable_content())[name] = text;
  }
  out->set_value(treatment.value);
  out->set_cost(treatment.cost);
  out->set_model_version(strategy.models.models[static_cast<size_t>(treatment.model)].version);
}

void FillRanked(const strategy::Strategy& strategy, const context::DecisionContext& context,
                const decision::Decision& decision, const arbitration::RankedTreatment& ranked,
                pb::RankedTreatment* out) {
  FillStaticPart(strategy, strategy.catalog.treatments[static_cast<size_t>(ranked.treatment)],
                 static_cast<size_t>(context.channel), out);
  out->set_propensity(decision.result.scored.scored[static_cast<size_t>(ranked.scored)].propensity);
  out->set_context_weight(ranked.context_weight);
  out->set_priority(ranked.priority);
}

void SetRule(std::string_view rule, pb::RejectedTreatment* out) {
  if (!rule.empty()) out->set_rule(rule.data(), rule.size());
}

void FillExplanation(decision::RejectionExplanation explanation, pb::RejectedTreatment* out) {
  out->set_detail(std::move(explanation.detail));
  SetRule(explanation.rule, out);
  // A field that is set takes memory, also when it is empty.
  if (!explanation.because.empty()) {
    out->set_because(explanation.because.data(), explanation.because.size());
  }
  if (!explanation.expression.empty()) out->set_expression(std::move(explanation.expression));
  for (policy::RuleValue& seen : explanation.values) {
    pb::SeenValue* value = out->add_values();
    value->set_name(seen.name.data(), seen.name.size());
    if (!seen.value.empty()) value->set_value(std::move(seen.value));
    value->set_is_default(seen.is_default);
    value->set_is_protected(seen.is_protected);
  }
  if (!explanation.needed.empty()) out->set_needed(std::move(explanation.needed));
  if (!explanation.nearest_change.empty()) {
    out->set_nearest_change(std::move(explanation.nearest_change));
  }
  if (explanation.allowed_from_ms) {
    ToProto(*explanation.allowed_from_ms * 1000, out->mutable_allowed_from());
  }
}

// What an explanation adds to an answer, about.
size_t BytesOf(const decision::RejectionExplanation& explanation) {
  size_t bytes = explanation.detail.size() + explanation.because.size() +
                 explanation.expression.size() + explanation.needed.size() +
                 explanation.nearest_change.size();
  for (const policy::RuleValue& seen : explanation.values) {
    bytes += seen.name.size() + seen.value.size();
  }
  return bytes;
}

void FillCounts(const strategy::Strategy& strategy, const decision::RejectionCounts& counts,
                pb::DecideResponse* response) {
  for (const decision::RejectionCounts::Entry& entry : counts.entries()) {
    pb::RejectedCount* out = response->add_rejected_counts();
    const std::string_view stage = candidates::ReasonStage(entry.reason);
    const std::string_view reason = candidates::ReasonName(entry.reason);
    const std::string_view rule = decision::RuleNameOf(strategy, entry.cause);
    out->set_stage(stage.data(), stage.size());
    out->set_reason(reason.data(), reason.size());
    out->set_count(entry.count);
    if (!rule.empty()) out->set_rule(rule.data(), rule.size());
  }
}

void FillRejected(const strategy::Strategy& strategy, const context::DecisionContext& context,
                  const decision::Decision& decision, pb::DecideResponse* response) {
  std::vector<candidates::Rejection> rejections;
  decision.result.ForEachRejection(
      [&](const candidates::Rejection& rejection) { rejections.push_back(rejection); });
  std::sort(rejections.begin(), rejections.end(),
            [](const auto& a, const auto& b) { return a.treatment < b.treatment; });
  const auto& scored = decision.result.scored.scored;
  auto score = scored.begin();
  size_t explained_bytes = 0;
  for (const candidates::Rejection& rejection : rejections) {
    const catalog::Treatment& treatment =
        strategy.catalog.treatments[static_cast<size_t>(rejection.treatment)];
    pb::RejectedTreatment* out = response->add_rejected_treatments();
    out->set_treatment_id(treatment.name);
    out->set_group(strategy.catalog.groups[static_cast<size_t>(treatment.group)].name);
    const std::string_view stage = candidates::ReasonStage(rejection.reason);
    const std::string_view reason = candidates::ReasonName(rejection.reason);
    out->set_stage(stage.data(), stage.size());
    out->set_reason(reason.data(), reason.size());
    if (explained_bytes < kMaxExplanationBytes) {
      auto explanation = decision::ExplainRejection(strategy, context, decision, rejection);
      explained_bytes += BytesOf(explanation);
      FillExplanation(std::move(explanation), out);
    } else {
      response->set_explanation_incomplete(true);
      SetRule(decision::RuleNameOf(strategy, decision::CauseOf(strategy, rejection)), out);
    }
    while (score != scored.end() && score->treatment < rejection.treatment) ++score;
    if (score != scored.end() && score->treatment == rejection.treatment) {
      out->set_propensity(score->propensity);
      out->set_priority(
          decision.result.arbitration.priority[static_cast<size_t>(score - scored.begin())]);
    }
  }
}

// What a decision adds to a ranked treatment: three doubles with their tags.
// The tags of these fields take one byte each.
constexpr size_t kRankedNumbersBytes = 3 * (1 + sizeof(double));

void PutTime(std::string& bytes, int64_t unix_us) {
  google::protobuf::Timestamp time;
  ToProto(unix_us, &time);
  std::string encoded;  // at most 17 bytes
  if (time.seconds() != 0) {
    PutTag(encoded, google::protobuf::Timestamp::kSecondsFieldNumber, WireType::kVarint);
    PutVarint(encoded, static_cast<uint64_t>(time.seconds()));
  }
  if (time.nanos() != 0) {
    PutTag(encoded, google::protobuf::Timestamp::kNanosFieldNumber, WireType::kVarint);
    PutVarint(encoded, static_cast<uint64_t>(time.nanos()));
  }
  PutSizedField(bytes, pb::DecideResponse::kTimeFieldNumber, encoded);
}

void PutDecisionId(std::string& bytes, const decision::DecisionId& id) {
  constexpr char kDigits[] = "0123456789abcdef";
  char hex[2 * sizeof(decision::DecisionId)];
  for (size_t i = 0; i < id.size(); ++i) {
    hex[2 * i] = kDigits[id[i] >> 4];
    hex[2 * i + 1] = kDigits[id[i] & 15];
  }
  PutSizedField(bytes, pb::DecideResponse::kDecisionIdFieldNumber, {hex, sizeof hex});
}

}  // namespace

void FillResponse(const strategy::Strategy& strategy, const context::DecisionContext& context,
                  const decision::Decision& decision, bool explain, pb::DecideResponse* response) {
  response->set_decision_id(absl::BytesToHexString(
      {reinterpret_cast<const char*>(decision.id.data()), decision.id.size()}));
  response->set_strategy_version(strategy.version);
  ToProto(context.time_us, response->mutable_time());
  for (const arbitration::RankedTreatment& ranked : decision.result.arbitration.ranked) {
    pb::RankedTreatment* out = response->add_treatments();
    FillRanked(strategy, context, decision, ranked, out);
    if (!explain) continue;
    for (std::string& reason : decision::ExplainRanked(strategy, context, decision, ranked)) {
      out->add_reasons(std::move(reason));
    }
  }
  FillCounts(strategy, decision.result.rejected_counts, response);
  if (explain) FillRejected(strategy, context, decision, response);
  response->set_degraded(decision.degradation != 0);
  for (const DegradationName& degradation : kDegradations) {
    if (decision.degradation & degradation.bit) response->add_degraded_reasons(degradation.name);
  }
  response->set_unknown_customer(decision.unknown_customer);
}

void AppendExplanationIncomplete(std::string* bytes) {
  PutVarintField(*bytes, pb::DecideResponse::kExplanationIncompleteFieldNumber, 1);
}

void SerializeStably(const google::protobuf::MessageLite& message, std::string* bytes) {
  google::protobuf::io::StringOutputStream stream(bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
}

void AppendStreamResponse(std::string_view correlation_id, std::string_view answer,
                          std::string* bytes) {
  if (!correlation_id.empty()) {
    PutSizedField(*bytes, pb::DecideStreamResponse::kCorrelationIdFieldNumber, correlation_id);
  }
  PutSizedField(*bytes, pb::DecideStreamResponse::kDecideFieldNumber, answer);
}

AnswerEncoder::AnswerEncoder(const strategy::Strategy& strategy)
    : treatments_(strategy.catalog.treatments.size()) {
  PutSizedField(strategy_version_, pb::DecideResponse::kStrategyVersionFieldNumber,
                strategy.version);
  const auto channels = static_cast<size_t>(strategy.context.channels.size());
  ranked_.resize(channels * treatments_);
  for (size_t channel = 0; channel < channels; ++channel) {
    for (size_t t = 0; t < treatments_; ++t) {
      const catalog::Treatment& treatment = strategy.catalog.treatments[t];
      if (!treatment.content[channel]) continue;
      pb::RankedTreatment message;
      FillStaticPart(strategy, treatment, channel, &message);
      std::string encoded;
      SerializeStably(message, &encoded);
      std::string& field = ranked_[channel * treatments_ + t];
      PutTag(field, pb::DecideResponse::kTreatmentsFieldNumber, WireType::kSized);
      PutVarint(field, encoded.size() + kRankedNumbersBytes);
      field += encoded;
    }
  }
  rejected_.resize(decision::CauseCount(strategy));
  decision::ForEachCause(strategy, [&](size_t number, const decision::RejectionCause& cause) {
    EncodedCount& encoded = rejected_[number];
    std::string& before = encoded.before;
    PutSizedField(before, pb::RejectedCount::kStageFieldNumber,
                  candidates::ReasonStage(cause.reason));
    PutSizedField(before, pb::RejectedCount::kReasonFieldNumber,
                  candidates::ReasonName(cause.reason));
    PutTag(before, pb::RejectedCount::kCountFieldNumber, WireType::kVarint);
    if (cause.rule.empty()) return;
    PutSizedField(encoded.after, pb::RejectedCount::kRuleFieldNumber, cause.rule);
  });
}

void AnswerEncoder::Append(const context::DecisionContext& context,
                           const decision::Decision& decision, std::string& bytes) const {
  PutDecisionId(bytes, decision.id);
  bytes += strategy_version_;
  PutTime(bytes, context.time_us);
  for (const arbitration::RankedTreatment& ranked : decision.result.arbitration.ranked) {
    bytes += ranked_[static_cast<size_t>(context.channel) * treatments_ +
                     static_cast<size_t>(ranked.treatment)];
    PutFixed64Field(bytes, pb::RankedTreatment::kPropensityFieldNumber,
                    decision.result.scored.scored[static_cast<size_t>(ranked.scored)].propensity);
    PutFixed64Field(bytes, pb::RankedTreatment::kContextWeightFieldNumber, ranked.context_weight);
    PutFixed64Field(bytes, pb::RankedTreatment::kPriorityFieldNumber, ranked.priority);
  }
  for (const decision::RejectionCounts::Entry& entry : decision.result.rejected_counts.entries()) {
    const EncodedCount& encoded = rejected_[entry.cause];
    const auto count = static_cast<uint64_t>(entry.count);
    PutTag(bytes, pb::DecideResponse::kRejectedCountsFieldNumber, WireType::kSized);
    PutVarint(bytes, encoded.before.size() + VarintSize(count) + encoded.after.size());
    bytes += encoded.before;
    PutVarint(bytes, count);
    bytes += encoded.after;
  }
  if (decision.degradation != 0) PutVarintField(bytes, pb::DecideResponse::kDegradedFieldNumber, 1);
  for (const DegradationName& degradation : kDegradations) {
    if (decision.degradation & degradation.bit) {
      PutSizedField(bytes, pb::DecideResponse::kDegradedReasonsFieldNumber, degradation.name);
    }
  }
  if (decision.unknown_customer)
    PutVarintField(bytes, pb::DecideResponse::kUnknownCustomerFieldNumber, 1);
}

}  // namespace attune::service
