#include "service/rpc_services.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/text.h"
#include "service/rpc/rpc_status.h"
#include "spdlog/spdlog.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;
using rpc::CallContext;
using rpc::ReplyOf;
using rpc::RpcStatus;

// Decisions that wait for other processes run on so many threads of their own, which mostly sleep:
// with answers in 10 ms that is 6400 decisions a second.
constexpr int kThreadsOfWaitingDecisions = 64;

// Calls of RecordOutcome that share a sync of the disk at most: as many as one write takes.
constexpr int kOutcomesWrittenTogether = 128;
static_assert(size_t{kOutcomesWrittenTogether} <= outcome::kMaxReports);

RpcStatus ToRpcStatus(absl::Status status, Violations violations) {
  if (!violations.empty()) return RpcStatus::Invalid(std::move(violations));
  return RpcStatus(std::move(status));
}

// Answers calls with a method of a service.
template <typename Service, typename Method>
auto HandlerOf(const Service& service, Method method) {
  return [&service, method](CallContext&, const auto& request, auto reply) {
    Violations violations;
    absl::Status status = (service.*method)(request, &reply.message(), violations);
    return ToRpcStatus(std::move(status), std::move(violations));
  };
}

// One call of a method that takes a stream of messages as one batch.
template <typename Request, typename Response, typename Batch>
class BatchStream : public rpc::ClientStreamOf<Request, Response> {
 public:
  explicit BatchStream(Batch batch) : batch_(std::move(batch)) {}

  RpcStatus OnMessage(CallContext&, const Request& request) override {
    Violations violations;
    absl::Status status = batch_.Add(request, violations);
    return ToRpcStatus(std::move(status), std::move(violations));
  }

  RpcStatus OnDone(CallContext&, ReplyOf<Response> reply) override {
    return batch_.Finish(&reply.message());
  }

 private:
  Batch batch_;
};
using UpsertStream = BatchStream<pb::CustomerServiceBatchUpsertRequest,
                                 pb::CustomerServiceBatchUpsertResponse, CustomerService::Batch>;
using InteractionStream =
    BatchStream<pb::CustomerServiceBatchRecordInteractionsRequest,
                pb::CustomerServiceBatchRecordInteractionsResponse, HistoryService::Batch>;

// One PutModel call.
class ModelStream : public rpc::ClientStreamOf<pb::ModelServicePutModelRequest,
                                               pb::ModelServicePutModelResponse> {
 public:
  explicit ModelStream(const ModelService* models) : upload_(models) {}

  RpcStatus OnMessage(CallContext&, const pb::ModelServicePutModelRequest& request) override {
    Violations violations;
    absl::Status status = upload_.Add(request, violations);
    return ToRpcStatus(std::move(status), std::move(violations));
  }

  RpcStatus OnDone(CallContext&, ReplyOf<pb::ModelServicePutModelResponse> reply) override {
    Violations violations;
    absl::Status status = upload_.Finish(&reply.message(), violations);
    return ToRpcStatus(std::move(status), std::move(violations));
  }

 private:
  ModelService::Upload upload_;
};

// Until when the caller of a decision waits; asked for only where it matters.
absl::Time DeadlineOf(const DecisionService& decisions, const CallContext& call) {
  return decisions.waits() ? call.deadline() : absl::InfiniteFuture();
}

// What one message of a DecideStream asks for.
RpcStatus DecideOne(DecisionService& decisions, const CallContext& call,
                    const pb::DecideStreamRequest& request,
                    ReplyOf<pb::DecideStreamResponse> reply) {
  if (!request.correlation_id().empty()) {
    // Without an id that can be trusted the caller could not match the answer: the stream ends.
    if (const auto problem = IdProblem(request.correlation_id(), kMaxRequestIdBytes)) {
      Violations violations;
      violations.Add("correlation_id", *problem);
      return RpcStatus::Invalid(std::move(violations));
    }
  }
  Violations violations;
  thread_local std::string answer;  // kept for its capacity
  answer.clear();
  absl::Status status =
      decisions.Decide(request.decide(), &answer, violations, DeadlineOf(decisions, call));
  if (!status.ok()) {
    pb::DecideStreamResponse& response = reply.message();
    response.set_correlation_id(request.correlation_id());
    ToRpcStatus(std::move(status), std::move(violations)).ToProto(*response.mutable_error());
    return RpcStatus();
  }
  AppendStreamResponse(request.correlation_id(), answer, &reply.bytes());
  return RpcStatus();
}

