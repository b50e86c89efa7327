#include "service/ctl/feature_rows.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/text.h"
#include "service/ctl/value_text.h"

namespace attune::ctl {
namespace {

std::vector<std::string> FeatureNames(const ColumnMapping& mapping) {
  std::vector<std::string> names;
  for (const MappedColumn& column : mapping.columns) names.push_back(column.feature);
  return names;
}

}  // namespace

FeatureRows::FeatureRows(const ColumnMapping& mapping)
    : mapping_(mapping), encoder_(FeatureNames(mapping)) {}

std::string FeatureRows::Read(const CsvRow& row) {
  encoder_.StartRow(row.fields[mapping_.id_column]);
  for (const MappedColumn& column : mapping_.columns) {
    const std::string_view text = row.fields[column.column];
    if (IsEmptyText(column.type, text)) {
      encoder_.SkipValue();
      continue;
    }
    ValueRef value;
    if (absl::Status status = ReadValue(column.type, text, list_, value); !status.ok()) {
      return absl::StrCat("column ", Quoted(column.column_name), ": ", status.message());
    }
    encoder_.AddValue(value);
  }
  return "";
}

}  // namespace attune::ctl
