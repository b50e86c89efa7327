#ifndef ATTUNE_LIB_TREES_LIGHTGBM_READER_H_
#define ATTUNE_LIB_TREES_LIGHTGBM_READER_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "lib/trees/parsed_model.h"

namespace attune::trees {

// Reads a model that LightGBM 2.1 to 4.x saved as text: gbdt, dart, rf and linear trees. What a
// file of version 2 predicts is what LightGBM 2 predicted: the mean of a random forest's leaves is
// the prediction there; since version 3 it goes through the link function.
// INVALID_ARGUMENT names what is wrong on which line; UNIMPLEMENTED an objective that this reader
// doesn't know.
absl::StatusOr<ParsedModel> ReadLightgbm(std::string_view text);

}  // namespace attune::trees

#endif  // ATTUNE_LIB_TREES_LIGHTGBM_READER_H_
