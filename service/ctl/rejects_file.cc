#include "service/ctl/rejects_file.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/text.h"

namespace attune::ctl {
namespace {

std::string QuotedField(std::string_view text) {
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field += '"';
    field += c;
  }
  field += '"';
  return field;
}

}  // namespace

RejectsFile::RejectsFile(std::string path, std::string header, char delimiter)
    : path_(std::move(path)), header_(std::move(header)), delimiter_(delimiter) {}

absl::Status RejectsFile::Add(const RejectedText& row) {
  if (!file_.is_open()) {
    errno = 0;
    file_.open(path_, std::ios::binary | std::ios::trunc);
    if (!file_) return WriteProblem();
    file_ << kLineColumn << delimiter_ << kReasonColumn << delimiter_ << header_ << '\n';
  }
  errno = 0;
  file_ << row.line << delimiter_ << CsvField(row.reason, delimiter_) << delimiter_
        << (row.well_formed ? row.text : QuotedField(row.text)) << '\n';
  return file_ ? absl::OkStatus() : WriteProblem();
}

absl::Status RejectsFile::Flush() {
  if (!file_.is_open()) return absl::OkStatus();
  errno = 0;
  file_.flush();
  return file_ ? absl::OkStatus() : WriteProblem();
}

absl::Status RejectsFile::WriteProblem() const {
  return absl::ErrnoToStatus(errno == 0 ? EIO : errno,
                             absl::StrCat("the rejects file ", Quoted(path_), " can't be written"));
}

std::string CsvField(std::string_view text, char delimiter) {
  const bool plain = text.find_first_of("\"\r\n") == std::string_view::npos &&
                     text.find(delimiter) == std::string_view::npos;
  return plain ? std::string(text) : QuotedField(text);
}

}  // namespace attune::ctl
