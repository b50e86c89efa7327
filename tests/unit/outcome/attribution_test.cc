#include "lib/outcome/attribution.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "attune/storage/v1/event.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fake_state_store.h"

namespace attune::outcome {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kHourUs = 3600 * int64_t{1'000'000};
constexpr int64_t kDecidedUs = 20'000 * 24 * kHourUs;
// As long after its end as a window takes reports, and a little longer.
constexpr int64_t kClosedUs = kClosingDelayUs + 1;

// Numbers of names.
constexpr uint32_t kGift = 10;
constexpr uint32_t kDeal = 11;
constexpr uint32_t kOldDeal = 12;  // which the strategy does not have any more
constexpr uint32_t kWeb = 3;
constexpr uint32_t kPhone = 4;
constexpr uint32_t kSeen = 20;
constexpr uint32_t kClicked = 21;
constexpr uint32_t kBought = 22;
constexpr uint32_t kRated = 23;

constexpr char kProfit[] =
    "outcome.bought.seen ? treatment.value - treatment.cost : -treatment.cost";

struct TermsOptions {
  std::string reward = kProfit;
  std::string good = "";
  bool showing = true;
};

// Seen (1 day), clicked (2 days), bought (10 days, final), rated (4 days).
std::shared_ptr<const AttributionTerms> TermsWith(const TermsOptions& options) {
  auto terms = std::make_shared<AttributionTerms>();
  const std::vector<std::string_view> names = {"shown", "clicked", "bought", "rated"};
  terms->outcomes.resize(names.size());
  const int64_t hours[] = {24, 48, 240, 96};
  for (size_t i = 0; i < names.size(); ++i) {
    terms->outcomes[i].window_us = hours[i] * kHourUs;
    terms->outcome_index[kSeen + static_cast<uint32_t>(i)] = static_cast<int>(i);
  }
  terms->outcomes[0].showing = options.showing;
  terms->outcomes[2].is_final = true;
  terms->has_showing = options.showing;
  terms->showing_window_us = options.showing ? 24 * kHourUs : 0;
  terms->longest_window_us = 240 * kHourUs;
  terms->treatments[kGift] = {"gift", "care", 5, 10, 1};
  terms->treatments[kDeal] = {"deal", "offer", 6, 20, 2};
  terms->channels[kWeb] = "web";
  terms->channels[kPhone] = "phone";
  terms->reward = Reward::Compile(names, options.reward, options.good, expression::Limits(),
                                  [](Reward::Formula, size_t, Issue::Severity,
                                     const std::string& message) { ADD_FAILURE() << message; });
  return terms;
}

storage::v1::DecisionEvent DecisionOf(const std::vector<uint32_t>& ranking) {
  storage::v1::DecisionEvent event;
  event.set_time_us(kDecidedUs);
  event.set_channel(kWeb);
  for (const uint32_t treatment : {kGift, kDeal, kOldDeal}) {
    event.add_scored(treatment);
    event.add_propensity(0.25F);
    event.add_value(100);
    event.add_cost(2);
  }
  for (const uint32_t treatment : ranking) event.add_ranking(treatment - kGift);
  return event;
}

// An outcome as somebody tells of it: hours after the decision.
struct Told {
  uint32_t treatment = kGift;
  uint32_t outcome = kSeen;
  int64_t at = 0;
  int64_t reported = 0;  // 0: when it happened
  std::optional<double> value = std::nullopt;
  Source source = Source::kCustomer;
};

// A log, written as the service writes it. Positions have gaps, as they have in the store.
class TestLog {
 public:
  explicit TestLog(std::shared_ptr<const AttributionTerms> terms) : terms_(std::move(terms)) {}

  uint64_t Decide(const storage::v1::DecisionEvent& event) {
    return Append(storage::EventType::kDecision, event.SerializeAsString());
  }
  uint64_t Decide(const std::vector<uint32_t>& ranking = {kGift, kDeal}) {
    return Decide(DecisionOf(ranking));
  }

  // With the status that it has when it is reported.
  void Tell(uint64_t decision, const Told& told) {
    storage::v1::OutcomeEvent event;
    event.set_decision_position(decision);
    event.set_decision_time_us(kDecidedUs);
    event.set_treatment_plus_one(told.treatment + 1);
    event.set_outcome(told.outcome);
    event.set_source(static_cast<uint32_t>(told.source));
    event.set_time_us(kDecidedUs + told.at * kHourUs);
    event.set_recorded_time_us(kDecidedUs +
                               (told.reported != 0 ? told.reported : told.at) * kHourUs);
    if (told.value) event.set_value(*told.value);
    const auto shown = shown_.find({decision, told.treatment});
    Offer offer{kDecidedUs, true, std::nullopt};
    if (shown != shown_.end()) offer.shown_us = shown->second;
    const auto& terms = terms_->outcomes[told.outcome - kSeen];
    const Status status = StatusOf(offer, terms, event.time_us());
    event.set_status(static_cast<uint32_t>(status));
    if (terms.showing && (status == Status::kRecorded || status == Status::kEarly)) {
      const int64_t shown_us = AttributedTime(offer, status, event.time_us());
      offer.shown_us = std::min(shown_us, offer.shown_us.value_or(shown_us));
      shown_[{decision, told.treatment}] = *offer.shown_us;
    }
    if (offer.shown_us) event.set_shown_time_us(*offer.shown_us);
    Append(storage::EventType::kOutcome, event.SerializeAsString());
  }

