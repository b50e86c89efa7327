#include "lib/storage/rocksdb_store.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/storage/state_store.h"
#include "tests/unit/storage/store_fixture.h"

namespace attune::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using RocksDbStoreTest = StoreFixture;

TEST_F(RocksDbStoreTest, FindsNothingAboutAnUnknownCustomer) {
  Record record;
  record.found = true;
  record.bytes = "of an earlier load";
  ASSERT_TRUE(store_->Load(Key("nobody"), record).ok());
  EXPECT_FALSE(record.found);
  EXPECT_EQ(record.version.number, 0u);
  EXPECT_EQ(record.bytes, "");
}

TEST_F(RocksDbStoreTest, LoadsWhatWasCommitted) {
  const CommitReceipt first = Put("anna", "one");
  Record record = Load("anna");
  EXPECT_TRUE(record.found);
  EXPECT_EQ(record.bytes, "one");
  EXPECT_EQ(record.version.number, first.version);

  const CommitReceipt second = Put("anna", "two");
  EXPECT_GT(second.version, first.version);
  EXPECT_EQ(Load("anna").bytes, "two");
}

TEST_F(RocksDbStoreTest, KeepsEmptyAndBinaryRecords) {
  const std::string binary("\0\xFF\n\0", 4);
  Put("empty", "");
  Put("binary", binary);
  EXPECT_TRUE(Load("empty").found);
  EXPECT_EQ(Load("empty").bytes, "");
  EXPECT_EQ(Load("binary").bytes, binary);
}

TEST_F(RocksDbStoreTest, RefusesACommitOverAChangedRecord) {
  Put("anna", "one");
  const Record seen = Load("anna");
  Put("anna", "two");
  const absl::Status status = Commit("anna", seen, "three", {"event"}).status();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("load it again"));
  EXPECT_EQ(Load("anna").bytes, "two");
  EXPECT_THAT(ReadAll(), IsEmpty());
  EXPECT_EQ(store_->Stats().conflicts, 1u);
}

TEST_F(RocksDbStoreTest, RefusesToCreateACustomerWhoExistsAndToUpdateOneWhoDoesNot) {
  const Record nothing = Load("anna");
  Put("anna", "one");
  EXPECT_TRUE(absl::IsAborted(Commit("anna", nothing, "two").status()));

  Record invented = Load("berta");
  invented.version = {1, 0};
  EXPECT_TRUE(absl::IsAborted(Commit("berta", invented, "x").status()));
  EXPECT_FALSE(Load("berta").found);
}

TEST_F(RocksDbStoreTest, AcceptsAVersionWithoutAToken) {
  const CommitReceipt first = Put("anna", "one");
  Record remembered;
  remembered.version = {first.version, 0};
  EXPECT_TRUE(Commit("anna", remembered, "two").ok());
  EXPECT_TRUE(Commit("new", Record(), "x").ok());
}

TEST_F(RocksDbStoreTest, TakesATokenOfAnotherStoreForNothing) {
  Put("anna", "one");
  const Record seen = Load("anna");
  Put("anna", "two");
  Reopen();
  EXPECT_TRUE(absl::IsAborted(Commit("anna", seen, "three").status()));
}

TEST_F(RocksDbStoreTest, WritesEventsWithTheRecord) {
  const CommitReceipt receipt = Put("anna", "record", {"e0", "e1", "e2"});
  const std::vector<LogEntry> entries = ReadAll();
  ASSERT_EQ(entries.size(), 3u);
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].position, receipt.version + i);
    EXPECT_EQ(entries[i].customer, Key("anna"));
    EXPECT_EQ(entries[i].type, EventType::kDecision);
    EXPECT_EQ(entries[i].payload, absl::StrCat("e", i));
  }
  EXPECT_GT(Put("berta", "record", {"e"}).version, entries.back().position);
}

