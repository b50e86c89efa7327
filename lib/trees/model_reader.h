#ifndef ATTUNE_LIB_TREES_MODEL_READER_H_
#define ATTUNE_LIB_TREES_MODEL_READER_H_

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/trees/tree_ensemble.h"

namespace attune::trees {

// Longest model file, in bytes. Reading it takes a multiple of that in memory: at most some thirty
// times, of a file that is made for it.
inline constexpr size_t kMaxModelBytes = 256 << 20;

// Reads a model that XGBoost saved as JSON or UBJSON, or LightGBM as text; which of them, its first
// bytes tell. INVALID_ARGUMENT says what is wrong and where; UNIMPLEMENTED what is not supported.
absl::StatusOr<TreeEnsemble> ReadModel(std::string_view bytes);

}  // namespace attune::trees

#endif  // ATTUNE_LIB_TREES_MODEL_READER_H_
