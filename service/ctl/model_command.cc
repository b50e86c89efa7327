#include "service/ctl/model_command.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "google/protobuf/util/time_util.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/trees/model_reader.h"
#include "service/ctl/byte_source.h"
#include "service/ctl/health_table.h"
#include "service/ctl/json.h"
#include "service/ctl/model_rows.h"
#include "service/ctl/model_source.h"
#include "service/ctl/output_file.h"
#include "service/ctl/registry_command.h"
#include "service/ctl/rejects_file.h"
#include "service/ctl/server_connection.h"
#include "service/ctl/table.h"

namespace attune::ctl {
namespace {

using google::protobuf::util::TimeUtil;

// Numbers that are predicted at once, at most.
constexpr size_t kBatchValues = 1 << 20;
constexpr size_t kMaxBatchRows = 4096;
// Most contributions of one row that are written.
constexpr size_t kMaxContributionColumns = 1 << 20;

constexpr char kPredictFooter[] =
    R"(A model is what XGBoost saved as .json or .ubj (1.4 to 3.x: gbtree, dart, gblinear) or
LightGBM as text (2.1 to 4.x). The first row of the table names the columns; the model's
features are found there by name, in any order, and other columns are left out; of a model
whose file carries no names they are f0, f1 and so on. Cells are numbers, or true or false
for 1 or 0; an empty one, NaN, NA and null are missing, a category is its code. The result
has one row for each row of the table: one column "prediction", or one per class,
"prediction_0" and so on, as predict() of the library gives them.

With --contributions it has a column for each feature of the model in its order, and then
"base"; of several classes those of the first, "FEATURE_0" to "base_0", then of the next.
They add up to the raw score, or to the average of a random forest, but for rounding. Each
split on a feature counts for it what it moves the expected score. XGBoost tells the same,
in single precision, with predict(pred_contribs=True, approx_contribs=True); without
approx_contribs it and LightGBM tell SHAP values, which are others with the same sum.

Exit status: 0 it worked, 1 the model or the table is damaged, 2 wrong usage.

Examples:
  attunectl model predict --model churn.json --csv customers.csv > churn.csv
  attunectl model predict --model acceptance.txt --csv customers.csv.gz --raw --out scores.csv
  attunectl model predict --model churn@0123456789ab --csv customers.csv --out churn.csv
  attunectl model predict --model churn.json --csv customers.csv --contributions

)";

constexpr char kInspectFooter[] =
    R"(Exit status: 0 the model can be used, 1 it is damaged or not supported, 2 wrong usage.

Examples:
  attunectl model inspect churn.json
  attunectl model inspect acceptance.txt --json
  attunectl model inspect churn
  attunectl model inspect acceptance --json

)";

struct PredictFlags {
  std::string model;
  std::string csv;
  std::string out = "-";
  std::string delimiter = ",";
  bool raw = false;
  bool contributions = false;
};

absl::StatusOr<trees::TreeEnsemble> ParseTrees(const ModelBytes& model) {
  absl::StatusOr<trees::TreeEnsemble> trees = trees::ReadModel(model.bytes);
  if (!trees.ok()) return FileError(model.file, trees.status());
  return trees;
}

std::string PredictionHeader(size_t columns) {
  if (columns == 1) return "prediction\n";
  std::string header;
  for (size_t i = 0; i < columns; ++i) {
    absl::StrAppend(&header, i == 0 ? "" : ",", "prediction_", i);
  }
  return header + "\n";
}

std::string ContributionHeader(const trees::TreeEnsemble& model) {
  std::string header;
  const size_t outputs = model.raw_outputs();
  for (size_t output = 0; output < outputs; ++output) {
    const std::string suffix = outputs == 1 ? "" : absl::StrCat("_", output);
    for (const std::string& feature : model.info().features) {
      header += CsvField(feature + suffix, ',') + ",";
    }
    absl::StrAppend(&header, "base", suffix, output + 1 < outputs ? "," : "\n");
  }
  return header;
}

// How many numbers are written of each row.
size_t ColumnsOf(const trees::TreeEnsemble& model, const PredictFlags& flags) {
  if (flags.contributions) return (model.features() + 1) * model.raw_outputs();
  return flags.raw ? model.raw_outputs() : model.outputs();
}

