#include "service/learner.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "attune/storage/v1/event.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/clock.h"
#include "lib/context/value_codec.h"
#include "lib/outcome/outcome.h"
#include "tests/testing/fake_state_store.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::service {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kHourUs = 3600 * int64_t{1'000'000};
constexpr int64_t kYearUs = 365 * 24 * kHourUs;
constexpr int64_t kStartUs = 20'000 * 24 * kHourUs;

constexpr char kLearning[] = R"(outcomes:
  - {name: shown, showing: true, window: 1d}
  - {name: accepted, window: 2d, final: true}
learning:
  reward: "outcome.accepted.seen ? treatment.value - treatment.cost : -treatment.cost"
)";

// A log whose oldest events can be gone, as retention leaves it.
class LearnerStore : public testing::FakeStateStore {
 public:
  void StartLogAt(uint64_t start) { start_ = start; }
  absl::Status ReadLog(uint64_t from,
                       const std::function<bool(const storage::LogEntry&)>& visit) const override {
    if (from != 0 && from < start_) return absl::OutOfRangeError("left the log");
    return FakeStateStore::ReadLog(std::max(from, start_), visit);
  }

 private:
  uint64_t start_ = 0;
};

class LearnerTest : public ::testing::Test {
 protected:
  static constexpr size_t kGift = 0;  // in group care, worth 10, costs 1
  static constexpr size_t kDeal = 1;  // in group offer, worth 20

  LearnerTest() { Use("adaptive: {inputs: [customer.age, customer.plan, context.channel]}"); }

  // The strategy with this in place of the model's file, and these changes.
  void Use(const std::string& model,
           const std::vector<std::pair<std::string, std::string>>& changes = {}) {
    std::string text = strategy::Replaced(strategy::kSmallStrategy, "file: taste.yaml", model);
    text += kLearning;
    for (const auto& [from, to] : changes) text = strategy::Replaced(text, from, to);
    strategy::Loaded loaded;
    const strategy::TemporaryFolder folder;
    folder.Write("s.yaml", text);
    folder.Write("taste.yaml", strategy::kSmallModel);
    loaded.strategy = strategy::LoadStrategy(folder.Path("s.yaml"), dictionary_, loaded.issues);
    ASSERT_NE(loaded.strategy, nullptr) << loaded.issues.ToString();
    strategy_ = loaded.strategy;
    Load();
  }
  // As a process that starts, and may have been killed before.
  void Load() {
    auto learner = Learner::Load({.strategy = strategy_, .store = &store_, .clock = &clock_});
    ASSERT_TRUE(learner.ok()) << learner.status();
    learner_ = *std::move(learner);
  }
  // Forgets the learner without a farewell.
  void Kill() {
    store_.SetFaults({.sync = absl::UnavailableError("killed")});
    learner_.reset();
    store_.SetFaults({});
  }

