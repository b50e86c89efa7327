#include "service/log_retention.h"

#include <chrono>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "attune/storage/v1/event.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/clock.h"
#include "lib/outcome/attribution.h"
#include "tests/testing/fake_state_store.h"

namespace attune::service {
namespace {

using ::testing::ElementsAre;

constexpr absl::Duration kDay = absl::Hours(24);
constexpr uint64_t kMaxBytes = 1000;

absl::Time DayOf(double day) { return absl::FromUnixSeconds(1'700'000'000) + day * kDay; }

// A log whose size is what a test says.
class SizedStore : public testing::FakeStateStore {
 public:
  void SetLogBytes(uint64_t bytes) { log_bytes_ = bytes; }
  uint64_t trimmed_to() const { return trimmed_to_; }

  absl::Status TrimLog(uint64_t max_bytes) override {
    trimmed_to_ = max_bytes;
    return FakeStateStore::TrimLog(max_bytes);
  }
  storage::StoreStats Stats() const override {
    storage::StoreStats stats = FakeStateStore::Stats();
    stats.log_bytes = log_bytes_;
    return stats;
  }

 private:
  uint64_t log_bytes_ = 0;
  uint64_t trimmed_to_ = 0;
};

class LogRetentionTest : public ::testing::Test {
 protected:
  // An event that was recorded on this day.
  void Append(double day) {
    ASSERT_TRUE(outcome::AppendClockEvent(store_, absl::ToUnixMicros(DayOf(day))).ok());
  }
  // It is this day by the clock and, unless told otherwise, by the steady one.
  void Apply(double day, bool all_read = true) {
    Apply(day, std::chrono::steady_clock::time_point(absl::ToChronoNanoseconds(day * kDay)),
          all_read);
  }
  void Apply(double day, std::chrono::steady_clock::time_point steady, bool all_read = true) {
    clock_.Set(DayOf(day));
    const absl::Status status = retention_.Apply(all_read, steady);
    ASSERT_TRUE(status.ok()) << status;
  }
  // The days of the events that are left.
  std::vector<double> Days() const {
    std::vector<double> days;
    for (const storage::LogEntry& entry : store_.Log()) {
      storage::v1::ClockEvent event;
      EXPECT_TRUE(event.ParseFromString(entry.payload));
      days.push_back(absl::FDivDuration(absl::FromUnixMicros(event.time_us()) - DayOf(0), kDay));
    }
    return days;
  }

  SizedStore store_;
  ManualClock clock_{DayOf(0)};
  LogRetention retention_{
      {.store = &store_, .clock = &clock_, .max_bytes = kMaxBytes, .max_age = 4 * kDay}};
};

TEST_F(LogRetentionTest, DropsWhatIsTooOld) {
  for (int day = 0; day <= 9; ++day) Append(day);
  Apply(9.5);
  EXPECT_THAT(Days(), ElementsAre(6, 7, 8, 9));
  EXPECT_EQ(retention_.oldest(), DayOf(6));
  EXPECT_EQ(store_.trimmed_to(), kMaxBytes);
}

TEST_F(LogRetentionTest, WaitsForASixteenthSoThatNotEveryEventIsDroppedOnItsOwn) {
  Append(0);
  Append(1);
  Apply(4.2);
  EXPECT_THAT(Days(), ElementsAre(0, 1));
  Apply(4.26);
  EXPECT_THAT(Days(), ElementsAre(1));
}

TEST_F(LogRetentionTest, KeepsWhatIsNotReadYet) {
  Append(0);
  Apply(9, /*all_read=*/false);
  EXPECT_THAT(Days(), ElementsAre(0));
  EXPECT_EQ(store_.trimmed_to(), 2 * kMaxBytes);
  Apply(9);
  EXPECT_THAT(Days(), ElementsAre());
  EXPECT_EQ(retention_.oldest(), std::nullopt);
}

TEST_F(LogRetentionTest, AClockThatJumpsAheadDropsNothing) {
  Append(9);
  Apply(9.5);
  const std::chrono::steady_clock::time_point steady(absl::ToChronoNanoseconds(9.5 * kDay));
  Append(9.5 + 365);
  Apply(9.5 + 365, steady + std::chrono::seconds(10));
  EXPECT_THAT(Days(), ElementsAre(9, 9.5 + 365));
}

TEST_F(LogRetentionTest, AClockThatJumpsBackDropsNothing) {
  Append(9);
  Apply(9.5);
  Apply(9.5 - 365, std::chrono::steady_clock::time_point(absl::ToChronoNanoseconds(10 * kDay)));
  EXPECT_THAT(Days(), ElementsAre(9));
}

TEST_F(LogRetentionTest, EventsGoInTheirOrderWhateverTheirClocksSaid) {
  Append(1);
  Append(1 + 365);  // dated ahead
  Append(2);
  Append(9);
  Append(9 - 365);  // dated back
  Append(9.5);
  Apply(10);
  EXPECT_THAT(Days(), ElementsAre(9, 9 - 365, 9.5));
  Apply(13.4);
  EXPECT_THAT(Days(), ElementsAre(9.5)) << "the one that was dated back, with the one before it";
}

TEST_F(LogRetentionTest, ReadsTheTimeOfEveryKindOfEvent) {
  const int64_t old_us = absl::ToUnixMicros(DayOf(1));
  const auto append = [&](storage::EventType type, const std::string& payload) {
    const storage::Event event{type, payload};
    storage::CustomerCommit commit;
    commit.key = store_.KeyOf("ann");
    commit.expected = store_.RecordOf("ann").version;
    commit.bytes = "record";
    commit.events = absl::MakeConstSpan(&event, 1);
    ASSERT_TRUE(store_.Commit(commit, storage::Durability::kProcess).ok());
  };
  storage::v1::DecisionEvent decision;
  decision.set_time_us(old_us);
  storage::v1::InteractionsEvent interactions;
  interactions.set_recorded_time_us(old_us);
  storage::v1::ConsentEvent consent;
  consent.set_recorded_time_us(old_us);
  storage::v1::OutcomeEvent outcome;
  outcome.set_recorded_time_us(old_us);
  outcome.set_time_us(absl::ToUnixMicros(DayOf(9)));
  append(storage::EventType::kDecision, decision.SerializeAsString());
  append(storage::EventType::kInteractions, interactions.SerializeAsString());
  append(storage::EventType::kConsent, consent.SerializeAsString());
  append(storage::EventType::kOutcome, outcome.SerializeAsString());
  append(storage::EventType::kOutcome, "not readable \xff");
  Append(2);
  Append(9);
  Apply(10);
  EXPECT_THAT(Days(), ElementsAre(9));
}

TEST_F(LogRetentionTest, WithoutALimitNothingAges) {
  LogRetention retention(
      {.store = &store_, .clock = &clock_, .max_bytes = kMaxBytes, .max_age = {}});
  Append(0);
  clock_.Set(DayOf(10'000));
  ASSERT_TRUE(retention.Apply(true).ok());
  EXPECT_THAT(Days(), ElementsAre(0));
  EXPECT_EQ(retention.oldest(), DayOf(0));
}

TEST_F(LogRetentionTest, CountsEachTimeThatTheLogOutgrowsItsSizeUnread) {
  Append(0);
  store_.SetLogBytes(kMaxBytes + 1);
  EXPECT_TRUE(retention_.MayDrop());
  Apply(0, /*all_read=*/false);
  EXPECT_EQ(retention_.overruns(), 0u) << "it is about to be cut";
  store_.SetLogBytes(2 * kMaxBytes);
  Apply(0);
  EXPECT_EQ(retention_.overruns(), 0u) << "it is read: what is too much goes";
  Apply(0, /*all_read=*/false);
  Apply(0, /*all_read=*/false);
  EXPECT_EQ(retention_.overruns(), 1u);
  Apply(0);
  Apply(0, /*all_read=*/false);
  EXPECT_EQ(retention_.overruns(), 2u);
}

TEST_F(LogRetentionTest, SaysWhatTheStoreCouldNotDo) {
  Append(0);
  store_.SetFaults({.read_log = absl::DataLossError("damaged")});
  clock_.Set(DayOf(9));
  EXPECT_TRUE(absl::IsDataLoss(retention_.Apply(true)));
  EXPECT_EQ(store_.trimmed_to(), kMaxBytes) << "its size is kept all the same";
}

}  // namespace
}  // namespace attune::service
