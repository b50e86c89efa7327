#ifndef ATTUNE_LIB_SCORING_SCORING_H_
#define ATTUNE_LIB_SCORING_SCORING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"
#include "lib/scoring/formula_model.h"
#include "lib/scoring/model.h"

namespace attune::scoring {

class SharedAnswers;
struct LearnedModels;

// A treatment with its propensity.
struct ScoredCandidate {
  // Whose the propensity is.
  enum class Source : uint8_t {
    kModel,     // the model's of the treatment
    kFallback,  // that of the model's fallback
    kDefault,   // the default that on_error declares
  };
  int treatment = 0;      // index into Catalog::treatments
  double propensity = 0;  // finite, 0 … 1
  int slot = 0;           // of the channel that it is for, see DecisionContext::ChannelOf
  // Of the propensity: finite and at least 0 where the model knows it, else kUnknownDeviation.
  double deviation = kUnknownDeviation;
  Source source = Source::kModel;
};

// That a model gave no usable score for some of its treatments, or all.
struct FailedModel {
  int model = 0;  // index into ModelSet::models
  ModelFailure failure = ModelFailure::kNone;
  int treatments = 0;     // for how many
  std::string text = {};  // ModelScratch::failure_text
};

// Every candidate with its propensity, and those whose model failed. Both ascend by treatment.
struct ScoredCandidates {
  std::vector<ScoredCandidate> scored;
  std::vector<candidates::Rejection> rejected;
  std::vector<FailedModel> failed;  // each once, in the order in which they were asked
  InputFrame frame;                 // what the models saw; explanations read it again

  // How the model failed; kNone: it did not.
  ModelFailure FailureOf(int model) const;

  // Scratch: kept for its capacity.
  std::vector<int> model_start;
  std::vector<int> batch_position;
  std::vector<int> batch_treatments;
  std::vector<double> batch_propensity;
  std::vector<double> batch_deviation;
  std::vector<ScoredCandidate::Source> batch_source;
  ModelScratch model_scratch;
  // Those of Score, while it runs.
  std::vector<FailedModel>* failed_before = nullptr;
  SharedAnswers* shared_answers = nullptr;
};

// The model that gave the candidate its propensity, or, for a default, would have: an index into
// `models`.
int ModelOf(const ModelSet& models, const catalog::Catalog& catalog,
            const ScoredCandidate& candidate);

// Scores every candidate with the model of its treatment. A propensity outside 0 … 1 is cut to it;
// where there is none, or it is not finite, on_error of the model says what is done. What it
// rejects is kScoreNotFinite, kScoreError when a formula could not be evaluated or, when the model
// failed as a whole, kModelFailed. `result` is overwritten; its capacity is reused, so that nothing
// is allocated unless a model fails. Models that wait for another process are asked one after the
// other, none of them beyond `context.deadline`; such a model that is among `failed_before` fails
// in the same way without being asked, but for what is in `shared_answers`, and one that fails as a
// whole is added there. REQUIRES: `features` has one value per declared feature; `formulas` are
// there when one of the models is a formula. `shared_answers`: where the decision has several
// channels, what such models answered for all of them. `learned`: what adaptive models had learned
// when the decision began; nullptr: nothing. It stays in the frame.
void Score(const ModelSet& models, const catalog::Catalog& catalog,
           const context::ContextSchema& schema, const context::DecisionContext& context,
           absl::Span<const ValueRef> features, absl::Span<const int> candidates,
           ScoredCandidates& result, FormulaSource* formulas = nullptr,
           std::vector<FailedModel>* failed_before = nullptr,
           SharedAnswers* shared_answers = nullptr, const LearnedModels* learned = nullptr);

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_SCORING_H_
