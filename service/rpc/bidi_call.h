#ifndef ATTUNE_SERVICE_RPC_BIDI_CALL_H_
#define ATTUNE_SERVICE_RPC_BIDI_CALL_H_

#include <deque>
#include <optional>

#include "grpcpp/alarm.h"
#include "service/rpc/call.h"

namespace attune::rpc {

// A bidirectional stream that is answered in place, or, when its handler may wait, on the executor,
// one message at a time: every message gets one answer, in order. Goes on reading while an answer
// is being written, until as many answers wait as the options allow; then the client has to read
// before it can send more, because gRPC's flow control holds it back.
class BidiCall final : public Call {
 public:
  using Call::Call;

  void OnWake() override;

 protected:
  void Request(grpc::ServerContext* context, void* tag) override;
  void OnStarted() override;
  void OnRead(bool ok) override;
  void OnWritten(bool ok) override;
  void OnAnswered() override;
  void OnRecycled() override;

 private:
  // Answers what waits in incoming_, on the polling thread.
  void AnswerMessage();
  // Lets the executor do so; OnAnswered comes back with the answer. Until then nothing is read, and
  // the stream does not end.
  void PostMessage();
  // Takes over what the handler said.
  void TakeAnswer(RpcStatus status, grpc::ByteBuffer& answer);
  // No message is looked at any more; `status` ends the call once the waiting answers are written.
  void EndInput(RpcStatus status);
  // Starts whatever may be started.
  void Pump();
  void WriteNext();

  std::optional<grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
  grpc::ByteBuffer incoming_;
  std::deque<grpc::ByteBuffer> answers_;
  size_t answer_bytes_ = 0;  // in answers_
  RpcStatus final_status_;
  // Of the executor while it answers.
  grpc::ByteBuffer posted_answer_;
  RpcStatus posted_status_;
  grpc::Alarm answered_;  // brings the call back to the polling thread
  bool admitted_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool answering_ = false;  // the executor is
  bool input_over_ = false;
  bool finishing_ = false;
};

}  // namespace attune::rpc

#endif  // ATTUNE_SERVICE_RPC_BIDI_CALL_H_
