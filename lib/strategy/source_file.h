#ifndef ATTUNE_LIB_STRATEGY_SOURCE_FILE_H_
#define ATTUNE_LIB_STRATEGY_SOURCE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/issue.h"

namespace attune::strategy {

// The content of a regular file. Errors say what is wrong in a few words, without the path:
// NOT_FOUND: there is no such file; PERMISSION_DENIED; INVALID_ARGUMENT: not a regular file, or
// larger than `max_bytes`; UNAVAILABLE: reading failed.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes);

// A text that somebody wrote, with its lines. Immutable, thread-safe.
class SourceFile {
 public:
  // `path` is how the file is called in messages.
  SourceFile(std::string path, std::string text);
  SourceFile(const SourceFile&) = delete;
  SourceFile& operator=(const SourceFile&) = delete;

  const std::string& path() const { return path_; }
  const std::string& text() const { return text_; }

  // A place in the text. Lines and bytes of a line are counted from 1; line 0 is "the whole file".
  struct Position {
    int line = 0;
    int byte = 0;
  };
  // REQUIRES: offset <= text().size().
  Position PositionOf(size_t offset) const;
  // REQUIRES: there is such a line.
  size_t OffsetOf(Position position) const {
    return line_starts_[static_cast<size_t>(position.line) - 1] +
           static_cast<size_t>(position.byte) - 1;
  }

  // The line without its line end; empty when there is no such line.
  std::string_view Line(int line) const;

  // The issue at this place: its column counts characters, as editors do, and its source line can
  // be printed as it is. Lines that are too long to print are left out.
  Issue MakeIssue(Issue::Severity severity, Position position, std::string message) const;

 private:
  std::string path_;
  std::string text_;
  std::vector<uint32_t> line_starts_;
};

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_SOURCE_FILE_H_
