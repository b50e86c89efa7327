#ifndef ATTUNE_SERVICE_CTL_INTERACTION_ROWS_H_
#define ATTUNE_SERVICE_CTL_INTERACTION_ROWS_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "attune/v1/customer_service.pb.h"
#include "service/ctl/row_writer.h"

namespace attune::ctl {

// Where a name stands: in a column, or the same for all rows.
struct NameSource {
  std::string column;  // empty: `value`
  std::string value;
};

// What the user said about the columns of a CSV file with interactions.
struct InteractionColumns {
  std::string customer;
  std::string time;
  NameSource treatment;
  NameSource channel;
  NameSource outcome;
};

// Rows as interactions: messages of CustomerService.BatchRecordInteractions.
class InteractionRows : public RowWriter {
 public:
  // INVALID_ARGUMENT, with every problem on a line of its own: a column that does not exist (with
  // what was probably meant).
  static absl::StatusOr<InteractionRows> Create(absl::Span<const std::string> header,
                                                const InteractionColumns& columns);

  size_t column_count() const override { return column_count_; }
  size_t id_column() const override { return customer_; }
  bool in_order() const override { return false; }
  std::string Read(const CsvRow& row) override;
  size_t row_bytes() const override;
  void FinishRow() override;
  size_t rows() const override { return rows_; }
  size_t message_bytes() const override { return message_.size(); }
  size_t header_bytes() const override { return 0; }
  std::string TakeMessage() override;

 private:
  // Where a name stands, found in the header.
  struct Name {
    std::string label;  // as the user calls it
    std::optional<size_t> column;
    std::string value;
    bool may_be_empty = false;
  };
  InteractionRows() = default;
  // What is wrong with a name, empty when it was read.
  static std::string ReadName(const Name& name, const CsvRow& row, std::string* out);

  size_t column_count_ = 0;
  size_t customer_ = 0;
  size_t time_ = 0;
  std::string time_label_;
  Name treatment_;
  Name channel_;
  Name outcome_;

  v1::InteractionRow row_;  // the one that was read
  std::string message_;
  size_t rows_ = 0;
};

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_INTERACTION_ROWS_H_
