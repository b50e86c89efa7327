// The decisions in a customer's record, and the outcomes that were reported of them.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/codec.h"
#include "lib/customer/customer_record.h"
#include "tests/testing/mutations.h"

namespace attune::customer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kWhose[] = "customer-1";

class RememberedDecisionsTest : public ::testing::Test {
 protected:
  CustomerState State() const {
    auto state = CustomerState::Parse(record_, kWhose);
    EXPECT_TRUE(state.ok()) << state.status();
    return state.ok() ? *state : CustomerState();
  }
  void Apply(const RecordChange& change, uint64_t version) {
    std::string bytes;
    EncodeRecord(State(), kWhose, change, bytes);
    record_.found = true;
    record_.version.number = version;
    record_.bytes = std::move(bytes);
  }
  void Decide(uint64_t tag, int64_t time_us, uint64_t version, int64_t since_us = 0) {
    RecordChange change;
    change.decision = RememberedDecision{tag, 12345, time_us};
    change.decisions_since_us = since_us;
    Apply(change, version);
  }
  void Tell(const std::vector<RememberedOutcome>& outcomes, uint64_t version) {
    RecordChange change;
    change.outcomes = outcomes;
    Apply(change, version);
  }
  std::vector<uint64_t> Tags() const {
    std::vector<uint64_t> tags;
    for (const RememberedDecision& decision : State().Decisions()) tags.push_back(decision.tag);
    return tags;
  }

  storage::Record record_;
};

TEST_F(RememberedDecisionsTest, NothingIsRememberedOfAnUnknownCustomer) {
  EXPECT_THAT(State().Decisions(), IsEmpty());
  EXPECT_THAT(State().Outcomes(), IsEmpty());
  EXPECT_EQ(State().id(), "");
}

TEST_F(RememberedDecisionsTest, ADecisionKeepsTheVersionOfItsCommit) {
  Decide(7, 100, 3);
  EXPECT_THAT(State().Decisions(), ElementsAre(RememberedDecision{7, 3, 100}));
  EXPECT_EQ(State().id(), kWhose);
  Decide(8, 50, 500);
  EXPECT_THAT(State().Decisions(),
              ElementsAre(RememberedDecision{7, 3, 100}, RememberedDecision{8, 500, 50}));
  RecordChange write;
  write.features = "";
  Apply(write, uint64_t{1} << 40);
  EXPECT_THAT(State().Decisions(),
              ElementsAre(RememberedDecision{7, 3, 100}, RememberedDecision{8, 500, 50}));
}

TEST_F(RememberedDecisionsTest, RemembersTheLast32) {
  for (uint64_t i = 1; i <= 100; ++i) Decide(i, static_cast<int64_t>(i), i);
  EXPECT_THAT(State().Decisions(), SizeIs(kMaxRememberedDecisions));
  EXPECT_EQ(State().Decisions().front(), (RememberedDecision{69, 69, 69}));
  EXPECT_EQ(State().Decisions().back(), (RememberedDecision{100, 100, 100}));
}