  uint64_t Append(storage::EventType type, const std::string& payload) {
    const storage::Event event{type, payload};
    storage::CustomerCommit commit;
    commit.key = store_.KeyOf("ann");
    commit.expected = store_.RecordOf("ann").version;
    commit.bytes = "record";
    commit.events = absl::MakeConstSpan(&event, 1);
    return store_.Commit(commit, storage::Durability::kPower).value().version;
  }
  uint64_t Decide(size_t treatment, int64_t age, double propensity = 0.25) {
    storage::v1::DecisionEvent event;
    event.set_time_us(now_us_);
    event.set_channel(strategy_->context.channels[0].number);
    event.add_scored(strategy_->catalog.treatments[treatment].number);
    event.add_propensity(static_cast<float>(propensity));
    event.add_ranking(0);
    std::string features;
    AppendValue(features, strategy_->features[0].number, ValueRef::Int(age));
    event.set_features(features);
    return Append(storage::EventType::kDecision, event.SerializeAsString());
  }
  void Tell(uint64_t decision, size_t treatment, const std::string& outcome, int64_t decided_us) {
    storage::v1::OutcomeEvent event;
    event.set_decision_position(decision);
    event.set_decision_time_us(decided_us);
    event.set_treatment_plus_one(strategy_->catalog.treatments[treatment].number + 1);
    event.set_outcome(strategy_->outcomes[strategy_->outcomes.IndexOf(outcome)].number);
    event.set_source(static_cast<uint32_t>(outcome::Source::kCustomer));
    event.set_status(static_cast<uint32_t>(outcome::Status::kRecorded));
    event.set_time_us(now_us_);
    event.set_recorded_time_us(now_us_);
    event.set_shown_time_us(decided_us);
    Append(storage::EventType::kOutcome, event.SerializeAsString());
  }
  // One showing of the treatment: accepted at once, or nothing comes of it.
  void Show(size_t treatment, bool is_accepted, int64_t age = 40, double propensity = 0.25) {
    now_us_ += kHourUs;
    const uint64_t decision = Decide(treatment, age, propensity);
    Tell(decision, treatment, "shown", now_us_);
    if (is_accepted) Tell(decision, treatment, "accepted", now_us_);
  }
  // All windows close.
  void Tick() {
    now_us_ += 4 * 24 * kHourUs;
    storage::v1::ClockEvent event;
    event.set_time_us(now_us_);
    Append(storage::EventType::kClock, event.SerializeAsString());
  }
  void Learn() {
    const absl::Status status = learner_->CatchUp();
    ASSERT_TRUE(status.ok()) << status;
  }
  // One of 22 showings happens while the clock is off; all are learned, and nothing is forgotten.
  void ShowDuringAJump(int64_t jump_us) {
    for (int i = 0; i < 20; ++i) Show(kGift, true);
    now_us_ += jump_us;
    Show(kGift, true);
    now_us_ -= jump_us;
    Show(kGift, true);
    Learn();
    EXPECT_EQ(Report().examples, 22u) << "each once";
    // With a half-life of 7 days, a day forgets less than a tenth, and a year all.
    EXPECT_GT(Report().health.recent, 15);
    EXPECT_GT(Report().served.recent, 15);
    EXPECT_GT(Predict(kGift), 0.6);
  }
  ModelReport Report() const { return learner_->Report().models.front(); }

  // What the next decision is told.
  double Predict(size_t treatment, int64_t age = 40) const {
    std::vector<ValueRef> features(strategy_->features.defaults().begin(),
                                   strategy_->features.defaults().end());
    features[0] = ValueRef::Int(age);
    context::DecisionContext context;
    context.time_us = now_us_;
    context.attributes.assign(strategy_->context.attributes.defaults().begin(),
                              strategy_->context.attributes.defaults().end());
    const auto learned = learner_->learned();
    scoring::ScoredCandidates scored;
    const auto index = static_cast<int>(treatment);
    scoring::Score(strategy_->models, strategy_->catalog, strategy_->context, context, features,
                   absl::MakeConstSpan(&index, 1), scored, nullptr, nullptr, nullptr,
                   learned.get());
    return scored.scored.at(0).propensity;
  }
  // What is stored.
  std::string Stored() {
    EXPECT_TRUE(learner_->Save().ok());
    return store_.GetBlob("learner/small").value().value_or("");
  }

  storage::NameDictionary dictionary_;
  std::shared_ptr<const strategy::Strategy> strategy_;
  ManualClock clock_{absl::FromUnixMicros(kStartUs)};
  LearnerStore store_;
  std::unique_ptr<Learner> learner_;
  int64_t now_us_ = kStartUs;
};

TEST_F(LearnerTest, WhatIsAcceptedIsOfferedMoreLikely) {
  const double before = Predict(kGift);
  for (int i = 0; i < 20; ++i) {
    Show(kGift, true);
    Show(kDeal, false);
  }
  Tick();
  EXPECT_EQ(Predict(kGift), before) << "decisions don't change by themselves";
  Learn();
  EXPECT_GT(Predict(kGift), 0.4);
  EXPECT_LT(Predict(kDeal), 0.25);
  EXPECT_EQ(Report().examples, 40u);
  EXPECT_EQ(Report().health.responses, 40u);
  EXPECT_EQ(Report().health.positives, 20);
}

