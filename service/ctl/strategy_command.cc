#include "service/ctl/strategy_command.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/issue.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/strategy_loader.h"
#include "service/ctl/issue_json.h"
#include "service/ctl/json.h"
#include "service/ctl/ramps_command.h"
#include "service/ctl/strategy_test_command.h"
#include "service/ctl/table.h"
#include "service/stored_files.h"

namespace attune::ctl {
namespace {

constexpr char kStrategyFooter[] =
    R"(Every problem of the strategy and of its model files is reported at once, as
file:line:column with what is wrong and what would be right. No server is needed.

Exit status: 0 the strategy can be used (there may be warnings), 1 it has errors,
2 wrong usage.

Examples:
  attunectl strategy check deploy/example/telecom.yaml
  attunectl strategy check telecom.yaml --json
  attunectl strategy check telecom.yaml --stored churn=models/churn.json

)";

Json SummaryJson(const IssueList& issues, const strategy::Strategy* strategy) {
  Json json = {{"ok", strategy != nullptr},
               {"errors", issues.errors()},
               {"warnings", issues.warnings()},
               {"issues", IssuesJson(issues)}};
  if (strategy != nullptr) {
    json["strategy"] = {{"name", strategy->name},
                        {"version", strategy->version},
                        {"currency", strategy->currency},
                        {"treatments", strategy->catalog.treatments.size()},
                        {"groups", strategy->catalog.groups.size()},
                        {"features", strategy->features.size()},
                        {"attributes", strategy->context.attributes.size()},
                        {"channels", strategy->context.channels.size()},
                        {"intents", strategy->context.intents.size()},
                        {"models", strategy->models.models.size()}};
  }
  return json;
}

std::string SummaryText(const strategy::Strategy& strategy) {
  Table table({{"", Table::Align::kLeft}, {"", Table::Align::kRight}}, /*indent=*/2);
  const auto count = [&table](const char* what, size_t number) {
    table.AddRow({what, absl::StrCat(number)});
  };
  count("treatments", strategy.catalog.treatments.size());
  count("groups", strategy.catalog.groups.size());
  count("features", static_cast<size_t>(strategy.features.size()));
  count("attributes", static_cast<size_t>(strategy.context.attributes.size()));
  count("channels", static_cast<size_t>(strategy.context.channels.size()));
  count("intents", static_cast<size_t>(strategy.context.intents.size()));
  count("models", strategy.models.models.size());
  return absl::StrCat(TerminalSafe(strategy.version), " is good:\n", table.ToString());
}

int Check(const Invocation& invocation, const std::string& path,
          const std::vector<service::StoredFile>& stored) {
  Console& console = invocation.console;
  storage::NameDictionary dictionary;
  IssueList issues;
  strategy::StrategySources sources = service::SourcesWith(stored);
  const std::shared_ptr<const strategy::Strategy> strategy =
      strategy::LoadStrategy(path, sources, dictionary, issues);
  issues.Sort();
  if (invocation.options.json) {
    WriteJson(console.out, SummaryJson(issues, strategy.get()));
  } else {
    console.out << issues.ToString();
    if (strategy != nullptr) console.out << SummaryText(*strategy);
    if (issues.errors() + issues.warnings() > 0) {
      console.out << "errors: " << issues.errors() << ", warnings: " << issues.warnings() << "\n";
    }
  }
  return strategy != nullptr ? kExitOk : kExitFailure;
}

}  // namespace

void AddStrategyCommand(CLI::App& program, Commands& commands) {
  CLI::App* strategy = program.add_subcommand(
      "strategy", "Work on strategy files, and see how far ramps have come.");
  strategy->require_subcommand(1);
  strategy->footer(kGroupFooter);
  CLI::App* check = strategy->add_subcommand("check", "Check a strategy file and its models.");
  auto path = std::make_shared<std::string>();
  check->add_option("FILE", *path, "The strategy, YAML.")->required();
  auto stored = std::make_shared<std::vector<service::StoredFile>>();
  service::AddStoredOption(*check, kStoredHelp, *stored);
  check->footer(absl::StrCat(kStrategyFooter, kGlobalOptionsNote));
  commands.Add(check, [path, stored](const Invocation& invocation) {
    return Check(invocation, *path, *stored);
  });
  AddStrategyTestCommand(*strategy, commands);
  AddRampsCommand(*strategy, commands);
}

}  // namespace attune::ctl
