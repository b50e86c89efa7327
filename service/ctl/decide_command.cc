#include "service/ctl/decide_command.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/time_util.h"
#include "lib/base/text.h"
#include "service/ctl/json.h"
#include "service/ctl/score_table.h"
#include "service/ctl/table.h"
#include "service/ctl/value_text.h"

namespace attune::ctl {
namespace {

using google::protobuf::util::TimeUtil;

constexpr char kDecideFooter[] =
    R"(The type of an attribute's value is taken from how it is written: true and false are a
bool, 34 an int, 5.5 a double, 2026-03-01T10:00:00Z a timestamp, [a,b] a string_list,
anything else a string. In double quotes it is a string in any case: --attribute
'ticket="5"'.

Exit status: 0 decided (also when no treatment qualified), 1 failure, 2 wrong usage.

Examples:
  attunectl decide C0000001 --channel ivr --intent report_outage --explain
  attunectl decide C0000001 --channel app --attribute wait_seconds=40 --dry_run
  attunectl decide C0000001 --channel chat --intent complain --only fast_track_expert \
      --only goodwill_credit --json
  attunectl decide C0000001 --any_channel --dry_run

)";

struct DecideFlags {
  v1::DecideRequest request;
  std::vector<std::string> attributes;
  std::vector<std::string> only;
  std::vector<std::string> open_channels;
  std::vector<std::string> placements;
  bool any_channel = false;
  std::string time;
};

absl::Status FillRequest(DecideFlags& flags) {
  for (const std::string& treatment : flags.only) flags.request.add_treatment_ids(treatment);
  if (flags.any_channel) flags.request.add_open_channels("*");
  for (const std::string& channel : flags.open_channels) flags.request.add_open_channels(channel);
  for (const std::string& place : flags.placements) flags.request.add_placements(place);
  for (const std::string& text : flags.attributes) {
    const auto [name, value_text] = SplitNameValue(text);
    absl::StatusOr<v1::Value> value = InferValue(value_text);
    if (!value.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--attribute ", name, ": ", value.status().message()));
    }
    const bool is_new = flags.request.mutable_attributes()->insert({name, *value}).second;
    if (!is_new) {
      return absl::InvalidArgumentError(absl::StrCat("--attribute ", name, " is given twice"));
    }
  }
  if (flags.time.empty()) return absl::OkStatus();
  v1::Value time;
  if (absl::Status status = ReadValue(ValueType::kTimestamp, flags.time, time); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--time: ", status.message()));
  }
  *flags.request.mutable_time() = time.timestamp_value();
  return absl::OkStatus();
}

// Has exploration given any but the first a chance?
bool IsExplored(const v1::DecideResponse& response) {
  if (response.treatments().empty()) return false;
  const double chance = response.treatments(0).selection_probability();
  return chance > 0 && chance < 1;
}

// Which columns an answer needs beside those that are always there.
struct Extras {
  Extras(const v1::DecideRequest& request, const v1::DecideResponse& response);

