#include "service/inference/inference_client.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <climits>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "grpcpp/grpcpp.h"
#include "inference/grpc_service.grpc.pb.h"
#include "lib/base/text.h"

namespace attune::service {
namespace {

namespace protocol = ::inference;
using scoring::ModelFailure;
using scoring::RemoteAnswer;
using scoring::RemoteSettings;

constexpr int kMaxReceivedBytes = 4 << 20;
// A connection that broke is tried again so soon: the circuit breaker sees to it that nobody waits.
constexpr int kReconnectMs = 100;
constexpr int kMaxReconnectMs = 1000;
// Finds connections whose other end vanished without a word, while calls are under way on them;
// what was sent on such a one is waited for for as long as the second number.
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 1000;
// Of what a server says about an error, for the log.
constexpr size_t kMaxServerTextBytes = 200;

constexpr char kFloat[] = "FP32";
constexpr char kDouble[] = "FP64";

std::shared_ptr<grpc::Channel> Connect(const std::string& endpoint) {
  grpc::ChannelArguments arguments;
  // Or all channels to one endpoint would share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMs);
  // Also how long one attempt may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  // Never: the first call after a quiet night has no time to connect.
  arguments.SetInt(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, INT_MAX);
  // The servers are next door.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(kMaxReceivedBytes);
  auto channel = grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments);
  channel->GetState(/*try_to_connect=*/true);
  return channel;
}

RemoteAnswer FailureOf(const grpc::Status& status) {
  RemoteAnswer answer;
  switch (status.error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      answer.failure = ModelFailure::kTimeout;
      break;
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::CANCELLED:
      answer.failure = ModelFailure::kUnavailable;
      break;
    default:
      answer.failure = ModelFailure::kRefused;
  }
  answer.text = absl::StrCat("code ", static_cast<int>(status.error_code()), ": ",
                             Quoted(status.error_message(), kMaxServerTextBytes));
  return answer;
}

RemoteAnswer BadAnswer(std::string text) { return {ModelFailure::kBadAnswer, std::move(text)}; }

static_assert(std::endian::native == std::endian::little, "raw contents are little-endian");

// The elements of an output tensor, wherever they are and of whichever type.
class Elements {
 public:
  // nullopt: of another type, or not whole.
  static std::optional<Elements> Of(const protocol::ModelInferResponse& response, int index) {
    const protocol::ModelInferResponse::InferOutputTensor& tensor = response.outputs(index);
    Elements elements;
    elements.is_double_ = tensor.datatype() == kDouble;
    if (!elements.is_double_ && tensor.datatype() != kFloat) return std::nullopt;
    const size_t width = elements.is_double_ ? sizeof(double) : sizeof(float);
    if (index < response.raw_output_contents_size()) {
      const std::string& raw = response.raw_output_contents(index);
      if (raw.size() % width != 0) return std::nullopt;
      elements.first_ = raw.data();
      elements.size_ = raw.size() / width;
    } else if (elements.is_double_) {
      elements.first_ = reinterpret_cast<const char*>(tensor.contents().fp64_contents().data());
      elements.size_ = static_cast<size_t>(tensor.contents().fp64_contents_size());
    } else {
      elements.first_ = reinterpret_cast<const char*>(tensor.contents().fp32_contents().data());
      elements.size_ = static_cast<size_t>(tensor.contents().fp32_contents_size());
    }
    return elements;
  }

  size_t size() const { return size_; }
  double operator[](size_t index) const {
    return is_double_ ? At<double>(index) : static_cast<double>(At<float>(index));
  }

 private:
  // Raw bytes need not be aligned.
  template <typename Number>
  Number At(size_t index) const {
    Number number;
    std::memcpy(&number, first_ + index * sizeof number, sizeof number);
    return number;
  }

  bool is_double_ = false;
  const char* first_ = nullptr;
  size_t size_ = 0;
};

// Index of the tensor with the propensities; -1: there is none.
int FindOutput(const RemoteSettings& settings, const protocol::ModelInferResponse& response) {
  for (int i = 0; i < response.outputs_size(); ++i) {
    const bool is_wanted =
        settings.output_tensor.empty() || response.outputs(i).name() == settings.output_tensor;
    if (is_wanted) return i;
  }
  return -1;
}

// How many elements a tensor of the shape has; nullopt: it is none.
std::optional<size_t> SizeOf(const google::protobuf::RepeatedField<int64_t>& shape) {
  size_t size = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(size, static_cast<size_t>(dimension), &size)) {
      return std::nullopt;
    }
  }
  return size;
}

