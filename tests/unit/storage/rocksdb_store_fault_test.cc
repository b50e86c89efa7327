// What a store does when the disk fails under it.

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fault_injection_env.h"
#include "tests/unit/storage/store_fixture.h"

namespace attune::storage {
namespace {

using ::testing::HasSubstr;

using Fault = testing::FaultInjectionFileSystem::Fault;

class RocksDbStoreFaultTest : public StoreFixture {
 protected:
  RocksDbStoreFaultTest() { options_.env = faults_.env(); }
  ~RocksDbStoreFaultTest() override { Close(); }

  testing::FaultInjectionFileSystem& files() { return faults_.file_system(); }

  // Tries until a commit succeeds; RocksDB recovers in a thread of its own, when it is ready.
  absl::Status CommitWithin(std::chrono::seconds limit, std::string_view bytes) {
    const auto end = std::chrono::steady_clock::now() + limit;
    absl::Status status;
    do {
      status = Commit("anna", Load("anna"), bytes, {std::string(bytes)}).status();
      if (status.ok()) return status;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    } while (std::chrono::steady_clock::now() < end);
    return status;
  }

  testing::FaultInjectionEnv faults_;
};

TEST_F(RocksDbStoreFaultTest, GoesOnWhenThereIsSpaceAgain) {
  Put("anna", "before", {"before"});
  files().FailAppends(Fault::kNoSpace);
  for (int i = 0; i < 3; ++i) {
    const absl::Status status = Commit("anna", Load("anna"), "lost", {"lost"}).status();
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  }
  EXPECT_GT(files().appends_failed(), 0);
  EXPECT_EQ(Load("anna").bytes, "before");
  EXPECT_EQ(Payloads(), std::vector<std::string>{"before"});
  EXPECT_FALSE(store_->PutBlob("name", "bytes").ok());

  files().FailAppends(Fault::kNone);
  const absl::Status status = CommitWithin(std::chrono::seconds(20), "after");
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_FALSE(store_->Stats().write_stopped);
  Reopen();
  EXPECT_EQ(Load("anna").bytes, "after");
  EXPECT_EQ(Payloads(), (std::vector<std::string>{"before", "after"}));
}

TEST_F(RocksDbStoreFaultTest, ReadsOnAfterAFailedWriteAndWritesWhenOpenedAgain) {
  Put("anna", "before", {"before"});
  files().FailAppends(Fault::kIoError);
  absl::Status status = Commit("anna", Load("anna"), "lost", {"lost"}).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  files().FailAppends(Fault::kNone);
  EXPECT_EQ(Load("anna").bytes, "before");
  EXPECT_EQ(Payloads(), std::vector<std::string>{"before"});

  Reopen();
  EXPECT_EQ(Load("anna").bytes, "before");
  const Record seen = Load("anna");
  status = Commit("anna", seen, "after", {"after"}).status();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Payloads(), (std::vector<std::string>{"before", "after"}));
}

TEST_F(RocksDbStoreFaultTest, AcknowledgesNothingAsDurableThatWasNotSynced) {
  Put("anna", "before");
  files().FailSyncs(Fault::kIoError);
  absl::Status status = Commit("anna", Load("anna"), "after", {}, Durability::kPower).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_GT(files().syncs_failed(), 0);
  // Once a sync has failed nobody knows what is on the disk: the store refuses to write.
  files().FailSyncs(Fault::kNone);
  status = Commit("anna", Load("anna"), "later", {}, Durability::kProcess).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("opened anew"));
  EXPECT_TRUE(store_->Stats().write_stopped);
  EXPECT_FALSE(store_->Sync().ok());

  Reopen();
  EXPECT_FALSE(store_->Stats().write_stopped);
  EXPECT_TRUE(Commit("anna", Load("anna"), "anew", {}, Durability::kPower).ok());
}

TEST_F(RocksDbStoreFaultTest, SyncsOncePerPowerCommitAndNeverForOthers) {
  int before = files().syncs();
  for (int i = 0; i < 10; ++i) Put("anna", "record", {"event"});
  EXPECT_EQ(files().syncs(), before);
  ASSERT_TRUE(Commit("anna", Load("anna"), "r", {}, Durability::kPower).ok());
  EXPECT_GT(files().syncs(), before);
  before = files().syncs();
  ASSERT_TRUE(store_->Sync().ok());
  EXPECT_GT(files().syncs(), before);
}

}  // namespace
}  // namespace attune::storage