// What one message of a RecordOutcomes tells.
RpcStatus RecordSome(const OutcomeService& outcomes,
                     const pb::OutcomeServiceRecordOutcomesRequest& request,
                     ReplyOf<pb::OutcomeServiceRecordOutcomesResponse> reply) {
  Violations violations;
  if (request.entries().empty()) violations.Add("entries", "needs at least one");
  if (static_cast<size_t>(request.entries_size()) > outcome::kMaxReports) {
    violations.Add("entries", absl::StrCat("has ", request.entries_size(), " entries; at most ",
                                           outcome::kMaxReports, " are allowed"));
    return RpcStatus::Invalid(std::move(violations));
  }
  std::vector<const OutcomeService::Request*> requests;
  requests.reserve(static_cast<size_t>(request.entries_size()));
  for (int i = 0; i < request.entries_size(); ++i) {
    const pb::OutcomeEntry& entry = request.entries(i);
    requests.push_back(&entry.outcome());
    if (entry.correlation_id().empty()) continue;
    // Without ids that can be trusted the caller could not match the answers: the stream ends.
    if (const auto problem = IdProblem(entry.correlation_id(), kMaxRequestIdBytes)) {
      violations.Add(absl::StrCat("entries[", i, "].correlation_id"), *problem);
    }
  }
  if (!violations.empty()) return RpcStatus::Invalid(std::move(violations));
  std::vector<OutcomeService::Answer> answers = outcomes.RecordMany(requests);
  for (int i = 0; i < request.entries_size(); ++i) {
    OutcomeService::Answer& answer = answers[static_cast<size_t>(i)];
    pb::OutcomeResult& result = *reply.message().add_results();
    result.set_correlation_id(request.entries(i).correlation_id());
    if (answer.status.ok() && answer.violations.empty()) {
      *result.mutable_recorded() = std::move(answer.response);
    } else {
      ToRpcStatus(std::move(answer.status), std::move(answer.violations))
          .ToProto(*result.mutable_error());
    }
  }
  return RpcStatus();
}

using BatchedOutcome =
    rpc::BatchedOf<pb::OutcomeServiceRecordOutcomeRequest, pb::OutcomeServiceRecordOutcomeResponse>;

// Calls of RecordOutcome that came together: written with one sync of the disk.
void RecordTogether(const OutcomeService& outcomes, absl::Span<const BatchedOutcome> batch) {
  std::vector<const OutcomeService::Request*> requests;
  requests.reserve(batch.size());
  for (const BatchedOutcome& call : batch) requests.push_back(&call.request());
  std::vector<OutcomeService::Answer> answers = outcomes.RecordMany(requests);
  for (size_t i = 0; i < batch.size(); ++i) {
    batch[i].status() = ToRpcStatus(std::move(answers[i].status), std::move(answers[i].violations));
    if (batch[i].status().ok()) batch[i].response() = std::move(answers[i].response);
  }
}

}  // namespace

// Counts calls, and logs what an operator must know of.
class RpcServices::Observer : public rpc::CallObserver {
 public:
  Observer(telemetry::Registry& registry, const std::vector<rpc::MethodInfo>& methods)
      : metrics_(registry, Names(methods)) {}

