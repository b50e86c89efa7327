#include "service/ctl/csv_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace attune::ctl {
namespace {

constexpr size_t kReadBytes = 256u << 10;

const char* Find(const char* from, const char* end, char wanted) {
  const void* found = std::memchr(from, wanted, static_cast<size_t>(end - from));
  return found == nullptr ? end : static_cast<const char*>(found);
}

std::string_view Text(const char* from, const char* to) {
  return {from, static_cast<size_t>(to - from)};
}

const char* WithoutCarriageReturn(const char* begin, const char* line_end) {
  return line_end != begin && line_end[-1] == '\r' ? line_end - 1 : line_end;
}

// How many fields of the line come before the quoted one that it ends in.
size_t FieldsBeforeOpenQuote(std::string_view line, char delimiter) {
  size_t fields = 0;
  for (size_t at = 0; at < line.size(); ++at, ++fields) {
    if (line[at] == '"') {
      at = line.find('"', at + 1);
      while (at != std::string_view::npos && line.substr(at, 2) == "\"\"") {
        at = line.find('"', at + 2);
      }
      if (at == std::string_view::npos) return fields;
    }
    at = std::min(line.find(delimiter, at), line.size());
  }
  return fields;
}

}  // namespace

CsvReader::CsvReader(ByteSource& source, const CsvOptions& options)
    : source_(source), options_(options), buffer_(options.max_row_bytes + kReadBytes + 1) {
  ends_plain_field_[static_cast<uint8_t>(options.delimiter)] = true;
  ends_plain_field_['\n'] = true;
  begin_ = end_ = buffer_.data();
  *end_ = '\n';
}

absl::StatusOr<bool> CsvReader::Next() {
  if (!started_) {
    started_ = true;
    if (absl::Status status = SkipByteOrderMark(); !status.ok()) return status;
  }
  while (begin_ != end_ || !at_end_) {
    Scan scan = ScanRow();
    if (scan == Scan::kNeedsMore) {
      // One byte of grace for the CR of a line end.
      const bool full = static_cast<size_t>(end_ - begin_) > options_.max_row_bytes + 1;
      if (full) {
        scan = Scan::kMalformed;
      } else if (absl::Status status = Refill(); !status.ok()) {
        return status;
      }
    }
    if (scan == Scan::kMalformed) {
      if (absl::Status status = TakeFirstLine(); !status.ok()) return status;
      return true;
    }
    const bool skipped = row_.text.empty() && !options_.keep_blank_lines;
    if (scan == Scan::kDone && !skipped) return true;
  }
  return false;
}

CsvReader::Scan CsvReader::ScanRow() {
  row_.fields.clear();
  row_.field_count = 0;
  row_.problem = CsvProblem::kNone;
  unquoted_.clear();
  has_quotes_ = false;
  const char* cursor = begin_;
  while (true) {
    const char* field = cursor;
    const bool quoted = cursor != end_ && *cursor == '"';
    if (quoted) {
      const Scan scan = ScanQuotedField(cursor);
      if (scan != Scan::kDone || row_.problem != CsvProblem::kNone) return scan;
    } else {
      while (!ends_plain_field_[static_cast<uint8_t>(*cursor)]) ++cursor;
    }
    if (cursor == end_ && !at_end_) return Scan::kNeedsMore;
    if (cursor != end_ && *cursor == options_.delimiter) {
      if (!quoted) AddField(Text(field, cursor));
      ++cursor;
      continue;
    }
    const char* end = cursor;
    if (!quoted) {
      if (end != field && end[-1] == '\r') --end;
      AddField(Text(field, end));
    } else if (*cursor == '\r') {
      ++cursor;  // ScanQuotedField has seen that a line feed or nothing follows
    }
    if (static_cast<size_t>(end - begin_) > options_.max_row_bytes) return Scan::kMalformed;
    FinishRow(end, cursor == end_ ? end_ : cursor + 1);
    return Scan::kDone;
  }
}

