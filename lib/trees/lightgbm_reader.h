#ifndef ATTUNE_LIB_TREES_LIGHTGBM_READER_H_
#define ATTUNE_LIB_TREES_LIGHTGBM_READER_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "lib/trees/parsed_model.h"

namespace attune::trees {

// Reads a model that LightGBM 2.1 to 4.x saved as text: gbdt, dart, rf and linear trees.
//
// Since LightGBM 2.2.3 the mean of a random forest's leaves goes through the link function; up to
// 2.2.2 it is the prediction. Both write version 2; which of them did, the leaves tell: when all
// of them can be means of labels (0 to 1 where there are classes, not negative for counts and
// amounts) it was 2.2.2. A forest of 2.2.3 whose scores all lie there is taken for an older one,
// and so is one of "regression sqrt", whose labels may be anything.
// INVALID_ARGUMENT names what is wrong on which line; UNIMPLEMENTED an objective that this reader
// doesn't know.
absl::StatusOr<ParsedModel> ReadLightgbm(std::string_view text);

}  // namespace attune::trees

#endif  // ATTUNE_LIB_TREES_LIGHTGBM_READER_H_