TEST_F(LearnerTest, StartsFromThePriorAndMeasuresWhatItSaidBefore) {
  Use("adaptive: {prior: 0.1}");
  EXPECT_THAT(Predict(kGift), DoubleNear(0.1, 1e-6));
  Show(kGift, true);
  Learn();
  // -ln 0.1, and -ln 0.25 of what was served.
  EXPECT_THAT(Report().health.log_loss, DoubleNear(2.302585, 1e-6));
  EXPECT_THAT(Report().served.log_loss, DoubleNear(1.386294, 1e-6));
}

TEST_F(LearnerTest, LearnsNothingFromWhatWaitsOrWasNotShown) {
  Decide(kGift, 40);
  Show(kDeal, false);
  Learn();
  EXPECT_EQ(Report().examples, 0u);
  EXPECT_EQ(learner_->Report().waiting, 1u);
  EXPECT_EQ(learner_->learned()->models.at(0), nullptr);
  Tick();
  Learn();
  EXPECT_EQ(Report().examples, 1u) << "silence is an example, what nobody saw is none";
  EXPECT_EQ(learner_->Report().waiting, 0u);
}

TEST_F(LearnerTest, TellsTheCustomersApart) {
  Use("adaptive: {inputs: [customer.age], half_life: 0s}");
  for (int i = 0; i < 200; ++i) {
    Show(kGift, true, /*age=*/60 + i % 10);
    Show(kGift, false, /*age=*/20 + i % 10);
    if (i % 10 == 9) Tick();
  }
  Learn();
  EXPECT_GT(Predict(kGift, 65), 0.6);
  EXPECT_LT(Predict(kGift, 25), 0.4);
}

TEST_F(LearnerTest, CountsRatesByTreatmentAndChannel) {
  Show(kGift, true);
  Show(kGift, true);
  Show(kGift, false);
  Tick();
  Learn();
  const std::vector<RateReport> rates = learner_->Rates();
  ASSERT_THAT(rates, SizeIs(1));
  EXPECT_EQ(rates[0].treatment, static_cast<int>(kGift));
  EXPECT_EQ(rates[0].channel, 0);
  EXPECT_EQ(rates[0].counts.shown, 3u);
  EXPECT_EQ(rates[0].counts.positives, 2u);
  EXPECT_DOUBLE_EQ(rates[0].counts.rewards, 9 + 9 - 1);
}

TEST_F(LearnerTest, PublishesRatesWhereAModelGoesByThem) {
  EXPECT_EQ(learner_->learned()->rates, nullptr);
  Use("success_rate: {}");
  Show(kGift, true);
  Show(kGift, false);
  Tick();
  const uint64_t generation = learner_->generation();
  Learn();
  EXPECT_GT(learner_->generation(), generation);
  const auto learned = learner_->learned();
  ASSERT_NE(learned->rates, nullptr);
  const uint32_t gift = strategy_->catalog.treatments[kGift].number;
  EXPECT_EQ(learned->rates->Of(gift).shown, 2u);
  EXPECT_EQ(learned->rates->Of(gift).positives, 1u);
  EXPECT_EQ(learned->position, learner_->Report().position);
  // What nobody adds to is not copied again, and what was published does not change.
  learner_->Publish();
  EXPECT_EQ(learner_->learned(), learned);
  Show(kGift, true);
  Tick();
  Learn();
  EXPECT_EQ(learned->rates->Of(gift).shown, 2u);
  EXPECT_EQ(learner_->learned()->rates->Of(gift).shown, 3u);
}

TEST_F(LearnerTest, ASuccessRateFindsWhatWasCountedBeforeItWasThere) {
  Show(kGift, true);
  Tick();
  Learn();
  ASSERT_TRUE(learner_->Save().ok());
  Use("success_rate: {prior: 0.5}");
  const uint32_t gift = strategy_->catalog.treatments[kGift].number;
  ASSERT_NE(learner_->learned()->rates, nullptr);
  EXPECT_EQ(learner_->learned()->rates->Of(gift).shown, 1u);
}

