#include "service/decision_answer.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "lib/base/proto_wire.h"
#include "lib/base/text_buffer.h"
#include "lib/decision/explanation.h"
#include "lib/decision/formula_values.h"
#include "service/score_parts_writer.h"
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
  out->set_channel(strategy.context.channels[static_cast<int>(channel)].name);
}

// The value and the cost as fields, where the decision computed one of them: when that fails both
// count as 0, though the other is written.
void PutWorth(std::string& bytes, const policy::ComputedWorth& computed,
              const arbitration::Worth& worth) {
  using Pb = attune::v1::RankedTreatment;
  if (computed.value < 0 && computed.cost < 0) return;
  PutFixed64Field(bytes, Pb::kValueFieldNumber, worth.value);
  PutFixed64Field(bytes, Pb::kCostFieldNumber, worth.cost);
}

// Zeros and empty strings are left out, as in proto3.
template <typename Out>
void PutText(Out& bytes, int field, std::string_view text) {
  if (!text.empty()) PutSizedField(bytes, field, text);
}
template <typename Out>
void PutFlag(Out& bytes, int field, bool flag) {
  if (flag) PutVarintField(bytes, field, 1);
}
template <typename Out>
void PutNumber(Out& bytes, int field, double number) {
  PutFixed64Field(bytes, field, number);
}

template <typename Out>
void PutTime(Out& bytes, int field, int64_t unix_us) {
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

// A field of content that was computed, as an entry of the map.
void PutContent(std::string& bytes, std::string_view name, std::string_view text) {
  constexpr int kKey = 1;
  constexpr int kValue = 2;
  const OpenField open = BeginSizedField(bytes, pb::RankedTreatment::kContentFieldNumber);
  PutText(bytes, kKey, name);
  PutText(bytes, kValue, text);
  EndSizedField(bytes, open);
}

// Where the treatment would stand without each part of its priority, as a field.
void PutRanks(std::string& bytes, const arbitration::PriorityRanks& ranks) {
  using Pb = pb::PriorityRanks;
  constexpr std::pair<arbitration::Factor, int> kFields[] = {
      {arbitration::Factor::kPropensity, Pb::kWithoutPropensityFieldNumber},
      {arbitration::Factor::kContextWeight, Pb::kWithoutContextWeightFieldNumber},
      {arbitration::Factor::kValue, Pb::kWithoutValueFieldNumber},
      {arbitration::Factor::kLever, Pb::kWithoutLeverFieldNumber},
      {arbitration::Factor::kCost, Pb::kWithoutCostFieldNumber}};
  const OpenField open = BeginSizedField(bytes, pb::RankedTreatment::kRanksFieldNumber);
  PutVarintField(bytes, Pb::kByPriorityFieldNumber, static_cast<uint64_t>(ranks.by_priority));
  for (const auto& [factor, field] : kFields) {
    PutVarintField(bytes, field, static_cast<uint64_t>(ranks.without[static_cast<size_t>(factor)]));
  }
  EndSizedField(bytes, open);
}

// A field whose text is put together in its place.
template <typename Append>
void PutWritten(TextBuffer& bytes, int field, Append append) {
  const size_t start = bytes.size();
  const OpenField open = BeginSizedField(bytes, field);
  append(bytes);
  if (bytes.size() == open.begin) return bytes.resize(start);
  EndSizedField(bytes, open);
}

void PutValue(TextBuffer& bytes, const policy::RuleValue& seen) {
  const OpenField open = BeginSizedField(bytes, pb::RejectedTreatment::kValuesFieldNumber);
  PutText(bytes, pb::SeenValue::kNameFieldNumber, seen.name);
  PutText(bytes, pb::SeenValue::kValueFieldNumber, seen.text);
  PutFlag(bytes, pb::SeenValue::kIsDefaultFieldNumber, seen.is_default);
  PutFlag(bytes, pb::SeenValue::kIsProtectedFieldNumber, seen.is_protected);
  EndSizedField(bytes, open);
}

// What the scores of a treatment came to, which is not ranked nevertheless.
void PutScore(TextBuffer& bytes, const decision::PipelineResult& result, size_t scored) {
  using Pb = pb::RejectedTreatment;
  PutNumber(bytes, Pb::kPropensityFieldNumber, result.scored.scored[scored].propensity);
  PutNumber(bytes, Pb::kPriorityFieldNumber, result.arbitration.priority[scored]);
  const double chance = result.arbitration.SelectionProbabilityOf(static_cast<int>(scored));
  if (chance > 0) PutNumber(bytes, Pb::kSelectionProbabilityFieldNumber, chance);
}

// What the size of an explained treatment takes, most of the time.
constexpr size_t kExplanationSizeBytes = 2;

// `cause`: its rule and the sentence about it, as fields.
void PutExplanation(TextBuffer& bytes, std::string_view cause,
                    decision::RejectionExplainer& explainer) {
  using Pb = pb::RejectedTreatment;
  PutWritten(bytes, Pb::kDetailFieldNumber, [&](TextBuffer& to) { explainer.AppendDetail(to); });
  if (cause.empty()) return;
  bytes += cause;
  PutWritten(bytes, Pb::kExpressionFieldNumber,
             [&](TextBuffer& to) { explainer.AppendExpression(to); });
  for (const policy::RuleValue& seen : explainer.values()) PutValue(bytes, seen);
  PutWritten(bytes, Pb::kNeededFieldNumber, [&](TextBuffer& to) { explainer.AppendNeeded(to); });
  PutWritten(bytes, Pb::kNearestChangeFieldNumber,
             [&](TextBuffer& to) { explainer.AppendNearestChange(to); });
  if (const std::optional<int64_t> from_ms = explainer.allowed_from_ms()) {
    PutTime(bytes, Pb::kAllowedFromFieldNumber, *from_ms * 1000);
  }
}

template <typename Out>
void PutExplanationIncomplete(Out& bytes) {
  PutVarintField(bytes, pb::DecideResponse::kExplanationIncompleteFieldNumber, 1);
}

}  // namespace

