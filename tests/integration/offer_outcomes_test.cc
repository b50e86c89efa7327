// What came of the offers of a coffee chain, told to a server that learns from it: what was sent in
// six waves are decisions, what members read and earned are their outcomes, in the order of their
// times, under the clock of a replay. Histories, answers, metrics, success rates and models are
// compared with what plain code counts in the files.
//
// Needs data outside of the repository, see real_data.h; skips without them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/absl_strings.h"
#include "prometheus/text_serializer.h"
#include "tests/integration/coffee_data.h"
#include "tests/integration/real_data.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"
#include "tests/testing/effort.h"
#include "tests/testing/paths.h"

namespace attune::service {
namespace {

using ::testing::HasSubstr;

// In an optimised build everybody takes part, else every 40th.
constexpr size_t kMemberEvery = testing::kOptimized ? 1 : 40;
constexpr size_t kDecisionsPerStream = 2000;
constexpr int kOutcomesPerMessage = 1000;  // the most that a message may have
constexpr int kHoursPerDay = 24;
// Beyond the last event, and the last window: 6 days after the wave of hour 576.
constexpr int kDays = 31;

// What tests/data/starbucks/learning.yaml says, in other words.
constexpr int kViewHours = 4 * kHoursPerDay;
constexpr int kCompletionHours = 6 * kHoursPerDay;
constexpr double kCostOfSending = 0.05;
constexpr double kWorthOfNews = 2;
constexpr double kWorthPerDollar = 2;
constexpr char kChannelOfNoOffer[] = "mobile";

bool IsNews(const CoffeeOffer& offer) { return offer.group == "informational"; }
std::string ModelOf(const CoffeeOffer& offer) { return IsNews(offer) ? "news" : "rewards"; }

// One member in one wave.
struct Turn {
  size_t member = 0;
  int hours = 0;
  const CoffeeOffer* offer = nullptr;  // that was sent; nullptr: none was
  std::string channel;
  bool completed = false;  // that an event was found to be of it
  // What the server answered.
  std::string decision_id;
  std::string treatment;
  double propensity = 0;
};

// A member read an offer, or earned its reward.
struct OfferEvent {
  std::string id;  // its row in the file
  int hours = 0;
  size_t turn = 0;
  std::string outcome;
  double paid = 0;
};

struct MemberPurchase {
  int hours = 0;
  size_t member = 0;
};

// What became of an offer that was sent, as plain code has it.
struct Recount {
  std::optional<int> viewed;     // the first time within its window, in hours
  std::optional<int> completed;  // the same
  double paid = 0;

  bool IsGood(const CoffeeOffer& offer) const {
    if (IsNews(offer)) return viewed.has_value();
    return viewed && completed && *viewed <= *completed;
  }
  double Reward(const CoffeeOffer& offer) const {
    const double worth = IsNews(offer) ? kWorthOfNews : kWorthPerDollar * offer.difficulty;
    return (IsGood(offer) ? worth : 0) - paid - kCostOfSending;
  }
};

struct OfferTally {
  int64_t sent = 0;
  int64_t viewed = 0;
  int64_t completed = 0;
  int64_t good = 0;
  double reward = 0;

  void Add(const CoffeeOffer& offer, const Recount& recount) {
    ++sent;
    viewed += recount.viewed ? 1 : 0;
    completed += recount.completed ? 1 : 0;
    good += recount.IsGood(offer) ? 1 : 0;
    reward += recount.Reward(offer);
  }
};

// Bounds of a share by Wilson (1927), with 95 % probability.
std::pair<double, double> ShareBounds(int64_t positives, int64_t shown) {
  constexpr double kZ = 1.959964;
  const auto n = static_cast<double>(shown);
  const double share = static_cast<double>(positives) / n;
  const double centre = share + kZ * kZ / (2 * n);
  const double width = kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 + kZ * kZ / n;
  return {(centre - width) / scale, (centre + width) / scale};
}

class OfferOutcomesTest : public ServerTest {
 protected:
  void SetUp() override {
    const std::string shared = SharedFolder();
    if (shared.empty()) GTEST_SKIP() << kNoSharedFolder;
    data_ = shared + "/data/starbucks";
    offers_ = ReadCoffeeOffers(data_);
    ReadTurns();
    ReadEvents();
    ASSERT_FALSE(HasFailure());
    options_.strategy = testing::SourcePath("tests/data/starbucks/learning.yaml");
    options_.replay_clock = true;
    Start();
  }