TEST_F(RocksDbStoreTest, KeepsTheRecordWhenOnlyEventsAreCommitted) {
  Put("anna", "record");
  const Record seen = Load("anna");
  const Event event{EventType::kDecision, "happened"};
  CustomerCommit commit;
  commit.key = Key("anna");
  commit.expected = seen.version;
  commit.keep_record = true;
  commit.events = {&event, 1};
  absl::StatusOr<CommitReceipt> receipt = store_->Commit(commit, Durability::kProcess);
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(ReadAll().at(0).position, receipt->version);
  EXPECT_EQ(Load("anna").version.number, seen.version.number);
  EXPECT_EQ(Load("anna").bytes, "record");

  Put("anna", "changed");
  EXPECT_TRUE(absl::IsAborted(store_->Commit(commit, Durability::kProcess).status()));
}

TEST_F(RocksDbStoreTest, SharesOneSyncAmongPowerCommits) {
  absl::StatusOr<CommitReceipt> receipt =
      Commit("anna", Load("anna"), "durable", {"e"}, Durability::kPower);
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(Load("anna").bytes, "durable");
  EXPECT_TRUE(store_->Sync().ok());
}

TEST_F(RocksDbStoreTest, CommitsManyEachOnItsOwn) {
  Put("stale", "one");
  const Record stale = Load("stale");
  Put("stale", "two");

  const std::string too_large(kMaxRecordBytes + 1, 'x');
  std::vector<CustomerCommit> commits(4);
  for (size_t i = 0; i < commits.size(); ++i) {
    commits[i].key = Key(absl::StrCat("c", i));
    commits[i].expected = Load(absl::StrCat("c", i)).version;
    commits[i].bytes = "bytes";
  }
  commits[1].key = Key("stale");
  commits[1].expected = stale.version;
  commits[2].bytes = too_large;
  for (const Durability durability : {Durability::kProcess, Durability::kPower}) {
    const auto results = store_->CommitMany(commits, durability);
    ASSERT_EQ(results.size(), commits.size());
    EXPECT_TRUE(results[0].ok()) << results[0].status();
    EXPECT_TRUE(absl::IsAborted(results[1].status())) << results[1].status();
    EXPECT_TRUE(absl::IsResourceExhausted(results[2].status())) << results[2].status();
    EXPECT_THAT(std::string(results[2].status().message()), HasSubstr("max_record_bytes"));
    EXPECT_TRUE(results[3].ok()) << results[3].status();
    EXPECT_EQ(Load("c0").version.number, results[0]->version);
    EXPECT_EQ(Load("c3").version.number, results[3]->version);
    commits[0].expected = Load("c0").version;
    commits[3].expected = Load("c3").version;
  }
  EXPECT_EQ(Load("stale").bytes, "two");
}

TEST_F(RocksDbStoreTest, SeesTheFirstOfTwoCommitsOfOneGroup) {
  Put("anna", "one");
  const Record seen = Load("anna");
  std::vector<CustomerCommit> commits(2);
  for (CustomerCommit& commit : commits) {
    commit.key = Key("anna");
    commit.expected = seen.version;
  }
  commits[0].bytes = "first";
  commits[1].bytes = "second";
  const auto results = store_->CommitMany(commits, Durability::kProcess);
  EXPECT_TRUE(results[0].ok()) << results[0].status();
  EXPECT_TRUE(absl::IsAborted(results[1].status())) << results[1].status();
  EXPECT_EQ(Load("anna").bytes, "first");
}

TEST_F(RocksDbStoreTest, LoadsManyKnownAndUnknown) {
  Put("a", "1");
  Put("b", "2");
  const std::vector<CustomerKey> keys = {Key("a"), Key("nobody"), Key("b")};
  std::vector<Record> records(keys.size());
  records[1].bytes = "of an earlier load";
  ASSERT_TRUE(store_->LoadMany(keys, absl::MakeSpan(records)).ok());
  EXPECT_EQ(records[0].bytes, "1");
  EXPECT_FALSE(records[1].found);
  EXPECT_EQ(records[1].bytes, "");
  EXPECT_EQ(records[2].bytes, "2");
  for (size_t i = 0; i < keys.size(); ++i) {
    CustomerCommit commit;
    commit.key = keys[i];
    commit.expected = records[i].version;
    commit.bytes = "next";
    EXPECT_TRUE(store_->Commit(commit, Durability::kProcess).ok());
  }
}

