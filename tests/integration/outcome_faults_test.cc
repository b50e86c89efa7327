// Outcomes and what is learned from them when something is wrong: a disk that is full, a log that
// is damaged or older than the checkpoint, clocks that jump, numbers that no formula expects, and
// somebody who reports without end. Nothing acknowledged is lost, nothing is learned twice, and
// metrics tell.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/storage/rocksdb_store.h"
#include "prometheus/text_serializer.h"
#include "rocksdb/db.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"
#include "tests/testing/effort.h"
#include "tests/testing/fault_injection_env.h"

namespace attune::service {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kOutcomes[] = R"yaml(outcomes:
  - {name: shown, showing: true, window: 1d}
  - {name: accepted, window: 2d, final: true}
  - {name: score, window: 2d, final: true, min_value: -10, max_value: 10}
)yaml";

// The small strategy with outcomes, of which nobody learns.
std::string UnlearnedStrategy() {
  return Replaced(kSmallStrategy, "models:\n", absl::StrCat(kOutcomes, "models:\n"));
}

// The same, whose offers are predicted by a model that learns from this reward.
std::string LearnedStrategy(const std::string& reward = "outcome.accepted.seen ? 1.0 : 0.0") {
  const std::string text =
      Replaced(UnlearnedStrategy(), "file: sell.yaml",
               "adaptive: {inputs: [customer.plan, context.channel], prior: 0.1}");
  return Replaced(text, "models:\n",
                  absl::StrCat("learning:\n  reward: \"", reward, "\"\nmodels:\n"));
}

// Reports it again and again, as a client does that is told to.
v1::OutcomeStatus RetryUntilAcknowledged(const Client& client,
                                         const v1::OutcomeServiceRecordOutcomeRequest& request) {
  const absl::Time give_up = absl::Now() + absl::Minutes(2);
  auto answer = client.RecordOutcome(request);
  while (!answer.ok() && absl::Now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    answer = client.RecordOutcome(request);
  }
  EXPECT_TRUE(answer.ok()) << answer.status.error_message();
  return answer.response.status();
}

class OutcomeFaultsTest : public ServerTest {
 protected:
  // A showing that is told of, and what may become of it.
  struct Shown {
    std::string customer_id;
    std::string decision_id;
  };

  void StartWith(const std::string& strategy) {
    WriteStrategy(dir_.path(), strategy);
    Start();
  }

  v1::DecideResponse DecideOffer(const std::string& customer_id) const {
    v1::DecideRequest request = DecideFor(customer_id, "app");
    request.add_treatment_ids("accessory");
    return Decide(request);
  }
  v1::OutcomeServiceRecordOutcomeRequest ReportOf(const Shown& shown, const std::string& outcome,
                                                  const std::string& request_id) const {
    v1::OutcomeServiceRecordOutcomeRequest request;
    request.set_decision_id(shown.decision_id);
    request.set_treatment_id("accessory");
    request.set_outcome(outcome);
    request.set_source(v1::OUTCOME_SOURCE_CUSTOMER);
    request.set_request_id(absl::StrCat(outcome, " ", request_id));
    return request;
  }
  // Reports it and expects that to work.
  v1::OutcomeStatus Report(const v1::OutcomeServiceRecordOutcomeRequest& request) const {
    const auto answer = client().RecordOutcome(request);
    EXPECT_TRUE(answer.ok()) << answer.status.error_message();
    return answer.response.status();
  }
  // A new customer is shown the offer.
  Shown Show() {
    Shown shown;
    shown.customer_id = absl::StrCat("customer ", ++customers_);
    shown.decision_id = DecideOffer(shown.customer_id).decision_id();
    EXPECT_EQ(Report(ReportOf(shown, "shown", "r")), v1::OUTCOME_STATUS_RECORDED);
    return shown;
  }
  // And accepts it.
  Shown ShowAndAccept() {
    const Shown shown = Show();
    EXPECT_EQ(Report(ReportOf(shown, "accepted", "r")), v1::OUTCOME_STATUS_RECORDED);
    return shown;
  }
  // How often the customer's history has this outcome.
  int CountOf(const Shown& shown, const std::string& outcome) const {
    int count = 0;
    const v1::CustomerServiceGetResponse held = Get(shown.customer_id);
    for (const v1::Interaction& i : held.recent_interactions()) count += i.outcome() == outcome;
    return count;
  }

