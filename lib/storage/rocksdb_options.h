#ifndef ATTUNE_LIB_STORAGE_ROCKSDB_OPTIONS_H_
#define ATTUNE_LIB_STORAGE_ROCKSDB_OPTIONS_H_

#include <memory>

#include "lib/storage/database_health.h"
#include "lib/storage/rocksdb_store.h"
#include "rocksdb/options.h"

namespace attune::storage {

inline constexpr char kCustomersFamily[] = "customers";
inline constexpr char kLogFamily[] = "log";
inline constexpr char kBlobsFamily[] = "blobs";

// How RocksDB is set up: for point reads of small records at random keys, files that come sorted
// from checkpoints, a log that grows at its end and is dropped from its start, and 2 cores that
// have decisions to make.
struct RocksDbSetup {
  std::shared_ptr<DatabaseHealth> health;  // listens to the database
  rocksdb::DBOptions db;
  rocksdb::ColumnFamilyOptions meta;
  rocksdb::ColumnFamilyOptions customers;
  rocksdb::ColumnFamilyOptions log;
  rocksdb::ColumnFamilyOptions blobs;
};
RocksDbSetup MakeRocksDbSetup(const RocksDbOptions& options);

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_ROCKSDB_OPTIONS_H_
