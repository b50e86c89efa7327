#include "service/ctl/import_command.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "service/ctl/byte_source.h"
#include "service/ctl/column_mapping.h"
#include "service/ctl/csv_reader.h"
#include "service/ctl/customer_importer.h"
#include "service/ctl/json.h"
#include "service/ctl/progress.h"
#include "service/ctl/table.h"

namespace attune::ctl {
namespace {

constexpr char kFooter[] =
    R"(Customers that are not known are created, the others updated.

The file: RFC 4180 with a header; LF or CRLF, with or without a byte order mark, UTF-8.
Columns become features of the same name: MonthlyCharges, "Monthly charges" and
MONTHLY_CHARGES all are the feature monthly_charges. Map others with --map; columns
without a feature are listed and ignored.

Cells, by the type of the feature (an empty cell leaves the feature as it is):
  bool         true false yes no t f y n 1 0
  int          34 (also 34.0)
  double       56.95
  string       as it is
  timestamp    2026-03-01T10:00:00+01:00, or 2026-03-01 for midnight UTC
  string_list  a;b or a|b

Nothing is lost: a row that can't be imported goes to the rejects file with its line
number and the reason, the others are imported, and read = created + updated +
unchanged + rejected. A quote that is not closed costs its line, not the rows below.
Mend the rejects file and import it like any other file.
Importing a file again is harmless: what is there already stays unchanged. Rows are
stored in the order of the file: of two rows with one id, the later one wins.

Exit status: 0 every row imported, 3 some rows rejected, 1 failure, 2 wrong usage.

Examples:
  attunectl import customers --csv customers.csv --id customer_id
  attunectl import customers --csv crm.csv.gz --id customerID --map tenure=tenure_months
  zcat crm.csv.gz | attunectl import customers --csv - --id ID --delimiter ';' --dry_run

)";

struct ImportFlags {
  std::string csv;
  MappingRequest mapping;
  std::vector<std::string> map_entries;
  std::string map_file;
  std::string rejects;
  std::string delimiter = ",";
  std::optional<int64_t> limit;
  bool dry_run = false;
};

// The column separator that the user named; nullopt when it can't be one.
std::optional<char> DelimiterOf(const std::string& text) {
  if (text == "tab" || text == "\\t") return '\t';
  if (text.size() != 1 || text == "\"" || text == "\n" || text == "\r") return std::nullopt;
  return text[0];
}

std::string RejectsPath(const ImportFlags& flags) {
  if (!flags.rejects.empty()) return flags.rejects;
  return flags.csv == "-" ? "import.rejects.csv" : absl::StrCat(flags.csv, ".rejects.csv");
}

// Reads the header. INVALID_ARGUMENT: the file has none that can be used.
absl::StatusOr<std::vector<std::string>> ReadHeader(CsvReader& rows, const CsvOptions& options) {
  const absl::StatusOr<bool> found = rows.Next();
  if (!found.ok()) return found.status();
  if (!*found) return absl::InvalidArgumentError("the file is empty; it needs a header");
  const CsvRow& row = rows.row();
  if (row.problem == CsvProblem::kTooLong) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header is longer than ", options.max_row_bytes, " bytes"));
  }
  if (row.problem != CsvProblem::kNone) {
    return absl::InvalidArgumentError("the quotes of the header are malformed");
  }
  if (row.field_count > row.fields.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the header has ", row.field_count,
                                                   " columns; at most ", options.max_fields,
                                                   " are allowed"));
  }
  if (row.text.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        "the header contains NUL bytes: the file is not text in UTF-8. From UTF-16, convert it "
        "with: iconv -f UTF-16 -t UTF-8");
  }
  // A quoted name may hold a line end, but a lone CR is that of an old Macintosh.
  const size_t carriage_return = row.text.find('\r');
  if (carriage_return < row.text.size() - 1 && row.text[carriage_return + 1] != '\n') {
    return absl::InvalidArgumentError(
        "the lines end with CR only; convert them with: tr '\\r' '\\n'");
  }
  return std::vector<std::string>(row.fields.begin(), row.fields.end());
}

// One run of the command.
class Import {
 public:
  Import(const Invocation& invocation, ImportFlags flags)
      : console_(invocation.console), options_(invocation.options), flags_(std::move(flags)) {}

  int Run();

 private:
  int Fail(const absl::Status& status) const {
    return ReportError(console_, options_, std::string(status.message()));
  }
  absl::Status ReadMapping();
  int RunRows(ServerConnection& server, ByteSource& source, CsvReader& rows, std::string header);
  int Report(const ImportResult& result, const RejectsFile& rejects);
  Json Summary(const ImportResult& result, const RejectsFile& rejects) const;
  std::string SummaryText(const ImportResult& result, const RejectsFile& rejects) const;
  void ReportFailure(const ImportResult& result) const;

  Console& console_;
  const GlobalOptions& options_;
  ImportFlags flags_;
  CsvOptions csv_;
  ColumnMapping mapping_;
  std::string strategy_version_;
  double seconds_ = 0;
};

