#ifndef ATTUNE_LIB_STORAGE_ROCKSDB_STATUS_H_
#define ATTUNE_LIB_STORAGE_ROCKSDB_STATUS_H_

#include <string_view>

#include "absl/status/status.h"
#include "rocksdb/status.h"

namespace attune::storage {

// What the database reports, in the words of StateStore. `doing` says what was tried ("read the
// record"). The one place where codes are translated; no message holds ids or stored bytes.
//
//   Corruption                   DATA_LOSS
//   IOError, no space            RESOURCE_EXHAUSTED
//   other IOError                UNAVAILABLE
//   Incomplete, TryAgain, Busy   UNAVAILABLE: back-pressure
//   the others                   INTERNAL
absl::Status ToAbslStatus(const rocksdb::Status& status, std::string_view doing);

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_ROCKSDB_STATUS_H_
