#include "lib/storage/rocksdb_status.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"

namespace attune::storage {

absl::Status ToAbslStatus(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat("can't ", ToAbsl(doing), ": ", status.ToString());
  if (status.IsCorruption()) {
    return absl::DataLossError(
        absl::StrCat(message, "; stored data are damaged: restore the folder from a backup"));
  }
  if (status.IsPathNotFound()) {
    return absl::DataLossError(absl::StrCat(
        message, "; a file of the store is missing: restore the folder from a backup"));
  }
  if (status.IsNoSpace() || status.IsMemoryLimit()) {
    return absl::ResourceExhaustedError(
        absl::StrCat(message, "; writes go on by themselves when there is space again"));
  }
  if (status.IsIncomplete()) {
    return absl::UnavailableError(absl::StrCat(
        "can't ", ToAbsl(doing), ": the disk is behind with what was written; retry later"));
  }
  // A severity is set when the database has stopped writing for good.
  if (status.severity() >= rocksdb::Status::Severity::kHardError) {
    return absl::UnavailableError(
        absl::StrCat(message, "; reads go on, writes need the store to be opened anew"));
  }
  if (status.IsIOError() || status.IsTryAgain() || status.IsBusy() ||
      status.IsShutdownInProgress() || status.IsTimedOut() || status.IsAborted()) {
    return absl::UnavailableError(message);
  }
  return absl::InternalError(message);
}

}  // namespace attune::storage
