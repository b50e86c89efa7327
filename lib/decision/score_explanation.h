#ifndef ATTUNE_LIB_DECISION_SCORE_EXPLANATION_H_
#define ATTUNE_LIB_DECISION_SCORE_EXPLANATION_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "lib/arbitration/arbitration.h"
#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/decision/input_text.h"
#include "lib/scoring/score_parts.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

// One part of a score, as it is told.
struct ShownPart {
  // "customer.open_incidents"; where a model of trees calls it something else, that behind it:
  // "customer.internet (internet_fiber)".
  std::string_view input;
  std::string_view value;  // as InputValue; empty of what is summed up
  double contribution = 0;
};

// What the parts are called that are no input.
inline constexpr std::string_view kOtherParts = "(others)";
inline constexpr std::string_view kRoundingPart = "(rounding)";

// Takes the scores of the ranked treatments of one decision apart. What it prints of an input is
// the same for all of them, so it does so once. Not thread-safe.
class ScoreExplainer {
 public:
  // REQUIRES: `decision` was made for `asked` with `strategy`; `names` are the strategy's. All
  // outlive this object.
  ScoreExplainer(const strategy::Strategy& strategy, const InputNameList& names,
                 const context::DecisionContext& asked, const Decision& decision)
      : strategy_(strategy), names_(names), asked_(asked), decision_(decision) {}

  // The parts of the treatment's score, arranged as scoring::Arrange does, whoever put it on top.
  // nullopt where there is nothing to tell: its propensity is a default of on_error, its model is a
  // formula, a plugin or on a server, its score is not finite, or its model looks at a protected
  // feature.
  //
  // The last goes by the model and not by the customer, for a model that told its parts only where
  // the protected feature moved nothing would tell its value. Nor are the contributions of several
  // protected features told as a sum: of a few categories each, every sum stands for one
  // combination of them.
  std::optional<scoring::ScoreParts> PartsOf(const arbitration::RankedTreatment& ranked) const;

  // Calls `visit` with all that follows the base, in the order in which SumOf adds it up. The texts
  // are valid until `visit` returns. REQUIRES: `parts` are PartsOf(ranked).
  void ForEachPart(const arbitration::RankedTreatment& ranked, const scoring::ScoreParts& parts,
                   absl::FunctionRef<void(const ShownPart&)> visit);

 private:
  std::string_view ValueOf(const scoring::Input& input, const arbitration::RankedTreatment& ranked);
  ShownPart Show(const scoring::Contribution& contribution,
                 const arbitration::RankedTreatment& ranked);

  const strategy::Strategy& strategy_;
  const InputNameList& names_;
  const context::DecisionContext& asked_;
  const Decision& decision_;
  std::vector<std::string> values_;  // by number of the input; empty: not printed yet
  std::string name_;                 // of the part that is being told, where it is put together
};

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_SCORE_EXPLANATION_H_
