#include "service/ctl/generate_command.h"

#include <cerrno>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/clock.h"
#include "lib/base/issue.h"
#include "lib/base/text.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/strategy_loader.h"
#include "service/ctl/customer_generator.h"
#include "service/ctl/json.h"
#include "service/ctl/progress.h"
#include "service/ctl/table.h"
#include "service/stored_files.h"

namespace attune::ctl {
namespace {

constexpr size_t kChunkBytes = 256u << 10;

constexpr char kGenerateFooter[] =
    R"(The same options give the same customers on every machine, and customer C0000042 is the
same one whatever --count is. Without --strategy they are customers of the telecom
operator of deploy/example/telecom.yaml, with what belongs together drawn together:
charges follow from the plan, complaints from incidents, the risk to leave from all of
it. With --strategy every feature is drawn by its type only, which is good for
measuring, not for showing.

Exit status: 0 written, 1 failure, 2 wrong usage.

Examples:
  attunectl generate customers --count 10000 --seed 7 --out customers.csv
  attunectl generate customers --strategy my.yaml --count 1000000 | gzip > customers.csv.gz

)";

// Years in which decisions can be made, with room for contracts that end later.
constexpr int kFirstYear = 1980;
constexpr int kLastYear = 2180;

struct GenerateFlags {
  uint64_t count = 10'000;
  GeneratorOptions options;
  std::string as_of;
  std::string out = "-";
  std::string strategy;
  std::vector<service::StoredFile> stored;
};

// Writes header and rows. INTERNAL or another error with what is wrong: they can't be written.
absl::Status WriteRows(const CustomerGenerator& generator, uint64_t count, std::ostream& out,
                       ProgressLine& progress) {
  std::string chunk = absl::StrCat(absl::StrJoin(generator.Columns(), ","), "\n");
  ProgressState state;
  state.total_rows = static_cast<int64_t>(count);
  errno = 0;
  for (uint64_t index = 0; index < count; ++index) {
    generator.AppendRow(index, chunk);
    if (chunk.size() < kChunkBytes) continue;
    if (!out.write(chunk.data(), std::ssize(chunk))) break;
    state.rows = static_cast<int64_t>(index + 1);
    state.bytes += std::ssize(chunk);
    chunk.clear();
    progress.Show(state);
  }
  if (out) out.write(chunk.data(), std::ssize(chunk)).flush();
  if (!out) return absl::ErrnoToStatus(errno == 0 ? EIO : errno, "can't write");
  return absl::OkStatus();
}

int Generate(const Invocation& invocation, const GenerateFlags& flags) {
  Console& console = invocation.console;
  const bool to_file = flags.out != "-";
  if (invocation.options.json && !to_file) {
    ReportError(console, {}, "--json needs --out FILE: the customers go to standard output");
    return kExitUsage;
  }
  IssueList issues;
  std::shared_ptr<const strategy::Strategy> strategy;
  if (!flags.strategy.empty()) {
    storage::NameDictionary dictionary;
    strategy::StrategySources sources = service::SourcesWith(flags.stored);
    strategy = strategy::LoadStrategy(flags.strategy, sources, dictionary, issues);
    if (strategy == nullptr) {
      return ReportError(console, invocation.options,
                         absl::StrCat("the strategy has errors:\n", issues.ToString()));
    }
  }
  const std::unique_ptr<CustomerGenerator> generator =
      strategy == nullptr ? MakeTelecomGenerator(flags.options)
                          : MakeSchemaGenerator(strategy->features, flags.options);
  std::ofstream file;
  if (to_file) {
    errno = 0;
    file.open(flags.out, std::ios::binary | std::ios::trunc);
  }
  const SystemClock clock;
  ProgressLine progress(console, clock);
  const absl::Status written =
      file ? WriteRows(*generator, flags.count, to_file ? file : console.out, progress)
           : absl::ErrnoToStatus(errno, "can't open");
  progress.Clear();
  if (!written.ok()) {
    return ReportError(console, invocation.options,
                       absl::StrCat(Quoted(flags.out, 200), ": ", written.message()));
  }
  const auto features = generator->Columns().size() - 1;
  if (invocation.options.json) {
    WriteJson(console.out, Json{{"customers", flags.count},
                                {"features", features},
                                {"file", flags.out},
                                {"seconds", absl::ToDoubleSeconds(progress.elapsed())}});
  } else if (to_file) {
    console.out << Grouped(static_cast<int64_t>(flags.count)) << " customers with " << features
                << " features in " << TerminalSafe(flags.out) << "\n";
  }
  return kExitOk;
}

}  // namespace

void AddGenerateCommand(CLI::App& program, Commands& commands) {
  CLI::App* generate = program.add_subcommand("generate", "Invent data to try Attune with.");
  generate->require_subcommand(1);
  generate->footer(kGroupFooter);
  CLI::App* customers = generate->add_subcommand("customers", "Invent customers, as a CSV file.");
  auto flags = std::make_shared<GenerateFlags>();
  customers->add_option("--count", flags->count, "How many customers.")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  customers->add_option("--seed", flags->options.seed, "Another seed gives other customers.")
      ->type_name("N")
      ->capture_default_str();
  customers
      ->add_option_function<std::string>(
          "--as_of",
          [flags](const std::string& text) {
            absl::CivilDay& day = flags->options.as_of;
            if (!absl::ParseCivilTime(text, &day) || day.year() < kFirstYear ||
                day.year() > kLastYear) {
              throw CLI::ValidationError(
                  "--as_of", absl::StrCat("must be a date such as 2026-11-01, from ", kFirstYear,
                                          " to ", kLastYear));
            }
          },
          "The day on which the customers are as they are: contracts end\naround it. Default: " +
              absl::FormatCivilTime(flags->options.as_of) + ".")
      ->type_name("DATE");
  customers->add_option("--out", flags->out, "Where to write; - for standard output.")
      ->type_name("FILE")
      ->capture_default_str();
  customers
      ->add_option("--strategy", flags->strategy,
                   "Draw the features that this strategy declares, by type.\nDefault: customers of "
                   "the telecom example.")
      ->type_name("FILE");
  service::AddStoredOption(*customers, kStoredHelp, flags->stored);
  customers->footer(absl::StrCat(kGenerateFooter, kGlobalOptionsNote));
  commands.Add(customers,
               [flags](const Invocation& invocation) { return Generate(invocation, *flags); });
}

}  // namespace attune::ctl
