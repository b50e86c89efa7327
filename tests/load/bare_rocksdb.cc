#include "tests/load/bare_rocksdb.h"

#include <chrono>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rocksdb/write_batch.h"

namespace attune::load {
namespace {

// Long enough that payloads differ.
constexpr size_t kRandomBytes = 1 << 20;

// Records are names and numbers: letters, which compress as those do.
std::string RandomText() {
  std::mt19937_64 random(1);
  std::string text(kRandomBytes, '\0');
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  return text;
}

// Big-endian, so that what comes later lies behind.
std::string KeyOf(uint64_t number) {
  std::string key(sizeof number, '\0');
  for (size_t i = 0; i < sizeof number; ++i) {
    key[i] = static_cast<char>(number >> (8 * (sizeof number - 1 - i)));
  }
  return key;
}

}  // namespace

BareRocksDb::BareRocksDb(const BareRocksDbOptions& options)
    : options_(options), bytes_(RandomText()) {}

BareRocksDb::~BareRocksDb() {
  for (rocksdb::ColumnFamilyHandle* family : {customers_, log_}) {
    if (family != nullptr) db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  }
}

absl::StatusOr<std::unique_ptr<BareRocksDb>> BareRocksDb::Open(const BareRocksDbOptions& options) {
  if (options.record_bytes + options.event_bytes > kRandomBytes / 2) {
    return absl::InvalidArgumentError("records and events of half a MiB at most are written");
  }
  std::unique_ptr<BareRocksDb> bare(new BareRocksDb(options));
  absl::Status opened = bare->OpenDatabase();
  if (!opened.ok()) return opened;
  return bare;
}

absl::Status BareRocksDb::OpenDatabase() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.error_if_exists = true;
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(options, options_.folder, &db);
  if (status.ok()) {
    db_.reset(db);
    status = db_->CreateColumnFamily(options, "customers", &customers_);
  }
  if (status.ok()) status = db_->CreateColumnFamily(options, "log", &log_);
  if (status.ok()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot open a database in ", options_.folder, ": ", status.ToString()));
}

void BareRocksDb::Write(uint64_t seed, const LoadOptions& load, LoadResult& result) {
  using Clock = Schedule::Clock;
  std::mt19937_64 random(seed);
  rocksdb::WriteOptions durably;
  durably.sync = true;
  LoadOptions closed_loop = load;
  closed_loop.rate = 0;
  const Schedule schedule(closed_loop, Clock::now());
  for (Clock::time_point start = Clock::now(); schedule.Due(start);) {
    const rocksdb::Slice record(bytes_.data() + random() % (kRandomBytes / 2),
                                options_.record_bytes);
    const rocksdb::Slice event(bytes_.data() + random() % (kRandomBytes / 2), options_.event_bytes);
    rocksdb::WriteBatch batch;
    // Spread over all keys, as hashes of ids are.
    const uint64_t customer = (random() % options_.customers) * 0x9E3779B97F4A7C15ull;
    rocksdb::Status status = batch.Put(customers_, KeyOf(customer), record);
    if (status.ok()) status = batch.Put(log_, KeyOf(position_.fetch_add(1)), event);
    if (status.ok()) status = db_->Write(durably, &batch);
    if (!status.ok()) {
      if (result.errors++ == 0) result.first_error = status.ToString();
      return;
    }
    const Clock::time_point end = Clock::now();
    ++result.answered;
    if (schedule.Measures(end)) {
      result.latency.Add(std::chrono::nanoseconds(end - start).count());
    }
    start = end;
  }
}

LoadResult BareRocksDb::Run(const LoadOptions& load) {
  std::vector<LoadResult> results(static_cast<size_t>(options_.threads));
  std::vector<std::thread> threads;
  threads.reserve(results.size());
  const uint64_t seed = position_;  // another one in every round
  for (size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&, i] { Write(seed * results.size() + i, load, results[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  LoadResult sum;
  for (const LoadResult& result : results) {
    sum.latency.Add(result.latency);
    sum.answered += result.answered;
    if (sum.errors == 0) sum.first_error = result.first_error;
    sum.errors += result.errors;
  }
  sum.qps = static_cast<double>(sum.latency.count()) / load.seconds;
  return sum;
}

}  // namespace attune::load