// `rows`: one number per feature; `results`: ColumnsOf numbers for each of them.
void PredictBatch(const trees::TreeEnsemble& model, const PredictFlags& flags,
                  absl::Span<const double> rows, absl::Span<double> results) {
  if (!flags.contributions) {
    return flags.raw ? model.PredictRaw(rows, results) : model.Predict(rows, results);
  }
  const size_t size = model.features() + 1;
  for (size_t row = 0; row * model.features() < rows.size(); ++row) {
    for (size_t output = 0; output < model.raw_outputs(); ++output) {
      model.Contributions(rows.subspan(row * model.features(), model.features()), output,
                          results.subspan((row * model.raw_outputs() + output) * size, size));
    }
  }
}

// In the fewest digits that are read back as the same number.
void AppendNumber(double number, std::string& text) {
  char digits[32];
  const auto result = std::to_chars(std::begin(digits), std::end(digits), number);
  text.append(digits, result.ptr);
}

absl::Status CheckWritten(const std::ostream& out, const std::string& path) {
  if (out) return absl::OkStatus();
  return FileError(path, absl::ErrnoToStatus(errno == 0 ? EIO : errno, "can't write"));
}

// Reads, predicts and writes one batch after the other; returns how many rows.
absl::StatusOr<int64_t> PredictRows(const trees::TreeEnsemble& model, ModelRows& rows,
                                    const PredictFlags& flags, std::ostream& out) {
  const size_t columns = ColumnsOf(model, flags);
  if (flags.contributions && columns > kMaxContributionColumns) {
    return FileError(flags.model, absl::InvalidArgumentError(
                                      absl::StrCat(columns, " contributions per row; at most ",
                                                   kMaxContributionColumns, " can be written")));
  }
  const size_t batch =
      std::clamp<size_t>(kBatchValues / std::max(model.features(), columns), 1, kMaxBatchRows);
  std::string text = flags.contributions ? ContributionHeader(model) : PredictionHeader(columns);
  std::vector<double> values;
  std::vector<double> predictions;
  int64_t total = 0;
  errno = 0;
  while (out) {
    values.clear();
    const absl::StatusOr<size_t> read = rows.ReadRows(batch, values);
    if (!read.ok()) return FileError(flags.csv, read.status());
    predictions.resize(*read * columns);
    PredictBatch(model, flags, values, absl::MakeSpan(predictions));
    for (size_t i = 0; i < predictions.size(); ++i) {
      AppendNumber(predictions[i], text);
      text += (i + 1) % columns == 0 ? '\n' : ',';
    }
    out.write(text.data(), std::ssize(text));
    text.clear();
    total += static_cast<int64_t>(*read);
    if (*read == 0) break;
  }
  out.flush();
  if (absl::Status status = CheckWritten(out, flags.out); !status.ok()) return status;
  return total;
}

absl::StatusOr<int64_t> PredictFile(const ModelBytes& found, const PredictFlags& flags,
                                    Console& console) {
  const absl::StatusOr<trees::TreeEnsemble> model = ParseTrees(found);
  if (!model.ok()) return model.status();
  auto source = OpenByteSource(flags.csv, console.in);
  if (!source.ok()) return source.status();
  ModelRows rows(**source, flags.delimiter[0], model->info());
  if (absl::Status status = rows.ReadHeader(); !status.ok()) return FileError(flags.csv, status);
  if (flags.out == "-") return PredictRows(*model, rows, flags, console.out);
  OutputFile file(flags.out);
  if (absl::Status status = file.Open(); !status.ok()) return FileError(flags.out, status);
  const absl::StatusOr<int64_t> total = PredictRows(*model, rows, flags, file.stream());
  if (!total.ok()) return total;
  if (absl::Status status = file.Commit(); !status.ok()) return FileError(flags.out, status);
  return total;
}

// What of the other files --out is, by whatever name; empty when it is none of them.
std::string_view OverwrittenInput(const PredictFlags& flags) {
  const auto is_out = [&](const std::string& path) {
    std::error_code not_there;
    return std::filesystem::is_regular_file(flags.out, not_there) &&
           std::filesystem::equivalent(path, flags.out, not_there);
  };
  if (flags.out == "-") return "";
  if (is_out(flags.model)) return "model";
  return is_out(flags.csv) ? "table" : "";
}

