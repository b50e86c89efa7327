// What is left when the process ends without closing the store. A copy of the folder, made while
// the store is open and nobody writes, is what the end of the process would leave.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/storage/journal_format.h"
#include "tests/testing/fault_injection_env.h"
#include "tests/unit/storage/store_fixture.h"

namespace attune::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Fault = testing::FaultInjectionFileSystem::Fault;

class RocksDbStoreCrashTest : public StoreFixture {
 protected:
  std::string JournalFolder() const { return options_.path + "/journal"; }

  static std::set<std::string> Files(const std::string& folder) {
    std::set<std::string> files;
    std::error_code error;  // a folder may go while it is walked through
    for (std::filesystem::recursive_directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error)) {
      files.insert(it->path().string());
    }
    return files;
  }

  // The folder as it is at one moment: the database deletes what it no longer needs in a thread of
  // its own, and a copy during which a file came or went is made again.
  void CopyFolder(const std::string& from, const std::string& to) {
    constexpr int kMaxAttempts = 1000;
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
      const std::set<std::string> before = Files(from);
      std::filesystem::remove_all(to);
      std::error_code error;
      std::filesystem::copy(from, to, std::filesystem::copy_options::recursive, error);
      if (!error && Files(from) == before) return;
    }
    FAIL() << from << " never stood still";
  }

  // The process ends here and the next begins.
  void Crash() {
    CopyFolder(options_.path, dir_.File("crashed"));
    Close();
    CopyFolder(dir_.File("crashed"), options_.path);
    Open();
  }
};

TEST_F(RocksDbStoreCrashTest, KeepsWhatWasFlushedAndAllBeforeIt) {
  Put("anna", "one", {"e1"});
  const absl::StatusOr<CommitReceipt> unflushed =
      Commit("anna", Load("anna"), "two", {"e2"}, Durability::kFlush);
  ASSERT_TRUE(unflushed.ok()) << unflushed.status();
  EXPECT_EQ(Load("anna").bytes, "two");
  EXPECT_EQ(Load("anna").version.number, unflushed->version);
  EXPECT_THAT(Payloads(), ElementsAre("e1", "e2"));
  // Nobody was told of it, so it may be lost.
  Crash();
  EXPECT_EQ(Load("anna").bytes, "one");
  EXPECT_THAT(Payloads(), ElementsAre("e1"));

  // What one of these three brings to the files survives, and only that.
  ASSERT_TRUE(Commit("berta", Load("berta"), "b", {"e3"}, Durability::kFlush).ok());
  ASSERT_TRUE(Commit("carla", Load("carla"), "c", {"e4"}, Durability::kFlush).ok());
  ASSERT_TRUE(store_->Flush().ok());
  ASSERT_TRUE(Commit("dora", Load("dora"), "d", {"e5"}, Durability::kFlush).ok());
  Put("emma", "e", {"e6"});
  ASSERT_TRUE(Commit("anna", Load("anna"), "three", {"e7"}, Durability::kFlush).ok());
  ASSERT_TRUE(store_->Sync().ok());
  ASSERT_TRUE(Commit("anna", Load("anna"), "four", {"e8"}, Durability::kFlush).ok());
  Crash();
  EXPECT_EQ(Load("berta").bytes, "b");
  EXPECT_EQ(Load("carla").bytes, "c");
  EXPECT_EQ(Load("dora").bytes, "d");
  EXPECT_EQ(Load("emma").bytes, "e");
  EXPECT_EQ(Load("anna").bytes, "three");
  EXPECT_THAT(Payloads(), ElementsAre("e1", "e3", "e4", "e5", "e6", "e7"));
  EXPECT_EQ(store_->Stats().customers_estimate, 5u);
}