void AppendExplanationIncomplete(std::string* bytes) { PutExplanationIncomplete(*bytes); }

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
    : strategy_(strategy),
      treatments_(strategy.catalog.treatments.size()),
      explained_models_(strategy) {
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
  for (const catalog::Treatment& treatment : strategy.catalog.treatments) {
    std::string& encoded = rejected_.emplace_back();
    PutText(encoded, pb::RejectedTreatment::kTreatmentIdFieldNumber, treatment.name);
    PutText(encoded, pb::RejectedTreatment::kGroupFieldNumber,
            strategy.catalog.groups[static_cast<size_t>(treatment.group)].name);
  }
  causes_.resize(decision::CauseCount(strategy));
  decision::ForEachCause(strategy, [&](size_t number, const decision::RejectionCause& cause) {
    EncodedCause& encoded = causes_[number];
    std::string& before = encoded.before;
    PutSizedField(before, pb::RejectedCount::kStageFieldNumber,
                  candidates::ReasonStage(cause.reason));
    PutSizedField(before, pb::RejectedCount::kReasonFieldNumber,
                  candidates::ReasonName(cause.reason));
    PutTag(before, pb::RejectedCount::kCountFieldNumber, WireType::kVarint);
    PutText(encoded.after, pb::RejectedCount::kRuleFieldNumber, cause.rule);
    using Pb = pb::RejectedTreatment;
    PutText(encoded.reason, Pb::kStageFieldNumber, candidates::ReasonStage(cause.reason));
    PutText(encoded.reason, Pb::kReasonFieldNumber, candidates::ReasonName(cause.reason));
    PutText(encoded.rule, Pb::kRuleFieldNumber, cause.rule);
    PutText(encoded.rule, Pb::kBecauseFieldNumber, decision::BecauseOf(strategy, number));
  });
}

