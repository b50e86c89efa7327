#ifndef ATTUNE_SERVICE_RPC_CLIENT_STREAM_CALL_H_
#define ATTUNE_SERVICE_RPC_CLIENT_STREAM_CALL_H_

#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "lib/base/mutex.h"
#include "service/rpc/call.h"

namespace attune::rpc {

// A client stream whose messages are worked off on the executor, one at a time. The polling thread
// and the executor take turns: a read is begun by whoever has finished the message before.
class ClientStreamCall final : public Call {
 public:
  using Call::Call;

 protected:
  void Request(grpc::ServerContext* context, void* tag) override;
  void OnStarted() override;
  void OnRead(bool ok) override;
  void OnRecycled() override;

 private:
  // On the executor: `ok` as OnRead got it.
  void Run(bool ok, Scratch& scratch) ABSL_LOCKS_EXCLUDED(turn_);
  RpcStatus Work(bool ok, Scratch& scratch, grpc::ByteBuffer& answer) ABSL_LOCKS_EXCLUDED(turn_);
  RpcStatus TakeTurn(bool ok, Scratch& scratch, grpc::ByteBuffer& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);

  std::optional<grpc::ServerAsyncReader<grpc::ByteBuffer, grpc::ByteBuffer>> reader_;
  grpc::ByteBuffer incoming_;
  bool admitted_ = false;

  // Never contended: gRPC orders the turns. It makes the order visible, to ThreadSanitizer too.
  Mutex turn_;
  std::unique_ptr<ClientStream> stream_ ABSL_GUARDED_BY(turn_);
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_CLIENT_STREAM_CALL_H_
