#include "service/ctl/report_command.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "lib/base/text.h"
#include "lib/value/profit_curve.h"
#include "service/ctl/byte_source.h"
#include "service/ctl/curve_svg.h"
#include "service/ctl/health_table.h"
#include "service/ctl/json.h"
#include "service/ctl/output_file.h"
#include "service/ctl/table.h"
#include "service/ctl/value_table.h"
#include "service/profit_curve_message.h"

namespace attune::ctl {
namespace {

// The server reads all customers.
constexpr absl::Duration kReportTimeout = absl::Minutes(2);
constexpr int kDefaultCurvePoints = 101;
// Rows of the table, in percent of the customers.
constexpr double kShownShares[] = {1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 100};
// Amounts from here on are told without cents.
constexpr double kWholeAmounts = 1000;

constexpr char kValueFooter[] =
    R"(Without --csv, of a score that the strategy of the server declares, over all customers
whose features were ever written: about a second for each million. With --csv of a
column of a table, without a server; a cell is a number, or empty when it is not known.

Exit status: 0 told, 1 failure, 2 wrong usage.

Examples:
  attunectl report value --score annual_margin --svg margin.svg
  attunectl report value --csv orders.csv --column profit --id customer_id
  attunectl report value --csv customers.csv.gz --column margin --json --points 1000

)";

struct ValueFlags {
  std::string score;
  std::string csv;
  ValueColumns columns;
  std::string delimiter = ",";
  std::string svg;
  int points = kDefaultCurvePoints;
};

using Curve = v1::ValueServiceGetProfitCurveResponse;

std::string AmountText(double amount) {
  if (std::abs(amount) < kWholeAmounts) return absl::StrFormat("%.2f", amount);
  if (std::abs(amount) > 9e15) return absl::StrFormat("%.6g", amount);
  return Grouped(std::llround(amount));
}

// The points that are nearest to the shares that are shown, each once.
std::vector<int> ShownPoints(const Curve& curve) {
  std::vector<int> shown;
  for (const double percent : kShownShares) {
    int nearest = 0;
    const auto distance = [&](int i) {
      return std::abs(100 * curve.points(i).customers() - percent);
    };
    for (int i = 1; i < curve.points_size(); ++i) {
      if (distance(i) < distance(nearest)) nearest = i;
    }
    if (nearest > 0 && (shown.empty() || nearest > shown.back())) shown.push_back(nearest);
  }
  return shown;
}

std::string CurveTable(const Curve& curve) {
  Table table({{"best", Table::Align::kRight},
               {"customers", Table::Align::kRight},
               {"bring", Table::Align::kRight},
               {"of the whole", Table::Align::kRight}});
  for (const int i : ShownPoints(curve)) {
    const v1::ProfitPoint& point = curve.points(i);
    const std::string share =
        curve.total() > 0 ? absl::StrFormat("%.1f %%", 100 * point.profit() / curve.total()) : "";
    table.AddRow({value::PercentText(point.customers()),
                  Grouped(std::llround(point.customers() * static_cast<double>(curve.customers()))),
                  AmountText(point.profit()), share});
  }
  return table.ToString();
}

std::string FactTable(const Curve& curve) {
  const std::string unit = curve.currency().empty() ? "" : absl::StrCat(" ", curve.currency());
  Table table({{"", Table::Align::kLeft}, {"", Table::Align::kRight}});
  table.AddRow({"customers", Grouped(curve.customers())});
  if (curve.without_score() > 0) {
    table.AddRow({"without a score", Grouped(curve.without_score())});
  }
  if (curve.unreadable() > 0) table.AddRow({"can't be read", Grouped(curve.unreadable())});
  if (!curve.parts_withheld()) table.AddRow({"below zero", Grouped(curve.losing_customers())});
  table.AddRow({"together", AmountText(curve.total()) + unit});
  if (!curve.protected_()) {
    table.AddRow({"highest", AmountText(curve.highest()) + unit});
    table.AddRow({"median", AmountText(curve.median()) + unit});
    table.AddRow({"lowest", AmountText(curve.lowest()) + unit});
  }
  return table.ToString();
}

absl::Status WriteSvg(const std::string& path, const Curve& curve) {
  OutputFile file(path);
  absl::Status status = file.Open();
  if (!status.ok()) return status;
  file.stream() << ProfitCurveSvg(curve);
  return file.Commit();
}

absl::StatusOr<Curve> CurveOfTable(const Invocation& invocation, const ValueFlags& flags) {
  const auto fail = [&](const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat(flags.csv, ": ", status.message()));
  };
  const auto source = OpenByteSource(flags.csv, invocation.console.in);
  if (!source.ok()) return source.status();
  absl::StatusOr<ValueTable> table = ReadValueTable(**source, flags.columns);
  if (!table.ok()) return fail(table.status());
  Curve curve;
  const value::ProfitCurve computed = value::MakeProfitCurve(table->values, flags.points);
  if (!value::IsFinite(computed)) {
    return fail(absl::InvalidArgumentError("the sum of the values is too large for a number"));
  }
  service::ToProto(computed, /*currency=*/"", &curve);
  curve.set_score(flags.columns.value);
  curve.set_without_score(table->without_value);
  return curve;
}

