#ifndef ATTUNE_LIB_OUTCOME_OUTCOME_WRITER_H_
#define ATTUNE_LIB_OUTCOME_OUTCOME_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/catalog/outcome_terms.h"
#include "lib/customer/customer_record.h"
#include "lib/customer/decision_id.h"
#include "lib/outcome/outcome.h"
#include "lib/outcome/recent_reports.h"
#include "lib/storage/state_store.h"

namespace attune::outcome {

// Most reports that are written together.
inline constexpr size_t kMaxReports = 1000;
// Longest reason of an outcome, in bytes.
inline constexpr size_t kMaxReasonBytes = 256;

// One outcome as somebody reports it. Names are numbers of the NameDictionary; times are Unix
// microseconds.
struct Report {
  customer::DecisionId id{};
  customer::DecisionIdParts decision;  // what the id says
  std::optional<uint32_t> treatment;   // absent: the one on top of the decision's ranking
  uint32_t outcome = 0;
  catalog::OutcomeTerms terms;     // of that outcome
  bool without_treatment = false;  // it may happen without one
  std::optional<double> value;     // finite
  std::optional<int64_t> time_us;  // absent: now, and never before the decision
  Source source = Source::kCustomer;
  std::optional<uint32_t> channel;  // absent: that of the treatment, or of the decision
  std::string_view reason;          // at most kMaxReasonBytes
  // Makes it this outcome and no other of the customer's. Empty: decision, treatment, outcome and
  // time do, so that the time must be given; with `once` the first three. As long as the log has
  // the decision, no treatment and the one on top are the same.
  std::string_view request_id;
  bool once = false;
};

// What became of a report.
struct Result {
  Status status = Status::kRecorded;
  // The one that it is about; absent: none, or the decision is not known.
  std::optional<uint32_t> treatment;
  // Of kAlreadyRecorded: what became of it when it was reported first.
  std::optional<Status> first_status;
  // DATA_LOSS: why the log can't tell what the decision offered.
  absl::Status damage;
};

// Writes outcomes into the log and, in the same commit, into the records of their customers: so
// each is in the history, and a repeated one is recognised, from then on. Thread-safe.
class OutcomeWriter {
 public:
  // `store` and `clock` must outlive the writer. `seed` keys the hashes of what is reported.
  OutcomeWriter(storage::StateStore* store, const Clock* clock, const HashKey& seed)
      : store_(*store), clock_(*clock), seed_(seed) {}

  // Writes them with as few commits as possible and returns when they survive power loss. One
  // result per report, in their order; those of one customer are taken in theirs. What is logged:
  // everything but what has the status kAlreadyRecorded or kTooMany, and what was logged before:
  // kOtherContent as long as the decision is remembered; what no record remembers as long as it is
  // among the latest kMaxRecentReports. Of a customer of whom nothing is held nothing is logged
  // that leads to the person. A decision whose event has left the log, or is damaged, is
  // kUnknownDecision: its outcome is remembered, and is in the history if treatment and channel are
  // known. An error of one report leaves the others alone, unless they are written together.
  // ABORTED: the customer was changed by others too often in a row; retry. REQUIRES: at most
  // kMaxReports.
  std::vector<absl::StatusOr<Result>> RecordMany(absl::Span<const Report> reports,
                                                 const customer::HistoryBounds& bounds) const;

 private:
  struct Group;
  struct PreparedCommit;

  // What RecordMany does to the groups, as far as nobody was faster.
  void RecordGroups(absl::Span<const Report> reports, const customer::HistoryBounds& bounds,
                    int64_t now_us, absl::Span<Group*> groups) const;
  // Fills in what is to be written of a group, whose customer has this record: into `own`, or, when
  // nothing is held about the customer, into `of_nobody`.
  void Prepare(absl::Span<const Report> reports, const customer::HistoryBounds& bounds,
               int64_t now_us, const storage::Record& record, Group& group, PreparedCommit& own,
               PreparedCommit& of_nobody) const;

  storage::StateStore& store_;
  const Clock& clock_;
  const HashKey seed_;
  mutable RecentReports recent_;
};

}  // namespace attune::outcome

#endif  // ATTUNE_LIB_OUTCOME_OUTCOME_WRITER_H_
