#include "service/ctl/upsert_call.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/generic/generic_stub.h"

namespace attune::ctl {
namespace {

using Response = v1::CustomerServiceBatchUpsertResponse;

// One call on messages that are serialised already, which the generated stub can't send. One
// operation at a time. Not thread-safe.
class RawCall {
 public:
  RawCall(ServerConnection& server, absl::Duration default_timeout)
      : context_(server.NewContext(default_timeout)) {
    const std::string method =
        absl::StrCat("/", v1::CustomerService::service_full_name(), "/BatchUpsert");
    call_ = server.generic().PrepareCall(context_.get(), method, &queue_);
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

  grpc::Status Finish(Response& response) {
    grpc::ByteBuffer answer;
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
    if (!status.ok() || !intact_) return status;
    return grpc::SerializationTraits<Response>::Deserialize(&answer, &response);
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

grpc::Status Account(Response& response, ImportChunk& chunk) {
  const RowCounts counts = {response.created(), response.updated(), response.unchanged(),
                            response.rejected()};
  const auto sent = static_cast<int64_t>(chunk.texts.size());
  if (response.received() != sent || counts.sum() != sent ||
      response.rejected_rows_size() != counts.rejected) {
    return {grpc::StatusCode::INTERNAL,
            absl::StrCat("the server's answer accounts for ", counts.sum(), " of ", sent,
                         " rows and names ", response.rejected_rows_size(), " of ", counts.rejected,
                         " rejected ones")};
  }
  for (v1::RejectedRow& row : *response.mutable_rejected_rows()) {
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

void SendChunk(ServerConnection& server, absl::Duration default_timeout, ImportChunk& chunk) {
  RawCall call(server, default_timeout);
  for (const std::string& message : chunk.messages) {
    if (!call.Write(message)) break;
  }
  chunk.messages.clear();
  Response response;
  chunk.status = call.Finish(response);
  if (chunk.status.ok()) chunk.status = Account(response, chunk);
}

}  // namespace attune::ctl
