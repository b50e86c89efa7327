#include "lib/evidence/evidence_fold.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "attune/storage/v1/event.pb.h"
#include "gtest/gtest.h"
#include "tests/testing/fake_state_store.h"

namespace attune::evidence {
namespace {

// A log whose oldest events can be gone, as retention leaves it.
class TrimmedStore : public testing::FakeStateStore {
 public:
  void StartLogAt(uint64_t start) { start_ = start; }
  // What is at these positions can't be read.
  void Damage(uint64_t first, uint64_t last) {
    first_damaged_ = first;
    last_damaged_ = last;
  }

  absl::Status ReadLog(uint64_t from,
                       const std::function<bool(const storage::LogEntry&)>& visit) const override {
    if (from != 0 && from < start_) return absl::OutOfRangeError("left the log");
    bool damaged = false;
    const absl::Status status =
        FakeStateStore::ReadLog(std::max(from, start_), [&](const storage::LogEntry& entry) {
          damaged = entry.position >= first_damaged_ && entry.position <= last_damaged_;
          return !damaged && visit(entry);
        });
    return damaged ? absl::DataLossError("damaged") : status;
  }

 private:
  uint64_t start_ = 0;
  uint64_t first_damaged_ = 1;
  uint64_t last_damaged_ = 0;
};

class EvidenceFoldTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kShown = 2;     // number of the outcome
  static constexpr uint32_t kUpgrade = 11;  // number of the treatment
  static constexpr int kRamp = 0;

  EvidenceFoldTest() {
    catalog_.treatments.emplace_back().number = kUpgrade;
    catalog_.treatments[0].ramp = kRamp;
    catalog::Ramp& ramp = catalog_.ramps.emplace_back();
    ramp.from = 0.02;
    ramp.full_at = 100;
    ramp.outcomes = {kShown};
    Load();
  }

  // As a process that starts.
  void Load() { fold_ = EvidenceFold::Load(&store_, &catalog_).value(); }

  // Reports that the treatment was shown to a customer so many times; returns where that stands.
  uint64_t Show(int times = 1, const std::string& customer = "ann") {
    storage::v1::InteractionsEvent event;
    for (int i = 0; i < times; ++i) {
      auto& interaction = *event.add_interactions();
      interaction.set_treatment_plus_one(kUpgrade + 1);
      interaction.set_outcome(kShown);
    }
    const std::string payload = event.SerializeAsString();
    const storage::Event stored{storage::EventType::kInteractions, payload};
    storage::CustomerCommit commit;
    commit.key = store_.KeyOf(customer);
    commit.expected = store_.RecordOf(customer).version;
    commit.bytes = "record";
    commit.events = absl::MakeConstSpan(&stored, 1);
    return store_.Commit(commit, storage::Durability::kPower).value().version;
  }
  int64_t Step() {
    EXPECT_TRUE(fold_->Step().ok());
    return fold_->shares()->evidence(kRamp);
  }