RemoteAnswer ReadAnswer(const RemoteSettings& settings,
                        const protocol::ModelInferResponse& response,
                        const scoring::Predictions& predictions) {
  const size_t rows = predictions.propensity.size();
  const int tensor = FindOutput(settings, response);
  if (tensor < 0) {
    return BadAnswer(absl::StrCat("it has no output tensor ", Quoted(settings.output_tensor)));
  }
  const std::optional<Elements> elements = Elements::Of(response, tensor);
  if (!elements) {
    return BadAnswer(absl::StrCat("its output is of the type ",
                                  Quoted(response.outputs(tensor).datatype()),
                                  ", or not whole; FP32 or FP64 is wanted"));
  }
  const auto& shape = response.outputs(tensor).shape();
  if (shape.empty() || shape[0] != static_cast<int64_t>(rows) || elements->size() == 0 ||
      SizeOf(shape) != elements->size()) {
    return BadAnswer(absl::StrCat("it has ", elements->size(), " numbers for ", rows,
                                  " rows, and its shape is [", absl::StrJoin(shape, ", "), "]"));
  }
  const size_t outputs = elements->size() / rows;
  if (settings.output >= outputs || settings.deviation_output.value_or(0) >= outputs) {
    return BadAnswer(absl::StrCat("it has ", outputs, " outputs per row; the strategy wants more"));
  }
  for (size_t row = 0; row < rows; ++row) {
    predictions.propensity[row] = (*elements)[row * outputs + settings.output];
    if (settings.deviation_output) {
      predictions.deviation[row] = (*elements)[row * outputs + *settings.deviation_output];
    }
  }
  return {};
}

// Thread-safe.
class InferenceClient : public scoring::RemoteTransport {
 public:
  explicit InferenceClient(const RemoteSettings& settings) : settings_(settings) {
    for (int i = 0; i < settings.channels; ++i) {
      // So that neighbours in the list are different servers.
      for (const std::string& endpoint : settings.endpoints) {
        Connection connection{Connect(endpoint), nullptr};
        connection.stub = protocol::GRPCInferenceService::NewStub(connection.channel);
        connections_.push_back(std::move(connection));
      }
    }
  }

  RemoteAnswer Ask(absl::Span<const double> rows, absl::Time deadline,
                   const scoring::Predictions& predictions) override {
    protocol::ModelInferRequest request;
    FillRequest(rows, request);
    protocol::ModelInferResponse response;
    RemoteAnswer answer{ModelFailure::kUnavailable, "no endpoint can be reached"};
    for (const Connection* connection : NextConnections()) {
      response.Clear();
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(deadline));
      const grpc::Status status = connection->stub->ModelInfer(&context, request, &response);
      if (status.ok()) return ReadAnswer(settings_, response, predictions);
      // A connection that broke is not made anew before somebody wants it.
      connection->channel->GetState(/*try_to_connect=*/true);
      answer = FailureOf(status);
      // Predicting changes nothing: another server may be asked the same.
      if (answer.failure != ModelFailure::kUnavailable || absl::Now() >= deadline) break;
    }
    return answer;
  }

 private:
  struct Connection {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<protocol::GRPCInferenceService::Stub> stub;
  };
  // Whom to ask, one after the other: one connection to each endpoint, those first that are ready,
  // without those that can't be made now.
  using Turns = absl::InlinedVector<const Connection*, 16>;
  Turns NextConnections() {
    Turns ready;
    Turns others;
    const size_t turn = turn_.fetch_add(1, std::memory_order_relaxed);
    for (size_t i = 0; i < settings_.endpoints.size(); ++i) {
      const Connection& connection = connections_[(turn + i) % connections_.size()];
      const grpc_connectivity_state state = connection.channel->GetState(/*try_to_connect=*/true);
      if (state == GRPC_CHANNEL_READY) {
        ready.push_back(&connection);
      } else if (state != GRPC_CHANNEL_TRANSIENT_FAILURE) {
        others.push_back(&connection);
      }
    }
    ready.insert(ready.end(), others.begin(), others.end());
    return ready;
  }

  void FillRequest(absl::Span<const double> rows, protocol::ModelInferRequest& request) const {
    request.set_model_name(settings_.model);
    request.set_model_version(settings_.version);
    protocol::ModelInferRequest::InferInputTensor& input = *request.add_inputs();
    input.set_name(settings_.input_tensor);
    input.set_datatype(settings_.is_double ? kDouble : kFloat);
    input.add_shape(static_cast<int64_t>(rows.size() / settings_.columns));
    input.add_shape(static_cast<int64_t>(settings_.columns));
    protocol::InferTensorContents& contents = *input.mutable_contents();
    if (settings_.is_double) {
      contents.mutable_fp64_contents()->Add(rows.begin(), rows.end());
    } else {
      contents.mutable_fp32_contents()->Reserve(static_cast<int>(rows.size()));
      for (const double value : rows) contents.add_fp32_contents(static_cast<float>(value));
    }
    if (!settings_.output_tensor.empty()) request.add_outputs()->set_name(settings_.output_tensor);
  }

  const RemoteSettings settings_;
  std::vector<Connection> connections_;
  std::atomic<size_t> turn_{0};
};

