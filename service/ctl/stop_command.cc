#include "service/ctl/stop_command.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "service/ctl/json.h"
#include "service/ctl/table.h"

namespace attune::ctl {
namespace {

using google::protobuf::util::TimeUtil;

constexpr char kSetFooter[] =
    R"(Holds on every channel from the next decision on, also for fallbacks, until it is
lifted: it outlives restarts and new strategies. Explanations repeat who and why.

Exit status: 0 stopped (also when it was before), 1 failure, 2 wrong usage.

Examples:
  attunectl stop set --treatment plan_upgrade --by ann --because "The price is wrong."
  attunectl stop set --group offer --by "on call" --because "Outage in the north."

)";

constexpr char kLiftFooter[] =
    R"(A group and its treatments are stopped apart: lifting the stop of one leaves the other.

Exit status: 0 lifted (also when nothing was stopped), 1 failure, 2 wrong usage.

Examples:
  attunectl stop lift --treatment plan_upgrade --by ann --because "The price is mended."

)";

constexpr char kListFooter[] =
    R"(Newest first. What the strategy that decides now doesn't have is not in force.

Examples:
  attunectl stop list
  attunectl stop list --json

)";

constexpr char kHistoryFooter[] =
    R"(Newest first; the server keeps the last 1000 changes.

Examples:
  attunectl stop history
  attunectl stop history --max 20 --json

)";

// "treatment plan_upgrade"
template <typename Message>
std::string TargetText(const Message& message) {
  return message.has_group() ? absl::StrCat("group ", message.group())
                             : absl::StrCat("treatment ", message.treatment_id());
}

struct SetFlags {
  std::string treatment;
  std::string group;
  v1::StrategyServiceSetStopRequest request;
};

int Set(const Invocation& invocation, SetFlags& flags) {
  v1::StrategyServiceSetStopRequest& request = flags.request;
  if (flags.group.empty()) {
    request.set_treatment_id(flags.treatment);
  } else {
    request.set_group(flags.group);
  }
  ServerConnection server(invocation.options);
  v1::StrategyServiceSetStopResponse response;
  const auto context = server.NewContext();
  const grpc::Status status = server.strategies().SetStop(context.get(), request, &response);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, response);
    return kExitOk;
  }
  invocation.console.out << TerminalSafe(TargetText(request));
  if (response.changed()) {
    invocation.console.out << (request.stopped() ? ": stopped\n" : ": stop lifted\n");
  } else {
    invocation.console.out << (request.stopped() ? ": was stopped already\n"
                                                 : ": was not stopped\n");
  }
  return kExitOk;
}

// Calls `call` for one page after the other and appends what it lists to `all`.
template <typename Request, typename Response, typename Call>
grpc::Status ForEachPage(Request& request, Response& all, int64_t max, Call call) {
  do {
    Response page;
    const grpc::Status status = call(request, page);
    if (!status.ok()) return status;
    if (!page.next_page_token().empty() && page.next_page_token() == request.page_token()) {
      return {grpc::StatusCode::INTERNAL, "the server lists the same page for ever"};
    }
    request.set_page_token(page.next_page_token());
    max -= request.page_size();
    all.MergeFrom(page);
  } while (!request.page_token().empty() && max > 0);
  return grpc::Status::OK;
}

int List(const Invocation& invocation) {
  ServerConnection server(invocation.options);
  v1::StrategyServiceListStopsRequest request;
  request.set_page_size(1000);
  v1::StrategyServiceListStopsResponse all;
  const grpc::Status status =
      ForEachPage(request, all, INT64_MAX, [&](const auto& asked, auto& page) {
        return server.strategies().ListStops(server.NewContext().get(), asked, &page);
      });
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  all.clear_next_page_token();
  if (invocation.options.json) {
    WriteJson(invocation.console.out, all);
    return kExitOk;
  }
  if (all.stops().empty()) {
    invocation.console.out << "Nothing is stopped.\n";
    return kExitOk;
  }
  Table table({{"stopped", Table::Align::kLeft},
               {"since", Table::Align::kLeft},
               {"by", Table::Align::kLeft},
               {"in force", Table::Align::kLeft},
               {"because", Table::Align::kLeft}});
  for (const v1::Stop& stop : all.stops()) {
    table.AddRow({TargetText(stop), TimeUtil::ToString(stop.time()), stop.by(),
                  stop.in_force() ? "yes" : "no", stop.because()});
  }
  invocation.console.out << table.ToString();
  return kExitOk;
}

