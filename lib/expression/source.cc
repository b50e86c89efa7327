#include "lib/expression/source.h"

#include <algorithm>
#include <utility>

namespace attune::expression {
namespace {

// Longer lines are cut off: an issue is to be read.
constexpr size_t kMaxLineBytes = 200;

}  // namespace

size_t OffsetOf(std::string_view text, const SourceLocation& location) {
  size_t offset = 0;
  for (int line = 1; line < location.line; ++line) {
    const size_t end = text.find('\n', offset);
    if (end == text.npos) return text.size();
    offset = end + 1;
  }
  const auto is_continuation = [&](size_t at) {
    return at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80;
  };
  for (int column = 1; column < location.column && offset < text.size(); ++column) {
    ++offset;
    while (is_continuation(offset)) ++offset;
  }
  return offset;
}

void IssueReporter::Report(uint32_t offset, std::string message) {
  ++reported_;
  Add(Issue::Severity::kError, offset, std::move(message));
}

void IssueReporter::Warn(uint32_t offset, std::string message) {
  Add(Issue::Severity::kWarning, offset, std::move(message));
}

void IssueReporter::Add(Issue::Severity severity, uint32_t offset, std::string message) {
  const std::string_view before = text_.substr(0, std::min<size_t>(offset, text_.size()));
  const size_t newline = before.rfind('\n');
  const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
  const std::string_view in_line = before.substr(line_begin);
  Issue issue;
  issue.severity = severity;
  issue.location.file = std::string(name_);
  issue.location.line = 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  issue.location.column =
      1 + static_cast<int>(std::count_if(in_line.begin(), in_line.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;  // not within a code point
      }));
  issue.message = std::move(message);
  const std::string_view line = text_.substr(line_begin, text_.find('\n', line_begin) - line_begin);
  if (line.size() <= kMaxLineBytes) issue.source_line = std::string(line);
  issues_.Add(std::move(issue));
}

}  // namespace attune::expression