int ReportValue(const Invocation& invocation, const ValueFlags& flags) {
  const Console& console = invocation.console;
  const GlobalOptions& options = invocation.options;
  Curve curve;
  if (!flags.csv.empty()) {
    absl::StatusOr<Curve> computed = CurveOfTable(invocation, flags);
    if (!computed.ok()) {
      return ReportError(console, options, std::string(computed.status().message()));
    }
    curve = *std::move(computed);
  } else {
    v1::ValueServiceGetProfitCurveRequest request;
    request.set_score(flags.score);
    request.set_max_points(flags.points);
    ServerConnection server(options);
    const auto context = server.NewContext(kReportTimeout);
    const grpc::Status status = server.values().GetProfitCurve(context.get(), request, &curve);
    if (!status.ok()) return ReportCallError(console, options, status);
  }
  if (!flags.svg.empty()) {
    if (curve.points().empty()) {
      return ReportError(console, options, "there are no customers, so there is nothing to draw");
    }
    if (const absl::Status status = WriteSvg(flags.svg, curve); !status.ok()) {
      return ReportError(console, options, std::string(status.message()));
    }
  }
  if (options.json) {
    WriteJson(console.out, curve);
    return kExitOk;
  }
  console.out << TerminalSafe(curve.sentence()) << "\n";
  if (curve.customers() == 0) return kExitOk;
  console.out << "\n" << FactTable(curve) << "\n" << CurveTable(curve);
  return kExitOk;
}

void AddReportValue(CLI::App& report, Commands& commands) {
  CLI::App* command = report.add_subcommand(
      "value", "Tell which customers bring the profit and which cost it: the profit curve.");
  auto flags = std::make_shared<ValueFlags>();
  CLI::Option* score = command
                           ->add_option("--score", flags->score,
                                        "A score of the server's strategy. Default: its only one.")
                           ->type_name("NAME");
  CLI::Option* csv = command
                         ->add_option("--csv", flags->csv,
                                      "A table instead; - is standard input, FILE.gz is "
                                      "decompressed.")
                         ->type_name("FILE")
                         ->excludes(score);
  CLI::Option* column =
      command->add_option("--column", flags->columns.value, "Its column with what customers bring.")
          ->type_name("NAME")
          ->needs(csv);
  csv->needs(column);
  command
      ->add_option("--id", flags->columns.id,
                   "Its column with the customer: rows of one are added up.\n"
                   "Default: each row is a customer.")
      ->type_name("NAME")
      ->needs(csv);
  command->add_option("--delimiter", flags->delimiter, "Of the table, one byte. Default: a comma.")
      ->type_name("CHAR")
      ->needs(csv)
      ->check([](const std::string& text) {
        return text.size() == 1 && text != "\"" && text != "\r" && text != "\n"
                   ? std::string()
                   : std::string("must be one byte, and no quote");
      });
  command->add_option("--svg", flags->svg, "Draws the curve into this file.")->type_name("FILE");
  command->add_option("--points", flags->points, "Of the curve, at most. Default: 101.")
      ->type_name("N")
      ->check(CLI::Range(value::kMinCurvePoints, value::kMaxCurvePoints));
  command->footer(absl::StrCat(kValueFooter, kGlobalOptionsNote));
  commands.Add(command, [flags](const Invocation& invocation) {
    flags->columns.delimiter = flags->delimiter.front();
    return ReportValue(invocation, *flags);
  });
}