  bool channel = false;
  bool place = false;
  bool must_show = false;
  bool lever = false;
  bool chance = false;
  bool by_priority = false;  // somebody stands elsewhere than the priority says
};

Extras::Extras(const v1::DecideRequest& request, const v1::DecideResponse& response) {
  channel = !request.open_channels().empty();
  place = !response.placements().empty();
  chance = IsExplored(response);
  for (int i = 0; i < response.treatments_size(); ++i) {
    const v1::RankedTreatment& treatment = response.treatments(i);
    must_show |= treatment.must_show();
    lever |= treatment.lever() != 1;
    by_priority |= request.explain() && treatment.ranks().by_priority() != i + 1;
  }
}

// "propensity 3, value 2": without what the treatment would stand elsewhere, and where.
std::string RanksText(const v1::PriorityRanks& ranks) {
  const std::pair<const char*, int> without[] = {{"propensity", ranks.without_propensity()},
                                                 {"weight", ranks.without_context_weight()},
                                                 {"value", ranks.without_value()},
                                                 {"lever", ranks.without_lever()},
                                                 {"cost", ranks.without_cost()}};
  std::string text;
  for (const auto& [what, rank] : without) {
    if (rank == 0 || rank == ranks.by_priority()) continue;  // 0: not told
    absl::StrAppend(&text, text.empty() ? "" : ", ", what, " ", rank);
  }
  return text;
}

std::string ExploredText(const v1::DecideResponse& response) {
  if (response.greedy_treatment_id().empty()) return "";
  return absl::StrCat("Exploration put ", TerminalSafe(response.treatments(0).treatment_id()),
                      " on top; the greedy choice is ",
                      TerminalSafe(response.greedy_treatment_id()), ".\n");
}

Table RankingTable(const Extras& extras, bool explain) {
  std::vector<Table::Column> columns = {{"rank", Table::Align::kRight}};
  if (extras.by_priority) columns.push_back({"by priority", Table::Align::kRight});
  columns.push_back({"treatment", Table::Align::kLeft});
  columns.push_back({"group", Table::Align::kLeft});
  if (extras.channel) columns.push_back({"channel", Table::Align::kLeft});
  if (extras.place) columns.push_back({"place", Table::Align::kLeft});
  if (extras.must_show) columns.push_back({"must show", Table::Align::kLeft});
  for (const char* title : {"priority", "propensity", "weight", "value", "cost"}) {
    columns.push_back({title, Table::Align::kRight});
  }
  if (extras.lever) columns.push_back({"lever", Table::Align::kRight});
  if (extras.chance) columns.push_back({"chance", Table::Align::kRight});
  if (explain) {
    columns.push_back({"rank without", Table::Align::kLeft});
    columns.push_back({"reasons", Table::Align::kLeft});
  }
  return Table(std::move(columns));
}

// The place that shows the treatment; empty when none does.
std::string PlaceOf(const v1::DecideResponse& response, const std::string& treatment_id) {
  for (const v1::PlacementRanking& place : response.placements()) {
    const auto& shown = place.treatment_ids();
    if (std::find(shown.begin(), shown.end(), treatment_id) != shown.end()) {
      return place.placement();
    }
  }
  return "";
}

// What can be used first, when all that is ranked is a fallback, or nothing.
std::string EarliestText(const v1::DecideResponse& response) {
  if (!response.has_earliest()) return "";
  const v1::NextOpportunity& earliest = response.earliest();
  return absl::StrCat("The earliest ", response.treatments().empty() ? "" : "but a fallback ",
                      "is ", TerminalSafe(earliest.treatment_id()), " on ",
                      TerminalSafe(earliest.channel()), ", from ",
                      TimeUtil::ToString(earliest.time()), ".\n");
}

std::string RankingText(const v1::DecideRequest& request, const v1::DecideResponse& response) {
  if (response.treatments().empty()) {
    return absl::StrCat("No treatment qualified.\n", EarliestText(response));
  }
  const bool explain = request.explain();
  const Extras extras(request, response);
  Table table = RankingTable(extras, explain);
  for (const v1::RankedTreatment& treatment : response.treatments()) {
    std::vector<std::string> cells = {absl::StrCat(table.size() + 1)};
    if (extras.by_priority) cells.push_back(absl::StrCat(treatment.ranks().by_priority()));
    cells.push_back(treatment.treatment_id());
    cells.push_back(treatment.group());
    if (extras.channel) cells.push_back(treatment.channel());
    if (extras.place) cells.push_back(PlaceOf(response, treatment.treatment_id()));
    if (extras.must_show) cells.push_back(treatment.must_show() ? "yes" : "");
    cells.push_back(absl::StrFormat("%.4f", treatment.priority()));
    cells.push_back(absl::StrFormat("%.4f", treatment.propensity()));
    cells.push_back(absl::StrFormat("%.2f", treatment.context_weight()));
    cells.push_back(absl::StrFormat("%.2f", treatment.value()));
    cells.push_back(absl::StrFormat("%.2f", treatment.cost()));
    if (extras.lever) cells.push_back(absl::StrFormat("%.2f", treatment.lever()));
    if (extras.chance) cells.push_back(absl::StrFormat("%.4f", treatment.selection_probability()));
    if (explain) {
      cells.push_back(RanksText(treatment.ranks()));
      cells.push_back(absl::StrJoin(treatment.reasons(), "; "));
    }
    table.AddRow(std::move(cells));
  }
  return table.ToString() + EarliestText(response);
}

std::string CountsText(const v1::DecideResponse& response) {
  if (response.rejected_counts().empty()) return "";
  int64_t sum = 0;
  Table table({{"count", Table::Align::kRight},
               {"stage", Table::Align::kLeft},
               {"reason", Table::Align::kLeft},
               {"rule", Table::Align::kLeft}},
              /*indent=*/2);
  for (const v1::RejectedCount& count : response.rejected_counts()) {
    sum += count.count();
    table.AddRow({absl::StrCat(count.count()), count.stage(), count.reason(), count.rule()});
  }
  return absl::StrCat("\nNot in the ranking: ", sum, "\n", table.ToString());
}

std::string RejectionsText(const v1::DecideResponse& response) {
  const auto& all = response.rejected_treatments();
  if (all.empty()) return "";
  const bool has_chances = std::any_of(
      all.begin(), all.end(), [](const auto& one) { return one.selection_probability() > 0; });
  const bool has_channels =
      std::any_of(all.begin(), all.end(), [](const auto& one) { return !one.channel().empty(); });
  std::vector<Table::Column> columns = {{"treatment", Table::Align::kLeft},
                                        {"group", Table::Align::kLeft},
                                        {"stage", Table::Align::kLeft},
                                        {"reason", Table::Align::kLeft},
                                        {"priority", Table::Align::kRight}};
  if (has_channels) columns.push_back({"channel", Table::Align::kLeft});
  if (has_chances) columns.push_back({"chance", Table::Align::kRight});
  columns.push_back({"detail", Table::Align::kLeft});
  Table table(std::move(columns));
  int not_requested = 0;
  for (const v1::RejectedTreatment& rejected : all) {
    // The caller knows, and there may be thousands.
    if (rejected.reason() == "not_requested") {
      ++not_requested;
      continue;
    }
    std::vector<std::string> cells = {
        rejected.treatment_id(), rejected.group(), rejected.stage(), rejected.reason(),
        rejected.has_priority() ? absl::StrFormat("%.4f", rejected.priority()) : ""};
    if (has_channels) cells.push_back(rejected.channel());
    if (has_chances) {
      const double chance = rejected.selection_probability();
      cells.push_back(chance > 0 ? absl::StrFormat("%.4f", chance) : "");
    }
    cells.push_back(
        rejected.nearest_change().empty()
            ? rejected.detail()
            : absl::StrCat(rejected.detail(), "; would do: ", rejected.nearest_change()));
    table.AddRow(std::move(cells));
  }
  std::string text = table.size() == 0 ? "" : absl::StrCat("\n", table.ToString());
  if (not_requested > 0) {
    absl::StrAppend(&text, "\nLeft out by --only: ", Counted(not_requested, "treatment"), ".\n");
  }
  return text;
}

std::string MissingText(const v1::DecideResponse& response) {
  if (!response.explanation_incomplete()) return "";
  return response.rejected_treatments().empty()
             ? "\nThe explanation was too long to be kept for a repeated request.\n"
             : "\nThe explanation is too long: the last treatments have no detail.\n";
}

void PrintDecision(std::ostream& out, const v1::DecideRequest& request,
                   const v1::DecideResponse& response) {
  out << "Decision " << TerminalSafe(response.decision_id()) << " at "
      << TimeUtil::ToString(response.time()) << " by " << TerminalSafe(response.strategy_version())
      << "\n";
  if (request.dry_run()) out << "Dry run: nothing was remembered.\n";
  if (response.unknown_customer()) {
    out << "Customer " << TerminalSafe(request.customer_id())
        << " is not known: every feature took its declared default.\n";
  }
  if (response.degraded()) {
    out << "Degraded: " << TerminalSafe(absl::StrJoin(response.degraded_reasons(), ", ")) << "\n";
  }
  out << ExploredText(response) << "\n"
      << RankingText(request, response) << ScoreTables(response) << CountsText(response);
  if (request.explain()) out << RejectionsText(response) << MissingText(response);
}

int Decide(const Invocation& invocation, DecideFlags& flags) {
  if (absl::Status status = FillRequest(flags); !status.ok()) {
    ReportError(invocation.console, invocation.options, std::string(status.message()));
    return kExitUsage;
  }
  ServerConnection server(invocation.options);
  const auto context = server.NewContext();
  v1::DecideResponse response;
  const grpc::Status status = server.decisions().Decide(context.get(), flags.request, &response);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, response);
  } else {
    PrintDecision(invocation.console.out, flags.request, response);
  }
  return kExitOk;
}

