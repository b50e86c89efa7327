#include "lib/decision/decision_pipeline.h"

#include <algorithm>
#include <chrono>
#include <memory>

namespace attune::decision {
namespace {

// What the stages before arbitration look at, whatever the channel is.
struct StageInput {
  const strategy::Strategy& strategy;
  const stops::StopSet& stops;
  const customer::CustomerState& customer;
  absl::Span<const ValueRef> features;
  const evidence::RampReach& reach;
  const value::Standings* standings;
  const scoring::LearnedModels* learned;
};

// `shared` is what several channels share, or nullptr.
void RunPolicies(const StageInput& input, const context::DecisionContext& context,
                 policy::SharedHistory* shared, const candidates::CandidateSet& candidates,
                 StageTimer& timer, policy::PolicyResult& policy) {
  const strategy::Strategy& strategy = input.strategy;
  policy::ApplyPolicies({strategy.catalog, strategy.engagement, strategy.contact, strategy.context,
                         context, input.customer, input.features, input.standings, shared},
                        candidates.kept, policy);
  timer.Finish(Stage::kPolicy);
}

// `answers` is what several channels share, or nullptr.
void RunScoring(const StageInput& input, const context::DecisionContext& context,
                scoring::SharedAnswers* answers, policy::PolicyResult& policy, StageTimer& timer,
                scoring::ScoredCandidates& scored,
                std::vector<scoring::FailedModel>& failed_before) {
  const strategy::Strategy& strategy = input.strategy;
  ModelFormulas formulas(strategy, policy.engagement);
  scoring::Score(strategy.models, strategy.catalog, strategy.context, context, input.features,
                 policy.kept, scored, &formulas, &failed_before, answers, input.learned);
  timer.Finish(Stage::kScoring);
}

// What models that wait for others answer on any channel of the decision, to be asked for once;
// nullptr: there is no such model.
scoring::SharedAnswers* ShareAnswers(const strategy::Strategy& strategy, PipelineResult& result) {
  const std::vector<scoring::NamedModel>& models = strategy.models.models;
  const bool any_waits =
      std::any_of(models.begin(), models.end(),
                  [](const scoring::NamedModel& model) { return model.model->Waits(); });
  if (!any_waits) return nullptr;
  std::vector<int>& kept = result.kept_on_any_channel;
  kept.clear();
  for (size_t slot = 0; slot < result.open_channels; ++slot) {
    const std::vector<int>& here = result.channels[slot]->policy.kept;
    kept.insert(kept.end(), here.begin(), here.end());
  }
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  result.answers.Reset(strategy.catalog, kept);
  return &result.answers;
}

// Runs the stages for each channel that is open and puts together what they handed over. What no
// channel matters to is found once: the reasons of candidates, the customer's history, and what
// other processes answer.
void RunOpenChannels(const StageInput& input, const context::DecisionContext& context,
                     const arbitration::Computed& computed, StageTimer& timer,
                     PipelineResult& result) {
  result.open_channels = context.open_channels.size();
  while (result.channels.size() < result.open_channels) {
    result.channels.push_back(std::make_unique<ChannelStages>());
  }
  candidates::FindReasonsOnAnyChannel(input.strategy.catalog, input.stops, context, input.reach,
                                      result.on_any_channel);
  timer.Finish(Stage::kCandidates);
  result.history.Reset(input.strategy.contact, context, input.customer);
  timer.Finish(Stage::kPolicy);
  for (size_t slot = 0; slot < result.open_channels; ++slot) {
    ChannelStages& stages = *result.channels[slot];
    stages.context = context;
    stages.context.channel = context.open_channels[slot];
    stages.context.open_channels.clear();
    candidates::SelectCandidatesOn(input.strategy.catalog, stages.context.channel,
                                   result.on_any_channel, stages.candidates);
    timer.Finish(Stage::kCandidates);
    RunPolicies(input, stages.context, &result.history, stages.candidates, timer, stages.policy);
  }
  scoring::SharedAnswers* const answers = ShareAnswers(input.strategy, result);
  for (size_t slot = 0; slot < result.open_channels; ++slot) {
    ChannelStages& stages = *result.channels[slot];
    RunScoring(input, stages.context, answers, stages.policy, timer, stages.scored,
               result.failed_before);
  }
  MergeChannels(input.strategy, context, computed, result);
}

// Formulas are evaluated on every channel after its policies told what they found.
void NoteWhatFormulasFound(const policy::EngagementRules& rules, PipelineResult& result) {
  if (result.open_channels == 0) return policy::NoteWhatFormulasFound(rules, result.policy);
  for (size_t slot = 0; slot < result.open_channels; ++slot) {
    policy::PolicyResult& policy = result.channels[slot]->policy;
    policy::NoteWhatFormulasFound(rules, policy);
    result.policy.history_incomplete |= policy.history_incomplete;
    result.policy.time_zone_unknown |= policy.time_zone_unknown;
  }
}

}  // namespace

std::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kContext:
      return "context";
    case Stage::kCustomer:
      return "customer";
    case Stage::kCandidates:
      return "candidates";
    case Stage::kPolicy:
      return "policy";
    case Stage::kScoring:
      return "scoring";
    case Stage::kArbitration:
      return "arbitration";
    case Stage::kDecision:
      return "decision";
  }
  return "unknown";
}

int64_t StageTimer::Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void RunPipeline(const strategy::Strategy& strategy, const stops::StopSet& stops,
                 const context::DecisionContext& context, const customer::CustomerState& customer,
                 absl::Span<const ValueRef> features, std::optional<double> draw, StageTimer& timer,
                 PipelineResult& result, const evidence::RampReach& reach,
                 const value::Standings* standings, const scoring::LearnedModels* learned) {
  const StageInput input{strategy, stops, customer, features, reach, standings, learned};
  result.earliest.reset();
  result.content.Clear();
  result.open_channels = 0;
  FormulaValues formulas(strategy, context, result, &result.content);
  const arbitration::Computed computed = formulas.computed();
  if (context.is_channel_open()) {
    RunOpenChannels(input, context, computed, timer, result);
  } else {
    candidates::SelectCandidates(strategy.catalog, stops, context, result.candidates, reach);
    timer.Finish(Stage::kCandidates);
    RunPolicies(input, context, /*shared=*/nullptr, result.candidates, timer, result.policy);
    RunScoring(input, context, /*answers=*/nullptr, result.policy, timer, result.scored,
               result.failed_before);
  }
  arbitration::Arbitrate(strategy.arbitration, strategy.catalog, context, result.scored, draw,
                         result.arbitration, computed, result.scored_by_slot());
  if (context.is_channel_open() &&
      (result.arbitration.ranked.empty() || result.arbitration.is_fallback)) {
    result.earliest = FindEarliest(strategy, context, computed.worth, result);
  }
  NoteWhatFormulasFound(strategy.engagement, result);
  result.rejected_counts.Clear();
  result.ForEachRejection([&](const candidates::Rejection& rejection) {
    result.rejected_counts.Add(strategy, rejection);
  });
  result.rejected_counts.Sort();
  timer.Finish(Stage::kArbitration);
}

}  // namespace attune::decision
