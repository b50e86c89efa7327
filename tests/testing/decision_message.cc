#include "tests/testing/decision_message.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "lib/decision/explanation.h"
#include "lib/decision/formula_values.h"
#include "lib/decision/score_explanation.h"
#include "service/decision_answer.h"
#include "service/value_conversion.h"
#include "tests/testing/rejection_text.h"

namespace attune::testing {
namespace {

namespace pb = attune::v1;

using service::ToProto;

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

void FillRanked(const strategy::Strategy& strategy, const context::DecisionContext& context,
                const decision::Decision& decision, const arbitration::RankedTreatment& ranked,
                pb::RankedTreatment* out) {
  FillStaticPart(strategy, strategy.catalog.treatments[static_cast<size_t>(ranked.treatment)],
                 static_cast<size_t>(context.ChannelOf(decision.result.SlotOf(ranked))), out);
  decision.result.content.ForEachField(
      ranked.treatment, [&](std::string_view name, std::string_view text) {
        (*out->mutable_content())[std::string(name)] = std::string(text);
      });
  out->set_propensity(decision.result.scored.scored[static_cast<size_t>(ranked.scored)].propensity);
  out->set_context_weight(ranked.context_weight);
  out->set_priority(ranked.priority);
  out->set_selection_probability(ranked.selection_probability);
}

void FillRanks(const arbitration::PriorityRanks& ranks, pb::PriorityRanks* out) {
  const auto without = [&](arbitration::Factor factor) {
    return ranks.without[static_cast<size_t>(factor)];
  };
  out->set_by_priority(ranks.by_priority);
  out->set_without_propensity(without(arbitration::Factor::kPropensity));
  out->set_without_context_weight(without(arbitration::Factor::kContextWeight));
  out->set_without_value(without(arbitration::Factor::kValue));
  out->set_without_lever(without(arbitration::Factor::kLever));
  out->set_without_cost(without(arbitration::Factor::kCost));
}

void FillParts(decision::ScoreExplainer& explainer, const arbitration::RankedTreatment& ranked,
               pb::RankedTreatment* out) {
  const scoring::ScoreParts* const parts = explainer.PartsOf(ranked);
  if (parts == nullptr) return;
  out->mutable_score_parts()->set_base(parts->base);
  out->mutable_score_parts()->set_score(parts->score);
  out->mutable_score_parts()->set_link(parts->link.data(), parts->link.size());
  explainer.ForEachPart(ranked, *parts, [&](const decision::ShownPart& part) {
    pb::Contribution* to = out->mutable_score_parts()->add_contributions();
    to->set_input(part.input.data(), part.input.size());
    to->set_value(part.value.data(), part.value.size());
    to->set_contribution(part.contribution);
  });
}

void FillExplanation(RejectionText explanation, pb::RejectedTreatment* out) {
  out->set_detail(std::move(explanation.detail));
  // A field that is set takes memory, also when it is empty.
  if (!explanation.rule.empty()) out->set_rule(std::move(explanation.rule));
  if (!explanation.because.empty()) out->set_because(std::move(explanation.because));
  if (!explanation.expression.empty()) out->set_expression(std::move(explanation.expression));
  for (RejectionText::Value& seen : explanation.values) {
    pb::SeenValue* value = out->add_values();
    value->set_name(std::move(seen.name));
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
    if (context.is_channel_open()) {
      out->set_channel(strategy.context.channels[context.ChannelOf(rejection.slot)].name);
    }
    FillExplanation(ExplainRejection(strategy, context, decision, rejection), out);
    while (score != scored.end() && score->treatment < rejection.treatment) ++score;
    if (score != scored.end() && score->treatment == rejection.treatment) {
      out->set_propensity(score->propensity);
      out->set_priority(
          decision.result.arbitration.priority[static_cast<size_t>(score - scored.begin())]);
      out->set_selection_probability(decision.result.arbitration.SelectionProbabilityOf(
          static_cast<int>(score - scored.begin())));
    }
  }
}

void FillPlacements(const strategy::Strategy& strategy, const context::DecisionContext& context,
                    const decision::Decision& decision, pb::DecideResponse* response) {
  for (const int placement : context.placements) {
    response->add_placements()->set_placement(strategy.context.placements[placement].name);
  }
  for (const arbitration::RankedTreatment& ranked : decision.result.arbitration.ranked) {
    if (ranked.place < 0) continue;
    response->mutable_placements(ranked.place)
        ->add_treatment_ids(
            strategy.catalog.treatments[static_cast<size_t>(ranked.treatment)].name);
  }
}

}  // namespace

void FillResponse(const strategy::Strategy& strategy, const context::DecisionContext& context,
                  const decision::Decision& decision, bool explain, pb::DecideResponse* response) {
  response->set_decision_id(absl::BytesToHexString(
      {reinterpret_cast<const char*>(decision.id.data()), decision.id.size()}));
  response->set_strategy_version(strategy.version);
  ToProto(context.time_us, response->mutable_time());
  decision::FormulaValues formulas(strategy, context, decision.result, nullptr);
  const std::vector<arbitration::PriorityRanks> ranks =
      arbitration::RanksOf(strategy.arbitration, strategy.catalog, decision.result.scored,
                           decision.result.arbitration, formulas.computed().priority);
  const decision::ExplainedModels models(strategy);
  decision::ScoreExplainer scores(strategy, models, context, decision);
  for (size_t r = 0; r < ranks.size(); ++r) {
    const arbitration::RankedTreatment& ranked = decision.result.arbitration.ranked[r];
    pb::RankedTreatment* out = response->add_treatments();
    FillRanked(strategy, context, decision, ranked, out);
    if (!explain) continue;
    decision::ExplainRanked(strategy, decision, ranked, scores, [&](std::string_view reason) {
      out->add_reasons(reason.data(), reason.size());
    });
    FillRanks(ranks[r], out->mutable_ranks());
    FillParts(scores, ranked, out);
  }
  FillCounts(strategy, decision.result.rejected_counts, response);
  if (explain) FillRejected(strategy, context, decision, response);
  response->set_degraded(decision.degradation != 0);
  for (const service::DegradationName& degradation : service::kDegradations) {
    if (decision.degradation & degradation.bit) response->add_degraded_reasons(degradation.name);
  }
  response->set_unknown_customer(decision.unknown_customer);
  const arbitration::ArbitrationResult& arbitration = decision.result.arbitration;
  if (!arbitration.ranked.empty() && arbitration.ranked.front().scored != arbitration.greedy) {
    const int treatment =
        decision.result.scored.scored[static_cast<size_t>(arbitration.greedy)].treatment;
    response->set_greedy_treatment_id(
        strategy.catalog.treatments[static_cast<size_t>(treatment)].name);
  }
  FillPlacements(strategy, context, decision, response);
  if (const auto& earliest = decision.result.earliest) {
    pb::NextOpportunity* out = response->mutable_earliest();
    out->set_treatment_id(
        strategy.catalog.treatments[static_cast<size_t>(earliest->treatment)].name);
    out->set_channel(strategy.context.channels[context.ChannelOf(earliest->slot)].name);
    ToProto(earliest->time_ms * 1000, out->mutable_time());
  }
}

}  // namespace attune::testing