  void ReadTurns() {
    size_t row_number = 0;
    ForEachCsvRow(data_ + "/profiles_dev.csv", {"person_id"}, [&](const auto& row) {
      if (row_number++ % kMemberEvery != 0) return;
      index_.emplace(row[0], members_.size());
      members_.emplace_back(row[0]);
    });
    ForEachCsvRow(data_ + "/decisions_dev.csv.gz", {"person_id", "wave_hours", "offer_id"},
                  [&](const auto& row) {
                    const auto member = index_.find(row[0]);
                    if (member == index_.end()) return;
                    Turn turn;
                    turn.member = member->second;
                    turn.channel = kChannelOfNoOffer;
                    ASSERT_TRUE(absl::SimpleAtoi(ToAbsl(row[1]), &turn.hours));
                    if (row[2] != "none") {
                      turn.offer = &offers_.at(std::string(row[2]));
                      turn.channel = CoffeeChannel(*turn.offer, turn.member, turn.hours);
                      sends_[{turn.member, turn.offer}].push_back(turns_.size());
                      ++sent_;
                    }
                    waves_[turn.hours].push_back(turns_.size());
                    turns_.push_back(std::move(turn));
                  });
    ASSERT_EQ(waves_.size(), kCoffeeWaves.size());
    ASSERT_EQ(turns_.size(), kCoffeeWaves.size() * members_.size());
  }

  void ReadEvents() {
    size_t received = 0;
    ForEachCsvRow(data_ + "/events_dev.csv.gz",
                  {"seq", "person_id", "time_hours", "event", "offer_id", "reward"},
                  [&](const auto& row) {
                    const auto member = index_.find(row[1]);
                    if (member == index_.end()) return;
                    OfferEvent event;
                    event.id = std::string(row[0]);
                    ASSERT_TRUE(absl::SimpleAtoi(ToAbsl(row[2]), &event.hours));
                    if (row[3] == "transaction") {
                      purchases_.push_back({event.hours, member->second});
                      return;
                    }
                    if (row[3] == "offer received") {
                      ++received;
                      return;
                    }
                    const CoffeeOffer& offer = offers_.at(std::string(row[4]));
                    const std::vector<size_t>& sends = sends_[{member->second, &offer}];
                    if (row[3] == "offer viewed") {
                      event.outcome = "viewed";
                      event.turn = LastSend(sends, event.hours);
                    } else {
                      event.outcome = "completed";
                      ASSERT_TRUE(absl::SimpleAtod(ToAbsl(row[5]), &event.paid)) << row[5];
                      event.turn = OpenSend(sends, event.hours);
                      turns_[event.turn].completed = true;
                    }
                    events_.push_back(std::move(event));
                  });
    EXPECT_EQ(received, sent_) << "the two files tell of other sends";
  }

  // The file does not say of which send an event is. Who reads an offer reads the one that came
  // last; ...
  size_t LastSend(const std::vector<size_t>& sends, int hours) const {
    const auto last = std::find_if(sends.rbegin(), sends.rend(),
                                   [&](size_t turn) { return turns_[turn].hours <= hours; });
    EXPECT_NE(last, sends.rend()) << "nothing was sent before";
    return last == sends.rend() ? 0 : *last;
  }
  // ... a purchase earns the reward of each offer that still holds, of the oldest first.
  size_t OpenSend(const std::vector<size_t>& sends, int hours) const {
    const auto open = std::find_if(sends.begin(), sends.end(), [&](size_t turn) {
      const int after = hours - turns_[turn].hours;
      return after >= 0 && after <= turns_[turn].offer->days * kHoursPerDay &&
             !turns_[turn].completed;
    });
    EXPECT_NE(open, sends.end()) << "no offer holds";
    return open == sends.end() ? 0 : *open;
  }

  void ImportMembers() {
    const RunResult result = RunProgram(
        {OwnProgram("attunectl"), "import", "customers", "--csv", data_ + "/profiles_dev.csv",
         "--id", "person_id", "--map_file", testing::SourcePath("tests/data/starbucks/columns.txt"),
         "--rejects", dir_.File("rejects.csv"), "--json", "--server",
         absl::StrCat("127.0.0.1:", server().port())});
    ASSERT_EQ(result.status, 0) << result.output;
    EXPECT_THAT(result.output, HasSubstr("\"rejected\": 0"));
  }

