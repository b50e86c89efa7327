#include "lib/customer/customer_record.h"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/codec.h"
#include "lib/context/value_codec.h"
#include "tests/testing/mutations.h"

namespace attune::customer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kId[] = "customer-1";

storage::Record AsRecord(std::string bytes, uint64_t version) {
  storage::Record record;
  record.found = true;
  record.version.number = version;
  record.bytes = std::move(bytes);
  return record;
}

std::string Features() {
  std::string features;
  AppendValue(features, 1, ValueRef::Int(48));
  AppendValue(features, 2, ValueRef::String("premium"));
  AppendValue(features, 9, ValueRef::Double(70.5));
  return features;
}

Interaction Decided(int64_t time_ms, uint32_t channel, std::optional<uint32_t> treatment) {
  return {InteractionKind::kDecided, time_ms, channel, treatment, 0};
}
Interaction Outcome(uint32_t outcome, int64_t time_ms, uint32_t channel, uint32_t treatment) {
  return {InteractionKind::kOutcome, time_ms, channel, treatment, outcome};
}

// A customer whose record is rewritten again and again, as the store would hand it back.
class CustomerRecordTest : public ::testing::Test {
 protected:
  CustomerState State() const {
    auto state = CustomerState::Parse(record_, kId);
    EXPECT_TRUE(state.ok()) << state.status();
    return state.ok() ? *state : CustomerState();
  }
  // Commits `change`, which leads to this version.
  void Apply(const RecordChange& change, uint64_t version) {
    std::string bytes;
    EncodeRecord(State(), kId, change, bytes);
    record_ = AsRecord(std::move(bytes), version);
  }
  void Decide(int64_t time_ms, std::optional<uint32_t> treatment, uint64_t version,
              HistoryBounds bounds = {}) {
    const Interaction decided = Decided(time_ms, 3, treatment);
    RecordChange change;
    change.interactions = absl::MakeConstSpan(&decided, 1);
    change.decisions = 1;
    change.bounds = bounds;
    change.now_ms = time_ms;
    Apply(change, version);
  }
  void Remember(uint64_t hash, uint64_t version) {
    RecordChange change;
    change.request = RememberedRequest{RequestKind::kDecide, hash, hash * 10, 12345};
    Apply(change, version);
  }

  storage::Record record_;
};

TEST_F(CustomerRecordTest, NothingIsHeldAboutAnUnknownCustomer) {
  const CustomerState state = State();
  EXPECT_FALSE(state.known());
  EXPECT_EQ(state.features(), "");
  EXPECT_EQ(state.features_time_us(), 0);
  EXPECT_EQ(state.decision_count(), 0u);
  EXPECT_THAT(state.History(), IsEmpty());
  EXPECT_EQ(state.FindRequest(0), std::nullopt);
}

TEST_F(CustomerRecordTest, EverythingComesBack) {
  const std::string features = Features();
  RecordChange change;
  change.features = features;
  change.features_time_us = 1'772'323'200'000'001;
  const Interaction decided = Decided(1'772'323'200'000, 3, 0);
  change.interactions = absl::MakeConstSpan(&decided, 1);
  change.decisions = 1;
  change.request = RememberedRequest{RequestKind::kCreate, 77, 88, 0};
  Apply(change, 5);
  const CustomerState state = State();
  EXPECT_TRUE(state.known());
  EXPECT_EQ(state.features(), features);
  EXPECT_EQ(state.features_time_us(), 1'772'323'200'000'001);
  EXPECT_EQ(state.decision_count(), 1u);
  ASSERT_EQ(state.History().size(), 1u);
  const Interaction interaction = state.History()[0];
  EXPECT_EQ(interaction.kind, InteractionKind::kDecided);
  EXPECT_EQ(interaction.time_ms, 1'772'323'200'000);
  EXPECT_EQ(interaction.channel, 3u);
  EXPECT_EQ(interaction.treatment, 0u);
  const auto request = state.FindRequest(77);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->kind, RequestKind::kCreate);
  EXPECT_EQ(request->fingerprint, 88u);
  EXPECT_EQ(request->version, 5u);
}

