#include "lib/decision/decision_event.h"

#include <algorithm>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "attune/storage/v1/event.pb.h"
#include "lib/base/proto_wire.h"
#include "lib/base/text_buffer.h"
#include "lib/context/value_codec.h"

namespace attune::decision {
namespace {

using Pb = attune::storage::v1::DecisionEvent;

// The indexes of those that have the default of on_error.
void PutDefaulted(const std::vector<scoring::ScoredCandidate>& scored, TextBuffer& out) {
  for (size_t i = 0; i < scored.size(); ++i) {
    if (scored[i].source == scoring::ScoredCandidate::Source::kDefault) {
      PutVarint(out, static_cast<uint32_t>(i));
    }
  }
}

// Writes one field after the other. Zeros and empty strings are left out, as in proto3.
class EventWriter {
 public:
  explicit EventWriter(std::string& event) : out_(event) {}

  void Number(int field, uint64_t value) {
    if (value != 0) PutVarintField(out_, field, value);
  }
  void Fixed64(int field, uint64_t value) {
    if (value != 0) PutFixed64Field(out_, field, value);
  }
  void Sized(int field, std::string_view bytes) {
    if (!bytes.empty()) Element(field, bytes);
  }
  // One of a repeated field: an empty one counts.
  void Element(int field, std::string_view bytes) { PutSizedField(out_, field, bytes); }

  // `fill` appends the field's content to the buffer that it is given. `bytes` is about what it
  // takes: it is moved when that was much too little or too much.
  template <typename Fill>
  void Field(int field, size_t bytes, Fill fill) {
    const size_t before = out_.size();
    const OpenField open = BeginSizedField(out_, field, VarintSize(bytes));
    fill(out_);
    if (out_.size() == open.begin) {
      out_.resize(before);
    } else {
      EndSizedField(out_, open);
    }
  }
  // A packed field of one varint for each element; most take one byte.
  template <typename Range, typename NumberOf>
  void Numbers(int field, const Range& range, NumberOf number_of) {
    if (range.empty()) return;
    Field(field, range.size(), [&](TextBuffer& out) {
      for (const auto& element : range) PutVarint(out, static_cast<uint32_t>(number_of(element)));
    });
  }
  // A packed field of one float or double for each element.
  template <typename Range, typename ValueOf>
  void Values(int field, const Range& range, ValueOf value_of) {
    if (range.empty()) return;
    Field(field, range.size() * sizeof(value_of(range[0])), [&](TextBuffer& out) {
      for (const auto& element : range) PutFixed(out, value_of(element));
    });
  }

