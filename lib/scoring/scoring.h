#ifndef ATTUNE_LIB_SCORING_SCORING_H_
#define ATTUNE_LIB_SCORING_SCORING_H_

#include <vector>

#include "absl/types/span.h"
#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"
#include "lib/scoring/formula_model.h"
#include "lib/scoring/model.h"

namespace attune::scoring {

// A treatment with its propensity.
struct ScoredCandidate {
  int treatment = 0;      // index into Catalog::treatments
  double propensity = 0;  // finite, 0 … 1
  int slot = 0;           // of the channel that it is for, see DecisionContext::ChannelOf
};

// Every candidate with its propensity, and those whose model failed. Both ascend by treatment.
struct ScoredCandidates {
  std::vector<ScoredCandidate> scored;
  std::vector<candidates::Rejection> rejected;
  InputFrame frame;  // what the models saw; explanations read it again

  // Scratch: kept for its capacity.
  std::vector<int> model_start;
  std::vector<int> batch_position;
  std::vector<int> batch_treatments;
  std::vector<double> batch_propensity;
  ModelScratch model_scratch;
};

// Scores every candidate with the model of its treatment. A propensity outside 0 … 1 is cut to it;
// one that is not finite, or a formula that can't be evaluated, rejects the candidate. `result` is
// overwritten; its capacity is reused. REQUIRES: `features` has one value per declared feature;
// `formulas` are there when one of the models is a formula.
void Score(const ModelSet& models, const catalog::Catalog& catalog,
           const context::ContextSchema& schema, const context::DecisionContext& context,
           absl::Span<const ValueRef> features, absl::Span<const int> candidates,
           ScoredCandidates& result, FormulaSource* formulas = nullptr);

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_SCORING_H_
