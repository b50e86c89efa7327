#ifndef ATTUNE_SERVICE_CTL_CSV_READER_H_
#define ATTUNE_SERVICE_CTL_CSV_READER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "service/ctl/byte_source.h"

namespace attune::ctl {

// A reader of our own, because the packaged one (libcsv) can't do what an import must: it does not
// tell on which line a row began, it lets a field grow without bound, it gives up at the first
// malformed quote instead of going on with the next line, and it does not keep the text of a row.
// It also needs twice the time (one call per field).

// How to read. Constant while reading.
struct CsvOptions {
  // One byte; not a quote, CR or LF.
  char delimiter = ',';
  // Longest row without its line end. Of a longer one each line becomes a row.
  size_t max_row_bytes = 1u << 20;
  // Most fields that are kept of one row; more are counted only.
  size_t max_fields = 4096;
  // A blank line is a row of one empty field: what it must be where there is only one column.
  bool keep_blank_lines = false;
};

enum class CsvProblem {
  kNone,
  kTextAfterQuote,     // "abc"d
  kUnterminatedQuote,  // the line ends inside a quoted field that nobody closes
  kTooLong,            // one line is longer than CsvOptions::max_row_bytes
};

// One row. Views are valid until the next call of CsvReader::Next().
struct CsvRow {
  // First and last line of the file that the row takes; the first line of the file is 1.
  int64_t line = 0;
  int64_t last_line = 0;
  // The row as written, without its line end. Of a line that is longer than max_row_bytes only the
  // start is kept: see `bytes`.
  std::string_view text;
  // Size of the row as written.
  int64_t bytes = 0;
  // Unquoted. Not meaningful when there is a problem.
  std::vector<std::string_view> fields;
  // How many fields the row has; more than fields.size() only beyond max_fields. With a problem of
  // quotes: how many stand before the field that has it.
  size_t field_count = 0;
  CsvProblem problem = CsvProblem::kNone;
};

// Reads RFC 4180 with LF or CRLF, row by row, in memory bounded by max_row_bytes. Not thread-safe.
//
// A UTF-8 byte order mark is skipped, and so are blank lines unless they are to be kept. A quote
// inside a field that does not begin with one is an ordinary character. What is malformed costs one
// line, and reading goes on with the next: a quote that nobody closed must not take the good rows
// below it along. That is why a row of several lines is given up after its first line when
//   - the file ends inside its quoted field;
//   - text follows the closing quote, which is most likely the opening one of a later row;
//   - it is longer than max_row_bytes.
// Of a line that is too long by itself the first kExcerptBytes are kept.
class CsvReader {
 public:
  static constexpr size_t kExcerptBytes = 1024;

  // `source` must outlive the reader. REQUIRES: options are valid, see there.
  CsvReader(ByteSource& source, const CsvOptions& options);

  // Reads the next row into row(); false at the end. INVALID_ARGUMENT: the file is UTF-16. Other
  // errors: those of the source.
  absl::StatusOr<bool> Next();

  const CsvRow& row() const { return row_; }

 private:
  enum class Scan {
    kDone,
    kNeedsMore,  // what was read ends before the row does; never at the end of the source
    kMalformed,  // or too long: see the comment of the class
  };

  // Looks for a whole row between begin_ and end_ and takes it.
  Scan ScanRow();
  // Looks for the end of the field that starts with the quote at `cursor` and moves the cursor
  // behind it; or takes the whole row, with a problem.
  Scan ScanQuotedField(const char*& cursor);
  // Takes the line in which text follows a closing quote; `cursor` is behind the quote.
  Scan TakeRowWithTextAfterQuote(const char* cursor);
  void AddField(std::string_view field);
  // Completes row_ with the text that ends at `end`; reading goes on at `next`.
  void FinishRow(const char* end, const char* next);
  // Takes the first line of the malformed row at begin_.
  absl::Status TakeFirstLine();
  // Takes the line at begin_, which is too long to be kept.
  absl::Status TakeTooLongLine();
  // Reads more behind end_, with what is left moved to the front of the buffer.
  absl::Status Refill();
  absl::Status SkipByteOrderMark();

  ByteSource& source_;
  const CsvOptions options_;
  std::array<bool, 256> ends_plain_field_{};  // the delimiter and LF

  // [begin_, end_) is what was read and not yet taken; *end_ is a line feed, to stop every scan.
  std::vector<char> buffer_;
  char* begin_;
  char* end_;
  bool at_end_ = false;
  bool started_ = false;

  int64_t next_line_ = 1;
  bool has_quotes_ = false;  // the row that is being scanned has a quoted field
  CsvRow row_;
  std::string unquoted_;  // quoted fields of the row that hold doubled quotes
  std::string excerpt_;
};

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_CSV_READER_H_