TEST_F(RocksDbStoreTest, LetsEveryOneOfManyWritersThroughOncePerVersion) {
  constexpr int kThreads = 64;
  constexpr int kCommitsEach = 50;
  Put("anna", "0");
  std::atomic<int> conflicts{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kCommitsEach;) {
        const Record seen = Load("anna");
        const std::string next = absl::StrCat(std::stoi(seen.bytes) + 1);
        const absl::Status status = Commit("anna", seen, next, {next}).status();
        if (status.ok()) {
          ++i;
        } else {
          ASSERT_TRUE(absl::IsAborted(status)) << status;
          ++conflicts;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Load("anna").bytes, absl::StrCat(kThreads * kCommitsEach));
  EXPECT_EQ(store_->Stats().conflicts, static_cast<uint64_t>(conflicts));
  // One event per success, and the events count up without a gap.
  const std::vector<std::string> payloads = Payloads();
  ASSERT_EQ(payloads.size(), static_cast<size_t>(kThreads * kCommitsEach));
  for (size_t i = 0; i < payloads.size(); ++i) EXPECT_EQ(payloads[i], absl::StrCat(i + 1));
}

TEST_F(RocksDbStoreTest, NeverShowsALogReaderAPositionThatItHasPassed) {
  constexpr int kWriters = 8;
  constexpr int kCommitsEach = 400;
  std::atomic<int> running{kWriters};
  std::vector<std::thread> writers;
  for (int t = 0; t < kWriters; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; i < kCommitsEach; ++i) {
        Put(absl::StrCat("customer ", t, " ", i % 7), "record", {"a", "b"});
      }
      --running;
    });
  }
  uint64_t from = 0;
  std::set<uint64_t> seen;
  for (bool last_round = false;; last_round = running == 0) {
    for (const LogEntry& entry : ReadAll(from)) {
      EXPECT_GE(entry.position, from);
      seen.insert(entry.position);
      from = entry.position + 1;
    }
    if (last_round) break;
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(seen.size(), static_cast<size_t>(2 * kWriters * kCommitsEach));
  EXPECT_EQ(ReadAll().size(), seen.size());
}

// Who is asked again with an earlier request's id loads the record and reads the answer at its
// version: an answer that can't be read would be taken for one that has left the log.
TEST_F(RocksDbStoreTest, ShowsTheEventsOfEveryVersionThatCanBeLoaded) {
  constexpr int kVersions = 5000;
  const std::string payload(1500, 'e');
  Put("anna", "record", {payload});
  std::atomic<bool> running{true};
  std::thread writer([&] {
    for (int i = 0; i < kVersions; ++i) Put("anna", "record", {payload});
    running = false;
  });
  int missing = 0;
  while (running) {
    const uint64_t version = Load("anna").version.number;
    missing += !store_->ReadLogAt(version)->has_value();
  }
  writer.join();
  EXPECT_EQ(missing, 0);
}

TEST_F(RocksDbStoreTest, KeepsEverythingWhenItIsOpenedAgain) {
  const CommitReceipt before = Put("anna", "one", {"e1", "e2"});
  ASSERT_TRUE(store_->PutBlob("model", "weights").ok());
  const CustomerKey key = Key("anna");
  Reopen();
  EXPECT_EQ(Key("anna"), key);
  EXPECT_EQ(Load("anna").bytes, "one");
  EXPECT_EQ(Load("anna").version.number, before.version);
  EXPECT_THAT(Payloads(), ElementsAre("e1", "e2"));
  EXPECT_EQ(*store_->GetBlob("model"), "weights");
  const CommitReceipt after = Put("anna", "two", {"e3"});
  EXPECT_GT(after.version, before.version + 1);
  EXPECT_THAT(Payloads(), ElementsAre("e1", "e2", "e3"));
  EXPECT_THAT(Payloads(after.version), ElementsAre("e3"));
}

