#ifndef ATTUNE_LIB_STORAGE_LOG_DAMAGE_H_
#define ATTUNE_LIB_STORAGE_LOG_DAMAGE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/storage/state_store.h"

namespace attune::storage {

// The first position behind `damaged` from which the log can be read, or where it ends. Reads at
// about twice as many places as the length of the damage has binary digits. `problem`: there is no
// such place. Other errors: those of ReadLog, but for DATA_LOSS and OUT_OF_RANGE. REQUIRES: the log
// can't be read at `damaged`, for which `problem` is the error.
absl::StatusOr<uint64_t> FindReadable(const StateStore& store, uint64_t damaged,
                                      const absl::Status& problem);

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_LOG_DAMAGE_H_
