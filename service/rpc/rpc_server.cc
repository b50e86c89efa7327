#include "service/rpc/rpc_server.h"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/grpcpp.h"
#include "service/rpc/batched_call.h"
#include "service/rpc/bidi_call.h"
#include "service/rpc/call.h"
#include "service/rpc/client_stream_call.h"
#include "service/rpc/event_loop.h"
#include "service/rpc/executor.h"
#include "service/rpc/health_service.h"
#include "service/rpc/reflection.h"
#include "service/rpc/unary_call.h"

namespace attune::rpc {
namespace {

using google::protobuf::Message;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

// Unary calls are short and many come at once; of the others a few are enough to let each newcomer
// find one that waits.
constexpr int kWaitingUnaryCalls = 64;
constexpr int kWaitingStreams = 4;

int QueueCount(const RpcServerOptions& options) {
  if (options.completion_queues > 0) return options.completion_queues;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / 2);
}

int Millis(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

void ApplyOptions(const RpcServerOptions& options, grpc::ServerBuilder& builder) {
  const std::pair<const char*, int> arguments[] = {
      {GRPC_ARG_ALLOW_REUSEPORT, 0},
      {GRPC_ARG_MAX_METADATA_SIZE, options.max_metadata_bytes},
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams},
      {GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options.keepalive_time)},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(options.keepalive_timeout)},
      {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, Millis(options.min_ping_interval)},
      {GRPC_ARG_HTTP2_MAX_PING_STRIKES, options.max_ping_strikes},
      {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Millis(options.handshake_timeout)},
      {GRPC_ARG_MAX_CONNECTION_IDLE_MS, Millis(options.max_connection_idle)},
      {GRPC_ARG_MAX_CONNECTION_AGE_MS, Millis(options.max_connection_age)},
      {GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, Millis(options.max_connection_age_grace)},
  };
  for (const auto& [name, value] : arguments) builder.AddChannelArgument(name, value);
  builder.SetMaxReceiveMessageSize(options.max_receive_message_bytes);
  for (const auto algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
}

template <typename CallType>
std::unique_ptr<Call> NewCall(CallPool& pool) {
  return std::make_unique<CallType>(pool);
}

}  // namespace

struct RpcServer::Engine {
  explicit Engine(RpcServerOptions opts)
      : options(std::move(opts)),
        blocking_calls(options.max_blocking_calls),
        server_calls(options.max_blocking_calls),
        client_streams(options.max_client_streams),
        bidi_streams(options.max_bidi_streams) {
    environment.blocking_calls = &blocking_calls;
    environment.server_calls = &server_calls;
    environment.client_streams = &client_streams;
    environment.bidi_streams = &bidi_streams;
    environment.retry_delay = options.retry_delay;
    environment.before_answers = options.before_answers;
    environment.max_pending_answers = options.max_pending_answers;
    environment.max_pending_answer_bytes = options.max_pending_answer_bytes;
  }

  Method& Add(std::string_view path, MethodType type,
              std::function<std::unique_ptr<Call>(CallPool&)> new_call);
  std::vector<std::string> ServiceNames() const;
  void WakeLoops() {
    for (const auto& loop : loops) loop->Wake();
  }

  const RpcServerOptions options;
  Admission blocking_calls;
  Admission server_calls;
  Admission client_streams;
  Admission bidi_streams;
  CallEnvironment environment;
  HealthService health;
  std::vector<std::unique_ptr<Method>> methods;
  std::map<std::string, RawService, std::less<>> services;  // by name

  // From Start on. In this order: what is destroyed first stands last.
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<Executor> server_executor;
  std::vector<std::unique_ptr<EventLoop>> loops;
};

Method& RpcServer::Engine::Add(std::string_view path, MethodType type,
                               std::function<std::unique_ptr<Call>(CallPool&)> new_call) {
  auto method = std::make_unique<Method>();
  const size_t slash = path.rfind('/');
  method->path = std::string(path);
  method->info.index = static_cast<int>(methods.size());
  method->info.service = std::string(path.substr(1, slash - 1));
  method->info.method = std::string(path.substr(slash + 1));
  method->info.type = type;
  method->new_call = std::move(new_call);
  method->waiting_calls = type == MethodType::kUnary ? kWaitingUnaryCalls : kWaitingStreams;
  method->service = &services[method->info.service];
  method->index_in_service = method->service->Add(method->path.c_str(), type);
  methods.push_back(std::move(method));
  return *methods.back();
}

std::vector<std::string> RpcServer::Engine::ServiceNames() const {
  std::vector<std::string> names;
  for (const auto& [name, service] : services) names.push_back(name);
  return names;
}

RpcServer::RpcServer(RpcServerOptions options)
    : engine_(std::make_unique<Engine>(std::move(options))) {
  // Never undone: when the last user of gRPC goes, its clean-up waits, up to 10 s, for the thread
  // that watches over writes to slow clients. The process may end without.
  grpc_init();
  AddHealth();
  AddReflection();
}

RpcServer::~RpcServer() { Drain(absl::InfinitePast()); }

void RpcServer::AddUnary(std::string_view path, const Message& request, const Message& response,
                         MessageHandler handler) {
  Method& method = engine_->Add(path, MethodType::kUnary, NewCall<UnaryCall>);
  method.request = &request;
  method.response = &response;
  method.handler = std::move(handler);
}

void RpcServer::AddBlockingUnary(std::string_view path, const Message& request,
                                 const Message& response, MessageHandler handler,
                                 WaitsFor waits_for) {
  Method& method = engine_->Add(path, MethodType::kUnary, NewCall<BlockingUnaryCall>);
  method.waits_for = waits_for;
  method.request = &request;
  method.response = &response;
  method.handler = std::move(handler);
}

