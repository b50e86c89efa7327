#include "tests/unit/ctl/fake_attuned.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace attune::ctl {

void FakeCustomers::Declare(const std::vector<std::pair<std::string, std::string>>& features) {
  MutexLock lock(mutex_);
  declared_.clear();
  for (const auto& [name, type] : features) {
    v1::Feature feature;
    feature.set_name(name);
    feature.set_type(type);
    declared_.push_back(std::move(feature));
  }
}

void FakeCustomers::Refuse(const std::string& id) {
  MutexLock lock(mutex_);
  refused_.insert(id);
}

void FakeCustomers::FailFromRow(int64_t row, const grpc::Status& status) {
  MutexLock lock(mutex_);
  fail_from_row_ = row;
  batch_failure_ = status;
}

void FakeCustomers::FailWith(const grpc::Status& status) {
  MutexLock lock(mutex_);
  failure_ = status;
}

void FakeCustomers::Miscount() {
  MutexLock lock(mutex_);
  miscount_ = true;
}

std::map<std::string, FakeCustomers::Features> FakeCustomers::customers() {
  MutexLock lock(mutex_);
  return customers_;
}

std::vector<v1::CustomerServiceUpsertRequest> FakeCustomers::upserts() {
  MutexLock lock(mutex_);
  return upserts_;
}

int64_t FakeCustomers::rows() {
  MutexLock lock(mutex_);
  return rows_;
}

int64_t FakeCustomers::calls() {
  MutexLock lock(mutex_);
  return calls_;
}

int64_t FakeCustomers::largest_message() {
  MutexLock lock(mutex_);
  return largest_message_;
}

grpc::Status FakeCustomers::ListFeatures(grpc::ServerContext*,
                                         const v1::CustomerServiceListFeaturesRequest* request,
                                         v1::CustomerServiceListFeaturesResponse* response) {
  MutexLock lock(mutex_);
  // Pages of two, so that everybody has to turn them.
  size_t index = 0;
  if (!request->page_token().empty()) index = std::stoul(request->page_token());
  for (const size_t end = std::min(index + 2, declared_.size()); index < end; ++index) {
    *response->add_features() = declared_[index];
  }
  if (index < declared_.size()) response->set_next_page_token(absl::StrCat(index));
  response->set_strategy_version("fake@0123456789ab");
  return grpc::Status::OK;
}

grpc::Status FakeCustomers::Write(const std::vector<std::string>& names, const v1::CustomerRow& row,
                                  v1::CustomerServiceBatchUpsertResponse* response) {
  if (fail_from_row_.has_value() && rows_ >= *fail_from_row_) return batch_failure_;
  ++rows_;
  const int64_t index = response->received();
  response->set_received(index + 1);
  if (static_cast<size_t>(row.values_size()) != names.size()) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "values and names differ"};
  }
  if (refused_.contains(row.customer_id())) {
    response->set_rejected(response->rejected() + 1);
    v1::RejectedRow* rejected = response->add_rejected_rows();
    rejected->set_row_index(index);
    rejected->set_reason(absl::StrCat("refused, \"", row.customer_id(), "\""));
    return grpc::Status::OK;
  }
  const bool created = !customers_.contains(row.customer_id());
  Features& features = customers_[row.customer_id()];
  const Features before = features;
  for (size_t i = 0; i < names.size(); ++i) {
    const v1::Value& value = row.values(static_cast<int>(i));
    if (value.kind_case() == v1::Value::KIND_NOT_SET) continue;
    features[names[i]] = value.SerializeAsString();
  }
  if (created) {
    response->set_created(response->created() + 1);
  } else if (features != before) {
    response->set_updated(response->updated() + 1);
  } else {
    response->set_unchanged(response->unchanged() + 1);
  }
  return grpc::Status::OK;
}

grpc::Status FakeCustomers::BatchUpsert(
    grpc::ServerContext*, grpc::ServerReader<v1::CustomerServiceBatchUpsertRequest>* reader,
    v1::CustomerServiceBatchUpsertResponse* response) {
  v1::CustomerServiceBatchUpsertRequest request;
  std::vector<std::string> names;
  while (reader->Read(&request)) {
    MutexLock lock(mutex_);
    largest_message_ = std::max(largest_message_, static_cast<int64_t>(request.ByteSizeLong()));
    if (request.feature_names_size() > 0) {
      names.assign(request.feature_names().begin(), request.feature_names().end());
    }
    for (const v1::CustomerRow& row : request.rows()) {
      if (grpc::Status status = Write(names, row, response); !status.ok()) return status;
    }
  }
  MutexLock lock(mutex_);
  ++calls_;
  if (miscount_) response->set_received(response->received() - 1);
  return grpc::Status::OK;
}

