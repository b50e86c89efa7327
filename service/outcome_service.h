#ifndef ATTUNE_SERVICE_OUTCOME_SERVICE_H_
#define ATTUNE_SERVICE_OUTCOME_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "attune/v1/outcome_service.pb.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/violations.h"
#include "lib/customer/decision_id.h"
#include "lib/outcome/outcome_writer.h"
#include "lib/storage/name_dictionary.h"
#include "lib/storage/state_store.h"
#include "lib/strategy/strategy.h"
#include "service/outcome_metrics.h"
#include "service/reported_times.h"

namespace attune::service {

// Most treatments of one Activate.
inline constexpr int kMaxActivatedTreatments = 100;

// attune.v1.OutcomeService without its transport: messages in, messages out. Waits for the disk and
// must not run on a thread that serves decisions. Thread-safe. What the methods do and answer:
// outcome_service.proto.
class OutcomeService {
 public:
  using Request = attune::v1::OutcomeServiceRecordOutcomeRequest;
  using Response = attune::v1::OutcomeServiceRecordOutcomeResponse;

  struct Options {
    std::shared_ptr<const strategy::Strategy> strategy;
    storage::StateStore* store = nullptr;  // outlives the service
    HashKey seed{};                        // that of DecisionService
    // Names that earlier strategies declared; outlives the service.
    const storage::NameDictionary* names = nullptr;
    ReportedTimes times;                // their clock is the service's
    OutcomeMetrics* metrics = nullptr;  // outlives the service
  };
  explicit OutcomeService(const Options& options)
      : options_(options),
        ids_(options.seed),
        writer_(options.store, options.times.clock, options.seed) {}

  // What became of one report.
  struct Answer {
    absl::Status status;
    Violations violations;  // of the request; then `status` is OK
    Response response;
  };

  // One answer per request, in their order. REQUIRES: at most outcome::kMaxReports.
  std::vector<Answer> RecordMany(absl::Span<const Request* const> requests) const;
  absl::Status Activate(const attune::v1::OutcomeServiceActivateRequest& request,
                        attune::v1::OutcomeServiceActivateResponse* response,
                        Violations& violations) const;

 private:
  // A request that was read: what is to be written, and what of it is counted.
  struct Reading {
    outcome::Report report;
    int outcome = -1;      // index of the strategy's
    bool genuine = false;  // the id is one that was made here
  };

  // `suggests`: violations say what may have been meant, which takes its time.
  Reading Read(const Request& request, bool suggests, Violations& violations) const;
  void ReadValue(const Request& request, Reading& reading, Violations& violations) const;
  // `time`: nullptr when none is given.
  void ReadTime(const google::protobuf::Timestamp* time, Reading& reading,
                Violations& violations) const;
  // What the id says, as far as it is one.
  void ReadId(const std::string& decision_id, Reading& reading, Violations& violations) const;
  std::optional<uint32_t> ReadTreatment(const std::string& name, const std::string& path,
                                        bool suggests, Violations& violations) const;
  std::optional<uint32_t> ReadChannel(const std::string& name, Violations& violations) const;
  void SetOutcome(int outcome, Reading& reading) const;

  // Writes those that are genuine, counts all, and fills in one answer for each.
  void Record(absl::Span<const Reading> readings, absl::Span<Answer* const> answers) const;
  void Fill(const Reading& reading, const outcome::Result& result, Answer& answer) const;

  const Options options_;
  const customer::DecisionIds ids_;
  const outcome::OutcomeWriter writer_;
  // When the next problem of its kind is logged, Unix microseconds.
  mutable std::atomic<int64_t> next_damage_log_us_{0};
  mutable std::atomic<int64_t> next_failure_log_us_{0};
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_OUTCOME_SERVICE_H_
