#ifndef ATTUNE_LIB_TREES_XGBOOST_READER_H_
#define ATTUNE_LIB_TREES_XGBOOST_READER_H_

#include "absl/status/statusor.h"
#include "lib/trees/model_document.h"
#include "lib/trees/parsed_model.h"

namespace attune::trees {

// Most 32-bit words that the sets of categories of a model may take.
inline constexpr size_t kMaxCategoryWords = 1 << 24;

// Reads a model that XGBoost 1.4 to 3.x saved as JSON or UBJSON: gbtree, dart and gblinear.
// `attributes.best_iteration` cuts the trees, as XGBoost's scikit-learn interface does.
//
// A file of 1.0 to 1.3 is read in the same way, but those versions took the base score of
// binary:logitraw for a probability. A category that is larger than all of a split's set is one
// that isn't in it, as since 1.7.3; 1.6.0 to 1.7.2 sent those beyond the last word of the set where
// missing values go.
// INVALID_ARGUMENT names what is wrong at which field; UNIMPLEMENTED what this reader doesn't know:
// an objective, trees of several outputs.
absl::StatusOr<ParsedModel> ReadXgboost(const DocumentValue& document);

}  // namespace attune::trees

#endif  // ATTUNE_LIB_TREES_XGBOOST_READER_H_