  void Learn() {
    const absl::Status status = server().LearnFromOutcomes();
    ASSERT_TRUE(status.ok()) << status;
  }
  v1::ModelServiceGetHealthResponse Health() const {
    v1::ModelServiceGetHealthRequest request;
    request.set_name("sell");
    v1::ModelServiceGetHealthResponse health;
    grpc::ClientContext context;
    SetDeadline(context);
    const grpc::Status status = client().models().GetHealth(&context, request, &health);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return health;
  }
  // The value of a series, as Prometheus sees it; -1: it is not there.
  double Metric(const std::string& series) {
    const std::string scrape =
        "\n" + prometheus::TextSerializer().Serialize(server().metrics().Collect());
    const size_t at = scrape.find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(scrape.substr(at + series.size() + 2));
  }

  int customers_ = 0;
};

class FullDiskTest : public OutcomeFaultsTest {
 protected:
  using Fault = testing::FaultInjectionFileSystem::Fault;

  FullDiskTest() {
    open_store_ = [this](storage::RocksDbOptions options) {
      options.env = faults_.env();
      return storage::OpenRocksDbStore(options);
    };
    StartWith(LearnedStrategy());
  }
  ~FullDiskTest() override { Stop(); }  // before the file system

  testing::FaultInjectionFileSystem& files() { return faults_.file_system(); }
  v1::OutcomeStatus Retry(const v1::OutcomeServiceRecordOutcomeRequest& request) const {
    return RetryUntilAcknowledged(client(), request);
  }
  // What is reported while the disk has the fault is refused and recorded once afterwards.
  void ExpectRecordedOnce(const Shown& shown) {
    const auto accepted = ReportOf(shown, "accepted", "r");
    EXPECT_EQ(Retry(accepted), v1::OUTCOME_STATUS_RECORDED);
    EXPECT_EQ(Metric("attune_store_write_stopped"), 0);
    EXPECT_EQ(Retry(accepted), v1::OUTCOME_STATUS_ALREADY_RECORDED);
    Learn();
    EXPECT_EQ(Health().examples(), 1);
    Restart();
    EXPECT_EQ(Retry(accepted), v1::OUTCOME_STATUS_ALREADY_RECORDED);
    EXPECT_EQ(CountOf(shown, "accepted"), 1);
    Learn();
    EXPECT_EQ(Health().examples(), 1);
    EXPECT_EQ(Health().own().positives(), 1);
  }

  testing::FaultInjectionEnv faults_;
};

