// The offers of a coffee chain, sent in six waves to members who view and use them: replayed
// through the contact policies of a strategy, wave after wave, under a virtual clock. What the
// server lets through becomes the history that the next wave meets. What it answers is checked
// against the same policies, written once more in another way and counted from the answers alone.
//
// Needs data outside of the repository, see real_data.h; skips without them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/absl_strings.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/strategy_loader.h"
#include "tests/integration/coffee_data.h"
#include "tests/integration/real_data.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"
#include "tests/testing/effort.h"
#include "tests/testing/paths.h"

namespace attune::service {
namespace {

using ::testing::HasSubstr;

// In an optimised build everybody is written to, else every 40th.
constexpr size_t kPersonEvery = testing::kOptimized ? 1 : 40;
constexpr size_t kSendsPerStream = 2000;

constexpr std::array<std::string_view, 9> kPolicies = {
    "four_offers_a_month", "two_offers_in_ten_days", "one_app_message_a_week",
    "not_the_same_again",  "earned_is_enough",       "no_discount_on_top",
    "news_seldom",         "read_twice_is_enough",   "not_right_after_a_purchase",
};

using Offer = CoffeeOffer;

// An offer that the chain sent, and what became of it here.
struct Send {
  int hours = 0;
  const Offer* offer = nullptr;
  std::string channel;
  bool let_through = false;
};

// A view, a completion, or a purchase, which has no offer.
struct Reaction {
  int hours = 0;
  size_t person = 0;
  const Offer* offer = nullptr;
  std::string outcome;

  friend bool operator==(const Reaction&, const Reaction&) = default;
};

struct Person {
  std::string id;
  std::vector<Send> sends;          // of all waves so far
  std::vector<Reaction> reactions;  // to what was let through, and purchases
};

// The policies of tests/data/starbucks/strategy.yaml in other words: which of them forbid to send
// this now to somebody with this history.
std::set<std::string_view> ForbiddenBy(const Person& person, const Send& now) {
  const auto sent = [&](int days, auto matches) {
    return std::count_if(person.sends.begin(), person.sends.end(), [&](const Send& send) {
      return send.let_through && now.hours - send.hours < 24 * days && matches(send);
    });
  };
  const auto completed = [&](int days, auto matches) {
    return std::any_of(person.reactions.begin(), person.reactions.end(), [&](const Reaction& r) {
      return r.outcome == "completed" && now.hours - r.hours < 24 * days && matches(*r.offer);
    });
  };
  const std::string& group = now.offer->group;
  std::set<std::string_view> by;
  if (sent(30, [](const Send&) { return true; }) >= 4) by.insert(kPolicies[0]);
  if (sent(10, [](const Send&) { return true; }) >= 2) by.insert(kPolicies[1]);
  if (now.channel == "mobile" &&
      sent(8, [](const Send& s) { return s.channel == "mobile"; }) >= 1) {
    by.insert(kPolicies[2]);
  }
  if (sent(14, [&](const Send& s) { return s.offer == now.offer; }) >= 1) by.insert(kPolicies[3]);
  if (completed(21, [&](const Offer& o) { return &o == now.offer; })) by.insert(kPolicies[4]);
  const std::string other = group == "bogo" ? "discount" : group == "discount" ? "bogo" : "";
  if (completed(6, [&](const Offer& o) { return o.group == other; })) by.insert(kPolicies[5]);
  if (std::any_of(person.reactions.begin(), person.reactions.end(), [&](const Reaction& r) {
        return r.outcome == "purchased" && now.hours - r.hours < 12;
      })) {
    by.insert(kPolicies[8]);
  }
  if (group != "informational") return by;
  if (sent(12, [](const Send& s) { return s.offer->group == "informational"; }) >= 1) {
    by.insert(kPolicies[6]);
  }
  for (const Reaction& second : person.reactions) {
    for (const Reaction& first : person.reactions) {
      if (&first == &second || first.outcome != "viewed" || second.outcome != "viewed") continue;
      if (first.offer->group != group || second.offer->group != group) continue;
      const int between = second.hours - first.hours;
      if (between >= 0 && between < 24 * 20 && now.hours - second.hours < 24 * 10) {
        by.insert(kPolicies[7]);
      }
    }
  }
  return by;
}

class OfferReplayTest : public ServerTest {
 protected:
  void SetUp() override {
    const std::string shared = SharedFolder();
    if (shared.empty()) GTEST_SKIP() << kNoSharedFolder;
    data_ = shared + "/data/starbucks";
    offers_ = ReadCoffeeOffers(data_);
    ReadPeople();
    ReadReactions();
    if (HasFatalFailure()) return;
    options_.strategy = testing::SourcePath("tests/data/starbucks/strategy.yaml");
    clock_.Set(CoffeeTime(0));
    Start();
  }