  void OnStarted(const rpc::MethodInfo& method) override { metrics_.CountStarted(method.index); }
  void OnHandled(const rpc::MethodInfo& method, absl::StatusCode code,
                 absl::Duration duration) override {
    metrics_.CountHandled(method.index, static_cast<int>(code), absl::ToInt64Nanoseconds(duration));
  }
  void OnMalformed(const rpc::MethodInfo&) override { metrics_.CountMalformed(); }
  void OnException(const rpc::MethodInfo& method, std::string_view what) override {
    metrics_.CountException();
    spdlog::error("{}/{} threw: {}", method.service, method.method, Quoted(what, 200));
  }

 private:
  static std::vector<std::pair<std::string, std::string>> Names(
      const std::vector<rpc::MethodInfo>& methods) {
    std::vector<std::pair<std::string, std::string>> names;
    names.reserve(methods.size());
    for (const rpc::MethodInfo& method : methods) {
      names.emplace_back(absl::StrCat("/", method.service, "/", method.method),
                         std::string(rpc::MethodTypeName(method.type)));
    }
    return names;
  }

  RpcMetrics metrics_;
};

RpcServices::RpcServices(const Options& options, const Services& services)
    : server_([&] {
        rpc::RpcServerOptions rpc_options;
        rpc_options.listen_address = options.listen;
        rpc_options.completion_queues = options.threads;
        rpc_options.max_batched_calls = kOutcomesWrittenTogether;
        if (services.decisions.waits()) {
          rpc_options.server_executor_threads = kThreadsOfWaitingDecisions;
        } else {
          DecisionService& decisions = services.decisions;
          rpc_options.before_answers = [&decisions] { return decisions.Flush(); };
        }
        return rpc_options;
      }()) {
  AddDecisionMethods(services.decisions);
  AddCustomerMethods(services.customers);
  AddHistoryMethods(services.histories);
  AddOutcomeMethods(services.outcomes);
  AddStrategyMethods(services.strategies);
  AddModelMethods(services.models);
  AddValueMethods(services.values);
}

RpcServices::~RpcServices() = default;

absl::StatusOr<std::unique_ptr<RpcServices>> RpcServices::Start(const Options& options,
                                                                telemetry::Registry& registry,
                                                                const Services& services) {
  std::unique_ptr<RpcServices> serving(new RpcServices(options, services));
  serving->observer_ = std::make_unique<Observer>(registry, serving->server_.methods());
  auto port = serving->server_.Start(serving->observer_.get());
  if (!port.ok()) return port.status();
  serving->port_ = *port;
  return serving;
}

void RpcServices::Drain(absl::Duration delay, absl::Duration timeout) {
  server_.SetServing("", false);
  for (const rpc::MethodInfo& method : server_.methods()) {
    server_.SetServing(method.service, false);
  }
  absl::SleepFor(delay);
  server_.Drain(absl::Now() + timeout);
}

void RpcServices::AddDecisionMethods(DecisionService& decisions) {
  const auto decide = [&decisions](CallContext& call, const pb::DecideRequest& request,
                                   ReplyOf<pb::DecideResponse> reply) {
    // Those that are made in place are flushed together, before their answers leave. When that has
    // failed they are made anew, each written on its own, so that those that can't be remembered
    // are answered as such.
    const bool is_flushed = !decisions.waits() && !call.is_second_try();
    const storage::Durability durability =
        is_flushed ? storage::Durability::kFlush : storage::Durability::kProcess;
    Violations violations;
    bool is_unflushed = false;
    absl::Status status = decisions.Decide(request, &reply.bytes(), violations,
                                           DeadlineOf(decisions, call), durability, &is_unflushed);
    if (is_unflushed) call.CompleteLater();
    return ToRpcStatus(std::move(status), std::move(violations));
  };
  const std::string_view path = "/attune.v1.DecisionService/Decide";
  if (decisions.waits()) {
    server_.AddBlockingUnary<pb::DecideRequest, pb::DecideResponse>(path, decide,
                                                                    rpc::WaitsFor::kServers);
  } else {
    server_.AddUnary<pb::DecideRequest, pb::DecideResponse>(path, decide);
  }
  const auto decide_one = [&decisions](CallContext& call, const pb::DecideStreamRequest& request,
                                       ReplyOf<pb::DecideStreamResponse> reply) {
    return DecideOne(decisions, call, request, reply);
  };
  const std::string_view stream_path = "/attune.v1.DecisionService/DecideStream";
  if (decisions.waits()) {
    server_.AddBlockingBidiStream<pb::DecideStreamRequest, pb::DecideStreamResponse>(
        stream_path, decide_one, rpc::WaitsFor::kServers);
  } else {
    server_.AddBidiStream<pb::DecideStreamRequest, pb::DecideStreamResponse>(stream_path,
                                                                             decide_one);
  }
}

