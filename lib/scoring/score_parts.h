#ifndef ATTUNE_LIB_SCORING_SCORE_PARTS_H_
#define ATTUNE_LIB_SCORING_SCORE_PARTS_H_

#include <cstddef>

#include "lib/scoring/model.h"

namespace attune::scoring {

// Most contributions that Arrange leaves by themselves.
inline constexpr size_t kMaxContributions = 64;

// The base and all that follows it, added up in double precision in this order: the contributions
// in theirs, the others, the rounding.
double SumOf(const ScoreParts& parts);

// Brings the parts of a score into the form in which they are told: contributions of 0 are left
// out; the largest by absolute value comes first, of equals the one that came first before; behind
// the first kMaxContributions the others are summed up in `others`.
//
// Then SumOf is the score, to the last bit. In this order the parts may come to something else than
// in the model's, by a few units in the last place of the largest of them. That goes into the base;
// where the base is too large to hold it, into the last that is told, the smallest or the others;
// and where that is too large as well into `rounding`, which is less than 2^-40 of the largest part
// and nearly always 0.
//
// False when the score or a part is not finite: then there is nothing to tell. So it is with a
// logistic model whose score is infinite, though its propensity is 0 or 1; and where even the
// rounding would have to be rounded, with a score that is not 0 and below 2^-52 of the largest
// part.
bool Arrange(ScoreParts& parts);

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_SCORE_PARTS_H_
