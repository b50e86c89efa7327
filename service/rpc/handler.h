#ifndef ATTUNE_SERVICE_RPC_HANDLER_H_
#define ATTUNE_SERVICE_RPC_HANDLER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "google/protobuf/arena.h"
#include "google/protobuf/message.h"
#include "service/rpc/method.h"
#include "service/rpc/rpc_status.h"

namespace grpc {
class ServerContext;
}

namespace attune::rpc {

// What a handler may know about its call. Valid as long as the call. Thread-safe.
class CallContext {
 public:
  explicit CallContext(const MethodInfo& method) : method_(method) {}

  const MethodInfo& method() const { return method_; }

  // Until when the client waits; InfiniteFuture when it did not say. A call whose deadline is past
  // when it arrives never reaches its handler.
  absl::Time deadline() const;

  // True once nobody waits for the answer any more: the client cancelled, the deadline passed or
  // the connection broke. A handler that works in place always sees false: it runs to its end
  // before the polling thread could learn of it.
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  // True when the handler is called for the second time, because RpcServerOptions::before_answers
  // has failed after the first: now it must complete by itself what it does.
  bool is_second_try() const { return is_second_try_; }

  // The handler leaves something to RpcServerOptions::before_answers. In its own thread.
  void CompleteLater() { completes_later_ = true; }

  // Who calls, "ipv4:127.0.0.1:40312". Allocates.
  std::string peer() const;

 private:
  friend class Call;
  const MethodInfo& method_;
  const grpc::ServerContext* grpc_context_ = nullptr;
  std::atomic<bool> cancelled_ = false;
  bool is_second_try_ = false;
  bool completes_later_ = false;
};

// The answer of one request, filled by the handler: either message() or bytes(). Not thread-safe.
class Reply {
 public:
  // `prototype` and `arena` make the message, `bytes` is the buffer behind bytes().
  Reply(const google::protobuf::Message& prototype, google::protobuf::Arena& arena,
        std::string& bytes)
      : prototype_(prototype), arena_(arena), bytes_(bytes) {}

  // Empty at first, the same at every call; lives on an arena that is reused after the call.
  google::protobuf::Message& message() {
    if (message_ == nullptr) message_ = prototype_.New(&arena_);
    return *message_;
  }

  // The answer as serialised bytes, sent as they are and not checked; message() is not looked at
  // when this was called. Empty at first.
  std::string& bytes() {
    if (!has_bytes_) bytes_.clear();
    has_bytes_ = true;
    return bytes_;
  }

  bool has_bytes() const { return has_bytes_; }

 private:
  const google::protobuf::Message& prototype_;
  google::protobuf::Arena& arena_;
  std::string& bytes_;
  google::protobuf::Message* message_ = nullptr;
  bool has_bytes_ = false;
};

// Reply with the type of its message.
template <typename Response>
class ReplyOf {
 public:
  explicit ReplyOf(Reply& reply) : reply_(reply) {}
  Response& message() const { return static_cast<Response&>(reply_.message()); }
  std::string& bytes() const { return reply_.bytes(); }

 private:
  Reply& reply_;
};

// Answers one request. Called from many threads at once when the server has more than one
// completion queue or when the method is a blocking one. The request lives until the handler
// returns.
template <typename Request, typename Response>
using MessageHandlerOf =
    std::function<RpcStatus(CallContext& context, const Request& request, ReplyOf<Response> reply)>;

// One of the requests that are answered together. Valid until the handler returns.
struct BatchedRequest {
  CallContext* context = nullptr;
  const google::protobuf::Message* request = nullptr;
  google::protobuf::Message* response = nullptr;  // empty at first; sent when the status is OK
  RpcStatus status;                               // how the call ends
};

// BatchedRequest with the types of its messages.
template <typename Request, typename Response>
class BatchedOf {
 public:
  explicit BatchedOf(BatchedRequest& batched) : batched_(batched) {}
  CallContext& context() const { return *batched_.context; }
  const Request& request() const { return static_cast<const Request&>(*batched_.request); }
  Response& response() const { return static_cast<Response&>(*batched_.response); }
  RpcStatus& status() const { return batched_.status; }