// What is wrong with a tensor for so many columns; empty: nothing, or the server does not tell.
std::string InputProblem(const RemoteSettings& settings,
                         const protocol::ModelMetadataResponse& metadata) {
  if (metadata.inputs().empty()) return "";
  for (const auto& tensor : metadata.inputs()) {
    if (tensor.name() != settings.input_tensor) continue;
    const std::string datatype = settings.is_double ? kDouble : kFloat;
    if (tensor.datatype() != datatype) {
      return absl::StrCat("takes ", Quoted(tensor.datatype()), ", not ", datatype,
                          "; see datatype");
    }
    const int64_t columns = tensor.shape().empty() ? -1 : *tensor.shape().rbegin();
    if (columns >= 0 && columns != static_cast<int64_t>(settings.columns)) {
      return absl::StrCat("takes ", columns, " inputs, and the strategy lists ", settings.columns);
    }
    return "";
  }
  return absl::StrCat("has no input tensor ", Quoted(settings.input_tensor), "; its first is ",
                      Quoted(metadata.inputs(0).name()));
}

std::string OutputProblem(const RemoteSettings& settings,
                          const protocol::ModelMetadataResponse& metadata) {
  if (metadata.outputs().empty()) return "";
  for (const auto& tensor : metadata.outputs()) {
    if (!settings.output_tensor.empty() && tensor.name() != settings.output_tensor) continue;
    if (tensor.datatype() != kFloat && tensor.datatype() != kDouble) {
      return absl::StrCat("gives ", Quoted(tensor.datatype()), ", not ", kFloat, " or ", kDouble);
    }
    const int64_t outputs = tensor.shape_size() < 2 ? 1 : *tensor.shape().rbegin();
    const size_t wanted = std::max(settings.output, settings.deviation_output.value_or(0));
    return outputs >= 0 && static_cast<int64_t>(wanted) >= outputs
               ? absl::StrCat("gives ", outputs, " outputs per row, and the strategy wants number ",
                              wanted, ", counted from 0")
               : "";
  }
  return absl::StrCat("has no output tensor ", Quoted(settings.output_tensor));
}

}  // namespace

std::unique_ptr<scoring::RemoteTransport> ConnectToInferenceServer(
    const scoring::RemoteSettings& settings) {
  return std::make_unique<InferenceClient>(settings);
}

std::string InferenceServerProblem(const scoring::RemoteSettings& settings,
                                   absl::Duration patience) {
  protocol::ModelMetadataRequest request;
  request.set_name(settings.model);
  request.set_version(settings.version);
  protocol::ModelMetadataResponse metadata;
  grpc::Status status;
  std::string subject;
  const absl::Time end = absl::Now() + patience;
  for (size_t i = 0; i < settings.endpoints.size(); ++i) {
    const std::string& endpoint = settings.endpoints[i];
    const auto stub = protocol::GRPCInferenceService::NewStub(Connect(endpoint));
    metadata.Clear();
    grpc::ClientContext context;
    // One that does not answer leaves their share to the others.
    const absl::Time now = absl::Now();
    context.set_deadline(absl::ToChronoTime(
        now + (end - now) / static_cast<int64_t>(settings.endpoints.size() - i)));
    status = stub->ModelMetadata(&context, request, &metadata);
    subject = absl::StrCat("the model ", Quoted(settings.model), " on ", endpoint, " ");
    if (status.ok()) break;
  }
  if (!status.ok()) {
    return absl::StrCat(subject, "can't be asked now what it takes (", FailureOf(status).text,
                        "); as long as it does not answer, on_error holds");
  }
  std::string problem = InputProblem(settings, metadata);
  if (problem.empty()) problem = OutputProblem(settings, metadata);
  return problem.empty() ? "" : subject + problem;
}

}  // namespace attune::service
