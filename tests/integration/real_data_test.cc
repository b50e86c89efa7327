// Real customers, imported with attunectl, decided for on every channel and with every intent. Two
// industries, two strategies, one test: nothing is different between them but the files.
//
// The data lie outside of the repository: in the folder that ATTUNE_SHARED names, or in ../shared
// beside the checkout. Where they don't, the tests say that they skip.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/hash.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/strategy_loader.h"
#include "tests/integration/real_data.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"
#include "tests/testing/effort.h"
#include "tests/testing/paths.h"

namespace attune::service {
namespace {

using ::testing::HasSubstr;

struct DataSet {
  std::string name;  // the folder: of the data, and of the strategy in tests/data
  std::string file;
  std::string id_column;
  std::string segment_column;  // by what the table groups customers
  std::vector<int> bands;      // where bands of that column begin; empty: its values as they are
  // Every so manieth answer is asked for with an explanation.
  int explain_every = 1;
  // For every so manieth customer all decisions are made again on a second server.
  int repeat_every = 1;
};

void PrintTo(const DataSet& data, std::ostream* out) { *out << data.name; }

const DataSet kDataSets[] = {
    {.name = "telco",
     .file = "telco_dev.csv",
     .id_column = "customerID",
     .segment_column = "Contract",
     .bands = {}},
    // Eight times as large: a part of the answers is explained, of every situation alike, because
    // 3 divides no number of situations; and an eighth of the customers is repeated.
    {.name = "bank",
     .file = "bank_full_dev.csv.gz",
     .id_column = "row",
     .segment_column = "age",
     .bands = {18, 30, 45, 60},
     .explain_every = 3,
     .repeat_every = 8},
};

constexpr uint64_t kSeed = 20260301;
constexpr size_t kCustomersPerStream = 250;
// In an optimised build everybody is decided for, else every 100th.
constexpr size_t kDecideEvery = testing::kOptimized ? 1 : 100;
// Of every so manieth customer one decision is also made by a unary call, and one retried.
constexpr size_t kSampleEvery = kDecideEvery * (testing::kOptimized ? 97 : 4);

struct TableCustomer {
  std::string id;
  std::string segment;
};

struct Situation {
  int channel = 0;
  std::string channel_name;
  std::string intent;  // empty: not known
};

// The label of a number's band: "30-44", "60+".
std::string BandOf(const std::vector<int>& bands, const std::string& text) {
  int number = 0;
  if (!absl::SimpleAtoi(text, &number)) return "?";
  size_t band = 0;
  while (band + 1 < bands.size() && number >= bands[band + 1]) ++band;
  if (band + 1 == bands.size()) return absl::StrCat(bands[band], "+");
  return absl::StrCat(bands[band], "-", bands[band + 1] - 1);
}

std::vector<TableCustomer> ReadPeople(const DataSet& data, const std::string& path) {
  std::vector<TableCustomer> people;
  ForEachCsvRow(path, {data.id_column, data.segment_column}, [&](const auto& fields) {
    const std::string segment(fields[1]);
    people.push_back(
        {std::string(fields[0]), data.bands.empty() ? segment : BandOf(data.bands, segment)});
  });
  return people;
}

// Checks answers against what the strategy says; keeps the first few problems.
class Inspector {
 public:
  explicit Inspector(std::shared_ptr<const strategy::Strategy> strategy)
      : strategy_(std::move(strategy)) {}

  void Inspect(const TableCustomer& person, const Situation& situation,
               const v1::DecideRequest& request, const v1::DecideResponse& response) {
    ++inspected_;
    where_ = absl::StrCat(person.id, " ", situation.channel_name, " ", situation.intent);
    Require(!response.degraded() && !response.unknown_customer(), "is not decided as it should");
    Require(response.strategy_version() == strategy_->version, "was decided by another strategy");
    Require(response.decision_id().size() == 48, "has no id");
    Require(Bytes(response.time()) == Bytes(request.time()), "is for another time");
    InspectRanking(situation, response);
    int rejected = 0;
    for (const v1::RejectedCount& count : response.rejected_counts()) {
      Require(count.count() > 0, "counts what is not there");
      rejected += count.count();
    }
    Require(response.treatments_size() + rejected ==
                static_cast<int>(strategy_->catalog.treatments.size()),
            "counts do not add up");
    if (request.explain()) InspectExplanation(response);
  }