  // Of no decision that is known.
  void TellWith(Status status) {
    storage::v1::OutcomeEvent event;
    event.set_status(static_cast<uint32_t>(status));
    event.set_recorded_time_us(kDecidedUs);
    Append(storage::EventType::kOutcome, event.SerializeAsString());
  }

  // It is so many hours after the decision, and so many microseconds.
  void Tick(int64_t hours, int64_t micros = kClosedUs) {
    storage::v1::ClockEvent event;
    event.set_time_us(kDecidedUs + hours * kHourUs + micros);
    Append(storage::EventType::kClock, event.SerializeAsString());
  }

  uint64_t Append(storage::EventType type, std::string payload) {
    constexpr uint64_t kGap = 3;
    storage::LogEntry entry;
    entry.position = entries_.empty() ? kGap : entries_.rbegin()->first + kGap;
    entry.type = type;
    entry.payload = std::move(payload);
    const uint64_t position = entry.position;
    entries_.emplace(position, std::move(entry));
    return position;
  }

  absl::StatusOr<std::optional<storage::LogEntry>> ReadAt(uint64_t position) const {
    if (position == damaged_) return absl::DataLossError("damaged");
    const auto found = entries_.find(position);
    if (found == entries_.end()) return std::nullopt;
    return found->second;
  }
  void Erase(uint64_t position) { entries_.erase(position); }
  void Damage(uint64_t position) { damaged_ = position; }

  std::vector<storage::LogEntry> entries() const {
    std::vector<storage::LogEntry> entries;
    for (const auto& [position, entry] : entries_) entries.push_back(entry);
    return entries;
  }

 private:
  std::shared_ptr<const AttributionTerms> terms_;
  std::map<uint64_t, storage::LogEntry> entries_;
  std::map<std::pair<uint64_t, uint32_t>, int64_t> shown_;
  uint64_t damaged_ = 0;
};

// What was learned, as text: "gift@3 -2 good 0 after 241h".
std::string TextOf(const AttributedOutcome& outcome) {
  return absl::StrCat(outcome.treatment == kGift ? "gift" : "deal", "@", outcome.decision_position,
                      " ", outcome.reward, " good ", outcome.good, " after ",
                      static_cast<double>(outcome.settled_us - kDecidedUs) / kHourUs, "h");
}

class AttributionTest : public ::testing::Test {
 protected:
  void Use(const TermsOptions& options) {
    terms_ = TermsWith(options);
    log_ = TestLog(terms_);
  }

  // What a fold over the whole log learns.
  std::vector<std::string> Learned(const AttributionLimits& limits = {}) {
    Attribution attribution(terms_, limits);
    std::vector<std::string> learned;
    for (const storage::LogEntry& entry : log_.entries()) {
      const absl::Status status = attribution.Add(
          entry, [&](uint64_t position) { return log_.ReadAt(position); },
          [&](const AttributedOutcome& outcome) { learned.push_back(TextOf(outcome)); });
      EXPECT_TRUE(status.ok()) << status;
    }
    counts_ = attribution.counts();
    open_ = attribution.open();
    formula_error_ = attribution.formula_error();
    return learned;
  }

