#include "service/ctl/model_rows.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <optional>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"

namespace attune::ctl {
namespace {

// Models may have more columns than customers; the table may have others beside theirs.
constexpr size_t kMaxColumns = 1u << 21;
constexpr size_t kRowBytes = 1u << 20;
constexpr size_t kMoreBytesPerFeature = 64;
// More missing columns than that are not listed.
constexpr size_t kMaxMissingListed = 10;

CsvOptions OptionsWith(char delimiter, size_t features) {
  CsvOptions options;
  options.delimiter = delimiter;
  options.max_row_bytes = kRowBytes + features * kMoreBytesPerFeature;
  options.max_fields = kMaxColumns;
  options.keep_blank_lines = true;
  return options;
}

absl::Status LineError(int64_t line, std::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", ToAbsl(message)));
}

// What is wrong with how the row is written; empty when nothing is.
std::string_view RowProblem(const CsvRow& row) {
  switch (row.problem) {
    case CsvProblem::kNone:
      return "";
    case CsvProblem::kTextAfterQuote:
      return "there is text behind a closing quote";
    case CsvProblem::kUnterminatedQuote:
      return "a quote is not closed";
    case CsvProblem::kTooLong:
      return "the line is too long";
  }
  return "";
}

// What pandas, R and others write in place of a number.
std::optional<double> WordValue(absl::string_view word) {
  const auto is_one_of = [word](std::initializer_list<absl::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (is_one_of({"", "NA", "null", "NULL"})) return std::numeric_limits<double>::quiet_NaN();
  if (is_one_of({"true", "True", "TRUE"})) return 1;
  if (is_one_of({"false", "False", "FALSE"})) return 0;
  return std::nullopt;
}

std::optional<double> CellValue(std::string_view cell) {
  const absl::string_view stripped = absl::StripAsciiWhitespace(ToAbsl(cell));
  const char* begin = stripped.data() + (absl::StartsWith(stripped, "+") ? 1 : 0);
  const char* end = stripped.data() + stripped.size();
  double value = 0;
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (stop != end || error == std::errc::invalid_argument) return WordValue(stripped);
  // Too large or too small for a double: its neighbour.
  if (error != std::errc()) value = std::strtod(std::string(begin, end).c_str(), nullptr);
  return value;
}

// As LightGBM changes names when it trains.
std::string Underscored(std::string_view name) {
  std::string result(name);
  std::replace(result.begin(), result.end(), ' ', '_');
  return result;
}

using ColumnPlaces = StringMap<std::vector<size_t>>;

const std::vector<size_t>* Find(const ColumnPlaces& columns, const std::string& name) {
  const auto found = columns.find(name);
  return found == columns.end() ? nullptr : &found->second;
}

}  // namespace

ModelRows::ModelRows(ByteSource& source, char delimiter, const trees::ModelInfo& model)
    : model_(model), reader_(source, OptionsWith(delimiter, model.features.size())) {}

absl::StatusOr<bool> ModelRows::Next() {
  while (true) {
    absl::StatusOr<bool> read = reader_.Next();
    // In a table of one column a blank line is a row whose cell is empty.
    if (!read.ok() || !*read || columns_ == 1 || !reader_.row().text.empty()) return read;
  }
}

absl::Status ModelRows::ReadHeader() {
  const absl::StatusOr<bool> read = Next();
  if (!read.ok()) return read.status();
  if (!*read)
    return absl::InvalidArgumentError("the file has no first row with the columns' names");
  const CsvRow& row = reader_.row();
  if (row.problem != CsvProblem::kNone) return LineError(row.line, RowProblem(row));
  columns_ = row.field_count;
  ColumnPlaces exact;
  ColumnPlaces underscored;
  std::vector<std::string> names;
  for (size_t i = 0; i < row.fields.size(); ++i) {
    names.emplace_back(row.fields[i]);
    exact[names.back()].push_back(i);
    underscored[Underscored(names.back())].push_back(i);
  }
  std::string missing;
  size_t missing_count = 0;
  for (const std::string& feature : model_.features) {
    const std::vector<size_t>* places = Find(exact, feature);
    if (places == nullptr) places = Find(underscored, feature);
    if (places == nullptr) {
      if (++missing_count <= kMaxMissingListed) {
        absl::StrAppend(&missing, missing.empty() ? "" : ", ", Quoted(feature),
                        DidYouMean(feature, names));
      }
      continue;
    }
    if (places->size() > 1) {
      return LineError(row.line,
                       absl::StrCat(places->size(), " columns are called ", Quoted(feature)));
    }
    places_.push_back(places->front());
  }
  if (missing_count == 0) return absl::OkStatus();
  if (missing_count > kMaxMissingListed) {
    absl::StrAppend(&missing, " and ", missing_count - kMaxMissingListed, " more");
  }
  if (!model_.has_names) {
    absl::StrAppend(&missing,
                    "; the file of the model carries no names: its columns must be called ",
                    model_.features.size() == 1 ? "f0" : "f0, f1, ... in their order");
  }
  return LineError(row.line, absl::StrCat("the model's features have no column: ", missing));
}

absl::StatusOr<size_t> ModelRows::ReadRows(size_t max_rows, std::vector<double>& values) {
  size_t rows = 0;
  while (rows < max_rows) {
    const absl::StatusOr<bool> read = Next();
    if (!read.ok()) return read.status();
    if (!*read) break;
    if (absl::Status status = AppendRow(reader_.row(), values); !status.ok()) return status;
    ++rows;
  }
  return rows;
}

absl::Status ModelRows::AppendRow(const CsvRow& row, std::vector<double>& values) const {
  if (row.problem != CsvProblem::kNone) return LineError(row.line, RowProblem(row));
  if (row.field_count != columns_) {
    return LineError(
        row.line, absl::StrCat("has ", row.field_count, " fields; the first row has ", columns_));
  }
  for (size_t i = 0; i < places_.size(); ++i) {
    const std::string_view cell = row.fields[places_[i]];
    const std::optional<double> value = CellValue(cell);
    if (!value) {
      return LineError(row.line,
                       absl::StrCat("column ", Quoted(model_.features[i]), ": ", Quoted(cell),
                                    " is no number; a category is given by its code"));
    }
    values.push_back(*value);
  }
  return absl::OkStatus();
}

}  // namespace attune::ctl