void RpcServices::AddCustomerMethods(const CustomerService& customers) {
  const auto handler = [&customers](auto method) { return HandlerOf(customers, method); };
  // Reads happen in place; what waits for the disk goes to the executor.
  server_.AddUnary<pb::CustomerServiceGetRequest, pb::CustomerServiceGetResponse>(
      "/attune.v1.CustomerService/Get", handler(&CustomerService::Get));
  server_.AddUnary<pb::CustomerServiceListFeaturesRequest, pb::CustomerServiceListFeaturesResponse>(
      "/attune.v1.CustomerService/ListFeatures", handler(&CustomerService::ListFeatures));
  server_.AddBlockingUnary<pb::CustomerServiceUpsertRequest, pb::CustomerServiceUpsertResponse>(
      "/attune.v1.CustomerService/Upsert", handler(&CustomerService::Upsert));
  server_.AddBlockingUnary<pb::CustomerServiceEraseRequest, pb::CustomerServiceEraseResponse>(
      "/attune.v1.CustomerService/Erase", handler(&CustomerService::Erase));
  server_.AddClientStream<pb::CustomerServiceBatchUpsertRequest,
                          pb::CustomerServiceBatchUpsertResponse>(
      "/attune.v1.CustomerService/BatchUpsert", [&customers](CallContext&) {
        return std::make_unique<UpsertStream>(CustomerService::Batch(&customers));
      });
}

void RpcServices::AddHistoryMethods(const HistoryService& histories) {
  server_.AddBlockingUnary<pb::CustomerServiceSetConsentRequest,
                           pb::CustomerServiceSetConsentResponse>(
      "/attune.v1.CustomerService/SetConsent", HandlerOf(histories, &HistoryService::SetConsent));
  server_.AddBlockingUnary<pb::CustomerServiceRecordInteractionsRequest,
                           pb::CustomerServiceRecordInteractionsResponse>(
      "/attune.v1.CustomerService/RecordInteractions",
      HandlerOf(histories, &HistoryService::RecordInteractions));
  server_.AddClientStream<pb::CustomerServiceBatchRecordInteractionsRequest,
                          pb::CustomerServiceBatchRecordInteractionsResponse>(
      "/attune.v1.CustomerService/BatchRecordInteractions", [&histories](CallContext&) {
        return std::make_unique<InteractionStream>(HistoryService::Batch(&histories));
      });
}

void RpcServices::AddOutcomeMethods(const OutcomeService& outcomes) {
  server_.AddBatchedUnary<pb::OutcomeServiceRecordOutcomeRequest,
                          pb::OutcomeServiceRecordOutcomeResponse>(
      "/attune.v1.OutcomeService/RecordOutcome",
      [&outcomes](absl::Span<const BatchedOutcome> batch) { RecordTogether(outcomes, batch); });
  server_.AddBlockingBidiStream<pb::OutcomeServiceRecordOutcomesRequest,
                                pb::OutcomeServiceRecordOutcomesResponse>(
      "/attune.v1.OutcomeService/RecordOutcomes",
      [&outcomes](CallContext&, const pb::OutcomeServiceRecordOutcomesRequest& request,
                  ReplyOf<pb::OutcomeServiceRecordOutcomesResponse> reply) {
        return RecordSome(outcomes, request, reply);
      });
  server_.AddBlockingUnary<pb::OutcomeServiceActivateRequest, pb::OutcomeServiceActivateResponse>(
      "/attune.v1.OutcomeService/Activate", HandlerOf(outcomes, &OutcomeService::Activate));
}

