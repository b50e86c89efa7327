#include "service/ctl/chunk_reader.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"

namespace attune::ctl {

int64_t RecentCustomers::Replace(std::string_view customer_id, int64_t number) {
  if (newer_.size() >= kRemembered) {
    older_ = std::exchange(newer_, {});
    newer_.reserve(kRemembered);
  }
  const uint64_t hash = StringViewHash()(customer_id);
  const auto [entry, is_new] = newer_.try_emplace(hash, number);
  if (!is_new) return std::exchange(entry->second, number);
  const auto old = older_.find(hash);
  return old == older_.end() ? -1 : old->second;
}

ChunkReader::ChunkReader(const ByteSource& source, CsvReader& rows, RowWriter& writer,
                         const ChunkLimits& limits)
    : source_(source), rows_(rows), writer_(writer), limits_(limits) {}

absl::Status ChunkReader::Next(int64_t max_rows, ImportChunk& chunk) {
  chunk.number = next_number_++;
  const int64_t most = std::min(max_rows, static_cast<int64_t>(limits_.max_rows));
  size_t rejected_bytes = 0;
  absl::Status status;
  while (chunk.rows_read < most && chunk.texts.bytes() + rejected_bytes < limits_.max_text_bytes) {
    const absl::StatusOr<bool> found = rows_.Next();
    status = found.status();
    if (!found.ok() || !*found) break;
    const CsvRow& row = rows_.row();
    std::string reason = ProblemOf(row);
    if (reason.empty()) reason = AddRow(row, chunk);
    if (!reason.empty()) {
      rejected_bytes += sizeof(RejectedText) + reason.size() + row.text.size();
      chunk.rejected.push_back({row.line, row.last_line, std::move(reason), std::string(row.text),
                                row.problem == CsvProblem::kNone});
    }
    ++chunk.rows_read;
    chunk.last_line = row.last_line;
  }
  FinishMessage(chunk);
  chunk.position = source_.position();
  return status;
}

std::string ChunkReader::ProblemOf(const CsvRow& row) const {
  switch (row.problem) {
    case CsvProblem::kTextAfterQuote:
      return absl::StrCat("malformed quotes: text follows the quote that closes field ",
                          row.field_count + 1);
    case CsvProblem::kUnterminatedQuote:
      return absl::StrCat("malformed quotes: the quote that opens field ", row.field_count + 1,
                          " is not closed (a row has at most 1 MiB)");
    case CsvProblem::kTooLong:
      return absl::StrCat("the line is too long: ", row.bytes,
                          " bytes; only its start is kept here");
    case CsvProblem::kNone:
      break;
  }
  if (row.field_count != writer_.column_count()) {
    return absl::StrCat("has ", row.field_count, row.field_count == 1 ? " field" : " fields",
                        " where the header has ", writer_.column_count());
  }
  const std::string_view id = row.fields[writer_.id_column()];
  if (const auto problem = IdProblem(id, kMaxCustomerIdBytes)) {
    return absl::StrCat("the customer id ", *problem);
  }
  // The server would take it, for another customer than the one without.
  if (id.front() == ' ' || id.back() == ' ') {
    return absl::StrCat("the customer id ", Quoted(id), " has a blank at an end; remove it");
  }
  return "";
}

std::string ChunkReader::AddRow(const CsvRow& row, ImportChunk& chunk) {
  std::string problem = writer_.Read(row);
  if (!problem.empty()) return problem;
  const size_t bytes = writer_.row_bytes();
  if (writer_.header_bytes() + bytes > limits_.max_message_bytes) {
    return absl::StrCat("the values take ", bytes, " bytes in a message; at most ",
                        limits_.max_message_bytes - writer_.header_bytes(), " are allowed");
  }
  const bool full = writer_.rows() >= limits_.max_message_rows ||
                    writer_.message_bytes() + bytes > limits_.max_message_bytes;
  if (full) FinishMessage(chunk);
  writer_.FinishRow();
  chunk.texts.Add(row);
  if (!writer_.in_order()) return "";
  const int64_t seen_in = recent_.Replace(row.fields[writer_.id_column()], chunk.number);
  if (seen_in != chunk.number) chunk.after = std::max(chunk.after, seen_in);
  return "";
}

void ChunkReader::FinishMessage(ImportChunk& chunk) {
  if (writer_.rows() > 0) chunk.messages.push_back(writer_.TakeMessage());
}

}  // namespace attune::ctl
