#include "service/outcome_metrics.h"

#include <cstddef>
#include <string>

namespace attune::service {

OutcomeMetrics::OutcomeMetrics(telemetry::Registry& registry, const strategy::Strategy& strategy) {
  const auto outcomes = static_cast<size_t>(strategy.outcomes.size());
  reports_.resize(outcomes * outcome::kSources * outcome::kStatuses);
  for (int o = 0; o < strategy.outcomes.size(); ++o) {
    for (int s = 1; s <= outcome::kSources; ++s) {
      for (int t = 1; t <= outcome::kStatuses; ++t) {
        const auto source = static_cast<outcome::Source>(s);
        const auto status = static_cast<outcome::Status>(t);
        reports_[SeriesOf(o, source, status)] = registry.AddCounter(
            "attune_outcomes_total",
            "Outcomes of decisions that were reported, by the strategy's outcome, who said so, and "
            "how they stand to their decision.",
            {{"outcome", strategy.outcomes[o].name},
             {"source", std::string(outcome::SourceName(source))},
             {"status", std::string(outcome::StatusName(status))}});
      }
    }
  }
}

void OutcomeMetrics::Count(int outcome, outcome::Source source, outcome::Status status) {
  reports_[SeriesOf(outcome, source, status)]->Increment();
}

size_t OutcomeMetrics::SeriesOf(int outcome, outcome::Source source, outcome::Status status) {
  const size_t of_outcome = static_cast<size_t>(outcome) * outcome::kSources;
  const size_t of_source = of_outcome + static_cast<size_t>(source) - 1;
  return of_source * outcome::kStatuses + static_cast<size_t>(status) - 1;
}

}  // namespace attune::service
