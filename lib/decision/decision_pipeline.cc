#include "lib/decision/decision_pipeline.h"

#include <chrono>

namespace attune::decision {

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
                 PipelineResult& result) {
  candidates::SelectCandidates(strategy.catalog, stops, context, result.candidates);
  timer.Finish(Stage::kCandidates);
  policy::ApplyPolicies({strategy.catalog, strategy.engagement, strategy.contact, strategy.context,
                         context, customer, features},
                        result.candidates.kept, result.policy);
  timer.Finish(Stage::kPolicy);
  result.content.Clear();
  FormulaValues formulas(strategy, result.policy.engagement, context.channel, &result.content);
  scoring::Score(strategy.models, strategy.catalog, strategy.context, context, features,
                 result.policy.kept, result.scored, &formulas);
  timer.Finish(Stage::kScoring);
  arbitration::Arbitrate(strategy.arbitration, strategy.catalog, context, result.scored, draw,
                         result.arbitration, formulas.computed());
  policy::NoteWhatFormulasFound(strategy.engagement, result.policy);
  result.rejected_counts.Clear();
  result.ForEachRejection([&](const candidates::Rejection& rejection) {
    result.rejected_counts.Add(strategy, rejection);
  });
  result.rejected_counts.Sort();
  timer.Finish(Stage::kArbitration);
}

}  // namespace attune::decision