  int64_t inspected() const { return inspected_; }
  int64_t explained() const { return explained_; }
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  void Require(bool holds, const char* problem) {
    if (!holds && problems_.size() < 20) problems_.push_back(absl::StrCat(where_, " ", problem));
  }

  void InspectRanking(const Situation& situation, const v1::DecideResponse& response) {
    const arbitration::Settings& settings = strategy_->arbitration;
    Require(response.treatments_size() <= settings.max_treatments, "has too many treatments");
    std::map<std::string, int> of_group;
    for (int i = 0; i < response.treatments_size(); ++i) {
      const v1::RankedTreatment& t = response.treatments(i);
      const int index = strategy_->catalog.Find(t.treatment_id());
      if (index < 0) {
        Require(false, "ranks a treatment that does not exist");
        return;
      }
      const catalog::Treatment& declared =
          strategy_->catalog.treatments[static_cast<size_t>(index)];
      Require(t.group() == strategy_->catalog.groups[static_cast<size_t>(declared.group)].name,
              "has a wrong group");
      Require(t.value() == declared.value && t.cost() == declared.cost,
              "has a wrong value or cost");
      Require(++of_group[t.group()] <= settings.max_per_group, "has too many of one group");
      Require(std::isfinite(t.propensity()) && t.propensity() >= 0 && t.propensity() <= 1,
              "has a propensity that is none");
      Require(t.propensity() >= settings.min_propensity, "has a propensity below the minimum");
      Require(t.priority() >= settings.min_priority, "has a priority below the minimum");
      const double priority = t.propensity() * t.context_weight() * t.value() - t.cost();
      Require(std::fabs(t.priority() - priority) <= 1e-12 * std::max(1.0, std::fabs(priority)),
              "has a priority that is not propensity x weight x value - cost");
      InspectContent(declared, situation, t);
      if (i > 0) Require(RanksBefore(response.treatments(i - 1), t), "is not in order");
    }
  }

  void InspectContent(const catalog::Treatment& declared, const Situation& situation,
                      const v1::RankedTreatment& t) {
    const auto& content = declared.content[static_cast<size_t>(situation.channel)];
    Require(content.has_value(), "has a treatment that the channel can't carry");
    if (!content) return;
    Require(t.content().size() == content->size(), "has content of another channel");
    for (const auto& [name, text] : *content) {
      const auto found = t.content().find(name);
      Require(found != t.content().end() && found->second == text, "has other content");
    }
  }

  // By priority, then value, then name.
  static bool RanksBefore(const v1::RankedTreatment& a, const v1::RankedTreatment& b) {
    if (a.priority() != b.priority()) return a.priority() > b.priority();
    if (a.value() != b.value()) return a.value() > b.value();
    return a.treatment_id() < b.treatment_id();
  }

  void InspectExplanation(const v1::DecideResponse& response) {
    ++explained_;
    std::set<std::string> seen;
    for (const v1::RankedTreatment& t : response.treatments()) {
      Require(seen.insert(t.treatment_id()).second, "ranks a treatment twice");
      Require(!t.reasons().empty(), "does not say why a treatment is ranked");
    }
    std::map<std::string, int> counts;
    for (const v1::RejectedTreatment& t : response.rejected_treatments()) {
      Require(seen.insert(t.treatment_id()).second, "returns a rejected treatment");
      Require(!t.detail().empty(), "does not say why a treatment is rejected");
      ++counts[absl::StrCat(t.stage(), "/", t.reason())];
      if (t.reason() == "outranked" && response.treatments_size() > 0) {
        const auto& last = response.treatments(response.treatments_size() - 1);
        Require(t.priority() <= last.priority(), "outranks what is better");
      }
    }
    Require(seen.size() == strategy_->catalog.treatments.size(), "leaves a treatment unexplained");
    for (const v1::RejectedCount& count : response.rejected_counts()) {
      Require(counts[absl::StrCat(count.stage(), "/", count.reason())] == count.count(),
              "counts otherwise than it explains");
    }
  }

