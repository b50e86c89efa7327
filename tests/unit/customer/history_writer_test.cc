#include "lib/customer/history_writer.h"

#include <string>
#include <thread>
#include <vector>

#include "attune/storage/v1/event.pb.h"
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
  absl::StatusOr<ConsentResult> Say(bool granted, std::string_view request_id = "") {
    Consent said;
    said.purpose = 3;
    said.granted = granted;
    said.time_us = kTimeOfRecording;
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
  EXPECT_EQ(result->recorded, 3);
  EXPECT_EQ(result->version, store_.RecordOf("c").version.number);
  EXPECT_THAT(History(), ElementsAre(Shown(20, 2), Shown(10, 3), Shown(5, 1)));
  EXPECT_EQ(store_.last_durability(), storage::Durability::kPower);
  WithState([](const CustomerState& state) { EXPECT_EQ(state.decision_count(), 0u); });
}

TEST_F(HistoryWriterTest, WhatIsRememberedIsNotRecordedAgain) {
  const auto first = Record({Shown(5, 1), Shown(5, 1)});
  EXPECT_EQ(first->recorded, 1);
  EXPECT_EQ(first->already_known, 1);
  EXPECT_THAT(History(), SizeIs(1));
  const int syncs = store_.syncs();
  const auto again = Record({Shown(5, 1)});
  EXPECT_EQ(again->recorded, 0);
  EXPECT_EQ(again->already_known, 1);
  EXPECT_EQ(again->version, first->version);
  EXPECT_EQ(store_.commits(), 1);
  EXPECT_EQ(store_.syncs(), syncs + 1) << "what is known may be somebody else's, not on disk yet";
}

