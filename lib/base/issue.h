#ifndef ATTUNE_LIB_BASE_ISSUE_H_
#define ATTUNE_LIB_BASE_ISSUE_H_

#include <string>
#include <string_view>
#include <vector>

namespace attune {

// A place in a file that somebody wrote. Lines and columns start at 1; 0 means not known.
struct SourceLocation {
  std::string file;
  int line = 0;
  int column = 0;
};

// One thing that is wrong (or doubtful) in a file.
struct Issue {
  enum class Severity { kError, kWarning };

  Severity severity = Severity::kError;
  SourceLocation location;
  std::string message;      // what is wrong and what would be right
  std::string source_line;  // the line as written, without its end; empty when there is none
};

// Everything that is wrong in a set of files. Not thread-safe.
class IssueList {
 public:
  // How many are kept, errors rather than warnings; the others are counted only.
  static constexpr size_t kMaxKept = 1000;

  void Add(Issue issue);

  bool has_errors() const { return errors_ > 0; }
  size_t errors() const { return errors_; }
  size_t warnings() const { return warnings_; }
  const std::vector<Issue>& issues() const { return issues_; }

  // Sorts by file (in order of first appearance), line, column.
  void Sort();

  // One issue per paragraph:
  //   telecom.yaml:12:7: error: unknown key "nmae"; did you mean "name"?
  //       nmae: resolution
  //       ^
  std::string ToString() const;

 private:
  std::vector<Issue> issues_;
  size_t errors_ = 0;
  size_t warnings_ = 0;
};

}  // namespace attune

#endif  // ATTUNE_LIB_BASE_ISSUE_H_