absl::Status Import::ReadMapping() {
  csv_.delimiter = *DelimiterOf(flags_.delimiter);
  if (!flags_.map_file.empty()) {
    auto entries = ReadMapFile(flags_.map_file);
    if (!entries.ok()) return entries.status();
    flags_.mapping.map = *std::move(entries);
  }
  for (const std::string& text : flags_.map_entries) {
    auto entry = ReadMapEntry(text);
    if (!entry.ok()) return entry.status();
    flags_.mapping.map.push_back(*std::move(entry));
  }
  std::error_code error;
  if (std::filesystem::equivalent(flags_.csv, RejectsPath(flags_), error)) {
    return absl::InvalidArgumentError("--rejects names the imported file itself");
  }
  return absl::OkStatus();
}

int Import::Run() {
  if (absl::Status status = ReadMapping(); !status.ok()) return Fail(status);
  absl::StatusOr<std::unique_ptr<ByteSource>> source = OpenByteSource(flags_.csv, console_.in);
  if (!source.ok()) return Fail(source.status());
  CsvReader rows(**source, csv_);
  absl::StatusOr<std::vector<std::string>> header = ReadHeader(rows, csv_);
  if (!header.ok()) {
    return ReportError(console_, options_,
                       absl::StrCat(TerminalSafe(flags_.csv), ": ", header.status().message()));
  }
  const std::string header_text(rows.row().text);
  ServerConnection server(options_);
  std::vector<v1::Feature> features;
  const grpc::Status listed = server.ListFeatures(features, strategy_version_);
  if (!listed.ok()) return ReportCallError(console_, options_, listed);
  absl::StatusOr<ColumnMapping> mapping = MapColumns(*header, features, flags_.mapping);
  if (!mapping.ok()) return Fail(mapping.status());
  mapping_ = *std::move(mapping);
  return RunRows(server, **source, rows, header_text);
}

int Import::RunRows(ServerConnection& server, ByteSource& source, CsvReader& rows,
                    std::string header) {
  RejectsFile rejects(RejectsPath(flags_), std::move(header), csv_.delimiter);
  ChunkReader reader(source, rows, mapping_, ChunkLimits());
  CustomerImporter::Options options;
  options.dry_run = flags_.dry_run;
  options.max_rows = flags_.limit;
  const SystemClock clock;
  ProgressLine line(console_, clock);
  CustomerImporter importer(server, rejects, options, [&](int64_t count, int64_t position) {
    ProgressState state;
    state.rows = count;
    state.bytes = position;
    state.total_rows = flags_.limit;
    if (!flags_.limit.has_value()) state.total_bytes = source.size();
    line.Show(state);
  });
  const ImportResult result = importer.Run(reader);
  seconds_ = absl::ToDoubleSeconds(line.elapsed());
  line.Clear();
  return Report(result, rejects);
}

int Import::Report(const ImportResult& result, const RejectsFile& rejects) {
  for (const RejectedText& row : result.examples) {
    console_.err << "rejected: line " << row.line << ": " << TerminalSafe(row.reason) << "\n";
  }
  const int64_t untold = result.counts.rejected - static_cast<int64_t>(result.examples.size());
  if (untold > 0) {
    console_.err << "rejected: " << Grouped(untold) << " more, see " << TerminalSafe(rejects.path())
                 << "\n";
  }
  std::error_code error;
  if (result.ok() && !rejects.created() && flags_.csv != "-" &&
      std::filesystem::exists(rejects.path(), error)) {
    console_.err << "note: " << TerminalSafe(rejects.path())
                 << " is from an earlier import; this one rejected no row\n";
  }
  if (options_.json) {
    WriteJson(console_.out, Summary(result, rejects));
  } else {
    console_.out << SummaryText(result, rejects);
  }
  if (!result.ok()) {
    ReportFailure(result);
    return kExitFailure;
  }
  return result.counts.rejected > 0 ? kExitRowsRejected : kExitOk;
}

Json Import::Summary(const ImportResult& result, const RejectsFile& rejects) const {
  Json summary = {{"complete", result.ok()}, {"dry_run", flags_.dry_run}, {"read", result.read}};
  if (flags_.dry_run) {
    summary["valid"] = result.valid;
  } else {
    summary["created"] = result.counts.created;
    summary["updated"] = result.counts.updated;
    summary["unchanged"] = result.counts.unchanged;
  }
  summary["rejected"] = result.counts.rejected;
  summary["rejects_file"] = rejects.created() ? Json(rejects.path()) : Json(nullptr);
  summary["answered_to_line"] = result.answered_to_line;
  summary["seconds"] = seconds_;
  summary["strategy_version"] = strategy_version_;
  summary["columns"] = Json::array();
  for (const MappedColumn& column : mapping_.columns) {
    summary["columns"].push_back({{"column", column.column_name},
                                  {"feature", column.feature},
                                  {"type", std::string(ValueTypeName(column.type))}});
  }
  summary["ignored_columns"] = mapping_.unmapped_columns;
  summary["features_not_in_file"] = mapping_.features_not_in_file;
  if (!result.call_status.ok()) {
    summary["error"] = ErrorJson(result.call_status, options_);
  } else if (!result.local_status.ok()) {
    summary["error"] = {{"code", "LOCAL"}, {"message", std::string(result.local_status.message())}};
  }
  return summary;
}

