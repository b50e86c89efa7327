#include "tests/integration/client.h"

#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/generic/generic_stub.h"

namespace attune::service {
namespace {

constexpr std::chrono::seconds kCallDeadline(60);

std::shared_ptr<grpc::Channel> NewChannel(int port) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port),
                                   grpc::InsecureChannelCredentials(), arguments);
}

// Calls a unary method of a stub.
template <typename Stub, typename Request, typename Response>
Answer<Response> Call(Stub& stub,
                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      const Request& request) {
  Answer<Response> answer;
  grpc::ClientContext context;
  SetDeadline(context);
  answer.status = (stub.*method)(&context, request, &answer.response);
  return answer;
}

// Sends the messages of a client stream and waits for the answer's status.
template <typename Request, typename Response>
void SendAll(grpc::ClientWriterInterface<Request>& stream, const std::vector<Request>& messages,
             Answer<Response>& answer) {
  for (const Request& message : messages) {
    if (!stream.Write(message)) break;
  }
  stream.WritesDone();
  answer.status = stream.Finish();
}

}  // namespace

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + kCallDeadline);
}

Client::Client(int port)
    : channel_(NewChannel(port)),
      decisions_(v1::DecisionService::NewStub(channel_)),
      customers_(v1::CustomerService::NewStub(channel_)),
      models_(v1::ModelService::NewStub(channel_)),
      outcomes_(v1::OutcomeService::NewStub(channel_)),
      strategies_(v1::StrategyService::NewStub(channel_)),
      values_(v1::ValueService::NewStub(channel_)) {}

Answer<v1::DecideResponse> Client::Decide(const v1::DecideRequest& request) const {
  return Call(*decisions_, &v1::DecisionService::Stub::Decide, request);
}

Answer<v1::CustomerServiceGetResponse> Client::Get(const std::string& customer_id) const {
  v1::CustomerServiceGetRequest request;
  request.set_customer_id(customer_id);
  return Call(*customers_, &v1::CustomerService::Stub::Get, request);
}

Answer<v1::CustomerServiceUpsertResponse> Client::Upsert(
    const v1::CustomerServiceUpsertRequest& request) const {
  return Call(*customers_, &v1::CustomerService::Stub::Upsert, request);
}

Answer<v1::CustomerServiceEraseResponse> Client::Erase(const std::string& customer_id) const {
  v1::CustomerServiceEraseRequest request;
  request.set_customer_id(customer_id);
  return Call(*customers_, &v1::CustomerService::Stub::Erase, request);
}

Answer<v1::CustomerServiceListFeaturesResponse> Client::ListFeatures(
    int page_size, const std::string& page_token) const {
  v1::CustomerServiceListFeaturesRequest request;
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  return Call(*customers_, &v1::CustomerService::Stub::ListFeatures, request);
}

Answer<v1::CustomerServiceSetConsentResponse> Client::SetConsent(
    const v1::CustomerServiceSetConsentRequest& request) const {
  return Call(*customers_, &v1::CustomerService::Stub::SetConsent, request);
}

Answer<v1::CustomerServiceRecordInteractionsResponse> Client::RecordInteractions(
    const v1::CustomerServiceRecordInteractionsRequest& request) const {
  return Call(*customers_, &v1::CustomerService::Stub::RecordInteractions, request);
}

Answer<v1::OutcomeServiceRecordOutcomeResponse> Client::RecordOutcome(
    const v1::OutcomeServiceRecordOutcomeRequest& request) const {
  return Call(*outcomes_, &v1::OutcomeService::Stub::RecordOutcome, request);
}

Answer<v1::OutcomeServiceActivateResponse> Client::Activate(
    const v1::OutcomeServiceActivateRequest& request) const {
  return Call(*outcomes_, &v1::OutcomeService::Stub::Activate, request);
}

Answer<v1::OutcomeServiceRecordOutcomesResponse> Client::RecordOutcomes(
    const v1::OutcomeServiceRecordOutcomesRequest& message) const {
  Answer<v1::OutcomeServiceRecordOutcomesResponse> answer;
  grpc::ClientContext context;
  SetDeadline(context);
  const auto stream = outcomes_->RecordOutcomes(&context);
  stream->Write(message);
  stream->WritesDone();
  stream->Read(&answer.response);
  answer.status = stream->Finish();
  return answer;
}

Answer<v1::StrategyServiceSetStopResponse> Client::SetStop(
    const v1::StrategyServiceSetStopRequest& request) const {
  return Call(*strategies_, &v1::StrategyService::Stub::SetStop, request);
}

Answer<v1::CustomerServiceBatchRecordInteractionsResponse> Client::BatchRecordInteractions(
    const std::vector<v1::CustomerServiceBatchRecordInteractionsRequest>& messages) const {
  Answer<v1::CustomerServiceBatchRecordInteractionsResponse> answer;
  grpc::ClientContext context;
  SetDeadline(context);
  SendAll(*customers_->BatchRecordInteractions(&context, &answer.response), messages, answer);
  return answer;
}

Answer<v1::CustomerServiceBatchUpsertResponse> Client::BatchUpsert(
    const std::vector<v1::CustomerServiceBatchUpsertRequest>& messages) const {
  Answer<v1::CustomerServiceBatchUpsertResponse> answer;
  grpc::ClientContext context;
  SetDeadline(context);
  SendAll(*customers_->BatchUpsert(&context, &answer.response), messages, answer);
  return answer;
}