TEST_F(HistoryWriterTest, KeepsTheStrategysBounds) {
  bounds_ = {2, 1'000};
  const auto first = Record({Shown(5'000, 1), Shown(30, 1), Shown(20, 1), Shown(10, 1)});
  EXPECT_EQ(first->recorded, 2);
  EXPECT_EQ(first->too_old, 2);
  EXPECT_THAT(History(), ElementsAre(Shown(20, 1), Shown(10, 1)));
  WithState([](const CustomerState& state) { EXPECT_EQ(state.dropped_until_ms(), kNowMs - 30); });
}

TEST_F(HistoryWriterTest, WhatIsTooOldIsLeftOutAgainWithoutAWrite) {
  bounds_ = {2, 1'000};
  const std::vector<Interaction> all = {Shown(5'000, 1), Shown(30, 1), Shown(20, 1), Shown(10, 1)};
  Record(all).value();
  const auto again = Record(all);
  EXPECT_EQ(again->recorded, 0);
  EXPECT_EQ(again->already_known, 2);
  EXPECT_EQ(again->too_old, 2);
  EXPECT_EQ(store_.commits(), 1);
}

TEST_F(HistoryWriterTest, EachChangeIsAnEventOfItsCommit) {
  const uint64_t recorded = Record({Shown(5, 1), Shown(5, 1)}, "r1")->version;
  const uint64_t said = Say(false)->version;
  Say(false).value();
  const auto log = store_.Log();
  ASSERT_THAT(log, SizeIs(2)) << "what changes nothing is no event";
  EXPECT_EQ(log[0].position, recorded);
  EXPECT_EQ(log[0].type, storage::EventType::kInteractions);
  storage::v1::InteractionsEvent interactions;
  ASSERT_TRUE(interactions.ParseFromString(log[0].payload));
  ASSERT_EQ(interactions.interactions_size(), 1);
  EXPECT_EQ(interactions.interactions(0).time_ms(), kNowMs - 5);
  EXPECT_EQ(interactions.interactions(0).channel(), 1u);
  EXPECT_EQ(interactions.interactions(0).treatment_plus_one(), 2u);
  EXPECT_EQ(interactions.interactions(0).outcome(), 4u);
  EXPECT_EQ(interactions.already_known(), 1);
  EXPECT_EQ(interactions.recorded_time_us(), absl::ToUnixMicros(kNow));
  EXPECT_NE(interactions.request_hash(), 0u);
  EXPECT_EQ(log[1].position, said);
  EXPECT_EQ(log[1].type, storage::EventType::kConsent);
  storage::v1::ConsentEvent consent;
  ASSERT_TRUE(consent.ParseFromString(log[1].payload));
  EXPECT_EQ(consent.purpose(), 3u);
  EXPECT_EQ(consent.channel_plus_one(), 0u);
  EXPECT_FALSE(consent.granted());
  EXPECT_EQ(consent.source(), "agent");
  EXPECT_EQ(consent.said_time_us(), absl::ToUnixMicros(kNow));
  EXPECT_EQ(consent.request_hash(), 0u);
}

TEST_F(HistoryWriterTest, WithoutATimeItIsNowAlsoWhenItIsRetriedLater) {
  Interaction now = Shown(0, 1);
  now.time_ms = kTimeOfRecording;
  Record({now}, "r1").value();
  clock_.Advance(absl::Seconds(5));
  EXPECT_EQ(Record({now}, "r1")->recorded, 1) << "answered as before";
  EXPECT_THAT(History(), ElementsAre(Shown(0, 1)));
  Record({now}).value();
  EXPECT_THAT(History(), ElementsAre(Shown(0, 1), Shown(-5'000, 1)));
}

TEST_F(HistoryWriterTest, ARepeatedRequestWhoseEventHasLeftTheLogIsKnown) {
  const auto first = Record({Shown(5, 1)}, "r1");
  ASSERT_TRUE(store_.TrimLog(0).ok());
  const auto again = Record({Shown(5, 1)}, "r1");
  EXPECT_EQ(again->version, first->version);
  EXPECT_EQ(again->recorded, 0);
  EXPECT_EQ(again->already_known, 1);
  EXPECT_THAT(History(), SizeIs(1));
}

TEST_F(HistoryWriterTest, ARepeatedRequestIsAnsweredAlike) {
  const auto first = Record({Shown(5, 1), Shown(5, 1)}, "r1");
  Record({Shown(4, 1)}).value();
  const auto second = Record({Shown(5, 1), Shown(5, 1)}, "r1");
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->version, first->version);
  EXPECT_EQ(second->recorded, 1);
  EXPECT_EQ(second->already_known, 1);
  EXPECT_TRUE(absl::IsAlreadyExists(Record({Shown(3, 1)}, "r1").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(Say(true, "r1").status()));
}

TEST_F(HistoryWriterTest, ARequestThatRecordedNothingIsAnsweredAlike) {
  bounds_.retention_ms = 10;
  for (int i = 0; i < 2; ++i) {
    const auto result = Record({Shown(50, 1)}, "r1");
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->recorded, 0);
    EXPECT_EQ(result->already_known, 0);
    EXPECT_EQ(result->too_old, 1);
  }
}

TEST_F(HistoryWriterTest, WhatIsSaidNowComesAfterWhatAFastClockSaid) {
  Consent granted;
  granted.purpose = 3;
  granted.channel = 1;
  granted.granted = true;
  granted.time_us = absl::ToUnixMicros(kNow + absl::Minutes(4));
  granted.source = "web form";
  ASSERT_TRUE(writer_.SetConsent({"c", granted}, "")->changed);
  EXPECT_TRUE(Say(false)->changed) << "on all channels, without a time";
  WithState([](const CustomerState& state) {
    const auto said = FindConsent(state.consents(), 3, 1);
    ASSERT_TRUE(said.ok() && said->has_value());
    EXPECT_FALSE((*said)->granted);
  });
}

TEST_F(HistoryWriterTest, AConsentIsKeptWithTimeAndSource) {
  ASSERT_TRUE(Say(true).ok());
  clock_.Advance(absl::Seconds(1));
  const auto withdrawn = Say(false, "r2");
  ASSERT_TRUE(withdrawn.ok());
  EXPECT_TRUE(withdrawn->changed);
  clock_.Advance(absl::Seconds(1));
  const auto again = Say(false, "r2");
  EXPECT_EQ(again->version, withdrawn->version);
  EXPECT_TRUE(again->changed);
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

TEST_F(HistoryWriterTest, ManyChangesOfOneCustomerAreOneWrite) {
  const std::vector<HistoryChange> changes = {
      {"c", {Shown(9, 1)}}, {"d", {Shown(8, 1)}}, {"c", {Shown(7, 1), Shown(9, 1)}}, {"c", {}}};
  const auto results = writer_.RecordMany(changes, bounds_);
  ASSERT_THAT(results, SizeIs(4));
  for (const auto& result : results) ASSERT_TRUE(result.ok());
  EXPECT_THAT(History(), ElementsAre(Shown(9, 1), Shown(7, 1)));
  EXPECT_EQ(results[0]->recorded, 1);
  EXPECT_EQ(results[2]->recorded, 1);
  EXPECT_EQ(results[2]->already_known, 1);
  EXPECT_EQ(results[3]->version, results[0]->version);
  EXPECT_EQ(store_.writes(), 1);
  EXPECT_EQ(store_.commits(), 2);
  EXPECT_THAT(store_.Log(), SizeIs(2));

  for (const auto& result : writer_.RecordMany(changes, bounds_)) EXPECT_EQ(result->recorded, 0);
  EXPECT_EQ(store_.commits(), 2) << "repeating it is harmless";
}

TEST_F(HistoryWriterTest, ManyChangesAreMadeAgainAfterAConflict) {
  testing::FakeStateStore::Faults faults;
  faults.conflicts = 3;
  store_.SetFaults(faults);
  const auto results = writer_.RecordMany(
      std::vector<HistoryChange>{{"c", {Shown(9, 1)}}, {"d", {Shown(8, 1)}}}, bounds_);
  for (const auto& result : results) {
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->recorded, 1);
  }
  EXPECT_THAT(History(), ElementsAre(Shown(9, 1)));
}

TEST_F(HistoryWriterTest, ManyChangesTellWhatFailed) {
  store_.SetRecord("d", "damaged");
  const auto results = writer_.RecordMany(
      std::vector<HistoryChange>{{"c", {Shown(9, 1)}}, {"d", {Shown(8, 1)}}}, bounds_);
  EXPECT_TRUE(results[0].ok());
  EXPECT_TRUE(absl::IsDataLoss(results[1].status()));
  testing::FakeStateStore::Faults faults;
  faults.load = absl::UnavailableError("no disk");
  store_.SetFaults(faults);
  for (const auto& result :
       writer_.RecordMany(std::vector<HistoryChange>{{"c", {Shown(7, 1)}}}, bounds_)) {
    EXPECT_TRUE(absl::IsUnavailable(result.status()));
  }
}

}  // namespace
}  // namespace attune::customer