  // Decisions drive the clock of a replay, and what is recorded after them tells the log what time
  // it is: somebody who is none of the members comes in once a day.
  void BeginDay(int day) {
    const auto time = ToProtoTime(CoffeeTime(day * kHoursPerDay));
    v1::DecideRequest request = DecideFor("the barista", kChannelOfNoOffer, "send_wave");
    *request.mutable_time() = time;
    Decide(request);
    v1::CustomerServiceRecordInteractionsRequest record;
    record.set_customer_id("the barista");
    v1::Interaction& coffee = *record.add_interactions();
    coffee.set_channel("store");
    coffee.set_outcome("purchased");
    *coffee.mutable_time() = time;
    EXPECT_EQ(client().RecordInteractions(record).response.recorded(), 1);
  }

  // Decides for everybody: for the offer that was sent, or for any where none was. Those are
  // decisions like others, but nothing is shown: nothing may be learned from them.
  void DecideWave(const std::vector<size_t>& wave) {
    for (size_t begin = 0; begin < wave.size(); begin += kDecisionsPerStream) {
      const size_t end = std::min(wave.size(), begin + kDecisionsPerStream);
      size_t next = begin;
      size_t answered = 0;
      const grpc::Status status = client().DecideStream(
          [&](v1::DecideStreamRequest& message) {
            if (next == end) return false;
            const Turn& turn = turns_[wave[next]];
            message.set_correlation_id(absl::StrCat(wave[next++]));
            v1::DecideRequest& request = *message.mutable_decide();
            request = DecideFor(members_[turn.member], turn.channel, "send_wave");
            *request.mutable_time() = ToProtoTime(CoffeeTime(turn.hours));
            if (turn.offer != nullptr) request.add_treatment_ids(turn.offer->treatment);
            return true;
          },
          [&](const v1::DecideStreamResponse& message) {
            size_t index = 0;
            ASSERT_TRUE(absl::SimpleAtoi(message.correlation_id(), &index));
            const v1::DecideResponse& answer = message.decide();
            ASSERT_EQ(answer.treatments_size(), 1) << message.ShortDebugString();
            ASSERT_FALSE(answer.degraded()) << message.ShortDebugString();
            Turn& turn = turns_[index];
            turn.decision_id = answer.decision_id();
            turn.treatment = answer.treatments(0).treatment_id();
            turn.propensity = answer.treatments(0).propensity();
            if (turn.offer != nullptr) {
              ASSERT_EQ(turn.treatment, turn.offer->treatment);
            }
            ++answered;
          });
      ASSERT_TRUE(status.ok()) << status.error_message();
      ASSERT_EQ(answered, end - begin);
    }
    for (const size_t index : wave) {
      const Turn& turn = turns_[index];
      Remember(turn.member, turn.hours, turn.channel, turn.treatment, "decided");
      if (turn.offer != nullptr) {
        Tell({absl::StrCat("sent ", index), turn.hours, index, "sent", 0});
      }
    }
    Flush();
  }

  // Reports an event once there are enough for a message.
  void Tell(const OfferEvent& event) {
    const Turn& turn = turns_[event.turn];
    v1::OutcomeEntry& entry = *message_.add_entries();
    entry.set_correlation_id(event.id);
    v1::OutcomeServiceRecordOutcomeRequest& outcome = *entry.mutable_outcome();
    outcome.set_decision_id(turn.decision_id);
    outcome.set_outcome(event.outcome);
    outcome.set_source(event.outcome == "viewed" ? v1::OUTCOME_SOURCE_CUSTOMER
                                                 : v1::OUTCOME_SOURCE_SYSTEM);
    outcome.set_request_id(event.id);
    *outcome.mutable_time() = ToProtoTime(CoffeeTime(event.hours));
    if (event.outcome == "completed") outcome.set_value(event.paid);
    expected_.push_back(Judge(event));
    Remember(turn.member, event.hours, turn.channel, turn.offer->treatment, event.outcome);
    if (message_.entries_size() == kOutcomesPerMessage) Flush();
  }

  // How an event stands to its decision; counts it.
  v1::OutcomeStatus Judge(const OfferEvent& event) {
    const int after = event.hours - turns_[event.turn].hours;
    Recount& recount = recounts_[event.turn];
    bool in_time = true;
    if (event.outcome == "viewed") {
      in_time = after <= kViewHours;
      if (in_time && !recount.viewed) recount.viewed = after;
    } else if (event.outcome == "completed") {
      in_time = after <= kCompletionHours;
      if (in_time && !recount.completed) recount.completed = after;
      if (in_time) recount.paid = event.paid;
    }
    ++statuses_[{event.outcome, in_time ? "recorded" : "late"}];
    return in_time ? v1::OUTCOME_STATUS_RECORDED : v1::OUTCOME_STATUS_LATE;
  }

