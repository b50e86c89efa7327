#ifndef ATTUNE_TESTS_UNIT_CTL_FAKE_ATTUNED_H_
#define ATTUNE_TESTS_UNIT_CTL_FAKE_ATTUNED_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "attune/v1/customer_service.grpc.pb.h"
#include "attune/v1/decision_service.grpc.pb.h"
#include "attune/v1/model_service.grpc.pb.h"
#include "attune/v1/outcome_service.grpc.pb.h"
#include "attune/v1/strategy_service.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "lib/base/mutex.h"
#include "service/ctl/ctl.h"

namespace attune::ctl {

// Customers in memory, behind real gRPC. Thread-safe.
class FakeCustomers : public v1::CustomerService::Service {
 public:
  using Features = std::map<std::string, std::string>;  // values serialised

  // What the strategy declares: name and type.
  void Declare(const std::vector<std::pair<std::string, std::string>>& features);
  // Ids that BatchUpsert refuses.
  void Refuse(const std::string& id);
  // From this row on, over all calls, every BatchUpsert ends with the status.
  void FailFromRow(int64_t row, const grpc::Status& status);
  // What Get, Upsert and Erase answer instead of doing their work.
  void FailWith(const grpc::Status& status);
  // Makes BatchUpsert's answer count one row too few.
  void Miscount();

  std::map<std::string, Features> customers();
  std::vector<v1::CustomerServiceUpsertRequest> upserts();
  v1::CustomerServiceSetConsentRequest last_consent();
  v1::CustomerServiceRecordInteractionsRequest last_report();
  int64_t rows();
  int64_t calls();
  int64_t largest_message();

  grpc::Status ListFeatures(grpc::ServerContext*, const v1::CustomerServiceListFeaturesRequest*,
                            v1::CustomerServiceListFeaturesResponse*) override;
  grpc::Status BatchUpsert(grpc::ServerContext*,
                           grpc::ServerReader<v1::CustomerServiceBatchUpsertRequest>*,
                           v1::CustomerServiceBatchUpsertResponse*) override;
  grpc::Status Get(grpc::ServerContext*, const v1::CustomerServiceGetRequest*,
                   v1::CustomerServiceGetResponse*) override;
  grpc::Status Upsert(grpc::ServerContext*, const v1::CustomerServiceUpsertRequest*,
                      v1::CustomerServiceUpsertResponse*) override;
  // Answer that something changed.
  grpc::Status SetConsent(grpc::ServerContext*, const v1::CustomerServiceSetConsentRequest*,
                          v1::CustomerServiceSetConsentResponse*) override;
  grpc::Status RecordInteractions(grpc::ServerContext*,
                                  const v1::CustomerServiceRecordInteractionsRequest*,
                                  v1::CustomerServiceRecordInteractionsResponse*) override;
  grpc::Status Erase(grpc::ServerContext*, const v1::CustomerServiceEraseRequest*,
                     v1::CustomerServiceEraseResponse*) override;