  catalog::Catalog catalog_;
  TrimmedStore store_;
  std::unique_ptr<EvidenceFold> fold_;
};

TEST_F(EvidenceFoldTest, TheShareGrowsWithWhatIsReported) {
  EXPECT_EQ(fold_->shares()->share(kRamp), 0.02);
  Show(10);
  EXPECT_EQ(fold_->shares()->evidence(kRamp), 0) << "counted by steps, not by itself";
  EXPECT_EQ(Step(), 10);
  EXPECT_DOUBLE_EQ(fold_->shares()->share(kRamp), 0.118);
  Show(90);
  EXPECT_EQ(Step(), 100);
  EXPECT_EQ(fold_->shares()->share(kRamp), 1);
  EXPECT_EQ(fold_->events(), 2u);
}

TEST_F(EvidenceFoldTest, GoesOnAtTheEndOfALogThatHasLostIt) {
  Show(1);
  const uint64_t end = store_.SpanOfLog().end;
  Show(10);
  Show(10);
  EXPECT_EQ(Step(), 21);
  ASSERT_TRUE(fold_->Save().ok());
  store_.LoseLogFrom(end);
  Load();
  EXPECT_TRUE(fold_->lost_end());
  EXPECT_EQ(Step(), 21) << "what was counted is kept";
  Show(3);
  EXPECT_EQ(Step(), 24) << "what comes to the lost positions is counted";
  ASSERT_TRUE(fold_->Save().ok());
  Load();
  EXPECT_FALSE(fold_->lost_end());
  EXPECT_EQ(Step(), 24);
}

TEST_F(EvidenceFoldTest, AStepWithoutEventsChangesNothing) {
  Show(1);
  Step();
  const auto before = fold_->shares();
  const uint64_t generation = fold_->generation();
  EXPECT_EQ(Step(), 1);
  EXPECT_EQ(fold_->shares(), before);
  EXPECT_EQ(fold_->generation(), generation);
}

TEST_F(EvidenceFoldTest, GoesOnAfterARestart) {
  Show(3);
  Step();
  ASSERT_TRUE(fold_->Save().ok());
  Load();
  EXPECT_EQ(fold_->shares()->evidence(kRamp), 3) << "known before the first step";
  Show(2);
  EXPECT_EQ(Step(), 5);
  EXPECT_EQ(fold_->events(), 1u) << "what was counted is not read again";
}

TEST_F(EvidenceFoldTest, CountsOnceWhereverTheProcessIsKilled) {
  // Before anything was stored, between two times, and while storing fails.
  for (int round = 0; round < 30; ++round) {
    Show(1);
    Step();
    if (round % 3 == 1) {
      ASSERT_TRUE(fold_->Save().ok());
    }
    if (round % 3 == 2) {
      store_.SetFaults({.blob_writes = 0});
      EXPECT_FALSE(fold_->Save().ok());
      store_.SetFaults({});
    }
    if (round % 2 == 0) Load();
    EXPECT_EQ(Step(), round + 1);
  }
}

TEST_F(EvidenceFoldTest, StoresNothingThatPowerLossCouldTakeFromTheLog) {
  Show(1);
  Step();
  store_.SetFaults({.sync = absl::UnavailableError("the disk is slow")});
  EXPECT_TRUE(absl::IsUnavailable(fold_->Save()));
  EXPECT_TRUE(store_.BlobNames().empty());
  store_.SetFaults({});
  EXPECT_TRUE(fold_->Save().ok());
  EXPECT_EQ(store_.BlobNames().size(), 1u);
}

TEST_F(EvidenceFoldTest, WritesOnlyWhatIsNew) {
  EXPECT_TRUE(fold_->Save().ok());
  EXPECT_TRUE(store_.BlobNames().empty()) << "nothing happened yet";
  Show(1);
  Step();
  EXPECT_TRUE(fold_->Save().ok());
  store_.SetFaults({.blob_writes = 0});
  EXPECT_TRUE(fold_->Save().ok()) << "stored already";
}

TEST_F(EvidenceFoldTest, WhatAnErasedCustomerSawStillCounts) {
  Show(4, "ann");
  Show(3, "bob");
  EXPECT_EQ(Step(), 7);
  ASSERT_TRUE(fold_->Save().ok());
  ASSERT_TRUE(store_.Erase(store_.KeyOf("ann")).ok());
  EXPECT_EQ(Step(), 7);
  Load();
  EXPECT_EQ(Step(), 7);
}

TEST_F(EvidenceFoldTest, GoesOnBehindAGapOfTheLog) {
  Show(1);
  Step();
  Show(10);
  const uint64_t kept = Show(20);
  store_.StartLogAt(kept);
  EXPECT_EQ(Step(), 21) << "ten were never seen";
  EXPECT_EQ(fold_->gaps(), 1u);
  Show(5);
  EXPECT_EQ(Step(), 26);
  EXPECT_EQ(fold_->gaps(), 1u);
}

TEST_F(EvidenceFoldTest, BeginsWhereTheLogBegins) {
  Show(10);
  store_.StartLogAt(Show(20));
  EXPECT_EQ(Step(), 20) << "what left the log before there was a ramp is no gap";
  EXPECT_EQ(fold_->gaps(), 0u);
}

TEST_F(EvidenceFoldTest, GoesOnWhenTheLogCanBeReadAgain) {
  Show(1);
  store_.SetFaults({.read_log = absl::UnavailableError("not now")});
  EXPECT_TRUE(absl::IsUnavailable(fold_->Step().status()));
  EXPECT_EQ(fold_->shares()->evidence(kRamp), 0);
  store_.SetFaults({});
  EXPECT_EQ(Step(), 1);
}

TEST_F(EvidenceFoldTest, DamagedEvidenceIsCountedAnew) {
  Show(6);
  Step();
  ASSERT_TRUE(fold_->Save().ok());
  EXPECT_FALSE(fold_->was_damaged());
  store_.ChangeBlob("evidence", [](std::string& bytes) { bytes = "\xff"; });
  Load();
  EXPECT_TRUE(fold_->was_damaged());
  EXPECT_EQ(Step(), 6);
  store_.SetFaults({.read_blob = absl::DataLossError("damaged")});
  Load();
  EXPECT_TRUE(fold_->was_damaged());
  EXPECT_EQ(Step(), 6);
  store_.SetFaults({.read_blob = absl::UnavailableError("not now")});
  EXPECT_TRUE(absl::IsUnavailable(EvidenceFold::Load(&store_, &catalog_).status()));
}

TEST_F(EvidenceFoldTest, AStepIsBounded) {
  for (int i = 0; i < kMaxEventsPerStep + 1; ++i) Show(1, absl::StrCat("customer ", i % 100));
  EXPECT_TRUE(fold_->Step().value()) << "there is more";
  EXPECT_EQ(fold_->shares()->evidence(kRamp), kMaxEventsPerStep);
  EXPECT_FALSE(fold_->Step().value());
  EXPECT_EQ(fold_->shares()->evidence(kRamp), kMaxEventsPerStep + 1);
  Show(1);
  EXPECT_TRUE(CountAll(*fold_).ok());
  EXPECT_EQ(fold_->shares()->evidence(kRamp), kMaxEventsPerStep + 2);
}

TEST_F(EvidenceFoldTest, AStepIsBoundedInBytes) {
  constexpr int kTimes = 200'000;  // of 6 bytes each: 14 events are just more than 16 MiB
  for (int i = 0; i < 15; ++i) Show(kTimes);
  EXPECT_TRUE(fold_->Step().value()) << "there is more";
  EXPECT_EQ(fold_->shares()->evidence(kRamp), 14 * kTimes);
  EXPECT_FALSE(fold_->Step().value());
  EXPECT_EQ(fold_->shares()->evidence(kRamp), 15 * kTimes);
}

TEST_F(EvidenceFoldTest, WhatTheLogCannotReadIsLeftOut) {
  Show(1);
  const uint64_t first = Show(10);
  for (int i = 0; i < 5; ++i) Show(10);
  const uint64_t last = Show(10);
  Show(2);
  store_.Damage(first, last);
  EXPECT_TRUE(CountAll(*fold_).ok());
  EXPECT_EQ(fold_->shares()->evidence(kRamp), 3);
  EXPECT_EQ(fold_->uncounted(), 1u);
  EXPECT_EQ(fold_->failures(), 1u);
  const uint64_t newest = Show(10);
  store_.Damage(newest, newest);
  EXPECT_TRUE(CountAll(*fold_).ok());
  Show(4);
  EXPECT_EQ(Step(), 7) << "the end of the log was damaged, what comes after is counted";
}

TEST_F(EvidenceFoldTest, ALogThatIsDamagedEverywhereIsTold) {
  Show(1);
  store_.SetFaults({.read_log = absl::DataLossError("damaged")});
  EXPECT_TRUE(absl::IsDataLoss(fold_->Step().status()));
  store_.SetFaults({});
  EXPECT_EQ(Step(), 1);
}

TEST_F(EvidenceFoldTest, ADamagedEventIsLeftOut) {
  const storage::Event damaged{storage::EventType::kInteractions, "\xff"};
  storage::CustomerCommit commit;
  commit.key = store_.KeyOf("bob");
  commit.bytes = "record";
  commit.events = absl::MakeConstSpan(&damaged, 1);
  ASSERT_TRUE(store_.Commit(commit, storage::Durability::kPower).ok());
  Show(1);
  EXPECT_EQ(Step(), 1);
  EXPECT_EQ(fold_->uncounted(), 1u);
}

// Another version of the strategy counts something else of the same treatment.
TEST_F(EvidenceFoldTest, FindsWhatWasCountedBeforeItAsked) {
  Show(5);
  Step();
  ASSERT_TRUE(fold_->Save().ok());
  catalog_.ramps[kRamp].outcomes = {kShown + 1};
  Load();
  EXPECT_EQ(Step(), 0);
  catalog_.ramps[kRamp].outcomes = {kShown + 1, kShown};
  Load();
  EXPECT_EQ(Step(), 5);
}

TEST_F(EvidenceFoldTest, AReaderSeesEveryStepAtOnce) {
  RampReader reader;
  EXPECT_EQ(reader.Read(*fold_).evidence(kRamp), 0);
  Show(1);
  Step();
  EXPECT_EQ(reader.Read(*fold_).evidence(kRamp), 1);
  const RampShares* before = &reader.Read(*fold_);
  EXPECT_EQ(&reader.Read(*fold_), before) << "nothing is fetched while nothing changes";
}

TEST_F(EvidenceFoldTest, ReadersOnOtherThreadsNeverSeeItShrink) {
  std::atomic<bool> done{false};
  std::thread thread([&] {
    RampReader reader;
    int64_t last = 0;
    while (!done) {
      const int64_t evidence = reader.Read(*fold_).evidence(kRamp);
      EXPECT_GE(evidence, last);
      last = evidence;
    }
  });
  for (int i = 0; i < 300; ++i) {
    Show(1);
    EXPECT_EQ(Step(), i + 1);
  }
  done = true;
  thread.join();
}

}  // namespace
}  // namespace attune::evidence
