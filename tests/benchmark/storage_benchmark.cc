// What the store costs: the thread that calls, and the whole process with flushes and compactions.

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "lib/storage/rocksdb_store.h"
#include "lib/storage/state_store.h"
#include "tests/testing/temp_dir.h"

namespace attune::storage {
namespace {

constexpr size_t kCustomers = 100'000;
constexpr size_t kRecordBytes = 500;
constexpr size_t kEventBytes = 700;
constexpr size_t kNewRecordBytes = 450;

double Seconds(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Bytes that compress about as well as encoded features: every other one is random.
std::string SomeBytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; i += 2) bytes[i] = static_cast<char>(random());
  return bytes;
}

// A key as the hash of an id would be; hashing is not what is measured.
CustomerKey KeyOf(uint64_t number) {
  CustomerKey key;
  uint64_t state = number;
  for (size_t half = 0; half < 2; ++half) {
    state += 0x9E3779B97F4A7C15;
    uint64_t x = state;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    x ^= x >> 31;
    std::copy_n(reinterpret_cast<const uint8_t*>(&x), sizeof x, key.data() + half * sizeof x);
  }
  return key;
}

// A store of its own for one benchmark, with `customers` records in it.
class Fixture {
 public:
  explicit Fixture(size_t customers,
                   uint64_t record_cache_bytes = RocksDbOptions().record_cache_bytes) {
    RocksDbOptions options;
    options.record_cache_bytes = record_cache_bytes;
    options.path = dir_.File("store");
    store_ = *OpenRocksDbStore(options);
    const std::string record = SomeBytes(kRecordBytes, 1);
    for (size_t begin = 0; begin < customers; begin += 1000) {
      Upsert(begin, std::min<size_t>(1000, customers - begin), record);
    }
  }

  // Loads and commits customers [begin, begin + count), as an import does. Returns how many failed.
  size_t Upsert(uint64_t begin, size_t count, const std::string& record,
                Durability durability = Durability::kPower) {
    keys_.resize(count);
    records_.resize(count);
    commits_.resize(count);
    for (size_t i = 0; i < count; ++i) keys_[i] = KeyOf(begin + i);
    if (!store_->LoadMany(keys_, absl::MakeSpan(records_)).ok()) return count;
    for (size_t i = 0; i < count; ++i) {
      commits_[i].key = keys_[i];
      commits_[i].expected = records_[i].version;
      commits_[i].bytes = record;
    }
    size_t failed = 0;
    for (const auto& result : store_->CommitMany(commits_, durability)) failed += !result.ok();
    return failed;
  }

  StateStore& store() { return *store_; }

 private:
  const testing::TempDir dir_;
  std::unique_ptr<StateStore> store_;
  std::vector<CustomerKey> keys_;
  std::vector<Record> records_;
  std::vector<CustomerCommit> commits_;
};

// Microseconds of CPU per iteration: of the calling thread and of the whole process. Google
// Benchmark reports either; both matter here.
class CpuMeter {
 public:
  CpuMeter()
      : thread_(Seconds(CLOCK_THREAD_CPUTIME_ID)), process_(Seconds(CLOCK_PROCESS_CPUTIME_ID)) {}
  void Report(benchmark::State& state, double per_iteration = 1) const {
    const double count = static_cast<double>(state.iterations()) * per_iteration;
    state.counters["thread_cpu_us"] =
        benchmark::Counter((Seconds(CLOCK_THREAD_CPUTIME_ID) - thread_) * 1e6 / count,
                           benchmark::Counter::kAvgThreads);
    state.counters["process_cpu_us"] =
        benchmark::Counter((Seconds(CLOCK_PROCESS_CPUTIME_ID) - process_) * 1e6 / count /
                               static_cast<double>(state.threads()),
                           benchmark::Counter::kAvgThreads);
  }