CsvReader::Scan CsvReader::ScanQuotedField(const char*& cursor) {
  has_quotes_ = true;
  const char* from = cursor + 1;
  const char* quote = Find(from, end_, '"');
  const size_t unquoted_from = unquoted_.size();
  bool doubled = false;
  while (quote != end_ && quote + 1 != end_ && quote[1] == '"') {
    // Fields are views into unquoted_: it must not move while the row is scanned.
    if (unquoted_.capacity() < buffer_.size()) unquoted_.reserve(buffer_.size());
    unquoted_.append(from, quote + 1);
    doubled = true;
    from = quote + 2;
    quote = Find(from, end_, '"');
  }
  if (quote == end_) return at_end_ ? Scan::kMalformed : Scan::kNeedsMore;
  const char* next = quote + 1;
  if (next == end_ && !at_end_) return Scan::kNeedsMore;
  const bool carriage_return = next != end_ && *next == '\r';
  const char* stop = carriage_return ? next + 1 : next;
  if (stop == end_ && !at_end_) return Scan::kNeedsMore;
  const bool ends =
      stop == end_ || *stop == '\n' || (!carriage_return && *stop == options_.delimiter);
  if (!ends) return TakeRowWithTextAfterQuote(next);
  if (doubled) {
    unquoted_.append(from, quote);
    AddField(std::string_view(unquoted_).substr(unquoted_from));
  } else {
    AddField(Text(from, quote));
  }
  cursor = next;
  return Scan::kDone;
}

CsvReader::Scan CsvReader::TakeRowWithTextAfterQuote(const char* cursor) {
  const bool several_lines = Find(begin_, cursor, '\n') != cursor;
  if (several_lines) return Scan::kMalformed;
  const char* line_end = Find(cursor, end_, '\n');
  if (line_end == end_ && !at_end_) return Scan::kNeedsMore;
  const char* end = WithoutCarriageReturn(begin_, line_end);
  if (static_cast<size_t>(end - begin_) > options_.max_row_bytes) return Scan::kMalformed;
  row_.problem = CsvProblem::kTextAfterQuote;
  FinishRow(end, line_end == end_ ? end_ : line_end + 1);
  return Scan::kDone;
}

void CsvReader::AddField(std::string_view field) {
  if (row_.fields.size() < options_.max_fields) row_.fields.push_back(field);
  ++row_.field_count;
}

void CsvReader::FinishRow(const char* end, const char* next) {
  row_.text = Text(begin_, end);
  row_.bytes = end - begin_;
  row_.line = next_line_;
  // Only a quoted field can hold line ends.
  const char* begin = begin_;
  row_.last_line = next_line_ + (has_quotes_ ? std::count(begin, end, '\n') : 0);
  next_line_ = row_.last_line + 1;
  begin_ += next - begin_;
}

absl::Status CsvReader::TakeFirstLine() {
  row_.fields.clear();
  const char* line_end = Find(begin_, end_, '\n');
  const char* end = WithoutCarriageReturn(begin_, line_end);
  if (static_cast<size_t>(end - begin_) > options_.max_row_bytes) return TakeTooLongLine();
  row_.field_count = FieldsBeforeOpenQuote(Text(begin_, end), options_.delimiter);
  row_.problem = CsvProblem::kUnterminatedQuote;
  FinishRow(end, line_end == end_ ? end_ : line_end + 1);
  return absl::OkStatus();
}

absl::Status CsvReader::TakeTooLongLine() {
  row_.field_count = 0;
  row_.problem = CsvProblem::kTooLong;
  excerpt_.assign(begin_, std::min(kExcerptBytes, options_.max_row_bytes));
  int64_t bytes = 0;
  while (true) {
    const char* line_end = Find(begin_, end_, '\n');
    bytes += line_end - begin_;
    if (line_end != end_) {
      begin_ += line_end + 1 - begin_;
      break;
    }
    begin_ = end_;
    if (at_end_) break;
    if (absl::Status status = Refill(); !status.ok()) return status;
  }
  row_.text = excerpt_;
  row_.bytes = bytes;
  row_.line = row_.last_line = next_line_++;
  return absl::OkStatus();
}

absl::Status CsvReader::Refill() {
  const auto left = static_cast<size_t>(end_ - begin_);
  std::memmove(buffer_.data(), begin_, left);
  begin_ = buffer_.data();
  end_ = begin_ + left;
  const size_t room = std::min(buffer_.size() - 1 - left, kReadBytes);
  absl::StatusOr<size_t> count = source_.Read(end_, room);
  if (!count.ok()) return std::move(count).status();
  at_end_ = *count == 0;
  end_ += *count;
  *end_ = '\n';
  return absl::OkStatus();
}

absl::Status CsvReader::SkipByteOrderMark() {
  while (end_ - begin_ < 3 && !at_end_) {
    if (absl::Status status = Refill(); !status.ok()) return status;
  }
  const std::string_view start(begin_, std::min<size_t>(static_cast<size_t>(end_ - begin_), 3));
  if (start == "\xEF\xBB\xBF") begin_ += 3;
  if (start.substr(0, 2) == "\xFF\xFE" || start.substr(0, 2) == "\xFE\xFF") {
    return absl::InvalidArgumentError(
        "the file is UTF-16; convert it first, for example with: iconv -f UTF-16 -t UTF-8");
  }
  return absl::OkStatus();
}

}  // namespace attune::ctl
