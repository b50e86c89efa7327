#include "tests/load/load_client.h"

#include <algorithm>
#include <deque>
#include <memory>

#include "absl/strings/str_cat.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "tests/load/stream_codec.h"

namespace attune::load {
namespace {

using Clock = Schedule::Clock;

constexpr char kDecideStream[] = "/attune.v1.DecisionService/DecideStream";

Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

std::shared_ptr<grpc::Channel> Connect(const std::string& server) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
                   1);  // a connection of its own
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
}

// What both ways to ask have in common: the loop that starts what is due and
// takes what comes.
class Runner {
 public:
  Runner(const LoadOptions& options, const NextRequest& next_request)
      : options_(options), next_request_(next_request), schedule_(options, Clock::now()) {}
  virtual ~Runner() = default;

  LoadResult Run();

 protected:
  // Is there room for one more decision?
  virtual bool HasRoom() const = 0;
  // Starts a decision. REQUIRES: HasRoom().
  virtual void StartOne(Clock::time_point due) = 0;
  // Is anything to be waited for?
  virtual bool Busy() const = 0;
  // Can nothing be started any more, whatever is due?
  virtual bool Dead() const { return false; }
  virtual void OnEvent(void* tag, bool ok) = 0;
  // Nothing more will be started.
  virtual void OnNoMore() {}
  virtual void CancelAll() = 0;

  const std::string& TakeRequest() { return next_request_(); }
  void OnAnswered(Clock::time_point due, Clock::time_point now) {
    ++result_.answered;
    if (schedule_.Measures(now)) result_.latency.Add(std::chrono::nanoseconds(now - due).count());
  }
  void OnError(const std::string& what) {
    if (result_.errors++ == 0) result_.first_error = what;
  }

  const LoadOptions& options_;
  grpc::CompletionQueue queue_;
  LoadResult result_;

 private:
  // Starts all that is due and has room. Returns until when there is nothing to
  // start.
  Clock::time_point StartDue();
  // Waits for an event, at most until that time. False: there was none.
  bool Wait(Clock::time_point until);

  const NextRequest& next_request_;
  Schedule schedule_;
  bool no_more_ = false;
};

Clock::time_point Runner::StartDue() {
  const Clock::time_point give_up = schedule_.end() + Seconds(options_.grace_seconds);
  while (!no_more_) {
    const Clock::time_point now = Clock::now();
    const auto due = schedule_.Due(now);
    if (!due) {
      no_more_ = true;
      OnNoMore();
      break;
    }
    if (!HasRoom()) break;
    if (*due > now) return *due;
    schedule_.Start();
    StartOne(*due);
  }
  return give_up;
}

bool Runner::Wait(Clock::time_point until) {
  void* tag = nullptr;
  bool ok = false;
  const auto deadline =
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(until - Clock::now());
  if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) return false;
  OnEvent(tag, ok);
  return true;
}

