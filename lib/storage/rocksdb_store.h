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
  // Bytes of customers' records kept in memory: those that were used lately.
  uint64_t record_cache_bytes = 384ull << 20;
  // Bytes of blocks of the log and of blobs kept in memory; hardly anything reads them twice.
  uint64_t block_cache_bytes = 16ull << 20;
  // What is committed is brought from memory into files when so many bytes of it have come
  // together; a record that changes often is written once. Bulk loads and durable commits wait at
  // three times as many, and all commits are refused at eight times; or when the journal, which has
  // every version of a record, is 16 times as long.
  //
  // The store's resident memory is about both caches, three times this, and filters and indexes (12
  // bytes per customer, 2 per event of the log). While the disk is behind or broken it is more: up
  // to eight times this, once more what of that are records, which a checkpoint copies to sort
  // them, and after an error of the database once more all of it, in the database's own buffers.
  uint64_t write_buffer_bytes = 32ull << 20;
  // After so many seconds what was erased leaves the files: those that hold some of it are written
  // anew. With every file that the log has between the customer's first event and the last.
  uint64_t erasure_seconds = 24 * 3600;
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