Answer<v1::ModelServicePutModelResponse> Client::PutModel(v1::ModelHeader header,
                                                          const std::string& content,
                                                          size_t piece_bytes) const {
  header.set_size_bytes(std::ssize(content));
  std::vector<v1::ModelServicePutModelRequest> messages(1);
  *messages[0].mutable_header() = std::move(header);
  for (size_t i = 0; i < content.size(); i += piece_bytes) {
    messages.emplace_back().set_content(content.substr(i, piece_bytes));
  }
  Answer<v1::ModelServicePutModelResponse> answer;
  grpc::ClientContext context;
  SetDeadline(context);
  SendAll(*models_->PutModel(&context, &answer.response), messages, answer);
  return answer;
}

Answer<v1::ModelServiceListModelsResponse> Client::ListModels(const std::string& name) const {
  v1::ModelServiceListModelsRequest request;
  request.set_name(name);
  return Call(*models_, &v1::ModelService::Stub::ListModels, request);
}

Answer<v1::ModelServiceActivateModelResponse> Client::ActivateModel(const std::string& name,
                                                                    const std::string& hash) const {
  v1::ModelServiceActivateModelRequest request;
  request.set_name(name);
  request.set_hash(hash);
  return Call(*models_, &v1::ModelService::Stub::ActivateModel, request);
}

grpc::Status Client::DecideStream(
    const std::function<bool(v1::DecideStreamRequest&)>& next,
    const std::function<void(const v1::DecideStreamResponse&)>& visit) const {
  grpc::ClientContext context;
  SetDeadline(context);
  const auto stream = decisions_->DecideStream(&context);
  std::thread writer([&] {
    v1::DecideStreamRequest request;
    for (; next(request); request.Clear()) {
      if (!stream->Write(request, grpc::WriteOptions().set_buffer_hint())) break;
    }
    stream->WritesDone();
  });
  v1::DecideStreamResponse response;
  while (stream->Read(&response)) visit(response);
  writer.join();
  return stream->Finish();
}

std::string Client::Health(const std::string& service) const {
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  std::string bytes;
  const grpc::Status status =
      CallWithBytes("/grpc.health.v1.Health/Check", request.SerializeAsString(), &bytes);
  if (!status.ok()) return absl::StrCat(static_cast<int>(status.error_code()));
  grpc::health::v1::HealthCheckResponse response;
  response.ParseFromString(bytes);
  return grpc::health::v1::HealthCheckResponse::ServingStatus_Name(response.status());
}

grpc::Status Client::CallWithBytes(const std::string& method, const std::string& bytes,
                                   std::string* answer) const {
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  SetDeadline(context);
  grpc::CompletionQueue queue;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  const auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (status.ok() && answer != nullptr) {
    grpc::Slice whole;
    response.DumpToSingleSlice(&whole).IgnoreError();
    answer->assign(reinterpret_cast<const char*>(whole.begin()), whole.size());
  }
  return status;
}

std::vector<FieldProblem> ProblemsOf(const grpc::Status& status) {
  std::vector<FieldProblem> problems;
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::BadRequest bad_request;
    if (!detail.UnpackTo(&bad_request)) continue;
    for (const auto& violation : bad_request.field_violations()) {
      problems.push_back({violation.field(), violation.description()});
    }
  }
  return problems;
}

std::vector<std::string> FieldsOf(const grpc::Status& status) {
  std::vector<std::string> fields;
  for (FieldProblem& problem : ProblemsOf(status)) fields.push_back(std::move(problem.field));
  return fields;
}

std::string Bytes(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&out);
  out.Trim();
  return bytes;
}

v1::Value Timestamp(absl::Time value) {
  const google::protobuf::Timestamp time = ToProtoTime(value);
  return testing::Timestamp(time.seconds(), time.nanos());
}

google::protobuf::Timestamp ToProtoTime(absl::Time time) {
  google::protobuf::Timestamp message;
  const int64_t seconds = absl::ToUnixSeconds(time);
  message.set_seconds(seconds);
  message.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return message;
}

absl::Time FromProtoTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

v1::DecideRequest DecideFor(const std::string& customer_id, const std::string& channel,
                            const std::string& intent) {
  v1::DecideRequest request;
  request.set_customer_id(customer_id);
  request.set_channel(channel);
  request.set_intent(intent);
  return request;
}

v1::CustomerServiceUpsertRequest UpsertOf(
    const std::string& customer_id,
    const std::vector<std::pair<std::string, v1::Value>>& features) {
  v1::CustomerServiceUpsertRequest request;
  request.mutable_customer()->set_customer_id(customer_id);
  for (const auto& [name, value] : features) {
    (*request.mutable_customer()->mutable_features())[name] = value;
  }
  return request;
}

v1::CustomerServiceBatchUpsertRequest RowsOf(
    const std::vector<std::string>& feature_names,
    const std::vector<std::pair<std::string, std::vector<v1::Value>>>& rows) {
  v1::CustomerServiceBatchUpsertRequest request;
  for (const std::string& name : feature_names) request.add_feature_names(name);
  for (const auto& [customer_id, values] : rows) {
    v1::CustomerRow* row = request.add_rows();
    row->set_customer_id(customer_id);
    for (const v1::Value& value : values) *row->add_values() = value;
  }
  return request;
}

}  // namespace attune::service
