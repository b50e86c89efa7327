#ifndef ATTUNE_LIB_STORAGE_JOURNAL_READER_H_
#define ATTUNE_LIB_STORAGE_JOURNAL_READER_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "lib/storage/journal.h"
#include "lib/storage/journal_format.h"
#include "rocksdb/file_system.h"

namespace attune::storage {

// Goes through the journal in `folder` and calls `visit` with every commit from number `floor` on,
// in order; what is below `floor` is in the database. Returns where to go on. Deletes segments that
// hold nothing any more.
//
// What the end of the process or of the power has torn is cut off: it was never acknowledged as
// surviving that. Anything else that is not as it was written is DATA_LOSS, with the file and the
// place: while the system has not been started anew, whatever was written must be there; and what
// was synced before a power loss must be there after it. That is known as far as the marks tell
// which have come to the disk with it; the last one is not synced itself. Damage behind it, in what
// was synced last before the power failed, can't be told from what the power has torn.
absl::StatusOr<JournalStart> ReplayJournal(rocksdb::FileSystem& file_system,
                                           const std::string& folder, uint64_t floor,
                                           absl::FunctionRef<void(const JournalCommit&)> visit);

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_JOURNAL_READER_H_
