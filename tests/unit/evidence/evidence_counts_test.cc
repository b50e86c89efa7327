#include "lib/evidence/evidence_counts.h"

#include <string>
#include <vector>

#include "attune/storage/v1/event.pb.h"
#include "attune/storage/v1/evidence.pb.h"
#include "gtest/gtest.h"

namespace attune::evidence {
namespace {

constexpr uint32_t kUpgrade = 3;  // numbers of treatments
constexpr uint32_t kCable = 0;
constexpr uint32_t kShown = 0;  // numbers of outcomes
constexpr uint32_t kAccepted = 5;

// What was decided: the treatments that were scored, and the ranking by indexes into them.
storage::LogEntry Decision(uint64_t position, const std::vector<uint32_t>& scored,
                           const std::vector<uint32_t>& ranking) {
  storage::v1::DecisionEvent event;
  for (const uint32_t treatment : scored) event.add_scored(treatment);
  for (const uint32_t index : ranking) event.add_ranking(index);
  return {position, {}, storage::EventType::kDecision, event.SerializeAsString()};
}

struct Happened {
  uint32_t treatment_plus_one;
  uint32_t outcome;
  bool decided = false;
};

storage::LogEntry Interactions(uint64_t position, const std::vector<Happened>& happened) {
  storage::v1::InteractionsEvent event;
  for (const Happened& one : happened) {
    auto& interaction = *event.add_interactions();
    interaction.set_treatment_plus_one(one.treatment_plus_one);
    interaction.set_outcome(one.outcome);
    interaction.set_decided(one.decided);
  }
  return {position, {}, storage::EventType::kInteractions, event.SerializeAsString()};
}

catalog::Ramp Counting(const std::vector<uint32_t>& outcomes, bool decided = false) {
  catalog::Ramp ramp;
  ramp.outcomes = outcomes;
  ramp.counts_decided = decided;
  return ramp;
}

TEST(EvidenceCountsTest, CountsOutcomesOfEachTreatment) {
  EvidenceCounts counts;
  EXPECT_TRUE(counts.Add(
      Interactions(1, {{kUpgrade + 1, kShown}, {kUpgrade + 1, kAccepted}, {kCable + 1, kShown}})));
  EXPECT_TRUE(counts.Add(Interactions(2, {{kUpgrade + 1, kShown}})));
  EXPECT_EQ(counts.EvidenceFor(Counting({kShown}), kUpgrade), 2);
  EXPECT_EQ(counts.EvidenceFor(Counting({kAccepted}), kUpgrade), 1);
  EXPECT_EQ(counts.EvidenceFor(Counting({kShown, kAccepted}), kUpgrade), 3);
  EXPECT_EQ(counts.EvidenceFor(Counting({kShown}), kCable), 1);
  EXPECT_EQ(counts.EvidenceFor(Counting({kAccepted}), kCable), 0);
  EXPECT_EQ(counts.EvidenceFor(Counting({}, true), kUpgrade), 0);
}

TEST(EvidenceCountsTest, CountsWhatDecisionsPutOnTop) {
  EvidenceCounts counts;
  EXPECT_TRUE(counts.Add(Decision(1, {kCable, kUpgrade}, {1, 0})));
  EXPECT_TRUE(counts.Add(Decision(2, {kCable, kUpgrade}, {0})));
  EXPECT_TRUE(counts.Add(Decision(3, {kCable, kUpgrade}, {}))) << "nothing was ranked";
  EXPECT_TRUE(counts.Add(Interactions(4, {{kUpgrade + 1, 0, true}}))) << "told by an import";
  EXPECT_EQ(counts.EvidenceFor(Counting({}, true), kUpgrade), 2);
  EXPECT_EQ(counts.EvidenceFor(Counting({}, true), kCable), 1);
  EXPECT_EQ(counts.EvidenceFor(Counting({kShown}), kUpgrade), 0) << "decided is not shown";
}

TEST(EvidenceCountsTest, WhatHasNoTreatmentAndConsentsCountForNothing) {
  EvidenceCounts counts;
  EXPECT_TRUE(counts.Add(Interactions(1, {{0, kAccepted}})));
  EXPECT_TRUE(counts.Add({2, {}, storage::EventType::kConsent, "whatever"}));
  EXPECT_EQ(counts.EvidenceFor(Counting({kShown, kAccepted}, true), kCable), 0);
  EXPECT_EQ(counts.next_position(), 3u);
}

TEST(EvidenceCountsTest, CountsAnEventOnce) {
  EvidenceCounts counts;
  const storage::LogEntry entry = Interactions(8, {{kUpgrade + 1, kShown}});
  EXPECT_EQ(counts.next_position(), 0u);
  EXPECT_TRUE(counts.Add(entry));
  EXPECT_EQ(counts.next_position(), 9u);
  EXPECT_TRUE(counts.Add(entry));
  EXPECT_TRUE(counts.Add(Interactions(7, {{kUpgrade + 1, kShown}})));
  EXPECT_EQ(counts.EvidenceFor(Counting({kShown}), kUpgrade), 1);
  EXPECT_EQ(counts.next_position(), 9u);
}

TEST(EvidenceCountsTest, IsTheSameAfterItWasStored) {
  EvidenceCounts counts;
  counts.Add(Interactions(4, {{kUpgrade + 1, kShown}, {kCable + 1, kAccepted}}));
  counts.Add(Decision(6, {kCable}, {0}));
  const std::string bytes = counts.Serialize();
  auto read = EvidenceCounts::Parse(bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->next_position(), 7u);
  EXPECT_EQ(read->EvidenceFor(Counting({kShown}), kUpgrade), 1);
  EXPECT_EQ(read->EvidenceFor(Counting({kAccepted}, true), kCable), 2);
  EXPECT_EQ(read->Serialize(), bytes);
  ASSERT_TRUE(EvidenceCounts::Parse("").ok()) << "nothing was counted yet";
}

TEST(EvidenceCountsTest, KnowsWhatIsDamaged) {
  const auto is_damaged = [](const storage::v1::Evidence& stored) {
    return absl::IsDataLoss(EvidenceCounts::Parse(stored.SerializeAsString()).status());
  };
  EXPECT_TRUE(absl::IsDataLoss(EvidenceCounts::Parse("\xff").status()));
  storage::v1::Evidence stored;
  auto& count = *stored.add_counts();
  count.set_count(1);
  EXPECT_FALSE(is_damaged(stored));
  count.set_count(0);
  EXPECT_TRUE(is_damaged(stored));
  count.set_count(-1);
  EXPECT_TRUE(is_damaged(stored));
  count.set_count(1);
  *stored.add_counts() = count;
  EXPECT_TRUE(is_damaged(stored)) << "the same pair twice";
}

TEST(EvidenceCountsTest, CountsOutcomesOfDecisionsThatEnteredTheHistory) {
  const auto outcome = [](uint64_t position, uint32_t number, bool not_in_history) {
    storage::v1::OutcomeEvent event;
    event.set_treatment_plus_one(kUpgrade + 1);
    event.set_outcome(number);
    event.set_not_in_history(not_in_history);
    return storage::LogEntry{position, {}, storage::EventType::kOutcome, event.SerializeAsString()};
  };
  EvidenceCounts counts;
  EXPECT_TRUE(counts.Add(outcome(1, kAccepted, false)));
  EXPECT_TRUE(counts.Add(outcome(2, kAccepted, true))) << "known there, or not of its decision";
  EXPECT_TRUE(counts.Add(outcome(3, kShown, false)));
  EXPECT_TRUE(counts.Add(Interactions(4, {{kUpgrade + 1, kAccepted}})));
  EXPECT_EQ(counts.EvidenceFor(Counting({kAccepted}), kUpgrade), 2);
  EXPECT_EQ(counts.EvidenceFor(Counting({kShown}), kUpgrade), 1);
  EXPECT_TRUE(counts.Add({5, {}, storage::EventType::kOutcome, ""})) << "of no treatment";
  EXPECT_FALSE(counts.Add(outcome(6, 0xFFFF'FFFF, false)));
  EXPECT_FALSE(counts.Add({7, {}, storage::EventType::kOutcome, "\xff"}));
  EXPECT_EQ(counts.next_position(), 8u);
}

TEST(EvidenceCountsTest, StepsOverWhatADecisionHasBesides) {
  storage::v1::DecisionEvent event;
  event.set_features(std::string(1000, 'f'));
  event.set_time_us(1);
  event.add_scored(kCable);
  event.add_scored(kUpgrade);
  event.add_propensity(0.5F);
  event.add_ranking(1);
  event.set_answer(std::string(1000, 'a'));
  const std::string payload = event.SerializeAsString();
  EvidenceCounts counts;
  EXPECT_TRUE(counts.Add({1, {}, storage::EventType::kDecision, payload}));
  EXPECT_EQ(counts.EvidenceFor(Counting({}, true), kUpgrade), 1);
  EXPECT_FALSE(
      counts.Add({2, {}, storage::EventType::kDecision, payload.substr(0, payload.size() - 1)}));
  EXPECT_EQ(counts.EvidenceFor(Counting({}, true), kUpgrade), 1) << "it was torn";
}

TEST(EvidenceCountsTest, GoesOnAfterADamagedEvent) {
  EvidenceCounts counts;
  EXPECT_FALSE(counts.Add({1, {}, storage::EventType::kInteractions, "\xff"}));
  EXPECT_FALSE(counts.Add({2, {}, storage::EventType::kDecision, "\xff"}));
  EXPECT_FALSE(counts.Add(Decision(3, {kCable}, {1}))) << "ranks what was not scored";
  EXPECT_FALSE(counts.Add(Interactions(4, {{kCable + 1, 0xFFFF'FFFF}, {kCable + 1, kShown}})));
  EXPECT_EQ(counts.EvidenceFor(Counting({kShown}), kCable), 1) << "the rest of the event counts";
  EXPECT_EQ(counts.EvidenceFor(Counting({}, true), kCable), 0);
  EXPECT_EQ(counts.next_position(), 5u);
}

TEST(EvidenceCountsTest, CountsNoMorePairsThanTheLimit) {
  storage::v1::Evidence stored;
  for (uint32_t i = 0; i < kMaxCounts; ++i) {
    auto& count = *stored.add_counts();
    count.set_treatment(i);
    count.set_outcome_plus_one(kShown + 1);
    count.set_count(1);
  }
  auto counts = EvidenceCounts::Parse(stored.SerializeAsString());
  ASSERT_TRUE(counts.ok());
  EXPECT_FALSE(counts->Add(Interactions(1, {{kUpgrade + 1, kAccepted}})));
  EXPECT_TRUE(counts->Add(Interactions(2, {{kUpgrade + 1, kShown}}))) << "known pairs go on";
  EXPECT_EQ(counts->EvidenceFor(Counting({kShown, kAccepted}), kUpgrade), 2);
  *stored.add_counts() = stored.counts(0);
  EXPECT_TRUE(absl::IsDataLoss(EvidenceCounts::Parse(stored.SerializeAsString()).status()));
}

}  // namespace
}  // namespace attune::evidence
