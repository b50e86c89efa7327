#include "service/ctl/ramps_command.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "service/ctl/json.h"
#include "service/ctl/table.h"

namespace attune::ctl {
namespace {

constexpr char kRampsFooter[] =
    R"(A treatment with a ramp reaches a share of the customers that grows with its evidence:
what the strategy counts of it, over all customers. In the order of the strategy.

Exit status: 0 shown (also when there is no ramp), 1 failure, 2 wrong usage.

Examples:
  attunectl strategy ramps
  attunectl strategy ramps --json

)";

// As many as the server lists at once.
constexpr int kRampsPerCall = 1000;

// "55.09 %", rounded down, so that 100 % is everybody; what is a rounding error of a double below
// is not.
std::string PercentText(double share) {
  constexpr double kRoundingError = 1e-6;
  return absl::StrCat(std::floor(1e4 * share + kRoundingError) / 100, " %");
}

grpc::Status ReadRamps(ServerConnection& server, v1::StrategyServiceListRampsResponse& all) {
  v1::StrategyServiceListRampsRequest request;
  request.set_page_size(kRampsPerCall);
  do {
    v1::StrategyServiceListRampsResponse page;
    const grpc::Status status =
        server.strategies().ListRamps(server.NewContext().get(), request, &page);
    if (!status.ok()) return status;
    if (!page.next_page_token().empty() && page.next_page_token() == request.page_token()) {
      return {grpc::StatusCode::INTERNAL, "the server lists the same page for ever"};
    }
    request.set_page_token(page.next_page_token());
    all.MergeFrom(page);
  } while (!request.page_token().empty());
  all.clear_next_page_token();
  return grpc::Status::OK;
}

int Ramps(const Invocation& invocation) {
  ServerConnection server(invocation.options);
  v1::StrategyServiceListRampsResponse all;
  const grpc::Status status = ReadRamps(server, all);
  if (!status.ok()) return ReportCallError(invocation.console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(invocation.console.out, all);
    return kExitOk;
  }
  if (all.ramps().empty()) {
    invocation.console.out << "No treatment has a ramp: all reach everybody.\n";
    return kExitOk;
  }
  Table table({{"treatment", Table::Align::kLeft},
               {"reaches", Table::Align::kRight},
               {"evidence", Table::Align::kRight},
               {"everybody at", Table::Align::kRight},
               {"counted", Table::Align::kLeft}});
  for (const v1::TreatmentRamp& ramp : all.ramps()) {
    table.AddRow({ramp.treatment_id(), PercentText(ramp.share()), absl::StrCat(ramp.evidence()),
                  absl::StrCat(ramp.full_at()), ramp.counted()});
  }
  invocation.console.out << table.ToString();
  return kExitOk;
}

}  // namespace

void AddRampsCommand(CLI::App& strategy, Commands& commands) {
  CLI::App* ramps =
      strategy.add_subcommand("ramps", "Show how far the ramps of treatments have come.");
  ramps->footer(absl::StrCat(kRampsFooter, kGlobalOptionsNote));
  commands.Add(ramps, [](const Invocation& invocation) { return Ramps(invocation); });
}

}  // namespace attune::ctl
