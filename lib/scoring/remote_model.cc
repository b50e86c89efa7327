#include "lib/scoring/remote_model.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"

namespace attune::scoring {
namespace {

namespace pb = attune::strategy::v1;

constexpr int kMaxEndpoints = 16;
constexpr int kMaxChannels = 16;
constexpr int kMaxDeadlineMs = 10'000;
constexpr int kMaxConcurrent = 1'000;
constexpr int kMaxFailures = 1'000;
constexpr int kMaxOpenMs = 3'600'000;
// Most outputs of a treatment: an answer is bounded.
constexpr int kMaxOutputs = 10'000;
constexpr size_t kMaxServerNameBytes = 256;
constexpr int kMaxPort = 65'535;

constexpr int kDefaultDeadlineMs = 20;
constexpr int kDefaultConcurrent = 64;
constexpr char kDefaultInputTensor[] = "input-0";

// Why the text is no host:port; empty: it is one.
std::string EndpointProblem(const std::string& endpoint) {
  if (const auto problem = IdProblem(endpoint, kMaxServerNameBytes)) return *problem;
  const size_t colon = endpoint.rfind(':');
  int port = 0;
  const bool is_one =
      colon != std::string::npos && colon > 0 && endpoint.find('/') == std::string::npos &&
      absl::SimpleAtoi(endpoint.substr(colon + 1), &port) && port > 0 && port <= kMaxPort;
  return is_one ? ""
                : "must be host:port, for example models.internal:8001, not " + Quoted(endpoint);
}

// Reads the settings one by one. Used once.
class SettingsReader {
 public:
  SettingsReader(const pb::Remote& remote, const ReportIssue& report)
      : remote_(remote), report_(report) {}

  RemoteSettings Read() {
    RemoteSettings settings;
    settings.endpoints = Endpoints();
    settings.model = Name("remote.model", remote_.model(), /*is_required=*/true);
    settings.version = Name("remote.version", remote_.version(), /*is_required=*/false);
    settings.columns = static_cast<size_t>(remote_.inputs_size());
    settings.input_tensor = Name("remote.input_tensor", remote_.input_tensor(), false);
    if (settings.input_tensor.empty()) settings.input_tensor = kDefaultInputTensor;
    settings.output_tensor = Name("remote.output_tensor", remote_.output_tensor(), false);
    settings.output =
        static_cast<size_t>(InRange("remote.output", remote_.output(), 0, kMaxOutputs - 1));
    if (remote_.has_deviation_output()) {
      settings.deviation_output = static_cast<size_t>(
          InRange("remote.deviation_output", remote_.deviation_output(), 0, kMaxOutputs - 1));
    }
    settings.is_double = remote_.datatype() == pb::TENSOR_TYPE_FP64;
    settings.deadline = absl::Milliseconds(
        remote_.has_deadline_ms()
            ? InRange("remote.deadline_ms", remote_.deadline_ms(), 1, kMaxDeadlineMs)
            : kDefaultDeadlineMs);
    settings.max_concurrent =
        remote_.has_max_concurrent()
            ? InRange("remote.max_concurrent", remote_.max_concurrent(), 1, kMaxConcurrent)
            : kDefaultConcurrent;
    settings.channels = remote_.has_channels()
                            ? InRange("remote.channels", remote_.channels(), 1, kMaxChannels)
                            : 1;
    const pb::CircuitBreaker& breaker = remote_.breaker();
    if (breaker.has_failures()) {
      settings.breaker.failures =
          InRange("remote.breaker.failures", breaker.failures(), 1, kMaxFailures);
    }
    if (breaker.has_open_ms()) {
      settings.breaker.open_for =
          absl::Milliseconds(InRange("remote.breaker.open_ms", breaker.open_ms(), 1, kMaxOpenMs));
    }
    return settings;
  }

 private:
  std::vector<std::string> Endpoints() {
    const std::string path = "remote.endpoints";
    if (remote_.endpoints().empty() || remote_.endpoints_size() > kMaxEndpoints) {
      report_(path, remote_.endpoints().empty()
                        ? "a remote model needs endpoints, for example [models.internal:8001]"
                        : absl::StrCat("has ", remote_.endpoints_size(), " entries; at most ",
                                       kMaxEndpoints, " are allowed"));
      return {};
    }
    for (int i = 0; i < remote_.endpoints_size(); ++i) {
      const std::string problem = EndpointProblem(remote_.endpoints(i));
      if (!problem.empty()) report_(absl::StrCat(path, "[", i, "]"), problem);
    }
    return {remote_.endpoints().begin(), remote_.endpoints().end()};
  }

  std::string Name(const std::string& path, const std::string& name, bool is_required) {
    if (name.empty()) {
      if (is_required) report_(path, "is required: what the server calls the model");
    } else if (const auto problem = IdProblem(name, kMaxServerNameBytes)) {
      report_(path, *problem);
    }
    return name;
  }

  int InRange(const std::string& path, int value, int min, int max) {
    if (value < min || value > max) {
      report_(path, absl::StrCat("must be between ", min, " and ", max, ", not ", value));
    }
    return std::clamp(value, min, max);
  }

  const pb::Remote& remote_;
  const ReportIssue& report_;
};

}  // namespace

RemoteSettings SettingsOf(const pb::Remote& remote, const ReportIssue& report) {
  return SettingsReader(remote, report).Read();
}

ModelFailure RemoteModel::PredictRows(absl::Span<const double> rows, absl::Time deadline,
                                      const Predictions& predictions,
                                      std::string& failure_text) const {
  if (scorer_ == nullptr) return ModelFailure::kNotAsked;
  const RemoteAnswer answer = scorer_->Ask(rows, deadline, predictions);
  if (answer.failure != ModelFailure::kNone) {
    failure_text = std::string(Prefix(answer.text, kMaxFailureBytes));
  }
  return answer.failure;
}

std::string RemoteModel::Noun() const { return absl::StrCat("remote model ", name()); }

std::string RemoteModel::FailureText(ModelFailure failure) const {
  if (failure != ModelFailure::kTimeout || scorer_ == nullptr) return Model::FailureText(failure);
  return absl::StrCat("did not answer within ",
                      absl::ToInt64Milliseconds(scorer_->settings().deadline),
                      " ms, or within what the caller's deadline left");
}

}  // namespace attune::scoring
