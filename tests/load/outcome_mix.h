#ifndef ATTUNE_TESTS_LOAD_OUTCOME_MIX_H_
#define ATTUNE_TESTS_LOAD_OUTCOME_MIX_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "attune/v1/outcome_service.pb.h"
#include "tests/load/load_client.h"

namespace attune::load {

inline constexpr char kRecordOutcome[] = "/attune.v1.OutcomeService/RecordOutcome";

// Asks the server for `count` decisions, with `requests` round and round, as fast as it answers,
// and returns the ids of those that ranked something. An error: some were not answered, or none
// ranked anything.
absl::StatusOr<std::vector<std::string>> MakeDecisions(const std::string& server, uint64_t count,
                                                       const std::vector<std::string>& requests);

// Reports of what became of decisions: one of each in turn, and when all have had theirs, again,
// each with a request_id of its own. Not thread-safe.
class OutcomeMix {
 public:
  // `outcome`: its name. REQUIRES: !decision_ids.empty().
  OutcomeMix(std::vector<std::string> decision_ids, const std::string& outcome);

  // The next request, serialised; valid until the next call.
  const std::string& Next();

 private:
  const std::vector<std::string> decision_ids_;
  attune::v1::OutcomeServiceRecordOutcomeRequest request_;
  std::string bytes_;
  uint64_t made_ = 0;
};

// What is wrong with an answer of RecordOutcome: everything but RECORDED. Empty: nothing.
std::string OutcomeProblem(std::string_view answer);

}  // namespace attune::load

#endif  // ATTUNE_TESTS_LOAD_OUTCOME_MIX_H_
