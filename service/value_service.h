#ifndef ATTUNE_SERVICE_VALUE_SERVICE_H_
#define ATTUNE_SERVICE_VALUE_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "attune/v1/value_service.pb.h"
#include "lib/base/clock.h"
#include "lib/base/mutex.h"
#include "lib/base/violations.h"
#include "lib/storage/state_store.h"
#include "lib/strategy/strategy.h"
#include "service/value_updater.h"

namespace attune::service {

// attune.v1.ValueService without its transport: messages in, messages out. GetProfitCurve reads all
// customers and must not run on a thread that serves decisions. Thread-safe. What the methods do
// and answer: value_service.proto.
class ValueService {
 public:
  struct Options {
    std::shared_ptr<const strategy::Strategy> strategy;
    storage::StateStore* store = nullptr;   // outlives the service
    const Clock* clock = nullptr;           // outlives the service
    const ValueUpdater* updater = nullptr;  // outlives the service; nullptr: there are no scores
    int64_t max_report_customers = 20'000'000;  // 8 bytes each while a report is made
  };
  explicit ValueService(const Options& options) : options_(options) {}

  absl::Status ListScores(const attune::v1::ValueServiceListScoresRequest& request,
                          attune::v1::ValueServiceListScoresResponse* response,
                          Violations& violations) const;
  // Whether the work is to be given up; asked now and then. Empty: never.
  using Stopped = std::function<bool()>;
  absl::Status GetProfitCurve(const attune::v1::ValueServiceGetProfitCurveRequest& request,
                              attune::v1::ValueServiceGetProfitCurveResponse* response,
                              Violations& violations, const Stopped& stopped = nullptr) const;

 private:
  struct Scores {
    std::vector<double> values;
    int64_t without = 0;     // customers who have none
    int64_t unreadable = 0;  // customers whose records can't be read
  };
  // Of every customer.
  absl::Status ReadScores(size_t score, const Stopped& stopped, Scores& scores) const;
  // The index of the score of that name.
  size_t FindScore(const std::string& name, Violations& violations) const;

  const Options options_;
  mutable Mutex mutex_;
  mutable bool reporting_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_VALUE_SERVICE_H_
