#ifndef ATTUNE_TESTS_LOAD_BARE_ROCKSDB_H_
#define ATTUNE_TESTS_LOAD_BARE_ROCKSDB_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "tests/load/load_client.h"

namespace attune::load {

// What is written: a customer's record at a random key and an event behind the others, together.
struct BareRocksDbOptions {
  std::string folder;  // of the database, which must not exist yet
  int threads = 64;
  uint64_t customers = 100'000;
  size_t record_bytes = 1024;
  size_t event_bytes = 160;
};

// What a program would reach that kept customers and events in RocksDB and did nothing else: its
// own defaults and group commit, a sync per write. Not thread-safe.
class BareRocksDb {
 public:
  static absl::StatusOr<std::unique_ptr<BareRocksDb>> Open(const BareRocksDbOptions& options);
  ~BareRocksDb();

  // Writes for warmup_seconds + seconds of `load`; the rest of it is not looked at. Each thread
  // writes one after the other.
  LoadResult Run(const LoadOptions& load);

 private:
  explicit BareRocksDb(const BareRocksDbOptions& options);
  absl::Status OpenDatabase();
  // What one thread does. Its figures are added to `result`.
  void Write(uint64_t seed, const LoadOptions& load, LoadResult& result);

  const BareRocksDbOptions options_;
  const std::string bytes_;  // that payloads are cut from
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* customers_ = nullptr;
  rocksdb::ColumnFamilyHandle* log_ = nullptr;
  std::atomic<uint64_t> position_{0};  // of the next event
};

}  // namespace attune::load

#endif  // ATTUNE_TESTS_LOAD_BARE_ROCKSDB_H_
