#ifndef ATTUNE_SERVICE_SCORE_PARTS_WRITER_H_
#define ATTUNE_SERVICE_SCORE_PARTS_WRITER_H_

#include <cstddef>
#include <string>

#include "lib/arbitration/arbitration.h"
#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/decision/input_text.h"
#include "lib/decision/score_explanation.h"
#include "lib/strategy/strategy.h"

namespace attune::service {

// So long are the score_parts of one answer, about: the first that would go beyond it is still
// there, those after it aren't.
inline constexpr size_t kMaxScorePartsBytes = 1u << 20;

// Writes RankedTreatment.score_parts of one decision, without making the message. Not thread-safe.
class ScorePartsWriter {
 public:
  // REQUIRES: as decision::ScoreExplainer.
  ScorePartsWriter(const strategy::Strategy& strategy, const decision::InputNameList& names,
                   const context::DecisionContext& context, const decision::Decision& decision)
      : explainer_(strategy, names, context, decision) {}

  // Appends the field of the ranked treatment; nothing where there is nothing to tell.
  void Append(const arbitration::RankedTreatment& ranked, std::string& out);

  // Was there room for all that was to be told?
  bool is_complete() const { return is_complete_; }

 private:
  decision::ScoreExplainer explainer_;
  size_t bytes_ = 0;  // of the fields so far
  bool is_complete_ = true;
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_SCORE_PARTS_WRITER_H_