TEST_F(LearnerTest, IsTheSameToTheBitWhereverItIsKilled) {
  // One learner is killed and started all the time, and stores what it knows at some times; another
  // reads the same log at once.
  for (int i = 0; i < 150; ++i) {
    Show(i % 3 == 0 ? kGift : kDeal, i % 4 == 0, 20 + i % 50);
    if (i % 50 == 49) Tick();
    Learn();
    if (i % 3 == 0) {
      ASSERT_TRUE(learner_->Save().ok());
    }
    if (i % 2 == 0) {
      Kill();
      Load();
    }
  }
  Tick();
  Learn();
  const std::string killed = Stored();
  Kill();
  ASSERT_TRUE(store_.DeleteBlob("learner/small").ok());
  Load();
  Learn();
  EXPECT_EQ(Stored(), killed);
  EXPECT_EQ(Report().examples, 150u);
}

TEST_F(LearnerTest, AStateIsTheSameAfterAnyEventWhetherItWasStoredOrNot) {
  for (int i = 0; i < 20; ++i) Show(i % 2, i % 3 == 0, 20 + i);
  Tick();
  const auto read = [&](uint64_t position) { return store_.ReadLogAt(position); };
  LearnerState straight(strategy_);
  auto stored = std::make_unique<LearnerState>(strategy_);
  std::vector<std::string> notes;
  for (const storage::LogEntry& entry : store_.Log()) {
    ASSERT_TRUE(straight.Add(entry, read).ok());
    ASSERT_TRUE(stored->Add(entry, read).ok());
    const std::string bytes = stored->Serialize();
    ASSERT_EQ(bytes, straight.Serialize());
    auto parsed = LearnerState::Parse(bytes, strategy_, notes);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    *stored = *std::move(parsed);
    ASSERT_EQ(stored->Serialize(), bytes);
  }
  EXPECT_THAT(notes, IsEmpty());
}

TEST_F(LearnerTest, KeepsWhatItLearnedWhenRewardsPriorsAndLeversChange) {
  for (int i = 0; i < 10; ++i) Show(kGift, true);
  Learn();
  ASSERT_TRUE(learner_->Save().ok());
  Use("adaptive: {inputs: [customer.age, customer.plan, context.channel], prior: 0.3}",
      {{"-treatment.cost\"", "0.0\""}, {"cost: 1\n", "cost: 1\n    lever: 50\n"}});
  EXPECT_EQ(Report().examples, 10u);
  EXPECT_GT(Predict(kGift), 0.6) << "from the first decision on";
}

TEST_F(LearnerTest, BeginsAnewWithOtherInputsAndOnlyThen) {
  for (int i = 0; i < 10; ++i) Show(kGift, true);
  Learn();
  ASSERT_TRUE(learner_->Save().ok());
  Use("adaptive: {inputs: [customer.age]}");
  EXPECT_EQ(Report().examples, 0u);
  EXPECT_EQ(Report().served.responses, 10u) << "what was served stays true";
  EXPECT_EQ(learner_->Rates().at(0).counts.shown, 10u);
  Learn();
  EXPECT_EQ(Report().examples, 0u) << "nothing is learned for a second time";
}

TEST_F(LearnerTest, FindsWhatItHadLearnedWhenItsInputsComeBack) {
  const std::string both = "adaptive: {inputs: [customer.age, customer.plan, context.channel]}";
  Use(both);
  for (int i = 0; i < 10; ++i) Show(kGift, true);
  Learn();
  const double before = Predict(kGift);
  ASSERT_TRUE(learner_->Save().ok());
  Use("adaptive: {inputs: [customer.age]}");
  for (int i = 0; i < 3; ++i) Show(kGift, false);
  Tick();
  Learn();
  EXPECT_EQ(Report().examples, 3u);
  ASSERT_TRUE(learner_->Save().ok());
  Use(both);
  EXPECT_EQ(Report().examples, 10u);
  EXPECT_EQ(Predict(kGift), before);
  Use("adaptive: {inputs: [customer.age]}");
  EXPECT_EQ(Report().examples, 3u) << "and so it does the other way";
}

TEST_F(LearnerTest, KeepsAModelThatTheStrategyDoesNotHaveForAWhile) {
  for (int i = 0; i < 10; ++i) Show(kGift, true);
  Learn();
  ASSERT_TRUE(learner_->Save().ok());
  Use("file: taste.yaml");
  Show(kDeal, false);
  Tick();
  Learn();
  ASSERT_TRUE(learner_->Save().ok());
  Use("adaptive: {inputs: [customer.age, customer.plan, context.channel]}");
  EXPECT_EQ(Report().examples, 10u);
}

