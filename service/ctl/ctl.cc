#include "service/ctl/ctl.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/base/text.h"
#include "service/ctl/command.h"
#include "service/ctl/customer_command.h"
#include "service/ctl/decide_command.h"
#include "service/ctl/expr_command.h"
#include "service/ctl/generate_command.h"
#include "service/ctl/import_command.h"
#include "service/ctl/json.h"
#include "service/ctl/model_command.h"
#include "service/ctl/outcome_command.h"
#include "service/ctl/report_command.h"
#include "service/ctl/stop_command.h"
#include "service/ctl/strategy_command.h"
#include "service/version.h"

namespace attune::ctl {
namespace {

constexpr char kDescription[] =
    "attunectl asks and feeds attuned, which decides how to treat a customer now.";

constexpr char kProgramFooter[] =
    R"(Every command has a --help with examples. Options may stand before or behind the command.

Results go to standard output, everything else to standard error. With --json the
output is one JSON object, also for an error: {"error": {"code": ..., "message": ...}}.
It is indented by two; fields are called as in the .proto files; integers are numbers,
beyond 2^53 strings (readers would round them).

Exit status: 0 it worked, 1 it failed, 2 the command line is wrong, 3 import: some rows
were rejected.

Examples:
  attunectl decide C0000001 --channel ivr --intent report_outage --explain
  attunectl outcome record --decision ID --outcome accepted --source customer --request_id r1
  attunectl import customers --csv customers.csv --id customer_id
  attunectl customer get C0000001 --json
  attunectl stop set --treatment plan_upgrade --by ann --because "The price is wrong."
  attunectl strategy check deploy/example/telecom.yaml
  attunectl strategy test deploy/example
  attunectl expr '[1, 2, 3].exists(n, n > limit)' --var limit=2
  attunectl model predict --model churn.json --csv customers.csv
  attunectl model put churn churn.json --comment "trained on October"
  attunectl report value --score annual_margin --svg margin.svg
  attunectl generate customers --count 10000 --seed 7 --out customers.csv
)";

void AddGlobalOptions(CLI::App& program, GlobalOptions& options) {
  program.add_option("--server", options.server, "Address of attuned.")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  program
      .add_option_function<std::string>(
          "--timeout",
          [&options](const std::string& text) {
            absl::Duration timeout;
            if (!absl::ParseDuration(text, &timeout) || timeout <= absl::ZeroDuration()) {
              throw CLI::ValidationError("--timeout", "must be a duration such as 500ms, 5s or 1m");
            }
            options.timeout = timeout;
          },
          "How long a call to the server may take: 500ms, 5s, 1m.\n"
          "Default: 5s; import: 60s for each 5,000 rows.")
      ->type_name("TIME");
  program.add_flag("--json", options.json, "Print JSON.");
}

// The command that was given last on the command line, as far as it was understood.
const CLI::App* Deepest(const CLI::App* command) {
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  return command;
}

// What the first argument that was not understood may have meant, as a sentence; or empty.
std::string Suggestion(const CLI::App& program) {
  const std::vector<std::string> left = program.remaining(/*recurse=*/true);
  if (left.empty()) return "";
  const CLI::App* command = Deepest(&program);
  std::vector<std::string> names;
  const bool is_option = absl::StartsWith(left[0], "-");
  if (is_option) {
    for (const CLI::App* level = command; level != nullptr; level = level->get_parent()) {
      for (const CLI::Option* option : level->get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      }
    }
  } else {
    const auto all = [](const CLI::App*) { return true; };
    for (const CLI::App* child : command->get_subcommands(all)) names.push_back(child->get_name());
  }
  const std::string argument = left[0].substr(0, left[0].find('='));
  std::string closest = ClosestName(argument, names);
  // Dashes are what people type where our names have underscores.
  std::string underscored = argument;
  std::replace(underscored.begin() + std::min<ptrdiff_t>(2, std::ssize(underscored)),
               underscored.end(), '-', '_');
  if (std::find(names.begin(), names.end(), underscored) != names.end()) closest = underscored;
  if (is_option && command->get_name() == "expr") {
    absl::StrAppend(&closest, closest.empty() ? "" : ", or ", "attunectl expr -- ",
                    Quoted(left[0]));
  }
  const std::string unknown =
      absl::StrCat(is_option ? "There is no option " : "Not understood: ", Quoted(left[0]), ".");
  return closest.empty() ? unknown : absl::StrCat(unknown, " Did you mean ", closest, "?");
}

// Tells what is wrong with the command line; or prints the help that was asked for.
int ReportParseError(const CLI::App& program, const CLI::ParseError& error, bool json,
                     Console& console) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    program.exit(error, console.out, console.err);
    return kExitOk;
  }
  const std::string suggestion = Suggestion(program);
  std::string name;
  for (const CLI::App* level = Deepest(&program); level != nullptr; level = level->get_parent()) {
    name = name.empty() ? level->get_name() : absl::StrCat(level->get_name(), " ", name);
  }
  const std::string message = suggestion.empty() ? error.what() : suggestion;
  console.err << "error: " << message << "\n"
              << "Try " << name << " --help\n";
  if (json) WriteJson(console.out, Json{{"error", {{"code", "USAGE"}, {"message", message}}}});
  return kExitUsage;
}

}  // namespace

int RunCtl(const std::vector<std::string>& arguments, Console& console) {
  CLI::App program(kDescription, "attunectl");
  program.set_version_flag("--version", absl::StrCat("attunectl ", service::kVersion));
  program.require_subcommand(1);
  program.fallthrough();
  program.get_formatter()->column_width(28);
  program.footer(kProgramFooter);
  GlobalOptions options;
  AddGlobalOptions(program, options);
  Commands commands;
  AddDecideCommand(program, commands);
  AddOutcomeCommand(program, commands);
  AddCustomerCommand(program, commands);
  AddImportCommand(program, commands);
  AddStopCommand(program, commands);
  AddStrategyCommand(program, commands);
  AddExprCommand(program, commands);
  AddModelCommand(program, commands);
  AddReportCommand(program, commands);
  AddGenerateCommand(program, commands);
  try {
    // CLI11 takes the arguments back to front.
    program.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    // What was understood before the mistake does not tell whether the flag was given.
    const bool json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
    return ReportParseError(program, error, json, console);
  }
  return (*commands.Given())({console, options});
}

}  // namespace attune::ctl