  void ReadPeople() {
    size_t row_number = 0;
    ForEachCsvRow(data_ + "/profiles_dev.csv", {"person_id"}, [&](const auto& row) {
      if (row_number++ % kPersonEvery != 0) return;
      index_.emplace(row[0], people_.size());
      people_.push_back({std::string(row[0]), {}, {}});
    });
    ASSERT_GT(people_.size(), 100u);
    ForEachCsvRow(data_ + "/decisions_dev.csv.gz", {"person_id", "wave_hours", "offer_id"},
                  [&](const auto& row) {
                    const auto person = index_.find(row[0]);
                    if (person == index_.end() || row[2] == "none") return;
                    int hours = 0;
                    ASSERT_TRUE(absl::SimpleAtoi(ToAbsl(row[1]), &hours));
                    const Offer& offer = offers_.at(std::string(row[2]));
                    waves_[hours].push_back(
                        {person->second,
                         {hours, &offer, CoffeeChannel(offer, person->second, hours), false}});
                  });
    ASSERT_EQ(waves_.size(), kCoffeeWaves.size());
  }

  void ReadReactions() {
    ForEachCsvRow(data_ + "/events_dev.csv.gz", {"person_id", "time_hours", "event", "offer_id"},
                  [&](const auto& row) {
                    const auto person = index_.find(row[0]);
                    if (person == index_.end()) return;
                    Reaction reaction;
                    if (row[2] == "offer viewed") reaction.outcome = "viewed";
                    if (row[2] == "offer completed") reaction.outcome = "completed";
                    if (row[2] == "transaction") reaction.outcome = "purchased";
                    if (reaction.outcome.empty()) return;
                    ASSERT_TRUE(absl::SimpleAtoi(ToAbsl(row[1]), &reaction.hours));
                    reaction.person = person->second;
                    if (!row[3].empty()) reaction.offer = &offers_.at(std::string(row[3]));
                    reactions_.push_back(reaction);
                  });
    std::stable_sort(reactions_.begin(), reactions_.end(),
                     [](const Reaction& a, const Reaction& b) { return a.hours < b.hours; });
  }