 private:
  const double thread_;
  const double process_;
};

void LoadKnown(benchmark::State& state) {
  Fixture fixture(kCustomers);
  std::mt19937_64 random(2);
  Record record;
  const CpuMeter cpu;
  for (auto _ : state) {
    if (!fixture.store().Load(KeyOf(random() % kCustomers), record).ok() || !record.found) {
      state.SkipWithError("not loaded");
    }
  }
  cpu.Report(state);
}
BENCHMARK(LoadKnown)->Name("storage/load_known")->UseRealTime();

void LoadUnknown(benchmark::State& state) {
  Fixture fixture(kCustomers);
  std::mt19937_64 random(2);
  Record record;
  const CpuMeter cpu;
  for (auto _ : state) {
    if (!fixture.store().Load(KeyOf(kCustomers + random() % kCustomers), record).ok() ||
        record.found) {
      state.SkipWithError("not loaded");
    }
  }
  cpu.Report(state);
}
BENCHMARK(LoadUnknown)->Name("storage/load_unknown")->UseRealTime();

// What a decision does: one read, one commit of the record with one event. The fixture is there
// when the threads have met at the start of the loop.
void DecideLoop(benchmark::State& state, const std::unique_ptr<Fixture>& fixture,
                Durability durability) {
  std::mt19937_64 random(static_cast<uint64_t>(state.thread_index()));
  const std::string bytes = SomeBytes(kRecordBytes, random());
  const std::string payload = SomeBytes(kEventBytes, random());
  const Event event{EventType::kDecision, payload};
  Record record;
  CustomerCommit commit;
  commit.bytes = bytes;
  commit.events = {&event, 1};
  double refused = 0;
  std::optional<CpuMeter> cpu;
  for (auto _ : state) {
    if (!cpu.has_value()) cpu.emplace();
    commit.key = KeyOf(random() % kCustomers);
    if (!fixture->store().Load(commit.key, record).ok()) state.SkipWithError("not loaded");
    commit.expected = record.version;
    refused += !fixture->store().Commit(commit, durability).ok();
  }
  cpu->Report(state);
  state.SetItemsProcessed(state.iterations());
  state.counters["refused"] = refused;
}

void Decide(benchmark::State& state) {
  static std::unique_ptr<Fixture> fixture;
  if (state.thread_index() == 0) fixture = std::make_unique<Fixture>(kCustomers);
  DecideLoop(state, fixture, Durability::kProcess);
  if (state.thread_index() == 0) fixture.reset();
}
BENCHMARK(Decide)->Name("storage/decide")->UseRealTime()->Threads(1)->Threads(2)->Threads(8);

// About customers who are in the database only.
void DecideCold(benchmark::State& state) {
  const auto fixture = std::make_unique<Fixture>(kCustomers, /*record_cache_bytes=*/4 << 20);
  DecideLoop(state, fixture, Durability::kProcess);
}
BENCHMARK(DecideCold)->Name("storage/decide_cold")->UseRealTime();

// Acknowledged when it survives power loss.
void DecideDurably(benchmark::State& state) {
  static std::unique_ptr<Fixture> fixture;
  if (state.thread_index() == 0) fixture = std::make_unique<Fixture>(kCustomers);
  DecideLoop(state, fixture, Durability::kPower);
  if (state.thread_index() == 0) fixture.reset();
}
BENCHMARK(DecideDurably)->Name("storage/decide_durably")->UseRealTime()->Threads(1)->Threads(8);

// An import of new customers, so many with each call.
void Import(benchmark::State& state) {
  Fixture fixture(0);
  const std::string record = SomeBytes(kNewRecordBytes, 1);
  const auto count = static_cast<size_t>(state.range(0));
  uint64_t next = 0;
  size_t failed = 0;
  const CpuMeter cpu;
  for (auto _ : state) {
    failed += fixture.Upsert(next, count, record, Durability::kPower);
    next += count;
  }
  cpu.Report(state, static_cast<double>(count));
  state.SetItemsProcessed(static_cast<int64_t>(next));
  state.counters["failed"] = static_cast<double>(failed);
}
BENCHMARK(Import)->Name("storage/import")->UseRealTime()->Arg(500)->Arg(1000);

}  // namespace
}  // namespace attune::storage
