#include "service/decision_answer.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "lib/base/proto_wire.h"
#include "lib/decision/explanation.h"
#include "service/value_conversion.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

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
  out->set_lever(treatment.lever);
  out->set_must_show(treatment.must_show);
}

// Zeros and empty strings are left out, as in proto3.
void PutText(std::string& bytes, int field, std::string_view text) {
  if (!text.empty()) PutSizedField(bytes, field, text);
}
void PutFlag(std::string& bytes, int field, bool flag) {
  if (flag) PutVarintField(bytes, field, 1);
}
void PutNumber(std::string& bytes, int field, double number) {
  PutFixed64Field(bytes, field, number);
}

void PutTime(std::string& bytes, int field, int64_t unix_us) {
  google::protobuf::Timestamp time;
  ToProto(unix_us, &time);
  std::string encoded;  // at most 17 bytes
  if (time.seconds() != 0) {
    PutVarintField(encoded, google::protobuf::Timestamp::kSecondsFieldNumber,
                   static_cast<uint64_t>(time.seconds()));
  }
  if (time.nanos() != 0) {
    PutVarintField(encoded, google::protobuf::Timestamp::kNanosFieldNumber,
                   static_cast<uint64_t>(time.nanos()));
  }
  PutSizedField(bytes, field, encoded);
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

// What a decision adds to a ranked treatment: four doubles with their tags, which take one byte.
constexpr size_t kRankedNumbersBytes = 4 * (1 + sizeof(double));

// Where the treatment would stand without each part of its priority, as a field.
void PutRanks(std::string& bytes, const arbitration::PriorityRanks& ranks) {
  using Pb = pb::PriorityRanks;
  constexpr std::pair<arbitration::Factor, int> kFields[] = {
      {arbitration::Factor::kPropensity, Pb::kWithoutPropensityFieldNumber},
      {arbitration::Factor::kContextWeight, Pb::kWithoutContextWeightFieldNumber},
      {arbitration::Factor::kValue, Pb::kWithoutValueFieldNumber},
      {arbitration::Factor::kLever, Pb::kWithoutLeverFieldNumber},
      {arbitration::Factor::kCost, Pb::kWithoutCostFieldNumber}};
  std::string message;
  PutVarintField(message, Pb::kByPriorityFieldNumber, static_cast<uint64_t>(ranks.by_priority));
  for (const auto& [factor, field] : kFields) {
    PutVarintField(message, field,
                   static_cast<uint64_t>(ranks.without[static_cast<size_t>(factor)]));
  }
  PutSizedField(bytes, pb::RankedTreatment::kRanksFieldNumber, message);
}

size_t SizeOfTexts(const std::vector<std::string>& texts) {
  size_t size = 0;
  for (const std::string& text : texts) size += 1 + VarintSize(text.size()) + text.size();
  return size;
}

void PutValue(std::string& bytes, const policy::RuleValue& seen, std::string& scratch) {
  scratch.clear();
  PutText(scratch, pb::SeenValue::kNameFieldNumber, seen.name);
  PutText(scratch, pb::SeenValue::kValueFieldNumber, seen.value);
  PutFlag(scratch, pb::SeenValue::kIsDefaultFieldNumber, seen.is_default);
  PutFlag(scratch, pb::SeenValue::kIsProtectedFieldNumber, seen.is_protected);
  PutSizedField(bytes, pb::RejectedTreatment::kValuesFieldNumber, scratch);
}

void PutExplanation(std::string& bytes, const decision::RejectionExplanation& explanation,
                    std::string& scratch) {
  using Pb = pb::RejectedTreatment;
  PutText(bytes, Pb::kDetailFieldNumber, explanation.detail);
  PutText(bytes, Pb::kRuleFieldNumber, explanation.rule);
  PutText(bytes, Pb::kBecauseFieldNumber, explanation.because);
  PutText(bytes, Pb::kExpressionFieldNumber, explanation.expression);
  for (const policy::RuleValue& seen : explanation.values) PutValue(bytes, seen, scratch);
  PutText(bytes, Pb::kNeededFieldNumber, explanation.needed);
  PutText(bytes, Pb::kNearestChangeFieldNumber, explanation.nearest_change);
  if (explanation.allowed_from_ms) {
    PutTime(bytes, Pb::kAllowedFromFieldNumber, *explanation.allowed_from_ms * 1000);
  }
}

}  // namespace

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
    : strategy_(strategy), treatments_(strategy.catalog.treatments.size()) {
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
      SerializeStably(message, &ranked_[channel * treatments_ + t]);
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
    PutText(encoded.after, pb::RejectedCount::kRuleFieldNumber, cause.rule);
  });
}

void AnswerEncoder::Append(const context::DecisionContext& context,
                           const decision::Decision& decision, bool explain,
                           std::string& bytes) const {
  PutDecisionId(bytes, decision.id);
  bytes += strategy_version_;
  PutTime(bytes, pb::DecideResponse::kTimeFieldNumber, context.time_us);
  std::vector<arbitration::PriorityRanks> ranks;
  if (explain) {
    ranks = arbitration::RanksOf(strategy_.arbitration, strategy_.catalog, decision.result.scored,
                                 decision.result.arbitration);
  }
  for (size_t r = 0; r < decision.result.arbitration.ranked.size(); ++r) {
    AppendRanked(context, decision, r, explain ? &ranks[r] : nullptr, bytes);
  }
  AppendCounts(decision.result.rejected_counts, bytes);
  PutFlag(bytes, pb::DecideResponse::kDegradedFieldNumber, decision.degradation != 0);
  for (const DegradationName& degradation : kDegradations) {
    if (decision.degradation & degradation.bit) {
      PutSizedField(bytes, pb::DecideResponse::kDegradedReasonsFieldNumber, degradation.name);
    }
  }
  if (explain) AppendRejected(context, decision, bytes);
  PutFlag(bytes, pb::DecideResponse::kUnknownCustomerFieldNumber, decision.unknown_customer);
  if (const catalog::Treatment* greedy = decision::DisplacedTreatment(strategy_, decision)) {
    PutText(bytes, pb::DecideResponse::kGreedyTreatmentIdFieldNumber, greedy->name);
  }
}

