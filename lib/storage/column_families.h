#ifndef ATTUNE_LIB_STORAGE_COLUMN_FAMILIES_H_
#define ATTUNE_LIB_STORAGE_COLUMN_FAMILIES_H_

#include "rocksdb/db.h"

namespace attune::storage {

// The parts of the database; see rocksdb_format.h. Owned by whoever opened it.
struct ColumnFamilies {
  rocksdb::ColumnFamilyHandle* meta = nullptr;
  rocksdb::ColumnFamilyHandle* customers = nullptr;
  rocksdb::ColumnFamilyHandle* log = nullptr;
  rocksdb::ColumnFamilyHandle* blobs = nullptr;
};

// How everything is written to the database itself. Because nothing there is written without being
// synced, only the end of its write-ahead log can be torn, and any other damage of it is noticed.
inline rocksdb::WriteOptions Durably() {
  rocksdb::WriteOptions options;
  options.sync = true;
  return options;
}

}  // namespace attune::storage

#endif  // ATTUNE_LIB_STORAGE_COLUMN_FAMILIES_H_
