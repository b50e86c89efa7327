#include "lib/base/issue.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

namespace attune {

void IssueList::Add(Issue issue) {
  ++(issue.severity == Issue::Severity::kError ? errors_ : warnings_);
  if (issues_.size() < kMaxKept) {
    issues_.push_back(std::move(issue));
    return;
  }
  if (issue.severity == Issue::Severity::kWarning) return;
  // Warnings make room for what has to be mended.
  const auto warning = std::find_if(issues_.begin(), issues_.end(), [](const Issue& kept) {
    return kept.severity == Issue::Severity::kWarning;
  });
  if (warning != issues_.end()) *warning = std::move(issue);
}

void IssueList::Sort() {
  std::map<std::string, size_t> order;
  for (const Issue& issue : issues_) order.try_emplace(issue.location.file, order.size());
  std::stable_sort(issues_.begin(), issues_.end(), [&](const Issue& a, const Issue& b) {
    return std::tuple(order[a.location.file], a.location.line, a.location.column) <
           std::tuple(order[b.location.file], b.location.line, b.location.column);
  });
}

std::string IssueList::ToString() const {
  std::string text;
  for (const Issue& issue : issues_) {
    absl::StrAppend(&text, issue.location.file, ":");
    if (issue.location.line > 0) {
      absl::StrAppend(&text, issue.location.line, ":", issue.location.column, ":");
    }
    absl::StrAppend(&text, issue.severity == Issue::Severity::kError ? " error: " : " warning: ",
                    issue.message, "\n");
    if (!issue.source_line.empty()) {
      const size_t indent = static_cast<size_t>(std::max(issue.location.column - 1, 0));
      absl::StrAppend(&text, "    ", issue.source_line, "\n    ", std::string(indent, ' '), "^\n");
    }
  }
  const size_t left_out = errors_ + warnings_ - issues_.size();
  if (left_out > 0) absl::StrAppend(&text, "... and ", left_out, " more\n");
  return text;
}

}  // namespace attune
