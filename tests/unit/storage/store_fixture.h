#ifndef ATTUNE_TESTS_UNIT_STORAGE_STORE_FIXTURE_H_
#define ATTUNE_TESTS_UNIT_STORAGE_STORE_FIXTURE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lib/storage/rocksdb_store.h"
#include "lib/storage/state_store.h"
#include "tests/testing/temp_dir.h"

namespace attune::storage {

// A test with a store on real RocksDB in a folder of its own.
class StoreFixture : public ::testing::Test {
 protected:
  StoreFixture() {
    options_.path = dir_.File("store");
    options_.block_cache_bytes = 8 << 20;
  }

  void SetUp() override { Open(); }

  void Open() {
    absl::StatusOr<std::unique_ptr<StateStore>> opened = OpenRocksDbStore(options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  void Close() { store_.reset(); }
  void Reopen() {
    Close();
    Open();
  }

  CustomerKey Key(std::string_view id) const { return store_->KeyOf(id); }

  Record Load(std::string_view id) const {
    Record record;
    const absl::Status status = store_->Load(Key(id), record);
    EXPECT_TRUE(status.ok()) << status;
    return record;
  }

  // Commits over what was loaded.
  absl::StatusOr<CommitReceipt> Commit(std::string_view id, const Record& loaded,
                                       std::string_view bytes,
                                       const std::vector<std::string>& payloads = {},
                                       Durability durability = Durability::kProcess) {
    std::vector<Event> events;
    for (const std::string& payload : payloads) events.push_back({EventType::kDecision, payload});
    CustomerCommit commit;
    commit.key = Key(id);
    commit.expected = loaded.version;
    commit.bytes = bytes;
    commit.events = events;
    return store_->Commit(commit, durability);
  }

  // Loads and commits; must succeed.
  CommitReceipt Put(std::string_view id, std::string_view bytes,
                    const std::vector<std::string>& payloads = {}) {
    absl::StatusOr<CommitReceipt> receipt = Commit(id, Load(id), bytes, payloads);
    EXPECT_TRUE(receipt.ok()) << receipt.status();
    return receipt.ok() ? *receipt : CommitReceipt{};
  }

  std::vector<LogEntry> ReadAll(uint64_t from = 0) const {
    std::vector<LogEntry> entries;
    const absl::Status status = store_->ReadLog(from, [&](const LogEntry& entry) {
      entries.push_back(entry);
      return true;
    });
    EXPECT_TRUE(status.ok()) << status;
    return entries;
  }

  std::vector<std::string> Payloads(uint64_t from = 0) const {
    std::vector<std::string> payloads;
    for (LogEntry& entry : ReadAll(from)) payloads.push_back(std::move(entry.payload));
    return payloads;
  }

  // RocksDB tries again every 5 s, and a machine may be busy.
  static constexpr std::chrono::seconds kMaxHealing{120};

  // Tries until it succeeds: some recover in a thread of their own, when it is ready.
  static absl::Status SucceedsWithin(std::chrono::seconds limit,
                                     const std::function<absl::Status()>& attempt) {
    const auto end = std::chrono::steady_clock::now() + limit;
    absl::Status status = attempt();
    while (!status.ok() && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      status = attempt();
    }
    return status;
  }

  const testing::TempDir dir_;
  RocksDbOptions options_;
  std::unique_ptr<StateStore> store_;
};

}  // namespace attune::storage

#endif  // ATTUNE_TESTS_UNIT_STORAGE_STORE_FIXTURE_H_
