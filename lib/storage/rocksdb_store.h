#ifndef ATTUNE_LIB_STORAGE_ROCKSDB_STORE_H_
#define ATTUNE_LIB_STORAGE_ROCKSDB_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/hash.h"
#include "lib/storage/state_store.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace attune::storage {

struct RocksDbOptions {
  // The folder of the database; created when absent.
  std::string path;
  // Bytes of data blocks kept in memory. The store's resident memory is about this, plus 3 write
  // buffers, plus filters and indexes (2 bytes per customer).
  uint64_t block_cache_bytes = 256ull << 20;
  // Bytes of a write buffer (memtable).
  uint64_t write_buffer_bytes = 32ull << 20;
  // Key of the hash of customer ids for a store that is created; absent: drawn from the system's
  // random source. An existing store keeps its own.
  std::optional<HashKey> id_key;
  // The file system and the threads to use; nullptr: the system's. Not owned. For fault injection.
  rocksdb::Env* env = nullptr;
};

// Opens or creates a store. FAILED_PRECONDITION: another process has it open. DATA_LOSS: it is
// damaged; the message names the file and the way out.
absl::StatusOr<std::unique_ptr<StateStore>> OpenRocksDbStore(const RocksDbOptions& options);

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_ROCKSDB_STORE_H_
