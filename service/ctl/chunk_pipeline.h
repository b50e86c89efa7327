#ifndef ATTUNE_SERVICE_CTL_CHUNK_PIPELINE_H_
#define ATTUNE_SERVICE_CTL_CHUNK_PIPELINE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "lib/base/mutex.h"
#include "service/ctl/import_chunk.h"

namespace attune::ctl {

// Hands chunks from the thread that reads to threads that send, and what was answered, in the order
// of the file, to the thread that counts. Holds a bounded number of chunks: whoever is too fast
// waits. Thread-safe.
class ChunkPipeline {
 public:
  // `capacity`: most chunks between AddRead() and TakeAnswered(), at least 1.
  explicit ChunkPipeline(size_t capacity) : capacity_(capacity) {}

  // For the reading thread. Waits for room; false when the pipeline was stopped.
  // REQUIRES: chunks come with the numbers 0, 1, 2, ...
  bool AddRead(std::unique_ptr<ImportChunk> chunk) ABSL_LOCKS_EXCLUDED(mutex_);
  // No more chunks will be read.
  void FinishReading() ABSL_LOCKS_EXCLUDED(mutex_);

  // For sending threads. Waits for the next chunk, and until the one that it must come after was
  // answered. nullptr when there are no more.
  std::unique_ptr<ImportChunk> TakeRead() ABSL_LOCKS_EXCLUDED(mutex_);
  // Gives the chunk back with its answer.
  void AddAnswered(std::unique_ptr<ImportChunk> chunk) ABSL_LOCKS_EXCLUDED(mutex_);

  // For the counting thread. Waits for the answer to the next chunk of the file. nullptr when there
  // are no more.
  std::unique_ptr<ImportChunk> TakeAnswered() ABSL_LOCKS_EXCLUDED(mutex_);

  // Makes everybody give up: AddRead() returns false, the others nullptr.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  bool IsAnswered(int64_t number) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t capacity_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::unique_ptr<ImportChunk>> read_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, std::unique_ptr<ImportChunk>> answered_ ABSL_GUARDED_BY(mutex_);
  int64_t read_count_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t taken_count_ ABSL_GUARDED_BY(mutex_) = 0;  // by TakeAnswered()
  bool reading_finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace attune::ctl

#endif  // ATTUNE_SERVICE_CTL_CHUNK_PIPELINE_H_
