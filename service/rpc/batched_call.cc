#include "service/rpc/batched_call.h"

#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"

namespace attune::rpc {

void BatchedUnaryCall::OnStarted() {
  if (DeadlinePassed()) {
    Finish(TooLate(), {}, Begin(Event::kFinished));
    return;
  }
  if (!blocking_calls().TryEnter()) {
    Finish(TooManyWait(), {}, Begin(Event::kFinished));
    return;
  }
  BeginTask();
  // From Add on the call may be another thread's.
  const Method& batched = method();
  Executor& posts_to = executor();
  if (batched.batches->Add(this, request().Length())) PostBatch(batched, posts_to);
}

// One batch per task: what else waits for the executor has its turn in between.
void BatchedUnaryCall::PostBatch(const Method& method, Executor& executor) {
  executor.Post([&method, &executor](Scratch& scratch) {
    RunBatch(method, scratch);
    if (method.batches->Finish()) PostBatch(method, executor);
  });
}

void BatchedUnaryCall::RunBatch(const Method& method, Scratch& scratch) {
  std::vector<BatchedUnaryCall*> calls;
  method.batches->Take(calls);
  std::vector<BatchedUnaryCall*> wanted;
  wanted.reserve(calls.size());
  for (BatchedUnaryCall* call : calls) {
    const RpcStatus abandoned = call->Abandoned();
    if (abandoned.ok()) {
      wanted.push_back(call);
    } else {
      call->EndBatched(abandoned, nullptr);
    }
  }
  AnswerBatch(method, wanted, scratch);
}

void BatchedUnaryCall::AnswerBatch(const Method& method, absl::Span<BatchedUnaryCall* const> calls,
                                   Scratch& scratch) {
  const absl::Cleanup reset = [&] { scratch.Reset(); };
  std::vector<BatchedUnaryCall*> answered;
  std::vector<BatchedRequest> requests;
  answered.reserve(calls.size());
  requests.reserve(calls.size());
  for (BatchedUnaryCall* call : calls) {
    google::protobuf::Message* message = method.request->New(&scratch.arena());
    const RpcStatus parsed = call->Parse(call->request(), *message);
    if (!parsed.ok()) {
      call->EndBatched(parsed, nullptr);
      continue;
    }
    answered.push_back(call);
    requests.push_back(
        {&call->context(), message, method.response->New(&scratch.arena()), RpcStatus()});
  }
  if (requests.empty()) return;
  const RpcStatus ran = answered.front()->Guarded([&] {
    method.batch_handler(absl::MakeSpan(requests));
    return RpcStatus();
  });
  for (size_t i = 0; i < answered.size(); ++i) {
    answered[i]->EndBatched(ran.ok() ? requests[i].status : ran, requests[i].response);
  }
}

void BatchedUnaryCall::EndBatched(const RpcStatus& status,
                                  const google::protobuf::Message* response) {
  grpc::ByteBuffer answer;
  if (status.ok()) SerializeMessage(*response, answer);
  blocking_calls().Leave();
  Finish(status, answer, TagOf(Event::kFinished));
}

}  // namespace attune::rpc
