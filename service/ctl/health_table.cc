#include "service/ctl/health_table.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/util/time_util.h"
#include "service/ctl/table.h"

namespace attune::ctl {
namespace {

using google::protobuf::util::TimeUtil;
using Align = Table::Align;

// What is not known yet.
constexpr char kNotKnown[] = "-";
// As lib/learning/model_health.h says.
constexpr double kLittleDrift = 0.1;
constexpr double kMuchDrift = 0.25;

std::string Decimals(double number) { return absl::StrFormat("%.4f", number); }

std::string DriftWord(double index) {
  if (index <= kLittleDrift) return "little";
  return index <= kMuchDrift ? "some" : "much";
}

// The two kinds of predictions side by side.
std::string PredictionTable(const v1::ModelServiceGetHealthResponse& health) {
  const bool has_own = health.has_own();
  Table table(
      {{"", Align::kLeft}, {has_own ? "own" : "", Align::kRight}, {"served", Align::kRight}});
  const auto add = [&](const char* title, auto text_of) {
    table.AddRow({title, has_own ? text_of(health.own()) : "", text_of(health.served())});
  };
  using Of = v1::PredictionHealth;
  add("responses", [](const Of& of) { return Grouped(of.responses()); });
  add("positives", [](const Of& of) { return absl::StrFormat("%.0f", of.positives()); });
  add("log-loss",
      [](const Of& of) { return of.has_log_loss() ? Decimals(of.log_loss()) : kNotKnown; });
  add("of a constant", [](const Of& of) {
    return of.has_constant_log_loss() ? Decimals(of.constant_log_loss()) : kNotKnown;
  });
  add("AUC", [](const Of& of) { return of.has_auc() ? Decimals(of.auc()) : kNotKnown; });
  add("last update", [](const Of& of) {
    return of.has_last_update() ? TimeUtil::ToString(of.last_update()) : kNotKnown;
  });
  return table.ToString();
}

std::string CalibrationTable(const v1::PredictionHealth& health) {
  Table table(
      {{"responses", Align::kRight}, {"predicted", Align::kRight}, {"came", Align::kRight}});
  for (const v1::CalibrationBin& bin : health.calibration()) {
    if (!(bin.responses() > 0)) continue;
    table.AddRow({absl::StrFormat("%.0f", bin.responses()), Decimals(bin.expected()),
                  Decimals(bin.observed())});
  }
  return table.size() == 0 ? "" : absl::StrCat("\nCalibration\n", table.ToString());
}

std::string DriftTable(const v1::ModelServiceGetHealthResponse& health) {
  if (health.drift().empty()) return "";
  Table table({{"input", Align::kLeft}, {"PSI", Align::kRight}, {"", Align::kLeft}});
  for (const v1::InputDrift& drift : health.drift()) {
    table.AddRow({drift.input(), drift.has_index() ? Decimals(drift.index()) : kNotKnown,
                  drift.has_index() ? DriftWord(drift.index()) : ""});
  }
  return absl::StrCat("\n", table.ToString());
}

}  // namespace

std::string HealthTables(const v1::ModelServiceGetHealthResponse& health) {
  std::string text =
      absl::StrCat("adaptive model ", TerminalSafe(health.version()), ", ", health.mode(), ": ",
                   Grouped(health.examples()), " responses learned, ", Grouped(health.waiting()),
                   " treatments wait for outcomes\n");
  const auto lag_seconds =
      static_cast<double>(TimeUtil::DurationToMilliseconds(health.lag())) / 1e3;
  if (lag_seconds > 0 || health.lag_positions() > 0) {
    absl::StrAppendFormat(&text, "It is %.1f s behind the log, at most %s events.\n", lag_seconds,
                          Grouped(health.lag_positions()));
  }
  absl::StrAppend(&text, "\n", PredictionTable(health),
                  CalibrationTable(health.has_own() ? health.own() : health.served()),
                  DriftTable(health), health.rates().empty() ? "" : "\n",
                  RateTable(health.rates()));
  return text;
}

std::string RateTable(const google::protobuf::RepeatedPtrField<v1::TreatmentRate>& rates) {
  if (rates.empty()) return "";
  Table table({{"treatment", Align::kLeft},
               {"channel", Align::kLeft},
               {"shown", Align::kRight},
               {"good", Align::kRight},
               {"rate", Align::kRight},
               {"from", Align::kRight},
               {"to", Align::kRight},
               {"reward", Align::kRight}});
  for (const v1::TreatmentRate& rate : rates) {
    table.AddRow({rate.treatment_id(), rate.channel(), Grouped(rate.shown()),
                  Grouped(rate.positives()), Decimals(rate.rate()), Decimals(rate.low()),
                  Decimals(rate.high()), absl::StrFormat("%.2f", rate.mean_reward())});
  }
  return table.ToString();
}

}  // namespace attune::ctl