grpc::Status FakeCustomers::Get(grpc::ServerContext*, const v1::CustomerServiceGetRequest* request,
                                v1::CustomerServiceGetResponse* response) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  const auto found = customers_.find(request->customer_id());
  if (found == customers_.end()) return {grpc::StatusCode::NOT_FOUND, "nothing is held"};
  response->mutable_customer()->set_customer_id(request->customer_id());
  for (const auto& [name, value] : found->second) {
    (*response->mutable_customer()->mutable_features())[name].ParseFromString(value);
  }
  response->set_version(7);
  response->set_decision_count(1234);
  v1::PastDecision* decision = response->add_recent_decisions();
  decision->mutable_time()->set_seconds(1772323200);
  decision->set_channel("app");
  decision->set_treatment_id("fast_track");
  v1::Interaction* interaction = response->add_recent_interactions();
  *interaction->mutable_time() = decision->time();
  interaction->set_channel("app");
  interaction->set_treatment_id("fast_track");
  interaction->set_outcome("decided");
  *response->add_recent_interactions() = *interaction;
  response->mutable_recent_interactions(1)->set_outcome("accepted");
  v1::Consent* consent = response->add_consents();
  consent->set_purpose("marketing");
  consent->set_source("web form");
  *consent->mutable_time() = decision->time();
  *response->add_consents() = *consent;
  response->mutable_consents(1)->set_channel("email");
  response->mutable_consents(1)->set_granted(true);
  return grpc::Status::OK;
}

v1::CustomerServiceSetConsentRequest FakeCustomers::last_consent() {
  MutexLock lock(mutex_);
  return last_consent_;
}

v1::CustomerServiceRecordInteractionsRequest FakeCustomers::last_report() {
  MutexLock lock(mutex_);
  return last_report_;
}

grpc::Status FakeCustomers::SetConsent(grpc::ServerContext*,
                                       const v1::CustomerServiceSetConsentRequest* request,
                                       v1::CustomerServiceSetConsentResponse* response) {
  MutexLock lock(mutex_);
  last_consent_ = *request;
  response->set_changed(true);
  response->set_version(9);
  return failure_;
}

grpc::Status FakeCustomers::RecordInteractions(
    grpc::ServerContext*, const v1::CustomerServiceRecordInteractionsRequest* request,
    v1::CustomerServiceRecordInteractionsResponse* response) {
  MutexLock lock(mutex_);
  last_report_ = *request;
  response->set_recorded(request->interactions_size());
  response->set_version(10);
  return failure_;
}

grpc::Status FakeCustomers::Upsert(grpc::ServerContext*,
                                   const v1::CustomerServiceUpsertRequest* request,
                                   v1::CustomerServiceUpsertResponse* response) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  upserts_.push_back(*request);
  response->set_version(8);
  response->set_created(!customers_.contains(request->customer().customer_id()));
  return grpc::Status::OK;
}

grpc::Status FakeCustomers::Erase(grpc::ServerContext*,
                                  const v1::CustomerServiceEraseRequest* request,
                                  v1::CustomerServiceEraseResponse* response) {
  MutexLock lock(mutex_);
  if (!failure_.ok()) return failure_;
  response->set_erased(customers_.erase(request->customer_id()) > 0);
  response->set_erased_events(response->erased() ? 3 : 0);
  return grpc::Status::OK;
}

void FakeDecisions::AnswerWith(const v1::DecideResponse& response) {
  MutexLock lock(mutex_);
  response_ = response;
}

void FakeDecisions::FailWith(const grpc::Status& status) {
  MutexLock lock(mutex_);
  failure_ = status;
}

v1::DecideRequest FakeDecisions::last_request() {
  MutexLock lock(mutex_);
  return last_request_;
}

grpc::Status FakeDecisions::Decide(grpc::ServerContext*, const v1::DecideRequest* request,
                                   v1::DecideResponse* response) {
  MutexLock lock(mutex_);
  last_request_ = *request;
  if (!failure_.ok()) return failure_;
  *response = response_;
  return grpc::Status::OK;
}

v1::StrategyServiceSetStopRequest FakeStrategies::last_request() {
  MutexLock lock(mutex_);
  return requests_.back();
}

grpc::Status FakeStrategies::SetStop(grpc::ServerContext*,
                                     const v1::StrategyServiceSetStopRequest* request,
                                     v1::StrategyServiceSetStopResponse* response) {
  MutexLock lock(mutex_);
  requests_.push_back(*request);
  response->set_changed(request->stopped());
  return grpc::Status::OK;
}

grpc::Status FakeStrategies::ListStops(grpc::ServerContext*,
                                       const v1::StrategyServiceListStopsRequest* request,
                                       v1::StrategyServiceListStopsResponse* response) {
  MutexLock lock(mutex_);
  response->set_total_size(static_cast<int>(requests_.size()));
  const size_t index = request->page_token().empty() ? 0 : std::stoul(request->page_token());
  if (index >= requests_.size()) return grpc::Status::OK;
  const v1::StrategyServiceSetStopRequest& set = requests_[index];
  v1::Stop* stop = response->add_stops();
  if (set.has_group()) {
    stop->set_group(set.group());
  } else {
    stop->set_treatment_id(set.treatment_id());
  }
  stop->set_by(set.by());
  stop->set_because(set.because());
  stop->mutable_time()->set_seconds(1772323200);
  stop->set_in_force(index == 0);
  if (index + 1 < requests_.size()) response->set_next_page_token(absl::StrCat(index + 1));
  return grpc::Status::OK;
}