  // Sends what is to be told, and sends it a second time, which changes nothing.
  void Flush() {
    if (message_.entries_size() == 0) return;
    const auto answer = client().RecordOutcomes(message_);
    ASSERT_TRUE(answer.ok()) << answer.status.error_message();
    ASSERT_EQ(answer.response.results_size(), message_.entries_size());
    const auto again = client().RecordOutcomes(message_);
    ASSERT_EQ(again.response.results_size(), message_.entries_size());
    for (int i = 0; i < message_.entries_size(); ++i) {
      const v1::OutcomeResult& first = answer.response.results(i);
      const v1::OutcomeResult& second = again.response.results(i);
      EXPECT_EQ(first.recorded().status(), expected_[static_cast<size_t>(i)])
          << message_.entries(i).ShortDebugString() << first.ShortDebugString();
      EXPECT_EQ(second.recorded().status(), v1::OUTCOME_STATUS_ALREADY_RECORDED)
          << message_.entries(i).ShortDebugString() << second.ShortDebugString();
      EXPECT_EQ(second.recorded().first_status(), first.recorded().status());
      ++statuses_[{message_.entries(i).outcome().outcome(), "already_recorded"}];
    }
    message_.Clear();
    expected_.clear();
  }

  // Tells of what happened before that hour, and was not told of yet.
  void TellBefore(int hours) {
    for (; next_event_ < events_.size() && events_[next_event_].hours < hours; ++next_event_) {
      Tell(events_[next_event_]);
    }
    Flush();
    v1::CustomerServiceBatchRecordInteractionsRequest rows;
    for (; next_purchase_ < purchases_.size(); ++next_purchase_) {
      const MemberPurchase& purchase = purchases_[next_purchase_];
      if (purchase.hours >= hours) break;
      v1::InteractionRow& row = *rows.add_rows();
      row.set_customer_id(members_[purchase.member]);
      row.mutable_interaction()->set_channel("store");
      row.mutable_interaction()->set_outcome("purchased");
      *row.mutable_interaction()->mutable_time() = ToProtoTime(CoffeeTime(purchase.hours));
      Remember(purchase.member, purchase.hours, "store", "", "purchased");
    }
    if (rows.rows_size() == 0) return;
    const auto answer = client().BatchRecordInteractions({rows});
    ASSERT_TRUE(answer.ok()) << answer.status.error_message();
    EXPECT_EQ(answer.response.recorded(), rows.rows_size()) << answer.response.ShortDebugString();
  }

  void Replay() {
    for (int day = 0; day < kDays; ++day) {
      BeginDay(day);
      if (const auto wave = waves_.find(day * kHoursPerDay); wave != waves_.end()) {
        DecideWave(wave->second);
      }
      TellBefore((day + 1) * kHoursPerDay);
      if (HasFailure()) return;
    }
    BeginDay(kDays);
    const absl::Status learned = server().LearnFromOutcomes();
    ASSERT_TRUE(learned.ok()) << learned;
    EXPECT_EQ(next_event_, events_.size());
    EXPECT_EQ(next_purchase_, purchases_.size());
  }

  static std::string LineOf(int64_t hours, std::string_view channel, std::string_view treatment,
                            std::string_view outcome) {
    return absl::StrCat(hours, " ", ToAbsl(channel), " ", ToAbsl(treatment), " ", ToAbsl(outcome));
  }
  // Two rewards that were earned for the same offer at the same moment, which were sent on the same
  // channel, are one interaction.
  void Remember(size_t member, int hours, const std::string& channel, const std::string& treatment,
                const std::string& outcome) {
    histories_[member].insert(LineOf(hours, channel, treatment, outcome));
  }

  // Everything stands in the history of the one whom it happened to, once, and nothing else does.
  void CheckHistories() const {
    size_t interactions = 0;
    for (size_t member = 0; member < members_.size(); ++member) {
      std::multiset<std::string> held;
      const auto customer = Get(members_[member]);
      for (const v1::Interaction& i : customer.recent_interactions()) {
        const int64_t hours = (FromProtoTime(i.time()) - CoffeeTime(0)) / absl::Hours(1);
        held.insert(LineOf(hours, i.channel(), i.treatment_id(), i.outcome()));
      }
      const std::set<std::string>& expected = histories_.at(member);
      ASSERT_TRUE(std::equal(held.begin(), held.end(), expected.begin(), expected.end()))
          << members_[member] << " has " << customer.ShortDebugString() << "\nand not "
          << ::testing::PrintToString(expected);
      interactions += held.size();
    }
    EXPECT_GT(interactions, sent_ + events_.size());
  }

