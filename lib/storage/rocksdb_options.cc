#include "lib/storage/rocksdb_options.h"

#include <memory>
#include <utility>

#include "rocksdb/cache.h"
#include "rocksdb/env.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"

namespace attune::storage {
namespace {

// What is written in the database's own way: the meta data, blobs, and the removal of events. None
// of it is much or often.
constexpr size_t kWriteBufferBytes = 8 << 20;

// Files of the log that are not on its last level: each holds what marks events as removed, and is
// merged with a good part of the log. It waits until it is old enough, with the others.
constexpr int kMaxErasureFiles = 48;

rocksdb::DBOptions MakeDbOptions(const RocksDbOptions& options) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  if (options.env != nullptr) db.env = options.env;
  // Whatever is acknowledged here was synced: only its end can be torn, and anything else that
  // can't be read is damage and stops the opening.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.max_total_wal_size = 64 << 20;
  // One flush and one compaction at a time: there are 2 cores, and decisions to make.
  db.max_background_jobs = 2;
  db.bytes_per_sync = 1 << 20;
  // Tickers cost little; histograms and timers cost up to 15 % of a read.
  db.statistics = rocksdb::CreateDBStatistics();
  db.statistics->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  db.max_log_file_size = 4 << 20;
  db.keep_log_file_num = 4;
  return db;
}

rocksdb::ColumnFamilyOptions MakeFamily(const rocksdb::BlockBasedTableOptions& table) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = kWriteBufferBytes;
  family.compression = rocksdb::kLZ4Compression;
  family.level_compaction_dynamic_level_bytes = true;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

// Small records at random keys, read when memory does not have them: a filter tells the customers
// who are unknown, one small block is read for the others. The cache of records keeps what was
// read, so blocks are not kept as well; uncompressed they cost less to read, and to merge above
// all, than memory costs that holds whole blocks for one record of each.
rocksdb::ColumnFamilyOptions MakeCustomers(const RocksDbOptions& options,
                                           rocksdb::BlockBasedTableOptions table) {
  table.no_block_cache = true;
  table.block_cache = nullptr;
  table.block_size = 2 << 10;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::ColumnFamilyOptions family = MakeFamily(table);
  family.compression = rocksdb::kNoCompression;
  // Each merge rewrites a good part of all records: rather seldom than often.
  family.level0_file_num_compaction_trigger = 8;
  family.max_bytes_for_level_base = 8 * options.write_buffer_bytes;
  family.ttl = options.erasure_seconds;
  return family;
}

// A file of events lies behind all others and is put on the last level at once: nothing is ever
// merged, except around events that were removed.
rocksdb::ColumnFamilyOptions MakeLog(const RocksDbOptions& options,
                                     rocksdb::BlockBasedTableOptions table) {
  table.block_size = 16 << 10;
  rocksdb::ColumnFamilyOptions family = MakeFamily(table);
  family.ttl = options.erasure_seconds;
  family.level0_file_num_compaction_trigger = kMaxErasureFiles;
  family.level0_slowdown_writes_trigger = 2 * kMaxErasureFiles;
  family.level0_stop_writes_trigger = 4 * kMaxErasureFiles;
  return family;
}

}  // namespace

RocksDbSetup MakeRocksDbSetup(const RocksDbOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  table.format_version = 5;
  RocksDbSetup setup;
  setup.health = std::make_shared<DatabaseHealth>();
  setup.db = MakeDbOptions(options);
  setup.db.listeners.push_back(setup.health);
  setup.meta = MakeFamily(table);
  setup.customers = MakeCustomers(options, table);
  setup.log = MakeLog(options, table);
  setup.blobs = MakeFamily(table);
  return setup;
}

}  // namespace attune::storage
