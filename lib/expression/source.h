#ifndef ATTUNE_LIB_EXPRESSION_SOURCE_H_
#define ATTUNE_LIB_EXPRESSION_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/issue.h"

namespace attune::expression {

// Bytes [begin, end) of an expression.
struct SourceRange {
  uint32_t begin = 0;
  uint32_t end = 0;
};

// Reports issues of one expression, with line, column and source line. Not thread-safe.
class IssueReporter {
 public:
  // `name` is what stands for the file. All three must outlive the reporter.
  IssueReporter(std::string_view name, std::string_view text, IssueList& issues)
      : name_(name), text_(text), issues_(issues) {}

  // One issue at a byte of the text; at its end when `offset` is past it. Columns count code
  // points.
  void Report(uint32_t offset, std::string message);
  // The same, of what is doubtful only.
  void Warn(uint32_t offset, std::string message);
  // How many errors were reported here, also those that the list no longer keeps.
  size_t reported() const { return reported_; }

 private:
  void Add(Issue::Severity severity, uint32_t offset, std::string message);

  const std::string_view name_;
  const std::string_view text_;
  IssueList& issues_;
  size_t reported_ = 0;
};

// The byte of the text that an issue about it points to; its end when the place is not in it.
size_t OffsetOf(std::string_view text, const SourceLocation& location);

}  // namespace attune::expression

#endif  // ATTUNE_LIB_EXPRESSION_SOURCE_H_
