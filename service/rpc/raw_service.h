#ifndef ATTUNE_SERVICE_RPC_RAW_SERVICE_H_
#define ATTUNE_SERVICE_RPC_RAW_SERVICE_H_

#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/rpc_service_method.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/support/async_stream.h"
#include "grpcpp/support/async_unary_call.h"
#include "service/rpc/method.h"

namespace attune::rpc {

// One gRPC service whose methods are added at run time and take and give raw bytes: what the
// generated WithRawMethod_X classes do, without one class per method. Thread-safe once the server
// it is registered with has started.
class RawService final : public grpc::Service {
 public:
  // Returns the index that the functions below take. `path` ("/package.Service/Method") must
  // outlive the service.
  int Add(const char* path, MethodType type) {
    using grpc::internal::RpcMethod;
    RpcMethod::RpcType grpc_type = RpcMethod::NORMAL_RPC;
    if (type == MethodType::kClientStream) grpc_type = RpcMethod::CLIENT_STREAMING;
    if (type == MethodType::kServerStream) grpc_type = RpcMethod::SERVER_STREAMING;
    if (type == MethodType::kBidiStream) grpc_type = RpcMethod::BIDI_STREAMING;
    AddMethod(new grpc::internal::RpcServiceMethod(path, grpc_type, nullptr));
    MarkMethodRaw(size_);
    return size_++;
  }

  // Ask for the next call of a method; `tag` comes out of the queue when there is one.
  void RequestUnary(int index, grpc::ServerContext* context, grpc::ByteBuffer* request,
                    grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>* writer,
                    grpc::ServerCompletionQueue* queue, void* tag) {
    RequestAsyncUnary(index, context, request, writer, queue, queue, tag);
  }
  void RequestClientStream(int index, grpc::ServerContext* context,
                           grpc::ServerAsyncReader<grpc::ByteBuffer, grpc::ByteBuffer>* reader,
                           grpc::ServerCompletionQueue* queue, void* tag) {
    RequestAsyncClientStreaming(index, context, reader, queue, queue, tag);
  }
  void RequestServerStream(int index, grpc::ServerContext* context, grpc::ByteBuffer* request,
                           grpc::ServerAsyncWriter<grpc::ByteBuffer>* writer,
                           grpc::ServerCompletionQueue* queue, void* tag) {
    RequestAsyncServerStreaming(index, context, request, writer, queue, queue, tag);
  }
  void RequestBidiStream(int index, grpc::ServerContext* context,
                         grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>* stream,
                         grpc::ServerCompletionQueue* queue, void* tag) {
    RequestAsyncBidiStreaming(index, context, stream, queue, queue, tag);
  }

 private:
  int size_ = 0;
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_RAW_SERVICE_H_
