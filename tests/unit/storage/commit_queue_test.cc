#include "lib/storage/commit_queue.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/file_system.h"
#include "tests/testing/temp_dir.h"

namespace attune::storage {
namespace {

using ::testing::HasSubstr;

class CommitQueueTest : public ::testing::Test {
 protected:
  // With limits that are never met, but for those that the test sets before.
  void Open() {
    journal_ =
        std::make_unique<Journal>(rocksdb::FileSystem::Default(), dir_.path(), JournalStart{});
    queue_ = std::make_unique<CommitQueue>(
        CommitParts{.journal = journal_.get(),
                    .table = &table_,
                    .tail = &tail_,
                    .epochs = &epochs_,
                    .stored_version = [](const CustomerKey&) { return 0; }},
        limits_, 0);
  }

  // Of a new customer.
  absl::Status Commit(absl::Time wait_until = absl::InfinitePast()) {
    CustomerCommit commit;
    commit.key = {static_cast<uint8_t>(++customers_)};
    commit.bytes = "record";
    absl::StatusOr<CommitReceipt> result = CommitReceipt{};
    queue_->Commit({&commit, 1}, {&result, 1}, wait_until);
    return result.status();
  }

  const testing::TempDir dir_;
  RecordTable table_{1 << 20};
  EventTail tail_;
  StripeEpochs epochs_;
  CommitLimits limits_{.checkpoint_bytes = 1 << 20,
                       .checkpoint_journal_bytes = 1 << 20,
                       .patient_bytes = 1 << 20,
                       .max_bytes = 1 << 20,
                       .max_journal_bytes = 1 << 20,
                       .request_checkpoint = [this] { ++requests_; },
                       .checkpoint_status = [this] { return checkpoint_status_; }};
  absl::Status checkpoint_status_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<CommitQueue> queue_;
  int customers_ = 0;
  int requests_ = 0;
};

TEST_F(CommitQueueTest, AsksForOneCheckpointAtATime) {
  limits_.checkpoint_bytes = 1;
  Open();
  ASSERT_TRUE(Commit().ok());
  EXPECT_EQ(requests_, 1);
  queue_->MakeCut();
  ASSERT_TRUE(Commit().ok());
  EXPECT_EQ(requests_, 1);
  // It was not enough, or has failed.
  queue_->EndCheckpoint();
  ASSERT_TRUE(Commit().ok());
  ASSERT_TRUE(Commit().ok());
  EXPECT_EQ(requests_, 2);
}

TEST_F(CommitQueueTest, AsksForNoCheckpointWhileAnotherOneRuns) {
  limits_.checkpoint_journal_bytes = 1;
  Open();
  queue_->MakeCut();
  ASSERT_TRUE(Commit().ok());
  queue_->MakeCut();
  EXPECT_EQ(requests_, 0);
}

TEST_F(CommitQueueTest, RefusesCommitsWhenTheJournalIsTooLong) {
  limits_.max_journal_bytes = 200;
  Open();
  absl::Status status;
  int committed = 0;
  for (; status.ok() && committed < 100; ++committed) status = Commit();
  EXPECT_LT(committed, 10);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE(queue_->full());
  checkpoint_status_ = absl::UnavailableError("the disk is gone");
  status = Commit();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE(IsUnwritten(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("the journal has"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("the disk is gone"));
  // What is removed helps.
  EXPECT_TRUE(queue_->Remove({1}).ok());
  journal_->DropBelow(queue_->MakeCut().number);
  EXPECT_TRUE(Commit().ok());
}

TEST_F(CommitQueueTest, WaitsForRoomUntilItIsTold) {
  limits_.patient_bytes = 1;
  Open();
  ASSERT_TRUE(Commit().ok());
  const absl::Time begin = absl::Now();
  EXPECT_TRUE(Commit(begin + absl::Milliseconds(100)).ok());
  EXPECT_GE(absl::Now(), begin + absl::Milliseconds(100));
  // The next part of the same call finds that time gone by.
  EXPECT_TRUE(Commit(begin + absl::Milliseconds(100)).ok());
  EXPECT_LT(absl::Now(), begin + absl::Seconds(20));
}

}  // namespace
}  // namespace attune::storage