  std::shared_ptr<const AttributionTerms> terms_ = TermsWith({});
  TestLog log_{terms_};
  // Of the last fold.
  AttributionCounts counts_;
  size_t open_ = 0;
  std::string formula_error_;
};

struct AttributionCase {
  std::string name;
  std::vector<Told> told = {};
  int64_t now = 0;  // hours after the decision, and just so much longer that windows close
  std::vector<std::string> learned = {};
  uint64_t never_shown = 0;
  uint64_t late = 0;
  uint64_t after_settled = 0;
  size_t open = 0;
};

TEST_F(AttributionTest, LearnsOnceWhenNothingCanChangeAnyMore) {
  const AttributionCase cases[] = {
      {.name = "nothing was told", .now = 1000},
      {.name = "silence, the windows are open", .told = {{.at = 1}}, .now = 240, .open = 1},
      {.name = "silence",
       .told = {{.at = 1}},
       .now = 241,
       .learned = {"gift@3 -2 good 0 after 241h"}},
      {.name = "bought",
       .told = {{.at = 1}, {.outcome = kBought, .at = 5}},
       .now = 5,
       .learned = {"gift@3 98 good 1 after 5h"},
       .open = 1},
      {.name = "bought, and forgotten when the windows are closed",
       .told = {{.at = 1}, {.outcome = kBought, .at = 5}},
       .now = 241,
       .learned = {"gift@3 98 good 1 after 5h"}},
      {.name = "bought in the last moment",
       .told = {{.at = 1}, {.outcome = kBought, .at = 241}},
       .now = 241,
       .learned = {"gift@3 98 good 1 after 241h"}},
      {.name = "bought too late",
       .told = {{.at = 1}, {.outcome = kBought, .at = 242}},
       .now = 242,
       .learned = {"gift@3 -2 good 0 after 241h"},
       .late = 1},
      {.name = "bought in time, told when it was settled",
       .told = {{.at = 1}, {.outcome = kBought, .at = 5, .reported = 242}},
       .now = 242,
       .learned = {"gift@3 -2 good 0 after 241h"},
       .after_settled = 1},
      {.name = "after the final outcome nothing counts",
       .told = {{.at = 1}, {.outcome = kBought, .at = 5}, {.outcome = kClicked, .at = 6}},
       .now = 1000,
       .learned = {"gift@3 98 good 1 after 5h"},
       .after_settled = 1},
      {.name = "never shown, and nobody can say so yet",
       .told = {{.outcome = kClicked, .at = 2}},
       .now = 263,
       .open = 1},
      {.name = "never shown",
       .told = {{.outcome = kClicked, .at = 2}, {.outcome = kBought, .at = 3}},
       .now = 264,
       .never_shown = 1},
      {.name = "bought before anybody said that it was shown",
       .told = {{.outcome = kBought, .at = 5}, {.at = 4, .reported = 6}},
       .now = 6,
       .learned = {"gift@3 98 good 1 after 6h"},
       .open = 1},
      {.name = "shown too late to be shown", .told = {{.at = 25}}, .now = 1000, .late = 1},
      {.name = "shown in time, told when its windows were closed",
       .told = {{.at = 1, .reported = 242}},
       .now = 242,
       .after_settled = 1},
      {.name = "each treatment that was shown",
       .told = {{.treatment = kDeal, .at = 1},
                {.treatment = kGift, .at = 2},
                {.treatment = kDeal, .outcome = kBought, .at = 3}},
       .now = 1000,
       .learned = {"deal@3 98 good 1 after 3h", "gift@3 -2 good 0 after 242h"}},
      {.name = "shown again: the first time counts",
       .told = {{.at = 1}, {.at = 9}},
       .now = 241,
       .learned = {"gift@3 -2 good 0 after 241h"}},
      {.name = "before its showing by clocks that differ",
       .told = {{.at = 3}, {.outcome = kBought, .at = 2, .reported = 4}},
       .now = 4,
       .learned = {"gift@3 98 good 1 after 4h"},
       .open = 1},
  };
  for (const AttributionCase& c : cases) {
    Use({});
    const uint64_t decision = log_.Decide();
    for (const Told& told : c.told) log_.Tell(decision, told);
    log_.Tick(c.now);
    EXPECT_EQ(Learned(), c.learned) << c.name;
    EXPECT_EQ(counts_.learned, c.learned.size()) << c.name;
    EXPECT_EQ(counts_.never_shown, c.never_shown) << c.name;
    EXPECT_EQ(counts_.by_status[static_cast<size_t>(Status::kLate)], c.late) << c.name;
    EXPECT_EQ(counts_.after_settled, c.after_settled) << c.name;
    EXPECT_EQ(open_, c.open) << c.name;
  }
}

TEST_F(AttributionTest, TheOrderOfOutcomesMakesNoDifference) {
  // 1 for a click two hours after the showing, 10 for each of two ratings, 700 for the last of
  // them.
  Use({.reward = "double(outcome.clicked.first_after.getSeconds()) / 7200.0 + "
                 "10.0 * double(outcome.rated.count) + 100.0 * outcome.rated.value"});
  // By the earlier showing the last rating is not in its window, by the later one it is; by the
  // decision the one before is not.
  std::vector<Told> told = {{.at = 20, .reported = 120},
                            {.at = 10, .reported = 121},
                            {.outcome = kClicked, .at = 12, .reported = 122},
                            {.outcome = kRated, .at = 30, .reported = 123, .value = 3},
                            {.outcome = kRated, .at = 100, .reported = 124, .value = 7},
                            {.outcome = kRated, .at = 110, .reported = 125, .value = 9}};
  std::vector<size_t> order = {0, 1, 2, 3, 4, 5};
  do {
    log_ = TestLog(terms_);
    const uint64_t decision = log_.Decide();
    int64_t reported = 120;
    for (const size_t i : order) {
      Told next = told[i];
      next.reported = reported++;
      log_.Tell(decision, next);
    }
    log_.Tick(250);
    ASSERT_THAT(Learned(), ElementsAre("gift@3 721 good 1 after 250h"));
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(AttributionTest, WhatIsLateByTheDecisionMayBeInTimeByTheShowing) {
  const Told shown = {.at = 20};
  const Told bought = {.outcome = kBought, .at = 250};
  for (const bool shown_first : {true, false}) {
    Use({});
    const uint64_t decision = log_.Decide();
    for (Told told : {shown_first ? shown : bought, shown_first ? bought : shown}) {
      told.reported = 255;
      log_.Tell(decision, told);
    }
    EXPECT_THAT(Learned(), ElementsAre("gift@3 98 good 1 after 255h")) << shown_first;
  }
}

TEST_F(AttributionTest, WithoutAShowingTheTopTreatmentCountsAsShown) {
  Use({.showing = false});
  const uint64_t first = log_.Decide();
  const uint64_t second = log_.Decide({kDeal});
  log_.Decide(std::vector<uint32_t>());
  log_.Tell(first, {.treatment = kDeal, .outcome = kBought, .at = 1});
  log_.Tell(second, {.treatment = kDeal, .outcome = kBought, .at = 2});
  log_.Tell(second, {.treatment = kDeal, .outcome = kClicked, .at = 3});
  log_.Tick(240);
  log_.Tell(first, {.outcome = kClicked, .at = 5, .reported = 241});
  EXPECT_THAT(Learned(), ElementsAre("deal@6 98 good 1 after 2h", "gift@3 -2 good 0 after 240h"));
  EXPECT_EQ(counts_.not_on_top, 1u);
  EXPECT_EQ(counts_.after_settled, 2u);
  EXPECT_EQ(open_, 0u);
}

TEST_F(AttributionTest, TellsWhatWasServed) {
  Use({.good = "outcome.rated.value / 10.0"});
  storage::v1::DecisionEvent event = DecisionOf({kDeal, kGift});
  event.clear_channel();
  event.set_channel(kWeb);
  event.add_open_channels(kWeb);
  event.add_open_channels(kPhone);
  for (const uint32_t slot : {1, 0, 0}) event.add_scored_channel(slot);
  event.set_intent_plus_one(8);
  event.set_attributes("attributes");
  event.set_features("features");
  event.set_value(0, 50);
  event.set_cost(0, 4);
  event.set_propensity(0, 0.5F);
  event.add_model_versions("a@1");
  event.add_model_versions("b@2");
  for (const uint32_t model : {1, 0, 0}) event.add_model(model);
  event.add_selectable(1);
  event.add_selection_probability(0.75);
  event.add_selectable(0);
  event.add_selection_probability(0.25);
  const uint64_t decision = log_.Decide(event);
  log_.Tell(decision, {.at = 1, .source = Source::kSystem});
  log_.Tell(decision, {.outcome = kRated, .at = 2, .value = 8, .source = Source::kEmployee});
  log_.Tick(241);
  Attribution attribution(terms_);
  int learned = 0;
  for (const storage::LogEntry& entry : log_.entries()) {
    ASSERT_TRUE(attribution
                    .Add(
                        entry, [&](uint64_t position) { return log_.ReadAt(position); },
                        [&](const AttributedOutcome& outcome) {
                          ++learned;
                          EXPECT_EQ(outcome.decision_position, decision);
                          EXPECT_EQ(outcome.treatment, kGift);
                          EXPECT_EQ(outcome.group, 5u);
                          EXPECT_EQ(outcome.channel, kPhone);
                          EXPECT_EQ(outcome.intent, 7u);
                          EXPECT_EQ(outcome.decided_us, kDecidedUs);
                          EXPECT_EQ(outcome.shown_us, kDecidedUs + kHourUs);
                          EXPECT_EQ(outcome.value, 50);
                          EXPECT_EQ(outcome.cost, 4);
                          EXPECT_EQ(outcome.propensity, 0.5);
                          EXPECT_EQ(outcome.selection_probability, 0.25);
                          EXPECT_EQ(outcome.rank, 1);
                          EXPECT_EQ(outcome.attributes, "attributes");
                          EXPECT_EQ(outcome.features, "features");
                          EXPECT_EQ(outcome.model_version, "b@2");
                          EXPECT_EQ(outcome.reward, -4);
                          EXPECT_EQ(outcome.good, 0.8);
                          EXPECT_EQ(outcome.sources.to_string(), "110");
                        })
                    .ok());
  }
  EXPECT_EQ(learned, 1);
  EXPECT_EQ(attribution.counts().attributed, 2u);
}

TEST_F(AttributionTest, ValueAndCostAreTheStrategysWhereTheDecisionHasNone) {
  storage::v1::DecisionEvent event = DecisionOf({kGift});
  event.clear_value();
  event.clear_cost();
  const uint64_t decision = log_.Decide(event);
  log_.Tell(decision, {.at = 1});
  log_.Tell(decision, {.outcome = kBought, .at = 2});
  EXPECT_THAT(Learned(), ElementsAre("gift@3 9 good 1 after 2h"));
}

// A log in which everything happens.
void WriteEverything(TestLog& log) {
  const uint64_t first = log.Decide();
  const uint64_t second = log.Decide({kDeal});
  log.Tell(first, {.at = 1});
  log.Tell(second, {.treatment = kDeal, .outcome = kBought, .at = 2});
  log.Tell(first, {.treatment = kDeal, .at = 2});
  log.Tell(first, {.outcome = kRated, .at = 3, .value = 4.5});
  log.Tell(second, {.treatment = kDeal, .at = 1, .reported = 4});
  log.TellWith(Status::kNotOffered);
  log.Append(storage::EventType::kOutcome, "\xff");
  const uint64_t third = log.Decide();
  log.Tell(third, {.outcome = kClicked, .at = 5});
  log.Tell(first, {.outcome = kBought, .at = 6});
  log.Tell(first, {.outcome = kClicked, .at = 7});
  log.Tick(100);
  log.Tick(90);
  log.Tick(1000);
}

TEST_F(AttributionTest, StoppedAnywhereItGoesOnAsIfItHadNot) {
  WriteEverything(log_);
  const std::vector<storage::LogEntry> entries = log_.entries();
  const auto read = [&](uint64_t position) { return log_.ReadAt(position); };
  // What it learned, and its state, after each entry.
  std::vector<std::string> learned;
  std::vector<std::string> states;
  const auto learn = [&](const AttributedOutcome& outcome) { learned.push_back(TextOf(outcome)); };
  Attribution whole(terms_);
  for (const storage::LogEntry& entry : entries) {
    ASSERT_TRUE(whole.Add(entry, read, learn).ok());
    states.push_back(whole.Serialize());
  }
  const std::vector<std::string> all = std::exchange(learned, {});
  EXPECT_THAT(all, SizeIs(3));
  EXPECT_EQ(whole.counts().never_shown, 1u);
  EXPECT_EQ(whole.counts().damaged, 1u);
  EXPECT_EQ(whole.counts().by_status[static_cast<size_t>(Status::kNotOffered)], 1u);
  EXPECT_EQ(whole.open(), 0u);

  // Stored and read again before each entry, each of which comes twice; and every reading of the
  // log fails once before it succeeds, after which the state is stored as well.
  bool fails = false;
  const auto read_later = [&](uint64_t position) {
    fails = !fails;
    return fails ? absl::UnavailableError("later") : log_.ReadAt(position);
  };
  auto stopped = std::make_unique<Attribution>(terms_);
  const auto restart = [&] {
    absl::StatusOr<Attribution> restored = Attribution::Parse(stopped->Serialize(), terms_);
    ASSERT_TRUE(restored.ok()) << restored.status();
    stopped = std::make_unique<Attribution>(*std::move(restored));
  };
  int failures = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    restart();
    while (!stopped->Add(entries[i], read_later, learn).ok()) {
      ++failures;
      restart();
    }
    ASSERT_TRUE(stopped->Add(entries[i], read_later, learn).ok()) << "already taken in";
    EXPECT_EQ(stopped->Serialize(), states[i]) << i;
    EXPECT_EQ(stopped->next_position(), entries[i].position + 1);
  }
  EXPECT_EQ(failures, 3);
  EXPECT_EQ(learned, all);
}

TEST_F(AttributionTest, WhatCantBeReadIsDamaged) {
  WriteEverything(log_);
  Attribution attribution(terms_);
  const std::vector<storage::LogEntry> entries = log_.entries();
  for (size_t i = 0; i < entries.size() / 2; ++i) {
    ASSERT_TRUE(attribution
                    .Add(
                        entries[i], [&](uint64_t position) { return log_.ReadAt(position); },
                        [](const AttributedOutcome&) {})
                    .ok());
  }
  const std::string bytes = attribution.Serialize();
  ASSERT_GT(attribution.open(), 2u);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_TRUE(absl::IsDataLoss(Attribution::Parse(damaged, terms_).status())) << i;
    EXPECT_TRUE(absl::IsDataLoss(Attribution::Parse(bytes.substr(0, i), terms_).status())) << i;
  }
  EXPECT_TRUE(Attribution::Parse(bytes, terms_).ok());
}

TEST_F(AttributionTest, AFormulaThatFailsTeachesNothing) {
  struct Case {
    std::string name;
    std::string reward;
    std::string good;
    std::string error;
  };
  const Case cases[] = {
      {"not a number", "0.0 * (treatment.value / (treatment.cost - treatment.cost))", "",
       "it must lie between -1e+15 and 1e+15, and is nan"},
      {"infinite", "outcome.rated.value * 1e300", "",
       "it must lie between -1e+15 and 1e+15, and is inf"},
      {"too large", "outcome.rated.value * 1e298", "",
       "it must lie between -1e+15 and 1e+15, and is 1e+308"},
      {"an error", "7 / (outcome.rated.count - 1)", "", "division by zero"},
      {"what did not happen", "outcome.bought.first_after < duration('1h') ? 1.0 : 0.0", "",
       "this outcome was not recorded; ask for its seen first"},
      {"good is no probability", "1", "outcome.rated.value",
       "it must lie between 0 and 1, and is 1e+10"},
  };
  for (const Case& c : cases) {
    Use({.reward = c.reward, .good = c.good});
    const uint64_t decision = log_.Decide();
    log_.Tell(decision, {.at = 1});
    log_.Tell(decision, {.outcome = kRated, .at = 2, .value = 1e10});
    log_.Tick(241);
    EXPECT_THAT(Learned(), IsEmpty()) << c.name;
    EXPECT_EQ(counts_.formula_failed, 1u) << c.name;
    EXPECT_EQ(open_, 0u) << c.name;
    EXPECT_THAT(formula_error_, ::testing::HasSubstr(c.error)) << c.name;
  }
}

TEST_F(AttributionTest, WhoWasErasedIsNotLearnedFrom) {
  const uint64_t gone = log_.Decide();
  const uint64_t damaged = log_.Decide();
  const uint64_t other = log_.Decide({kDeal});  // the gift is not in it
  const uint64_t stays = log_.Decide();
  for (const uint64_t decision : {gone, damaged, other, stays}) log_.Tell(decision, {.at = 1});
  log_.Tick(241);
  Attribution attribution(terms_);
  const std::vector<storage::LogEntry> entries = log_.entries();
  log_.Erase(gone);
  log_.Damage(damaged);
  std::vector<std::string> learned;
  for (const storage::LogEntry& entry : entries) {
    ASSERT_TRUE(attribution
                    .Add(
                        entry, [&](uint64_t position) { return log_.ReadAt(position); },
                        [&](const AttributedOutcome& o) { learned.push_back(TextOf(o)); })
                    .ok());
  }
  EXPECT_THAT(learned, ElementsAre("gift@12 -2 good 0 after 241h"));
  EXPECT_EQ(attribution.counts().erased, 1u);
  EXPECT_EQ(attribution.counts().damaged, 2u);
  EXPECT_EQ(attribution.open(), 0u);
}

TEST_F(AttributionTest, CountsWhatIsNotAttributed) {
  const uint64_t decision = log_.Decide({kOldDeal});
  for (const Status status :
       {Status::kBeforeDecision, Status::kLate, Status::kNotOffered, Status::kUnknownDecision,
        Status::kCustomerErased, Status::kOtherContent}) {
    log_.TellWith(status);
  }
  log_.Tell(decision, {.treatment = kOldDeal, .at = 1});
  storage::v1::OutcomeEvent event;
  event.set_decision_position(decision);
  event.set_status(static_cast<uint32_t>(Status::kRecorded));
  event.set_recorded_time_us(kDecidedUs);
  event.set_outcome(kClicked);
  log_.Append(storage::EventType::kOutcome, event.SerializeAsString());
  event.set_treatment_plus_one(kGift + 1);
  event.set_outcome(kRated + 1);
  log_.Append(storage::EventType::kOutcome, event.SerializeAsString());
  event.set_status(kStatuses + 1);
  log_.Append(storage::EventType::kOutcome, event.SerializeAsString());
  event.set_status(static_cast<uint32_t>(Status::kRecorded));
  event.set_outcome(kRated);
  log_.Append(storage::EventType::kOutcome, event.SerializeAsString());  // who says so?
  log_.Tick(241);
  EXPECT_THAT(Learned(), IsEmpty());
  EXPECT_EQ(counts_.unknown_treatment, 1u);
  EXPECT_EQ(counts_.unknown_outcome, 1u);
  EXPECT_EQ(counts_.damaged, 1u);
  EXPECT_EQ(counts_.by_status[0], 1u);
  for (const Status status :
       {Status::kBeforeDecision, Status::kNotOffered, Status::kUnknownDecision,
        Status::kCustomerErased, Status::kOtherContent}) {
    EXPECT_EQ(counts_.by_status[static_cast<size_t>(status)], 1u) << StatusName(status);
  }
  // The one that is late, and one of the others.
  EXPECT_EQ(counts_.without_treatment, 2u);
}

TEST_F(AttributionTest, KeepsSoManyOutcomesOfATreatment) {
  Use({.reward = "outcome.clicked.count"});
  const uint64_t decision = log_.Decide();
  log_.Tell(decision, {.at = 1});
  for (int i = 0; i < 100; ++i) log_.Tell(decision, {.outcome = kClicked, .at = 2});
  log_.Tick(241);
  EXPECT_THAT(Learned(), ElementsAre("gift@3 63 good 1 after 241h"));
  EXPECT_EQ(counts_.too_many, 37u);
  EXPECT_EQ(counts_.attributed, 64u);
}

TEST_F(AttributionTest, WithoutRoomTheNewestDecisionIsGivenUpAndNeverTakenForSilence) {
  const uint64_t first = log_.Decide();
  const uint64_t second = log_.Decide();
  const uint64_t third = log_.Decide();
  log_.Tell(first, {.at = 1});
  log_.Tell(second, {.at = 2});
  log_.Tell(third, {.at = 3});
  log_.Tell(third, {.outcome = kBought, .at = 4});
  log_.Tell(second, {.outcome = kBought, .at = 5});
  log_.Tick(241);
  EXPECT_THAT(Learned({.open_treatments = 2}),
              ElementsAre("gift@6 98 good 1 after 5h", "gift@3 -2 good 0 after 241h"));
  EXPECT_EQ(counts_.no_room, 1u);
  EXPECT_EQ(counts_.learned, 2u);
  EXPECT_EQ(counts_.after_settled, 1u) << "what is told of it comes too late";
  // Counted by their outcomes there is room for two as well.
  EXPECT_THAT(Learned({.open_outcomes = 2}),
              ElementsAre("gift@6 98 good 1 after 5h", "gift@3 -2 good 0 after 241h"));
}

TEST_F(AttributionTest, WithoutRoomTheShareOfGoodOnesStaysTrue) {
  // One in four is bought at once, the others never: of what is learned it must be as many.
  Use({.showing = false});
  for (int i = 0; i < 40; ++i) {
    const uint64_t decision = log_.Decide();
    if (i % 4 == 0) log_.Tell(decision, {.outcome = kBought, .at = 1});
  }
  log_.Tick(241);
  const std::vector<std::string> learned = Learned({.open_treatments = 8});
  EXPECT_EQ(learned.size(), 8u);
  EXPECT_EQ(counts_.no_room, 32u);
  EXPECT_EQ(std::count_if(
                learned.begin(), learned.end(),
                [](const std::string& text) { return text.find("good 1") != std::string::npos; }),
            2);
}

TEST_F(AttributionTest, SettlesSoManyInOneCallAndGoesOnInTheSameOrder) {
  for (int i = 0; i < 10; ++i) log_.Tell(log_.Decide(), {.at = 1 + i % 3});
  log_.Tick(1000);
  const auto read = [&](uint64_t position) { return log_.ReadAt(position); };
  Attribution at_once(terms_);
  std::vector<std::string> expected;
  for (const storage::LogEntry& entry : log_.entries()) {
    ASSERT_TRUE(
        at_once.Add(entry, read, [&](const AttributedOutcome& o) { expected.push_back(TextOf(o)); })
            .ok());
  }
  ASSERT_THAT(expected, SizeIs(10));
  for (const size_t budget : {1, 3, 10}) {
    Attribution attribution(terms_, {.settled_per_call = budget});
    std::vector<std::string> learned;
    for (const storage::LogEntry& entry : log_.entries()) {
      do {
        const size_t before = learned.size();
        ASSERT_TRUE(
            attribution
                .Add(entry, read, [&](const AttributedOutcome& o) { learned.push_back(TextOf(o)); })
                .ok());
        EXPECT_LE(learned.size() - before, budget);
      } while (attribution.next_position() <= entry.position);
    }
    EXPECT_EQ(learned, expected) << budget;
    EXPECT_EQ(attribution.Serialize(), at_once.Serialize()) << budget;
  }
}

TEST_F(AttributionTest, TellsWhatLeftTheLogFromWhoWasErased) {
  const uint64_t decision = log_.Decide();
  log_.Tell(decision, {.at = 1});
  log_.Tick(241);
  Attribution attribution(terms_);
  for (const storage::LogEntry& entry : log_.entries()) {
    ASSERT_TRUE(attribution
                    .Add(
                        entry,
                        [](uint64_t) -> absl::StatusOr<std::optional<storage::LogEntry>> {
                          return absl::OutOfRangeError("the log begins at 100");
                        },
                        [](const AttributedOutcome&) { ADD_FAILURE(); })
                    .ok());
  }
  EXPECT_EQ(attribution.counts().left_the_log, 1u);
  EXPECT_EQ(attribution.counts().erased, 0u);
  const auto parsed = Attribution::Parse(attribution.Serialize(), terms_);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->counts().left_the_log, 1u);
}