TEST_F(RocksDbStoreTest, GivesGrowingVersionsOverManyLives) {
  uint64_t last = 0;
  for (int life = 0; life < 5; ++life) {
    const CommitReceipt receipt = Put("anna", "record", {"e"});
    EXPECT_GT(receipt.version, last);
    last = receipt.version;
    Reopen();
  }
}

TEST_F(RocksDbStoreTest, UsesTheGivenKeyForANewStoreOnly) {
  const CustomerKey random = Key("anna");
  options_.id_key = HashKeyFromSeed(1);
  Reopen();
  EXPECT_EQ(Key("anna"), random);

  RocksDbOptions fresh = options_;
  fresh.path = dir_.File("fresh");
  auto store = OpenRocksDbStore(fresh);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->KeyOf("anna"), KeyedHash128(HashKeyFromSeed(1), "anna"));
}

TEST_F(RocksDbStoreTest, ErasesARecordAndItsEvents) {
  Put("anna", "record", {"a1", "a2"});
  Put("berta", "record", {"b1"});
  Put("anna", "again", {"a3"});
  const Record seen = Load("anna");
  absl::StatusOr<StateStore::Erased> erased = store_->Erase(Key("anna"));
  ASSERT_TRUE(erased.ok()) << erased.status();
  EXPECT_TRUE(erased->record);
  EXPECT_EQ(erased->events, 3);
  EXPECT_FALSE(Load("anna").found);
  EXPECT_THAT(Payloads(), ElementsAre("b1"));
  EXPECT_EQ(Load("berta").bytes, "record");
  // A decision that was being made with the record does not bring it back.
  EXPECT_TRUE(absl::IsAborted(Commit("anna", seen, "zombie").status()));

  Reopen();
  EXPECT_FALSE(Load("anna").found);
  EXPECT_THAT(Payloads(), ElementsAre("b1"));
  erased = store_->Erase(Key("anna"));
  ASSERT_TRUE(erased.ok()) << erased.status();
  EXPECT_FALSE(erased->record);
  EXPECT_EQ(erased->events, 0);
}

TEST_F(RocksDbStoreTest, ErasesManyEvents) {
  std::vector<std::string> payloads(700, "payload");
  Put("anna", "record", payloads);
  Put("berta", "record", payloads);
  absl::StatusOr<StateStore::Erased> erased = store_->Erase(Key("anna"));
  ASSERT_TRUE(erased.ok()) << erased.status();
  EXPECT_EQ(erased->events, 700);
  EXPECT_EQ(ReadAll().size(), 700u);
}