  const std::shared_ptr<const strategy::Strategy> strategy_;
  int64_t inspected_ = 0;
  int64_t explained_ = 0;
  std::string where_;
  std::vector<std::string> problems_;
};

// Which group wins for whom.
class Winners {
 public:
  explicit Winners(std::vector<std::string> groups) : groups_(std::move(groups)) {}

  void Add(const std::string& segment, const std::string& intent,
           const v1::DecideResponse& response) {
    Cell& cell = cells_[{segment, intent.empty() ? "(not known)" : intent}];
    ++cell.decisions;
    if (response.treatments().empty()) return;
    ++cell.wins[response.treatments(0).group()];
    cell.priority += response.treatments(0).priority();
  }

  std::string Table(const std::string& segment_title) const {
    size_t width = segment_title.size();
    for (const auto& [key, cell] : cells_) width = std::max(width, key.first.size());
    std::string table =
        absl::StrFormat("%-*s  %-18s %9s", width, segment_title, "intent", "decisions");
    for (const std::string& group : groups_) absl::StrAppendFormat(&table, " %11s", group);
    absl::StrAppendFormat(&table, " %9s %13s\n", "nothing", "mean priority");
    for (const auto& [key, cell] : cells_) {
      absl::StrAppendFormat(&table, "%-*s  %-18s %9d", width, key.first, key.second,
                            cell.decisions);
      int64_t won = 0;
      for (const std::string& group : groups_) {
        const auto found = cell.wins.find(group);
        const int64_t wins = found == cell.wins.end() ? 0 : found->second;
        won += wins;
        absl::StrAppendFormat(&table, " %10.1f%%", Percent(wins, cell.decisions));
      }
      absl::StrAppendFormat(&table, " %8.1f%% %13.2f\n",
                            Percent(cell.decisions - won, cell.decisions),
                            won == 0 ? 0.0 : cell.priority / static_cast<double>(won));
    }
    return table;
  }

 private:
  struct Cell {
    int64_t decisions = 0;
    std::map<std::string, int64_t> wins;
    double priority = 0;  // sum over the winners
  };
  static double Percent(int64_t part, int64_t whole) {
    return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  }

  const std::vector<std::string> groups_;
  std::map<std::pair<std::string, std::string>, Cell> cells_;
};

class RealDataTest : public ::testing::TestWithParam<DataSet> {
 protected:
  void SetUp() override {
    const std::string shared = SharedFolder();
    if (shared.empty()) {
      GTEST_SKIP() << kNoSharedFolder;
    }
    csv_ = absl::StrCat(shared, "/data/", GetParam().name, "/", GetParam().file);
    people_ = ReadPeople(GetParam(), csv_);
    ASSERT_GT(people_.size(), 1000u);
    storage::NameDictionary names;
    IssueList issues;
    strategy_ = strategy::LoadStrategy(StrategyPath(), names, issues);
    ASSERT_NE(strategy_, nullptr) << issues.ToString();
    for (int c = 0; c < strategy_->context.channels.size(); ++c) {
      const std::string& channel = strategy_->context.channels[c].name;
      situations_.push_back({c, channel, ""});
      for (int i = 0; i < strategy_->context.intents.size(); ++i) {
        situations_.push_back({c, channel, strategy_->context.intents[i].name});
      }
    }
  }

  std::string DataFolder() const { return testing::SourcePath("tests/data/") + GetParam().name; }
  std::string StrategyPath() const { return DataFolder() + "/strategy.yaml"; }

