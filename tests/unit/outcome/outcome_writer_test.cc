#include "lib/outcome/outcome_writer.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "attune/storage/v1/event.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/outcome/attribution.h"
#include "tests/testing/fake_state_store.h"

namespace attune::outcome {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint32_t kUpgrade = 10;
constexpr uint32_t kCable = 11;
constexpr uint32_t kCredit = 12;  // never offered
constexpr uint32_t kApp = 3;
constexpr uint32_t kIvr = 4;
constexpr uint32_t kShown = 20;
constexpr uint32_t kAccepted = 21;
constexpr int64_t kMinuteUs = 60 * int64_t{1'000'000};
constexpr int64_t kDayUs = 24 * 60 * kMinuteUs;

const absl::Time kStart = absl::FromUnixSeconds(1'772'323'200);
const int64_t kStartUs = absl::ToUnixMicros(kStart);

class OutcomeWriterTest : public ::testing::Test {
 protected:
  // A decision made at the start, as the decider would remember it: the cable, then the upgrade.
  customer::DecisionId Decide(const std::string& customer_id, uint64_t number,
                              const std::vector<uint32_t>& ranking = {1, 0}) {
    const storage::CustomerKey key = store_.KeyOf(customer_id);
    const customer::DecisionId id = ids_.Make(key, number);
    const storage::Record before = store_.RecordOf(customer_id);
    customer::RecordChange change;
    change.decision = customer::RememberedDecision{customer::DecisionIds::TagOf(id), 0, kStartUs};
    change.decisions = 1;
    std::string record;
    customer::EncodeRecord(*customer::CustomerState::Parse(before, customer_id), customer_id,
                           change, record);
    storage::v1::DecisionEvent event;
    event.set_decision_id(std::string(id.begin(), id.end()));
    event.set_time_us(kStartUs);
    event.set_channel(kApp);
    event.add_scored(kUpgrade);
    event.add_scored(kCable);
    for (const uint32_t ranked : ranking) event.add_ranking(ranked);
    const std::string payload = event.SerializeAsString();
    const storage::Event logged{storage::EventType::kDecision, payload};
    storage::CustomerCommit commit;
    commit.key = key;
    commit.expected = before.version;
    commit.bytes = record;
    commit.events = absl::MakeConstSpan(&logged, 1);
    EXPECT_TRUE(store_.Commit(commit, storage::Durability::kProcess).ok());
    return id;
  }

  Report ReportOf(const customer::DecisionId& id, uint32_t outcome,
                  std::string_view request_id) const {
    Report report;
    report.id = id;
    report.decision = ids_.Read(id).value();
    report.outcome = outcome;
    report.terms.window_us = kDayUs;
    report.terms.showing = outcome == kShown;
    report.request_id = request_id;
    return report;
  }
  absl::StatusOr<Result> Record(const Report& report) {
    return writer_.RecordMany(absl::MakeConstSpan(&report, 1), bounds_).front();
  }
  // Records, expects that to work, and tells how it stands.
  Status StatusAfter(const Report& report) {
    const auto result = Record(report);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->status : Status::kUnknownId;
  }
  std::vector<customer::Interaction> History(const std::string& customer_id = "c") const {
    const storage::Record record = store_.RecordOf(customer_id);
    return customer::CustomerState::Parse(record, customer_id)->History();
  }
  std::vector<storage::v1::OutcomeEvent> Events() const {
    std::vector<storage::v1::OutcomeEvent> events;
    for (const storage::LogEntry& entry : store_.Log()) {
      if (entry.type != storage::EventType::kOutcome) continue;
      EXPECT_TRUE(events.emplace_back().ParseFromString(entry.payload));
    }
    return events;
  }
  static customer::Interaction Happened(uint32_t outcome, int64_t time_us, uint32_t treatment,
                                        uint32_t channel = kApp) {
    return {customer::InteractionKind::kOutcome, time_us / 1000, channel, treatment, outcome};
  }

  testing::FakeStateStore store_;
  ManualClock clock_{kStart + absl::Minutes(1)};
  const HashKey seed_ = HashKeyFromSeed(3);
  const customer::DecisionIds ids_{seed_};
  customer::HistoryBounds bounds_;
  OutcomeWriter writer_{&store_, &clock_, seed_};
};

TEST_F(OutcomeWriterTest, IsInLogAndHistoryInOneCommit) {
  const auto id = Decide("c", 1);
  const int commits = store_.commits();
  Report report = ReportOf(id, kAccepted, "r1");
  report.value = 2.5;
  report.source = Source::kEmployee;
  report.reason = "wanted it";
  const auto result = Record(report);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->status, Status::kRecorded);
  EXPECT_EQ(result->treatment, kCable) << "the one on top";
  EXPECT_EQ(store_.commits(), commits + 1);
  EXPECT_EQ(store_.last_durability(), storage::Durability::kPower);
  EXPECT_THAT(History(), ElementsAre(Happened(kAccepted, kStartUs + kMinuteUs, kCable)));
  ASSERT_THAT(Events(), SizeIs(1));
  const storage::v1::OutcomeEvent event = Events()[0];
  EXPECT_EQ(event.decision_id(), std::string(id.begin(), id.end()));
  EXPECT_EQ(event.decision_position(), store_.Log()[0].position);
  EXPECT_EQ(event.treatment_plus_one(), kCable + 1);
  EXPECT_EQ(event.outcome(), kAccepted);
  EXPECT_EQ(event.value(), 2.5);
  EXPECT_EQ(event.time_us(), kStartUs + kMinuteUs);
  EXPECT_EQ(event.source(), 2u);
  EXPECT_EQ(event.status(), 1u);
  EXPECT_EQ(event.channel_plus_one(), kApp + 1);
  EXPECT_EQ(event.recorded_time_us(), kStartUs + kMinuteUs);
  EXPECT_EQ(event.reason(), "wanted it");
  EXPECT_EQ(event.decision_time_us(), kStartUs);
  EXPECT_FALSE(event.has_shown_time_us());
  EXPECT_FALSE(event.not_in_history());
  EXPECT_EQ(store_.Log()[1].customer, store_.KeyOf("c"));
}

TEST_F(OutcomeWriterTest, IsRecordedOnceHoweverOftenItComes) {
  const auto id = Decide("c", 1);
  const auto other = Decide("c", 2);
  std::vector<Report> reports;
  for (const char* request_id : {"r1", "r2", "r3"}) {
    reports.push_back(ReportOf(id, kAccepted, request_id));
    reports.back().time_us = kStartUs + std::ssize(reports) * 1'000;
    reports.push_back(ReportOf(other, kShown, ""));
    reports.back().time_us = kStartUs + std::ssize(reports) * 1'000;
  }
  int recorded = 0;
  for (int round = 0; round < 5; ++round) {
    std::rotate(reports.begin(), reports.begin() + round, reports.end());
    for (const Report& report : reports) {
      const Status status = StatusAfter(report);
      recorded += status == Status::kRecorded;
      if (round > 0) {
        EXPECT_EQ(status, Status::kAlreadyRecorded);
      }
    }
    for (const auto& result : writer_.RecordMany(reports, bounds_)) {
      EXPECT_EQ(result->status, Status::kAlreadyRecorded);
    }
  }
  EXPECT_EQ(recorded, 6);
  EXPECT_THAT(History(), SizeIs(6));
  EXPECT_THAT(Events(), SizeIs(6));
}

TEST_F(OutcomeWriterTest, WhatWasRecordedBeforeIsSyncedBeforeItIsAcknowledged) {
  const Report report = ReportOf(Decide("c", 1), kAccepted, "r1");
  StatusAfter(report);
  const int commits = store_.commits();
  const int syncs = store_.syncs();
  StatusAfter(report);
  EXPECT_EQ(store_.commits(), commits);
  EXPECT_EQ(store_.syncs(), syncs + 1);
  store_.SetFaults({.sync = absl::UnavailableError("no disk")});
  EXPECT_TRUE(absl::IsUnavailable(Record(report).status()));
}

TEST_F(OutcomeWriterTest, TheSameIdWithOtherContentIsToldAndKept) {
  const auto id = Decide("c", 1);
  Report report = ReportOf(id, kAccepted, "r1");
  StatusAfter(report);
  report.value = 1;
  EXPECT_EQ(StatusAfter(report), Status::kOtherContent);
  EXPECT_EQ(StatusAfter(report), Status::kOtherContent) << "told again, and kept once";
  report = ReportOf(Decide("c", 2), kAccepted, "r1");
  EXPECT_EQ(StatusAfter(report), Status::kOtherContent) << "of another decision of the customer";
  EXPECT_THAT(History(), SizeIs(1));
  ASSERT_THAT(Events(), SizeIs(3));
  EXPECT_EQ(Events()[1].status(), 9u);
  EXPECT_EQ(Events()[1].value(), 1);
  EXPECT_TRUE(Events()[1].not_in_history());
}

TEST_F(OutcomeWriterTest, EachStandingHasItsPlaceInLogAndHistory) {
  const auto id = Decide("c", 1);
  const struct {
    const char* name;
    int64_t after_us;
    uint32_t treatment;
    Status status;
  } cases[] = {
      {"in time", 1'000, kUpgrade, Status::kRecorded},
      {"early", -2 * kMinuteUs, kUpgrade, Status::kEarly},
      {"before", -2 * kMinuteUs - 1, kUpgrade, Status::kBeforeDecision},
      {"late", kDayUs + 1, kUpgrade, Status::kLate},
      {"not offered", 2'000, kCredit, Status::kNotOffered},
  };
  for (const auto& c : cases) {
    Report report = ReportOf(id, kAccepted, c.name);
    report.time_us = kStartUs + c.after_us;
    report.treatment = c.treatment;
    EXPECT_EQ(StatusName(StatusAfter(report)), StatusName(c.status)) << c.name;
    const auto again = Record(report);
    EXPECT_EQ(again->status, Status::kAlreadyRecorded) << c.name;
    EXPECT_EQ(again->first_status, c.status) << c.name;
    EXPECT_EQ(Events().back().status(), static_cast<uint32_t>(c.status)) << c.name;
    EXPECT_EQ(Events().back().time_us(), kStartUs + c.after_us) << c.name;
    EXPECT_EQ(Events().back().not_in_history(), !EntersHistory(c.status)) << c.name;
  }
  EXPECT_THAT(Events(), SizeIs(std::size(cases)));
  EXPECT_THAT(History(), ElementsAre(Happened(kAccepted, kStartUs - 2 * kMinuteUs, kUpgrade),
                                     Happened(kAccepted, kStartUs + 1'000, kUpgrade),
                                     Happened(kAccepted, kStartUs + 2'000, kCredit),
                                     Happened(kAccepted, kStartUs + kDayUs + 1, kUpgrade)));
}

TEST_F(OutcomeWriterTest, WindowsBeginWithTheShowing) {
  const auto id = Decide("c", 1);
  Report shown = ReportOf(id, kShown, "");
  shown.once = true;
  EXPECT_EQ(StatusAfter(shown), Status::kRecorded);
  EXPECT_EQ(Events().back().shown_time_us(), kStartUs + kMinuteUs);
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(StatusAfter(shown), Status::kAlreadyRecorded) << "it is shown once, whenever";
  Report accepted = ReportOf(id, kAccepted, "r1");
  accepted.time_us = kStartUs + kMinuteUs + kDayUs;
  EXPECT_EQ(StatusAfter(accepted), Status::kRecorded);
  EXPECT_EQ(Events().back().shown_time_us(), kStartUs + kMinuteUs);
  accepted.request_id = "r2";
  accepted.time_us = kStartUs + kMinuteUs + kDayUs + 1;
  EXPECT_EQ(StatusAfter(accepted), Status::kLate);
  accepted.request_id = "r3";
  accepted.treatment = kUpgrade;  // which nobody has seen
  accepted.time_us = kStartUs + kDayUs + 1;
  EXPECT_EQ(StatusAfter(accepted), Status::kLate);
  EXPECT_FALSE(Events().back().has_shown_time_us());
}

TEST_F(OutcomeWriterTest, WhatHappensJustNowIsNeverBeforeItsDecision) {
  const auto id = Decide("c", 1);
  for (const absl::Duration behind : {absl::Minutes(4), absl::Hours(24 * 365)}) {
    clock_.Set(kStart - behind);
    const std::string request_id = absl::FormatDuration(behind);
    EXPECT_EQ(StatusAfter(ReportOf(id, kAccepted, request_id)), Status::kRecorded) << behind;
    EXPECT_EQ(Events().back().time_us(), kStartUs) << behind;
    EXPECT_EQ(Events().back().recorded_time_us(), absl::ToUnixMicros(kStart - behind)) << behind;
  }
}

TEST_F(OutcomeWriterTest, ALateShowingMovesNoWindow) {
  const auto id = Decide("c", 1);
  Report shown = ReportOf(id, kShown, "r1");
  shown.time_us = kStartUs + kDayUs + 1;
  EXPECT_EQ(StatusAfter(shown), Status::kLate);
  Report accepted = ReportOf(id, kAccepted, "r2");
  accepted.time_us = kStartUs + kDayUs + 2;
  EXPECT_EQ(StatusAfter(accepted), Status::kLate);
  EXPECT_FALSE(Events().back().has_shown_time_us());
}

TEST_F(OutcomeWriterTest, NoTreatmentAndTheOneOnTopAreTheSame) {
  Report report = ReportOf(Decide("c", 1), kShown, "");
  report.once = true;
  StatusAfter(report);
  report.treatment = kCable;
  EXPECT_EQ(StatusAfter(report), Status::kAlreadyRecorded);
  report.treatment = kUpgrade;
  EXPECT_EQ(StatusAfter(report), Status::kRecorded);
}

TEST_F(OutcomeWriterTest, CountsOnceWhatIsToldAsAnInteractionAsWell) {
  const auto id = Decide("c", 1);
  Report report = ReportOf(id, kAccepted, "r1");
  report.time_us = kStartUs + 5'000;
  report.channel = kIvr;
  StatusAfter(report);
  report.request_id = "r2";
  EXPECT_EQ(StatusAfter(report), Status::kRecorded);
  EXPECT_THAT(History(), ElementsAre(Happened(kAccepted, kStartUs + 5'000, kCable, kIvr)));
  EXPECT_FALSE(Events()[0].not_in_history());
  EXPECT_TRUE(Events()[1].not_in_history()) << "so that it isn't counted twice elsewhere";
}

TEST_F(OutcomeWriterTest, ADecisionTakes64Outcomes) {
  const auto id = Decide("c", 1);
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(StatusAfter(ReportOf(id, kAccepted, std::to_string(i))), Status::kRecorded) << i;
  }
  EXPECT_EQ(StatusAfter(ReportOf(id, kAccepted, "one more")), Status::kTooMany);
  EXPECT_EQ(StatusAfter(ReportOf(id, kAccepted, "7")), Status::kAlreadyRecorded);
  Report other = ReportOf(id, kAccepted, "7");
  other.value = 1;
  EXPECT_EQ(StatusAfter(other), Status::kTooMany);
  EXPECT_THAT(Events(), SizeIs(64));
  EXPECT_EQ(StatusAfter(ReportOf(Decide("c", 2), kAccepted, "another's")), Status::kRecorded);
}

TEST_F(OutcomeWriterTest, ADecisionThatIsNotRememberedIsKeptInTheLogOnly) {
  Decide("c", 1);
  const auto dry_run = ids_.Make(store_.KeyOf("c"), 2);
  EXPECT_EQ(StatusAfter(ReportOf(dry_run, kAccepted, "r1")), Status::kUnknownDecision);
  EXPECT_EQ(StatusAfter(ReportOf(dry_run, kAccepted, "r1")), Status::kUnknownDecision);
  EXPECT_THAT(History(), IsEmpty());
  ASSERT_THAT(Events(), SizeIs(1));
  EXPECT_EQ(Events()[0].decision_id(), std::string(dry_run.begin(), dry_run.end()));
  EXPECT_TRUE(Events()[0].not_in_history());
}

TEST_F(OutcomeWriterTest, ADecisionWhoseEventHasLeftTheLogIsNotKnown) {
  const auto id = Decide("c", 1);
  const Report before = ReportOf(id, kShown, "r1");
  StatusAfter(before);
  ASSERT_TRUE(store_.TrimLog(0).ok());
  EXPECT_EQ(StatusAfter(before), Status::kAlreadyRecorded);
  EXPECT_THAT(Events(), IsEmpty());
  Report report = ReportOf(id, kAccepted, "r2");
  report.treatment = kUpgrade;
  report.channel = kIvr;
  EXPECT_EQ(StatusAfter(report), Status::kUnknownDecision);
  ASSERT_THAT(Events(), SizeIs(1));
  EXPECT_FALSE(Events()[0].not_in_history());
  EXPECT_EQ(History().back(), Happened(kAccepted, kStartUs + kMinuteUs, kUpgrade, kIvr));
  const auto again = Record(report);
  EXPECT_EQ(again->status, Status::kAlreadyRecorded);
  EXPECT_EQ(again->first_status, Status::kUnknownDecision);
  EXPECT_EQ(StatusAfter(ReportOf(id, kAccepted, "r3")), Status::kUnknownDecision);
  EXPECT_THAT(History(), SizeIs(2)) << "which treatment is not known";
  report.value = 1;
  EXPECT_EQ(StatusAfter(report), Status::kOtherContent);
}

TEST_F(OutcomeWriterTest, ADamagedDecisionIsNotKnown) {
  const auto id = Decide("c", 1);
  store_.SetFaults({.read_log = absl::DataLossError("damaged")});
  const auto result = Record(ReportOf(id, kAccepted, "r1"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->status, Status::kUnknownDecision);
  EXPECT_TRUE(absl::IsDataLoss(result->damage));
}

TEST_F(OutcomeWriterTest, OfAnErasedCustomerNothingIsKeptThatLeadsToThePerson) {
  const auto id = Decide("c", 1);
  ASSERT_TRUE(store_.Erase(store_.KeyOf("c")).ok());
  Report report = ReportOf(id, kAccepted, "r1");
  report.reason = "anna said so";
  EXPECT_EQ(StatusAfter(report), Status::kCustomerErased);
  EXPECT_EQ(StatusAfter(report), Status::kCustomerErased) << "and is logged once";
  EXPECT_FALSE(store_.RecordOf("c").found);
  ASSERT_THAT(Events(), SizeIs(1));
  EXPECT_NE(store_.Log()[0].customer, store_.KeyOf("c"));
  const storage::v1::OutcomeEvent event = Events()[0];
  EXPECT_EQ(event.decision_id(), "");
  EXPECT_EQ(event.reason(), "");
  EXPECT_EQ(event.request_hash(), 0u);
  EXPECT_EQ(event.request_fingerprint(), 0u);
  EXPECT_EQ(event.outcome(), kAccepted);
  EXPECT_EQ(event.status(), 8u);
}

TEST_F(OutcomeWriterTest, WritesManyWithOneCall) {
  std::vector<Report> reports;
  std::vector<std::string> request_ids;
  request_ids.reserve(100);
  for (int i = 0; i < 100; ++i) request_ids.push_back(std::to_string(i));
  for (int i = 0; i < 100; ++i) {
    const std::string customer_id = "c" + std::to_string(i % 30);
    const auto id = Decide(customer_id, static_cast<uint64_t>(i));
    reports.push_back(ReportOf(id, kAccepted, request_ids[static_cast<size_t>(i)]));
  }
  reports.push_back(ReportOf(ids_.Make(store_.KeyOf("erased"), 1), kAccepted, "r1"));
  reports.push_back(ReportOf(ids_.Make(store_.KeyOf("erased too"), 1), kAccepted, "r2"));
  reports.push_back(reports[0]);
  const int writes = store_.writes();
  const auto results = writer_.RecordMany(reports, bounds_);
  EXPECT_EQ(store_.writes(), writes + 1);
  ASSERT_THAT(results, SizeIs(103));
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(results[i]->status, Status::kRecorded) << i;
  EXPECT_EQ(results[100]->status, Status::kCustomerErased);
  EXPECT_EQ(results[101]->status, Status::kCustomerErased);
  EXPECT_EQ(results[102]->status, Status::kAlreadyRecorded);
  EXPECT_THAT(Events(), SizeIs(102));
}

TEST_F(OutcomeWriterTest, TriesAgainWhenSomebodyElseWasFaster) {
  const auto id = Decide("c", 1);
  store_.SetFaults({.conflicts = 3});
  EXPECT_EQ(StatusAfter(ReportOf(id, kAccepted, "r1")), Status::kRecorded);
  EXPECT_THAT(Events(), SizeIs(1));
  store_.SetFaults({.conflicts = 1'000'000});
  EXPECT_TRUE(absl::IsAborted(Record(ReportOf(id, kAccepted, "r2")).status()));
}

TEST_F(OutcomeWriterTest, TellsWhatTheStoreCannotDo) {
  const Report report = ReportOf(Decide("c", 1), kAccepted, "r1");
  store_.SetFaults({.load = absl::UnavailableError("no disk")});
  EXPECT_TRUE(absl::IsUnavailable(Record(report).status()));
  store_.SetFaults({.read_log = absl::UnavailableError("no disk")});
  EXPECT_TRUE(absl::IsUnavailable(Record(report).status()));
  store_.SetFaults({.commit = absl::ResourceExhaustedError("disk full")});
  EXPECT_TRUE(absl::IsResourceExhausted(Record(report).status()));
  store_.SetFaults({});
  store_.SetRecord("c", "\x07");
  EXPECT_TRUE(absl::IsDataLoss(Record(report).status()));
}

TEST_F(OutcomeWriterTest, ADecisionThatRankedNothingOfferedNothing) {
  const auto id = Decide("c", 1, {});
  const auto result = Record(ReportOf(id, kAccepted, "r1"));
  EXPECT_EQ(result->status, Status::kNotOffered);
  EXPECT_EQ(result->treatment, std::nullopt);
  EXPECT_THAT(History(), IsEmpty());
  Report purchase = ReportOf(id, kAccepted, "r2");
  purchase.without_treatment = true;
  EXPECT_EQ(StatusAfter(purchase), Status::kNotOffered);
  EXPECT_THAT(History(), SizeIs(1)) << "what may happen without a treatment did";
}

TEST_F(OutcomeWriterTest, WhatItWritesIsAttributed) {
  auto terms = std::make_shared<AttributionTerms>();
  terms->outcomes.resize(2);
  for (catalog::OutcomeTerms& outcome : terms->outcomes) outcome.window_us = kDayUs;
  terms->outcomes[0].showing = true;
  terms->outcome_index = {{kShown, 0}, {kAccepted, 1}};
  terms->has_showing = true;
  terms->showing_window_us = kDayUs;
  terms->longest_window_us = kDayUs;
  terms->treatments[kCable] = {"cable", "offer", 1, 30, 4};
  terms->reward = Reward::Compile(
      {"shown", "accepted"}, "treatment.value * double(outcome.accepted.count) - treatment.cost",
      "", expression::Limits(),
      [](Reward::Formula, size_t, Issue::Severity, const std::string& what) {
        ADD_FAILURE() << what;
      });
  const auto id = Decide("c", 1);
  EXPECT_EQ(StatusAfter(ReportOf(id, kShown, "r1")), Status::kRecorded);
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(StatusAfter(ReportOf(id, kAccepted, "r2")), Status::kRecorded);
  EXPECT_EQ(StatusAfter(ReportOf(id, kAccepted, "r2")), Status::kAlreadyRecorded);
  Report elsewhere = ReportOf(id, kAccepted, "r3");
  elsewhere.treatment = kCredit;
  EXPECT_EQ(StatusAfter(elsewhere), Status::kNotOffered);
  Report not_shown = ReportOf(id, kAccepted, "r4");
  not_shown.treatment = kUpgrade;
  EXPECT_EQ(StatusAfter(not_shown), Status::kRecorded);
  clock_.Advance(absl::Hours(72));
  EXPECT_EQ(StatusAfter(ReportOf(id, kAccepted, "r5")), Status::kLate);

  Attribution attribution(terms);
  std::vector<AttributedOutcome> learned;
  for (const storage::LogEntry& entry : store_.Log()) {
    ASSERT_TRUE(attribution
                    .Add(
                        entry, [&](uint64_t position) { return store_.ReadLogAt(position); },
                        [&](const AttributedOutcome& outcome) { learned.push_back(outcome); })
                    .ok());
  }
  ASSERT_THAT(learned, SizeIs(1));
  EXPECT_EQ(learned[0].treatment, kCable);
  EXPECT_EQ(learned[0].decision_position, store_.Log().front().position);
  EXPECT_EQ(learned[0].channel, kApp);
  EXPECT_EQ(learned[0].decided_us, kStartUs);
  EXPECT_EQ(learned[0].shown_us, kStartUs + kMinuteUs);
  EXPECT_EQ(learned[0].settled_us, kStartUs + kMinuteUs + kDayUs);
  EXPECT_EQ(learned[0].reward, 26);
  EXPECT_EQ(attribution.counts().attributed, 2u);
  EXPECT_EQ(attribution.counts().never_shown, 1u);
  EXPECT_EQ(attribution.counts().by_status[static_cast<size_t>(Status::kNotOffered)], 1u);
  EXPECT_EQ(attribution.counts().by_status[static_cast<size_t>(Status::kLate)], 1u);
}

}  // namespace
}  // namespace attune::outcome
