#include "service/ctl/model_source.h"

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/text.h"
#include "lib/trees/model_reader.h"
#include "service/ctl/byte_source.h"
#include "service/ctl/progress.h"

namespace attune::ctl {
namespace {

// NAME or NAME@HASH; the server checks the hash.
std::optional<v1::ModelServiceDownloadModelRequest> ReadName(const std::string& text) {
  v1::ModelServiceDownloadModelRequest request;
  const size_t at = text.find('@');
  request.set_name(text.substr(0, at));
  if (at != std::string::npos) request.set_hash(text.substr(at + 1));
  const bool is_name = IsName(request.name()) && (at == std::string::npos || at + 1 < text.size());
  if (!is_name) return std::nullopt;
  return request;
}

grpc::Status Download(const Invocation& invocation, v1::ModelServiceDownloadModelRequest request,
                      ModelBytes& model) {
  ServerConnection server(invocation.options);
  const SystemClock clock;
  ProgressLine line(invocation.console, clock);
  v1::ModelServiceDownloadModelResponse response;
  do {
    request.set_offset(std::ssize(model.bytes));
    response.Clear();
    const auto context = server.NewContext();
    const grpc::Status status = server.models().DownloadModel(context.get(), request, &response);
    if (!status.ok()) return status;
    // From then on it is this version, whatever becomes active.
    request.set_hash(response.model().hash());
    model.bytes += response.content();
    ProgressState state;
    state.bytes = std::ssize(model.bytes);
    state.total_bytes = response.model().size_bytes();
    line.Show(state);
  } while (!response.content().empty() && std::ssize(model.bytes) < response.model().size_bytes());
  if (ContentHash(model.bytes, kFullHashDigits) != response.model().hash()) {
    return {grpc::StatusCode::DATA_LOSS, "what came has not the hash of the model"};
  }
  model.file = response.model().file();
  model.stored = response.model();
  return grpc::Status::OK;
}

}  // namespace

absl::Status FileError(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(Quoted(path, 200), ": ", status.message()));
}

absl::StatusOr<std::string> ReadModelFile(const std::string& path, std::istream& standard_input) {
  constexpr size_t kPieceBytes = 1 << 20;
  auto source = OpenByteSource(path, standard_input);
  if (!source.ok()) return source.status();
  std::string bytes;
  while (bytes.size() <= trees::kMaxModelBytes) {
    const size_t size = bytes.size();
    bytes.resize(size + kPieceBytes);
    const absl::StatusOr<size_t> read = (*source)->Read(bytes.data() + size, kPieceBytes);
    if (!read.ok()) return read.status();
    bytes.resize(size + *read);
    if (*read == 0) break;
  }
  return bytes;
}

std::optional<ModelBytes> FindModel(const Invocation& invocation, const std::string& text) {
  ModelBytes model;
  const auto request = ReadName(text);
  std::error_code not_there;
  if (text == "-" || !request || std::filesystem::exists(text, not_there)) {
    absl::StatusOr<std::string> bytes = ReadModelFile(text, invocation.console.in);
    if (!bytes.ok()) {
      ReportError(invocation.console, invocation.options, std::string(bytes.status().message()));
      return std::nullopt;
    }
    model.file = text;
    model.bytes = *std::move(bytes);
    return model;
  }
  const grpc::Status status = Download(invocation, *request, model);
  if (!status.ok()) {
    ReportCallError(invocation.console, invocation.options, status);
    invocation.console.err << "There is no file " << Quoted(text, 200)
                           << " either: a model is a file, or NAME or NAME@HASH of the server. (A "
                              "formula of a strategy is tried with `attunectl expr`.)\n";
    return std::nullopt;
  }
  return model;
}

}  // namespace attune::ctl