int History(const Invocation& invocation, int max) {
  ServerConnection server(invocation.options);
  v1::StrategyServiceListStopChangesRequest request;
  request.set_page_size(max);
  v1::StrategyServiceListStopChangesResponse all;
  const grpc::Status status = ForEachPage(request, all, max, [&](const auto& asked, auto& page) {
    return server.strategies().ListStopChanges(server.NewContext().get(), asked, &page);
  });
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, all);
    return kExitOk;
  }
  if (all.changes().empty()) {
    invocation.console.out << "Nothing was ever stopped.\n";
    return kExitOk;
  }
  Table table({{"time", Table::Align::kLeft},
               {"change", Table::Align::kLeft},
               {"of", Table::Align::kLeft},
               {"by", Table::Align::kLeft},
               {"because", Table::Align::kLeft}});
  for (const v1::StopChange& change : all.changes()) {
    table.AddRow({TimeUtil::ToString(change.time()), change.stopped() ? "stopped" : "lifted",
                  TargetText(change), change.by(), change.because()});
  }
  invocation.console.out << table.ToString();
  return kExitOk;
}

void AddSet(CLI::App& stop, Commands& commands, bool stopped) {
  CLI::App* command =
      stopped ? stop.add_subcommand("set", "Switch a treatment or a group off, at once.")
              : stop.add_subcommand("lift", "Switch a treatment or a group on again.");
  auto flags = std::make_shared<SetFlags>();
  flags->request.set_stopped(stopped);
  CLI::Option* treatment =
      command->add_option("--treatment", flags->treatment, "The treatment.")->type_name("NAME");
  command->add_option("--group", flags->group, "All treatments of the group.")
      ->type_name("NAME")
      ->excludes(treatment);
  command->add_option("--by", *flags->request.mutable_by(), "Who wants it. At most 64 bytes.")
      ->required()
      ->type_name("WHO");
  command
      ->add_option("--because", *flags->request.mutable_because(),
                   "Why, in a sentence. At most 256 bytes.")
      ->required()
      ->type_name("TEXT");
  command
      ->add_option("--request_id", *flags->request.mutable_request_id(),
                   "Makes a retry safe. At most 128 bytes.")
      ->type_name("ID");
  command->callback([flags] {
    if (flags->treatment.empty() && flags->group.empty()) {
      throw CLI::RequiredError("--treatment or --group");
    }
  });
  command->footer(absl::StrCat(stopped ? kSetFooter : kLiftFooter, kGlobalOptionsNote));
  commands.Add(command, [flags](const Invocation& invocation) { return Set(invocation, *flags); });
}

}  // namespace

void AddStopCommand(CLI::App& program, Commands& commands) {
  CLI::App* stop =
      program.add_subcommand("stop", "Switch treatments and groups off and on again, at once.");
  stop->require_subcommand(1);
  stop->footer(kGroupFooter);
  AddSet(*stop, commands, true);
  AddSet(*stop, commands, false);
  CLI::App* list = stop->add_subcommand("list", "Show what is stopped, since when, by whom, why.");
  list->footer(absl::StrCat(kListFooter, kGlobalOptionsNote));
  commands.Add(list, [](const Invocation& invocation) { return List(invocation); });
  CLI::App* history =
      stop->add_subcommand("history", "Show who stopped and lifted what, when and why.");
  auto max = std::make_shared<int>(100);
  history->add_option("--max", *max, "How many changes to show at most. Default: 100.")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  history->footer(absl::StrCat(kHistoryFooter, kGlobalOptionsNote));
  commands.Add(history, [max](const Invocation& invocation) { return History(invocation, *max); });
}

}  // namespace attune::ctl
