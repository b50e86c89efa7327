#ifndef ATTUNE_SERVICE_RPC_CLIENT_STREAM_CALL_H_
#define ATTUNE_SERVICE_RPC_CLIENT_STREAM_CALL_H_

#include <memory>
#include <optional>

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
  void Run(bool ok, Scratch& scratch);
  RpcStatus Work(bool ok, Scratch& scratch, grpc::ByteBuffer& answer);

  std::optional<grpc::ServerAsyncReader<grpc::ByteBuffer, grpc::ByteBuffer>> reader_;
  grpc::ByteBuffer incoming_;
  std::unique_ptr<ClientStream> stream_;  // of the executor
  bool admitted_ = false;
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_CLIENT_STREAM_CALL_H_
