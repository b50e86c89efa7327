#ifndef ATTUNE_LIB_DECISION_SCORE_EXPLANATION_H_
#define ATTUNE_LIB_DECISION_SCORE_EXPLANATION_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "lib/arbitration/arbitration.h"
#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/decision/input_text.h"
#include "lib/scoring/model.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

// Most reasons that are told of a score.
inline constexpr size_t kMaxReasons = 3;

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

// What explaining scores needs of a strategy and its models, found once. Immutable, thread-safe.
class ExplainedModels {
 public:
  // `strategy` has its models.
  explicit ExplainedModels(const strategy::Strategy& strategy);

  const InputNameList& names() const { return names_; }
  // May the parts of the model's scores be told? Not when it is a formula, a plugin or on a server,
  // nor when it looks at a protected feature.
  //
  // The last goes by the model and not by the customer, for a model that told its parts only where
  // the protected feature moved nothing would tell its value. Nor are the contributions of several
  // protected features told as a sum: of a few categories each, every sum stands for one
  // combination of them.
  bool TellsParts(int model) const { return tells_parts_[static_cast<size_t>(model)]; }

 private:
  const InputNameList names_;
  std::vector<bool> tells_parts_;  // by index of the model
};

// Takes the scores of the ranked treatments of one decision apart, each once for all that is asked
// about it: one for all treatments of a channel where the model doesn't look at treatments. What it
// prints of an input is the same for all of them, so it does so once. Not thread-safe.
class ScoreExplainer {
 public:
  // REQUIRES: `decision` was made for `asked` with `strategy`; `models` are the strategy's. All
  // outlive this object.
  ScoreExplainer(const strategy::Strategy& strategy, const ExplainedModels& models,
                 const context::DecisionContext& asked, const Decision& decision)
      : strategy_(strategy), models_(models), asked_(asked), decision_(decision) {}

  // Calls `visit` with what moved the treatment's score, strongest first, all terms on one input
  // together: "customer.open_incidents = 2 (+0.80)", "customer.income = (protected)". At most
  // kMaxReasons; none when nothing moved it, or the model can't tell. The text is valid until
  // `visit` returns.
  void ForEachReason(const arbitration::RankedTreatment& ranked,
                     absl::FunctionRef<void(std::string_view)> visit);

  // The parts of the treatment's score, arranged as scoring::Arrange does, whoever put it on top.
  // nullptr where there is nothing to tell: its propensity is a default of on_error, its score is
  // not finite, or its model doesn't tell. Valid until another treatment is asked about.
  const scoring::ScoreParts* PartsOf(const arbitration::RankedTreatment& ranked);

  // Calls `visit` with all that follows the base, in the order in which SumOf adds it up. The texts
  // are valid until `visit` returns. REQUIRES: `parts` are PartsOf(ranked).
  void ForEachPart(const arbitration::RankedTreatment& ranked, const scoring::ScoreParts& parts,
                   absl::FunctionRef<void(const ShownPart&)> visit);

 private:
  // A score that was taken apart.
  struct TakenApart {
    int treatment = -1;                            // index into the catalog; -1: none yet
    std::vector<scoring::Contribution> strongest;  // at most kMaxReasons
    scoring::ScoreParts parts;
    bool is_arranged = false;
    bool is_told = false;  // once it is arranged; before, whether the model can tell
  };

  // The model that scored it; -1: its propensity is a default.
  int ModelOf(const arbitration::RankedTreatment& ranked) const;
  TakenApart& TakeApart(int model, const arbitration::RankedTreatment& ranked);
  std::string_view ValueOf(const scoring::Input& input, const arbitration::RankedTreatment& ranked);
  ShownPart Show(const scoring::Contribution& contribution,
                 const arbitration::RankedTreatment& ranked);

  const strategy::Strategy& strategy_;
  const ExplainedModels& models_;
  const context::DecisionContext& asked_;
  const Decision& decision_;
  // The last of each model and slot of a channel.
  absl::flat_hash_map<std::pair<int, int>, TakenApart> taken_apart_;
  std::vector<std::string> values_;  // by number of the input; empty: not printed yet
  std::string name_;                 // of the part that is being told, where it is put together
};

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_SCORE_EXPLANATION_H_