 private:
  BatchedRequest& batched_;
};

// Answers requests of one method, at least one, in the order in which they came. Called from
// several threads at once. What it throws ends all of them.
template <typename Request, typename Response>
using BatchHandlerOf = std::function<void(absl::Span<const BatchedOf<Request, Response>> batch)>;

// What becomes of one client stream. The calls come one after the other, each on some thread of the
// executor, never on a polling thread; what one of them wrote the next one sees. Destroyed there,
// too, when the stream is over, however it ended.
template <typename Request, typename Response>
class ClientStreamOf {
 public:
  virtual ~ClientStreamOf() = default;

  // One message of the stream, in order. The next one is read from the network only after this has
  // returned. An error ends the call.
  virtual RpcStatus OnMessage(CallContext& context, const Request& request) = 0;

  // The client has sent everything. Not called after an error or once the call is known to be
  // cancelled; a stream that breaks off may look like one that ended, so the messages must stand
  // for themselves.
  virtual RpcStatus OnDone(CallContext& context, ReplyOf<Response> reply) = 0;
};

// Called on a thread of the executor when the first message, or the end, has come. Must not return
// null.
template <typename Request, typename Response>
using ClientStreamFactoryOf =
    std::function<std::unique_ptr<ClientStreamOf<Request, Response>>(CallContext& context)>;

// The same without types: what the engine works with, so that parsing and serialising are compiled
// once, in one library.
using MessageHandler = std::function<RpcStatus(
    CallContext& context, const google::protobuf::Message& request, Reply& reply)>;

using BatchHandler = std::function<void(absl::Span<BatchedRequest> batch)>;

class ClientStream {
 public:
  virtual ~ClientStream() = default;
  virtual RpcStatus OnMessage(CallContext& context, const google::protobuf::Message& request) = 0;
  virtual RpcStatus OnDone(CallContext& context, Reply& reply) = 0;
};

using ClientStreamFactory = std::function<std::unique_ptr<ClientStream>(CallContext& context)>;

template <typename Request, typename Response>
MessageHandler WithoutTypes(MessageHandlerOf<Request, Response> handler) {
  return [handler = std::move(handler)](CallContext& context,
                                        const google::protobuf::Message& request, Reply& reply) {
    return handler(context, static_cast<const Request&>(request), ReplyOf<Response>(reply));
  };
}

template <typename Request, typename Response>
BatchHandler WithoutTypes(BatchHandlerOf<Request, Response> handler) {
  return [handler = std::move(handler)](absl::Span<BatchedRequest> batch) {
    std::vector<BatchedOf<Request, Response>> typed;
    typed.reserve(batch.size());
    for (BatchedRequest& batched : batch) typed.emplace_back(batched);
    handler(typed);
  };
}

template <typename Request, typename Response>
ClientStreamFactory WithoutTypes(ClientStreamFactoryOf<Request, Response> factory) {
  class Adapter final : public ClientStream {
   public:
    explicit Adapter(std::unique_ptr<ClientStreamOf<Request, Response>> stream)
        : stream_(std::move(stream)) {}
    RpcStatus OnMessage(CallContext& context, const google::protobuf::Message& request) override {
      return stream_->OnMessage(context, static_cast<const Request&>(request));
    }
    RpcStatus OnDone(CallContext& context, Reply& reply) override {
      return stream_->OnDone(context, ReplyOf<Response>(reply));
    }

   private:
    std::unique_ptr<ClientStreamOf<Request, Response>> stream_;
  };
  return [factory = std::move(factory)](CallContext& context) {
    return std::make_unique<Adapter>(factory(context));
  };
}

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_HANDLER_H_
