// What a store does when the disk fails under it.

#include <chrono>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/fault_injection_env.h"
#include "tests/unit/storage/store_fixture.h"

namespace attune::storage {
namespace {

using Fault = testing::FaultInjectionFileSystem::Fault;

class RocksDbStoreFaultTest : public StoreFixture {
 protected:
  RocksDbStoreFaultTest() { options_.env = faults_.env(); }
  ~RocksDbStoreFaultTest() override { Close(); }

  void SetUp() override {
    StoreFixture::SetUp();
    syncs_at_start_ = files().syncs();
  }

  testing::FaultInjectionFileSystem& files() { return faults_.file_system(); }

  testing::FaultInjectionEnv faults_;
  int syncs_at_start_ = 0;
};

TEST_F(RocksDbStoreFaultTest, GoesOnWhenThereIsSpaceAgain) {
  Put("anna", "before", {"before"});
  files().FailAppends(Fault::kNoSpace);
  for (int i = 0; i < 3; ++i) {
    const absl::Status status = Commit("anna", Load("anna"), "lost", {"lost"}).status();
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  }
  EXPECT_GT(files().appends_failed(), 0);
  EXPECT_TRUE(store_->Stats().write_stopped);
  EXPECT_EQ(Load("anna").bytes, "before");
  EXPECT_EQ(Payloads(), std::vector<std::string>{"before"});
  EXPECT_FALSE(store_->PutBlob("name", "bytes").ok());

  files().FailAppends(Fault::kNone);
  EXPECT_TRUE(Commit("anna", Load("anna"), "after", {"after"}).ok());
  const absl::Status status =
      SucceedsWithin(kMaxHealing, [&] { return store_->PutBlob("name", "bytes"); });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_FALSE(store_->Stats().write_stopped);
  Reopen();
  EXPECT_EQ(Load("anna").bytes, "after");
  EXPECT_EQ(Payloads(), (std::vector<std::string>{"before", "after"}));
  EXPECT_EQ(*store_->GetBlob("name"), "bytes");
}

TEST_F(RocksDbStoreFaultTest, ReadsAndWritesOnAfterAFailedWrite) {
  Put("anna", "before", {"before"});
  files().FailAppends(Fault::kIoError);
  absl::Status status = Commit("anna", Load("anna"), "lost", {"lost"}).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  files().FailAppends(Fault::kNone);
  EXPECT_EQ(Load("anna").bytes, "before");
  EXPECT_EQ(Payloads(), std::vector<std::string>{"before"});
  status = Commit("anna", Load("anna"), "after", {"after"}).status();
  EXPECT_TRUE(status.ok()) << status;

  Reopen();
  EXPECT_EQ(Load("anna").bytes, "after");
  EXPECT_EQ(Payloads(), (std::vector<std::string>{"before", "after"}));
}

TEST_F(RocksDbStoreFaultTest, AFailedFlushIsMadeUpForBeforeAnythingElseIsWritten) {
  Put("anna", "before", {"before"});
  ASSERT_TRUE(Commit("anna", Load("anna"), "late", {"late"}, Durability::kFlush).ok());
  files().FailAppends(Fault::kIoError);
  absl::Status status = store_->Flush();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_TRUE(absl::IsUnavailable(store_->Sync())) << "a reader's place must not outlive the event";
  EXPECT_EQ(Load("anna").bytes, "late");
  // From now on it is known at once that nothing can be written.
  status = Commit("anna", Load("anna"), "lost", {"lost"}, Durability::kFlush).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(Load("anna").bytes, "late");
  files().FailAppends(Fault::kNone);
  ASSERT_TRUE(Commit("anna", Load("anna"), "after", {"after"}, Durability::kProcess).ok());
  Reopen();
  EXPECT_EQ(Load("anna").bytes, "after");
  EXPECT_EQ(Payloads(), (std::vector<std::string>{"before", "late", "after"}));
}

TEST_F(RocksDbStoreFaultTest, AcknowledgesNothingAsDurableThatWasNotSynced) {
  Put("anna", "before");
  files().FailAppends(Fault::kNoSpace, "/checkpoint/");  // nothing gets into the database
  files().FailSyncs(Fault::kIoError);
  const absl::Status status =
      Commit("anna", Load("anna"), "after", {}, Durability::kPower).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_GT(files().syncs_failed(), 0);
  EXPECT_TRUE(store_->Stats().write_stopped);
  // Decisions go on, but nobody knows what is on the disk: nothing is called durable.
  EXPECT_TRUE(Commit("anna", Load("anna"), "later", {"event"}).ok());
  files().FailSyncs(Fault::kNone);
  EXPECT_FALSE(store_->Sync().ok());

  // Until everything is in the database.
  files().FailAppends(Fault::kNone);
  const absl::Status healed = SucceedsWithin(kMaxHealing, [&] { return store_->Sync(); });
  EXPECT_TRUE(healed.ok()) << healed;
  EXPECT_FALSE(store_->Stats().write_stopped);
  EXPECT_TRUE(Commit("anna", Load("anna"), "anew", {}, Durability::kPower).ok());
  Reopen();
  EXPECT_EQ(Load("anna").bytes, "anew");
  EXPECT_EQ(Payloads(), std::vector<std::string>{"event"});
}

TEST_F(RocksDbStoreFaultTest, MakesTheFolderOfTheJournalDurable) {
  EXPECT_TRUE(files().durable_folders().contains(options_.path + "/journal"));
}

TEST_F(RocksDbStoreFaultTest, SyncsForPowerCommitsAndNeverForOthers) {
  int before = files().syncs();
  for (int i = 0; i < 10; ++i) Put("anna", "record", {"event"});
  EXPECT_EQ(files().syncs(), before);
  ASSERT_TRUE(Commit("anna", Load("anna"), "r", {}, Durability::kPower).ok());
  EXPECT_EQ(files().syncs(), before + 1);
  ASSERT_TRUE(store_->Sync().ok());
  EXPECT_EQ(files().syncs(), before + 1);
  Put("anna", "record");
  ASSERT_TRUE(store_->Sync().ok());
  EXPECT_EQ(files().syncs(), before + 2);
}

TEST_F(RocksDbStoreFaultTest, KeepsLittleForEveryCheckpointThatFails) {
  constexpr int kAttempts = 50;
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  files().FailAppends(Fault::kNoSpace, "/checkpoint/");
  const auto before = open_files();
  for (int i = 0; i < kAttempts; ++i) {
    Put("anna", std::to_string(i), {"event"});
    EXPECT_FALSE(store_->TrimLog(0).ok());
  }
  EXPECT_LT(open_files(), before + 5);
  EXPECT_LT(store_->Stats().memtable_bytes, kAttempts * 8u << 10);
  files().FailAppends(Fault::kNone);
  ASSERT_TRUE(store_->Erase(Key("nobody")).ok());
  EXPECT_EQ(ReadAll().size(), static_cast<size_t>(kAttempts));
}

TEST_F(RocksDbStoreFaultTest, SyncsTheJournalBeforeTheFilesOfACheckpointAreMade) {
  Put("anna", "record", {"event"});
  EXPECT_EQ(files().syncs(), syncs_at_start_);
  int syncs = 0;
  files().BeforeNextFile("/checkpoint/", [&] { syncs = files().syncs(); });
  ASSERT_TRUE(store_->Erase(Key("nobody")).ok());
  EXPECT_EQ(syncs, syncs_at_start_ + 1);
}

// The database meets an error while the files of a checkpoint are made, when it has been asked
// already whether it can take them over.
TEST_F(RocksDbStoreFaultTest, WritesACheckpointIntoADatabaseThatHasJustFailed) {
  constexpr int kCustomers = 100;
  Close();
  options_.record_cache_bytes = 0;  // what is in the database is read from there
  Open();
  for (int round = 1; round <= 3; ++round) {
    const std::string bytes = "round " + std::to_string(round);
    for (int i = 0; i < kCustomers; ++i) Put(std::to_string(i), bytes, {"event"});
    if (round == 3) {
      files().BeforeNextFile("/checkpoint/", [&] {
        files().FailAppends(Fault::kNoSpace, ".sst");
        // More than a memtable: it is flushed.
        store_->PutBlob("blob", std::string(20 << 20, 'b')).IgnoreError();
        const auto put = [&] { return store_->PutBlob("blob", "b"); };
        const absl::Status noticed = SucceedsWithin(kMaxHealing, [&] {
          return put().ok() ? absl::UnknownError("not yet") : absl::OkStatus();
        });
        EXPECT_TRUE(noticed.ok());
        files().FailAppends(Fault::kNone);
        // It seems to have recovered, and has not: see DatabaseHealth.
        EXPECT_TRUE(SucceedsWithin(kMaxHealing, put).ok());
      });
    }
    const absl::Status status = SucceedsWithin(kMaxHealing, [&] { return store_->TrimLog(0); });
    ASSERT_TRUE(status.ok()) << status;
    for (int i = 0; i < kCustomers; ++i) ASSERT_EQ(Load(std::to_string(i)).bytes, bytes);
  }
  EXPECT_GT(files().appends_failed(), 0);
  Reopen();
  for (int i = 0; i < kCustomers; ++i) ASSERT_EQ(Load(std::to_string(i)).bytes, "round 3");
}

TEST_F(RocksDbStoreFaultTest, ClosesWhileACheckpointIsTriedAgain) {
  Close();
  options_.write_buffer_bytes = 64 << 10;
  Open();
  files().FailAppends(Fault::kNoSpace, "/checkpoint/");
  for (int i = 0; i < 100; ++i) Put("anna", std::to_string(i), {std::string(1000, 'e')});
  const absl::Status failed = SucceedsWithin(kMaxHealing, [&] {
    return store_->Stats().write_stopped ? absl::OkStatus() : absl::UnknownError("not yet");
  });
  ASSERT_TRUE(failed.ok()) << failed;
  // The last checkpoint takes longer than the other thread waits for its next one.
  files().BeforeNextFile("/checkpoint/",
                         [] { std::this_thread::sleep_for(std::chrono::milliseconds(1300)); });
  Close();
  files().FailAppends(Fault::kNone);
  Open();
  EXPECT_EQ(Load("anna").bytes, "99");
  EXPECT_EQ(ReadAll().size(), 100u);
}

}  // namespace
}  // namespace attune::storage
