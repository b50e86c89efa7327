#include "service/value_updater.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/customer/profile_writer.h"
#include "service/customer_service.h"
#include "service/value_service.h"
#include "tests/testing/fake_state_store.h"
#include "tests/testing/strategy_builder.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSpendScore[] = R"pb(
  scores {
    name: "spend"
    description: "What the customer pays per year."
    value: "customer.monthly_charges * 12.0"
    tiers { name: "low" }
    tiers { name: "high" from_percentile: 75 }
  }
)pb";

// A store, a strategy with scores, and who follows them, step by step.
class ValueUpdaterTest : public ::testing::Test {
 protected:
  ValueUpdaterTest() { Load(kSpendScore); }

  void Load(const std::string& scores) {
    strategy_ = builder_.BuildFromText(std::string(testing::kSmallStrategy) + scores,
                                       {testing::kSolveModel, testing::kSellModel});
  }
  void Open(ValueUpdater::Options options = {}) {
    options.strategy = strategy_;
    options.store = &store_;
    options.clock = &clock_;
    updater_ = std::make_unique<ValueUpdater>(options);
    Follow(updater_.get());
  }
  void Follow(customer::ProfileObserver* observer) {
    customers_ =
        std::make_unique<CustomerService>(CustomerService::Options{.strategy = strategy_,
                                                                   .store = &store_,
                                                                   .clock = &clock_,
                                                                   .seed = HashKeyFromSeed(1),
                                                                   .names = &builder_.dictionary(),
                                                                   .strategy_version = nullptr,
                                                                   .observer = observer});
  }
  // As a server that ends in order, or crashes.
  void Close() {
    updater_->Stop();
    updater_ = nullptr;
  }
  void Crash() {
    // What is stored by the end of the object is lost.
    testing::FakeStateStore::Faults faults;
    faults.blob_writes = 0;
    store_.SetFaults(faults);
    updater_ = nullptr;
    store_.SetFaults({});
  }
  void Settle() {
    for (int i = 0; updater_->Step(/*publish=*/true); ++i) ASSERT_LT(i, 1000);
    updater_->Step(/*publish=*/true);
  }

  void Upsert(const std::string& id, double monthly_charges) {
    pb::CustomerServiceUpsertRequest request;
    request.mutable_customer()->set_customer_id(id);
    (*request.mutable_customer()->mutable_features())["monthly_charges"].set_double_value(
        monthly_charges);
    pb::CustomerServiceUpsertResponse response;
    Violations violations;
    const absl::Status status = customers_->Upsert(request, &response, violations);
    ASSERT_TRUE(status.ok()) << status;
  }
  void Erase(const std::string& id) {
    pb::CustomerServiceEraseRequest request;
    request.set_customer_id(id);
    pb::CustomerServiceEraseResponse response;
    Violations violations;
    ASSERT_TRUE(customers_->Erase(request, &response, violations).ok());
  }
  uint64_t Count() const { return updater_->standings()->scores.front().count(); }
  double Percentile(double spend) const { return updater_->standings()->Percentile(0, spend); }
  bool Complete() const { return updater_->standings()->complete; }