std::string Import::SummaryText(const ImportResult& result, const RejectsFile& rejects) const {
  Table table({{"", Table::Align::kLeft}, {"", Table::Align::kRight}, {"", Table::Align::kLeft}},
              /*indent=*/2);
  const double rate = static_cast<double>(result.read) / std::max(seconds_, 1e-9);
  table.AddRow(
      {"read", Grouped(result.read),
       absl::StrFormat("in %.1f s, %s rows/s", seconds_, Grouped(static_cast<int64_t>(rate)))});
  if (flags_.dry_run) {
    table.AddRow({"valid", Grouped(result.valid), "dry run: nothing was sent"});
  } else {
    table.AddRow({"created", Grouped(result.counts.created), ""});
    table.AddRow({"updated", Grouped(result.counts.updated), ""});
    table.AddRow({"unchanged", Grouped(result.counts.unchanged), ""});
  }
  table.AddRow({"rejected", Grouped(result.counts.rejected),
                rejects.created() ? absl::StrCat("see ", rejects.path()) : ""});
  const size_t features = mapping_.columns.size();
  return absl::StrCat(
      "customers, with ", features, features == 1 ? " feature of " : " features of ",
      TerminalSafe(strategy_version_), ":\n", table.ToString(),
      WrappedList("columns that are no feature, ignored:", mapping_.unmapped_columns),
      WrappedList("features that are not in the file:", mapping_.features_not_in_file));
}

void Import::ReportFailure(const ImportResult& result) const {
  // With --json the object that describes the error is the summary.
  GlobalOptions text_only = options_;
  text_only.json = false;
  if (!result.call_status.ok()) ReportCallError(console_, text_only, result.call_status);
  if (!result.local_status.ok()) {
    ReportError(console_, text_only, std::string(result.local_status.message()));
  }
  console_.err << "The import is not complete: ";
  if (result.answered_to_line > 0) {
    console_.err << "everything up to line " << Grouped(result.answered_to_line)
                 << " is stored or rejected";
  } else {
    console_.err << "no row is known to be stored";
  }
  console_.err
      << "; of later rows some may be stored.\nImporting the same file again is harmless.\n";
}

void AddOptions(CLI::App& command, ImportFlags& flags) {
  command
      .add_option("--csv", flags.csv,
                  "The file; - for standard input. Decompressed when the\nname ends in .gz.")
      ->required()
      ->type_name("FILE");
  command.add_option("--id", flags.mapping.id_column, "The column with the customer id.")
      ->required()
      ->type_name("COLUMN");
  command
      .add_option("--map", flags.map_entries,
                  "Use the column for this feature. Give it once for each column.")
      ->type_name("COLUMN=FEATURE")
      ->allow_extra_args(false);
  command
      .add_option("--map_file", flags.map_file,
                  "A file with one COLUMN=FEATURE per line; # starts a comment.")
      ->type_name("FILE");
  command
      .add_option("--ignore", flags.mapping.ignore,
                  "Don't use the column. Give it once for each column.")
      ->type_name("COLUMN")
      ->allow_extra_args(false);
  command
      .add_option("--rejects", flags.rejects,
                  "Where rejected rows go; only created when there are some,\nand then replaced. "
                  "Default: FILE.rejects.csv, for standard\ninput import.rejects.csv.")
      ->type_name("FILE");
  command
      .add_option("--delimiter", flags.delimiter,
                  "What separates columns: one character, or \"tab\". Default: ,")
      ->type_name("CHAR")
      ->check([](const std::string& text) {
        return DelimiterOf(text).has_value() ? "" : "must be one character, or \"tab\"";
      });
  command.add_option("--limit", flags.limit, "Read only so many rows. Default: all.")
      ->type_name("N")
      ->check([](const std::string& text) {
        int64_t rows = 0;
        return absl::SimpleAtoi(text, &rows) && rows > 0 ? ""
                                                         : "must be a number of rows from 1 on";
      });
  command.add_flag("--dry_run", flags.dry_run,
                   "Read and check everything, write the rejects file, send\nnothing.");
}

}  // namespace

void AddImportCommand(CLI::App& program, Commands& commands) {
  CLI::App* import = program.add_subcommand("import", "Import customers from a file.");
  import->require_subcommand(1);
  import->footer(kGroupFooter);
  CLI::App* customers = import->add_subcommand("customers", "Import customers from a CSV file.");
  auto flags = std::make_shared<ImportFlags>();
  AddOptions(*customers, *flags);
  customers->footer(
      absl::StrCat(kFooter, kGlobalOptionsNote,
                   " For import,\n--timeout is for each call of up to 5,000 rows; default: 60s."));
  commands.Add(customers,
               [flags](const Invocation& invocation) { return Import(invocation, *flags).Run(); });
}

}  // namespace attune::ctl
