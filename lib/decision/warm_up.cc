#include "lib/decision/warm_up.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "lib/arbitration/arbitration.h"
#include "lib/context/decision_context.h"
#include "lib/customer/customer_record.h"
#include "lib/decision/decision_pipeline.h"
#include "lib/decision/formula_values.h"
#include "lib/policy/policy.h"
#include "lib/scoring/scoring.h"
#include "lib/stops/stop_set.h"

namespace attune::decision {
namespace {

constexpr int kMaxSituations = 256;
constexpr int kMaxOpenChannels = 8;
// So that exploration works, where there is any.
constexpr double kDraw = 0.5;
// How often every model scores every treatment.
constexpr int kRounds = 2;

// With as many channels as callers tend to leave open, and every place.
void WarmUpOpenChannels(const strategy::Strategy& strategy, context::DecisionContext& context,
                        StageTimer& timer, Decision& decision) {
  for (int channel = 0; channel < std::min(strategy.context.channels.size(), kMaxOpenChannels);
       ++channel) {
    context.open_channels.push_back(channel);
  }
  if (context.open_channels.empty()) return;
  context.channel = context.open_channels.front();
  context.placements.resize(strategy.arbitration.placements.size());
  std::iota(context.placements.begin(), context.placements.end(), 0);
  RunPipeline(strategy, stops::StopSet(), context, customer::CustomerState(), decision.features,
              kDraw, timer, decision.result);
}

}  // namespace

void WarmUp(const strategy::Strategy& strategy, int64_t time_us, Decision& decision) {
  const auto& features = strategy.features.defaults();
  decision.features.assign(features.begin(), features.end());
  context::DecisionContext context;
  const auto& attributes = strategy.context.attributes.defaults();
  context.attributes.assign(attributes.begin(), attributes.end());
  context.time_us = time_us;
  context.max_treatments = strategy.arbitration.max_treatments;
  context.deadline = absl::InfinitePast();  // servers of models are not asked in vain
  std::vector<int> all(strategy.catalog.treatments.size());
  std::iota(all.begin(), all.end(), 0);
  StageTimer timer(decision.times);
  // Formulas are evaluated on what the policies looked at.
  policy::ApplyPolicies({strategy.catalog, strategy.engagement, strategy.contact, strategy.context,
                         context, customer::CustomerState(), decision.features},
                        all, decision.result.policy);
  decision.result.open_channels = 0;
  ModelFormulas scores(strategy, decision.result.policy.engagement);
  FormulaValues formulas(strategy, context, decision.result, &decision.result.content);
  for (int round = 0; round < kRounds; ++round) {
    scoring::Score(strategy.models, strategy.catalog, strategy.context, context, decision.features,
                   all, decision.result.scored, &scores);
    // Who needs a yes of the customer would else not be ranked here.
    decision.result.content.Clear();
    arbitration::Arbitrate(strategy.arbitration, strategy.catalog, context, decision.result.scored,
                           kDraw, decision.result.arbitration, formulas.computed());
  }
  // Ramps may keep any of them from a customer.
  decision.result.candidates.rejected.reserve(all.size());
  // Unknown intents first: every channel is tried.
  const int channels = strategy.context.channels.size();
  const int situations = channels * (strategy.context.intents.size() + 1);
  for (int i = 0; i < std::min(situations, kMaxSituations); ++i) {
    context.channel = i % channels;
    context.intent = static_cast<context::IntentIndex>(i / channels);
    RunPipeline(strategy, stops::StopSet(), context, customer::CustomerState(), decision.features,
                kDraw, timer, decision.result);
  }
  context.intent = context::kUnknownIntent;
  WarmUpOpenChannels(strategy, context, timer, decision);
}

}  // namespace attune::decision
