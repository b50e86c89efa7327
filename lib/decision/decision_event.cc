#include "lib/decision/decision_event.h"

#include <algorithm>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "attune/storage/v1/event.pb.h"
#include "lib/base/proto_wire.h"
#include "lib/context/value_codec.h"

namespace attune::decision {
namespace {

using Pb = attune::storage::v1::DecisionEvent;

// Zeros and empty strings are left out, as in proto3.
void PutNumber(std::string& out, int field, uint64_t value) {
  if (value != 0) PutVarintField(out, field, value);
}
void PutFixed64(std::string& out, int field, uint64_t value) {
  if (value != 0) PutFixed64Field(out, field, value);
}
void PutSized(std::string& out, int field, std::string_view bytes) {
  if (!bytes.empty()) PutSizedField(out, field, bytes);
}

// The indexes of those that have the default of on_error.
void PutDefaulted(const std::vector<scoring::ScoredCandidate>& scored, std::string& out) {
  for (size_t i = 0; i < scored.size(); ++i) {
    if (scored[i].source == scoring::ScoredCandidate::Source::kDefault) {
      PutVarint(out, static_cast<uint32_t>(i));
    }
  }
}

// Writes one field after the other; those that need their size first by way of a scratch buffer.
class EventWriter {
 public:
  EventWriter(std::string& out, std::string& scratch) : out_(out), scratch_(scratch) {}

  // `fill` appends the field's content to the string that it is given.
  template <typename Fill>
  void Field(int field, Fill fill) {
    scratch_.clear();
    fill(scratch_);
    PutSized(out_, field, scratch_);
  }
  // A packed field of one varint for each element.
  template <typename Range, typename NumberOf>
  void Numbers(int field, const Range& range, NumberOf number_of) {
    Field(field, [&](std::string& out) {
      for (const auto& element : range) PutVarint(out, static_cast<uint32_t>(number_of(element)));
    });
  }