TEST_F(RocksDbStoreCrashTest, ClosingKeepsWhatWasNotFlushed) {
  ASSERT_TRUE(Commit("anna", Load("anna"), "one", {"e1"}, Durability::kFlush).ok());
  Reopen();
  EXPECT_EQ(Load("anna").bytes, "one");
  EXPECT_THAT(Payloads(), ElementsAre("e1"));
}

TEST_F(RocksDbStoreCrashTest, KeepsEverythingThatWasCommitted) {
  const CommitReceipt first = Put("anna", "one", {"e1"});
  Put("berta", "two", {"e2", "e3"});
  const CommitReceipt last = Put("anna", "three");
  Crash();
  EXPECT_EQ(Load("anna").bytes, "three");
  EXPECT_EQ(Load("anna").version.number, last.version);
  EXPECT_EQ(Load("berta").bytes, "two");
  EXPECT_THAT(Payloads(), ElementsAre("e1", "e2", "e3"));
  EXPECT_EQ(store_->Stats().customers_estimate, 2u);
  EXPECT_GT(Put("anna", "four", {"e4"}).version, last.version);
  EXPECT_THAT(Payloads(first.version + 1), ElementsAre("e2", "e3", "e4"));
  EXPECT_TRUE(store_->Sync().ok());
}

TEST_F(RocksDbStoreCrashTest, KeepsEverythingOverManyCrashes) {
  std::vector<std::string> payloads;
  uint64_t last = 0;
  for (int life = 0; life < 6; ++life) {
    for (int i = 0; i < 20; ++i) {
      payloads.push_back(absl::StrCat(life, ".", i));
      const uint64_t version =
          Put(absl::StrCat("c", i), payloads.back(), {payloads.back()}).version;
      EXPECT_GT(version, last);
      last = version;
    }
    if (life % 2 == 0) {
      Crash();
    } else {
      Reopen();
    }
    EXPECT_EQ(Payloads(), payloads);
    EXPECT_EQ(Load("c7").bytes, absl::StrCat(life, ".7"));
    EXPECT_EQ(store_->Stats().customers_estimate, 20u);
  }
}

TEST_F(RocksDbStoreCrashTest, DoesNotBringBackWhoWasErased) {
  Put("anna", "record", {"a1", "a2"});
  Put("berta", "record", {"b1"});
  CopyFolder(JournalFolder(), dir_.File("journal"));
  ASSERT_TRUE(store_->Erase(Key("anna")).ok());
  Crash();
  EXPECT_FALSE(Load("anna").found);
  EXPECT_THAT(Payloads(), ElementsAre("b1"));
  EXPECT_EQ(store_->Stats().customers_estimate, 1u);
  // Not even with files of the journal that were deleted and came back with the power.
  Close();
  CopyFolder(dir_.File("journal"), JournalFolder());
  Open();
  EXPECT_FALSE(Load("anna").found);
  EXPECT_THAT(Payloads(), ElementsAre("b1"));
}

// The files of a checkpoint and the number at which the journal starts get into the database at
// once: there is no moment at which a journal that the power has cut short is brought in over them.
TEST_F(RocksDbStoreCrashTest, TakesOverACheckpointAsAWhole) {
  Close();
  testing::FaultInjectionEnv faults;
  options_.env = faults.env();
  Open();
  Put("anna", "record", {"a1", "a2"});
  faults.file_system().FailAppends(Fault::kIoError, ".log");
  // A checkpoint, and nothing to erase.
  EXPECT_TRUE(store_->Erase(Key("nobody")).ok());
  EXPECT_TRUE(std::filesystem::is_empty(JournalFolder()));
  CopyFolder(options_.path, dir_.File("crashed"));
  Close();
  faults.file_system().FailAppends(Fault::kNone);
  CopyFolder(dir_.File("crashed"), options_.path);
  Open();
  EXPECT_EQ(Load("anna").bytes, "record");
  EXPECT_THAT(Payloads(), ElementsAre("a1", "a2"));
  EXPECT_EQ(store_->Stats().customers_estimate, 1u);
  Close();
}

