#ifndef ATTUNE_SERVICE_SCORE_PARTS_WRITER_H_
#define ATTUNE_SERVICE_SCORE_PARTS_WRITER_H_

#include <cstddef>
#include <string>

#include "lib/arbitration/arbitration.h"
#include "lib/decision/score_explanation.h"

namespace attune::service {

// So long are the score_parts of one answer, about: the first that would go beyond it is still
// there, those after it aren't.
inline constexpr size_t kMaxScorePartsBytes = 1u << 20;

// Writes RankedTreatment.score_parts of one decision, without making the message. Not thread-safe.
class ScorePartsWriter {
 public:
  // `scores` are of the decision, and outlive this object.
  explicit ScorePartsWriter(decision::ScoreExplainer& scores) : scores_(scores) {}

  // Appends the field of the ranked treatment; nothing where there is nothing to tell, nor once
  // there was no room.
  void Append(const arbitration::RankedTreatment& ranked, std::string& out);

  // Was there room for all that was to be told?
  bool is_complete() const { return is_complete_; }

 private:
  decision::ScoreExplainer& scores_;
  size_t bytes_ = 0;  // of the fields so far
  bool is_complete_ = true;
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_SCORE_PARTS_WRITER_H_
