#ifndef ATTUNE_SERVICE_CTL_FEATURE_ROWS_H_
#define ATTUNE_SERVICE_CTL_FEATURE_ROWS_H_

#include <string>

#include "service/ctl/column_mapping.h"
#include "service/ctl/row_encoder.h"
#include "service/ctl/row_writer.h"

namespace attune::ctl {

// Rows as customers with features: messages of CustomerService.BatchUpsert.
class FeatureRows : public RowWriter {
 public:
  // `mapping` must outlive the writer.
  explicit FeatureRows(const ColumnMapping& mapping);

  size_t column_count() const override { return mapping_.column_count; }
  size_t id_column() const override { return mapping_.id_column; }
  bool in_order() const override { return true; }
  std::string Read(const CsvRow& row) override;
  size_t row_bytes() const override { return encoder_.row_bytes(); }
  void FinishRow() override { encoder_.FinishRow(); }
  size_t rows() const override { return encoder_.rows(); }
  size_t message_bytes() const override { return encoder_.message_bytes(); }
  size_t header_bytes() const override { return encoder_.header_bytes(); }
  std::string TakeMessage() override { return encoder_.TakeMessage(); }

 private:
  const ColumnMapping& mapping_;
  RowEncoder encoder_;
  std::string list_;  // the elements of the list that is being read
};

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_FEATURE_ROWS_H_
