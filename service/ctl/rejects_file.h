#ifndef ATTUNE_SERVICE_CTL_REJECTS_FILE_H_
#define ATTUNE_SERVICE_CTL_REJECTS_FILE_H_

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "service/ctl/import_chunk.h"

namespace attune::ctl {

// The CSV file of the rows that an import refused. Its columns are kLineColumn, kReasonColumn and
// then those of the imported file; a row is its line number, the reason and the text as written, so
// that a mended copy of the file can be imported in the same way. The text of a row whose quotes
// are malformed stands in one quoted field. The file is created with the first row. Not
// thread-safe.
class RejectsFile {
 public:
  static constexpr std::string_view kLineColumn = "rejected_line";
  static constexpr std::string_view kReasonColumn = "rejected_reason";

  // `header`: the header of the imported file as written.
  RejectsFile(std::string path, std::string header, char delimiter);

  // UNKNOWN or another error with the path in its message: the row could not be written.
  absl::Status Add(const RejectedText& row);
  // Hands what was added to the system.
  absl::Status Flush();

  const std::string& path() const { return path_; }
  bool created() const { return file_.is_open(); }

 private:
  absl::Status WriteProblem() const;

  const std::string path_;
  const std::string header_;
  const char delimiter_;
  std::ofstream file_;
};

// `text` as a field of a CSV file: quoted when it has to be.
std::string CsvField(std::string_view text, char delimiter);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_REJECTS_FILE_H_
