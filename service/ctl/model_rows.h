#ifndef ATTUNE_SERVICE_CTL_MODEL_ROWS_H_
#define ATTUNE_SERVICE_CTL_MODEL_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/trees/parsed_model.h"
#include "service/ctl/csv_reader.h"

namespace attune::ctl {

// Reads the inputs of a model from a CSV file, by the names in its first row, in any order; columns
// that the model doesn't know are left out. A cell is a number, or true or false for 1 or 0; empty,
// NaN, NA or null is a missing value. Not thread-safe.
class ModelRows {
 public:
  // `source` must outlive the reader; so must `model`.
  ModelRows(ByteSource& source, char delimiter, const trees::ModelInfo& model);

  // Reads the first row. INVALID_ARGUMENT: a feature has no column or more than one.
  absl::Status ReadHeader();

  // Appends up to `max_rows` rows to `values`, one number per feature, and returns how many; 0 at
  // the end. INVALID_ARGUMENT names line and column of what is no number.
  absl::StatusOr<size_t> ReadRows(size_t max_rows, std::vector<double>& values);

 private:
  // The next row into reader_.row(); false at the end.
  absl::StatusOr<bool> Next();
  absl::Status AppendRow(const CsvRow& row, std::vector<double>& values) const;

  const trees::ModelInfo& model_;
  CsvReader reader_;
  size_t columns_ = 0;          // 0: the first row was not read yet
  std::vector<size_t> places_;  // of the features, in a row
};

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_MODEL_ROWS_H_