  std::string Ctl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), OwnProgram("attunectl"));
    arguments.insert(arguments.end(), {"--rejects", dir_.File("rejects.csv"), "--json", "--server",
                                       absl::StrCat("127.0.0.1:", server().port())});
    const RunResult result = RunProgram(arguments);
    EXPECT_EQ(result.status, 0) << result.output;
    return result.output;
  }

  // Brings in what happened before `hours`: purchases, and what became of sends that were let
  // through.
  void ImportReactionsBefore(int hours) {
    std::string csv = "customer_id,time,channel,treatment,outcome\n";
    int64_t rows = 0;
    for (; next_reaction_ < reactions_.size(); ++next_reaction_) {
      const Reaction& reaction = reactions_[next_reaction_];
      if (reaction.hours >= hours) break;
      Person& person = people_[reaction.person];
      std::string_view channel = "store";
      std::string_view treatment;
      if (reaction.offer != nullptr) {
        const auto send =
            std::find_if(person.sends.rbegin(), person.sends.rend(), [&](const Send& earlier) {
              return earlier.offer == reaction.offer && earlier.hours <= reaction.hours;
            });
        if (send == person.sends.rend() || !send->let_through) continue;
        channel = send->channel;
        treatment = reaction.offer->treatment;
      }
      const bool known = std::find(person.reactions.begin(), person.reactions.end(), reaction) !=
                         person.reactions.end();
      if (known) continue;
      person.reactions.push_back(reaction);
      absl::StrAppend(
          &csv, person.id, ",",
          absl::FormatTime(absl::RFC3339_sec, CoffeeTime(reaction.hours), absl::UTCTimeZone()), ",",
          ToAbsl(channel), ",", ToAbsl(treatment), ",", reaction.outcome, "\n");
      ++rows;
    }
    const std::string path = dir_.File("reactions.csv");
    WriteFile(path, csv);
    const std::vector<std::string> import = {
        "import", "interactions", "--csv",   path,          "--customer", "customer_id", "--time",
        "time",   "--channel",    "channel", "--treatment", "treatment",  "--outcome",   "outcome"};
    if (rows == 0) return;
    EXPECT_THAT(Ctl(import), HasSubstr(absl::StrCat("\"recorded\": ", rows)));
    EXPECT_THAT(Ctl(import), HasSubstr(absl::StrCat("\"already_known\": ", rows)))
        << "importing again is harmless";
  }

  // Asks for every send of the wave whether it may be sent.
  void Replay(int hours) {
    auto& wave = waves_[hours];
    for (size_t begin = 0; begin < wave.size(); begin += kSendsPerStream) {
      const size_t end = std::min(wave.size(), begin + kSendsPerStream);
      size_t next = begin;
      size_t answered = 0;
      const grpc::Status status = client().DecideStream(
          [&](v1::DecideStreamRequest& message) {
            if (next == end) return false;
            const auto& [person, send] = wave[next];
            message.set_correlation_id(absl::StrCat(next++));
            v1::DecideRequest& request = *message.mutable_decide();
            request = DecideFor(people_[person].id, send.channel, "send_wave");
            request.add_treatment_ids(send.offer->treatment);
            return true;
          },
          [&](const v1::DecideStreamResponse& message) {
            size_t index = 0;
            ASSERT_TRUE(absl::SimpleAtoi(message.correlation_id(), &index));
            ASSERT_TRUE(message.has_decide()) << message.ShortDebugString();
            Inspect(people_[wave[index].first], wave[index].second, message.decide());
            ++answered;
          });
      ASSERT_TRUE(status.ok()) << status.error_message();
      ASSERT_EQ(answered, end - begin);
    }
    for (const auto& [person, send] : wave) people_[person].sends.push_back(send);
  }

  // Compares an answer with the recount.
  void Inspect(const Person& person, Send& send, const v1::DecideResponse& response) {
    const std::set<std::string_view> forbidden_by = ForbiddenBy(person, send);
    for (const std::string_view policy : forbidden_by) ++would_prevent_[policy];
    send.let_through = response.treatments_size() == 1;
    ASSERT_FALSE(response.degraded()) << response.ShortDebugString();
    if (send.let_through) {
      EXPECT_EQ(response.treatments(0).treatment_id(), send.offer->treatment);
      EXPECT_TRUE(forbidden_by.empty())
          << person.id << " at " << send.hours << ": " << *forbidden_by.begin() << " was exceeded";
      ++let_through_[send.hours];
      return;
    }
    const v1::RejectedCount* contact = nullptr;
    for (const v1::RejectedCount& count : response.rejected_counts()) {
      if (!count.rule().empty()) contact = &count;
    }
    ASSERT_NE(contact, nullptr) << response.ShortDebugString();
    EXPECT_EQ(forbidden_by.count(contact->rule()), 1u)
        << person.id << " at " << send.hours << ": " << contact->rule() << " forbids nothing";
    ++prevented_[{contact->rule(), send.hours}];
  }

  std::string Table() {
    std::string table = absl::StrFormat("%-26s", "hours after the start");
    for (const int hours : kCoffeeWaves) absl::StrAppendFormat(&table, " %7d", hours);
    absl::StrAppendFormat(&table, " %8s  %s\n", "total", "alone");
    const auto row = [&](std::string_view title, auto count, const std::string& alone) {
      absl::StrAppendFormat(&table, "%-26s", title);
      int64_t total = 0;
      for (const int hours : kCoffeeWaves) {
        absl::StrAppendFormat(&table, " %7d", count(hours));
        total += count(hours);
      }
      absl::StrAppendFormat(&table, " %8d  %s\n", total, alone);
    };
    row(
        "sent by the chain", [&](int hours) { return int64_t(waves_[hours].size()); }, "");
    for (const std::string_view policy : kPolicies) {
      row(
          absl::StrCat("- ", ToAbsl(policy)),
          [&](int hours) {
            return prevented_[{std::string(policy), hours}];
          },
          absl::StrCat(would_prevent_[policy]));
    }
    row(
        "let through", [&](int hours) { return let_through_[hours]; }, "");
    return table;
  }

  std::string data_;
  std::map<std::string, Offer> offers_;  // by offer_id
  std::vector<Person> people_;
  std::map<std::string, size_t, std::less<>> index_;           // by person_id
  std::map<int, std::vector<std::pair<size_t, Send>>> waves_;  // by hours: person and send
  std::vector<Reaction> reactions_;                            // in the order of their times
  size_t next_reaction_ = 0;
  std::map<int, int64_t> let_through_;                        // by hours
  std::map<std::pair<std::string, int>, int64_t> prevented_;  // by the policy named, hours
  std::map<std::string_view, int64_t> would_prevent_;         // by policy, others aside
};