TEST_F(AttributionTest, FallsBackToTheEndOfALogThatHasLostIt) {
  Attribution attribution(terms_);
  std::vector<std::string> learned;
  const auto read = [&](const TestLog& log) {
    for (const storage::LogEntry& entry : log.entries()) {
      const absl::Status status = attribution.Add(
          entry, [&](uint64_t position) { return log.ReadAt(position); },
          [&](const AttributedOutcome& outcome) { learned.push_back(TextOf(outcome)); });
      EXPECT_TRUE(status.ok()) << status;
    }
  };
  TestLog restored = log_;
  for (TestLog* const log : {&log_, &restored}) log->Tell(log->Decide(), {.at = 1});
  const uint64_t lost = log_.Decide();
  log_.Tell(lost, {.at = 2});
  log_.Tell(lost, {.outcome = kBought, .at = 3});
  log_.Tell(log_.Decide(), {.at = 3});
  read(log_);
  EXPECT_EQ(attribution.open(), 3u);

  attribution.FallBackTo(lost);
  EXPECT_EQ(attribution.next_position(), lost);
  EXPECT_EQ(attribution.open(), 1u);
  EXPECT_EQ(attribution.counts().left_the_log, 1u) << "one had settled";
  ASSERT_EQ(restored.Decide(), lost) << "another decision comes to the position";
  restored.Tell(lost, {.at = 4});
  restored.Tell(lost, {.outcome = kBought, .at = 5});
  restored.Tick(242);
  read(restored);
  EXPECT_THAT(learned, ElementsAre("gift@9 98 good 1 after 3h", "gift@9 98 good 1 after 5h",
                                   "gift@3 -2 good 0 after 241h"));
}

