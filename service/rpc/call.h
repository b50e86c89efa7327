#ifndef ATTUNE_SERVICE_RPC_CALL_H_
#define ATTUNE_SERVICE_RPC_CALL_H_

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "service/rpc/batch_queue.h"
#include "service/rpc/executor.h"
#include "service/rpc/handler.h"
#include "service/rpc/raw_service.h"

namespace attune::rpc {

class CallPool;
class EventLoop;
struct Method;

// How far a drain has come. Only grows.
enum class DrainPhase {
  kServing,
  kDraining,       // no new calls; streams that only watch end
  kEndingStreams,  // every bidirectional stream ends once what it has read is answered
};

// What all calls of a server share. Outlives them.
struct CallEnvironment {
  CallObserver* observer = nullptr;              // null: nobody wants to know
  std::function<absl::Status()> before_answers;  // see RpcServerOptions; empty: nothing
  // By what a handler waits for, see WaitsFor.
  Executor* executor = nullptr;
  Executor* server_executor = nullptr;
  Admission* blocking_calls = nullptr;
  Admission* server_calls = nullptr;
  Admission* client_streams = nullptr;
  Admission* bidi_streams = nullptr;
  absl::Duration retry_delay;  // for who was not let in
  size_t max_pending_answers = 0;
  size_t max_pending_answer_bytes = 0;
  std::atomic<DrainPhase> drain_phase = DrainPhase::kServing;
};

// A call, from the request for the next one to its end, after which it is used for another one.
// Lives on the polling thread of one EventLoop: everything here is called there, unless it says
// otherwise. Only one thread works on a call at a time: whoever hands it to the executor does not
// touch it before the event of the operation that the executor's task starts.
//
// A subclass starts operations with the tag of their event, each with Begin(event) on the polling
// thread, and goes back to its pool when the last of them has come back.
class Call {
 public:
  enum class Event { kStarted, kRead, kWritten, kFinished, kDone, kAnswered };
  static constexpr size_t kEvents = 6;
  // What comes out of the completion queue.
  struct Tag {
    Call* call = nullptr;  // null: somebody woke the loop
    Event event = Event::kStarted;
  };

  explicit Call(CallPool& pool);
  virtual ~Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Asks gRPC for the next call of the method.
  void Arm();
  // An operation has come back.
  void OnEvent(Event event, bool ok);
  // Something outside of the call changed: the phase of the drain, or the health of a service. Only
  // called between OnStarted and OnRecycled of calls that were linked to the loop.
  virtual void OnWake() {}

 protected:
  // Creates the gRPC object of the call and asks for the next one.
  virtual void Request(grpc::ServerContext* context, void* tag) = 0;
  // A call has come. Must begin at least one operation.
  virtual void OnStarted() = 0;
  virtual void OnRead(bool /*ok*/) {}
  virtual void OnWritten(bool /*ok*/) {}
  // The executor has answered a message.
  virtual void OnAnswered() {}
  // Nothing is under way any more: forget everything.
  virtual void OnRecycled() = 0;
  // Whether context().cancelled() is to be kept up to date; costs an event per call.
  virtual bool WatchesCancellation() const { return true; }

  // One operation is begun; pass the result to gRPC.
  void* Begin(Event event) {
    ++outstanding_;
    return TagOf(event);
  }
  // The same for the thread of the executor that works on the call: the operation takes the place
  // of the task, which was begun with BeginTask.
  void* TagOf(Event event) { return &tags_[static_cast<size_t>(event)]; }
  void BeginTask() { ++outstanding_; }

  // True when the client does not wait any more for a call that has just come.
  bool DeadlinePassed() const;
  static RpcStatus TooLate();
  // What is answered when blocking_calls() let nobody in.
  RpcStatus TooManyWait();
  // For a task of the executor, which may have waited long in its queue: why nobody wants the
  // answer any more; OK: somebody does.
  RpcStatus Abandoned() const;
  // Tells the observer and adds what the status wants in the trailing metadata. Before the
  // operation that ends the call, on the thread that works on it.
  grpc::Status End(const RpcStatus& status);

  // Parses the request, calls the handler and serialises the answer. Whatever the handler throws
  // becomes INTERNAL. On any thread.
  RpcStatus Answer(const MessageHandler& handler, grpc::ByteBuffer& request, Scratch& scratch,
                   grpc::ByteBuffer& answer);
  // The parts of Answer, for calls whose requests and answers don't come in pairs.
  RpcStatus Parse(grpc::ByteBuffer& bytes, google::protobuf::Message& request);
  static void Serialize(Reply& reply, grpc::ByteBuffer& bytes);
  static void SerializeMessage(const google::protobuf::Message& message, grpc::ByteBuffer& bytes);
  RpcStatus Guarded(absl::FunctionRef<RpcStatus()> body);

  CallContext& context() { return context_; }
  bool completes_later() const { return context_.completes_later_; }
  // From now on the handler is told so.
  void BeginSecondTry() { context_.is_second_try_ = true; }
  CallPool& pool() { return pool_; }
  const Method& method() const;
  CallEnvironment& environment();
  // Where a handler that blocks runs, and the place that it takes.
  Executor& executor();
  Admission& blocking_calls();

 private:
  CallPool& pool_;
  std::array<Tag, kEvents> tags_;
  CallContext context_;
  std::optional<grpc::ServerContext> server_context_;
  std::chrono::steady_clock::time_point start_time_;
  int outstanding_ = 0;  // operations and tasks that were begun and have not come back
  bool ended_ = false;   // End was called
};

// A method as it was registered. Immutable once the server has started, but for what is in
// `batches`.
struct Method {
  MethodInfo info;
  std::string path;  // "/package.Service/Method"
  // Null for methods that parse and serialise by themselves.
  const google::protobuf::Message* request = nullptr;
  const google::protobuf::Message* response = nullptr;
  MessageHandler handler;                           // for methods that answer message by message
  bool is_blocking = false;                         // of a bidirectional stream: it may wait
  WaitsFor waits_for = WaitsFor::kDisk;             // of a handler that blocks
  ClientStreamFactory open_stream;                  // for client streams
  BatchHandler batch_handler;                       // for methods that answer many calls together
  std::unique_ptr<BatchQueue> batches;              // of the same; null for the others
  DrainPhase ends_in = DrainPhase::kEndingStreams;  // for bidirectional streams
  int waiting_calls = 0;                            // so many calls wait for requests in each loop
  std::function<std::unique_ptr<Call>(CallPool& pool)> new_call;

  RawService* service = nullptr;
  int index_in_service = 0;
};

// The calls of one method in one loop: some that wait for requests, some at work, some spare. Lives
// on the loop's polling thread.
class CallPool {
 public:
  CallPool(const Method& method, EventLoop& loop, CallEnvironment& environment)
      : method_(method), loop_(loop), environment_(environment) {}
  ~CallPool();

  // Makes as many calls wait as the method wants.
  void Arm();

  // A call that waited is at work.
  void OnStarted();
  // A call is done.
  void Recycle(Call* call);
  // A call that waited has come back because the server is shut down. Deletes it.
  void Retire(Call* call);

  const Method& method() const { return method_; }
  EventLoop& loop() { return loop_; }
  CallEnvironment& environment() { return environment_; }

 private:
  const Method& method_;
  EventLoop& loop_;
  CallEnvironment& environment_;
  int waiting_ = 0;
  bool closed_ = false;
  std::vector<std::unique_ptr<Call>> spare_;
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_CALL_H_
