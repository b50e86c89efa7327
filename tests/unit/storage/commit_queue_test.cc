#include "lib/storage/commit_queue.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/storage/journal_reader.h"
#include "rocksdb/file_system.h"
#include "tests/testing/temp_dir.h"

namespace attune::storage {
namespace {

using ::testing::ElementsAre;
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
    return CommitNew("record", wait_until, /*flushed_later=*/false).status();
  }
  // The same, to be flushed.
  absl::StatusOr<CommitReceipt> CommitUnflushed(std::string_view record = "record") {
    return CommitNew(record, absl::InfinitePast(), /*flushed_later=*/true);
  }
  absl::StatusOr<CommitReceipt> CommitNew(std::string_view record, absl::Time wait_until,
                                          bool flushed_later) {
    CustomerCommit commit;
    commit.key = {static_cast<uint8_t>(++customers_)};
    commit.bytes = record;
    absl::StatusOr<CommitReceipt> result = CommitReceipt{};
    queue_->Commit({&commit, 1}, {&result, 1}, wait_until, flushed_later);
    return result;
  }
  // The customers whose records a start would find in the journal now, in its order.
  std::vector<int> Recoverable() const {
    std::vector<int> customers;
    const auto start = ReplayJournal(*rocksdb::FileSystem::Default(), dir_.path(), 1,
                                     [&](const JournalCommit& commit) {
                                       customers.push_back(static_cast<uint8_t>(commit.key[0]));
                                     });
    EXPECT_TRUE(start.ok()) << start.status();
    return customers;
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
  ASSERT_TRUE(queue_->MakeCut().ok());
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
  ASSERT_TRUE(queue_->MakeCut().ok());
  ASSERT_TRUE(Commit().ok());
  ASSERT_TRUE(queue_->MakeCut().ok());
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
  journal_->DropBelow(queue_->MakeCut()->number);
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

TEST_F(CommitQueueTest, WhatIsToBeFlushedCanBeReadAndIsNotWritten) {
  Open();
  const absl::StatusOr<CommitReceipt> first = CommitUnflushed();
  const absl::StatusOr<CommitReceipt> second = CommitUnflushed();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(second->version, first->version + 1);
  uint64_t version = 0;
  EXPECT_EQ(table_.GetVersion({2}, version), RecordTable::Lookup::kFound);
  EXPECT_EQ(version, second->version);
  EXPECT_EQ(queue_->customers(), 2);
  EXPECT_EQ(journal_->appended_bytes(), 0u);

  EXPECT_TRUE(queue_->Flush().ok());
  EXPECT_THAT(Recoverable(), ElementsAre(1, 2));
  const uint64_t bytes = journal_->appended_bytes();
  EXPECT_TRUE(queue_->Flush().ok()) << "there is nothing left to write";
  EXPECT_EQ(journal_->appended_bytes(), bytes);
}

TEST_F(CommitQueueTest, AnyOtherWriteTakesWithItWhatCameBefore) {
  Open();
  ASSERT_TRUE(CommitUnflushed().ok());
  ASSERT_TRUE(Commit().ok());
  EXPECT_THAT(Recoverable(), ElementsAre(1, 2));
  ASSERT_TRUE(CommitUnflushed().ok());
  ASSERT_TRUE(queue_->Remove({2}).ok());
  EXPECT_THAT(Recoverable(), ElementsAre(1, 2, 3, 2));
  ASSERT_TRUE(CommitUnflushed().ok());
  const absl::StatusOr<CommitQueue::Cut> cut = queue_->MakeCut();
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_EQ(cut->number, journal_->next_number());
  EXPECT_EQ(cut->customers, 3);
  EXPECT_THAT(Recoverable(), ElementsAre(1, 2, 3, 2, 4));
}

TEST_F(CommitQueueTest, ARefusedCommitLeavesWhatIsToBeFlushed) {
  Open();
  ASSERT_TRUE(CommitUnflushed().ok());
  CustomerCommit stale;
  stale.key = {1};
  stale.expected.number = 77;
  stale.bytes = "stale";
  absl::StatusOr<CommitReceipt> result = CommitReceipt{};
  queue_->Commit({&stale, 1}, {&result, 1}, absl::InfinitePast(), /*flushed_later=*/true);
  EXPECT_TRUE(absl::IsAborted(result.status())) << result.status();
  EXPECT_EQ(journal_->appended_bytes(), 0u);
  EXPECT_TRUE(queue_->Flush().ok());
  EXPECT_THAT(Recoverable(), ElementsAre(1));
}

TEST_F(CommitQueueTest, WritesWhenTooMuchWaitsForAFlush) {
  limits_ = {.checkpoint_bytes = 64 << 20,
             .checkpoint_journal_bytes = 64 << 20,
             .patient_bytes = 64 << 20,
             .max_bytes = 64 << 20,
             .max_journal_bytes = 64 << 20,
             .request_checkpoint = [] {},
             .checkpoint_status = [] { return absl::OkStatus(); }};
  Open();
  const std::string large(CommitQueue::kMaxUnwrittenBytes / 2, 'x');
  ASSERT_TRUE(CommitUnflushed(large).ok());
  EXPECT_EQ(journal_->appended_bytes(), 0u);
  ASSERT_TRUE(CommitUnflushed(large).ok());
  EXPECT_THAT(Recoverable(), ElementsAre(1, 2));
}

TEST_F(CommitQueueTest, WhatCouldNotBeFlushedIsWrittenFirstWhenWritingWorksAgain) {
  Open();
  ASSERT_TRUE(CommitUnflushed().ok());
  // The journal can't create its file.
  const std::string away = absl::StrCat(dir_.path(), ".away");
  std::filesystem::rename(dir_.path(), away);
  EXPECT_FALSE(queue_->Flush().ok());
  EXPECT_FALSE(queue_->MakeCut().ok()) << "the database would be ahead of the journal";
  EXPECT_FALSE(Commit().ok());
  // Nothing more is acknowledged on credit.
  EXPECT_FALSE(CommitUnflushed().ok());
  uint64_t version = 0;
  EXPECT_EQ(table_.GetVersion({1}, version), RecordTable::Lookup::kFound);
  EXPECT_EQ(table_.GetVersion({2}, version), RecordTable::Lookup::kUnknown);
  EXPECT_EQ(table_.GetVersion({3}, version), RecordTable::Lookup::kUnknown);

  std::filesystem::rename(away, dir_.path());
  ASSERT_TRUE(CommitUnflushed().ok());
  EXPECT_THAT(Recoverable(), ElementsAre(1, 4));
  ASSERT_TRUE(CommitUnflushed().ok());
  EXPECT_THAT(Recoverable(), ElementsAre(1, 4)) << "what comes now waits for a flush again";
  EXPECT_TRUE(queue_->Flush().ok());
  EXPECT_THAT(Recoverable(), ElementsAre(1, 4, 5));
  EXPECT_EQ(queue_->customers(), 3);
}

}  // namespace
}  // namespace attune::storage
