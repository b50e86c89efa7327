#ifndef ATTUNE_LIB_STORAGE_BLOB_STORE_H_
#define ATTUNE_LIB_STORAGE_BLOB_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "lib/storage/column_families.h"
#include "rocksdb/db.h"

namespace attune::storage {

// The named blobs of a store. Thread-safe.
//
// A blob is written in chunks under a generation of its own; the header that is written last names
// the generation and removes the one before. So a reader sees a blob as a whole, a crash leaves the
// earlier one, and a large model passes through memory piece by piece.
class BlobStore {
 public:
  static constexpr size_t kMaxNameBytes = 256;
  static constexpr size_t kMaxBlobBytes = 256u << 20;

  // Everything passed must outlive the store.
  BlobStore(rocksdb::DB* db, const ColumnFamilies& families) : db_(db), families_(families) {}

  // Removes chunks that a crash left without a header. Call once, before the others.
  absl::Status Open();

  // See StateStore.
  absl::StatusOr<std::optional<std::string>> Get(std::string_view name) const;
  absl::Status Put(std::string_view name, std::string_view bytes);
  absl::StatusOr<std::optional<std::string>> GetPart(std::string_view name, uint64_t offset,
                                                     size_t max_bytes) const;
  absl::Status Delete(std::string_view name);

 private:
  struct Header {
    uint64_t generation = 0;
    uint32_t chunks = 0;
    uint64_t bytes = 0;
  };

  absl::StatusOr<std::optional<Header>> ReadHeader(const rocksdb::ReadOptions& options,
                                                   std::string_view name) const;
  static std::optional<Header> DecodeHeader(std::string_view value);
  absl::Status WriteChunks(std::string_view bytes, const Header& header);
  absl::Status WriteHeader(std::string_view name, const Header& header);
  // Removes the chunks of a generation that no header names.
  void DropGeneration(uint64_t generation);

  rocksdb::DB* const db_;
  const ColumnFamilies families_;

  absl::Mutex mutex_;  // one write at a time
  uint64_t next_generation_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_BLOB_STORE_H_
