#ifndef ATTUNE_SERVICE_CTL_CHUNK_READER_H_
#define ATTUNE_SERVICE_CTL_CHUNK_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "service/ctl/byte_source.h"
#include "service/ctl/csv_reader.h"
#include "service/ctl/import_chunk.h"
#include "service/ctl/row_writer.h"

namespace attune::ctl {

// Bounds of chunks. Constant while reading.
struct ChunkLimits {
  // Most rows of a chunk. The answer to a call lists up to 10000 refused rows: in a larger chunk
  // one could stay unnamed.
  size_t max_rows = 5'000;
  // Most text as written that is kept of a chunk; its last row may exceed it.
  size_t max_text_bytes = 4u << 20;
  // Most rows of a message: what the server commits at once, while other writers wait.
  size_t max_message_rows = 500;
  // Largest message. Servers refuse messages above a limit of theirs; a row that does not fit alone
  // is rejected.
  size_t max_message_bytes = 240u << 10;
};

// Tells in which chunk a customer was seen last. Remembers at least the latest kRemembered rows.
class RecentCustomers {
 public:
  // More than can be on the way to the server at one time.
  static constexpr size_t kRemembered = 64'000;

  // The number of the chunk that held the customer last, -1 when it was not seen lately; remembers
  // the customer as one of chunk `number`. Two customers may be taken for one, with a probability
  // of next to nothing.
  int64_t Replace(std::string_view customer_id, int64_t number);

 private:
  using ChunkOfCustomer = absl::flat_hash_map<uint64_t, int64_t>;
  ChunkOfCustomer newer_;
  ChunkOfCustomer older_;
};

// Turns the rows of a CSV file into chunks of messages. Not thread-safe.
class ChunkReader {
 public:
  // The others must outlive the reader. REQUIRES: `rows` has read the header already.
  ChunkReader(const ByteSource& source, CsvReader& rows, RowWriter& writer,
              const ChunkLimits& limits);

  // Fills the empty chunk with the next rows, at most `max_rows` of them; without rows at the end
  // of the file. A row that can't be read is in chunk.rejected. Errors: those of the
  // source; the chunk holds the rows before.
  absl::Status Next(int64_t max_rows, ImportChunk& chunk);

 private:
  // Why the row can't be imported; empty when it was added to the chunk.
  std::string AddRow(const CsvRow& row, ImportChunk& chunk);
  std::string ProblemOf(const CsvRow& row) const;
  void FinishMessage(ImportChunk& chunk);

  const ByteSource& source_;
  CsvReader& rows_;
  RowWriter& writer_;
  const ChunkLimits limits_;
  RecentCustomers recent_;
  int64_t next_number_ = 0;
};

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_CHUNK_READER_H_