TEST_F(LearnerTest, AShadowLearnsAndDoesNotServe) {
  const std::pair<std::string, std::string> other = {"treatments:\n",
                                                     "  - {name: fix, formula: '0.125'}\n"
                                                     "treatments:\n"};
  Use("adaptive: {mode: shadow, serve: fix, prior: 0.1}", {other});
  for (int i = 0; i < 10; ++i) Show(kGift, true);
  Learn();
  const auto& treatments = strategy_->catalog.treatments;
  EXPECT_EQ(strategy_->models.models[static_cast<size_t>(treatments[kGift].model)].name, "fix");
  EXPECT_EQ(Report().examples, 10u);
  EXPECT_EQ(Report().served.responses, 10u);
  EXPECT_LT(Report().health.log_loss, Report().served.log_loss);
  ASSERT_TRUE(learner_->Save().ok());
  Use("adaptive: {mode: logging, serve: fix, prior: 0.1}", {other});
  Show(kGift, true);
  Learn();
  EXPECT_EQ(Report().examples, 10u) << "kept, and nothing is added";
  EXPECT_EQ(Report().served.responses, 11u);
  ASSERT_TRUE(learner_->Save().ok());
  Use("adaptive: {prior: 0.1}");
  EXPECT_GT(Predict(kGift), 0.6) << "as if it had been online";
}

TEST_F(LearnerTest, ServesThePriorUntilThereIsEnoughEvidence) {
  Use("adaptive: {prior: 0.2, min_evidence: 3}");
  Show(kGift, true);
  Show(kGift, true);
  Learn();
  EXPECT_THAT(Predict(kGift), DoubleNear(0.2, 1e-6));
  Show(kGift, true);
  Learn();
  EXPECT_GT(Predict(kGift), 0.3);
}

TEST_F(LearnerTest, GoesOnBehindEventsThatLeftTheLog) {
  Show(kGift, true);
  Learn();
  for (int i = 0; i < 5; ++i) Show(kGift, true);
  store_.StartLogAt(store_.Log().at(9).position);
  Show(kGift, true);
  Learn();
  EXPECT_EQ(learner_->gaps(), 1u);
  EXPECT_LT(Report().examples, 7u);
  EXPECT_GE(Report().examples, 2u);
  Learn();
  EXPECT_EQ(learner_->gaps(), 1u) << "each gap once";
}

TEST_F(LearnerTest, TellsHowMuchOfTheLogItMissed) {
  Show(kGift, true);
  Learn();
  const uint64_t learned = learner_->Report().position;
  for (int i = 0; i < 5; ++i) Show(kGift, true);
  const uint64_t start = store_.Log().at(9).position;
  ASSERT_TRUE(store_.TrimLogBefore(start).ok());
  Learn();
  EXPECT_EQ(learner_->gaps(), 1u);
  EXPECT_EQ(learner_->missed_positions(), start - learned);
}

TEST_F(LearnerTest, TellsHowFarItIsBehind) {
  Show(kGift, true);
  clock_.Set(absl::FromUnixMicros(now_us_) + absl::Seconds(7));
  EXPECT_EQ(learner_->Report().lag_positions, store_.SpanOfLog().end);
  Learn();
  EXPECT_EQ(learner_->Report().lag_positions, 0u);
  EXPECT_EQ(learner_->Report().lag, absl::ZeroDuration());
  const uint64_t learned = store_.SpanOfLog().end;
  Show(kGift, true);
  store_.SetFaults({.read_log = absl::UnavailableError("the disk is slow")});
  EXPECT_FALSE(learner_->Step().ok());
  EXPECT_EQ(learner_->Report().lag_positions, store_.SpanOfLog().end - learned);
  EXPECT_EQ(learner_->Report().lag, absl::Seconds(7));
}

