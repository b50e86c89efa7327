#include "lib/scenario/scenario_runner.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "lib/base/hash.h"
#include "lib/base/violations.h"
#include "lib/evidence/ramp_shares.h"
#include "lib/scenario/situation.h"

namespace attune::scenario {
namespace {

// The same cases come out alike everywhere.
const HashKey& Seed() {
  static const HashKey seed = HashKeyFromSeed(0);
  return seed;
}

template <typename Result>
absl::Status FirstError(const std::vector<absl::StatusOr<Result>>& results) {
  for (const absl::StatusOr<Result>& result : results) {
    if (!result.ok()) return result.status();
  }
  return absl::OkStatus();
}

std::string ChannelText(const Situation& situation) {
  return situation.open_channels.empty() ? situation.channel
                                         : absl::StrJoin(situation.open_channels, ", ");
}

}  // namespace

ScenarioRunner::ScenarioRunner(storage::StateStore* store)
    : clock_(absl::UnixEpoch()),
      profiles_(store, &clock_, Seed()),
      history_(store, &clock_, Seed()),
      decider_(store, Seed()) {}

absl::StatusOr<std::vector<CaseResult>> ScenarioRunner::Run(const ScenarioFile& file) {
  std::vector<CaseResult> results;
  results.reserve(file.cases.size());
  for (const Case& source : file.cases) {
    absl::StatusOr<CaseResult> result = RunCase(*file.strategy, source);
    if (!result.ok()) return result.status();
    results.push_back(*std::move(result));
  }
  return results;
}

absl::StatusOr<CaseResult> ScenarioRunner::RunCase(const strategy::Strategy& strategy,
                                                   const Case& source) {
  CaseResult result{source.name, source.line, {}};
  stopped_.clear();
  stops_ = stops::StopSet();
  for (size_t i = 0; i < source.steps.size(); ++i) {
    const Step& step = source.steps[i];
    clock_.Set(step.at);
    if (absl::Status status = Tell(strategy, source.name, step); !status.ok()) return status;
    Stop(strategy, step);
    if (!step.expect) continue;
    absl::StatusOr<std::vector<Difference>> differences = Decide(strategy, source.name, step);
    if (!differences.ok()) return differences.status();
    if (differences->empty()) continue;
    result.failures.push_back(
        {static_cast<int>(i), step.at, ChannelText(step.situation), *std::move(differences)});
  }
  return result;
}

void ScenarioRunner::Stop(const strategy::Strategy& strategy, const Step& step) {
  if (step.stops.empty()) return;
  for (const stops::Change& change : step.stops) {
    std::erase_if(stopped_,
                  [&](const stops::Change& stop) { return stop.target == change.target; });
    if (change.stopped) stopped_.push_back(change);
  }
  stops_ = stops::StopSet(stopped_, strategy.catalog);
}

absl::Status ScenarioRunner::Tell(const strategy::Strategy& strategy,
                                  const std::string& customer_id, const Step& step) {
  if (!step.features.empty()) {
    customer::ProfileChange change{customer_id, {}};
    for (const auto& [number, value] : step.features) change.edits.push_back({number, value.ref()});
    if (absl::Status status = FirstError(profiles_.UpsertMany({change})); !status.ok()) {
      return status;
    }
  }
  for (const SaidConsent& said : step.consents) {
    const customer::Consent consent{said.purpose, said.channel, said.granted, said.time_us, ""};
    const auto result = history_.SetConsent({customer_id, consent}, "");
    if (!result.ok()) return result.status();
  }
  if (step.history.empty()) return absl::OkStatus();
  return FirstError(history_.RecordMany({{customer_id, step.history}}, strategy.history));
}

absl::StatusOr<std::vector<Difference>> ScenarioRunner::Decide(const strategy::Strategy& strategy,
                                                               const std::string& customer_id,
                                                               const Step& step) {
  context::DecisionContext context;
  Violations violations;
  NormaliseSituation(strategy, customer_id, step.situation, step.at, context, violations);
  if (!violations.empty()) return violations.ToStatus();
  const auto no_answer = [](const decision::Decision&, decision::AnswerForm, std::string*) {};
  decision::DecideOptions options;
  options.stops = &stops_;
  const evidence::RampShares ramps(strategy.catalog, step.ramps.evidence);
  options.ramps = &ramps;
  options.ramp_place = step.ramps.place;
  options.greedy = true;  // a case must not depend on the seed of its store
  const absl::Status status = decider_.Decide(strategy, context, options, no_answer, decision_);
  if (!status.ok()) return status;
  if (!decision_.store_status.ok()) return decision_.store_status;
  return Compare(strategy, context, decision_, *step.expect);
}

}  // namespace attune::scenario