grpc::Status FakeStrategies::ListStopChanges(
    grpc::ServerContext*, const v1::StrategyServiceListStopChangesRequest* request,
    v1::StrategyServiceListStopChangesResponse* response) {
  MutexLock lock(mutex_);
  for (const v1::StrategyServiceSetStopRequest& set : requests_) {
    if (response->changes_size() == request->page_size()) break;
    v1::StopChange* change = response->add_changes();
    change->set_treatment_id(set.treatment_id());
    change->set_stopped(set.stopped());
    change->set_by(set.by());
    change->set_because(set.because());
    change->mutable_time()->set_seconds(1772323200);
  }
  return grpc::Status::OK;
}

v1::OutcomeServiceRecordOutcomeRequest FakeOutcomes::last_outcome() {
  MutexLock lock(mutex_);
  return last_outcome_;
}

v1::OutcomeServiceActivateRequest FakeOutcomes::last_activation() {
  MutexLock lock(mutex_);
  return last_activation_;
}

grpc::Status FakeOutcomes::RecordOutcome(grpc::ServerContext*,
                                         const v1::OutcomeServiceRecordOutcomeRequest* request,
                                         v1::OutcomeServiceRecordOutcomeResponse* response) {
  MutexLock lock(mutex_);
  last_outcome_ = *request;
  response->set_status(v1::OUTCOME_STATUS_NOT_OFFERED);
  response->set_treatment_id(request->treatment_id());
  return grpc::Status::OK;
}

grpc::Status FakeOutcomes::Activate(grpc::ServerContext*,
                                    const v1::OutcomeServiceActivateRequest* request,
                                    v1::OutcomeServiceActivateResponse* response) {
  MutexLock lock(mutex_);
  last_activation_ = *request;
  for (const std::string& treatment : request->treatment_ids()) {
    auto* showing = response->add_showings();
    showing->set_status(v1::OUTCOME_STATUS_RECORDED);
    showing->set_treatment_id(treatment);
  }
  return grpc::Status::OK;
}

grpc::Status FakeStrategies::ListRamps(grpc::ServerContext*,
                                       const v1::StrategyServiceListRampsRequest* request,
                                       v1::StrategyServiceListRampsResponse* response) {
  MutexLock lock(mutex_);
  if (requests_.empty()) return grpc::Status::OK;
  const bool is_first = request->page_token().empty();
  v1::TreatmentRamp* ramp = response->add_ramps();
  ramp->set_treatment_id(is_first ? "upgrade" : "bundle");
  ramp->set_share(is_first ? 0.55 : 0.99999);
  ramp->set_evidence(is_first ? 10 : 999);
  ramp->set_full_at(is_first ? 20 : 1000);
  ramp->set_from(0.1);
  ramp->set_counted(is_first ? "accepted, rejected" : "decided");
  response->set_total_size(2);
  if (is_first) response->set_next_page_token("1");
  return grpc::Status::OK;
}

grpc::Status FakeModels::ListRates(grpc::ServerContext*,
                                   const v1::ModelServiceListRatesRequest* request,
                                   v1::ModelServiceListRatesResponse* response) {
  const bool is_first = request->page_token().empty();
  v1::TreatmentRate* rate = response->add_rates();
  rate->set_treatment_id(is_first ? "upgrade" : "gift");
  rate->set_channel("app");
  rate->set_shown(is_first ? 4 : 1200);
  rate->set_positives(is_first ? 3 : 300);
  rate->set_rate(is_first ? 0.75 : 0.25);
  rate->set_low(is_first ? 0.3006 : 0.2263);
  rate->set_high(is_first ? 0.9544 : 0.2753);
  rate->set_mean_reward(is_first ? 21.5 : -0.4);
  response->set_total_size(2);
  response->set_currency("EUR");
  if (is_first) response->set_next_page_token("1");
  return grpc::Status::OK;
}

FakeAttuned::FakeAttuned() {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&customers_);
  builder.RegisterService(&decisions_);
  builder.RegisterService(&strategies_);
  builder.RegisterService(&outcomes_);
  builder.RegisterService(&models_);
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeAttuned::~FakeAttuned() { server_->Shutdown(std::chrono::system_clock::now()); }

CtlRun RunAttunectl(const std::vector<std::string>& arguments, const CtlSetup& setup) {
  std::istringstream in(setup.in);
  std::ostringstream out;
  std::ostringstream err;
  Console console{in, out, err, setup.in_is_terminal, setup.err_is_terminal};
  const int status = RunCtl(arguments, console);
  return {status, out.str(), err.str()};
}

}  // namespace attune::ctl