LoadResult Runner::Run() {
  const Clock::time_point give_up = schedule_.end() + Seconds(options_.grace_seconds);
  bool cancelled = false;
  for (;;) {
    const Clock::time_point until = StartDue();
    if ((no_more_ || Dead()) && !Busy()) break;
    if (Wait(until) || cancelled || Clock::now() < give_up) continue;
    cancelled = true;
    CancelAll();
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
  result_.qps = static_cast<double>(result_.latency.count()) / options_.seconds;
  return std::move(result_);
}

// Every decision is a call.
class UnaryRunner final : public Runner {
 public:
  UnaryRunner(const LoadOptions& options, const NextRequest& next_request)
      : Runner(options, next_request), calls_(static_cast<size_t>(options.concurrency)) {
    for (int i = 0; i < std::max(1, options.connections); ++i) {
      connections_.push_back(std::make_unique<Connection>(options));
    }
    for (size_t i = 0; i < calls_.size(); ++i) {
      calls_[i].connection = connections_[i % connections_.size()].get();
      idle_.push_back(&calls_[i]);
    }
  }

 protected:
  bool HasRoom() const override { return !idle_.empty(); }
  bool Busy() const override { return idle_.size() < calls_.size(); }

  void StartOne(Clock::time_point due) override {
    Call& call = *idle_.back();
    idle_.pop_back();
    call.due = due;
    call.context.emplace();
    const grpc::Slice slice(TakeRequest());
    const grpc::ByteBuffer request(&slice, 1);
    // As the generated stub does it, with bytes instead of messages.
    call.reader.reset(grpc::internal::ClientAsyncResponseReaderHelper::Create<grpc::ByteBuffer>(
        call.connection->channel.get(), &queue_, call.connection->method, &*call.context, request));
    call.reader->StartCall();
    call.reader->Finish(&call.answer, &call.status, &call);
  }

  void OnEvent(void* tag, bool /*ok*/) override {
    Call& call = *static_cast<Call*>(tag);
    const Clock::time_point now = Clock::now();
    const std::string problem = ProblemOf(call);
    if (problem.empty()) {
      OnAnswered(call.due, now);
    } else {
      OnError(problem);
    }
    idle_.push_back(&call);
    if (!Busy() && call.status.ok()) KeepAnswer(call.answer);
    call.answer.Clear();
    call.reader.reset();
    call.context.reset();
  }

  void CancelAll() override {
    for (Call& call : calls_) {
      if (call.context) call.context->TryCancel();
    }
  }

 private:
  struct Connection {
    explicit Connection(const LoadOptions& options)
        : channel(Connect(options.server)),
          method(options.method.c_str(), grpc::internal::RpcMethod::NORMAL_RPC, channel) {}

    const std::shared_ptr<grpc::Channel> channel;
    const grpc::internal::RpcMethod method;
  };
  struct Call {
    const Connection* connection = nullptr;
    Clock::time_point due;
    std::optional<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
    grpc::ByteBuffer answer;
    grpc::Status status;
  };

  // Empty: none.
  std::string ProblemOf(const Call& call) const {
    if (!call.status.ok()) {
      return absl::StrCat("code ", call.status.error_code(), ": ", call.status.error_message());
    }
    if (!options_.check) return "";
    grpc::Slice slice;
    if (!call.answer.DumpToSingleSlice(&slice).ok()) return "an answer that can't be read";
    return options_.check({reinterpret_cast<const char*>(slice.begin()), slice.size()});
  }

  void KeepAnswer(const grpc::ByteBuffer& answer) {
    grpc::Slice slice;
    if (!answer.DumpToSingleSlice(&slice).ok()) return;
    result_.last_answer.assign(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }

  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Call> calls_;
  std::vector<Call*> idle_;
};

// Decisions are messages of streams.
class StreamRunner final : public Runner {
 public:
  StreamRunner(const LoadOptions& options, const NextRequest& next_request)
      : Runner(options, next_request), stub_(Connect(options.server)) {
    const size_t streams =
        static_cast<size_t>(std::clamp(options.streams, 1, std::max(1, options.concurrency)));
    for (size_t i = 0; i < streams; ++i) {
      // The remainder goes to the first ones.
      const size_t slots = static_cast<size_t>(options.concurrency) / streams +
                           (i < static_cast<size_t>(options.concurrency) % streams ? 1 : 0);
      streams_.push_back(std::make_unique<Stream>(slots));
      room_ += slots;
      Open(*streams_.back());
    }
    open_ = streams;
  }

 protected:
  bool HasRoom() const override { return room_ > 0; }
  bool Busy() const override { return open_ > 0; }
  bool Dead() const override { return open_ == 0; }

  void StartOne(Clock::time_point due) override {
    Stream* stream = nullptr;
    do {
      stream = streams_[next_stream_++ % streams_.size()].get();
    } while (stream->idle.empty());
    const uint32_t slot = stream->idle.back();
    stream->idle.pop_back();
    --room_;
    stream->due[slot] = due;
    stream->waiting.push_back(EncodeStreamRequest(slot, TakeRequest()));
    Pump(*stream);
  }

  void OnEvent(void* tag, bool ok) override {
    const Tag& event = *static_cast<Tag*>(tag);
    Stream& stream = *event.stream;
    switch (event.kind) {
      case kStarted:
        stream.started = true;
        if (ok) stream.call->Read(&stream.answer, &stream.tags[kRead]);
        if (!ok) End(stream);
        break;
      case kRead:
        if (ok) TakeAnswer(stream);
        if (!ok) End(stream);
        break;
      case kWritten:
        stream.writing = false;
        break;
      case kClosed:
        break;
      case kFinished:
        OnFinished(stream);
        return;
    }
    Pump(stream);
  }

  void OnNoMore() override {
    closing_ = true;
    for (const auto& stream : streams_) Pump(*stream);
  }

  void CancelAll() override {
    for (const auto& stream : streams_) stream->context.TryCancel();
  }

 private:
  struct Stream;
  enum Kind { kStarted, kRead, kWritten, kClosed, kFinished };
  static constexpr int kKinds = kFinished + 1;
  struct Tag {
    Stream* stream;
    Kind kind;
  };
  struct Stream {
    explicit Stream(size_t slots) : due(slots) {
      for (int i = 0; i < kKinds; ++i) tags[i] = {this, static_cast<Kind>(i)};
      for (size_t i = 0; i < slots; ++i) idle.push_back(static_cast<uint32_t>(i));
    }
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call;
    Tag tags[kKinds];
    std::vector<Clock::time_point> due;    // by slot
    std::vector<uint32_t> idle;            // slots without a decision in flight
    std::deque<grpc::ByteBuffer> waiting;  // to be written
    grpc::ByteBuffer answer;
    grpc::Status status;
    bool started = false;
    bool writing = false;
    bool closed = false;
    bool ended = false;
  };

  void Open(Stream& stream) {
    stream.call = stub_.PrepareCall(&stream.context, kDecideStream, &queue_);
    stream.call->StartCall(&stream.tags[kStarted]);
  }

  void Pump(Stream& stream) {
    if (!stream.started || stream.writing || stream.closed || stream.ended) return;
    if (!stream.waiting.empty()) {
      const grpc::ByteBuffer message = std::move(stream.waiting.front());
      stream.waiting.pop_front();
      stream.writing = true;
      grpc::WriteOptions write_options;
      if (!stream.waiting.empty()) write_options.set_buffer_hint();
      stream.call->Write(message, write_options, &stream.tags[kWritten]);
    } else if (closing_) {
      stream.closed = true;
      stream.call->WritesDone(&stream.tags[kClosed]);
    }
  }

  void TakeAnswer(Stream& stream) {
    const auto answer = DecodeStreamAnswer(stream.answer);
    if (!answer || answer->slot >= stream.due.size()) {
      OnError("an answer without the correlation id of a request");
    } else {
      if (answer->has_error) {
        OnError("an answer with an error");
      } else {
        OnAnswered(stream.due[answer->slot], Clock::now());
      }
      stream.idle.push_back(answer->slot);
      ++room_;
    }
    stream.call->Read(&stream.answer, &stream.tags[kRead]);
  }

  // The server has ended the stream: ask why.
  void End(Stream& stream) {
    stream.ended = true;
    stream.call->Finish(&stream.status, &stream.tags[kFinished]);
  }

  void OnFinished(Stream& stream) {
    --open_;
    room_ -= stream.idle.size();
    const size_t unanswered = stream.due.size() - stream.idle.size();
    stream.idle.clear();
    if (!stream.status.ok() || unanswered > 0) {
      OnError(absl::StrCat("a stream ended with code ", stream.status.error_code(), ": ",
                           stream.status.error_message(), " and ", unanswered,
                           " decisions unanswered"));
    }
  }

  grpc::GenericStub stub_;
  std::vector<std::unique_ptr<Stream>> streams_;
  size_t room_ = 0;  // idle slots of all streams
  size_t open_ = 0;
  size_t next_stream_ = 0;
  bool closing_ = false;
};

}  // namespace

Schedule::Schedule(const LoadOptions& options, Clock::time_point start)
    : rate_(options.rate),
      max_decisions_(options.max_decisions),
      start_(start),
      measure_from_(start + Seconds(options.warmup_seconds)),
      end_(measure_from_ + Seconds(options.seconds)) {}

std::optional<Schedule::Clock::time_point> Schedule::Due(Clock::time_point now) const {
  if (started_ >= max_decisions_ || now >= end_) return std::nullopt;
  if (rate_ <= 0) return now;
  const Clock::time_point due = start_ + Seconds(static_cast<double>(started_) / rate_);
  if (due >= end_) return std::nullopt;
  return due;
}

LoadResult RunLoad(const LoadOptions& options, const NextRequest& next_request) {
  if (options.streams > 0) return StreamRunner(options, next_request).Run();
  return UnaryRunner(options, next_request).Run();
}

LoadResult RunLoad(const LoadOptions& options, const std::vector<std::string>& requests) {
  size_t next = 0;
  return RunLoad(options,
                 [&]() -> const std::string& { return requests[next++ % requests.size()]; });
}

}  // namespace attune::load
