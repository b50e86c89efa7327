#ifndef ATTUNE_SERVICE_CTL_OUTPUT_FILE_H_
#define ATTUNE_SERVICE_CTL_OUTPUT_FILE_H_

#include <fstream>
#include <ostream>
#include <string>

#include "absl/status/status.h"

namespace attune::ctl {

// A file that has its name only when it is whole: until then it is FILE.partial, beside it, and
// what was there before stays. What is there and no file of bytes, as /dev/stdout or a pipe, is
// written directly. Not thread-safe.
class OutputFile {
 public:
  // Nothing is touched before Open().
  explicit OutputFile(const std::string& path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  // Removes what was not committed.
  ~OutputFile();

  // An error of the system says why the file can't be written; so does that of Commit().
  absl::Status Open();
  // REQUIRES: Open() was successful.
  std::ostream& stream() { return file_; }
  // Ends the file and gives it its name, and the permissions of the file that it replaces.
  absl::Status Commit();

 private:
  std::string path_;     // where links lead
  std::string written_;  // the same, or FILE.partial
  std::ofstream file_;
  bool is_partial_ = false;  // FILE.partial is there and ours
};

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_OUTPUT_FILE_H_