void AnswerEncoder::Append(const context::DecisionContext& context,
                           const decision::Decision& decision, bool explain,
                           std::string& bytes) const {
  PutDecisionId(bytes, decision.id);
  bytes += strategy_version_;
  PutTime(bytes, pb::DecideResponse::kTimeFieldNumber, context.time_us);
  std::vector<arbitration::PriorityRanks> ranks;
  std::optional<decision::ScoreExplainer> scores;
  std::optional<ScorePartsWriter> parts;
  if (explain) {
    scores.emplace(strategy_, explained_models_, context, decision);
    parts.emplace(*scores);
    decision::FormulaValues formulas(strategy_, context, decision.result, nullptr);
    ranks = arbitration::RanksOf(strategy_.arbitration, strategy_.catalog, decision.result.scored,
                                 decision.result.arbitration, formulas.computed().priority);
  }
  for (size_t r = 0; r < decision.result.arbitration.ranked.size(); ++r) {
    AppendRanked(
        context, decision, r,
        [&](const arbitration::RankedTreatment& ranked) {
          if (!explain) return;
          decision::ExplainRanked(
              strategy_, decision, ranked, *scores, [&](std::string_view reason) {
                PutSizedField(bytes, pb::RankedTreatment::kReasonsFieldNumber, reason);
              });
          PutRanks(bytes, ranks[r]);
          parts->Append(ranked, bytes);
        },
        bytes);
  }
  if (explain && !parts->is_complete()) PutExplanationIncomplete(bytes);
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
  if (!context.placements.empty()) AppendPlacements(context, decision, bytes);
  if (decision.result.earliest) AppendEarliest(context, *decision.result.earliest, bytes);
}

void AnswerEncoder::AppendPlacements(const context::DecisionContext& context,
                                     const decision::Decision& decision, std::string& bytes) const {
  using Pb = pb::PlacementRanking;
  for (size_t place = 0; place < context.placements.size(); ++place) {
    const OpenField open = BeginSizedField(bytes, pb::DecideResponse::kPlacementsFieldNumber);
    PutText(bytes, Pb::kPlacementFieldNumber,
            strategy_.context.placements[context.placements[place]].name);
    for (const arbitration::RankedTreatment& ranked : decision.result.arbitration.ranked) {
      if (ranked.place != static_cast<int>(place)) continue;
      PutSizedField(bytes, Pb::kTreatmentIdsFieldNumber,
                    strategy_.catalog.treatments[static_cast<size_t>(ranked.treatment)].name);
    }
    EndSizedField(bytes, open);
  }
}

void AnswerEncoder::AppendEarliest(const context::DecisionContext& context,
                                   const decision::Opportunity& earliest,
                                   std::string& bytes) const {
  using Pb = pb::NextOpportunity;
  const OpenField open = BeginSizedField(bytes, pb::DecideResponse::kEarliestFieldNumber);
  PutText(bytes, Pb::kTreatmentIdFieldNumber,
          strategy_.catalog.treatments[static_cast<size_t>(earliest.treatment)].name);
  PutText(bytes, Pb::kChannelFieldNumber,
          strategy_.context.channels[context.ChannelOf(earliest.slot)].name);
  PutTime(bytes, Pb::kTimeFieldNumber, earliest.time_ms * 1000);
  EndSizedField(bytes, open);
}

