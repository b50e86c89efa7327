#ifndef ATTUNE_SERVICE_CTL_MODEL_SOURCE_H_
#define ATTUNE_SERVICE_CTL_MODEL_SOURCE_H_

#include <istream>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "attune/v1/model_service.pb.h"
#include "service/ctl/command.h"

namespace attune::ctl {

// A model's file, and where it was found.
struct ModelBytes {
  std::string file;  // how messages call it; its end tells what it is
  std::string bytes;
  std::optional<v1::ModelVersion> stored;  // of the server's registry; absent: it is a local file
};

// "FILE: what is wrong with it".
absl::Status FileError(const std::string& path, const absl::Status& status);

// The whole file, but not much more than a model may have; - is standard input. One whose name ends
// in .gz is decompressed.
absl::StatusOr<std::string> ReadModelFile(const std::string& path, std::istream& standard_input);

// What a command calls a model: a file, or, when there is none of that path, NAME or NAME@HASH of
// the server's registry, which is downloaded and compared with its hash. nullopt: that failed, and
// was reported.
std::optional<ModelBytes> FindModel(const Invocation& invocation, const std::string& text);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_MODEL_SOURCE_H_
