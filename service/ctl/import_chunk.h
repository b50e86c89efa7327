#ifndef ATTUNE_SERVICE_CTL_IMPORT_CHUNK_H_
#define ATTUNE_SERVICE_CTL_IMPORT_CHUNK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grpcpp/support/status.h"
#include "service/ctl/csv_reader.h"

namespace attune::ctl {

// A row that is not imported, and why.
struct RejectedText {
  int64_t line = 0;
  int64_t last_line = 0;
  std::string reason;
  std::string text;  // as written
  // False when the text is not one well-formed CSV row, so that it can't be copied into a CSV file
  // as it is.
  bool well_formed = true;
};

// Rows as they were written, in one block of memory: kept until the server has answered, because it
// may refuse some. Not thread-safe.
class RowTexts {
 public:
  struct Row {
    int64_t line = 0;
    int64_t last_line = 0;
    std::string_view text;
  };

  void Add(const CsvRow& row) {
    entries_.push_back({row.line, row.last_line, texts_.size()});
    texts_.append(row.text);
  }
  size_t size() const { return entries_.size(); }
  size_t bytes() const { return texts_.size() + entries_.size() * sizeof(Entry); }
  // The view is valid until the next change. REQUIRES: index < size().
  Row operator[](size_t index) const {
    const Entry& entry = entries_[index];
    const size_t end = index + 1 < size() ? entries_[index + 1].offset : texts_.size();
    return {entry.line, entry.last_line,
            std::string_view(texts_).substr(entry.offset, end - entry.offset)};
  }

 private:
  struct Entry {
    int64_t line;
    int64_t last_line;
    size_t offset;
  };
  std::vector<Entry> entries_;
  std::string texts_;
};

// What became of rows.
struct RowCounts {
  std::array<int64_t, 3> accepted{};  // by BatchMethod::accepted
  int64_t rejected = 0;

  int64_t sum() const { return accepted[0] + accepted[1] + accepted[2] + rejected; }
};

// Consecutive rows of the file, which are sent in one call, with what is needed to account for each
// of them. Not thread-safe.
struct ImportChunk {
  // 0 for the first chunk of the file.
  int64_t number = 0;
  // The last chunk before this one that holds a customer of this one: it must be answered before
  // this one is sent, or the older row could win. -1: there is none.
  int64_t after = -1;

  std::vector<std::string> messages;   // serialised, in the order of the rows
  RowTexts texts;                      // of the rows in the messages
  std::vector<RejectedText> rejected;  // rows that are in no message, or that the server refused
  int64_t rows_read = 0;               // sent or rejected
  int64_t last_line = 0;               // of the last row
  int64_t position = 0;                // ByteSource::position() after the last row

  // The answer of the server: to the rows of `texts` only.
  RowCounts counts;
  grpc::Status status;
};

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_IMPORT_CHUNK_H_