void AnswerEncoder::AppendRanked(
    const context::DecisionContext& context, const decision::Decision& decision, size_t rank,
    absl::FunctionRef<void(const arbitration::RankedTreatment&)> explain,
    std::string& bytes) const {
  using Pb = pb::RankedTreatment;
  const arbitration::RankedTreatment& ranked = decision.result.arbitration.ranked[rank];
  const int channel = context.ChannelOf(decision.result.SlotOf(ranked));
  const std::string& encoded =
      ranked_[static_cast<size_t>(channel) * treatments_ + static_cast<size_t>(ranked.treatment)];
  const OpenField open = BeginSizedField(bytes, pb::DecideResponse::kTreatmentsFieldNumber,
                                         VarintSize(encoded.size() + kRankedNumbersBytes));
  bytes += encoded;
  decision.result.content.ForEachField(
      ranked.treatment,
      [&](std::string_view name, std::string_view text) { PutContent(bytes, name, text); });
  const scoring::ScoredCandidate& scored =
      decision.result.scored.scored[static_cast<size_t>(ranked.scored)];
  PutNumber(bytes, Pb::kPropensityFieldNumber, scored.propensity);
  if (scored.source == scoring::ScoredCandidate::Source::kFallback) {
    // Of a field that stands there twice the last one holds.
    const int model = scoring::ModelOf(strategy_.models, strategy_.catalog, scored);
    PutText(bytes, Pb::kModelVersionFieldNumber,
            strategy_.models.models[static_cast<size_t>(model)].version);
  }
  PutWorth(bytes, strategy_.engagement.formulas().WorthOf(ranked.treatment),
           decision.result.arbitration.WorthOf(
               strategy_.catalog.treatments[static_cast<size_t>(ranked.treatment)],
               static_cast<size_t>(ranked.scored)));
  PutNumber(bytes, Pb::kContextWeightFieldNumber, ranked.context_weight);
  PutNumber(bytes, Pb::kPriorityFieldNumber, ranked.priority);
  PutNumber(bytes, Pb::kSelectionProbabilityFieldNumber, ranked.selection_probability);
  explain(ranked);
  EndSizedField(bytes, open);
}

void AnswerEncoder::AppendCounts(const decision::RejectionCounts& counts,
                                 std::string& bytes) const {
  for (const decision::RejectionCounts::Entry& entry : counts.entries()) {
    const EncodedCause& encoded = causes_[entry.cause];
    const auto count = static_cast<uint64_t>(entry.count);
    PutTag(bytes, pb::DecideResponse::kRejectedCountsFieldNumber, WireType::kSized);
    PutVarint(bytes, encoded.before.size() + VarintSize(count) + encoded.after.size());
    bytes += encoded.before;
    PutVarint(bytes, count);
    bytes += encoded.after;
  }
}

void AnswerEncoder::AppendRejected(const context::DecisionContext& context,
                                   const decision::Decision& decision, std::string& out) const {
  using Pb = pb::RejectedTreatment;
  std::vector<const candidates::Rejection*> rejections(treatments_, nullptr);
  decision.result.ForEachRejection([&](const candidates::Rejection& rejection) {
    rejections[static_cast<size_t>(rejection.treatment)] = &rejection;
  });
  decision::RejectionExplainer explainer(strategy_, context, decision);
  const auto& scored = decision.result.scored.scored;
  auto score = scored.begin();
  TextBuffer bytes(out);
  size_t explained_bytes = 0;
  bool complete = true;
  for (const candidates::Rejection* rejection : rejections) {
    if (rejection == nullptr) continue;
    const EncodedCause& cause = causes_[decision::CauseOf(strategy_, *rejection)];
    const size_t start = bytes.size();
    const OpenField open = BeginSizedField(
        bytes, pb::DecideResponse::kRejectedTreatmentsFieldNumber, kExplanationSizeBytes);
    bytes += rejected_[static_cast<size_t>(rejection->treatment)];
    bytes += cause.reason;
    if (context.is_channel_open()) {
      PutText(bytes, Pb::kChannelFieldNumber,
              strategy_.context.channels[context.ChannelOf(rejection->slot)].name);
    }
    while (score != scored.end() && score->treatment < rejection->treatment) ++score;
    if (score != scored.end() && score->treatment == rejection->treatment) {
      PutScore(bytes, decision.result, static_cast<size_t>(score - scored.begin()));
    }
    if (explained_bytes < kMaxExplanationBytes) {
      const size_t before = bytes.size();
      explainer.Explain(*rejection);
      PutExplanation(bytes, cause.rule, explainer);
      explained_bytes += bytes.size() - before;
    } else {
      complete = false;
      PutText(bytes, Pb::kRuleFieldNumber,
              decision::RuleNameOf(strategy_, decision::CauseOf(strategy_, *rejection)));
    }
    if (start + bytes.size() - open.begin > kMaxAnswerBytes) {
      complete = false;
      bytes.resize(start);
      break;
    }
    EndSizedField(bytes, open);
  }
  if (!complete) PutExplanationIncomplete(bytes);
}

}  // namespace attune::service
