#ifndef ATTUNE_TESTS_INTEGRATION_CLIENT_H_
#define ATTUNE_TESTS_INTEGRATION_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "attune/v1/customer_service.grpc.pb.h"
#include "attune/v1/decision_service.grpc.pb.h"
#include "attune/v1/model_service.grpc.pb.h"
#include "attune/v1/outcome_service.grpc.pb.h"
#include "attune/v1/strategy_service.grpc.pb.h"
#include "attune/v1/value_service.grpc.pb.h"
#include "google/protobuf/message.h"
#include "grpcpp/grpcpp.h"
#include "tests/testing/value_messages.h"

namespace attune::service {

// How a call ended.
template <typename Response>
struct Answer {
  grpc::Status status;
  Response response;

  bool ok() const { return status.ok(); }
  grpc::StatusCode code() const { return status.error_code(); }
};

// What an error says about one field of the request.
struct FieldProblem {
  std::string field;
  std::string description;
};

// A connection of its own to a server on this machine, with the methods as plain functions; each
// call has a deadline, so that a test fails instead of hanging. Thread-safe.
class Client {
 public:
  explicit Client(int port);

  Answer<v1::DecideResponse> Decide(const v1::DecideRequest& request) const;
  Answer<v1::CustomerServiceGetResponse> Get(const std::string& customer_id) const;
  Answer<v1::CustomerServiceUpsertResponse> Upsert(
      const v1::CustomerServiceUpsertRequest& request) const;
  Answer<v1::CustomerServiceEraseResponse> Erase(const std::string& customer_id) const;
  Answer<v1::CustomerServiceListFeaturesResponse> ListFeatures(
      int page_size = 0, const std::string& page_token = "") const;

  Answer<v1::CustomerServiceSetConsentResponse> SetConsent(
      const v1::CustomerServiceSetConsentRequest& request) const;
  Answer<v1::CustomerServiceRecordInteractionsResponse> RecordInteractions(
      const v1::CustomerServiceRecordInteractionsRequest& request) const;
  Answer<v1::OutcomeServiceRecordOutcomeResponse> RecordOutcome(
      const v1::OutcomeServiceRecordOutcomeRequest& request) const;
  Answer<v1::OutcomeServiceActivateResponse> Activate(
      const v1::OutcomeServiceActivateRequest& request) const;
  // One RecordOutcomes stream of one message.
  Answer<v1::OutcomeServiceRecordOutcomesResponse> RecordOutcomes(
      const v1::OutcomeServiceRecordOutcomesRequest& message) const;
  Answer<v1::StrategyServiceSetStopResponse> SetStop(
      const v1::StrategyServiceSetStopRequest& request) const;

  // One BatchRecordInteractions stream of these messages.
  Answer<v1::CustomerServiceBatchRecordInteractionsResponse> BatchRecordInteractions(
      const std::vector<v1::CustomerServiceBatchRecordInteractionsRequest>& messages) const;

  // One BatchUpsert stream of these messages.
  Answer<v1::CustomerServiceBatchUpsertResponse> BatchUpsert(
      const std::vector<v1::CustomerServiceBatchUpsertRequest>& messages) const;

  // One PutModel stream: the header with the size filled in, then the content in pieces.
  Answer<v1::ModelServicePutModelResponse> PutModel(v1::ModelHeader header,
                                                    const std::string& content,
                                                    size_t piece_bytes = 1 << 20) const;
  Answer<v1::ModelServiceListModelsResponse> ListModels(const std::string& name = "") const;
  Answer<v1::ModelServiceActivateModelResponse> ActivateModel(const std::string& name,
                                                              const std::string& hash) const;

  // One DecideStream: `next` fills requests until it returns false, on a thread of its own, after
  // which the stream is half-closed; `visit` gets the answers as they arrive.
  grpc::Status DecideStream(
      const std::function<bool(v1::DecideStreamRequest&)>& next,
      const std::function<void(const v1::DecideStreamResponse&)>& visit) const;

  // What health checking says: "SERVING", "NOT_SERVING", or the code of the failed call as a
  // number.
  std::string Health(const std::string& service = "") const;

  // Sends bytes as the request of a unary call, for example "/attune.v1.DecisionService/Decide".
  grpc::Status CallWithBytes(const std::string& method, const std::string& bytes,
                             std::string* answer = nullptr) const;

  v1::DecisionService::Stub& decisions() const { return *decisions_; }
  v1::CustomerService::Stub& customers() const { return *customers_; }
  v1::ModelService::Stub& models() const { return *models_; }
  v1::OutcomeService::Stub& outcomes() const { return *outcomes_; }
  v1::StrategyService::Stub& strategies() const { return *strategies_; }
  v1::ValueService::Stub& values() const { return *values_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::DecisionService::Stub> decisions_;
  const std::unique_ptr<v1::CustomerService::Stub> customers_;
  const std::unique_ptr<v1::ModelService::Stub> models_;
  const std::unique_ptr<v1::OutcomeService::Stub> outcomes_;
  const std::unique_ptr<v1::StrategyService::Stub> strategies_;
  const std::unique_ptr<v1::ValueService::Stub> values_;
};

// Gives the call a deadline that only a hanging server misses.
void SetDeadline(grpc::ClientContext& context);

// The violations that an error carries.
std::vector<FieldProblem> ProblemsOf(const grpc::Status& status);
// Their fields.
std::vector<std::string> FieldsOf(const grpc::Status& status);

// The message's bytes, with maps in the order of their keys: equal messages give equal bytes.
std::string Bytes(const google::protobuf::Message& message);

// Values as messages.
using testing::Bool;
using testing::Double;
using testing::Int;
using testing::List;
using testing::String;
using testing::Timestamp;
v1::Value Timestamp(absl::Time value);

google::protobuf::Timestamp ToProtoTime(absl::Time time);
absl::Time FromProtoTime(const google::protobuf::Timestamp& time);

// Requests with what nearly every one has.
v1::DecideRequest DecideFor(const std::string& customer_id, const std::string& channel,
                            const std::string& intent = "");
v1::CustomerServiceUpsertRequest UpsertOf(
    const std::string& customer_id,
    const std::vector<std::pair<std::string, v1::Value>>& features = {});
v1::CustomerServiceBatchUpsertRequest RowsOf(
    const std::vector<std::string>& feature_names,
    const std::vector<std::pair<std::string, std::vector<v1::Value>>>& rows);

}  // namespace attune::service

#endif  // ATTUNE_TESTS_INTEGRATION_CLIENT_H_