TEST_F(AttributionTest, AClockThatJumpsLetsNothingBeLearnedTwice) {
  constexpr int64_t kYear = 365 * 24;
  const uint64_t first = log_.Decide();
  log_.Tell(first, {.at = 2});
  log_.Tick(kYear);  // all windows are closed
  log_.Tick(3);      // and were not
  log_.Tell(first, {.at = 1, .reported = 4});
  log_.Tell(first, {.outcome = kBought, .at = 5});
  // Later decisions are as they would be without the jump.
  const uint64_t second = log_.Decide();
  log_.Tell(second, {.at = 6});
  log_.Tick(-kYear);
  log_.Tick(7);
  log_.Tell(second, {.outcome = kBought, .at = 8});
  log_.Tick(kYear);
  EXPECT_THAT(Learned(), ElementsAre("gift@3 -2 good 0 after 242h",
                                     absl::StrCat("gift@", second, " 98 good 1 after 8h")));
  EXPECT_EQ(counts_.after_settled, 2u);
}

TEST_F(AttributionTest, EventsOfAllKindsTellTheTime) {
  const uint64_t decision = log_.Decide();
  log_.Tell(decision, {.at = 1});
  storage::v1::InteractionsEvent interactions;
  interactions.set_recorded_time_us(kDecidedUs + 241 * kHourUs + kClosedUs);
  storage::v1::ConsentEvent consent;
  consent.set_recorded_time_us(interactions.recorded_time_us());
  for (const bool by_consent : {false, true}) {
    TestLog log = log_;
    if (by_consent) {
      log.Append(storage::EventType::kConsent, consent.SerializeAsString());
    } else {
      log.Append(storage::EventType::kInteractions, interactions.SerializeAsString());
    }
    std::swap(log, log_);
    EXPECT_THAT(Learned(), SizeIs(1)) << by_consent;
    std::swap(log, log_);
  }
}

TEST(AppendClockEventTest, TellsTheTimeAndChangesNoRecord) {
  testing::FakeStateStore store;
  ASSERT_TRUE(AppendClockEvent(store, 77).ok());
  ASSERT_TRUE(AppendClockEvent(store, 78).ok());
  const std::vector<storage::LogEntry> log = store.Log();
  ASSERT_THAT(log, SizeIs(2));
  EXPECT_EQ(log[0].type, storage::EventType::kClock);
  EXPECT_EQ(log[0].customer, storage::CustomerKey{});
  storage::v1::ClockEvent event;
  ASSERT_TRUE(event.ParseFromString(log[1].payload));
  EXPECT_EQ(event.time_us(), 78);
  store.SetFaults({.commit = absl::UnavailableError("busy")});
  EXPECT_TRUE(absl::IsUnavailable(AppendClockEvent(store, 79)));
}

}  // namespace
}  // namespace attune::outcome
