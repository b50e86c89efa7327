#include "tests/testing/paths.h"

#include <string>
#include <string_view>

namespace attune::testing {

std::string SourcePath(std::string_view path) {
  return std::string(ATTUNE_SOURCE_DIR "/").append(path);
}

std::string BuildPath(std::string_view path) {
  return std::string(ATTUNE_BINARY_DIR "/").append(path);
}

std::string ProgramPath(std::string_view name) {
  return std::string(ATTUNE_BIN_DIR "/").append(name);
}

}  // namespace attune::testing
