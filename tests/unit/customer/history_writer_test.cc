#include "lib/customer/history_writer.h"

#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/customer/profile_writer.h"
#include "tests/testing/fake_state_store.h"

namespace attune::customer {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

const absl::Time kNow = absl::FromUnixSeconds(1'772'323'200);
const int64_t kNowMs = absl::ToUnixMillis(kNow);

class HistoryWriterTest : public ::testing::Test {
 protected:
  static Interaction Shown(int64_t ago_ms, uint32_t treatment) {
    return {InteractionKind::kOutcome, kNowMs - ago_ms, 1, treatment, 4};
  }
  absl::StatusOr<HistoryResult> Record(std::vector<Interaction> interactions,
                                       std::string_view request_id = "") {
    return writer_.RecordInteractions({"c", std::move(interactions)}, bounds_, request_id);
  }
  absl::StatusOr<HistoryResult> Say(bool granted, std::string_view request_id = "") {
    Consent said;
    said.purpose = 3;
    said.granted = granted;
    said.time_us = absl::ToUnixMicros(clock_.Now());
    said.source = "agent";
    return writer_.SetConsent({"c", said}, request_id);
  }
  template <typename Look>
  void WithState(Look look) const {
    const storage::Record record = store_.RecordOf("c");
    look(CustomerState::Parse(record, "c").value());
  }
  std::vector<Interaction> History() const {
    std::vector<Interaction> history;
    WithState([&](const CustomerState& state) { history = state.History(); });
    return history;
  }

  testing::FakeStateStore store_;
  ManualClock clock_{kNow};
  HistoryBounds bounds_;
  HistoryWriter writer_{&store_, &clock_, HashKeyFromSeed(3)};
};

TEST_F(HistoryWriterTest, RecordsInTheOrderOfTheTimes) {
  const auto result = Record({Shown(5, 1), Shown(20, 2), Shown(10, 3)});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->changed);
  EXPECT_EQ(result->version, store_.RecordOf("c").version.number);
  EXPECT_THAT(History(), ElementsAre(Shown(20, 2), Shown(10, 3), Shown(5, 1)));
  EXPECT_EQ(store_.last_durability(), storage::Durability::kPower);
  WithState([](const CustomerState& state) { EXPECT_EQ(state.decision_count(), 0u); });
}

TEST_F(HistoryWriterTest, WhatIsRememberedIsNotRecordedAgain) {
  const uint64_t version = Record({Shown(5, 1), Shown(5, 1)})->version;
  EXPECT_THAT(History(), SizeIs(1));
  const auto again = Record({Shown(5, 1)});
  EXPECT_FALSE(again->changed);
  EXPECT_EQ(again->version, version);
  EXPECT_EQ(store_.commits(), 1);
}

TEST_F(HistoryWriterTest, KeepsTheStrategysBounds) {
  bounds_ = {2, 1'000};
  Record({Shown(5'000, 1), Shown(30, 1), Shown(20, 1), Shown(10, 1)}).value();
  EXPECT_THAT(History(), ElementsAre(Shown(20, 1), Shown(10, 1)));
  WithState([](const CustomerState& state) { EXPECT_EQ(state.dropped_until_ms(), kNowMs - 30); });
}

TEST_F(HistoryWriterTest, ARepeatedRequestIsAnsweredAlike) {
  const auto first = Record({Shown(5, 1)}, "r1");
  Record({Shown(4, 1)}).value();
  const auto second = Record({Shown(5, 1)}, "r1");
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->version, first->version);
  EXPECT_TRUE(absl::IsAlreadyExists(Record({Shown(3, 1)}, "r1").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(Say(true, "r1").status()));
}

TEST_F(HistoryWriterTest, AConsentIsKeptWithTimeAndSource) {
  ASSERT_TRUE(Say(true).ok());
  clock_.Advance(absl::Seconds(1));
  const auto withdrawn = Say(false, "r2");
  ASSERT_TRUE(withdrawn.ok());
  EXPECT_TRUE(withdrawn->changed);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Say(false, "r2")->version, withdrawn->version);
  WithState([](const CustomerState& state) {
    const auto said = FindConsent(state.consents(), 3, 1);
    ASSERT_TRUE(said.ok() && said->has_value());
    EXPECT_FALSE((*said)->granted);
    EXPECT_EQ((*said)->source, "agent");
    EXPECT_EQ((*said)->time_us, absl::ToUnixMicros(kNow) + 1'000'000);
  });
}

TEST_F(HistoryWriterTest, RefusesASourceThatIsTooLong) {
  Consent said;
  const std::string source(kMaxConsentSourceBytes + 1, 'x');
  said.source = source;
  EXPECT_TRUE(absl::IsInvalidArgument(writer_.SetConsent({"c", said}, "").status()));
}

TEST_F(HistoryWriterTest, AWriteOfFeaturesKeepsConsentAndHistory) {
  Record({Shown(5, 1)}).value();
  Say(true).value();
  ProfileWriter profiles(&store_, &clock_, HashKeyFromSeed(3));
  ProfileChange change{"c", {{1, ValueRef::Int(5)}}, true};
  ASSERT_TRUE(profiles.Upsert(change, "").ok());
  ASSERT_TRUE(profiles.UpsertMany({&change, 1})[0].ok());
  EXPECT_THAT(History(), ElementsAre(Shown(5, 1)));
  WithState([](const CustomerState& state) {
    EXPECT_TRUE(FindConsent(state.consents(), 3, 1)->has_value());
    EXPECT_NE(state.features(), "");
  });
}

TEST_F(HistoryWriterTest, ManyWritersLoseNothing) {
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) EXPECT_TRUE(Record({Shown(i, t)}).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(History(), SizeIs(80));
}

TEST_F(HistoryWriterTest, ManyChangesOfOneCustomerAreMadeInOrder) {
  const std::vector<HistoryChange> changes = {
      {"c", {Shown(9, 1)}}, {"d", {Shown(8, 1)}}, {"c", {Shown(7, 1), Shown(9, 1)}}};
  for (const auto& result : writer_.RecordMany(changes, bounds_)) EXPECT_TRUE(result.ok());
  EXPECT_THAT(History(), ElementsAre(Shown(9, 1), Shown(7, 1)));
}

}  // namespace
}  // namespace attune::customer