TEST_F(RocksDbStoreTest, LeavesNoByteOfWhatWasErasedInItsFiles) {
  constexpr char kMarker[] = "MARKER-OF-ANNA";
  Close();
  options_.erasure_seconds = 1;
  Open();
  // Each in files of its own, with others around.
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i) Put(absl::StrCat("c", i), "record", {"event"});
    Put("anna", absl::StrCat(kMarker, round), {absl::StrCat(kMarker, " event ", round)});
    ASSERT_TRUE(store_->Erase(Key("nobody")).ok());  // a checkpoint
  }
  const auto files_with_marker = [&] {
    std::vector<std::string> files;
    std::error_code error;  // files come and go
    for (std::filesystem::recursive_directory_iterator it(options_.path, error), end;
         !error && it != end; it.increment(error)) {
      if (!it->is_regular_file(error)) continue;
      std::ifstream file(it->path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      if (absl::StrContains(bytes, kMarker)) files.push_back(it->path());
    }
    return files;
  };
  EXPECT_THAT(files_with_marker(), Not(IsEmpty()));
  ASSERT_TRUE(store_->Erase(Key("anna")).ok());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (int i = 0; !files_with_marker().empty() && std::chrono::steady_clock::now() < end; ++i) {
    ASSERT_TRUE(store_->TrimLog(1 << 30).ok());
    Put("berta", absl::StrCat(i), {"later"});
    ASSERT_TRUE(store_->Erase(Key("nobody")).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_THAT(files_with_marker(), IsEmpty());
}

TEST_F(RocksDbStoreTest, ReadsTheLogFromAPositionUntilTheReaderHasEnough) {
  const CommitReceipt first = Put("anna", "r", {"a", "b"});
  Put("anna", "r", {"c"});
  EXPECT_THAT(Payloads(first.version + 1), ElementsAre("b", "c"));
  EXPECT_THAT(Payloads(first.version + 1000), IsEmpty());
  int visited = 0;
  ASSERT_TRUE(store_->ReadLog(0, [&](const LogEntry&) { return ++visited < 2; }).ok());
  EXPECT_EQ(visited, 2);
}

TEST_F(RocksDbStoreTest, FindsAnEventByItsPosition) {
  const CommitReceipt receipt = Put("anna", "r", {"a", "b"});
  absl::StatusOr<std::optional<LogEntry>> entry = store_->ReadLogAt(receipt.version + 1);
  ASSERT_TRUE(entry.ok() && entry->has_value());
  EXPECT_EQ((*entry)->payload, "b");
  EXPECT_EQ((*entry)->customer, Key("anna"));
  EXPECT_EQ((*entry)->position, receipt.version + 1);
  entry = store_->ReadLogAt(receipt.version + 2);
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_FALSE(entry->has_value());
}

TEST_F(RocksDbStoreTest, DropsTheOldestEvents) {
  constexpr int kEvents = 2000;
  uint64_t last = 0;
  std::mt19937 random(1);  // what compresses well can't be trimmed to a size
  for (int i = 0; i < kEvents; ++i) {
    std::string payload(500, '\0');
    for (char& c : payload) c = static_cast<char>(random());
    last = Put("anna", "r", {payload}).version;
  }
  const uint64_t first = ReadAll().front().position;
  ASSERT_TRUE(store_->TrimLog(100 << 20).ok());
  EXPECT_EQ(ReadAll().size(), static_cast<size_t>(kEvents));

  ASSERT_TRUE(store_->TrimLog(300'000).ok());
  const std::vector<LogEntry> left = ReadAll();
  EXPECT_LT(left.size(), static_cast<size_t>(kEvents));
  EXPECT_GT(left.size(), 100u);
  EXPECT_EQ(left.back().position, last);

  const absl::Status status = store_->ReadLog(first, [](const LogEntry&) { return true; });
  EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
  EXPECT_FALSE(store_->ReadLogAt(first)->has_value());
  // Who has read everything that was dropped goes on right behind it.
  EXPECT_EQ(ReadAll(left.front().position).size(), left.size());

  Reopen();
  EXPECT_EQ(ReadAll().size(), left.size());
  EXPECT_TRUE(absl::IsOutOfRange(store_->ReadLog(first, [](const LogEntry&) { return true; })));

  ASSERT_TRUE(store_->TrimLog(0).ok());
  EXPECT_THAT(ReadAll(), IsEmpty());
  EXPECT_THAT(ReadAll(last + 1), IsEmpty());
  Put("anna", "r", {"later"});
  EXPECT_THAT(Payloads(last + 1), ElementsAre("later"));
}

TEST_F(RocksDbStoreTest, DropsTheEventsBeforeAPosition) {
  Put("anna", "r", {"first", "second"});
  const uint64_t third = Put("anna", "r", {"third"}).version;
  Reopen();  // the first ones are in the database, the next ones in memory
  const uint64_t fourth = Put("anna", "r", {"fourth"}).version;
  Put("anna", "r", {"fifth"});
  ASSERT_TRUE(store_->TrimLogBefore(third).ok());
  EXPECT_THAT(Payloads(), ElementsAre("third", "fourth", "fifth"));
  EXPECT_EQ(store_->SpanOfLog().start, third);
  EXPECT_TRUE(absl::IsOutOfRange(store_->ReadLog(third - 1, [](const LogEntry&) { return true; })));
  ASSERT_TRUE(store_->TrimLogBefore(fourth + 1).ok());
  EXPECT_THAT(Payloads(), ElementsAre("fifth"));
  ASSERT_TRUE(store_->TrimLogBefore(third).ok());
  EXPECT_EQ(store_->SpanOfLog().start, fourth + 1) << "the start never moves back";
  Reopen();
  EXPECT_THAT(Payloads(), ElementsAre("fifth"));
  ASSERT_TRUE(store_->TrimLogBefore(uint64_t{1} << 60).ok());
  EXPECT_THAT(Payloads(), IsEmpty());
  Put("anna", "r", {"later"});
  EXPECT_THAT(Payloads(), ElementsAre("later"));
}

TEST_F(RocksDbStoreTest, TellsWhereTheLogEnds) {
  const uint64_t empty = store_->SpanOfLog().end;
  const uint64_t position = Put("anna", "r", {"first", "second"}).version;
  EXPECT_GE(position, empty);
  EXPECT_EQ(store_->SpanOfLog().end, position + 2);
  // Whoever has read all of it is never told that the log ends before, whatever was erased.
  Put("bob", "r", {"third"});
  const uint64_t end = store_->SpanOfLog().end;
  ASSERT_TRUE(store_->Erase(Key("bob")).ok());
  EXPECT_GE(store_->SpanOfLog().end, end);
  Reopen();
  EXPECT_GE(store_->SpanOfLog().end, end);
  EXPECT_GE(Put("anna", "r", {"fourth"}).version, store_->SpanOfLog().start);
  EXPECT_GT(store_->SpanOfLog().end, end);
  EXPECT_GT(store_->Stats().log_bytes, 0u);
}

TEST_F(RocksDbStoreTest, RefusesWhatIsTooLarge) {
  const std::string large(kMaxRecordBytes, 'x');
  Put("anna", large, {large});
  EXPECT_EQ(Load("anna").bytes.size(), large.size());

  const absl::Status record = Commit("anna", Load("anna"), large + "x").status();
  EXPECT_TRUE(absl::IsResourceExhausted(record)) << record;
  EXPECT_TRUE(IsUnwritten(record));
  EXPECT_THAT(std::string(record.message()), HasSubstr("max_record_bytes"));
  const absl::Status event = Commit("anna", Load("anna"), "r", {large + "x"}).status();
  EXPECT_TRUE(absl::IsResourceExhausted(event)) << event;
  EXPECT_THAT(std::string(event.message()), HasSubstr("max_event_bytes"));
  const absl::Status events =
      Commit("anna", Load("anna"), "r", std::vector<std::string>(kMaxEventsPerCommit + 1, "e"))
          .status();
  EXPECT_TRUE(absl::IsResourceExhausted(events)) << events;
  EXPECT_THAT(std::string(events.message()), HasSubstr("max_events_per_commit"));
  EXPECT_EQ(Load("anna").bytes.size(), large.size());
}

TEST_F(RocksDbStoreTest, IsOpenedByOneAtATime) {
  const absl::Status status = OpenRocksDbStore(options_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("another process has the store in"));
}

TEST_F(RocksDbStoreTest, WritesNothingWhileNothingHappens) {
  Put("anna", "record", {"event"});
  const uint64_t unsynced = store_->Stats().written_bytes;
  ASSERT_TRUE(store_->Sync().ok());
  const uint64_t synced = store_->Stats().written_bytes;
  EXPECT_GT(synced, unsynced);  // that it is
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(store_->Sync().ok());
  EXPECT_EQ(store_->Stats().written_bytes, synced);
}

TEST_F(RocksDbStoreTest, TellsWhatItHolds) {
  for (int i = 0; i < 100; ++i) Put(absl::StrCat("c", i), "record", {"event"});
  const StoreStats stats = store_->Stats();
  EXPECT_EQ(stats.customers_estimate, 100u);
  EXPECT_EQ(stats.log_entries_estimate, 100u);
  EXPECT_GT(stats.memtable_bytes, 0u);
  EXPECT_GT(stats.written_bytes, 0u);
  EXPECT_FALSE(stats.write_stopped);
}

TEST_F(RocksDbStoreTest, SaysNoIdInAnError) {
  const Record seen = Load("secret-id");
  Put("secret-id", "secret-bytes");
  const absl::Status status = Commit("secret-id", seen, "secret-bytes").status();
  EXPECT_THAT(status.ToString(), Not(HasSubstr("secret")));
}

class RocksDbStoreScanTest : public StoreFixture {
 protected:
  // What a scan in steps of `step` sees.
  std::map<CustomerKey, std::string> Scan(size_t step) const {
    std::map<CustomerKey, std::string> seen;
    std::optional<CustomerKey> cursor;
    do {
      size_t visited = 0;
      const auto next =
          store_->Scan(cursor, step, [&](const CustomerKey& key, const Record& record) {
            EXPECT_TRUE(record.found);
            EXPECT_GT(record.version.number, 0u);
            EXPECT_TRUE(seen.empty() || seen.rbegin()->first < key) << "in the order of the keys";
            seen[key] = record.bytes;
            if (++visited == 1 && after_first_) after_first_();
          });
      EXPECT_TRUE(next.ok()) << next.status();
      EXPECT_LE(visited, step);
      cursor = next.ok() ? *next : std::nullopt;
    } while (cursor);
    return seen;
  }
  void Expect(const std::map<CustomerKey, std::string>& expected) const {
    for (const size_t step : {1, 7, 1000}) EXPECT_EQ(Scan(step), expected) << step;
  }
  void Write(const std::string& id, const std::string& bytes) {
    ASSERT_TRUE(Commit(id, Load(id), bytes).ok());
    expected_[Key(id)] = bytes;
  }
  void Remove(const std::string& id) {
    ASSERT_TRUE(store_->Erase(Key(id)).ok());
    expected_.erase(Key(id));
  }

  std::map<CustomerKey, std::string> expected_;
  std::function<void()> after_first_;  // called when each call has visited its first record
};

TEST_F(RocksDbStoreScanTest, SeesNobodyInAnEmptyStore) { Expect({}); }

TEST_F(RocksDbStoreScanTest, SeesEverybodyOnceInMemoryAndInTheDatabase) {
  for (int i = 0; i < 60; ++i) Write(absl::StrCat("stored", i), absl::StrCat("old", i));
  Expect(expected_);
  Reopen();  // they are in the database now
  Expect(expected_);
  for (int i = 0; i < 30; ++i) Write(absl::StrCat("new", i), "fresh");
  for (int i = 0; i < 60; i += 2) Write(absl::StrCat("stored", i), absl::StrCat("changed", i));
  Write("stored1", "");  // an empty record is one
  Expect(expected_);
}

TEST_F(RocksDbStoreScanTest, SeesNobodyWhoWasErased) {
  for (int i = 0; i < 20; ++i) Write(absl::StrCat("c", i), "record");
  Reopen();
  for (int i = 0; i < 20; i += 3) Remove(absl::StrCat("c", i));
  Write("c3", "back");
  Expect(expected_);
}

TEST_F(RocksDbStoreScanTest, SeesWhatLeavesMemoryMeanwhile) {
  options_.block_cache_bytes = 1 << 20;  // too small for what is clean to stay
  Reopen();
  for (int i = 0; i < 20; ++i) Write(absl::StrCat("c", i), std::string(20'000, 'a'));
  Reopen();
  for (int i = 0; i < 20; ++i) Write(absl::StrCat("c", i), std::string(20'000, 'b'));
  // An erasure brings all that is in memory into the database.
  after_first_ = [this] { ASSERT_TRUE(store_->Erase(Key("nobody")).ok()); };
  EXPECT_EQ(Scan(1000), expected_);
}

}  // namespace
}  // namespace attune::storage