int Predict(const Invocation& invocation, const PredictFlags& flags) {
  Console& console = invocation.console;
  const bool to_file = flags.out != "-";
  if (invocation.options.json && !to_file) {
    ReportError(console, {}, "--json needs --out FILE: the predictions go to standard output");
    return kExitUsage;
  }
  if (flags.model == "-" && flags.csv == "-") {
    ReportError(console, invocation.options, "--model and --csv can't both be standard input");
    return kExitUsage;
  }
  if (const std::string_view input = OverwrittenInput(flags); !input.empty()) {
    ReportError(console, invocation.options,
                absl::StrCat("--out is the ", ToAbsl(input), " itself; name another file"));
    return kExitUsage;
  }
  const std::optional<ModelBytes> model = FindModel(invocation, flags.model);
  if (!model) return kExitFailure;
  const absl::StatusOr<int64_t> rows = PredictFile(*model, flags, console);
  if (!rows.ok()) {
    return ReportError(console, invocation.options, std::string(rows.status().message()));
  }
  if (invocation.options.json) {
    WriteJson(console.out, Json{{"rows", *rows}, {"file", flags.out}});
  } else if (to_file) {
    console.out << Grouped(*rows) << " rows predicted in " << TerminalSafe(flags.out) << "\n";
  }
  return kExitOk;
}

Json InspectJson(const trees::TreeEnsemble& model) {
  const trees::ModelInfo& info = model.info();
  Json features = Json::array();
  for (size_t i = 0; i < info.features.size(); ++i) {
    features.push_back({{"name", info.features[i]}, {"categorical", model.IsCategorical(i)}});
  }
  return {{"kind", "trees"},
          {"library", info.library},
          {"version", info.version},
          {"booster", info.booster},
          {"objective", info.objective},
          {"trees", info.trees},
          {"trees_in_file", info.trees_in_file},
          {"predictions", model.outputs()},
          {"raw_scores", model.raw_outputs()},
          {"features", features}};
}

std::string InspectText(const trees::TreeEnsemble& model) {
  const trees::ModelInfo& info = model.info();
  Table table({{"", Table::Align::kLeft}, {"", Table::Align::kLeft}});
  table.AddRow({"library", info.library});
  table.AddRow({"version", info.version.empty() ? "not told" : info.version});
  table.AddRow({"booster", info.booster});
  table.AddRow({"objective", info.objective.empty() ? "not told" : info.objective});
  std::string trees = Grouped(static_cast<int64_t>(info.trees));
  if (info.trees != info.trees_in_file) {
    absl::StrAppend(&trees, " of ", Grouped(static_cast<int64_t>(info.trees_in_file)),
                    ", up to the best iteration");
  }
  table.AddRow({"trees", trees});
  table.AddRow({"predictions", absl::StrCat(model.outputs(), " per row")});
  table.AddRow({"features", Grouped(static_cast<int64_t>(model.features()))});
  std::vector<std::string> names;
  for (size_t i = 0; i < info.features.size(); ++i) {
    names.push_back(absl::StrCat(TerminalSafe(info.features[i]),
                                 model.IsCategorical(i) ? " (categorical)" : ""));
  }
  return absl::StrCat(table.ToString(), "\n", WrappedList("Features: ", names));
}

Json StoredJson(const v1::ModelVersion& version) {
  return {{"name", version.name()},
          {"version", version.version()},
          {"hash", version.hash()},
          {"file", version.file()},
          {"size_bytes", version.size_bytes()},
          {"time", TimeUtil::ToString(version.time())},
          {"by", version.by()},
          {"comment", version.comment()},
          {"active", version.active()},
          {"in_use", version.in_use()}};
}

// A model in YAML tells by itself what is in it.
void InspectYaml(const Invocation& invocation, const ModelBytes& model) {
  if (invocation.options.json) {
    WriteJson(invocation.console.out, Json{{"kind", model.stored->kind()},
                                           {"yaml", model.bytes},
                                           {"stored", StoredJson(*model.stored)}});
    return;
  }
  invocation.console.out << VersionText(*model.stored) << "\n";
  const std::vector<std::string> lines = absl::StrSplit(model.bytes, '\n');
  for (const std::string& line : lines) {
    invocation.console.out << TerminalSafe(line) << "\n";
  }
}

