#ifndef ATTUNE_LIB_STORAGE_ROCKSDB_OPTIONS_H_
#define ATTUNE_LIB_STORAGE_ROCKSDB_OPTIONS_H_

#include "lib/storage/rocksdb_store.h"
#include "rocksdb/options.h"

namespace attune::storage {

inline constexpr char kCustomersFamily[] = "customers";
inline constexpr char kLogFamily[] = "log";
inline constexpr char kBlobsFamily[] = "blobs";

// How RocksDB is set up: for point reads and rewrites of small records at random keys, a log that
// is appended to and dropped from its start, and 2 cores that have decisions to make. The figures
// that led to a choice come from tests/benchmark/storage_benchmark.cc.
struct RocksDbSetup {
  rocksdb::DBOptions db;
  rocksdb::ColumnFamilyOptions meta;
  rocksdb::ColumnFamilyOptions customers;
  rocksdb::ColumnFamilyOptions log;
  rocksdb::ColumnFamilyOptions blobs;
};
RocksDbSetup MakeRocksDbSetup(const RocksDbOptions& options);

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_ROCKSDB_OPTIONS_H_