  std::unique_ptr<LocalServer> StartServer(const std::string& data_dir) const {
    Options options;
    options.strategy = StrategyPath();
    options.data_dir = data_dir;
    options.listen = "127.0.0.1:0";
    options.metrics_listen = "";
    options.seed = kSeed;
    return std::make_unique<LocalServer>(options, &clock_);
  }

  // Imports the file as a user does. The output of attunectl.
  std::string Import(LocalServer& server) const {
    const RunResult result =
        RunProgram({OwnProgram("attunectl"), "import", "customers", "--csv", csv_, "--id",
                    GetParam().id_column, "--map_file", DataFolder() + "/columns.txt", "--rejects",
                    dir_.File("rejects.csv"), "--json", "--server",
                    absl::StrCat("127.0.0.1:", server.server().port())});
    EXPECT_EQ(result.status, 0) << result.output;
    return result.output;
  }

  // The request for a person in a situation, both by index.
  v1::DecideRequest RequestFor(size_t person, size_t situation) const {
    const size_t index = person * situations_.size() + situation;
    v1::DecideRequest request = DecideFor(people_[person].id, situations_[situation].channel_name,
                                          situations_[situation].intent);
    *request.mutable_time() = ToProtoTime(Noon() + absl::Milliseconds(index % 240'000));
    request.set_explain(index % static_cast<size_t>(GetParam().explain_every) == 0);
    return request;
  }

  // Decides for every `every`th person in every situation; `visit(person, situation, response)`.
  template <typename Visitor>
  void DecideForAll(const Client& client, size_t every, Visitor visit) const {
    std::vector<size_t> chosen;
    for (size_t p = 0; p < people_.size(); p += every) chosen.push_back(p);
    for (size_t start = 0; start < chosen.size(); start += kCustomersPerStream) {
      const size_t end = std::min(chosen.size(), start + kCustomersPerStream);
      size_t p = start;
      size_t s = 0;
      size_t answered = 0;
      const grpc::Status status = client.DecideStream(
          [&](v1::DecideStreamRequest& message) {
            if (p == end) return false;
            message.set_correlation_id(absl::StrCat(chosen[p] * situations_.size() + s));
            *message.mutable_decide() = RequestFor(chosen[p], s);
            if (++s == situations_.size()) {
              s = 0;
              ++p;
            }
            return true;
          },
          [&](const v1::DecideStreamResponse& message) {
            size_t index = 0;
            EXPECT_TRUE(absl::SimpleAtoi(message.correlation_id(), &index));
            EXPECT_TRUE(message.has_decide()) << message.ShortDebugString();
            visit(index / situations_.size(), index % situations_.size(), message.decide());
            ++answered;
          });
      ASSERT_TRUE(status.ok()) << status.error_message();
      ASSERT_EQ(answered, (end - start) * situations_.size());
    }
  }

  testing::TempDir dir_;
  ManualClock clock_{Noon()};
  std::string csv_;
  std::vector<TableCustomer> people_;
  std::vector<Situation> situations_;
  std::shared_ptr<const strategy::Strategy> strategy_;
};

TEST_P(RealDataTest, IsDecidedAsPromisedAndReproducibleToTheBit) {
  const DataSet& data = GetParam();
  const Stopwatch import_time;
  auto server = StartServer(dir_.File("first"));
  EXPECT_THAT(Import(*server), HasSubstr(absl::StrCat("\"created\": ", people_.size())));
  const double import_seconds = import_time.Seconds();
  EXPECT_THAT(Import(*server), HasSubstr(absl::StrCat("\"unchanged\": ", people_.size())))
      << "importing again is harmless";

  // Unary calls that only peek, to be compared with the answers of the stream.
  std::map<size_t, std::string> peeked;
  for (size_t p = 0; p < people_.size(); p += kSampleEvery) {
    v1::DecideRequest request = RequestFor(p, 0);
    request.set_dry_run(true);
    const auto answer = server->client().Decide(request);
    ASSERT_TRUE(answer.ok()) << answer.status.error_message();
    peeked[p] = Bytes(answer.response);
  }

  const Stopwatch decide_time;
  Inspector inspector(strategy_);
  std::vector<std::string> groups;
  for (const catalog::Group& group : strategy_->catalog.groups) groups.push_back(group.name);
  Winners winners(groups);
  const HashKey key{};
  std::vector<uint64_t> hashes(people_.size() * situations_.size());
  DecideForAll(server->client(), kDecideEvery,
               [&](size_t p, size_t s, const v1::DecideResponse& response) {
                 inspector.Inspect(people_[p], situations_[s], RequestFor(p, s), response);
                 winners.Add(people_[p].segment, situations_[s].intent, response);
                 const std::string bytes = Bytes(response);
                 hashes[p * situations_.size() + s] = KeyedHash64(key, bytes);
                 if (s == 0 && peeked.count(p) > 0) {
                   EXPECT_EQ(bytes, peeked[p]) << "unary and stream differ";
                 }
               });
  if (HasFatalFailure()) return;
  const double decide_seconds = decide_time.Seconds();
  const size_t decided_for = (people_.size() - 1) / kDecideEvery + 1;
  EXPECT_EQ(inspector.inspected(), static_cast<int64_t>(decided_for * situations_.size()));
  EXPECT_THAT(inspector.problems(), ::testing::IsEmpty());

  for (size_t p = 0; p < people_.size(); p += kSampleEvery) {
    v1::DecideRequest request = RequestFor(p, p % situations_.size());
    request.set_request_id(absl::StrCat("retry ", p));
    const auto first = server->client().Decide(request);
    const auto again = server->client().Decide(request);
    ASSERT_TRUE(first.ok() && again.ok());
    EXPECT_EQ(Bytes(first.response), Bytes(again.response));
    EXPECT_EQ(server->client().Get(people_[p].id).response.decision_count(), situations_.size() + 1)
        << "every decision was remembered, the retry was none";
  }
  server.reset();

  const Stopwatch repeat_time;
  server = StartServer(dir_.File("second"));
  Import(*server);
  size_t repeated = 0;
  size_t differences = 0;
  DecideForAll(server->client(), kDecideEvery * static_cast<size_t>(data.repeat_every),
               [&](size_t p, size_t s, const v1::DecideResponse& response) {
                 ++repeated;
                 if (KeyedHash64(key, Bytes(response)) != hashes[p * situations_.size() + s]) {
                   ++differences;
                 }
               });
  if (HasFatalFailure()) return;
  EXPECT_GT(repeated, 0u);
  EXPECT_EQ(differences, 0u) << "of " << repeated << " answers of a second, fresh server";

  if (kDecideEvery > 1) {
    std::printf("not an optimised build: decided for every %dth customer only\n",
                static_cast<int>(kDecideEvery));
  }
  const std::string report = absl::StrFormat(
      "%s, strategy %s: %d customers x %d situations, which group wins for whom\n\n%s\n"
      "decisions=%d explained=%d problems=%d repeated=%d differences=%d\n",
      data.name, strategy_->version, decided_for, situations_.size(),
      winners.Table(data.segment_column), inspector.inspected(), inspector.explained(),
      inspector.problems().size(), repeated, differences);
  const std::string path = testing::BuildPath(absl::StrCat("real_data_", data.name, ".txt"));
  WriteFile(path, report);
  std::printf("%simport=%.1fs decide=%.1fs (%.0f decisions/s) repeat=%.1fs, table in %s\n",
              report.c_str(), import_seconds, decide_seconds,
              static_cast<double>(inspector.inspected()) / decide_seconds, repeat_time.Seconds(),
              path.c_str());
}

INSTANTIATE_TEST_SUITE_P(All, RealDataTest, ::testing::ValuesIn(kDataSets),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace attune::service
