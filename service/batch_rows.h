#ifndef ATTUNE_SERVICE_BATCH_ROWS_H_
#define ATTUNE_SERVICE_BATCH_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "lib/base/violations.h"

namespace attune::service {

// Most rows of one message and most refused rows that an answer lists.
inline constexpr int kMaxRowsPerMessage = 10'000;
inline constexpr int64_t kMaxListedRejectedRows = 10'000;

// The rows of one stream that writes many: read message by message into changes, written, and
// counted in the Response of the stream, which lists the refused ones by their place in the stream.
// Not thread-safe.
template <typename Response, typename Change>
class BatchRows {
 public:
  // Reads the rows of the next message in place of the last one's. `read(row, change)` fills a
  // change that may have been used before, and returns what is wrong with the row; empty: nothing.
  template <typename Rows, typename Read>
  void ReadAll(const Rows& rows, Read read);
  // Of the good rows of the message.
  absl::Span<const Change> changes() const { return absl::MakeConstSpan(changes_).first(good()); }
  // Takes what became of changes(), one result for each: `count(result)` for those that were
  // written, the others are refused. Returns what ends the stream: a store that can't be written
  // refuses every row, and the caller retries.
  template <typename Result, typename Count>
  absl::Status Take(const std::vector<absl::StatusOr<Result>>& results, Count count);

  Response& response() { return response_; }

 private:
  size_t good() const { return row_of_change_.size(); }
  void Reject(int64_t row_index, std::string_view reason);

  Response response_;
  std::vector<Change> changes_;         // reused; the first ones are good
  std::vector<int64_t> row_of_change_;  // of each good one
};

// Adds a violation when a message has too many rows.
inline void CheckRowCount(int rows, Violations& violations) {
  if (rows <= kMaxRowsPerMessage) return;
  violations.Add("rows", absl::StrCat("has ", rows, " entries; at most ", kMaxRowsPerMessage,
                                      " are allowed in one message"));
}

template <typename Response, typename Change>
template <typename Rows, typename Read>
void BatchRows<Response, Change>::ReadAll(const Rows& rows, Read read) {
  row_of_change_.clear();
  for (const auto& row : rows) {
    const int64_t row_index = response_.received();
    response_.set_received(row_index + 1);
    if (changes_.size() == good()) changes_.emplace_back();
    const std::string problem = read(row, changes_[good()]);
    if (problem.empty()) {
      row_of_change_.push_back(row_index);
    } else {
      Reject(row_index, problem);
    }
  }
}

template <typename Response, typename Change>
template <typename Result, typename Count>
absl::Status BatchRows<Response, Change>::Take(const std::vector<absl::StatusOr<Result>>& results,
                                               Count count) {
  for (size_t i = 0; i < results.size(); ++i) {
    const absl::Status& status = results[i].status();
    if (status.ok()) {
      count(*results[i]);
    } else if (absl::IsUnavailable(status) || absl::IsResourceExhausted(status)) {
      return status;
    } else {
      Reject(row_of_change_[i], {status.message().data(), status.message().size()});
    }
  }
  return absl::OkStatus();
}

template <typename Response, typename Change>
void BatchRows<Response, Change>::Reject(int64_t row_index, std::string_view reason) {
  response_.set_rejected(response_.rejected() + 1);
  if (response_.rejected_rows_size() >= kMaxListedRejectedRows) return;
  auto* row = response_.add_rejected_rows();
  row->set_row_index(row_index);
  row->set_reason(std::string(reason));
}

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_BATCH_ROWS_H_
