#ifndef ATTUNE_SERVICE_CTL_ROW_IMPORTER_H_
#define ATTUNE_SERVICE_CTL_ROW_IMPORTER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"
#include "service/ctl/batch_call.h"
#include "service/ctl/chunk_pipeline.h"
#include "service/ctl/chunk_reader.h"
#include "service/ctl/import_chunk.h"
#include "service/ctl/rejects_file.h"
#include "service/ctl/server_connection.h"

namespace attune::ctl {

// What an import did.
struct ImportResult {
  // Rows up to answered_to_line; equals counts.sum(), or with dry_run valid + counts.rejected.
  int64_t read = 0;
  RowCounts counts;
  // Rows that were found good before they were sent.
  int64_t valid = 0;
  // Everything up to this line of the file is stored or in the rejects file.
  int64_t answered_to_line = 0;
  // The first few rejected rows, without their text.
  std::vector<RejectedText> examples;
  // Why the file was not read to its end, or the rejects file not written.
  absl::Status local_status;
  // Why the server did not take everything.
  grpc::Status call_status;

  bool ok() const { return local_status.ok() && call_status.ok(); }
};

// Sends rows to the server: one thread reads and converts, some send, the caller's counts.
// Chunks of the file are on their way side by side, but never two with the same customer when the
// order matters: of two rows with one id the later one wins. Memory is bounded by a few chunks. Not
// thread-safe.
class RowImporter {
 public:
  struct Options {
    bool dry_run = false;
    // Most rows to read; absent: all.
    std::optional<int64_t> max_rows;
    // For the call of one chunk, when the user does not say.
    absl::Duration call_timeout = absl::Seconds(60);
  };
  // Called on the caller's thread with the rows that are done and their end in the file.
  using Progress = std::function<void(int64_t rows, int64_t position)>;

  // All must outlive the importer.
  RowImporter(ServerConnection& server, const BatchMethod& method, RejectsFile& rejects,
              const Options& options, Progress progress);

  // Imports what `reader` gives, once. Rows before a failure are imported and counted.
  ImportResult Run(ChunkReader& reader);

 private:
  void Read(ChunkReader& reader, absl::Status& status);
  void Send();
  // Counts the answered chunk; false when the import has failed.
  bool Count(ImportChunk& chunk);
  bool WriteRejected(ImportChunk& chunk);

  ServerConnection& server_;
  const BatchMethod method_;
  RejectsFile& rejects_;
  const Options options_;
  const Progress progress_;
  ChunkPipeline pipeline_;
  ImportResult result_;
};

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_ROW_IMPORTER_H_