using Rates = v1::ModelServiceListRatesResponse;

// Most rows that the server gives at once.
constexpr int kRatesPage = 1000;

constexpr char kRatesFooter[] =
    R"(Of what was shown and is settled, since the strategy of that name learns; the interval is
Wilson's, of 95 %. What counts as good, and the reward, the strategy says (learning).

Exit status: 0 told, 1 failure, 2 wrong usage.

Examples:
  attunectl report rates
  attunectl report rates --treatment fiber_upgrade
  attunectl report rates --channel app --json

)";

// All pages together.
grpc::Status ReadRates(const GlobalOptions& options, v1::ModelServiceListRatesRequest request,
                       Rates& rates) {
  request.set_page_size(kRatesPage);
  ServerConnection server(options);
  const auto context = server.NewContext(kReportTimeout);
  const grpc::Status status = server.models().ListRates(context.get(), request, &rates);
  if (!status.ok()) return status;
  while (!rates.next_page_token().empty()) {
    request.set_page_token(rates.next_page_token());
    Rates page;
    const auto next = server.NewContext(kReportTimeout);
    const grpc::Status failed = server.models().ListRates(next.get(), request, &page);
    if (!failed.ok()) return failed;
    rates.clear_next_page_token();
    rates.MergeFrom(page);
  }
  return grpc::Status::OK;
}

int ReportRates(const Invocation& invocation, const v1::ModelServiceListRatesRequest& request) {
  const Console& console = invocation.console;
  Rates rates;
  const grpc::Status status = ReadRates(invocation.options, request, rates);
  if (!status.ok()) return ReportCallError(console, invocation.options, status);
  if (invocation.options.json) {
    WriteJson(console.out, rates);
  } else if (rates.rates().empty()) {
    console.out << "Nothing that was shown is settled yet.\n";
  } else {
    console.out << RateTable(rates.rates());
    if (!rates.currency().empty()) {
      console.out << "\nThe reward is the mean of one showing, in "
                  << TerminalSafe(rates.currency()) << ".\n";
    }
  }
  return kExitOk;
}

void AddReportRates(CLI::App& report, Commands& commands) {
  CLI::App* command = report.add_subcommand(
      "rates", "Tell how often each treatment was good on each channel, with intervals.");
  auto treatment = std::make_shared<std::string>();
  auto channel = std::make_shared<std::string>();
  command->add_option("--treatment", *treatment, "Only this one.")->type_name("NAME");
  command->add_option("--channel", *channel, "Only this one.")->type_name("NAME");
  command->footer(absl::StrCat(kRatesFooter, kGlobalOptionsNote));
  commands.Add(command, [treatment, channel](const Invocation& invocation) {
    v1::ModelServiceListRatesRequest request;
    request.set_treatment_id(*treatment);
    request.set_channel(*channel);
    return ReportRates(invocation, request);
  });
}

}  // namespace

void AddReportCommand(CLI::App& program, Commands& commands) {
  CLI::App* report = program.add_subcommand("report", "Reports about customers and treatments.");
  report->require_subcommand(1);
  report->footer(kGroupFooter);
  AddReportValue(*report, commands);
  AddReportRates(*report, commands);
}

}  // namespace attune::ctl
