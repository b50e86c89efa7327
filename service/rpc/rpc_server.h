#ifndef ATTUNE_SERVICE_RPC_RPC_SERVER_H_
#define ATTUNE_SERVICE_RPC_RPC_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/security/server_credentials.h"
#include "lib/base/mutex.h"
#include "service/rpc/handler.h"
#include "service/rpc/method.h"

namespace attune::rpc {

// None of these changes while serving.
struct RpcServerOptions {
  // "host:port"; port 0: any free one. An address without TLS should be a loopback one.
  std::string listen_address = "127.0.0.1:0";
  // Null: no TLS.
  std::shared_ptr<grpc::ServerCredentials> credentials;

  // Completion queues, each with one thread that polls it and works in place. 0: one per two cores,
  // at least one; more make threads fight over the cores.
  int completion_queues = 0;
  // Threads for methods that block.
  int executor_threads = 8;
  // Threads for methods that wait for other servers, so that those that wait for the disk don't
  // wait for them. 0: they share the executor.
  int server_executor_threads = 0;

  // Larger messages are refused with RESOURCE_EXHAUSTED. One limit for all methods, because gRPC
  // has no other: it is the 4 MiB of batches.
  int max_receive_message_bytes = 4 * 1024 * 1024;
  int max_metadata_bytes = 8 * 1024;
  // In one connection.
  int max_concurrent_streams = 256;
  absl::Duration keepalive_time = absl::Seconds(30);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  // Clients that ping more often get two warnings, then their connection is closed.
  absl::Duration min_ping_interval = absl::Seconds(10);
  int max_ping_strikes = 2;
  absl::Duration handshake_timeout = absl::Seconds(5);
  // Connections without calls, and old ones, are closed, so that clients find new replicas.
  // Streams that are still open when the grace is over are cut off.
  absl::Duration max_connection_idle = absl::Minutes(5);
  absl::Duration max_connection_age = absl::Minutes(30);
  absl::Duration max_connection_age_grace = absl::Seconds(30);

  // Above these limits calls are refused with RESOURCE_EXHAUSTED and a delay for the retry.
  int max_blocking_calls = 1024;  // waiting for each of the executors or on it
  int max_client_streams = 64;
  int max_bidi_streams = 1024;
  absl::Duration retry_delay = absl::Milliseconds(250);

  // Of a method that answers calls together: so many at once, with requests of so many bytes unless
  // it is one. Two batches at a time, so that one is being made while the disk works for the other;
  // more would only be smaller.
  int max_batched_calls = 128;
  size_t max_batch_bytes = 1024 * 1024;
  int max_batches = 2;

  // A bidirectional stream is not read while so many answers, or so many bytes of them, wait for
  // the client to take them.
  size_t max_pending_answers = 64;
  size_t max_pending_answer_bytes = 1024 * 1024;

  // Called on a polling thread when the handlers of unary calls that came together have returned,
  // before any of their answers leaves, if any of them has called CallContext::CompleteLater: what
  // they did can be completed once for all. When it fails, the handlers of those calls are called
  // once more, see CallContext::is_second_try, and what they answer then counts. Not called for
  // blocking methods and streams. Must not throw. Empty: nothing is called.
  std::function<absl::Status()> before_answers;
};

// An asynchronous gRPC server: a table of methods by name, gRPC health checking and reflection.
// Thread-safe, except that methods are added before Start, on one thread.
//
// How it works: every completion queue has one thread that polls it, parses the bytes of a request
// and calls the handler in one event and on memory that it keeps, and hands over the answers of
// calls that came together one right after the other. With the cores shared between polling and
// handlers this has the best throughput and tail; what blocks goes to an executor. Requests arrive
// as raw bytes, so that a malformed one is answered with INVALID_ARGUMENT and counted; gRPC by
// itself would say INTERNAL or UNIMPLEMENTED.
//
// Methods are registered with gRPC one by one (RawService). An AsyncGenericService would be one
// path for all of them, but it costs one more trip through the completion queue per call, because
// gRPC reads the request of a registered unary method together with the call: 13 to 18 % more CPU
// for a small call with 8 or 64 in flight. The C API below grpc++ would save next to nothing more.
//
// gRPC itself answers: UNIMPLEMENTED for methods that were not added and for compressed requests
// (a small one could unpack to gigabytes), RESOURCE_EXHAUSTED for messages above the limit. Those
// calls never get here and are not counted.
class RpcServer {
 public:
  explicit RpcServer(RpcServerOptions options);
  // Drains without grace.
  ~RpcServer();
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // A unary method whose handler never waits for anything: it runs on a polling thread.
  // `path` is "/package.Service/Method".
  template <typename Request, typename Response>
  void AddUnary(std::string_view path, MessageHandlerOf<Request, Response> handler) {
    AddUnary(path, Request::default_instance(), Response::default_instance(),
             WithoutTypes<Request, Response>(std::move(handler)));
  }