TEST_F(LearnerTest, GoesOnAtTheEndOfALogThatHasLostIt) {
  Show(kGift, true);
  Show(kGift, true);
  const uint64_t end = store_.SpanOfLog().end;
  for (int i = 0; i < 3; ++i) Show(kGift, true);
  Show(kDeal, false);
  Learn();
  ASSERT_TRUE(learner_->Save().ok());
  Kill();
  store_.LoseLogFrom(end);
  Load();
  EXPECT_EQ(learner_->lost_ends(), 1u);
  EXPECT_FALSE(learner_->was_damaged());
  EXPECT_EQ(Report().examples, 5u) << "what was learned is kept";
  EXPECT_EQ(learner_->Report().position, end);
  EXPECT_EQ(learner_->Report().waiting, 2u) << "those that the log still has";
  EXPECT_EQ(learner_->Report().attribution.left_the_log, 1u);
  Learn();
  EXPECT_EQ(Report().examples, 5u) << "nothing is learned for a second time";
  // What comes to the positions that were lost is learned.
  for (int i = 0; i < 4; ++i) Show(kGift, true);
  Tick();
  Learn();
  EXPECT_EQ(Report().examples, 9u);
  ASSERT_TRUE(learner_->Save().ok());
  Kill();
  Load();
  EXPECT_EQ(learner_->lost_ends(), 0u) << "told once";
  EXPECT_EQ(Report().examples, 9u);
}

TEST_F(LearnerTest, ClocksThatJumpByAYearLetEverythingBeLearnedOnce) {
  constexpr int64_t kYearUs = 365 * 24 * kHourUs;
  for (const int64_t jump_us : {kYearUs, -kYearUs}) {
    Show(kGift, true);
    Show(kDeal, false);  // waits, until a later time is told
    now_us_ += jump_us;
    Show(kGift, true);
    now_us_ -= jump_us;
    Show(kGift, true);
    Learn();
  }
  // Each gift at once. The first deal settles with the jump ahead, the second when all windows are
  // closed.
  EXPECT_EQ(Report().examples, 7u);
  Tick();
  Learn();
  EXPECT_EQ(Report().examples, 8u);
  EXPECT_EQ(Report().health.positives, 6);
  EXPECT_EQ(learner_->Report().waiting, 1u) << "what is learned and dated a year ahead";
  const std::string stored = Stored();
  Kill();
  ASSERT_TRUE(store_.DeleteBlob("learner/small").ok());
  Load();
  Learn();
  EXPECT_EQ(Stored(), stored);
}

TEST_F(LearnerTest, LearnsAnewFromTheLogWhenTheCheckpointIsDamaged) {
  for (int i = 0; i < 5; ++i) Show(kGift, true);
  Learn();
  const std::string stored = Stored();
  for (size_t at = 0; at < stored.size(); at += 1 + stored.size() / 50) {
    store_.ChangeBlob("learner/small", [&](std::string& bytes) {
      bytes = stored;
      bytes[at] = static_cast<char>(bytes[at] ^ 1);
    });
    Kill();
    Load();
    EXPECT_TRUE(learner_->was_damaged()) << at;
    EXPECT_EQ(Report().examples, 0u);
  }
  Learn();
  EXPECT_EQ(Stored(), stored);
}

TEST_F(LearnerTest, StoresNothingThatPowerLossCouldTakeFromTheLog) {
  Show(kGift, true);
  Learn();
  store_.SetFaults({.sync = absl::UnavailableError("the disk is slow")});
  EXPECT_TRUE(absl::IsUnavailable(learner_->Save()));
  EXPECT_EQ(learner_->save_failures(), 1u);
  EXPECT_THAT(store_.BlobNames(), IsEmpty());
  store_.SetFaults({});
  EXPECT_TRUE(learner_->Save().ok());
  EXPECT_THAT(store_.BlobNames(), ElementsAre("learner/small"));
  const int syncs = store_.syncs();
  EXPECT_TRUE(learner_->Save().ok());
  EXPECT_EQ(store_.syncs(), syncs) << "there is nothing new";
}

TEST_F(LearnerTest, GoesOnAfterTheLogCouldNotBeRead) {
  Show(kGift, true);
  store_.SetFaults({.read_log = absl::UnavailableError("the disk is slow")});
  EXPECT_FALSE(learner_->Step().ok());
  EXPECT_EQ(learner_->failures(), 1u);
  EXPECT_TRUE(learner_->is_behind());
  store_.SetFaults({});
  Learn();
  EXPECT_EQ(Report().examples, 1u);
  EXPECT_FALSE(learner_->is_behind());
}

