#ifndef ATTUNE_LIB_SCORING_SHARED_ANSWERS_H_
#define ATTUNE_LIB_SCORING_SHARED_ANSWERS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "lib/catalog/catalog.h"
#include "lib/scoring/model.h"

namespace attune::scoring {

// What models answered in one decision that leaves its channel open and would answer on any of its
// channels: a model that waits for another process is asked once for all of them. Reused from
// decision to decision. Not thread-safe.
class SharedAnswers {
 public:
  // Forgets the decision before. `candidates`: the treatments that are to be scored on any channel
  // of this one. `catalog` outlives the use for the decision.
  void Reset(const catalog::Catalog& catalog, absl::Span<const int> candidates);

  // Writes what the model with this index in ModelSet::models answered before for treatments of the
  // batch, and NaN for the others. True: there are no others.
  bool Fill(int index, const Batch& batch, const Predictions& predictions);

  // As PredictBatch of the model, whose index in ModelSet::models this is. The first time the model
  // is asked for all candidates that have it and for the batch; later for those of the batch that
  // it did not answer for, if there are some. When it fails, what it answered before still counts,
  // and the propensity of the others is NaN. REQUIRES: it does not depend on the channel, and what
  // else it looks at is the same in each call for one decision.
  ModelFailure Predict(const Model& model, int index, const Batch& batch,
                       const Predictions& predictions, ModelScratch& scratch);

 private:
  struct Answer {
    enum class State : uint8_t { kUnknown, kWanted, kKnown };
    State state = State::kUnknown;
    double propensity = 0;
    double deviation = kUnknownDeviation;
  };
  struct AnswersOfModel {
    int model = 0;
    std::vector<Answer> by_treatment;
  };

  // Leaves in `wanted_` what the model has to be asked for, each treatment once.
  void FindWanted(int index, const Batch& batch);
  void Want(int treatment, AnswersOfModel& answers);
  // nullptr: it was not asked yet.
  AnswersOfModel* Find(int index);

  const catalog::Catalog* catalog_ = nullptr;
  std::vector<int> candidates_;
  // The first `asked_` of these are the decision's.
  std::vector<AnswersOfModel> answers_;
  size_t asked_ = 0;
  // Of one call.
  std::vector<int> wanted_;
  std::vector<double> propensity_;
  std::vector<double> deviation_;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_SHARED_ANSWERS_H_
