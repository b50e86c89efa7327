#ifndef ATTUNE_LIB_SCENARIO_SCENARIO_RUNNER_H_
#define ATTUNE_LIB_SCENARIO_SCENARIO_RUNNER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/base/clock.h"
#include "lib/customer/history_writer.h"
#include "lib/customer/profile_writer.h"
#include "lib/decision/decider.h"
#include "lib/scenario/difference.h"
#include "lib/scenario/scenario.h"
#include "lib/stops/stop_set.h"
#include "lib/storage/state_store.h"

namespace attune::scenario {

// A decision of a case that did not come out as expected.
struct StepFailure {
  int step = 0;  // 0: the case itself; from 1 on: of its `then`
  absl::Time at;
  std::string channel;  // or those that are open, "web, ivr"; "*" for all
  std::vector<Difference> differences;
};

// How a case came out.
struct CaseResult {
  std::string name;
  int line = 0;
  std::vector<StepFailure> failures;  // empty: it passed
};

// Runs the cases of one file as a server would live through them, with a clock that the cases set:
// features, consents and interactions are written, decisions are made and remembered. What a case
// stops is stopped for its own customer only. Not thread-safe.
class ScenarioRunner {
 public:
  // `store` must outlive the runner and have no customers; the names of a case are the ids of its
  // customer.
  explicit ScenarioRunner(storage::StateStore* store);

  // The results, in the order of the cases. Errors are the store's.
  absl::StatusOr<std::vector<CaseResult>> Run(const ScenarioFile& file);

 private:
  absl::StatusOr<CaseResult> RunCase(const strategy::Strategy& strategy, const Case& source);
  // Switches off and on what the step says.
  void Stop(const strategy::Strategy& strategy, const Step& step);
  // Writes what has become known by the step.
  absl::Status Tell(const strategy::Strategy& strategy, const std::string& customer_id,
                    const Step& step);
  absl::StatusOr<std::vector<Difference>> Decide(const strategy::Strategy& strategy,
                                                 const std::string& customer_id, const Step& step);

  ManualClock clock_;
  const customer::ProfileWriter profiles_;
  const customer::HistoryWriter history_;
  const decision::Decider decider_;
  std::vector<stops::Change> stopped_;  // in the case that is run
  stops::StopSet stops_;                // the same, for decisions
  decision::Decision decision_;
};

}  // namespace attune::scenario

#endif  // ATTUNE_LIB_SCENARIO_SCENARIO_RUNNER_H_