 private:
  TextBuffer out_;
};

// Which channels were open, and on which of them treatments were looked at.
void PutChannels(const strategy::Strategy& strategy, const context::DecisionContext& context,
                 const PipelineResult& result, size_t rejections, EventWriter& writer) {
  if (!context.is_channel_open()) return;
  writer.Numbers(Pb::kOpenChannelsFieldNumber, context.open_channels,
                 [&](int channel) { return strategy.context.channels[channel].number; });
  writer.Numbers(Pb::kScoredChannelFieldNumber, result.scored.scored,
                 [](const auto& s) { return s.slot; });
  writer.Field(Pb::kRejectedChannelFieldNumber, rejections, [&](TextBuffer& out) {
    result.ForEachRejection([&](const auto& r) { PutVarint(out, static_cast<uint32_t>(r.slot)); });
  });
}

// Which places the request asked for, and what they show.
void PutPlacements(const strategy::Strategy& strategy, const context::DecisionContext& context,
                   const PipelineResult& result, EventWriter& writer) {
  if (context.placements.empty()) return;
  for (const int placement : context.placements) {
    writer.Element(Pb::kPlacementsFieldNumber, strategy.context.placements[placement].name);
  }
  writer.Numbers(Pb::kRankingPlacementFieldNumber, result.arbitration.ranked,
                 [](const auto& r) { return r.place; });
}

// Where the customer stood by the scores that rules and formulas asked for.
void PutStandings(const strategy::Strategy& strategy, const PipelineResult& result,
                  EventWriter& writer) {
  if (strategy.engagement.scores().scores.empty() || strategy.engagement.empty()) return;
  // A customer stands in one place, whatever channel asked.
  absl::InlinedVector<policy::EngagementState::Standing, policy::kMaxScores> standings;
  const size_t slots = std::max<size_t>(1, result.open_channels);
  for (size_t slot = 0; slot < slots; ++slot) {
    for (const auto& told : result.PolicyOf(static_cast<int>(slot)).engagement.standings_told()) {
      const bool is_new = std::none_of(standings.begin(), standings.end(),
                                       [&](const auto& s) { return s.score == told.score; });
      if (is_new) standings.push_back(told);
    }
  }
  writer.Numbers(Pb::kScoreFieldNumber, standings, [](const auto& s) { return s.score; });
  writer.Values(Pb::kScorePercentileFieldNumber, standings,
                [](const auto& s) { return s.percentile; });
}

// What the scored treatments are worth and cost, where the strategy computes either of any of them:
// of one for which the one can't be computed, the other counts as 0 as well, though it is written.
void PutWorths(const PipelineResult& result, EventWriter& writer) {
  const std::vector<arbitration::Worth>& worth = result.arbitration.worth;
  writer.Values(Pb::kValueFieldNumber, worth, [](const auto& w) { return w.value; });
  writer.Values(Pb::kCostFieldNumber, worth, [](const auto& w) { return w.cost; });
}

// What treatments that moved to another channel were on the one that was chosen first.
void PutMoved(const PipelineResult& result, EventWriter& writer) {
  const auto& moved = result.arbitration.moved;
  if (moved.empty()) return;
  writer.Numbers(Pb::kMovedFieldNumber, moved, [](const auto& m) { return m.scored; });
  writer.Numbers(Pb::kMovedFromChannelFieldNumber, moved, [](const auto& m) { return m.was.slot; });
  writer.Values(Pb::kMovedPropensityFieldNumber, moved,
                [](const auto& m) { return static_cast<float>(m.was.propensity); });
  if (result.arbitration.worth.empty()) return;
  writer.Values(Pb::kMovedValueFieldNumber, moved, [](const auto& m) { return m.worth.value; });
  writer.Values(Pb::kMovedCostFieldNumber, moved, [](const auto& m) { return m.worth.cost; });
}

// What models in mode shadow say of the ranked treatments.
void PutShadows(const std::vector<ShadowPrediction>& shadows, EventWriter& writer) {
  using Shadow = attune::storage::v1::ShadowPrediction;
  constexpr size_t kShadowBytes = 9;
  for (const ShadowPrediction& shadow : shadows) {
    writer.Field(Pb::kShadowFieldNumber, kShadowBytes, [&](TextBuffer& out) {
      PutVarintField(out, Shadow::kScoredFieldNumber, static_cast<uint64_t>(shadow.scored));
      PutVarintField(out, Shadow::kModelFieldNumber, static_cast<uint64_t>(shadow.model));
      PutFixed32Field(out, Shadow::kPropensityFieldNumber, static_cast<float>(shadow.propensity));
    });
  }
}

}  // namespace

void EncodeEvent(const strategy::Strategy& strategy, const context::DecisionContext& context,
                 const customer::CustomerState& state, const Decision& decision,
                 const EventRequest& request, std::string& scratch, std::string& event) {
  const PipelineResult& result = decision.result;
  const auto treatment = [&](int index) -> const catalog::Treatment& {
    return strategy.catalog.treatments[static_cast<size_t>(index)];
  };
  event.clear();
  scratch.clear();
  for (int slot = 0; slot < strategy.context.attributes.size(); ++slot) {
    const ValueRef& value = context.attributes[static_cast<size_t>(slot)];
    if (value.known()) AppendValue(scratch, strategy.context.attributes[slot].number, value);
  }
  EventWriter writer(event);
  writer.Sized(Pb::kDecisionIdFieldNumber,
               {reinterpret_cast<const char*>(decision.id.data()), decision.id.size()});
  writer.Fixed64(Pb::kTimeUsFieldNumber, static_cast<uint64_t>(context.time_us));
  writer.Sized(Pb::kStrategyVersionFieldNumber, strategy.version);
  writer.Number(Pb::kChannelFieldNumber,
                strategy.context.channels[result.ChannelOf(context)].number);
  if (context.intent != context::kUnknownIntent) {
    writer.Number(Pb::kIntentPlusOneFieldNumber,
                  uint64_t{strategy.context.intents[context.intent - 1].number} + 1);
  }
  writer.Sized(Pb::kAttributesFieldNumber, scratch);
  writer.Sized(Pb::kFeaturesFieldNumber, state.features());
  writer.Number(Pb::kDecisionCountFieldNumber, state.decision_count());

  const auto& scored = result.scored.scored;
  writer.Numbers(Pb::kScoredFieldNumber, scored,
                 [&](const auto& s) { return treatment(s.treatment).number; });
  writer.Values(Pb::kPropensityFieldNumber, scored,
                [](const auto& s) { return static_cast<float>(s.propensity); });
  writer.Numbers(Pb::kModelFieldNumber, scored, [&](const auto& s) {
    return scoring::ModelOf(strategy.models, strategy.catalog, s);
  });
  writer.Field(Pb::kDefaultedFieldNumber, 0, [&](TextBuffer& out) { PutDefaulted(scored, out); });
  for (const scoring::NamedModel& model : strategy.models.models) {
    writer.Element(Pb::kModelVersionsFieldNumber, model.version);
  }
  const auto& ranked = result.arbitration.ranked;
  writer.Numbers(Pb::kRankingFieldNumber, ranked, [](const auto& r) { return r.scored; });
  const auto& selectable = result.arbitration.selectable;
  writer.Numbers(Pb::kSelectableFieldNumber, selectable, [](const auto& s) { return s.scored; });
  writer.Values(Pb::kSelectionProbabilityFieldNumber, selectable,
                [](const auto& s) { return s.probability; });
  if (result.arbitration.explored()) {
    writer.Number(Pb::kGreedyPlusOneFieldNumber,
                  static_cast<uint64_t>(result.arbitration.greedy) + 1);
  }
  const size_t rejections = result.candidates.rejected.size() + result.policy.rejected.size() +
                            result.scored.rejected.size() + result.arbitration.rejected.size();
  writer.Field(Pb::kRejectedFieldNumber, rejections, [&](TextBuffer& out) {
    result.ForEachRejection([&](const auto& r) { PutVarint(out, treatment(r.treatment).number); });
  });
  writer.Field(Pb::kRejectedReasonFieldNumber, rejections, [&](TextBuffer& out) {
    result.ForEachRejection(
        [&](const auto& r) { PutVarint(out, static_cast<uint32_t>(r.reason)); });
  });
  writer.Field(Pb::kRejectedRuleFieldNumber, 0, [&](TextBuffer& out) {
    result.ForEachRejection([&](const auto& r) {
      const int rule = r.rule >= 0 ? r.rule : r.contact_policy;
      if (rule >= 0) PutVarint(out, static_cast<uint32_t>(rule));
    });
  });

  writer.Fixed64(Pb::kRequestHashFieldNumber, request.hash);
  writer.Fixed64(Pb::kRequestFingerprintFieldNumber, request.fingerprint);
  writer.Sized(Pb::kAnswerFieldNumber, request.answer);
  writer.Number(Pb::kDegradationFieldNumber, decision.degradation);
  writer.Number(Pb::kMaxTreatmentsFieldNumber, static_cast<uint32_t>(context.max_treatments));
  writer.Numbers(Pb::kRestrictedToFieldNumber, context.restricted_to,
                 [&](int index) { return treatment(index).number; });
  PutChannels(strategy, context, result, rejections, writer);
  PutPlacements(strategy, context, result, writer);
  PutStandings(strategy, result, writer);
  PutWorths(result, writer);
  PutMoved(result, writer);
  if (decision.learned != nullptr && strategy.learns()) {
    writer.Number(Pb::kLearnedPositionFieldNumber, decision.learned->position);
  }
  PutShadows(decision.shadows, writer);
}

}  // namespace attune::decision
