#include "tests/load/load_client.h"

#include <chrono>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "attune/v1/decision_service.grpc.pb.h"
#include "grpcpp/grpcpp.h"

namespace attune::load {
namespace {

namespace pb = attune::v1;
using Clock = std::chrono::steady_clock;

// How long a run may take beyond its time before what is still open is given up.
constexpr std::chrono::seconds kGrace(10);

std::chrono::nanoseconds Seconds(double seconds) {
  return std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9));
}

std::shared_ptr<grpc::Channel> Connect(const std::string& server) {
  grpc::ChannelArguments arguments;
  // A connection of its own for every run.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
}

// When each call is meant to start, and what was measured.
class Schedule {
 public:
  Schedule(const LoadOptions& options)
      : options_(options),
        start_(Clock::now()),
        measure_from_(start_ + Seconds(options.warmup_seconds)),
        end_(measure_from_ + Seconds(options.seconds)) {}

  // The intended start of the next call, or nullopt when there are no more.
  std::optional<Clock::time_point> Next() {
    if (started_ >= options_.max_calls) return std::nullopt;
    Clock::time_point intended = Clock::now();
    if (options_.rate > 0) {
      intended = start_ + Seconds(static_cast<double>(started_) / options_.rate);
    }
    if (intended >= end_) return std::nullopt;
    ++started_;
    return intended;
  }

  void Finish(Clock::time_point intended, LoadResult& result) {
    const auto now = Clock::now();
    if (intended < measure_from_) return;
    result.latency.Add(std::chrono::nanoseconds(now - intended).count());
    last_ = now;
  }

  double MeasuredSeconds() const {
    return last_ <= measure_from_ ? 0
                                  : std::chrono::duration<double>(last_ - measure_from_).count();
  }
  std::chrono::system_clock::time_point Deadline() const {
    return std::chrono::system_clock::now() +
           std::chrono::duration_cast<std::chrono::system_clock::duration>(end_ - Clock::now()) +
           kGrace;
  }

 private:
  const LoadOptions& options_;
  const Clock::time_point start_;
  const Clock::time_point measure_from_;
  const Clock::time_point end_;
  Clock::time_point last_{};
  uint64_t started_ = 0;
};

void NoteError(const grpc::Status& status, LoadResult& result) {
  if (result.errors++ == 0) {
    result.first_error = absl::StrCat(status.error_code(), " ", status.error_message());
  }
}

struct UnaryCall {
  Clock::time_point intended;
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<pb::DecideResponse>> reader;
  pb::DecideResponse response;
  grpc::Status status;
};

}  // namespace

LoadResult RunUnary(const LoadOptions& options, const std::vector<pb::DecideRequest>& requests) {
  LoadResult result;
  const auto stub = pb::DecisionService::NewStub(Connect(options.server));
  grpc::CompletionQueue queue;
  std::vector<UnaryCall> calls(static_cast<size_t>(options.concurrency));
  std::vector<UnaryCall*> idle;
  for (UnaryCall& call : calls) idle.push_back(&call);
  Schedule schedule(options);
  size_t next_request = 0;
  std::optional<Clock::time_point> intended = schedule.Next();
  const auto start = [&](UnaryCall& call) {
    call.intended = *intended;
    call.context = std::make_unique<grpc::ClientContext>();
    call.context->set_deadline(std::chrono::system_clock::now() + kGrace);
    const pb::DecideRequest& request = requests[next_request++ % requests.size()];
    call.reader = stub->AsyncDecide(call.context.get(), request, &queue);
    call.reader->Finish(&call.response, &call.status, &call);
    intended = schedule.Next();
  };
  size_t in_flight = 0;
  while (intended || in_flight > 0) {
    while (intended && !idle.empty() && *intended <= Clock::now()) {
      UnaryCall* call = idle.back();
      idle.pop_back();
      start(*call);
      ++in_flight;
    }
    // With a rate the next call may be due before any answer comes.
    auto until = std::chrono::system_clock::now() + kGrace;
    if (intended && !idle.empty()) {
      until = std::chrono::system_clock::now() +
              std::chrono::duration_cast<std::chrono::system_clock::duration>(*intended -
                                                                              Clock::now());
    }
    void* tag = nullptr;
    bool ok = false;
    if (queue.AsyncNext(&tag, &ok, until) != grpc::CompletionQueue::GOT_EVENT) continue;
    auto* call = static_cast<UnaryCall*>(tag);
    schedule.Finish(call->intended, result);
    if (call->status.ok()) {
      result.last_answer.clear();
    } else {
      NoteError(call->status, result);
    }
    if (in_flight == 1 && !intended) call->response.SerializeToString(&result.last_answer);
    idle.push_back(call);
    --in_flight;
  }
  result.seconds = schedule.MeasuredSeconds();
  queue.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) {
  }
  return result;
}