TEST_F(CustomerRecordTest, ADecisionKeepsTheFeatures) {
  const std::string features = Features();
  RecordChange write;
  write.features = features;
  write.features_time_us = 9;
  Apply(write, 1);
  Decide(100, 4, 2);
  EXPECT_EQ(State().features(), features);
  EXPECT_EQ(State().features_time_us(), 9);
  EXPECT_EQ(State().decision_count(), 1u);
}

TEST_F(CustomerRecordTest, AWriteOfFeaturesKeepsTheHistory) {
  Decide(100, 4, 1);
  Remember(7, 2);
  RecordChange write;
  write.features = "";
  write.features_time_us = 9;
  Apply(write, 3);
  EXPECT_EQ(State().decision_count(), 1u);
  EXPECT_EQ(State().History().size(), 1u);
  EXPECT_TRUE(State().FindRequest(7));
}

TEST_F(CustomerRecordTest, RemembersADecisionWithoutTreatment) {
  Decide(90, std::nullopt, 1);
  Decide(100, UINT32_MAX, 2);
  const std::vector<Interaction> history = State().History();
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0].treatment, std::nullopt);
  EXPECT_EQ(history[1].treatment, UINT32_MAX);
}

constexpr HistoryBounds kKeep64 = {64, INT64_MAX};

TEST_F(CustomerRecordTest, HistoryIsInTheOrderOfTheTimesWhateverTheOrderOfTheWrites) {
  const int64_t times[] = {1'772'323'200'000, 0, 7'258'118'400'000, 5, 5};
  uint64_t version = 0;
  for (const int64_t time : times) Decide(time, 1, ++version, kKeep64);
  std::vector<int64_t> remembered;
  for (const Interaction& interaction : State().History())
    remembered.push_back(interaction.time_ms);
  EXPECT_THAT(remembered, ElementsAre(0, 5, 5, 1'772'323'200'000, 7'258'118'400'000));
  EXPECT_EQ(State().dropped_until_ms(), std::nullopt);
}

TEST_F(CustomerRecordTest, RemembersTheLastInteractionsAndSaysUntilWhenOthersWereDropped) {
  for (uint64_t i = 1; i <= 200; ++i) {
    Decide(static_cast<int64_t>(i * i), static_cast<uint32_t>(i), i, kKeep64);
    const std::vector<Interaction> history = State().History();
    const uint64_t expected = std::min(i, kKeep64.max_interactions);
    ASSERT_EQ(history.size(), expected);
    for (uint64_t k = 0; k < expected; ++k) {
      const uint64_t number = i - expected + 1 + k;
      EXPECT_EQ(history[k].treatment, number);
      EXPECT_EQ(history[k].time_ms, static_cast<int64_t>(number * number));
    }
    const auto dropped = static_cast<int64_t>((i - expected) * (i - expected));
    EXPECT_EQ(State().dropped_until_ms(),
              dropped == 0 ? std::nullopt : std::optional<int64_t>(dropped));
  }
  EXPECT_EQ(State().decision_count(), 200u);
  EXPECT_LT(record_.bytes.size(), 500u);
}

TEST_F(CustomerRecordTest, ALateInteractionTakesItsPlaceAndTheOldestMakesRoom) {
  for (uint64_t i = 1; i <= 64; ++i) Decide(static_cast<int64_t>(i) * 10, 1, i, kKeep64);
  Decide(305, 2, 65, kKeep64);
  const std::vector<Interaction> history = State().History();
  ASSERT_EQ(history.size(), 64u);
  EXPECT_EQ(history.front().time_ms, 20);
  EXPECT_EQ(history[29].time_ms, 305);
  EXPECT_EQ(State().dropped_until_ms(), 10);
  // One that is older than all that are kept is dropped itself.
  Decide(15, 3, 66, kKeep64);
  EXPECT_EQ(State().History().front().time_ms, 20);
  EXPECT_EQ(State().dropped_until_ms(), 15);
}