TEST_F(OfferReplayTest, NoPolicyIsEverExceeded) {
  EXPECT_THAT(Ctl({"import", "customers", "--csv", data_ + "/profiles_dev.csv", "--id", "person_id",
                   "--map_file", testing::SourcePath("tests/data/starbucks/columns.txt")}),
              HasSubstr("\"rejected\": 0"));
  const Stopwatch time;
  for (const int hours : kCoffeeWaves) {
    clock_.Set(CoffeeTime(hours));
    ImportReactionsBefore(hours);
    Replay(hours);
    if (HasFatalFailure()) return;
  }
  for (const std::string_view policy : kPolicies) {
    EXPECT_GT(would_prevent_[policy], 0) << policy << " was not put to the test";
  }
  const std::string report = absl::StrFormat(
      "Sends of a coffee chain to %d members. A line for each policy: the sends that were rejected "
      "by it\nfirst; alone: those that it forbids, also when another was first. No policy was "
      "exceeded.\n\n%s",
      people_.size(), Table());
  const std::string path = testing::BuildPath("real_data_starbucks.txt");
  WriteFile(path, report);
  std::printf("%sreplay=%.1fs, table in %s\n", report.c_str(), time.Seconds(), path.c_str());
}

TEST_F(OfferReplayTest, TheStrategyHasTheOffersOfThePortfolio) {
  storage::NameDictionary names;
  IssueList issues;
  const auto strategy = strategy::LoadStrategy(options_.strategy, names, issues);
  ASSERT_NE(strategy, nullptr) << issues.ToString();
  EXPECT_EQ(strategy->catalog.treatments.size(), offers_.size());
  for (const auto& [id, offer] : offers_) {
    const int index = strategy->catalog.Find(offer.treatment);
    ASSERT_GE(index, 0) << offer.treatment;
    const catalog::Treatment& treatment = strategy->catalog.treatments[static_cast<size_t>(index)];
    std::vector<std::string> channels;
    for (size_t c = 0; c < treatment.content.size(); ++c) {
      if (treatment.content[c]) channels.push_back(strategy->context.channels[c].name);
    }
    EXPECT_EQ(channels, offer.channels) << offer.treatment;
    EXPECT_EQ(strategy->catalog.groups[static_cast<size_t>(treatment.group)].name, offer.group);
  }
}

}  // namespace
}  // namespace attune::service
