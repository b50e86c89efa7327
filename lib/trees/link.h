#ifndef ATTUNE_LIB_TREES_LINK_H_
#define ATTUNE_LIB_TREES_LINK_H_

#include "absl/types/span.h"
#include "lib/trees/parsed_model.h"

namespace attune::trees {

// XGBoost's kRtEps: how far two expectiles are apart at least.
inline constexpr float kLeastRise = 1e-6F;

// Turns the raw scores of a row into its predictions, in place, as the library computes it:
// XGBoost in single precision, LightGBM in double. Of kArgmax the first value is the prediction.
// REQUIRES: scores is not empty.
void ApplyLink(Link link, Arithmetic arithmetic, double sigmoid, absl::Span<double> scores);

}  // namespace attune::trees

#endif  // ATTUNE_LIB_TREES_LINK_H_
