#include "tests/load/outcome_mix.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "attune/v1/decision_service.pb.h"

namespace attune::load {
namespace {

// As many in flight as keep a server busy.
constexpr int kDecisionsInFlight = 64;
// The most seconds that the decisions may take.
constexpr double kMaxDecisionSeconds = 600;

}  // namespace

absl::StatusOr<std::vector<std::string>> MakeDecisions(const std::string& server, uint64_t count,
                                                       const std::vector<std::string>& requests) {
  std::vector<std::string> ids;
  LoadOptions options;
  options.server = server;
  options.concurrency = kDecisionsInFlight;
  options.warmup_seconds = 0;
  options.seconds = kMaxDecisionSeconds;
  options.max_decisions = count;
  options.check = [&](std::string_view answer) -> std::string {
    attune::v1::DecideResponse response;
    if (!response.ParseFromArray(answer.data(), static_cast<int>(answer.size()))) {
      return "an answer that is no DecideResponse";
    }
    if (response.treatments_size() > 0) ids.push_back(response.decision_id());
    return "";
  };
  const LoadResult result = RunLoad(options, requests);
  if (result.errors > 0) {
    return absl::UnavailableError(
        absl::StrCat(result.errors, " decisions failed, the first with ", result.first_error));
  }
  if (ids.empty()) return absl::FailedPreconditionError("no decision ranked anything");
  return ids;
}

OutcomeMix::OutcomeMix(std::vector<std::string> decision_ids, const std::string& outcome)
    : decision_ids_(std::move(decision_ids)) {
  request_.set_outcome(outcome);
  request_.set_source(attune::v1::OUTCOME_SOURCE_CUSTOMER);
}

const std::string& OutcomeMix::Next() {
  // A decision's id is nobody else's, so the number makes the request's one.
  request_.set_decision_id(decision_ids_[made_ % decision_ids_.size()]);
  request_.set_request_id(absl::StrCat(request_.decision_id(), "/", made_));
  ++made_;
  request_.SerializeToString(&bytes_);
  return bytes_;
}

std::string OutcomeProblem(std::string_view answer) {
  attune::v1::OutcomeServiceRecordOutcomeResponse response;
  if (!response.ParseFromArray(answer.data(), static_cast<int>(answer.size()))) {
    return "an answer that is no RecordOutcomeResponse";
  }
  if (response.status() == attune::v1::OUTCOME_STATUS_RECORDED) return "";
  return absl::StrCat("status ", attune::v1::OutcomeStatus_Name(response.status()));
}

}  // namespace attune::load
