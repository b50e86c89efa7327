#include "service/ctl/import_run.h"

#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "service/ctl/byte_source.h"
#include "service/ctl/chunk_reader.h"
#include "service/ctl/csv_reader.h"
#include "service/ctl/progress.h"
#include "service/ctl/rejects_file.h"
#include "service/ctl/row_importer.h"
#include "service/ctl/table.h"

namespace attune::ctl {
namespace {

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
  if (row.text.starts_with("\x1F\x8B")) {
    return absl::InvalidArgumentError(
        "the file is compressed by gzip: give it a name that ends in .gz, or pipe it through zcat");
  }
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
  Import(const Invocation& invocation, const ImportFlags& flags, ImportKind& kind)
      : console_(invocation.console),
        options_(invocation.options),
        flags_(flags),
        kind_(kind),
        method_(kind.method()) {}

  int Run();

 private:
  int Fail(const absl::Status& status) const {
    return ReportError(console_, options_, std::string(status.message()));
  }
  absl::Status Prepare();
  int RunRows(ServerConnection& server, ByteSource& source, CsvReader& rows, RowWriter& writer,
              std::string header);
  int Report(const ImportResult& result, const RejectsFile& rejects);
  Json Summary(const ImportResult& result, const RejectsFile& rejects) const;
  std::string SummaryText(const ImportResult& result, const RejectsFile& rejects) const;
  void ReportFailure(const ImportResult& result) const;

  Console& console_;
  const GlobalOptions& options_;
  const ImportFlags& flags_;
  ImportKind& kind_;
  const BatchMethod method_;
  CsvOptions csv_;
  std::string strategy_version_;
  double seconds_ = 0;
};

absl::Status Import::Prepare() {
  csv_.delimiter = *DelimiterOf(flags_.delimiter);
  if (absl::Status status = kind_.Prepare(); !status.ok()) return status;
  std::error_code error;
  if (std::filesystem::equivalent(flags_.csv, RejectsPath(flags_), error)) {
    return absl::InvalidArgumentError("--rejects names the imported file itself");
  }
  return absl::OkStatus();
}

int Import::Run() {
  if (absl::Status status = Prepare(); !status.ok()) return Fail(status);
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
  const absl::StatusOr<RowWriter*> writer = kind_.MapColumns(*header, features);
  if (!writer.ok()) return Fail(writer.status());
  return RunRows(server, **source, rows, **writer, header_text);
}

int Import::RunRows(ServerConnection& server, ByteSource& source, CsvReader& rows,
                    RowWriter& writer, std::string header) {
  RejectsFile rejects(RejectsPath(flags_), std::move(header), csv_.delimiter);
  ChunkReader reader(source, rows, writer, ChunkLimits());
  RowImporter::Options options;
  options.dry_run = flags_.dry_run;
  options.max_rows = flags_.limit;
  const SystemClock clock;
  ProgressLine line(console_, clock);
  RowImporter importer(server, method_, rejects, options, [&](int64_t count, int64_t position) {
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
    for (size_t i = 0; i < method_.accepted.size(); ++i) {
      summary[method_.accepted[i]] = result.counts.accepted[i];
    }
  }
  summary["rejected"] = result.counts.rejected;
  summary["rejects_file"] = rejects.created() ? Json(rejects.path()) : Json(nullptr);
  summary["answered_to_line"] = result.answered_to_line;
  summary["seconds"] = seconds_;
  summary["strategy_version"] = strategy_version_;
  kind_.AddToSummary(summary);
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
    for (size_t i = 0; i < method_.accepted.size(); ++i) {
      table.AddRow({absl::StrReplaceAll(method_.accepted[i], {{"_", " "}}),
                    Grouped(result.counts.accepted[i]), ""});
    }
  }
  table.AddRow({"rejected", Grouped(result.counts.rejected),
                rejects.created() ? absl::StrCat("see ", rejects.path()) : ""});
  return absl::StrCat(kind_.Title(strategy_version_), ":\n", table.ToString(), kind_.Remarks());
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

}  // namespace

int RunImport(const Invocation& invocation, const ImportFlags& flags, ImportKind& kind) {
  return Import(invocation, flags, kind).Run();
}

void AddImportOptions(CLI::App& command, ImportFlags& flags) {
  command
      .add_option("--csv", flags.csv,
                  "The file; - for standard input. Decompressed when the\nname ends in .gz.")
      ->required()
      ->type_name("FILE");
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

}  // namespace attune::ctl
