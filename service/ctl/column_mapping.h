#ifndef ATTUNE_SERVICE_CTL_COLUMN_MAPPING_H_
#define ATTUNE_SERVICE_CTL_COLUMN_MAPPING_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "attune/v1/customer_service.pb.h"
#include "lib/context/value.h"

namespace attune::ctl {

// What the user said about the columns of a CSV file.
struct MappingRequest {
  std::string id_column;
  std::vector<std::pair<std::string, std::string>> map;  // column, feature
  std::vector<std::string> ignore;
};

// A column that becomes a feature.
struct MappedColumn {
  size_t column = 0;  // index in the header
  std::string column_name;
  std::string feature;
  ValueType type = ValueType::kBool;
};

// Where the id and the features of a customer stand in a row.
struct ColumnMapping {
  size_t column_count = 0;
  size_t id_column = 0;
  std::vector<MappedColumn> columns;              // in the order of the header
  std::vector<std::string> unmapped_columns;      // no feature has their name
  std::vector<std::string> features_not_in_file;  // in the order of the strategy
};

// A name in lower_snake: "MonthlyCharges", "Monthly charges" and "monthly-charges" all become
// "monthly_charges"; "customerID" becomes "customer_id".
std::string LowerSnake(std::string_view name);

// Finds the id column and, for every other column, its feature: the one that request.map names, or
// else the feature with the same name, compared as LowerSnake() and, when that finds none, without
// underscores. Columns named by the user are found in the same way.
// INVALID_ARGUMENT, with every problem on a line of its own: a column or a feature that does not
// exist (with what was probably meant), one that is named twice, or nothing to import.
absl::StatusOr<ColumnMapping> MapColumns(absl::Span<const std::string> header,
                                         absl::Span<const v1::Feature> features,
                                         const MappingRequest& request);

// The column of that name, found as MapColumns does. INVALID_ARGUMENT: there is none, or several;
// `option` is what the user named it with.
absl::StatusOr<size_t> FindColumn(absl::Span<const std::string> header, std::string_view name,
                                  std::string_view option);

// Splits "COLUMN=FEATURE" at its last '='. INVALID_ARGUMENT when it is not of this form.
absl::StatusOr<std::pair<std::string, std::string>> ReadMapEntry(std::string_view text);

// Reads a file with one "COLUMN=FEATURE" per line; blank lines and lines that start with # are
// skipped. INVALID_ARGUMENT, with the line number: a line is not of this form.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ReadMapFile(
    const std::string& path);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_COLUMN_MAPPING_H_
