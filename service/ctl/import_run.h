#ifndef ATTUNE_SERVICE_CTL_IMPORT_RUN_H_
#define ATTUNE_SERVICE_CTL_IMPORT_RUN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "service/ctl/batch_call.h"
#include "service/ctl/command.h"
#include "service/ctl/json.h"
#include "service/ctl/row_writer.h"

namespace attune::ctl {

// What the user says about the file of any import.
struct ImportFlags {
  std::string csv;
  std::string rejects;
  std::string delimiter = ",";
  std::optional<int64_t> limit;
  bool dry_run = false;
};

// What is special about importing one kind of thing. Not thread-safe.
class ImportKind {
 public:
  virtual ~ImportKind() = default;

  virtual BatchMethod method() const = 0;
  // What can be told before the file is looked at. Errors tell what is wrong with the flags.
  virtual absl::Status Prepare() { return absl::OkStatus(); }
  // Finds what is wanted in the header. What is returned belongs to the kind. INVALID_ARGUMENT,
  // with every problem on a line of its own: it isn't there.
  virtual absl::StatusOr<RowWriter*> MapColumns(const std::vector<std::string>& header,
                                                const std::vector<v1::Feature>& features) = 0;
  // What was imported, before and behind the counts.
  virtual std::string Title(const std::string& strategy_version) const = 0;
  virtual std::string Remarks() const { return ""; }
  virtual void AddToSummary(Json& /*summary*/) const {}
};

// Imports a file, reports what became of its rows and returns the exit status.
int RunImport(const Invocation& invocation, const ImportFlags& flags, ImportKind& kind);

// Adds the options of ImportFlags, which must outlive the command.
void AddImportOptions(CLI::App& command, ImportFlags& flags);

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_IMPORT_RUN_H_