TEST_F(RememberedDecisionsTest, ForgetsThoseThatAreTooOldWithTheNextOne) {
  Decide(1, 10, 1);
  Decide(2, 20, 2);
  Decide(3, 30, 3, 20);
  EXPECT_THAT(Tags(), ElementsAre(2, 3)) << "one of the very moment stays";
  RecordChange write;
  write.features = "";
  write.decisions_since_us = 1'000;
  Apply(write, 4);
  EXPECT_THAT(Tags(), ElementsAre(2, 3)) << "only a decision drives others out";
  Decide(4, 1'000, 5, 1'000);
  EXPECT_THAT(State().Decisions(), ElementsAre(RememberedDecision{4, 5, 1'000}));
}

TEST_F(RememberedDecisionsTest, OneDecisionForgetsAtMostTwoForTheirAge) {
  for (uint64_t i = 1; i <= 5; ++i) Decide(i, 10, i);
  Decide(6, 1'000'000, 6, 900'000);
  EXPECT_THAT(Tags(), ElementsAre(3, 4, 5, 6));
}

TEST_F(RememberedDecisionsTest, ADecisionMayTakeFreeRoomOnly) {
  const auto decide = [&](uint64_t tag) {
    RecordChange change;
    change.decision = RememberedDecision{tag, 0, 10};
    change.decision_takes_free_room = true;
    Apply(change, tag);
  };
  for (uint64_t i = 1; i < kMaxRememberedDecisions; ++i) Decide(i, 10, i);
  decide(100);
  EXPECT_EQ(Tags().back(), 100u);
  const std::vector<uint64_t> full = Tags();
  decide(101);
  EXPECT_EQ(Tags(), full);
  EXPECT_EQ(State().Decisions().back().version, 100u);
}

TEST_F(RememberedDecisionsTest, TheOldestMakeRoomForOutcomesOfTheCustomer) {
  for (uint64_t tag = 1; tag <= 6; ++tag) Decide(tag, 10, tag);
  for (uint64_t tag = 1; tag <= 5; ++tag) {
    if (tag == 3) continue;  // nothing is told of it, so it makes no room
    std::vector<RememberedOutcome> outcomes;
    for (uint64_t i = 0; i < 64; ++i) outcomes.push_back({tag, i, i, std::nullopt, 0});
    Tell(outcomes, 10 + tag);
  }
  EXPECT_THAT(State().Outcomes(), SizeIs(kMaxOutcomesOfCustomer));
  Tell({{6, 1, 1, std::nullopt, 0}}, 20);
  EXPECT_THAT(Tags(), ElementsAre(2, 3, 4, 5, 6));
}

TEST_F(RememberedDecisionsTest, OutcomesStandWithTheirDecisions) {
  Decide(1, 100, 1);
  Decide(2, 200, 2);
  const RememberedOutcome accepted{1, 11, 12, std::nullopt, 0};
  const RememberedOutcome shown{2, 21, 22, 0, 199, 5};
  const RememberedOutcome of_none{3, 31, 32, std::nullopt, 0};
  Tell({shown, accepted, of_none}, 3);
  EXPECT_THAT(State().Outcomes(), ElementsAre(accepted, shown));
  EXPECT_EQ(State().Decisions().back(), (RememberedDecision{2, 2, 200}));
  const RememberedOutcome clicked{1, 13, 14, 4'000'000'000, 5'000'000'000'000'000};
  Tell({clicked}, 4);
  EXPECT_THAT(State().Outcomes(), ElementsAre(accepted, clicked, shown));
  // They go with their decision.
  Decide(3, 300, 5, 200);
  EXPECT_THAT(State().Outcomes(), ElementsAre(shown));
}

TEST_F(RememberedDecisionsTest, ADecisionHasAtMost64Outcomes) {
  Decide(1, 100, 1);
  std::vector<RememberedOutcome> outcomes;
  outcomes.reserve(100);
  for (uint64_t i = 0; i < 100; ++i) outcomes.push_back({1, i, i, UINT32_MAX, INT64_MAX});
  Tell(outcomes, 2);
  EXPECT_THAT(State().Outcomes(), SizeIs(kMaxRememberedOutcomes));
  Tell({{1, 1'000, 0, std::nullopt, 0}}, 3);
  EXPECT_THAT(State().Outcomes(), SizeIs(kMaxRememberedOutcomes));
  EXPECT_EQ(State().Outcomes().back(), outcomes[kMaxRememberedOutcomes - 1]);
}

TEST_F(RememberedDecisionsTest, ARecordOfFormat2IsReadAndRewritten) {
  std::string bytes;
  PutFixed(bytes, uint8_t{2});
  PutVarint(bytes, 300);  // features_time
  PutVarint(bytes, 4);    // decision_count
  PutBytes(bytes, kWhose);
  PutBytes(bytes, "");
  PutBytes(bytes, "");
  PutBytes(bytes, "\x03");
  PutVarint(bytes, 0);
  PutVarint(bytes, 1);
  PutVarint(bytes, ZigZag(1'000));
  PutVarint(bytes, ZigZag(1'000));
  PutFixed(bytes, uint8_t{1});
  PutVarint(bytes, 0);
  PutVarint(bytes, 3);
  PutVarint(bytes, 5);
  record_.found = true;
  record_.version.number = 1;
  record_.bytes = bytes;
  const std::vector<Interaction> history = {{InteractionKind::kDecided, 1'000, 3, 4, 0}};
  EXPECT_THAT(State().Decisions(), IsEmpty());
  EXPECT_EQ(State().History(), history);
  Decide(1, 100, 2);
  EXPECT_EQ(record_.bytes[0], 3);
  EXPECT_THAT(State().Decisions(), ElementsAre(RememberedDecision{1, 2, 100}));
  EXPECT_EQ(State().History(), history);
  EXPECT_EQ(State().consents(), "\x03");
  EXPECT_EQ(State().decision_count(), 4u);
}

TEST_F(RememberedDecisionsTest, EveryMutationOfThemIsReadWithoutHarm) {
  for (uint64_t i = 1; i <= 3; ++i) Decide(i, static_cast<int64_t>(i) * 100, i * 1000);
  Tell({{1, 11, 12, 7, 150}, {2, 21, 22, std::nullopt, 0}, {3, 31, 32, 0, 290}}, 9'000);
  const RememberedOutcome outcome{2, 41, 42, 9, 250};
  int readable = 0;
  testing::ForEachMutation(record_.bytes, 20'000, [&](const std::string& mutated) {
    storage::Record record;
    record.found = true;
    record.version.number = 1;
    record.bytes = mutated;
    const auto state = CustomerState::Parse(record, kWhose);
    if (!state.ok()) return;
    ++readable;
    EXPECT_LE(state->Decisions().size(), mutated.size());
    EXPECT_LE(state->Outcomes().size(), mutated.size());
    RecordChange next;
    next.decision = RememberedDecision{99, 0, 1'000};
    next.outcomes = absl::MakeConstSpan(&outcome, 1);
    std::string rewritten;
    EncodeRecord(*state, kWhose, next, rewritten);
    record.bytes = rewritten;
    record.version.number = 2;
    const auto after = CustomerState::Parse(record, kWhose);
    if (!after.ok()) return;
    EXPECT_LE(after->Decisions().size(), kMaxRememberedDecisions);
    EXPECT_EQ(after->Decisions().back(), (RememberedDecision{99, 2, 1'000}));
  });
  EXPECT_GT(readable, 1000);
}

}  // namespace
}  // namespace attune::customer
