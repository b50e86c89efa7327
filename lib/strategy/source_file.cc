#include "lib/strategy/source_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace attune::strategy {
namespace {

// Longer source lines are cut: messages go to terminals and logs.
constexpr size_t kMaxPrintedLineBytes = 240;

absl::Status OpenError(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError("no such file");
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError("permission denied");
    default:
      return absl::ErrnoToStatus(error, "can't be opened");
  }
}

absl::Status CheckKindAndSize(const struct stat& info, size_t max_bytes) {
  if (S_ISDIR(info.st_mode)) return absl::InvalidArgumentError("it is a folder, not a file");
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError("it is not a regular file");
  if (static_cast<uint64_t>(info.st_size) > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has ", info.st_size, " bytes; at most ", max_bytes, " are allowed"));
  }
  return absl::OkStatus();
}

bool IsUtf8Continuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return OpenError(errno);
  const absl::Cleanup close_file = [file] { close(file); };
  struct stat info {};
  if (fstat(file, &info) != 0) return absl::ErrnoToStatus(errno, "can't be read");
  if (absl::Status status = CheckKindAndSize(info, max_bytes); !status.ok()) return status;

  // The file may shrink or grow meanwhile: what is read counts, and it is bounded.
  std::string text(static_cast<size_t>(info.st_size) + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = read(file, text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::UnavailableError("reading it failed");
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  if (size == text.size()) return absl::UnavailableError("it changed while it was read");
  text.resize(size);
  return text;
}

SourceFile::SourceFile(std::string path, std::string text)
    : path_(std::move(path)), text_(std::move(text)) {
  line_starts_.push_back(0);
  for (size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\n') line_starts_.push_back(static_cast<uint32_t>(i + 1));
  }
}

SourceFile::Position SourceFile::PositionOf(size_t offset) const {
  const auto next = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  return {static_cast<int>(next - line_starts_.begin()),
          static_cast<int>(offset - *std::prev(next)) + 1};
}

std::string_view SourceFile::Line(int line) const {
  if (line < 1 || static_cast<size_t>(line) > line_starts_.size()) return {};
  const size_t start = line_starts_[static_cast<size_t>(line) - 1];
  std::string_view text = std::string_view(text_).substr(start);
  text = text.substr(0, text.find('\n'));
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  return text;
}

Issue SourceFile::MakeIssue(Issue::Severity severity, Position position,
                            std::string message) const {
  Issue issue{severity, {path_, position.line, position.byte}, std::move(message), ""};
  if (position.line <= 0) return issue;
  const std::string_view line = Line(position.line);
  const std::string_view before = line.substr(0, static_cast<size_t>(position.byte - 1));
  issue.location.column -=
      static_cast<int>(std::count_if(before.begin(), before.end(), IsUtf8Continuation));
  if (before.size() >= kMaxPrintedLineBytes) return issue;
  size_t end = std::min(line.size(), kMaxPrintedLineBytes);
  while (end > 0 && end < line.size() && IsUtf8Continuation(line[end])) --end;
  issue.source_line = std::string(line.substr(0, end));
  // The caret is placed with spaces.
  std::replace(issue.source_line.begin(), issue.source_line.end(), '\t', ' ');
  if (end < line.size()) issue.source_line += "...";
  return issue;
}

}  // namespace attune::strategy
