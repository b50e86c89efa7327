#ifndef ATTUNE_LIB_TREES_LINK_H_
#define ATTUNE_LIB_TREES_LINK_H_

#include <string_view>

#include "absl/types/span.h"
#include "lib/trees/parsed_model.h"

namespace attune::trees {

// XGBoost's kRtEps: how far two expectiles are apart at least.
inline constexpr float kLeastRise = 1e-6F;

// Turns the raw scores of a row into its predictions, in place, as the library computes it:
// XGBoost in single precision, LightGBM in double. Of kArgmax the first value is the prediction.
// REQUIRES: scores is not empty.
void ApplyLink(Link link, Arithmetic arithmetic, double sigmoid, absl::Span<double> scores);

// How explanations call the link: by what leads from the prediction back to the raw score where
// that has a name ("identity", "logit", "log"), else by what leads from raw scores to predictions
// ("softmax", "hinge", ...).
std::string_view LinkName(Link link);

}  // namespace attune::trees

#endif  // ATTUNE_LIB_TREES_LINK_H_