// How the adaptive model of that name does, where the strategy of the server has one. False: the
// text is a file or anything else, or nobody can be asked.
bool InspectAdaptive(const Invocation& invocation, const std::string& text) {
  std::error_code not_there;
  if (!IsName(text) || std::filesystem::exists(text, not_there)) return false;
  ServerConnection server(invocation.options);
  v1::ModelServiceGetHealthRequest request;
  request.set_name(text);
  v1::ModelServiceGetHealthResponse health;
  const auto context = server.NewContext();
  if (!server.models().GetHealth(context.get(), request, &health).ok()) return false;
  if (invocation.options.json) {
    WriteJson(invocation.console.out, health);
  } else {
    invocation.console.out << HealthTables(health);
  }
  return true;
}

int Inspect(const Invocation& invocation, const std::string& text) {
  if (InspectAdaptive(invocation, text)) return kExitOk;
  const std::optional<ModelBytes> found = FindModel(invocation, text);
  if (!found) return kExitFailure;
  if (found->stored && found->stored->kind() != "trees") {
    InspectYaml(invocation, *found);
    return kExitOk;
  }
  const absl::StatusOr<trees::TreeEnsemble> model = ParseTrees(*found);
  if (!model.ok()) {
    return ReportError(invocation.console, invocation.options,
                       std::string(model.status().message()));
  }
  if (invocation.options.json) {
    Json json = InspectJson(*model);
    if (found->stored) json["stored"] = StoredJson(*found->stored);
    WriteJson(invocation.console.out, json);
  } else {
    if (found->stored) invocation.console.out << VersionText(*found->stored);
    invocation.console.out << InspectText(*model);
  }
  return kExitOk;
}

void AddPredict(CLI::App& model, Commands& commands) {
  CLI::App* command = model.add_subcommand("predict", "Predict every row of a table.");
  auto flags = std::make_shared<PredictFlags>();
  command
      ->add_option("--model", flags->model,
                   "The model: a file, - for standard input, or NAME or\nNAME@HASH of the server.")
      ->required()
      ->type_name("FILE|NAME");
  command
      ->add_option("--csv", flags->csv,
                   "The table, with the columns' names in its first row;\n- for standard input. "
                   "May be .gz.")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--out", flags->out,
                   "Where to write; - for standard output. The file is there\nwhen it is whole; "
                   "until then it is FILE.partial.")
      ->type_name("FILE")
      ->capture_default_str();
  command->add_option("--delimiter", flags->delimiter, "What stands between two cells.")
      ->type_name("CHAR")
      ->capture_default_str()
      ->check([](const std::string& text) {
        const bool is_one = text.size() == 1 && text.find_first_of("\"\r\n") == std::string::npos;
        return is_one ? "" : "must be one character";
      });
  CLI::Option* raw = command->add_flag(
      "--raw", flags->raw, "Write the scores before the link function (margins, log-odds).");
  command
      ->add_flag("--contributions", flags->contributions,
                 "Write what each feature adds to the raw score.")
      ->excludes(raw);
  command->footer(absl::StrCat(kPredictFooter, kGlobalOptionsNote));
  commands.Add(command,
               [flags](const Invocation& invocation) { return Predict(invocation, *flags); });
}

}  // namespace

void AddModelCommand(CLI::App& program, Commands& commands) {
  CLI::App* model = program.add_subcommand("model", "Store models, look at them and try them.");
  model->require_subcommand(1);
  model->footer(kGroupFooter);
  AddRegistryCommands(*model, commands);
  AddPredict(*model, commands);
  CLI::App* inspect = model->add_subcommand("inspect", "Show what a model is.");
  auto path = std::make_shared<std::string>();
  inspect
      ->add_option("MODEL", *path,
                   "The model: a file, - for standard input, or NAME or\nNAME@HASH of the server. "
                   "NAME may be an adaptive model\nof the strategy: how well it predicts.")
      ->required();
  inspect->footer(absl::StrCat(kInspectFooter, kGlobalOptionsNote));
  commands.Add(inspect,
               [path](const Invocation& invocation) { return Inspect(invocation, *path); });
}

}  // namespace attune::ctl