void AnswerEncoder::AppendRanked(const context::DecisionContext& context,
                                 const decision::Decision& decision, size_t rank,
                                 const arbitration::PriorityRanks* explained,
                                 std::string& bytes) const {
  using Pb = pb::RankedTreatment;
  const arbitration::RankedTreatment& ranked = decision.result.arbitration.ranked[rank];
  const std::string& encoded = ranked_[static_cast<size_t>(context.channel) * treatments_ +
                                       static_cast<size_t>(ranked.treatment)];
  std::vector<std::string> reasons;
  std::string ranks;
  if (explained != nullptr) {
    reasons = decision::ExplainRanked(strategy_, context, decision, ranked);
    PutRanks(ranks, *explained);
  }
  PutTag(bytes, pb::DecideResponse::kTreatmentsFieldNumber, WireType::kSized);
  PutVarint(bytes, encoded.size() + kRankedNumbersBytes + SizeOfTexts(reasons) + ranks.size());
  bytes += encoded;
  PutNumber(bytes, Pb::kPropensityFieldNumber,
            decision.result.scored.scored[static_cast<size_t>(ranked.scored)].propensity);
  PutNumber(bytes, Pb::kContextWeightFieldNumber, ranked.context_weight);
  PutNumber(bytes, Pb::kPriorityFieldNumber, ranked.priority);
  PutNumber(bytes, Pb::kSelectionProbabilityFieldNumber, ranked.selection_probability);
  for (const std::string& reason : reasons) {
    PutSizedField(bytes, Pb::kReasonsFieldNumber, reason);
  }
  bytes += ranks;
}

void AnswerEncoder::AppendCounts(const decision::RejectionCounts& counts,
                                 std::string& bytes) const {
  for (const decision::RejectionCounts::Entry& entry : counts.entries()) {
    const EncodedCount& encoded = rejected_[entry.cause];
    const auto count = static_cast<uint64_t>(entry.count);
    PutTag(bytes, pb::DecideResponse::kRejectedCountsFieldNumber, WireType::kSized);
    PutVarint(bytes, encoded.before.size() + VarintSize(count) + encoded.after.size());
    bytes += encoded.before;
    PutVarint(bytes, count);
    bytes += encoded.after;
  }
}

void AnswerEncoder::AppendRejected(const context::DecisionContext& context,
                                   const decision::Decision& decision, std::string& bytes) const {
  using Pb = pb::RejectedTreatment;
  std::vector<candidates::Rejection> rejections;
  rejections.reserve(treatments_);
  decision.result.ForEachRejection(
      [&](const candidates::Rejection& rejection) { rejections.push_back(rejection); });
  std::sort(rejections.begin(), rejections.end(),
            [](const auto& a, const auto& b) { return a.treatment < b.treatment; });
  const auto& scored = decision.result.scored.scored;
  auto score = scored.begin();
  size_t explained_bytes = 0;
  bool complete = true;
  std::string message;
  std::string scratch;
  for (const candidates::Rejection& rejection : rejections) {
    const catalog::Treatment& treatment =
        strategy_.catalog.treatments[static_cast<size_t>(rejection.treatment)];
    message.clear();
    PutText(message, Pb::kTreatmentIdFieldNumber, treatment.name);
    PutText(message, Pb::kGroupFieldNumber,
            strategy_.catalog.groups[static_cast<size_t>(treatment.group)].name);
    PutText(message, Pb::kStageFieldNumber, candidates::ReasonStage(rejection.reason));
    PutText(message, Pb::kReasonFieldNumber, candidates::ReasonName(rejection.reason));
    while (score != scored.end() && score->treatment < rejection.treatment) ++score;
    if (score != scored.end() && score->treatment == rejection.treatment) {
      const auto i = static_cast<size_t>(score - scored.begin());
      PutNumber(message, Pb::kPropensityFieldNumber, score->propensity);
      PutNumber(message, Pb::kPriorityFieldNumber, decision.result.arbitration.priority[i]);
      const double chance = decision.result.arbitration.SelectionProbabilityOf(static_cast<int>(i));
      if (chance > 0) PutNumber(message, Pb::kSelectionProbabilityFieldNumber, chance);
    }
    if (explained_bytes < kMaxExplanationBytes) {
      const size_t before = message.size();
      PutExplanation(message, decision::ExplainRejection(strategy_, context, decision, rejection),
                     scratch);
      explained_bytes += message.size() - before;
    } else {
      complete = false;
      PutText(message, Pb::kRuleFieldNumber,
              decision::RuleNameOf(strategy_, decision::CauseOf(strategy_, rejection)));
    }
    if (bytes.size() + message.size() > kMaxAnswerBytes) {
      complete = false;
      break;
    }
    PutSizedField(bytes, pb::DecideResponse::kRejectedTreatmentsFieldNumber, message);
  }
  if (!complete) AppendExplanationIncomplete(&bytes);
}

}  // namespace attune::service