TEST_F(CustomerRecordTest, WhatIsOlderThanTheRetentionIsDroppedByTheNextWrite) {
  const HistoryBounds bounds = {512, 1'000};
  Decide(100, 1, 1, bounds);
  Decide(600, 2, 2, bounds);
  Decide(1'100, 3, 3, bounds);
  EXPECT_EQ(State().History().size(), 3u);
  Decide(1'101, 4, 4, bounds);
  EXPECT_EQ(State().History().size(), 3u);
  EXPECT_EQ(State().dropped_until_ms(), 100);
}

TEST_F(CustomerRecordTest, AnImportThatIsRepeatedAddsNothing) {
  const Interaction first[] = {Outcome(1, 20, 3, 4), Decided(10, 3, 4), Outcome(1, 20, 3, 4)};
  RecordChange change;
  change.interactions = first;
  change.skip_known = true;
  change.now_ms = 30;
  Apply(change, 1);
  EXPECT_THAT(State().History(), ElementsAre(first[1], first[0]));
  const Interaction second[] = {first[0], Outcome(2, 20, 3, 4), Outcome(1, 20, 3, 5)};
  change.interactions = second;
  Apply(change, 2);
  EXPECT_THAT(State().History(), ElementsAre(first[1], first[0], second[1], second[2]));
  EXPECT_EQ(State().decision_count(), 0u);
}

// Two decisions of one moment are two.
TEST_F(CustomerRecordTest, DecisionsAtTheSameTimeAreAllRemembered) {
  for (uint64_t i = 1; i <= 3; ++i) Decide(100, 7, i);
  EXPECT_EQ(State().History().size(), 3u);
}

std::string Format1(uint64_t decisions, std::initializer_list<int64_t> deltas) {
  std::string bytes;
  PutFixed(bytes, uint8_t{1});
  PutVarint(bytes, 300);
  PutVarint(bytes, decisions);
  PutBytes(bytes, kId);
  PutBytes(bytes, Features());
  PutBytes(bytes, "");
  PutVarint(bytes, deltas.size());
  PutVarint(bytes, ZigZag(1'000));
  int64_t last = 1'000;
  for (const int64_t delta : deltas) last += delta;
  PutVarint(bytes, ZigZag(last));
  for (const int64_t delta : deltas) {
    PutFixed(bytes, uint8_t{1});
    PutVarint(bytes, ZigZag(delta));
    PutVarint(bytes, 3);
    PutVarint(bytes, 5);
  }
  return bytes;
}

TEST_F(CustomerRecordTest, ARecordOfFormat1IsReadAndRewritten) {
  record_ = AsRecord(Format1(3, {0, 500, -200}), 1);
  const std::vector<Interaction> expected = {Decided(1'000, 3, 4), Decided(1'300, 3, 4),
                                             Decided(1'500, 3, 4)};
  EXPECT_EQ(State().features(), Features());
  EXPECT_EQ(State().consents(), "");
  EXPECT_EQ(State().History(), expected);
  EXPECT_EQ(State().dropped_until_ms(), std::nullopt);
  RecordChange write;
  write.features = "";
  Apply(write, 2);
  EXPECT_EQ(record_.bytes[0], 3);
  EXPECT_EQ(State().History(), expected);
  Decide(1'400, 9, 3);
  EXPECT_EQ(State().History().size(), 4u);
  EXPECT_EQ(State().History()[2].treatment, 9u);
  EXPECT_EQ(State().decision_count(), 4u);
}

TEST_F(CustomerRecordTest, ARecordOfFormat1ThatForgotDecisionsSaysSo) {
  record_ = AsRecord(Format1(65, {100, 500}), 1);
  EXPECT_EQ(State().dropped_until_ms(), 1'000);
}

TEST_F(CustomerRecordTest, RemembersTheLast16Requests) {
  for (uint64_t i = 1; i <= 40; ++i) {
    Remember(i, 100 + i);
    for (uint64_t hash = 1; hash <= i; ++hash) {
      const bool remembered = hash + kMaxRememberedRequests > i;
      ASSERT_EQ(State().FindRequest(hash).has_value(), remembered) << hash << " of " << i;
    }
  }
  EXPECT_LT(record_.bytes.size(), 500u);
}

TEST_F(CustomerRecordTest, ARequestKeepsTheVersionOfItsCommit) {
  Remember(1, 10);
  EXPECT_EQ(State().FindRequest(1)->version, 10u);
  Remember(2, 500);
  EXPECT_EQ(State().FindRequest(1)->version, 10u);
  EXPECT_EQ(State().FindRequest(2)->version, 500u);
  Decide(1, 1, 100'000);
  RecordChange write;
  write.features = "";
  Apply(write, 1ull << 40);
  Remember(3, 1ull << 50);
  EXPECT_EQ(State().FindRequest(1)->version, 10u);
  EXPECT_EQ(State().FindRequest(1)->fingerprint, 10u);
  EXPECT_EQ(State().FindRequest(2)->version, 500u);
  EXPECT_EQ(State().FindRequest(3)->version, 1ull << 50);
}

// A request that had to be carried out anew (its answer had left the log) stands for its last time.
TEST_F(CustomerRecordTest, ARequestThatIsRememberedAgainHasItsLatestVersion) {
  Remember(1, 10);
  Remember(2, 20);
  Remember(1, 30);
  EXPECT_EQ(State().FindRequest(1)->version, 30u);
  Decide(1, 1, 40);
  EXPECT_EQ(State().FindRequest(1)->version, 30u);
  EXPECT_EQ(State().FindRequest(2)->version, 20u);
  // And it takes one place only.
  for (uint64_t hash = 3; hash < 3 + kMaxRememberedRequests - 2; ++hash) Remember(hash, 40 + hash);
  EXPECT_TRUE(State().FindRequest(1));
  EXPECT_TRUE(State().FindRequest(2));
}

TEST_F(CustomerRecordTest, RefusesTheRecordOfAnotherCustomer) {
  Decide(1, 1, 1);
  EXPECT_TRUE(absl::IsDataLoss(CustomerState::Parse(record_, "customer-2").status()));
  EXPECT_TRUE(absl::IsDataLoss(CustomerState::Parse(record_, "").status()));
}

TEST_F(CustomerRecordTest, RefusesARecordOfANewerVersion) {
  Decide(1, 1, 1);
  record_.bytes[0] = kRecordFormat + 1;
  const absl::Status status = CustomerState::Parse(record_, kId).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("newer"));
}

TEST_F(CustomerRecordTest, RefusesAHistoryThatIsLongerThanTheRecord) {
  std::string bytes;
  PutFixed(bytes, kRecordFormat);
  PutVarint(bytes, 0);
  PutVarint(bytes, 0);
  PutBytes(bytes, kId);
  PutBytes(bytes, "");
  PutBytes(bytes, "");
  PutBytes(bytes, "");
  PutBytes(bytes, "");
  PutVarint(bytes, 0);
  PutVarint(bytes, uint64_t{1} << 60);
  PutVarint(bytes, 0);
  PutVarint(bytes, 0);
  EXPECT_TRUE(absl::IsDataLoss(CustomerState::Parse(AsRecord(bytes, 1), kId).status()));
}

TEST_F(CustomerRecordTest, TheEncodingStaysWhatIsStored) {
  RecordChange decides;
  decides.decision = RememberedDecision{5, 0, 6};
  Apply(decides, 9);
  const RememberedOutcome shown{5, 3, 4, 1, 8, 3};
  RecordChange change;
  change.outcomes = absl::MakeConstSpan(&shown, 1);
  change.features = "\x0A\x02";  // number 1: int 1
  change.features_time_us = 300;
  const Interaction interactions[] = {Decided(1'000, 2, 4), Outcome(6, 1'001, 2, 4)};
  change.interactions = interactions;
  change.decisions = 1;
  change.bounds.retention_ms = 1'000'000;
  change.consents = "\x03";
  change.request = RememberedRequest{RequestKind::kUpsert, 1, 2, 9};
  Apply(change, 7);
  std::string expected("\x03\xAC\x02\x01", 4);
  expected +=
      "\x0A"
      "customer-1";
  expected += "\x02\x0A\x02";
  expected += std::string("\x12\x02\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0", 19);
  expected += "\x01\x03";
  // One decision (tag 5, version 9, time 6) with one outcome (hash 3, fingerprint 4, treatment 1
  // shown 2 us later, status 3).
  expected += std::string("\x2C\x05\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0", 17);
  expected += std::string("\x06\0\0\0\0\0\0\0\x12\0", 10);
  expected += std::string("\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x23\x04", 18);
  // Nothing dropped, two interactions from 1000 to 1001 ms.
  expected += std::string("\0\x02\xD0\x0F\xD2\x0F", 6);
  expected += std::string("\x01\0\x02\x05", 4);
  expected += std::string("\x02\x06\x02\x02\x05", 5);
  EXPECT_EQ(record_.bytes, expected);
}

TEST_F(CustomerRecordTest, EveryMutationIsReadWithoutHarm) {
  const std::string features = Features();
  for (uint64_t i = 1; i <= 5; ++i) {
    RecordChange change;
    change.features = features;
    change.features_time_us = static_cast<int64_t>(i);
    const Interaction interactions[] = {
        Decided(static_cast<int64_t>(i) * 1'000'000, 2, i % 2 ? i : 0),
        Outcome(7, static_cast<int64_t>(i) * 1'000'000 + 5, 2, 1)};
    change.interactions = interactions;
    change.request = RememberedRequest{RequestKind::kDecide, i, i, 0};
    Apply(change, i * 1000);
  }
  RecordChange next;
  const Interaction decided = Decided(INT64_MAX / 2, 1, 2);
  next.interactions = absl::MakeConstSpan(&decided, 1);
  next.bounds.retention_ms = INT64_MAX;
  next.request = RememberedRequest{RequestKind::kDecide, 99, 99, 0};
  int readable = 0;
  testing::ForEachMutation(record_.bytes, 50'000, [&](const std::string& mutated) {
    const storage::Record record = AsRecord(mutated, 1);
    const auto state = CustomerState::Parse(record, kId);
    if (!state.ok()) {
      EXPECT_TRUE(absl::IsDataLoss(state.status()));
      return;
    }
    ++readable;
    // What was written over damage is bounded and readable again.
    EXPECT_LE(state->History().size(), mutated.size());
    (void)state->FindRequest(3);
    std::string rewritten;
    EncodeRecord(*state, kId, next, rewritten);
    EXPECT_LE(rewritten.size(), mutated.size() + 100);
    const storage::Record second = AsRecord(rewritten, 2);
    const auto after = CustomerState::Parse(second, kId);
    if (after.ok()) {
      EXPECT_TRUE(after->FindRequest(99));
      EXPECT_LE(after->History().size(), mutated.size());
    }
  });
  EXPECT_GT(readable, 1000);
}

TEST_F(CustomerRecordTest, ADamagedHistoryDoesNotSpoilTheRecordForGood) {
  for (uint64_t i = 1; i <= 64; ++i) Decide(static_cast<int64_t>(i), 1'000, i, kKeep64);
  // The last interaction is cut off.
  record_.bytes.resize(record_.bytes.size() - 2);
  std::vector<Interaction> history;
  EXPECT_FALSE(State().ReadHistory(history));
  for (uint64_t i = 65; i <= 300; ++i) Decide(static_cast<int64_t>(i), 2'000, i, kKeep64);
  EXPECT_LE(State().History().size(), kKeep64.max_interactions);
  EXPECT_LT(record_.bytes.size(), 1000u);
  EXPECT_GE(*State().dropped_until_ms(), 64);
}

FeatureEdit Set(uint32_t number, const ValueRef& value) { return {number, value}; }
FeatureEdit Remove(uint32_t number) { return {number, std::nullopt}; }

std::vector<std::pair<uint32_t, std::string>> Entries(std::string_view features) {
  std::vector<std::pair<uint32_t, std::string>> entries;
  ValueReader reader(features);
  ValueEntry entry;
  while (reader.Next(entry)) entries.emplace_back(entry.number, entry.value.ToString());
  EXPECT_TRUE(reader.ok());
  return entries;
}

TEST(EditFeaturesTest, InsertsReplacesAndRemoves) {
  const std::vector<FeatureEdit> edits = {
      Set(0, ValueRef::Bool(true)),
      Set(2, ValueRef::String("basic")),
      Set(3, ValueRef::Int(5)),
      Remove(4),
      Remove(9),
      Set(100, ValueRef::Double(0.5)),
  };
  std::string edited = "what was there before";
  ASSERT_TRUE(EditFeatures(Features(), edits, edited).ok());
  using Entry = std::pair<uint32_t, std::string>;
  EXPECT_THAT(Entries(edited), ElementsAre(Entry(0, "true"), Entry(1, "48"), Entry(2, "\"basic\""),
                                           Entry(3, "5"), Entry(100, "0.5")));
}

TEST(EditFeaturesTest, KeepsWhatItDoesNotKnowByteForByte) {
  std::string edited;
  ASSERT_TRUE(EditFeatures(Features(), {}, edited).ok());
  EXPECT_EQ(edited, Features());
}

TEST(EditFeaturesTest, MakesTheSameBytesWhateverTheWay) {
  std::string at_once;
  ASSERT_TRUE(EditFeatures("", {Set(1, ValueRef::Int(1)), Set(2, ValueRef::Int(2))}, at_once).ok());
  std::string first;
  std::string then;
  ASSERT_TRUE(EditFeatures("", {Set(2, ValueRef::Int(2))}, first).ok());
  ASSERT_TRUE(EditFeatures(first, {Set(1, ValueRef::Int(1))}, then).ok());
  EXPECT_EQ(then, at_once);
}

TEST(EditFeaturesTest, ReportsMalformedFeatures) {
  std::string edited;
  EXPECT_TRUE(absl::IsDataLoss(EditFeatures("\x0C\x7F", {}, edited)));
}

TEST(EditFeaturesTest, AgreesWithAMapOnRandomEdits) {
  std::mt19937_64 random(5);
  std::string features;
  std::map<uint32_t, int64_t> expected;
  for (int round = 0; round < 500; ++round) {
    std::map<uint32_t, std::optional<int64_t>> edits;
    for (uint64_t i = random() % 6; i > 0; --i) {
      auto& edit = edits[static_cast<uint32_t>(random() % 20)];
      edit = random() % 3 == 0 ? std::optional<int64_t>() : static_cast<int64_t>(random());
    }
    std::vector<FeatureEdit> list;
    for (const auto& [number, value] : edits) {
      list.push_back(value ? Set(number, ValueRef::Int(*value)) : Remove(number));
      if (value) {
        expected[number] = *value;
      } else {
        expected.erase(number);
      }
    }
    std::string edited;
    ASSERT_TRUE(EditFeatures(features, list, edited).ok());
    features = edited;
    std::vector<std::pair<uint32_t, std::string>> printed;
    for (const auto& [number, value] : expected)
      printed.emplace_back(number, std::to_string(value));
    ASSERT_EQ(Entries(features), printed);
  }
}

TEST_F(CustomerRecordTest, CanBeReadWithoutTheId) {
  RecordChange change;
  const std::string features = Features();
  change.features = features;
  change.features_time_us = 5;
  Apply(change, 3);
  EXPECT_TRUE(absl::IsDataLoss(CustomerState::Parse(record_, "another").status()));
  const auto state = CustomerState::ParseAny(record_);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_TRUE(state->known());
  EXPECT_EQ(state->features(), features);
  record_.bytes.resize(10);
  EXPECT_TRUE(absl::IsDataLoss(CustomerState::ParseAny(record_).status()));
  EXPECT_FALSE(CustomerState::ParseAny(storage::Record())->found());
}

}  // namespace
}  // namespace attune::customer