  testing::StrategyBuilder builder_;
  std::shared_ptr<strategy::Strategy> strategy_;
  testing::FakeStateStore store_;
  ManualClock clock_{absl::FromUnixSeconds(1'772'323'200)};
  std::unique_ptr<ValueUpdater> updater_;
  std::unique_ptr<CustomerService> customers_;
};

TEST_F(ValueUpdaterTest, ReadsAllCustomersAgainWhenAnotherModelGivesTheScores) {
  Open();
  for (int i = 0; i < 10; ++i) Upsert(absl::StrCat("c", i), i);  // 0, 12, … 108
  Settle();
  const uint64_t rebuilds = updater_->rebuilds();
  updater_->Follow(strategy_);
  Settle();
  EXPECT_EQ(updater_->rebuilds(), rebuilds) << "nothing is another";
  Load(R"pb(scores { name: "spend" value: "-customer.monthly_charges" })pb");  // 0, -1, … -9
  updater_->Follow(strategy_);
  EXPECT_EQ(updater_->strategy(), strategy_);
  Upsert("c0", 100);
  Settle();
  EXPECT_TRUE(Complete());
  EXPECT_EQ(updater_->rebuilds(), rebuilds + 1);
  EXPECT_EQ(Count(), 10u);
  EXPECT_EQ(Percentile(-1), 95) << "the highest of ten";
  EXPECT_EQ(Percentile(-100), 5);
  // What is stored is of the score that was followed last.
  Close();
  Open();
  Settle();
  EXPECT_EQ(updater_->rebuilds(), 0u);
  EXPECT_EQ(Percentile(-1), 95);
}

// What a customer spends, and a score that one of two models gives.
std::string TwoScores(const std::string& other) {
  return absl::StrCat(kSpendScore, "scores { name: \"other\" value: \"", other, "\" }");
}

TEST_F(ValueUpdaterTest, AnotherModelOfOneScoreLeavesTheOthers) {
  Load(TwoScores("-customer.monthly_charges"));
  Open();
  for (int i = 0; i < 10; ++i) Upsert(absl::StrCat("c", i), i);  // 0, 12, … 108
  Settle();
  const std::vector<policy::CustomerScore> old = strategy_->engagement.scores().scores;
  Load(TwoScores("-2.0 * customer.monthly_charges"));
  const std::vector<policy::CustomerScore>& now = strategy_->engagement.scores().scores;
  testing::FakeStateStore::Faults faults;
  faults.load = absl::UnavailableError("away");
  store_.SetFaults(faults);
  updater_->Follow(strategy_);
  EXPECT_EQ(updater_->standings()->Find(1, now[1].fingerprint), nullptr) << "ranks the old one";
  EXPECT_FALSE(updater_->Step(/*publish=*/true));
  const auto standings = updater_->standings();
  ASSERT_NE(standings->Find(0, now[0].fingerprint), nullptr);
  EXPECT_EQ(standings->Find(0, now[0].fingerprint)->Percentile(60), 55);
  EXPECT_EQ(standings->Find(1, old[1].fingerprint), nullptr);
  ASSERT_NE(standings->Find(1, now[1].fingerprint), nullptr);
  EXPECT_EQ(standings->Find(1, now[1].fingerprint)->count(), 0u);
  store_.SetFaults({});
  clock_.Advance(ValueUpdater::kFirstRetry);
  Settle();
  EXPECT_TRUE(Complete());
  EXPECT_EQ(updater_->standings()->Percentile(1, -2), 85) << "-2 is the second highest of ten";
}

TEST_F(ValueUpdaterTest, AnotherModelLetsAReadingOfAllCustomersEnd) {
  Follow(nullptr);
  for (int i = 0; i < 10; ++i) Upsert(absl::StrCat("c", i), i);
  ValueUpdater::Options options;
  options.scan_records = 3;
  Open(options);
  EXPECT_TRUE(updater_->Step(/*publish=*/true));
  Load("scores { name: \"spend\" value: \"-customer.monthly_charges\" }");
  updater_->Follow(strategy_);
  Settle();
  EXPECT_EQ(updater_->rebuilds(), 1u);
  EXPECT_FALSE(Complete()) << "whoever was read before has no such score";
  EXPECT_LT(Count(), 10u);
  clock_.Advance(ValueUpdater::kRebuildPeriod);
  Settle();
  EXPECT_EQ(updater_->rebuilds(), 2u);
  EXPECT_TRUE(Complete());
  EXPECT_EQ(Count(), 10u);
}

TEST_F(ValueUpdaterTest, FollowsWritesAndErasures) {
  Open();
  Settle();
  EXPECT_TRUE(Complete());
  EXPECT_EQ(Percentile(1), 50) << "nobody is known";
  for (int i = 0; i < 10; ++i) Upsert(absl::StrCat("c", i), i);  // 0, 12, … 108
  Settle();
  EXPECT_EQ(Count(), 10u);
  EXPECT_EQ(Percentile(60), 55);
  Upsert("c0", 100);
  Settle();
  EXPECT_EQ(Count(), 10u);
  EXPECT_EQ(Percentile(60), 45) << "the old score is gone";
  Erase("c0");
  Erase("nobody");
  Settle();
  EXPECT_EQ(Count(), 9u);
  EXPECT_EQ(Percentile(1e9), 100);
}

TEST_F(ValueUpdaterTest, FollowsBatches) {
  Open();
  pb::CustomerServiceBatchUpsertRequest request;
  request.add_feature_names("monthly_charges");
  for (const char* id : {"a", "b", "a", "c"}) {
    pb::CustomerRow* row = request.add_rows();
    row->set_customer_id(id);
    row->add_values()->set_double_value(request.rows_size());
  }
  CustomerService::Batch batch(customers_.get());
  Violations violations;
  ASSERT_TRUE(batch.Add(request, violations).ok());
  Settle();
  EXPECT_EQ(Count(), 3u);
  EXPECT_EQ(Percentile(36), 50) << "24, 36 and 48: a has the score of its last row";
}

TEST_F(ValueUpdaterTest, GoesOnFromWhatItStored) {
  Open();
  Settle();
  for (int i = 0; i < 8; ++i) Upsert(absl::StrCat("c", i), i);
  Close();
  Open();
  EXPECT_TRUE(Complete());
  EXPECT_EQ(Count(), 8u);
  EXPECT_EQ(updater_->rebuilds(), 0u);
}

TEST_F(ValueUpdaterTest, ReadsAllCustomersAfterACrash) {
  Open();
  Settle();
  for (int i = 0; i < 8; ++i) Upsert(absl::StrCat("c", i), i);
  Close();
  Open();
  for (int i = 0; i < 4; ++i) Upsert(absl::StrCat("later", i), 100);
  Crash();
  Open();
  EXPECT_FALSE(Complete());
  EXPECT_EQ(Count(), 8u) << "what was stored serves until then";
  Settle();
  EXPECT_TRUE(Complete());
  EXPECT_EQ(Count(), 12u);
  EXPECT_EQ(updater_->rebuilds(), 1u);
}

TEST_F(ValueUpdaterTest, ReadsAllCustomersForAnotherFormula) {
  Open();
  Settle();
  for (int i = 0; i < 8; ++i) Upsert(absl::StrCat("c", i), i);
  Close();
  Load("scores { name: \"spend\" value: \"-customer.monthly_charges\" }");
  Open();
  EXPECT_FALSE(Complete());
  Settle();
  EXPECT_EQ(Count(), 8u);
  EXPECT_EQ(Percentile(0.5), 100);
}

TEST_F(ValueUpdaterTest, ReadsAllCustomersWhenNotesWereLost) {
  ValueUpdater::Options options;
  options.max_queue_bytes = 1000;
  Open(options);
  Settle();
  const uint64_t before = updater_->rebuilds();
  for (int i = 0; i < 100; ++i) Upsert(absl::StrCat("c", i), i);
  Settle();
  EXPECT_EQ(updater_->rebuilds(), before) << "not so soon";
  EXPECT_FALSE(Complete());
  clock_.Advance(ValueUpdater::kRebuildPeriod);
  Settle();
  EXPECT_EQ(updater_->rebuilds(), before + 1);
  EXPECT_TRUE(Complete());
  EXPECT_EQ(Count(), 100u);
}

TEST_F(ValueUpdaterTest, ReadsAllCustomersWhenNobodyKnowsWhatBecameOfAWrite) {
  Open();
  Settle();
  const uint64_t before = updater_->rebuilds();
  updater_->ChangeUncertain();
  clock_.Advance(ValueUpdater::kRebuildPeriod);
  EXPECT_TRUE(updater_->Step(true));
  EXPECT_FALSE(Complete());
  Settle();
  EXPECT_TRUE(Complete());
  EXPECT_EQ(updater_->rebuilds(), before + 1);
}

TEST_F(ValueUpdaterTest, CountsWhoeverChangesWhileAllAreReadOnce) {
  Follow(nullptr);
  for (int i = 0; i < 200; ++i) Upsert(absl::StrCat("c", i), i);
  ValueUpdater::Options options;
  options.scan_records = 7;
  Open(options);
  // Between the steps customers come, change and go, wherever the reading has come to.
  int round = 0;
  for (; !Complete(); ++round) {
    ASSERT_LT(round, 1000);
    Upsert(absl::StrCat("c", 3 * round % 200), 1000 + round);
    Upsert(absl::StrCat("new", round), 5);
    Erase(absl::StrCat("new", round / 2));
    updater_->Step(/*publish=*/true);
  }
  EXPECT_GT(round, 200 / 7);
  Settle();
  const auto followed = updater_->standings();
  Crash();
  ValueUpdater::Options at_once;
  at_once.strategy = strategy_;
  at_once.store = &store_;
  at_once.clock = &clock_;
  Open(at_once);
  Settle();
  const auto read = updater_->standings();
  EXPECT_EQ(followed->scores[0].count(), read->scores[0].count());
  for (double spend = 0; spend < 20'000; spend += 11) {
    ASSERT_EQ(followed->Percentile(0, spend), read->Percentile(0, spend)) << spend;
  }
}

TEST_F(ValueUpdaterTest, AWriteThatHasNotToldItsChangesHoldsTheReadingUp) {
  Follow(nullptr);
  Upsert("c", 1);
  Open();
  const int begun = updater_->WriteBegins();
  EXPECT_TRUE(updater_->Step(true));
  EXPECT_TRUE(updater_->Step(true));
  EXPECT_FALSE(Complete()) << "it may have read what the write has not told";
  updater_->WriteEnds(begun);
  Settle();
  EXPECT_TRUE(Complete());
  EXPECT_EQ(Count(), 1u);
}

TEST_F(ValueUpdaterTest, WaitsForAStoreThatCannotBeRead) {
  Follow(nullptr);
  Upsert("c", 1);
  Open();
  testing::FakeStateStore::Faults faults;
  faults.load = absl::UnavailableError("away");
  store_.SetFaults(faults);
  EXPECT_FALSE(updater_->Step(true));
  EXPECT_FALSE(Complete());
  store_.SetFaults({});
  EXPECT_FALSE(updater_->Step(true)) << "not so soon";
  clock_.Advance(ValueUpdater::kFirstRetry);
  Settle();
  EXPECT_TRUE(Complete());
  EXPECT_EQ(Count(), 1u);
}

TEST_F(ValueUpdaterTest, CountsThoseItCannotRead) {
  Follow(nullptr);
  Upsert("a", 1);
  store_.SetRecord("b", "\x01 damaged");
  Open();
  Settle();
  EXPECT_TRUE(Complete());
  EXPECT_EQ(Count(), 1u);
  EXPECT_EQ(updater_->unreadable(), 1u);
}

// Tells what it is told only later, the last first.
class LateObserver : public customer::ProfileObserver {
 public:
  explicit LateObserver(ValueUpdater* updater) : updater_(*updater) {}
  int WriteBegins() override { return 0; }
  void WriteEnds(int) override {}
  void FeaturesChanged(const customer::ProfileNotice& notice) override {
    kept_.push_back({notice, std::string(notice.before), std::string(notice.after)});
  }
  void ChangeUncertain() override {}
  void TellLast() {
    Kept last = std::move(kept_.back());
    kept_.pop_back();
    last.notice.before = last.before;
    last.notice.after = last.after;
    updater_.FeaturesChanged(last.notice);
  }

 private:
  struct Kept {
    customer::ProfileNotice notice;
    std::string before;
    std::string after;
  };
  ValueUpdater& updater_;
  std::vector<Kept> kept_;
};

TEST_F(ValueUpdaterTest, TakesTheChangesOfACustomerInAnyOrder) {
  Open();
  Settle();
  LateObserver late(updater_.get());
  Follow(&late);
  for (const double charges : {1, 2, 3}) Upsert("c", charges);
  for (int i = 0; i < 3; ++i) late.TellLast();
  Settle();
  EXPECT_EQ(Count(), 1u);
  EXPECT_EQ(Percentile(35), 0) << "36 is there, 12 and 24 are not";
}

TEST_F(ValueUpdaterTest, TakesTheChangesOfACustomerWhoIsReadInAnyOrder) {
  Follow(nullptr);
  Upsert("c", 1);
  Open();
  LateObserver late(updater_.get());
  Follow(&late);
  const int begun = updater_->WriteBegins();
  EXPECT_TRUE(updater_->Step(true));  // reads the customer
  for (const double charges : {2, 3}) Upsert("c", charges);
  for (int i = 0; i < 2; ++i) late.TellLast();
  EXPECT_TRUE(updater_->Step(true));
  updater_->WriteEnds(begun);
  Settle();
  EXPECT_TRUE(Complete());
  EXPECT_EQ(Count(), 1u);
  EXPECT_EQ(Percentile(35), 0);
}

TEST_F(ValueUpdaterTest, WhatItOwesIsNotStoredAsRight) {
  Open();
  Settle();
  LateObserver late(updater_.get());
  Follow(&late);
  for (const double charges : {1, 2}) Upsert("c", charges);
  late.TellLast();
  Close();
  Open();
  EXPECT_FALSE(Complete());
  Settle();
  EXPECT_EQ(Count(), 1u);
}

TEST_F(ValueUpdaterTest, IsForgottenWhereThereAreNoScores) {
  Open();
  Close();
  EXPECT_THAT(store_.BlobNames(), Contains("value/sketches"));
  ForgetStoredScores(store_);
  EXPECT_THAT(store_.BlobNames(), Not(Contains("value/sketches")));
  ForgetStoredScores(store_);
}

TEST_F(ValueUpdaterTest, DamagedBytesAreNotTaken) {
  Open();
  Settle();
  for (int i = 0; i < 8; ++i) Upsert(absl::StrCat("c", i), i);
  Close();
  store_.ChangeBlob("value/sketches", [](std::string& bytes) { bytes.pop_back(); });
  Open();
  EXPECT_FALSE(Complete());
  Settle();
  EXPECT_EQ(Count(), 8u);
}

TEST_F(ValueUpdaterTest, AReaderSeesThePublishedStandings) {
  Open();
  Settle();
  StandingReader reader;
  EXPECT_EQ(reader.Read(*updater_).scores.front().count(), 0u);
  Upsert("c", 1);
  updater_->Step(/*publish=*/false);
  EXPECT_EQ(reader.Read(*updater_).scores.front().count(), 0u);
  updater_->Step(/*publish=*/true);
  EXPECT_EQ(reader.Read(*updater_).scores.front().count(), 1u);
}

TEST_F(ValueUpdaterTest, AReaderAtRestKeepsNoOldStandingsAlive) {
  Open();
  Settle();
  StandingReader reader;
  const std::weak_ptr<const value::Standings> old = updater_->standings();
  EXPECT_EQ(&reader.Read(*updater_), old.lock().get());
  reader.Rest();
  EXPECT_EQ(&reader.Read(*updater_), old.lock().get()) << "still the newest";
  reader.Rest();
  Upsert("c", 1);
  updater_->Step(/*publish=*/true);
  EXPECT_TRUE(old.expired());
  EXPECT_EQ(reader.Read(*updater_).scores.front().count(), 1u);
}

class ValueServiceTest : public ValueUpdaterTest {
 protected:
  absl::Status Curve(const std::string& request) {
    const ValueService service({.strategy = strategy_,
                                .store = &store_,
                                .clock = &clock_,
                                .updater = updater_.get(),
                                .max_report_customers = 12});
    curve_.Clear();
    violations_ = Violations();
    return service.GetProfitCurve(testing::FromText<pb::ValueServiceGetProfitCurveRequest>(request),
                                  &curve_, violations_);
  }
  std::string Problem() const {
    return violations_.empty() ? "" : violations_.kept().front().description;
  }

  pb::ValueServiceGetProfitCurveResponse curve_;
  Violations violations_;
};

TEST_F(ValueServiceTest, ComputesTheCurveFromAllCustomers) {
  Open();
  // 12 times these: by hand, 1200 together, of which the best 2 of 10 bring 1080.
  const double charges[] = {5, 60, 4, -4, 3, 30, 0, 8, -6, 0};
  for (int i = 0; i < 10; ++i) Upsert(absl::StrCat("c", i), charges[i]);
  ASSERT_TRUE(Curve("").ok());
  EXPECT_EQ(curve_.score(), "spend");
  EXPECT_EQ(curve_.currency(), "EUR");
  EXPECT_EQ(curve_.customers(), 10);
  EXPECT_EQ(curve_.total(), 1200);
  EXPECT_EQ(curve_.top_profit(), 1080);
  EXPECT_EQ(curve_.losing_customers(), 2);
  EXPECT_EQ(curve_.points_size(), 11);
  EXPECT_EQ(curve_.sentence(),
            "The best 20 % of customers bring 90 % of the profit, the last 20 % cost 10 %.");
}

TEST_F(ValueServiceTest, LeavesOutWhomItCannotRead) {
  Open();
  Upsert("a", 1);
  store_.SetRecord("b", "\x01 damaged");
  ASSERT_TRUE(Curve("").ok());
  EXPECT_EQ(curve_.customers(), 1);
  EXPECT_EQ(curve_.unreadable(), 1);
  EXPECT_FALSE(curve_.parts_withheld());
}

TEST_F(ValueServiceTest, StopsWhenNobodyWaits) {
  Open();
  const ValueService service(
      {.strategy = strategy_, .store = &store_, .clock = &clock_, .updater = updater_.get()});
  EXPECT_TRUE(
      absl::IsCancelled(service.GetProfitCurve({}, &curve_, violations_, [] { return true; })));
}

TEST_F(ValueServiceTest, SaysWhatIsWrongWithARequest) {
  Open();
  EXPECT_FALSE(Curve("score: \"spent\" max_points: 1001").ok());
  EXPECT_EQ(violations_.kept().size(), 2u);
  EXPECT_THAT(Problem(), HasSubstr("did you mean \"spend\"?"));
  for (int i = 0; i < 13; ++i) Upsert(absl::StrCat("c", i), i);
  EXPECT_TRUE(absl::IsResourceExhausted(Curve("")));
  updater_ = nullptr;
  EXPECT_TRUE(absl::IsFailedPrecondition(Curve("")));
}

TEST_F(ValueServiceTest, TellsNoScoreOfOneCustomerWhenItIsProtected) {
  Load("scores { name: \"wealth\" value: \"customer.income + 1.0\" }");
  Open();
  for (int i = 0; i < 9; ++i) Upsert(absl::StrCat("c", i), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(Curve("score: \"wealth\"")));
  Upsert("c9", 1);
  ASSERT_TRUE(Curve("score: \"wealth\"").ok());
  EXPECT_TRUE(curve_.protected_());
  EXPECT_EQ(curve_.customers(), 10);
  EXPECT_EQ(curve_.points_size(), 2);
  EXPECT_TRUE(curve_.parts_withheld());
  EXPECT_EQ(curve_.top_profit(), 0);
  EXPECT_EQ(curve_.highest(), 0);
  EXPECT_EQ(curve_.lowest(), 0);
  EXPECT_EQ(curve_.median(), 0);
}

TEST_F(ValueServiceTest, ListsScores) {
  Open();
  Upsert("c", 1);
  Settle();
  const ValueService service(
      {.strategy = strategy_, .store = &store_, .clock = &clock_, .updater = updater_.get()});
  pb::ValueServiceListScoresResponse response;
  Violations violations;
  ASSERT_TRUE(service.ListScores({}, &response, violations).ok());
  ASSERT_EQ(response.scores_size(), 1);
  const pb::Score& score = response.scores(0);
  EXPECT_EQ(score.name(), "spend");
  EXPECT_EQ(score.description(), "What the customer pays per year.");
  EXPECT_EQ(score.tiers_size(), 2);
  EXPECT_EQ(score.tiers(1).from_percentile(), 75);
  EXPECT_EQ(score.customers(), 1);
  EXPECT_TRUE(score.complete());
  EXPECT_FALSE(score.protected_());
}

}  // namespace
}  // namespace attune::service
