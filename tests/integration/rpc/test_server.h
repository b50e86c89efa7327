#ifndef ATTUNE_TESTS_INTEGRATION_RPC_TEST_SERVER_H_
#define ATTUNE_TESTS_INTEGRATION_RPC_TEST_SERVER_H_

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "attune/v1/customer_service.grpc.pb.h"
#include "attune/v1/decision_service.grpc.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "lib/base/mutex.h"
#include "service/rpc/rpc_server.h"

namespace attune::rpc {

inline constexpr char kDecide[] = "/attune.v1.DecisionService/Decide";
inline constexpr char kDecideStream[] = "/attune.v1.DecisionService/DecideStream";
inline constexpr char kUpsert[] = "/attune.v1.CustomerService/Upsert";
inline constexpr char kBatchUpsert[] = "/attune.v1.CustomerService/BatchUpsert";

// Closed until somebody opens it. Thread-safe.
class Gate {
 public:
  void Open() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    open_ = true;
    changed_.NotifyAll();
  }
  void Wait() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    while (!open_) changed_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
};

// Writes down what it is told. Thread-safe.
class RecordingObserver final : public CallObserver {
 public:
  void OnStarted(const MethodInfo& method) override {
    MutexLock lock(mutex_);
    ++started_[method.method];
  }
  void OnHandled(const MethodInfo& method, absl::StatusCode code,
                 absl::Duration duration) override {
    MutexLock lock(mutex_);
    ++handled_[{method.method, code}];
    if (duration < absl::ZeroDuration()) negative_duration_ = true;
  }
  void OnMalformed(const MethodInfo& method) override {
    MutexLock lock(mutex_);
    ++malformed_[method.method];
  }
  void OnException(const MethodInfo& /*method*/, std::string_view what) override {
    MutexLock lock(mutex_);
    exceptions_.emplace_back(what);
  }

  int started(const std::string& method) const {
    MutexLock lock(mutex_);
    const auto found = started_.find(method);
    return found == started_.end() ? 0 : found->second;
  }
  int handled(const std::string& method, absl::StatusCode code) const {
    MutexLock lock(mutex_);
    const auto found = handled_.find({method, code});
    return found == handled_.end() ? 0 : found->second;
  }
  int malformed(const std::string& method) const {
    MutexLock lock(mutex_);
    const auto found = malformed_.find(method);
    return found == malformed_.end() ? 0 : found->second;
  }
  std::vector<std::string> exceptions() const {
    MutexLock lock(mutex_);
    return exceptions_;
  }
  bool negative_duration() const {
    MutexLock lock(mutex_);
    return negative_duration_;
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, int> started_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, absl::StatusCode>, int> handled_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> malformed_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> exceptions_ ABSL_GUARDED_BY(mutex_);
  bool negative_duration_ ABSL_GUARDED_BY(mutex_) = false;
};

// A server with the methods that a test adds, on a free port, and a channel to it.
class TestServer {
 public:
  explicit TestServer(RpcServerOptions options = {}) : server_(std::move(options)) {}

  RpcServer& server() { return server_; }
  RecordingObserver& observer() { return observer_; }
  int port() const { return port_; }

  void Start() {
    const absl::StatusOr<int> port = server_.Start(&observer_);
    ASSERT_TRUE(port.ok()) << port.status();
    port_ = *port;
  }

  // A channel with a connection of its own.
  std::shared_ptr<grpc::Channel> NewChannel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxReceiveMessageSize(-1);
    return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port_),
                                     grpc::InsecureChannelCredentials(), arguments);
  }
  std::unique_ptr<v1::DecisionService::Stub> NewDecisionStub() const {
    return v1::DecisionService::NewStub(NewChannel());
  }
  std::unique_ptr<v1::CustomerService::Stub> NewCustomerStub() const {
    return v1::CustomerService::NewStub(NewChannel());
  }

 private:
  RecordingObserver observer_;
  RpcServer server_;
  int port_ = 0;
};

// Sends bytes as the request of a unary call.
inline grpc::Status CallWithBytes(const std::shared_ptr<grpc::Channel>& channel,
                                  const std::string& method, const std::string& bytes,
                                  std::string* answer = nullptr) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (status.ok() && answer != nullptr) {
    grpc::Slice answer_slice;
    response.DumpToSingleSlice(&answer_slice).ok();
    answer->assign(reinterpret_cast<const char*>(answer_slice.begin()), answer_slice.size());
  }
  return status;
}

}  // namespace attune::rpc

#endif  // ATTUNE_TESTS_INTEGRATION_RPC_TEST_SERVER_H_