  v1::ModelServiceGetHealthResponse HealthOf(const std::string& model) const {
    v1::ModelServiceGetHealthRequest request;
    request.set_name(model);
    v1::ModelServiceGetHealthResponse health;
    grpc::ClientContext context;
    SetDeadline(context);
    const grpc::Status status = client().models().GetHealth(&context, request, &health);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return health;
  }

  // What was counted of each send, put together by `key`.
  template <typename Key>
  std::map<std::string, OfferTally> TallyBy(Key key) const {
    std::map<std::string, OfferTally> tallies;
    for (size_t i = 0; i < turns_.size(); ++i) {
      const Turn& turn = turns_[i];
      if (turn.offer != nullptr) tallies[key(turn)].Add(*turn.offer, recounts_.at(i));
    }
    return tallies;
  }

  void CheckModels() const {
    std::map<std::string, OfferTally> rates = TallyBy(
        [](const Turn& turn) { return absl::StrCat(turn.offer->treatment, " ", turn.channel); });
    for (const auto& [model, tally] : TallyBy([](const Turn& t) { return ModelOf(*t.offer); })) {
      const v1::ModelServiceGetHealthResponse health = HealthOf(model);
      EXPECT_EQ(health.examples(), tally.sent) << model;
      EXPECT_EQ(health.own().responses(), tally.sent) << model;
      EXPECT_EQ(health.own().positives(), tally.good) << model;
      EXPECT_EQ(health.served().responses(), tally.sent) << model;
      EXPECT_EQ(health.served().positives(), tally.good) << model;
      EXPECT_EQ(health.waiting(), 0) << model;
      if (testing::kOptimized) {
        EXPECT_LT(health.own().log_loss(), health.own().constant_log_loss()) << model;
      }
      for (const v1::TreatmentRate& rate : health.rates()) {
        const std::string name = absl::StrCat(rate.treatment_id(), " ", rate.channel());
        const OfferTally expected = rates[name];
        rates.erase(name);
        ASSERT_GT(expected.sent, 0) << name << " was never sent";
        EXPECT_EQ(rate.shown(), expected.sent) << name;
        EXPECT_EQ(rate.positives(), expected.good) << name;
        EXPECT_NEAR(rate.mean_reward() * static_cast<double>(rate.shown()), expected.reward, 1e-6)
            << name;
        const auto [low, high] = ShareBounds(expected.good, expected.sent);
        EXPECT_NEAR(rate.low(), low, 1e-6) << name;
        EXPECT_NEAR(rate.high(), high, 1e-6) << name;
      }
    }
    EXPECT_TRUE(rates.empty()) << rates.begin()->first << " is not among the success rates";
  }

  void CheckMetrics() {
    const std::string scrape = prometheus::TextSerializer().Serialize(server().metrics().Collect());
    for (const auto& [key, count] : statuses_) {
      const auto& [outcome, status] = key;
      const std::string source = outcome == "viewed" ? "customer" : "system";
      EXPECT_THAT(scrape, HasSubstr(absl::StrCat("attune_outcomes_total{outcome=\"", outcome,
                                                 "\",source=\"", source, "\",status=\"", status,
                                                 "\"} ", count, "\n")));
    }
    EXPECT_THAT(scrape,
                HasSubstr(absl::StrCat("attune_learner_learned_treatments_total ", sent_, "\n")));
    for (const auto& [model, tally] : TallyBy([](const Turn& t) { return ModelOf(*t.offer); })) {
      for (const char* of : {"own", "served"}) {
        const std::string labels = absl::StrCat("{model=\"", model, "\",of=\"", of, "\"} ");
        EXPECT_THAT(scrape, HasSubstr(absl::StrCat("attune_model_responses_total", labels,
                                                   tally.sent, "\n")));
        EXPECT_THAT(scrape, HasSubstr(absl::StrCat("attune_model_positives_total", labels,
                                                   tally.good, "\n")));
      }
    }
    for (const char* reason : {"never_shown", "no_room", "left_the_log", "erased", "damaged",
                               "formula_failed", "not_declared", "refused"}) {
      EXPECT_THAT(scrape, HasSubstr(absl::StrCat("attune_learner_unlearned_total{reason=\"", reason,
                                                 "\"} 0\n")));
    }
  }

