#include "service/ctl/score_table.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "service/ctl/table.h"

namespace attune::ctl {
namespace {

// With its sign, and with digits where four decimals would say nothing.
std::string PartText(double number) {
  constexpr double kLeastShown = 0.00005;
  const bool is_tiny = number != 0 && std::fabs(number) < kLeastShown;
  return is_tiny ? absl::StrFormat("%+.1e", number) : absl::StrFormat("%+.4f", number);
}

std::string ScoreTable(const v1::ScoreParts& parts) {
  Table table({{"contribution", Table::Align::kRight},
               {"input", Table::Align::kLeft},
               {"value", Table::Align::kLeft}},
              /*indent=*/2);
  table.AddRow({PartText(parts.base()), "base", ""});
  for (const v1::Contribution& part : parts.contributions()) {
    table.AddRow({PartText(part.contribution()), part.input(), part.value()});
  }
  table.AddRow({PartText(parts.score()), absl::StrCat("score (", parts.link(), ")"), ""});
  return table.ToString();
}

}  // namespace

std::string ScoreTables(const v1::DecideResponse& response) {
  std::string text;
  for (const v1::RankedTreatment& treatment : response.treatments()) {
    if (!treatment.has_score_parts()) continue;
    absl::StrAppend(&text, "\nThe score of ", TerminalSafe(treatment.treatment_id()), " by ",
                    TerminalSafe(treatment.model_version()), ":\n",
                    ScoreTable(treatment.score_parts()));
  }
  return text;
}

}  // namespace attune::ctl
