#include "service/ctl/batch_call.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/generic/generic_stub.h"

namespace attune::ctl {
namespace {

// One call on messages that are serialised already, which the generated stub can't send. One
// operation at a time. Not thread-safe.
class RawCall {
 public:
  RawCall(ServerConnection& server, const std::string& path, absl::Duration default_timeout)
      : context_(server.NewContext(default_timeout)) {
    call_ = server.generic().PrepareCall(context_.get(), path, &queue_);
    call_->StartCall(this);
    intact_ = Wait();
  }

  // False when the call is broken; Finish() tells why.
  bool Write(const std::string& message) {
    if (!intact_) return false;
    const grpc::Slice slice(message);
    call_->Write(grpc::ByteBuffer(&slice, 1), this);
    intact_ = Wait();
    return intact_;
  }

  // INTERNAL: there is no answer.
  grpc::Status Finish(grpc::ByteBuffer& answer) {
    if (intact_) {
      call_->WritesDone(this);
      Wait();
      call_->Read(&answer, this);
      intact_ = Wait();
    }
    grpc::Status status;
    call_->Finish(&status, this);
    Wait();
    queue_.Shutdown();
    Wait();
    if (status.ok() && !intact_) return {grpc::StatusCode::INTERNAL, "the call had no answer"};
    return status;
  }

 private:
  // For the end of the operation; false when it failed, or when the queue was shut down.
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  std::unique_ptr<grpc::ClientContext> context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool intact_ = false;
};

// Reads an answer of the type, whose three counts of accepted rows are these.
template <typename Response, int64_t (Response::*... Accepted)() const>
grpc::Status ReadAnswer(grpc::ByteBuffer& bytes, BatchAnswer& answer) {
  Response response;
  grpc::Status status = grpc::SerializationTraits<Response>::Deserialize(&bytes, &response);
  if (!status.ok()) return status;
  answer.received = response.received();
  answer.counts.accepted = {(response.*Accepted)()...};
  answer.counts.rejected = response.rejected();
  answer.rejected_rows.Swap(response.mutable_rejected_rows());
  return grpc::Status::OK;
}

grpc::Status Account(BatchAnswer& answer, ImportChunk& chunk) {
  const RowCounts& counts = answer.counts;
  const auto sent = static_cast<int64_t>(chunk.texts.size());
  if (answer.received != sent || counts.sum() != sent ||
      answer.rejected_rows.size() != counts.rejected) {
    return {grpc::StatusCode::INTERNAL,
            absl::StrCat("the server's answer accounts for ", counts.sum(), " of ", sent,
                         " rows and names ", answer.rejected_rows.size(), " of ", counts.rejected,
                         " rejected ones")};
  }
  for (v1::RejectedRow& row : answer.rejected_rows) {
    if (row.row_index() < 0 || row.row_index() >= sent) {
      return {grpc::StatusCode::INTERNAL,
              absl::StrCat("the server rejected row ", row.row_index(), " of ", sent)};
    }
    const RowTexts::Row text = chunk.texts[static_cast<size_t>(row.row_index())];
    chunk.rejected.push_back({text.line, text.last_line, std::move(*row.mutable_reason()),
                              std::string(text.text), /*well_formed=*/true});
  }
  chunk.counts = counts;
  return grpc::Status::OK;
}

}  // namespace

BatchMethod UpsertMethod() {
  using Response = v1::CustomerServiceBatchUpsertResponse;
  return {"/attune.v1.CustomerService/BatchUpsert",
          {"created", "updated", "unchanged"},
          &ReadAnswer<Response, &Response::created, &Response::updated, &Response::unchanged>};
}

BatchMethod RecordInteractionsMethod() {
  using Response = v1::CustomerServiceBatchRecordInteractionsResponse;
  return {"/attune.v1.CustomerService/BatchRecordInteractions",
          {"recorded", "already_known", "too_old"},
          &ReadAnswer<Response, &Response::recorded, &Response::already_known, &Response::too_old>};
}

void SendChunk(ServerConnection& server, const BatchMethod& method, absl::Duration default_timeout,
               ImportChunk& chunk) {
  RawCall call(server, method.path, default_timeout);
  for (const std::string& message : chunk.messages) {
    if (!call.Write(message)) break;
  }
  chunk.messages.clear();
  grpc::ByteBuffer bytes;
  BatchAnswer answer;
  chunk.status = call.Finish(bytes);
  if (chunk.status.ok()) chunk.status = method.read(bytes, answer);
  if (chunk.status.ok()) chunk.status = Account(answer, chunk);
}

}  // namespace attune::ctl