void AddOptions(CLI::App& command, const std::shared_ptr<DecideFlags>& flags) {
  v1::DecideRequest& request = flags->request;
  CLI::Option* customer =
      command.add_option("CUSTOMER_ID", *request.mutable_customer_id(),
                         "Whom to decide for. Required, here or with --customer.");
  command.add_option("--customer", *request.mutable_customer_id(), "Whom to decide for.")
      ->type_name("CUSTOMER_ID")
      ->excludes(customer);
  command.callback([flags] {
    if (flags->request.customer_id().empty()) throw CLI::RequiredError("CUSTOMER_ID");
    const bool is_open = flags->any_channel || !flags->open_channels.empty();
    if (flags->request.channel().empty() && !is_open) throw CLI::RequiredError("--channel");
  });
  CLI::Option* channel =
      command
          .add_option("--channel", *request.mutable_channel(),
                      "Where the customer is met: a channel of the strategy.\nRequired, here or "
                      "with one of the two that follow.")
          ->type_name("CHANNEL");
  CLI::Option* open_channel =
      command
          .add_option("--open_channel", flags->open_channels,
                      "A channel that could be used. Give it once for each; the\nanswer says which "
                      "is the best.")
          ->type_name("CHANNEL")
          ->allow_extra_args(false)
          ->excludes(channel);
  command
      .add_flag("--any_channel", flags->any_channel, "The same for every channel of the strategy.")
      ->excludes(channel)
      ->excludes(open_channel);
  command
      .add_option("--placement", flags->placements,
                  "A place to fill: a placement of the strategy. Give it once\nfor each, in order.")
      ->type_name("PLACEMENT")
      ->allow_extra_args(false);
  command
      .add_option("--intent", *request.mutable_intent(),
                  "What the customer wants: an intent of the strategy.\nDefault: not known.")
      ->type_name("INTENT");
  command
      .add_option("--attribute", flags->attributes,
                  "An attribute of this interaction. Give it once for each.")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->check(NameValueProblem);
  command
      .add_option("--time", flags->time,
                  "The moment of the interaction, RFC 3339. Default: the\nserver's clock.")
      ->type_name("TIME");
  command
      .add_option_function<int32_t>(
          "--max", [flags](const int32_t& max) { flags->request.set_max_treatments(max); },
          "How many treatments to return at most, 1 to 100. Default:\nthe strategy's own number; "
          "with --placement as many as the\nplaces take.")
      ->type_name("N")
      ->check(CLI::Range(1, 100));
  command
      .add_option("--only", flags->only,
                  "Consider only this treatment. Give it once for each.\nDefault: all.")
      ->type_name("TREATMENT")
      ->allow_extra_args(false);
  command
      .add_option("--request_id", *request.mutable_request_id(),
                  "Makes a retry safe: the same id with the same request\nreturns the earlier "
                  "answer. At most 128 bytes.")
      ->type_name("ID");
  command.add_flag_callback(
      "--explain", [flags] { flags->request.set_explain(true); },
      "Also show what moved each score, and why each other\ntreatment was dropped.");
  command.add_flag_callback(
      "--dry_run", [flags] { flags->request.set_dry_run(true); },
      "Decide as if for real, but remember nothing.");
}

}  // namespace

void AddDecideCommand(CLI::App& program, Commands& commands) {
  CLI::App* decide = program.add_subcommand("decide", "Decide how to treat a customer now.");
  auto flags = std::make_shared<DecideFlags>();
  AddOptions(*decide, flags);
  decide->footer(absl::StrCat(kDecideFooter, kGlobalOptionsNote));
  commands.Add(decide,
               [flags](const Invocation& invocation) { return Decide(invocation, *flags); });
}

}  // namespace attune::ctl