void RpcServer::AddBatchedUnary(std::string_view path, const Message& request,
                                const Message& response, BatchHandler handler) {
  Method& method = engine_->Add(path, MethodType::kUnary, NewCall<BatchedUnaryCall>);
  method.request = &request;
  method.response = &response;
  method.batch_handler = std::move(handler);
  const RpcServerOptions& options = engine_->options;
  method.batches = std::make_unique<BatchQueue>(
      BatchLimits{.max_calls = static_cast<size_t>(options.max_batched_calls),
                  .max_bytes = options.max_batch_bytes,
                  .max_running = options.max_batches});
}

void RpcServer::AddBidiStream(std::string_view path, const Message& request,
                              const Message& response, MessageHandler handler) {
  Method& method = engine_->Add(path, MethodType::kBidiStream, NewCall<BidiCall>);
  method.request = &request;
  method.response = &response;
  method.handler = std::move(handler);
}

void RpcServer::AddBlockingBidiStream(std::string_view path, const Message& request,
                                      const Message& response, MessageHandler handler,
                                      WaitsFor waits_for) {
  AddBidiStream(path, request, response, std::move(handler));
  engine_->methods.back()->is_blocking = true;
  engine_->methods.back()->waits_for = waits_for;
}

void RpcServer::AddClientStream(std::string_view path, const Message& request,
                                const Message& response, ClientStreamFactory factory) {
  Method& method = engine_->Add(path, MethodType::kClientStream, NewCall<ClientStreamCall>);
  method.request = &request;
  method.response = &response;
  method.open_stream = std::move(factory);
}

void RpcServer::AddHealth() {
  HealthService& health = engine_->health;
  AddUnary<HealthCheckRequest, HealthCheckResponse>(
      "/grpc.health.v1.Health/Check",
      [&health](CallContext&, const HealthCheckRequest& request,
                ReplyOf<HealthCheckResponse> reply) { return health.Check(request, reply); });
  engine_->Add("/grpc.health.v1.Health/Watch", MethodType::kServerStream,
               [&health](CallPool& pool) { return std::make_unique<WatchCall>(pool, health); });
}

void RpcServer::AddReflection() {
  const Engine* engine = engine_.get();
  AddBidiStream<ServerReflectionRequest, ServerReflectionResponse>(
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      [engine](CallContext&, const ServerReflectionRequest& request,
               ReplyOf<ServerReflectionResponse> reply) {
        AnswerReflection(*google::protobuf::DescriptorPool::generated_pool(),
                         engine->ServiceNames(), request, reply.message());
        return RpcStatus();
      });
  engine_->methods.back()->ends_in = DrainPhase::kDraining;
}

std::vector<MethodInfo> RpcServer::methods() const {
  std::vector<MethodInfo> infos;
  for (const auto& method : engine_->methods) infos.push_back(method->info);
  return infos;
}

absl::StatusOr<int> RpcServer::Start(CallObserver* observer) {
  MutexLock lock(drain_mutex_);
  if (started_ || drained_) return absl::FailedPreconditionError("the server was started before");
  Engine& engine = *engine_;
  grpc::ServerBuilder builder;
  ApplyOptions(engine.options, builder);
  int port = 0;
  auto credentials = engine.options.credentials != nullptr ? engine.options.credentials
                                                           : grpc::InsecureServerCredentials();
  builder.AddListeningPort(engine.options.listen_address, std::move(credentials), &port);
  for (auto& [name, service] : engine.services) builder.RegisterService(&service);
  for (int i = 0; i < QueueCount(engine.options); ++i) {
    engine.loops.push_back(std::make_unique<EventLoop>(builder.AddCompletionQueue(), i));
  }
  engine.server = builder.BuildAndStart();
  started_ = true;
  if (engine.server == nullptr) {
    engine.loops.clear();
    drained_ = true;
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", engine.options.listen_address,
                     "; is the address right, and does no other process listen there?"));
  }
  engine.executor = std::make_unique<Executor>(engine.options.executor_threads);
  engine.environment.executor = engine.executor.get();
  if (engine.options.server_executor_threads > 0) {
    engine.server_executor = std::make_unique<Executor>(engine.options.server_executor_threads);
    engine.environment.server_executor = engine.server_executor.get();
  }
  engine.environment.observer = observer;
  engine.health.Set("", true);
  for (const std::string& name : engine.ServiceNames()) engine.health.Set(name, true);
  for (const auto& loop : engine.loops) loop->Start(engine.methods, engine.environment);
  return port;
}

void RpcServer::SetServing(std::string_view service, bool serving) {
  engine_->health.Set(service, serving);
  engine_->WakeLoops();
}

void RpcServer::Drain(absl::Time deadline) {
  MutexLock lock(drain_mutex_);
  if (!started_ || drained_) return;
  drained_ = true;
  Engine& engine = *engine_;
  engine.health.ShutDown();
  engine.environment.drain_phase = DrainPhase::kDraining;
  engine.WakeLoops();
  const absl::Time now = absl::Now();
  deadline = std::max(deadline, now);  // gRPC takes times before 1970 for the infinite future
  for (const auto& loop : engine.loops) loop->EndStreamsAt(now + (deadline - now) / 2);
  engine.server->Shutdown(absl::ToChronoTime(deadline));
  for (const auto& loop : engine.loops) loop->Stop();
  engine.executor.reset();
  engine.server_executor.reset();
}

}  // namespace attune::rpc