 private:
  grpc::Status Write(const std::vector<std::string>& names, const v1::CustomerRow& row,
                     v1::CustomerServiceBatchUpsertResponse* response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  std::vector<v1::Feature> declared_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> refused_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Features> customers_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::CustomerServiceUpsertRequest> upserts_ ABSL_GUARDED_BY(mutex_);
  v1::CustomerServiceSetConsentRequest last_consent_ ABSL_GUARDED_BY(mutex_);
  v1::CustomerServiceRecordInteractionsRequest last_report_ ABSL_GUARDED_BY(mutex_);
  std::optional<int64_t> fail_from_row_ ABSL_GUARDED_BY(mutex_);
  grpc::Status batch_failure_ ABSL_GUARDED_BY(mutex_);
  grpc::Status failure_ ABSL_GUARDED_BY(mutex_);
  bool miscount_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t rows_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t largest_message_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Answers every Decide with what it was told. Thread-safe.
class FakeDecisions : public v1::DecisionService::Service {
 public:
  void AnswerWith(const v1::DecideResponse& response);
  void FailWith(const grpc::Status& status);
  v1::DecideRequest last_request();

  grpc::Status Decide(grpc::ServerContext*, const v1::DecideRequest*, v1::DecideResponse*) override;

 private:
  Mutex mutex_;
  v1::DecideResponse response_ ABSL_GUARDED_BY(mutex_);
  grpc::Status failure_ ABSL_GUARDED_BY(mutex_);
  v1::DecideRequest last_request_ ABSL_GUARDED_BY(mutex_);
};

// Stops in memory. Thread-safe.
class FakeStrategies : public v1::StrategyService::Service {
 public:
  v1::StrategyServiceSetStopRequest last_request();

  // Stops one thing after the other; lifting changes nothing.
  grpc::Status SetStop(grpc::ServerContext*, const v1::StrategyServiceSetStopRequest*,
                       v1::StrategyServiceSetStopResponse*) override;
  // Pages of one.
  grpc::Status ListStops(grpc::ServerContext*, const v1::StrategyServiceListStopsRequest*,
                         v1::StrategyServiceListStopsResponse*) override;
  grpc::Status ListStopChanges(grpc::ServerContext*,
                               const v1::StrategyServiceListStopChangesRequest*,
                               v1::StrategyServiceListStopChangesResponse*) override;
  // Two ramps in pages of one; without a stop there is none.
  grpc::Status ListRamps(grpc::ServerContext*, const v1::StrategyServiceListRampsRequest*,
                         v1::StrategyServiceListRampsResponse*) override;

 private:
  Mutex mutex_;
  std::vector<v1::StrategyServiceSetStopRequest> requests_ ABSL_GUARDED_BY(mutex_);
};

// Takes outcomes. Thread-safe.
class FakeOutcomes : public v1::OutcomeService::Service {
 public:
  v1::OutcomeServiceRecordOutcomeRequest last_outcome();
  v1::OutcomeServiceActivateRequest last_activation();

  // Answers that the treatment was not offered.
  grpc::Status RecordOutcome(grpc::ServerContext*, const v1::OutcomeServiceRecordOutcomeRequest*,
                             v1::OutcomeServiceRecordOutcomeResponse*) override;
  // Answers that each is recorded.
  grpc::Status Activate(grpc::ServerContext*, const v1::OutcomeServiceActivateRequest*,
                        v1::OutcomeServiceActivateResponse*) override;

 private:
  Mutex mutex_;
  v1::OutcomeServiceRecordOutcomeRequest last_outcome_ ABSL_GUARDED_BY(mutex_);
  v1::OutcomeServiceActivateRequest last_activation_ ABSL_GUARDED_BY(mutex_);
};

// Tells success rates: two pages of one row each, whatever page size is asked for. Thread-safe.
class FakeModels : public v1::ModelService::Service {
 public:
  grpc::Status ListRates(grpc::ServerContext*, const v1::ModelServiceListRatesRequest*,
                         v1::ModelServiceListRatesResponse*) override;
};

// All services on a free port.
class FakeAttuned {
 public:
  FakeAttuned();
  ~FakeAttuned();

  std::string address() const { return address_; }
  FakeCustomers& customers() { return customers_; }
  FakeDecisions& decisions() { return decisions_; }
  FakeStrategies& strategies() { return strategies_; }
  FakeOutcomes& outcomes() { return outcomes_; }

 private:
  FakeCustomers customers_;
  FakeDecisions decisions_;
  FakeStrategies strategies_;
  FakeOutcomes outcomes_;
  FakeModels models_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

// What a run of attunectl left behind.
struct CtlRun {
  int status = 0;
  std::string out;
  std::string err;
};

// How attunectl is run, besides its arguments.
struct CtlSetup {
  std::string in;
  bool in_is_terminal = false;
  bool err_is_terminal = false;
};

CtlRun RunAttunectl(const std::vector<std::string>& arguments, const CtlSetup& setup = {});

}  // namespace attune::ctl

#endif  // ATTUNE_TESTS_UNIT_CTL_FAKE_ATTUNED_H_