 private:
  std::string& out_;
  std::string& scratch_;
};

// Which channels were open, and on which of them treatments were looked at.
void PutChannels(const strategy::Strategy& strategy, const context::DecisionContext& context,
                 const PipelineResult& result, EventWriter& writer) {
  if (!context.is_channel_open()) return;
  writer.Numbers(Pb::kOpenChannelsFieldNumber, context.open_channels,
                 [&](int channel) { return strategy.context.channels[channel].number; });
  writer.Numbers(Pb::kScoredChannelFieldNumber, result.scored.scored,
                 [](const auto& s) { return s.slot; });
  writer.Field(Pb::kRejectedChannelFieldNumber, [&](std::string& out) {
    result.ForEachRejection([&](const auto& r) { PutVarint(out, static_cast<uint32_t>(r.slot)); });
  });
}

// Which places the request asked for, and what they show.
void PutPlacements(const strategy::Strategy& strategy, const context::DecisionContext& context,
                   const PipelineResult& result, EventWriter& writer, std::string& event) {
  if (context.placements.empty()) return;
  for (const int placement : context.placements) {
    PutSizedField(event, Pb::kPlacementsFieldNumber, strategy.context.placements[placement].name);
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
  writer.Field(Pb::kScorePercentileFieldNumber, [&](std::string& out) {
    for (const auto& s : standings) PutFixed(out, s.percentile);
  });
}

// What the scored treatments are worth and cost, where the strategy computes either of any of them:
// of one for which the one can't be computed, the other counts as 0 as well, though it is written.
void PutWorths(const PipelineResult& result, EventWriter& writer) {
  writer.Field(Pb::kValueFieldNumber, [&](std::string& out) {
    for (const arbitration::Worth& worth : result.arbitration.worth) PutFixed(out, worth.value);
  });
  writer.Field(Pb::kCostFieldNumber, [&](std::string& out) {
    for (const arbitration::Worth& worth : result.arbitration.worth) PutFixed(out, worth.cost);
  });
}

// What treatments that moved to another channel were on the one that was chosen first.
void PutMoved(const PipelineResult& result, EventWriter& writer) {
  const auto& moved = result.arbitration.moved;
  if (moved.empty()) return;
  writer.Numbers(Pb::kMovedFieldNumber, moved, [](const auto& m) { return m.scored; });
  writer.Numbers(Pb::kMovedFromChannelFieldNumber, moved, [](const auto& m) { return m.was.slot; });
  writer.Field(Pb::kMovedPropensityFieldNumber, [&](std::string& out) {
    for (const auto& m : moved) PutFixed(out, static_cast<float>(m.was.propensity));
  });
  if (result.arbitration.worth.empty()) return;
  writer.Field(Pb::kMovedValueFieldNumber, [&](std::string& out) {
    for (const auto& m : moved) PutFixed(out, m.worth.value);
  });
  writer.Field(Pb::kMovedCostFieldNumber, [&](std::string& out) {
    for (const auto& m : moved) PutFixed(out, m.worth.cost);
  });
}

// What models in mode shadow say of the ranked treatments.
void PutShadows(const std::vector<ShadowPrediction>& shadows, EventWriter& writer) {
  using Shadow = attune::storage::v1::ShadowPrediction;
  for (const ShadowPrediction& shadow : shadows) {
    writer.Field(Pb::kShadowFieldNumber, [&](std::string& out) {
      PutNumber(out, Shadow::kScoredFieldNumber, static_cast<uint64_t>(shadow.scored));
      PutNumber(out, Shadow::kModelFieldNumber, static_cast<uint64_t>(shadow.model));
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
  EventWriter writer(event, scratch);
  PutSized(event, Pb::kDecisionIdFieldNumber,
           {reinterpret_cast<const char*>(decision.id.data()), decision.id.size()});
  PutFixed64(event, Pb::kTimeUsFieldNumber, static_cast<uint64_t>(context.time_us));
  PutSized(event, Pb::kStrategyVersionFieldNumber, strategy.version);
  PutNumber(event, Pb::kChannelFieldNumber,
            strategy.context.channels[result.ChannelOf(context)].number);
  if (context.intent != context::kUnknownIntent) {
    PutNumber(event, Pb::kIntentPlusOneFieldNumber,
              uint64_t{strategy.context.intents[context.intent - 1].number} + 1);
  }
  writer.Field(Pb::kAttributesFieldNumber, [&](std::string& out) {
    for (int slot = 0; slot < strategy.context.attributes.size(); ++slot) {
      const ValueRef& value = context.attributes[static_cast<size_t>(slot)];
      if (value.known()) AppendValue(out, strategy.context.attributes[slot].number, value);
    }
  });
  PutSized(event, Pb::kFeaturesFieldNumber, state.features());
  PutNumber(event, Pb::kDecisionCountFieldNumber, state.decision_count());

  const auto& scored = result.scored.scored;
  writer.Numbers(Pb::kScoredFieldNumber, scored,
                 [&](const auto& s) { return treatment(s.treatment).number; });
  writer.Field(Pb::kPropensityFieldNumber, [&](std::string& out) {
    for (const auto& s : scored) PutFixed(out, static_cast<float>(s.propensity));
  });
  writer.Numbers(Pb::kModelFieldNumber, scored, [&](const auto& s) {
    return scoring::ModelOf(strategy.models, strategy.catalog, s);
  });
  writer.Field(Pb::kDefaultedFieldNumber, [&](std::string& out) { PutDefaulted(scored, out); });
  for (const scoring::NamedModel& model : strategy.models.models) {
    PutSizedField(event, Pb::kModelVersionsFieldNumber, model.version);
  }
  const auto& ranked = result.arbitration.ranked;
  writer.Numbers(Pb::kRankingFieldNumber, ranked, [](const auto& r) { return r.scored; });
  const auto& selectable = result.arbitration.selectable;
  writer.Numbers(Pb::kSelectableFieldNumber, selectable, [](const auto& s) { return s.scored; });
  writer.Field(Pb::kSelectionProbabilityFieldNumber, [&](std::string& out) {
    for (const auto& s : selectable) PutFixed(out, s.probability);
  });
  if (result.arbitration.explored()) {
    PutNumber(event, Pb::kGreedyPlusOneFieldNumber,
              static_cast<uint64_t>(result.arbitration.greedy) + 1);
  }
  writer.Field(Pb::kRejectedFieldNumber, [&](std::string& out) {
    result.ForEachRejection([&](const auto& r) { PutVarint(out, treatment(r.treatment).number); });
  });
  writer.Field(Pb::kRejectedReasonFieldNumber, [&](std::string& out) {
    result.ForEachRejection(
        [&](const auto& r) { PutVarint(out, static_cast<uint32_t>(r.reason)); });
  });
  writer.Field(Pb::kRejectedRuleFieldNumber, [&](std::string& out) {
    result.ForEachRejection([&](const auto& r) {
      const int rule = r.rule >= 0 ? r.rule : r.contact_policy;
      if (rule >= 0) PutVarint(out, static_cast<uint32_t>(rule));
    });
  });

  PutFixed64(event, Pb::kRequestHashFieldNumber, request.hash);
  PutFixed64(event, Pb::kRequestFingerprintFieldNumber, request.fingerprint);
  PutSized(event, Pb::kAnswerFieldNumber, request.answer);
  PutNumber(event, Pb::kDegradationFieldNumber, decision.degradation);
  PutNumber(event, Pb::kMaxTreatmentsFieldNumber, static_cast<uint32_t>(context.max_treatments));
  writer.Numbers(Pb::kRestrictedToFieldNumber, context.restricted_to,
                 [&](int index) { return treatment(index).number; });
  PutChannels(strategy, context, result, writer);
  PutPlacements(strategy, context, result, writer, event);
  PutStandings(strategy, result, writer);
  PutWorths(result, writer);
  PutMoved(result, writer);
  if (decision.learned != nullptr && strategy.learns()) {
    PutNumber(event, Pb::kLearnedPositionFieldNumber, decision.learned->position);
  }
  PutShadows(decision.shadows, writer);
}

}  // namespace attune::decision
