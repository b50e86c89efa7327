#include "service/ctl/value_table.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "service/ctl/csv_reader.h"

namespace attune::ctl {
namespace {

absl::Status TableError(int64_t line, std::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", ToAbsl(message)));
}

absl::Status CheckRow(const CsvRow& row) {
  switch (row.problem) {
    case CsvProblem::kNone:
      return absl::OkStatus();
    case CsvProblem::kTextAfterQuote:
      return TableError(row.line, "there is text behind a closing quote");
    case CsvProblem::kUnterminatedQuote:
      return TableError(row.line, "a quote is not closed");
    case CsvProblem::kTooLong:
      break;
  }
  return TableError(row.line, "the line is too long");
}

absl::StatusOr<size_t> PlaceOf(const CsvRow& header, const std::string& name) {
  std::optional<size_t> place;
  for (size_t i = 0; i < header.fields.size(); ++i) {
    if (header.fields[i] != name) continue;
    if (place) {
      return TableError(header.line, absl::StrCat("two columns are called ", Quoted(name)));
    }
    place = i;
  }
  if (place) return *place;
  return TableError(header.line, absl::StrCat("there is no column ", Quoted(name),
                                              DidYouMean(name, header.fields)));
}

// nullopt: the cell is empty.
absl::StatusOr<std::optional<double>> NumberOf(const CsvRow& row, std::string_view cell,
                                               const std::string& column) {
  const absl::string_view text = absl::StripAsciiWhitespace(ToAbsl(cell));
  if (text.empty()) return std::nullopt;
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (stop == text.data() + text.size() && error == std::errc() && std::isfinite(value)) {
    return value;
  }
  return TableError(row.line, absl::StrCat("column ", Quoted(column), ": ", Quoted(cell),
                                           " is no finite number; leave it empty where there is "
                                           "none"));
}

// Takes rows, and sums them by customer when they have ids.
class TableSum {
 public:
  explicit TableSum(bool by_id) : by_id_(by_id) {}

  // False: the customer's sum is too large for a number.
  bool Add(std::string_view id, std::optional<double> value) {
    if (!by_id_) {
      ++customers_;
      if (value) {
        table_.values.push_back(*value);
      } else {
        ++table_.without_value;
      }
      return true;
    }
    const auto [sum, is_new] = sums_.try_emplace(std::string(id));
    customers_ += is_new ? 1 : 0;
    if (value) sum->second = sum->second.value_or(0) + *value;
    return std::isfinite(sum->second.value_or(0));
  }

  int64_t customers() const { return customers_; }

  ValueTable Take() {
    for (const auto& [id, sum] : sums_) {
      if (sum) {
        table_.values.push_back(*sum);
      } else {
        ++table_.without_value;
      }
    }
    return std::move(table_);
  }

 private:
  const bool by_id_;
  int64_t customers_ = 0;
  ValueTable table_;
  absl::flat_hash_map<std::string, std::optional<double>> sums_;
};

}  // namespace

absl::StatusOr<ValueTable> ReadValueTable(ByteSource& source, const ValueColumns& columns) {
  CsvOptions options;
  options.delimiter = columns.delimiter;
  options.keep_blank_lines = true;  // of a table of one column they are customers without a value
  CsvReader reader(source, options);
  absl::StatusOr<bool> read = reader.Next();
  while (read.ok() && *read && reader.row().text.empty()) read = reader.Next();
  if (!read.ok()) return read.status();
  if (!*read) {
    return absl::InvalidArgumentError("the file has no first row with the columns' names");
  }
  const CsvRow& row = reader.row();
  for (const std::string* name : {&columns.value, &columns.id}) {
    if (!IsValidUtf8(*name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the name of the column ", Quoted(*name), " is not valid UTF-8"));
    }
  }
  if (absl::Status status = CheckRow(row); !status.ok()) return status;
  const size_t width = row.field_count;
  const absl::StatusOr<size_t> value_place = PlaceOf(row, columns.value);
  if (!value_place.ok()) return value_place.status();
  absl::StatusOr<size_t> id_place = size_t{0};
  if (!columns.id.empty()) id_place = PlaceOf(row, columns.id);
  if (!id_place.ok()) return id_place.status();

  TableSum sum(!columns.id.empty());
  while (true) {
    read = reader.Next();
    if (!read.ok()) return read.status();
    if (!*read) return sum.Take();
    if (absl::Status status = CheckRow(row); !status.ok()) return status;
    if (width > 1 && row.text.empty()) continue;
    if (row.field_count != width) {
      return TableError(
          row.line, absl::StrCat("has ", row.field_count, " fields; the first row has ", width));
    }
    const auto value = NumberOf(row, row.fields[*value_place], columns.value);
    if (!value.ok()) return value.status();
    const std::string_view id = row.fields[*id_place];
    if (!columns.id.empty() && absl::StripAsciiWhitespace(ToAbsl(id)).empty()) {
      return TableError(row.line, absl::StrCat("column ", Quoted(columns.id),
                                               " is empty; it must say whose value it is"));
    }
    if (!sum.Add(id, *value)) {
      return TableError(row.line, "the sum of the customer's values is too large for a number");
    }
    if (sum.customers() > kMaxTableCustomers) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the table has more than ", kMaxTableCustomers, " customers"));
    }
  }
}

}  // namespace attune::ctl