TEST_F(FullDiskTest, OutcomesAreRefusedClearlyDecisionsGoOnAndItRecoversByItself) {
  const Shown shown = Show();
  files().FailAppends(Fault::kNoSpace);
  for (int retry = 0; retry < 3; ++retry) {
    const auto refused = client().RecordOutcome(ReportOf(shown, "accepted", "r"));
    EXPECT_EQ(refused.code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(refused.status.error_message(), HasSubstr("when there is space again"));
    EXPECT_THAT(refused.status.error_message(), HasSubstr("the same request_id"));
  }
  const std::string failed =
      "attune_outcomes_total{outcome=\"accepted\",source=\"customer\",status=";
  EXPECT_EQ(Metric(failed + "\"failed\"}"), 3);
  EXPECT_EQ(Metric(failed + "\"recorded\"}"), 0);
  EXPECT_EQ(Metric("attune_store_write_stopped"), 1);
  const v1::DecideResponse decision = DecideOffer("somebody");
  EXPECT_THAT(Ranking(decision), SizeIs(1));
  EXPECT_TRUE(decision.degraded());
  Learn();
  EXPECT_EQ(Health().examples(), 0);
  EXPECT_EQ(CountOf(shown, "accepted"), 0);
  files().FailAppends(Fault::kNone);
  ExpectRecordedOnce(shown);
}

TEST_F(FullDiskTest, ACommitThatIsCutOffInTheMiddleIsRecordedOnceWhenItIsRetried) {
  const Shown shown = Show();
  files().TearNextAppend(20, /*after=*/0, "/journal/");
  const auto refused = client().RecordOutcome(ReportOf(shown, "accepted", "r"));
  EXPECT_EQ(refused.code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.status.error_message(), HasSubstr("the same request_id"));
  ExpectRecordedOnce(shown);
}

TEST_F(FullDiskTest, WhatWasLearnedIsStoredWhenThereIsSpaceAgain) {
  for (int i = 0; i < 5; ++i) ShowAndAccept();
  Learn();
  files().FailAppends(Fault::kNoSpace);
  const absl::Status drained = server().Drain();
  EXPECT_FALSE(drained.ok()) << "who stops it is told that something could not be stored";
  files().FailAppends(Fault::kNone);
  Restart();
  Learn();
  EXPECT_EQ(Health().examples(), 5) << "learned from the log, once";
  Restart();
  Learn();
  EXPECT_EQ(Health().examples(), 5);
}

// A file system of its own that is small; only root can make one.
class SmallDisk {
 public:
  explicit SmallDisk(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directory(path_);
    is_mounted_ = mount("attune_test", path_.c_str(), "tmpfs", 0, "size=64m") == 0;
  }
  ~SmallDisk() {
    if (is_mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool is_mounted() const { return is_mounted_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  // Until not a byte more fits.
  void FillUp() const {
    std::ofstream filler(File("filler"), std::ios::binary);
    const std::string piece(4096, 'f');
    while (filler.write(piece.data(), static_cast<std::streamsize>(piece.size())).flush()) {
    }
  }
  void MakeRoom() const { std::filesystem::remove(File("filler")); }

 private:
  const std::string path_;
  bool is_mounted_ = false;
};

TEST_F(OutcomeFaultsTest, AnAttunedOnARealDiskThatIsFullRecoversWithoutARestart) {
  const SmallDisk disk(dir_.File("disk"));
  if (!disk.is_mounted()) GTEST_SKIP() << "only root can mount a small file system";
  const std::string strategy = WriteStrategy(dir_.path(), LearnedStrategy());
  const std::vector<std::string> flags = {"--metrics_listen", ""};
  v1::DecideRequest decide = DecideFor("ann", "app");
  decide.add_treatment_ids("accessory");
  Shown shown{"ann", ""};
  {
    AttunedProcess attuned(strategy, disk.File("data"), flags);
    const Client client(attuned.port());
    const auto decision = client.Decide(decide);
    ASSERT_TRUE(decision.ok()) << decision.status.error_message();
    shown.decision_id = decision.response.decision_id();
    EXPECT_EQ(RetryUntilAcknowledged(client, ReportOf(shown, "shown", "r")),
              v1::OUTCOME_STATUS_RECORDED);
    disk.FillUp();
    // The journal has asked for room ahead, 4 MiB: decisions fill it.
    constexpr int kMostDecisions = 50'000;
    int decisions = 0;
    while (decisions < kMostDecisions &&
           !client.Decide(DecideFor("bob", "app")).response.degraded()) {
      ++decisions;
    }
    ASSERT_LT(decisions, kMostDecisions);
    // What is left of a page that is begun takes some.
    int acknowledged = 0;
    auto refused = client.RecordOutcome(ReportOf(shown, "accepted", "0"));
    while (refused.ok() && acknowledged < 60) {
      refused = client.RecordOutcome(ReportOf(shown, "accepted", absl::StrCat(++acknowledged)));
    }
    EXPECT_EQ(refused.code(), grpc::StatusCode::RESOURCE_EXHAUSTED)
        << refused.status.error_message();
    for (int i = 0; i < 20; ++i) {
      const auto meanwhile = client.Decide(decide);
      ASSERT_TRUE(meanwhile.ok()) << meanwhile.status.error_message();
      EXPECT_THAT(Ranking(meanwhile.response), SizeIs(1));
    }
    disk.MakeRoom();
    EXPECT_EQ(
        RetryUntilAcknowledged(client, ReportOf(shown, "accepted", absl::StrCat(acknowledged))),
        v1::OUTCOME_STATUS_RECORDED);
    attuned.process().Signal(SIGKILL);
    EXPECT_EQ(attuned.process().Wait(), 128 + SIGKILL);
    // All that was acknowledged, before and after, is there.
    AttunedProcess again(strategy, disk.File("data"), flags);
    const Client later(again.port());
    for (int i = 0; i <= acknowledged; ++i) {
      EXPECT_EQ(RetryUntilAcknowledged(later, ReportOf(shown, "accepted", absl::StrCat(i))),
                v1::OUTCOME_STATUS_ALREADY_RECORDED)
          << i;
    }
  }
}

// The folder of a store that nobody has open.
class StoppedStoreTest : public OutcomeFaultsTest {
 protected:
  storage::RocksDbOptions StoreOptions() const {
    storage::RocksDbOptions options;
    options.path = options_.data_dir;
    return options;
  }
  // The file that holds most of the log.
  std::string LogFile() const {
    const std::string& path = options_.data_dir;
    std::vector<std::string> names;
    EXPECT_TRUE(rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), path, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names)
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status =
        rocksdb::DB::OpenForReadOnly(rocksdb::DBOptions(), path, families, &handles, &opened);
    EXPECT_TRUE(status.ok()) << status.ToString();
    const std::unique_ptr<rocksdb::DB> db(opened);
    if (db == nullptr) return "";
    std::vector<rocksdb::LiveFileMetaData> files;
    db->GetLiveFilesMetaData(&files);
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      EXPECT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
    }
    size_t largest = 0;
    std::string found;
    for (const rocksdb::LiveFileMetaData& file : files) {
      if (file.column_family_name != "log" || file.size <= largest) continue;
      largest = file.size;
      found = file.db_path + file.name;
    }
    return found;
  }
  static void FlipInTheMiddle(const std::string& path) {
    constexpr std::streamoff kFlipped = 16;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
    std::string bytes(kFlipped, '\0');
    file.seekg(middle);
    file.read(bytes.data(), kFlipped);
    for (char& c : bytes) c = static_cast<char>(c ^ 0x55);
    file.seekp(middle);
    file.write(bytes.data(), kFlipped);
    ASSERT_TRUE(file.good()) << path;
  }
};

TEST_F(StoppedStoreTest, ADamagedBlockOfTheLogIsPassedOverAndToldOf) {
  constexpr int kShowings = 400;
  StartWith(UnlearnedStrategy());
  std::vector<Shown> showings(kShowings);
  v1::OutcomeServiceRecordOutcomesRequest told;
  for (int i = 0; i < kShowings; ++i) {
    Shown& shown = showings[static_cast<size_t>(i)];
    shown.customer_id = absl::StrCat("customer ", ++customers_);
    shown.decision_id = DecideOffer(shown.customer_id).decision_id();
    *told.add_entries()->mutable_outcome() = ReportOf(shown, "shown", "r");
    *told.add_entries()->mutable_outcome() = ReportOf(shown, "accepted", "r");
  }
  const auto recorded = client().RecordOutcomes(told);
  ASSERT_TRUE(recorded.ok()) << recorded.status.error_message();
  for (const v1::OutcomeResult& result : recorded.response.results()) {
    ASSERT_EQ(result.recorded().status(), v1::OUTCOME_STATUS_RECORDED);
  }
  Stop();
  const std::string file = LogFile();
  ASSERT_FALSE(file.empty());
  FlipInTheMiddle(file);

  StartWith(LearnedStrategy());
  Learn();
  EXPECT_GT(Metric("attune_learner_missed_positions_total"), 0);
  EXPECT_GT(Metric("attune_learner_failures_total"), 0);
  const int64_t examples = Health().examples();
  EXPECT_LT(examples, kShowings);
  EXPECT_GT(examples, kShowings / 4) << "what is not damaged is learned";
  // What was acknowledged is remembered by the customers all the same.
  for (const Shown& shown : showings) {
    ASSERT_EQ(Report(ReportOf(shown, "accepted", "r")), v1::OUTCOME_STATUS_ALREADY_RECORDED);
  }
  ShowAndAccept();
  Learn();
  EXPECT_EQ(Health().examples(), examples + 1) << "each once";
  std::printf("damaged block: outcomes=%d learned=%d\n", kShowings, static_cast<int>(examples));
}

TEST_F(StoppedStoreTest, ACheckpointThatIsNewerThanTheLogIsKeptAndLearnedOn) {
  StartWith(LearnedStrategy());
  const Shown first = ShowAndAccept();
  for (int i = 0; i < 2; ++i) ShowAndAccept();
  Learn();
  Stop();
  const std::string backup = dir_.File("backup");
  std::filesystem::copy(options_.data_dir, backup, std::filesystem::copy_options::recursive);
  Start();
  for (int i = 0; i < 5; ++i) ShowAndAccept();
  Show();  // waits for its outcome
  Learn();
  Stop();
  // Somebody restores the store, but for what was learned.
  std::string checkpoint;
  {
    auto store = storage::OpenRocksDbStore(StoreOptions());
    ASSERT_TRUE(store.ok()) << store.status();
    checkpoint = (*store)->GetBlob("learner/small").value().value();
  }
  std::filesystem::remove_all(options_.data_dir);
  std::filesystem::rename(backup, options_.data_dir);
  {
    auto store = storage::OpenRocksDbStore(StoreOptions());
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->PutBlob("learner/small", checkpoint).ok());
  }
  Start();
  EXPECT_EQ(Metric("attune_learner_lost_log_ends_total"), 1);
  Learn();
  EXPECT_EQ(Health().examples(), 8) << "what was learned is kept, and nothing is learned again";
  EXPECT_EQ(Metric("attune_learner_unlearned_total{reason=\"left_the_log\"}"), 1);
  EXPECT_EQ(Report(ReportOf(first, "accepted", "r")), v1::OUTCOME_STATUS_ALREADY_RECORDED);
  for (int i = 0; i < 4; ++i) ShowAndAccept();
  Learn();
  EXPECT_EQ(Health().examples(), 12) << "what comes to the lost positions is learned";
  Restart();
  EXPECT_EQ(Metric("attune_learner_lost_log_ends_total"), 0);
  Learn();
  EXPECT_EQ(Health().examples(), 12);
}

TEST_F(OutcomeFaultsTest, ClocksThatJumpByAYearLoseNothingAndLetNothingBeLearnedTwice) {
  constexpr absl::Duration kYear = absl::Hours(365 * 24);
  StartWith(LearnedStrategy());
  std::vector<v1::OutcomeServiceRecordOutcomeRequest> told;
  const auto accept = [&](const Shown& shown) {
    told.push_back(ReportOf(shown, "accepted", "r"));
    EXPECT_EQ(Report(told.back()), v1::OUTCOME_STATUS_RECORDED);
  };
  const Shown before = Show();
  clock_.Advance(kYear);
  const Shown ahead = Show();  // by its time all windows of the first are closed
  Learn();
  EXPECT_EQ(Health().examples(), 1);
  clock_.Set(Noon() + absl::Hours(1));
  accept(before);  // in time, and remembered; too late to be learned
  accept(ahead);
  Learn();
  EXPECT_EQ(Health().examples(), 2);
  clock_.Set(Noon() - kYear);
  accept(Show());
  Learn();
  EXPECT_EQ(Health().examples(), 3);
  clock_.Set(Noon() + absl::Hours(2));
  accept(Show());
  Learn();
  const auto learned = Health();
  EXPECT_EQ(learned.examples(), 4);
  EXPECT_EQ(learned.own().positives(), 3);
  for (const auto& request : told) {
    EXPECT_EQ(Report(request), v1::OUTCOME_STATUS_ALREADY_RECORDED);
  }
  Restart();
  clock_.Advance(absl::Hours(24 * 30));
  ShowAndAccept();
  Learn();
  EXPECT_EQ(Health().examples(), 5);
  EXPECT_EQ(CountOf(before, "accepted"), 1);
}

TEST_F(OutcomeFaultsTest, RewardsThatAreNoNumbersAreCountedAndNotLearned) {
  StartWith(LearnedStrategy());
  int failed = 0;
  for (const char* const reward :
       {"outcome.score.value * 1e308",                                   // infinite
        "outcome.score.value * 1e308 - outcome.score.value * 1e308",     // not a number
        "outcome.score.value / 0.0", "-outcome.score.value * 1e300"}) {  // beyond 1e15
    RestartWith(LearnedStrategy(reward));
    auto report = ReportOf(Show(), "score", reward);
    report.set_value(5);
    EXPECT_EQ(Report(report), v1::OUTCOME_STATUS_RECORDED) << reward;
    Learn();
    EXPECT_EQ(Metric("attune_learner_unlearned_total{reason=\"formula_failed\"}"), ++failed)
        << reward;
    EXPECT_EQ(Health().examples(), 0) << reward;
  }
  RestartWith(LearnedStrategy());
  ShowAndAccept();
  Learn();
  EXPECT_EQ(Health().examples(), 1);
  const double propensity = DecideOffer("somebody").treatments(0).propensity();
  EXPECT_GT(propensity, 0);
  EXPECT_LT(propensity, 1);
}

TEST_F(OutcomeFaultsTest, AMillionOutcomesOfOneDecisionAreAnsweredInBoundedMemory) {
  constexpr int kMessages = testing::Effort(1000);
  constexpr int kPerMessage = 1000;
  constexpr int kTaken = 64;
  constexpr int64_t kMaxGrowth = 128 << 20;
  const std::string strategy = WriteStrategy(dir_.path(), LearnedStrategy());
  AttunedProcess attuned(strategy, dir_.File("data"), {"--metrics_listen", ""});
  const Client client(attuned.port());
  v1::DecideRequest decide = DecideFor("ann", "app");
  decide.add_treatment_ids("accessory");
  const auto decision = client.Decide(decide);
  ASSERT_TRUE(decision.ok()) << decision.status.error_message();
  const Shown shown{"ann", decision.response.decision_id()};

  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(10));
  const auto stream = client.outcomes().RecordOutcomes(&context);
  const int64_t resident = attuned.resident();
  const absl::Time start = absl::Now();
  int64_t recorded = 0;
  int64_t refused = 0;
  for (int m = 0; m < kMessages; ++m) {
    v1::OutcomeServiceRecordOutcomesRequest message;
    for (int i = 0; i < kPerMessage; ++i) {
      *message.add_entries()->mutable_outcome() =
          ReportOf(shown, "accepted", absl::StrCat(m * kPerMessage + i));
    }
    ASSERT_TRUE(stream->Write(message));
    v1::OutcomeServiceRecordOutcomesResponse response;
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_THAT(response.results(), SizeIs(kPerMessage));
    for (const v1::OutcomeResult& result : response.results()) {
      if (result.has_recorded()) {
        recorded += result.recorded().status() == v1::OUTCOME_STATUS_RECORDED;
      } else {
        refused += result.error().code() == grpc::StatusCode::FAILED_PRECONDITION;
      }
    }
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  const int64_t growth = attuned.peak_resident() - resident;
  EXPECT_EQ(recorded, kTaken);
  EXPECT_EQ(refused, int64_t{kMessages} * kPerMessage - kTaken);
  // Sanitizers keep what was freed for a while.
  if (ATTUNE_SANITIZED == 0) {
    EXPECT_LT(growth, kMaxGrowth);
  }
  const auto first = client.RecordOutcome(ReportOf(shown, "accepted", "0"));
  EXPECT_EQ(first.response.status(), v1::OUTCOME_STATUS_ALREADY_RECORDED);
  std::printf("one decision: outcomes=%d recorded=%d seconds=%.1f growth_mib=%.1f\n",
              kMessages * kPerMessage, static_cast<int>(recorded), seconds,
              static_cast<double>(growth) / (1 << 20));
}

TEST_F(OutcomeFaultsTest, ALogThatIsTooYoungForTheWindowsIsRefusedAtTheStart) {
  WriteStrategy(dir_.path(), LearnedStrategy());
  options_.log_max_age = absl::Hours(71);  // shown within a day, and accepted two days later
  const auto refused = Server::Start(options_, &clock_);
  ASSERT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("--log_max_age is 71h"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("reach back 72h"));
  options_.log_max_age = absl::Hours(72);
  Start();
  EXPECT_EQ(Metric("attune_log_max_age_seconds"), 72 * 3600);
  EXPECT_GT(Metric("attune_store_log_bytes"), -1);
}

}  // namespace
}  // namespace attune::service