  // By treatment, and what the models said in the last wave, of which they knew no outcome, beside
  // what came of it.
  std::string Table() const {
    std::string table = absl::StrFormat("%-27s%7s%7s%10s%6s%10s%8s%8s%8s%15s%10s\n", "offer",
                                        "sent", "viewed", "completed", "good", "reward", "rate",
                                        "from", "to", "predicted", "happened");
    for (const auto& [treatment, tally] :
         TallyBy([](const Turn& t) { return t.offer->treatment; })) {
      const auto [low, high] = ShareBounds(tally.good, tally.sent);
      const auto [predicted, happened] = LastWave(
          [&, name = treatment](const Turn& turn) { return turn.offer->treatment == name; });
      absl::StrAppendFormat(&table, "%-27s%7d%7d%10d%6d%10.2f%8.4f%8.4f%8.4f%15.4f%10.4f\n",
                            treatment, tally.sent, tally.viewed, tally.completed, tally.good,
                            tally.reward,
                            static_cast<double>(tally.good) / static_cast<double>(tally.sent), low,
                            high, predicted, happened);
    }
    return table;
  }

  // Of what was sent in the last wave: the mean of what the models predicted, and of what came.
  template <typename Filter>
  std::pair<double, double> LastWave(Filter matches) const {
    double count = 0;
    double predicted = 0;
    double happened = 0;
    for (const size_t index : waves_.at(kCoffeeWaves.back())) {
      const Turn& turn = turns_[index];
      if (turn.offer == nullptr || !matches(turn)) continue;
      ++count;
      predicted += turn.propensity;
      happened += recounts_.at(index).IsGood(*turn.offer) ? 1 : 0;
    }
    return {predicted / count, happened / count};
  }

  std::string data_;
  std::map<std::string, CoffeeOffer> offers_;  // by offer_id
  std::vector<std::string> members_;
  std::map<std::string, size_t, std::less<>> index_;  // by person_id
  std::vector<Turn> turns_;
  std::map<int, std::vector<size_t>> waves_;  // by hours: turns
  // By member and offer: the turns in which it was sent, in the order of their times.
  std::map<std::pair<size_t, const CoffeeOffer*>, std::vector<size_t>> sends_;
  size_t sent_ = 0;
  std::vector<OfferEvent> events_;         // in the order of the file, which is that of time
  std::vector<MemberPurchase> purchases_;  // the same
  size_t next_event_ = 0;
  size_t next_purchase_ = 0;
  v1::OutcomeServiceRecordOutcomesRequest message_;
  std::vector<v1::OutcomeStatus> expected_;                          // of the message's entries
  std::map<size_t, Recount> recounts_;                               // by turn
  std::map<std::pair<std::string, std::string>, int64_t> statuses_;  // by outcome and status
  std::map<size_t, std::set<std::string>> histories_;                // by member
};

TEST_F(OfferOutcomesTest, HistoriesAndModelsAreWhatTheFilesSay) {
  ASSERT_NO_FATAL_FAILURE(ImportMembers());
  const Stopwatch time;
  Replay();
  if (HasFailure()) return;
  const double seconds = time.Seconds();
  CheckHistories();
  CheckModels();
  CheckMetrics();
  if (testing::kOptimized) {
    for (const bool news : {false, true}) {
      const auto [predicted, happened] =
          LastWave([news](const Turn& turn) { return IsNews(*turn.offer) == news; });
      EXPECT_NEAR(predicted, happened, 0.04) << (news ? "news" : "rewards");
    }
  }
  const std::string report = absl::StrFormat(
      "Offers of a coffee chain to %d members, and what came of them in time: viewed within 4 "
      "days, "
      "completed\nwithin 6, good when it was read first. Predicted, happened: of the last wave, "
      "from "
      "what the others taught.\n\n%s\n",
      members_.size(), Table());
  WriteFile(testing::BuildPath("learned_starbucks.txt"), report);
  std::printf("%s%d decisions, %d events, replay=%.1fs\n", report.c_str(),
              static_cast<int>(turns_.size()), static_cast<int>(events_.size() + purchases_.size()),
              seconds);
}

}  // namespace
}  // namespace attune::service