void RpcServices::AddStrategyMethods(const StrategyService& strategies) {
  server_.AddBlockingUnary<pb::StrategyServiceSetStopRequest, pb::StrategyServiceSetStopResponse>(
      "/attune.v1.StrategyService/SetStop", HandlerOf(strategies, &StrategyService::SetStop));
  server_.AddUnary<pb::StrategyServiceListStopsRequest, pb::StrategyServiceListStopsResponse>(
      "/attune.v1.StrategyService/ListStops", HandlerOf(strategies, &StrategyService::ListStops));
  server_.AddUnary<pb::StrategyServiceListStopChangesRequest,
                   pb::StrategyServiceListStopChangesResponse>(
      "/attune.v1.StrategyService/ListStopChanges",
      HandlerOf(strategies, &StrategyService::ListStopChanges));
  server_.AddUnary<pb::StrategyServiceListRampsRequest, pb::StrategyServiceListRampsResponse>(
      "/attune.v1.StrategyService/ListRamps", HandlerOf(strategies, &StrategyService::ListRamps));
}

void RpcServices::AddModelMethods(const ModelService& models) {
  server_.AddClientStream<pb::ModelServicePutModelRequest, pb::ModelServicePutModelResponse>(
      "/attune.v1.ModelService/PutModel",
      [&models](CallContext&) { return std::make_unique<ModelStream>(&models); });
  server_.AddUnary<pb::ModelServiceListModelsRequest, pb::ModelServiceListModelsResponse>(
      "/attune.v1.ModelService/ListModels", HandlerOf(models, &ModelService::ListModels));
  server_.AddBlockingUnary<pb::ModelServiceGetModelRequest, pb::ModelServiceGetModelResponse>(
      "/attune.v1.ModelService/GetModel", HandlerOf(models, &ModelService::GetModel));
  server_.AddBlockingUnary<pb::ModelServiceGetHealthRequest, pb::ModelServiceGetHealthResponse>(
      "/attune.v1.ModelService/GetHealth", HandlerOf(models, &ModelService::GetHealth));
  server_.AddBlockingUnary<pb::ModelServiceListRatesRequest, pb::ModelServiceListRatesResponse>(
      "/attune.v1.ModelService/ListRates", HandlerOf(models, &ModelService::ListRates));
  server_.AddBlockingUnary<pb::ModelServiceDownloadModelRequest,
                           pb::ModelServiceDownloadModelResponse>(
      "/attune.v1.ModelService/DownloadModel", HandlerOf(models, &ModelService::DownloadModel));
  server_.AddBlockingUnary<pb::ModelServiceActivateModelRequest,
                           pb::ModelServiceActivateModelResponse>(
      "/attune.v1.ModelService/ActivateModel", HandlerOf(models, &ModelService::ActivateModel));
  server_.AddBlockingUnary<pb::ModelServiceDeleteModelRequest, pb::ModelServiceDeleteModelResponse>(
      "/attune.v1.ModelService/DeleteModel", HandlerOf(models, &ModelService::DeleteModel));
}

void RpcServices::AddValueMethods(const ValueService& values) {
  server_.AddUnary<pb::ValueServiceListScoresRequest, pb::ValueServiceListScoresResponse>(
      "/attune.v1.ValueService/ListScores", HandlerOf(values, &ValueService::ListScores));
  server_.AddBlockingUnary<pb::ValueServiceGetProfitCurveRequest,
                           pb::ValueServiceGetProfitCurveResponse>(
      "/attune.v1.ValueService/GetProfitCurve",
      [&values](CallContext& context, const auto& request, auto reply) {
        Violations violations;
        absl::Status status = values.GetProfitCurve(request, &reply.message(), violations,
                                                    [&context] { return context.cancelled(); });
        return ToRpcStatus(std::move(status), std::move(violations));
      });
}

}  // namespace attune::service