TEST_F(LearnerTest, ReadersSeeTheLatestPublicationAndKeepNothingWhileTheyRest) {
  LearnedReader reader;
  EXPECT_EQ(reader.Read(*learner_).position, learner_->learned()->position);
  Show(kGift, true);
  Learn();
  EXPECT_EQ(reader.Read(*learner_).position, learner_->learned()->position);
  EXPECT_GT(learner_->learned()->position, 0u);
  const std::weak_ptr<const scoring::LearnedModels> old = learner_->learned();
  reader.Rest();
  Show(kGift, true);
  Learn();
  learner_->Publish();
  EXPECT_TRUE(old.expired()) << "the learner keeps it no longer than until the next publication";
}

TEST_F(LearnerTest, AClockThatJumpsAheadMakesAModelForgetNothing) { ShowDuringAJump(kYearUs); }

TEST_F(LearnerTest, AClockThatJumpsBackMakesAModelForgetNothing) { ShowDuringAJump(-kYearUs); }

TEST_F(LearnerTest, GivesUpTheNewestWhenTooManyWait) {
  auto learner = Learner::Load({.strategy = strategy_,
                                .store = &store_,
                                .clock = &clock_,
                                .limits = {.open_treatments = 3}});
  ASSERT_TRUE(learner.ok()) << learner.status();
  learner_ = *std::move(learner);
  for (int i = 0; i < 5; ++i) Show(kGift, false);
  Learn();
  EXPECT_EQ(Report().examples, 0u);
  EXPECT_EQ(learner_->Report().waiting, 3u);
  EXPECT_EQ(learner_->Report().attribution.no_room, 2u);
  Tick();
  Learn();
  EXPECT_EQ(Report().examples, 3u);
}

TEST_F(LearnerTest, SettlesInPartsAndIsTheSame) {
  for (int i = 0; i < 10; ++i) Show(i % 2, i % 3 == 0, 20 + i);
  Tick();
  Learn();
  const std::string at_once = Stored();
  Kill();
  ASSERT_TRUE(store_.DeleteBlob("learner/small").ok());
  auto learner = Learner::Load({.strategy = strategy_,
                                .store = &store_,
                                .clock = &clock_,
                                .limits = {.settled_per_call = 1}});
  ASSERT_TRUE(learner.ok()) << learner.status();
  learner_ = *std::move(learner);
  // By the last event all ten are done with: one with each step.
  int steps = 1;
  for (auto more = learner_->Step(); more.value(); more = learner_->Step()) ++steps;
  EXPECT_EQ(steps, 10);
  EXPECT_EQ(Stored(), at_once);
}

TEST_F(LearnerTest, PublishesNothingWhenNothingWasLearned) {
  Show(kGift, true);
  Learn();
  const uint64_t generation = learner_->generation();
  Decide(kGift, 40);
  Learn();
  EXPECT_EQ(learner_->generation(), generation);
}

TEST_F(LearnerTest, TheThreadLearnsAndStopStores) {
  for (int i = 0; i < 10; ++i) Show(kGift, true);
  const uint64_t before = learner_->generation();
  learner_->Start();
  while (learner_->generation() == before || learner_->is_behind()) std::this_thread::yield();
  ASSERT_TRUE(learner_->Stop().ok());
  EXPECT_EQ(Report().examples, 10u);
  EXPECT_THAT(store_.BlobNames(), ElementsAre("learner/small"));
}

TEST_F(LearnerTest, TheThreadStoresAsOftenAsItIsTold) {
  for (int i = 0; i < 10; ++i) Show(kGift, true);
  const auto learner = Learner::Load({.strategy = strategy_,
                                      .store = &store_,
                                      .clock = &clock_,
                                      .save_period = std::chrono::milliseconds::zero()});
  ASSERT_TRUE(learner.ok()) << learner.status();
  (*learner)->Start();
  // With the usual period this would take ten seconds; it takes none of them.
  const auto begin = std::chrono::steady_clock::now();
  while (store_.BlobNames().empty()) std::this_thread::yield();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, Learner::kSavePeriod);
  EXPECT_EQ((*learner)->save_failures(), 0u);
}

}  // namespace
}  // namespace attune::service