TEST_F(RocksDbStoreCrashTest, BringsInOnceMoreWhatACrashHasLeftInTheJournal) {
  constexpr int kEvents = 8;
  Close();
  testing::FaultInjectionEnv faults;
  options_.env = faults.env();
  Open();
  // After an error a checkpoint is written in pieces.
  faults.file_system().FailAppends(Fault::kNoSpace, ".log");
  EXPECT_FALSE(store_->PutBlob("name", "bytes").ok());
  faults.file_system().FailAppends(Fault::kNone);
  // Not TrimLog: it writes nothing, so it succeeds before the database does.
  const absl::Status healed =
      SucceedsWithin(kMaxHealing, [&] { return store_->PutBlob("name", "bytes"); });
  ASSERT_TRUE(healed.ok()) << healed;

  std::vector<std::string> payloads;
  for (int i = 0; i < kEvents; ++i) {
    payloads.emplace_back(700'000, static_cast<char>('a' + i));
    Put("anna", absl::StrCat(i), {payloads.back()});
  }
  // Some of them get into the database.
  const int failed_before = faults.file_system().appends_failed();
  faults.file_system().TearNextAppend(0, /*after=*/4, ".log");
  EXPECT_FALSE(store_->Erase(Key("nobody")).ok());
  ASSERT_EQ(faults.file_system().appends_failed(), failed_before + 1);
  EXPECT_GT(faults.file_system().syncs(), 0);
  EXPECT_FALSE(std::filesystem::is_empty(JournalFolder()));
  EXPECT_EQ(Payloads(), payloads);
  Put("anna", "again", {"last"});
  payloads.push_back("last");
  CopyFolder(options_.path, dir_.File("crashed"));
  Close();
  CopyFolder(dir_.File("crashed"), options_.path);
  Open();
  EXPECT_EQ(Load("anna").bytes, "again");
  EXPECT_EQ(Payloads(), payloads);
  EXPECT_EQ(store_->Stats().customers_estimate, 1u);
  Close();
}

TEST_F(RocksDbStoreCrashTest, RefusesADamagedJournal) {
  Put("anna", "record", {"a1", "a2"});
  Put("anna", "again", {"a3"});
  CopyFolder(options_.path, dir_.File("crashed"));
  Close();
  RocksDbOptions crashed = options_;
  crashed.path = dir_.File("crashed");
  const std::string journal = crashed.path + "/journal/" + SegmentFileName(1);
  ASSERT_TRUE(std::filesystem::exists(journal));
  {
    std::fstream file(journal, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('!');
  }
  const absl::Status status = OpenRocksDbStore(crashed).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(journal));
}

TEST_F(RocksDbStoreCrashTest, OpensAndIsReadOnAFullDisk) {
  Put("anna", "record", {"a1"});
  CopyFolder(options_.path, dir_.File("crashed"));
  Close();
  testing::FaultInjectionEnv faults;
  options_.env = faults.env();
  options_.path = dir_.File("crashed");
  faults.file_system().FailAppends(Fault::kNoSpace, "/checkpoint/");
  Open();
  EXPECT_EQ(Load("anna").bytes, "record");
  EXPECT_THAT(Payloads(), ElementsAre("a1"));
  EXPECT_FALSE(store_->Sync().ok());
  EXPECT_TRUE(store_->Stats().write_stopped);
  faults.file_system().FailAppends(Fault::kNone);
  Put("anna", "again", {"a2"});
  Reopen();
  EXPECT_EQ(Load("anna").bytes, "again");
  EXPECT_THAT(Payloads(), ElementsAre("a1", "a2"));
  Close();
}

TEST_F(RocksDbStoreCrashTest, RefusesCommitsWhenMemoryIsFullAndGoesOnLater) {
  Close();
  testing::FaultInjectionEnv faults;
  options_.env = faults.env();
  options_.write_buffer_bytes = 1 << 20;
  Open();
  faults.file_system().FailAppends(Fault::kNoSpace, "/checkpoint/");
  const std::string payload(100'000, 'p');
  absl::Status status;
  int committed = 0;
  // At first the disk is only taken to be slow.
  while (!absl::IsResourceExhausted(status)) {
    status = Commit("anna", Load("anna"), absl::StrCat(committed), {payload}).status();
    committed += status.ok();
    ASSERT_TRUE(status.ok() || absl::IsUnavailable(status) || absl::IsResourceExhausted(status));
    ASSERT_LT(committed, 1000);
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_GT(committed, 10);
  EXPECT_EQ(Load("anna").bytes, absl::StrCat(committed - 1));
  EXPECT_EQ(ReadAll().size(), static_cast<size_t>(committed));

  faults.file_system().FailAppends(Fault::kNone);
  // Whoever may wait does, until a checkpoint succeeds.
  status = Commit("anna", Load("anna"), "healed", {}, Durability::kPower).status();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadAll().size(), static_cast<size_t>(committed));
  Close();
}

// Everything at once: small buffers, so that checkpoints run all the time and hardly a record stays
// in memory, many writers, a reader of the log, an erasure.
TEST_F(RocksDbStoreCrashTest, LosesNothingBetweenMemoryAndFiles) {
  constexpr int kWriters = 4;
  constexpr int kCustomers = 300;
  constexpr int kCommitsEach = 1500;
  Close();
  options_.write_buffer_bytes = 1 << 20;
  options_.record_cache_bytes = 64 << 10;
  options_.block_cache_bytes = 1 << 20;
  Open();
  std::atomic<int> running{kWriters};
  std::vector<std::map<int, int>> commits(kWriters);
  std::vector<std::thread> writers;
  for (int t = 0; t < kWriters; ++t) {
    writers.emplace_back([&, t] {
      const std::string filling(700, static_cast<char>('a' + t));
      for (int i = 0; i < kCommitsEach;) {
        const int customer = (i * 37 + t * 11) % kCustomers;
        const std::string id = absl::StrCat(customer);
        const Record seen = Load(id);
        const int count = seen.found ? std::stoi(seen.bytes) : 0;
        const absl::Status status = Commit(id, seen, absl::StrCat(count + 1, " ", filling),
                                           {absl::StrCat(customer, " ", count + 1, " ", filling)})
                                        .status();
        if (status.ok()) {
          ++commits[static_cast<size_t>(t)][customer];
          ++i;
        } else {
          ASSERT_TRUE(absl::IsAborted(status) || absl::IsUnavailable(status)) << status;
        }
      }
      --running;
    });
  }
  uint64_t from = 0;
  std::map<int, int> seen;
  for (bool last_round = false;; last_round = running == 0) {
    for (const LogEntry& entry : ReadAll(from)) {
      int customer = 0;
      int count = 0;
      ASSERT_EQ(std::sscanf(entry.payload.c_str(), "%d %d", &customer, &count), 2);
      ASSERT_EQ(count, seen[customer] + 1) << "an event of customer " << customer;
      seen[customer] = count;
      from = entry.position + 1;
    }
    if (last_round) break;
  }
  for (std::thread& writer : writers) writer.join();
  const auto check = [&] {
    std::map<int, int> expected;
    for (const auto& by_writer : commits) {
      for (const auto& [customer, count] : by_writer) expected[customer] += count;
    }
    for (const auto& [customer, count] : expected) {
      ASSERT_EQ(std::stoi(Load(absl::StrCat(customer)).bytes), count);
    }
    EXPECT_EQ(seen, expected);
    EXPECT_EQ(ReadAll().size(), static_cast<size_t>(kWriters * kCommitsEach));
    EXPECT_EQ(store_->Stats().customers_estimate, static_cast<uint64_t>(kCustomers));
  };
  check();
  Reopen();
  check();
}

}  // namespace
}  // namespace attune::storage