  // A unary method whose handler may block: it runs on the executor.
  template <typename Request, typename Response>
  void AddBlockingUnary(std::string_view path, MessageHandlerOf<Request, Response> handler,
                        WaitsFor waits_for = WaitsFor::kDisk) {
    AddBlockingUnary(path, Request::default_instance(), Response::default_instance(),
                     WithoutTypes<Request, Response>(std::move(handler)), waits_for);
  }

  // A unary method that waits for the disk and costs less for many calls than for each of them: the
  // calls that have come while others were answered are answered together, on the executor.
  template <typename Request, typename Response>
  void AddBatchedUnary(std::string_view path, BatchHandlerOf<Request, Response> handler) {
    AddBatchedUnary(path, Request::default_instance(), Response::default_instance(),
                    WithoutTypes<Request, Response>(std::move(handler)));
  }

  // A bidirectional stream: each message is one call of the handler on a polling thread, and one
  // answer. An error of the handler ends the stream, after the answers before it; so does a
  // malformed message. All messages of a stream have one context.
  template <typename Request, typename Response>
  void AddBidiStream(std::string_view path, MessageHandlerOf<Request, Response> handler) {
    AddBidiStream(path, Request::default_instance(), Response::default_instance(),
                  WithoutTypes<Request, Response>(std::move(handler)));
  }

  // The same with a handler that may wait: it runs on the executor. Messages of one stream still
  // come one after the other.
  template <typename Request, typename Response>
  void AddBlockingBidiStream(std::string_view path, MessageHandlerOf<Request, Response> handler,
                             WaitsFor waits_for = WaitsFor::kDisk) {
    AddBlockingBidiStream(path, Request::default_instance(), Response::default_instance(),
                          WithoutTypes<Request, Response>(std::move(handler)), waits_for);
  }

  // A client stream that is worked off on the executor.
  template <typename Request, typename Response>
  void AddClientStream(std::string_view path, ClientStreamFactoryOf<Request, Response> factory) {
    AddClientStream(path, Request::default_instance(), Response::default_instance(),
                    WithoutTypes<Request, Response>(std::move(factory)));
  }

  // All methods, those of health checking and reflection too, by MethodInfo::index. Complete when
  // the last one was added.
  std::vector<MethodInfo> methods() const;

  // Listens and serves; every service is healthy from then on. Returns the port (0 for an address
  // without one). UNAVAILABLE when the address can't be listened on, FAILED_PRECONDITION when the
  // server was started before. `observer` may be null; it outlives the server.
  absl::StatusOr<int> Start(CallObserver* observer = nullptr) ABSL_LOCKS_EXCLUDED(drain_mutex_);

  // What health checking says about one service, or, for "", about the whole server. Ignored once a
  // drain has begun. REQUIRES: Start has returned a port.
  void SetServing(std::string_view service, bool serving);

  // Stops serving: health turns NOT_SERVING, no call is taken any more, calls in flight go on until
  // the deadline and are cancelled then. Bidirectional streams are ended when half of the time has
  // passed, with UNAVAILABLE after the last answer, because their clients may never end them.
  // Returns when all threads are joined; a handler that does not return holds it up. Any number of
  // times; a later call waits for the first one.
  //
  // A call that arrives in the very moment may be refused with UNAVAILABLE or CANCELLED, unseen by
  // any handler. To lose none, tell health first (SetServing) and wait until clients have noticed.
  void Drain(absl::Time deadline) ABSL_LOCKS_EXCLUDED(drain_mutex_);

 private:
  struct Engine;

  void AddUnary(std::string_view path, const google::protobuf::Message& request,
                const google::protobuf::Message& response, MessageHandler handler);
  void AddBlockingUnary(std::string_view path, const google::protobuf::Message& request,
                        const google::protobuf::Message& response, MessageHandler handler,
                        WaitsFor waits_for);
  void AddBatchedUnary(std::string_view path, const google::protobuf::Message& request,
                       const google::protobuf::Message& response, BatchHandler handler);
  void AddBidiStream(std::string_view path, const google::protobuf::Message& request,
                     const google::protobuf::Message& response, MessageHandler handler);
  void AddBlockingBidiStream(std::string_view path, const google::protobuf::Message& request,
                             const google::protobuf::Message& response, MessageHandler handler,
                             WaitsFor waits_for);
  void AddClientStream(std::string_view path, const google::protobuf::Message& request,
                       const google::protobuf::Message& response, ClientStreamFactory factory);
  void AddHealth();
  void AddReflection();

  const std::unique_ptr<Engine> engine_;

  Mutex drain_mutex_;
  bool started_ ABSL_GUARDED_BY(drain_mutex_) = false;
  bool drained_ ABSL_GUARDED_BY(drain_mutex_) = false;
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_RPC_SERVER_H_