LoadResult RunStream(const LoadOptions& options, const std::vector<pb::DecideRequest>& requests) {
  enum Tag : intptr_t { kStarted = 1, kRead, kWritten, kClosed, kFinished };
  const auto tag_of = [](Tag tag) { return reinterpret_cast<void*>(static_cast<intptr_t>(tag)); };
  LoadResult result;
  const auto stub = pb::DecisionService::NewStub(Connect(options.server));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  Schedule schedule(options);
  context.set_deadline(schedule.Deadline());
  auto stream = stub->AsyncDecideStream(&context, &queue, tag_of(kStarted));
  std::unordered_map<std::string, Clock::time_point> in_flight;
  pb::DecideStreamRequest request;
  pb::DecideStreamResponse response;
  grpc::Status status;
  std::optional<Clock::time_point> intended = schedule.Next();
  bool ready = false;
  bool writing = false;
  bool closed = false;
  bool finished = false;
  uint64_t sent = 0;
  while (!finished) {
    if (ready && !writing && !closed) {
      if (!intended) {
        stream->WritesDone(tag_of(kClosed));
        closed = true;
      } else if (in_flight.size() < static_cast<size_t>(options.concurrency) &&
                 *intended <= Clock::now()) {
        request.set_correlation_id(absl::StrCat(sent));
        *request.mutable_decide() = requests[sent++ % requests.size()];
        in_flight.emplace(request.correlation_id(), *intended);
        stream->Write(request, tag_of(kWritten));
        writing = true;
        intended = schedule.Next();
      }
    }
    auto until = std::chrono::system_clock::now() + kGrace;
    if (ready && !writing && intended &&
        in_flight.size() < static_cast<size_t>(options.concurrency)) {
      until = std::chrono::system_clock::now() +
              std::chrono::duration_cast<std::chrono::system_clock::duration>(*intended -
                                                                              Clock::now());
    }
    void* tag = nullptr;
    bool ok = false;
    if (queue.AsyncNext(&tag, &ok, until) != grpc::CompletionQueue::GOT_EVENT) continue;
    switch (static_cast<Tag>(reinterpret_cast<intptr_t>(tag))) {
      case kStarted:
        ready = true;
        stream->Read(&response, tag_of(kRead));
        break;
      case kWritten:
        writing = !ok;
        break;
      case kRead: {
        if (!ok) {
          stream->Finish(&status, tag_of(kFinished));
          break;
        }
        const auto sent_at = in_flight.find(response.correlation_id());
        if (sent_at != in_flight.end()) {
          schedule.Finish(sent_at->second, result);
          in_flight.erase(sent_at);
        }
        if (response.has_error()) {
          NoteError(grpc::Status(static_cast<grpc::StatusCode>(response.error().code()),
                                 response.error().message()),
                    result);
        }
        stream->Read(&response, tag_of(kRead));
        break;
      }
      case kClosed:
        break;
      case kFinished:
        finished = true;
        break;
    }
  }
  if (!status.ok()) NoteError(status, result);
  result.seconds = schedule.MeasuredSeconds();
  queue.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) {
  }
  return result;
}

}  // namespace attune::load
