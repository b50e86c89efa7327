#include "lib/storage/rocksdb_options.h"

#include <memory>

#include "rocksdb/cache.h"
#include "rocksdb/env.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"

namespace attune::storage {
namespace {

rocksdb::DBOptions MakeDbOptions(const RocksDbOptions& options) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  if (options.env != nullptr) db.env = options.env;
  // A torn tail of the write-ahead log, as a killed process leaves it, is cut off. This mode also
  // cuts off what is behind a flipped bit; to notice that is the task of a high-water mark that is
  // kept elsewhere.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  db.max_total_wal_size = 4 * options.write_buffer_bytes;
  // All writes come from one leader at a time.
  db.allow_concurrent_memtable_write = false;
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

rocksdb::BlockBasedTableOptions MakeTableOptions(std::shared_ptr<rocksdb::Cache> cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = std::move(cache);
  table.format_version = 5;
  return table;
}

// Small families that are hardly ever written: what they hold in memory pins the write-ahead log.
rocksdb::ColumnFamilyOptions MakeSmallFamily(const rocksdb::BlockBasedTableOptions& table,
                                             size_t write_buffer_bytes) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = write_buffer_bytes;
  family.compression = rocksdb::kLZ4Compression;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

rocksdb::ColumnFamilyOptions MakeCustomers(const RocksDbOptions& options,
                                           rocksdb::BlockBasedTableOptions table) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = options.write_buffer_bytes;
  family.max_write_buffer_number = 3;
  family.compression = rocksdb::kLZ4Compression;
  family.level_compaction_dynamic_level_bytes = true;
  family.max_bytes_for_level_base = 8 * options.write_buffer_bytes;
  family.level0_slowdown_writes_trigger = 32;
  family.level0_stop_writes_trigger = 48;
  table.block_size = 4 << 10;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

rocksdb::ColumnFamilyOptions MakeLog(const RocksDbOptions& options,
                                     rocksdb::BlockBasedTableOptions table) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = options.write_buffer_bytes;
  family.max_write_buffer_number = 3;
  // One compression at all levels: files that follow each other are moved down, never rewritten.
  family.compression = rocksdb::kLZ4Compression;
  family.level_compaction_dynamic_level_bytes = true;
  family.level0_slowdown_writes_trigger = 32;
  family.level0_stop_writes_trigger = 48;
  table.block_size = 16 << 10;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

}  // namespace

RocksDbSetup MakeRocksDbSetup(const RocksDbOptions& options) {
  const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  const rocksdb::BlockBasedTableOptions table = MakeTableOptions(cache);
  RocksDbSetup setup;
  setup.db = MakeDbOptions(options);
  setup.meta = MakeSmallFamily(table, 1 << 20);
  setup.customers = MakeCustomers(options, table);
  setup.log = MakeLog(options, table);
  setup.blobs = MakeSmallFamily(table, 8 << 20);
  return setup;
}

}  // namespace attune::storage
