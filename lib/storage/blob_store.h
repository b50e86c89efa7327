#ifndef ATTUNE_LIB_STORAGE_BLOB_STORE_H_
#define ATTUNE_LIB_STORAGE_BLOB_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/storage/commit_queue.h"
#include "lib/storage/wal_syncer.h"
#include "rocksdb/db.h"

namespace attune::storage {

// The named blobs of a store. Thread-safe.
//
// A blob is written in chunks under a generation of its own; the header that is written last names
// the generation and removes the one before. So a reader sees a blob as a whole, a crash leaves the
// earlier one, and no decision waits in the line behind a large model.
class BlobStore {
 public:
  static constexpr size_t kMaxNameBytes = 256;
  static constexpr size_t kMaxBlobBytes = 256u << 20;

  // Everything passed must outlive the store.
  BlobStore(rocksdb::DB* db, const ColumnFamilies& families, CommitQueue* queue, WalSyncer* syncer);

  // Removes chunks that a crash left without a header. Call once, before the others.
  absl::Status Open();

  // See StateStore.
  absl::StatusOr<std::optional<std::string>> Get(std::string_view name) const;
  absl::Status Put(std::string_view name, std::string_view bytes);

 private:
  struct Header {
    uint64_t generation = 0;
    uint32_t chunks = 0;
    uint64_t bytes = 0;
  };

  absl::StatusOr<std::optional<Header>> ReadHeader(const rocksdb::ReadOptions& options,
                                                   std::string_view name) const;
  static std::optional<Header> DecodeHeader(std::string_view value);
  absl::Status WriteChunks(std::string_view bytes, Header& header);
  absl::Status WriteHeader(std::string_view name, const Header& header);
  // Removes the chunks of a generation that no header names.
  absl::Status DropGeneration(uint64_t generation);
  absl::Status DeleteGeneration(rocksdb::WriteBatch& batch, uint64_t generation) const;

  rocksdb::DB* const db_;
  const ColumnFamilies families_;
  CommitQueue* const queue_;
  WalSyncer* const syncer_;
};

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_BLOB_STORE_H_
