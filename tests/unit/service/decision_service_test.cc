#include "service/decision_service.h"

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "attune/storage/v1/event.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "lib/customer/profile_writer.h"
#include "lib/scoring/remote_model.h"
#include "prometheus/text_serializer.h"
#include "tests/testing/fake_state_store.h"
#include "tests/testing/strategy_builder.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'772'323'200);

class DecisionServiceTest : public ::testing::Test {
 protected:
  DecisionServiceTest()
      : strategy_(testing::BuildSmallStrategy(builder_)),
        metrics_(registry_, *strategy_),
        service_({.strategy = strategy_,
                  .store = &store_,
                  .seed = HashKeyFromSeed(1),
                  .clock = &clock_,
                  .metrics = &metrics_}) {
    request_.set_customer_id("customer-1");
    request_.set_channel("app");
  }

  pb::DecideResponse Decide(DecisionService& service) {
    std::string answer;
    violations_ = Violations();
    const absl::Status status = service.Decide(request_, &answer, violations_);
    EXPECT_TRUE(status.ok()) << status;
    pb::DecideResponse response;
    EXPECT_TRUE(response.ParseFromString(answer));
    return response;
  }
  pb::DecideResponse Decide() { return Decide(service_); }
  absl::Status Error() { return Error(service_); }
  absl::Status Error(DecisionService& service) {
    std::string answer;
    violations_ = Violations();
    absl::Status status = service.Decide(request_, &answer, violations_);
    if (!status.ok()) {
      EXPECT_EQ(answer, "") << "an error comes without an answer";
    }
    return status;
  }
  std::vector<std::string> Fields() const {
    std::vector<std::string> fields;
    for (const auto& violation : violations_.kept()) fields.push_back(violation.field);
    return fields;
  }

  std::string Scrape() const { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  testing::FakeStateStore store_;
  ManualClock clock_{kNow};
  telemetry::Registry registry_;
  DecisionMetrics metrics_;
  DecisionService service_;
  pb::DecideRequest request_;
  Violations violations_;
};

TEST_F(DecisionServiceTest, DecidesWithTheStrategyThatWasPublishedLast) {
  const std::shared_ptr<strategy::Strategy> other = testing::BuildSmallStrategy(builder_);
  other->version = "small@ffffffffffff";
  for (scoring::NamedModel& model : other->models.models) model.version = model.name + "@new";
  EXPECT_EQ(Decide().strategy_version(), "small@0123456789ab");
  const auto prepared = service_.Prepare(other);
  EXPECT_EQ(Decide().strategy_version(), "small@0123456789ab") << "not yet";
  service_.Publish(prepared);
  for (int i = 0; i < 3; ++i) {
    const pb::DecideResponse response = Decide();
    EXPECT_EQ(response.strategy_version(), "small@ffffffffffff");
    for (const pb::RankedTreatment& treatment : response.treatments()) {
      EXPECT_THAT(treatment.model_version(), ::testing::EndsWith("@new"));
    }
  }
  service_.Publish(service_.Prepare(strategy_));
  EXPECT_EQ(Decide().strategy_version(), "small@0123456789ab");
}

TEST_F(DecisionServiceTest, KeepsNoStrategyThatWasSwapped) {
  Decide();
  std::weak_ptr<const strategy::Strategy> gone;
  {
    const std::shared_ptr<strategy::Strategy> other = testing::BuildSmallStrategy(builder_);
    gone = other;
    service_.Publish(service_.Prepare(other));
    Decide();
  }
  EXPECT_FALSE(gone.expired());
  service_.Publish(service_.Prepare(strategy_));
  EXPECT_TRUE(gone.expired()) << "neither the pool of workspaces nor the service holds on to it";
}

TEST_F(DecisionServiceTest, AnswersWithTheRanking) {
  request_.set_intent("report_outage");
  const pb::DecideResponse response = Decide();
  EXPECT_THAT(response.decision_id(), ::testing::MatchesRegex("[0-9a-f]{48}"));
  EXPECT_EQ(response.strategy_version(), "small@0123456789ab");
  EXPECT_EQ(response.time().seconds(), absl::ToUnixSeconds(kNow));
  EXPECT_TRUE(response.unknown_customer());
  EXPECT_FALSE(response.degraded());
  ASSERT_EQ(response.treatments_size(), 2);
  const pb::RankedTreatment& top = response.treatments(0);
  EXPECT_EQ(top.treatment_id(), "fast_callback");
  EXPECT_EQ(top.group(), "resolution");
  EXPECT_THAT(top.content(), ElementsAre(Pair("text", "We call you back.")));
  EXPECT_EQ(top.value(), 100);
  EXPECT_EQ(top.cost(), 5);
  EXPECT_EQ(top.context_weight(), 1.5);
  EXPECT_DOUBLE_EQ(top.priority(), top.propensity() * 1.5 * 100 - 5);
  EXPECT_EQ(top.model_version(), "solve@ba9876543210");
  EXPECT_THAT(top.reasons(), IsEmpty());
  EXPECT_THAT(response.treatments(1).content(),
              UnorderedElementsAre(Pair("title", "Sorry"), Pair("text", "10 EUR back.")));
  EXPECT_THAT(response.rejected_treatments(), IsEmpty());
}

TEST_F(DecisionServiceTest, AnswersWithTheContentOfTheChannel) {
  request_.set_channel("ivr");
  EXPECT_THAT(Decide().treatments(0).content(), ElementsAre(Pair("queue", "fast")));
}

TEST_F(DecisionServiceTest, CountsWhatItRejected) {
  request_.set_channel("ivr");
  request_.set_max_treatments(1);
  const pb::DecideResponse response = Decide();
  std::map<std::string, int> counts;
  int total = response.treatments_size();
  for (const pb::RejectedCount& count : response.rejected_counts()) {
    counts[count.stage() + "." + count.reason()] = count.count();
    total += count.count();
  }
  EXPECT_THAT(counts, ElementsAre(Pair("arbitration.outranked", 2),
                                  Pair("candidates.no_content_for_channel", 1)));
  EXPECT_EQ(total, 4);
}

TEST_F(DecisionServiceTest, ExplainsEveryTreatmentWhenAsked) {
  request_.set_explain(true);
  request_.set_max_treatments(1);
  const pb::DecideResponse response = Decide();
  EXPECT_THAT(response.treatments(0).reasons(), ElementsAre("customer.income = (protected)"));
  ASSERT_EQ(response.rejected_treatments_size(), 3);
  const pb::RejectedTreatment& goodwill = response.rejected_treatments(0);
  EXPECT_EQ(goodwill.treatment_id(), "goodwill_credit");
  EXPECT_EQ(goodwill.group(), "care");
  EXPECT_EQ(goodwill.stage(), "arbitration");
  EXPECT_EQ(goodwill.reason(), "outranked");
  EXPECT_THAT(goodwill.detail(), HasSubstr("the last of the 1 ranked has"));
  EXPECT_TRUE(goodwill.has_propensity());
  EXPECT_DOUBLE_EQ(goodwill.priority(), goodwill.propensity() * 60 - 10);
  const pb::RejectedTreatment& upgrade = response.rejected_treatments(1);
  EXPECT_EQ(upgrade.treatment_id(), "upgrade");
  EXPECT_EQ(upgrade.reason(), "intent_not_applicable");
  EXPECT_FALSE(upgrade.has_propensity());
  EXPECT_FALSE(upgrade.has_priority());
  EXPECT_EQ(response.rejected_treatments(2).treatment_id(), "accessory");
}

TEST_F(DecisionServiceTest, AnswersWithAnEmptyRankingWhenNothingQualifies) {
  request_.add_treatment_ids("upgrade");
  const pb::DecideResponse response = Decide();
  EXPECT_THAT(response.treatments(), IsEmpty());
  EXPECT_EQ(response.rejected_counts_size(), 2);
  EXPECT_FALSE(response.degraded());
}

TEST_F(DecisionServiceTest, ListsEveryViolation) {
  request_.set_customer_id("a\n");
  request_.set_channel("ap");
  request_.set_max_treatments(101);
  (*request_.mutable_attributes())["wait_s"];
  request_.mutable_time()->set_seconds(253'402'300'799);
  const absl::Status status = Error();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(Fields(), UnorderedElementsAre("attributes[\"wait_s\"]", "customer_id", "channel",
                                             "time", "max_treatments"));
  EXPECT_EQ(store_.writes(), 0);
}

struct BadTimeCase {
  const char* name;
  int64_t seconds;
  int32_t nanos;
};

TEST_F(DecisionServiceTest, RefusesATimeThatIsNoTime) {
  const int64_t now = absl::ToUnixSeconds(kNow);
  const BadTimeCase cases[] = {
      {"negative nanos", now, -1},
      {"a second of nanos", now, 1'000'000'000},
      {"the year 1", -62'135'596'800, 0},
      {"the year 9999", 253'402'300'799, 999'999'999},
      {"the largest number", INT64_MAX, 999'999'999},
      {"the smallest number", INT64_MIN, 0},
      {"too late by a nanosecond", now + 300, 1'000},
  };
  for (const BadTimeCase& c : cases) {
    request_.mutable_time()->set_seconds(c.seconds);
    request_.mutable_time()->set_nanos(c.nanos);
    EXPECT_TRUE(absl::IsInvalidArgument(Error())) << c.name;
    EXPECT_THAT(Fields(), ElementsAre("time")) << c.name;
  }
  request_.mutable_time()->set_seconds(now + 300);
  request_.mutable_time()->set_nanos(0);
  EXPECT_TRUE(Error().ok());
}

TEST_F(DecisionServiceTest, BoundsTheAnswerToAHostileRequest) {
  for (int i = 0; i < 10'000; ++i) {
    (*request_.mutable_attributes())["name_" + std::to_string(i)].set_int_value(1);
    request_.add_treatment_ids(std::string(1'000, 'x'));
  }
  const absl::Status status = Error();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_LE(violations_.kept().size(), Violations::kMaxKept);
  EXPECT_LT(status.message().size(), 1'000u);
  request_.Clear();
  request_.set_customer_id("customer-1");
  request_.set_channel("app");
  for (int i = 0; i < 10'000; ++i) (*request_.mutable_attributes())[std::to_string(i)];
  EXPECT_TRUE(absl::IsInvalidArgument(Error()));
  EXPECT_LE(violations_.kept().size(), Violations::kMaxKept);
}

TEST_F(DecisionServiceTest, TakesAttributesIntoAccount) {
  const double before = Decide().treatments(0).propensity();
  (*request_.mutable_attributes())["wait_s"].set_int_value(90);
  EXPECT_GT(Decide().treatments(0).propensity(), before);
}

TEST_F(DecisionServiceTest, ARepeatedRequestGetsTheSameAnswer) {
  request_.set_request_id("request-1");
  request_.set_explain(true);
  const pb::DecideResponse first = Decide();
  clock_.Advance(absl::Seconds(90));
  const pb::DecideResponse again = Decide();
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(again, first));
  EXPECT_EQ(store_.Log().size(), 1u);
  request_.set_channel("ivr");
  EXPECT_TRUE(absl::IsAlreadyExists(Error()));
  EXPECT_THAT(Scrape(), HasSubstr("attune_repeated_requests_total 1\n"));
}

TEST_F(DecisionServiceTest, ARepeatedRequestGetsTheSameBytes) {
  for (const bool explain : {false, true}) {
    request_.set_explain(explain);
    request_.set_request_id(explain ? "request-1" : "request-2");
    std::string first;
    ASSERT_TRUE(service_.Decide(request_, &first, violations_).ok());
    clock_.Advance(absl::Seconds(90));
    std::string again;
    ASSERT_TRUE(service_.Decide(request_, &again, violations_).ok());
    EXPECT_EQ(again, first);
    // The message says the same.
    pb::DecideResponse parsed;
    ASSERT_TRUE(parsed.ParseFromString(first));
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(parsed, Decide()));
  }
  EXPECT_EQ(store_.Log().size(), 2u);
}

TEST_F(DecisionServiceTest, TheSameRequestsLeaveTheSameEventsToTheBit) {
  request_.set_request_id("request-1");
  Decide();
  for (int i = 0; i < 20; ++i) {
    testing::FakeStateStore store;
    DecisionService service({.strategy = strategy_,
                             .store = &store,
                             .seed = HashKeyFromSeed(1),
                             .clock = &clock_,
                             .metrics = &metrics_});
    Decide(service);
    ASSERT_EQ(store.Log().front().payload, store_.Log().front().payload);
  }
}

TEST_F(DecisionServiceTest, ADamagedEarlierAnswerIsReported) {
  request_.set_request_id("request-1");
  Decide();
  // The same record and log, with a damaged answer in the event.
  attune::storage::v1::DecisionEvent event;
  const storage::LogEntry entry = store_.Log().front();
  ASSERT_TRUE(event.ParseFromString(entry.payload));
  event.set_answer("\xFF damaged");
  const std::string payload = event.SerializeAsString();
  const storage::Event damaged{storage::EventType::kDecision, payload};
  const storage::Record record = store_.RecordOf("customer-1");
  storage::CustomerCommit commit;
  commit.key = store_.KeyOf("customer-1");
  commit.expected = record.version;
  commit.bytes = record.bytes;
  commit.events = absl::MakeConstSpan(&damaged, 1);
  ASSERT_TRUE(store_.Commit(commit, storage::Durability::kProcess).ok());
  EXPECT_TRUE(absl::IsDataLoss(Error()));
}

TEST_F(DecisionServiceTest, CountsWhatOnErrorDid) {
  strategy_->models.models[1].model =
      std::make_unique<scoring::RemoteModel>("sell", scoring::FeatureColumns(), nullptr);
  EXPECT_THAT(Decide().degraded_reasons(), ElementsAre("model_failed"));
  const std::string scrape = Scrape();
  EXPECT_THAT(scrape, HasSubstr("attune_model_errors_total{model=\"sell\",action=\"skip\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_model_errors_total{model=\"solve\",action=\"skip\"} 0\n"));
  EXPECT_THAT(scrape, HasSubstr("degraded_decisions_total{reason=\"model_failed\"} 1\n"));
}

TEST_F(DecisionServiceTest, OnlyDecisionsWithARemoteModelWait) {
  EXPECT_FALSE(service_.waits());
  strategy_->models.models[0].model =
      std::make_unique<scoring::RemoteModel>("solve", scoring::FeatureColumns(), nullptr);
  EXPECT_TRUE(DecisionService(
                  {.strategy = strategy_, .store = &store_, .clock = &clock_, .metrics = &metrics_})
                  .waits());
}

TEST_F(DecisionServiceTest, SaysInWhatWayItIsDegraded) {
  store_.SetFaults({.load = absl::UnavailableError("down")});
  pb::DecideResponse response = Decide();
  EXPECT_TRUE(response.degraded());
  EXPECT_THAT(response.degraded_reasons(), ElementsAre("customer_unavailable", "not_remembered"));
  EXPECT_FALSE(response.unknown_customer());
  EXPECT_THAT(response.treatments(), Not(IsEmpty()));
  store_.SetFaults({.commit = absl::UnavailableError("down")});
  response = Decide();
  EXPECT_THAT(response.degraded_reasons(), ElementsAre("not_remembered"));
  store_.SetFaults({.load = absl::DataLossError("damaged")});
  EXPECT_THAT(Decide().degraded_reasons(), ElementsAre("customer_damaged", "not_remembered"));
  const std::string scrape = Scrape();
  EXPECT_THAT(scrape, HasSubstr("degraded_decisions_total{reason=\"customer_unavailable\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("degraded_decisions_total{reason=\"customer_damaged\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("degraded_decisions_total{reason=\"not_remembered\"} 3\n"));
}

TEST_F(DecisionServiceTest, ADryRunAnswersAndRemembersNothing) {
  request_.set_dry_run(true);
  EXPECT_THAT(Decide().treatments(), Not(IsEmpty()));
  EXPECT_THAT(store_.Log(), IsEmpty());
  EXPECT_FALSE(store_.RecordOf("customer-1").found);
  EXPECT_THAT(Scrape(), HasSubstr("attune_dry_run_decisions_total 1\n"));
}

TEST_F(DecisionServiceTest, CountsDecisions) {
  Decide();
  request_.set_channel("ivr");
  Decide();
  request_.add_treatment_ids("upgrade");
  Decide();
  request_.set_channel("fax");
  EXPECT_FALSE(Error().ok());
  const std::string scrape = Scrape();
  const auto on_top = [](const std::string& channel, const std::string& group,
                         const std::string& treatment, int count) {
    return "attune_decisions_total{channel=\"" + channel + "\",group=\"" + group +
           "\",treatment=\"" + treatment + "\"} " + std::to_string(count) + "\n";
  };
  EXPECT_THAT(scrape, HasSubstr(on_top("app", "resolution", "fast_callback", 1)));
  EXPECT_THAT(scrape, HasSubstr(on_top("ivr", "resolution", "fast_callback", 1)));
  EXPECT_THAT(scrape, HasSubstr(on_top("ivr", "none", "none", 1)));
  EXPECT_THAT(scrape, HasSubstr(on_top("app", "none", "none", 0)));
  // A channel that can't carry a treatment has no series for it.
  EXPECT_THAT(scrape, Not(HasSubstr(on_top("ivr", "offer", "upgrade", 0))));
  EXPECT_THAT(scrape, HasSubstr("attune_rejections_total{stage=\"candidates\","
                                "reason=\"no_content_for_channel\",rule=\"\"} 2\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_rejections_total{stage=\"candidates\","
                                "reason=\"not_requested\",rule=\"\"} 3\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_stage_duration_seconds_count{stage=\"context\"} 3\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_unknown_customer_decisions_total 3\n"));
}

// A service for the small strategy with this added, and the metrics of its decisions.
class ExtendedDecisionServiceTest : public DecisionServiceTest {
 protected:
  void Extend(const std::string& more) {
    extended_ = builder_.BuildFromText(testing::kSmallStrategy + more,
                                       {testing::kSolveModel, testing::kSellModel});
    extended_metrics_ = std::make_unique<DecisionMetrics>(extended_registry_, *extended_);
    extended_service_ = std::make_unique<DecisionService>(
        DecisionService::Options{.strategy = extended_,
                                 .store = &store_,
                                 .seed = HashKeyFromSeed(1),
                                 .clock = &clock_,
                                 .metrics = extended_metrics_.get()});
  }
  // Where the customer is said to live.
  void LiveIn(std::string_view zone) {
    const customer::ProfileWriter writer(&store_, &clock_, HashKeyFromSeed(1));
    const int slot = extended_->features.SlotOf("zone");
    const customer::ProfileChange change{
        "customer-1", {{extended_->features[slot].number, ValueRef::String(zone)}}, false};
    ASSERT_TRUE(writer.Upsert(change, "").ok());
  }
  uint64_t Counted(const std::string& name) {
    return extended_registry_.AddCounter(name, "")->value();
  }

  std::shared_ptr<strategy::Strategy> extended_;
  telemetry::Registry extended_registry_;
  std::unique_ptr<DecisionMetrics> extended_metrics_;
  std::unique_ptr<DecisionService> extended_service_;
};

constexpr char kZoneFeature[] =
    "features { name: 'zone' type: VALUE_TYPE_STRING } history { time_zone_feature: 'zone' }";

TEST_F(ExtendedDecisionServiceTest, CountsDecisionsByATimeZoneThatThereIsNot) {
  const std::string policies[] = {
      "contact { name: 'night' quiet_hours { from: '21:00' until: '08:00' } }",
      "suitability { name: 'day' when: 'context.local_time.getHours() > 8' }"};
  uint64_t counted = 0;
  for (const std::string& policy : policies) {
    Extend(kZoneFeature + policy);
    for (const char* zone : {"Europe/Berlin", ""}) {
      LiveIn(zone);
      Decide(*extended_service_);
      EXPECT_EQ(Counted("attune_unknown_time_zone_decisions_total"), counted) << policy << zone;
    }
    LiveIn("Mars/Olympus");
    Decide(*extended_service_);
    EXPECT_EQ(Counted("attune_unknown_time_zone_decisions_total"), ++counted) << policy;
  }
}

TEST_F(ExtendedDecisionServiceTest, CountsDecisionsByAHistoryThatIsCutWithinAWindow) {
  const std::string policies[] = {
      "contact { name: 'cap' cap { at_most: 2 outcomes: 'decided' window { seconds: 3600 } } }",
      "suitability { name: 'few' when: \"history.all.count(['decided'], duration('1h')) < 2\" }"};
  uint64_t counted = 0;
  for (const std::string& policy : policies) {
    Extend("history { max_interactions: 1 }" + policy);
    clock_.Advance(absl::Hours(2));
    for (int i = 0; i < 2; ++i) Decide(*extended_service_);
    EXPECT_EQ(Counted("attune_incomplete_history_decisions_total"), counted) << policy;
    EXPECT_THAT(Decide(*extended_service_).treatments(), IsEmpty()) << "it may be the third";
    EXPECT_EQ(Counted("attune_incomplete_history_decisions_total"), ++counted) << policy;
  }
}

TEST_F(DecisionServiceTest, CountsConflicts) {
  store_.SetFaults({.conflicts = 2});
  Decide();
  EXPECT_THAT(Scrape(), HasSubstr("attune_commit_conflicts_total 2\n"));
}

TEST_F(DecisionServiceTest, AReplayIsDrivenByItsRequests) {
  ManualClock clock(absl::UnixEpoch());
  DecisionService service({.strategy = strategy_,
                           .store = &store_,
                           .seed = HashKeyFromSeed(1),
                           .clock = &clock,
                           .replay_clock = &clock,
                           .metrics = &metrics_});
  const auto at = [&](int64_t seconds) {
    request_.mutable_time()->set_seconds(seconds);
    return Decide(service).time().seconds();
  };
  EXPECT_EQ(at(1'000'000), 1'000'000);
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(1'000'000));
  // An earlier request is decided for its own time and does not turn the clock back.
  EXPECT_EQ(at(500'000), 500'000);
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(1'000'000));
  request_.clear_time();
  EXPECT_EQ(Decide(service).time().seconds(), 1'000'000);
  EXPECT_EQ(at(4'000'000'000), 4'000'000'000);
}

TEST_F(DecisionServiceTest, AReplayStartsWithATimeAndIsNotMovedByDryRuns) {
  ManualClock clock(DecisionService::kReplayStart);
  DecisionService service({.strategy = strategy_,
                           .store = &store_,
                           .seed = HashKeyFromSeed(1),
                           .clock = &clock,
                           .replay_clock = &clock,
                           .metrics = &metrics_});
  EXPECT_TRUE(absl::IsInvalidArgument(Error(service)));
  EXPECT_THAT(Fields(), ElementsAre("time"));
  request_.mutable_time()->set_seconds(7'000'000'000);
  request_.set_dry_run(true);
  EXPECT_EQ(Decide(service).time().seconds(), 7'000'000'000);
  EXPECT_EQ(clock.Now(), DecisionService::kReplayStart);
}

TEST_F(DecisionServiceTest, ARefusedRequestDoesNotMoveTheClockOfAReplay) {
  ManualClock clock(absl::UnixEpoch());
  DecisionService service({.strategy = strategy_,
                           .store = &store_,
                           .seed = HashKeyFromSeed(1),
                           .clock = &clock,
                           .replay_clock = &clock,
                           .metrics = &metrics_});
  request_.mutable_time()->set_seconds(7'000'000'000);
  request_.set_channel("fax");
  EXPECT_TRUE(absl::IsInvalidArgument(Error(service)));
  EXPECT_EQ(clock.Now(), absl::UnixEpoch());
}

TEST_F(DecisionServiceTest, DecidesOnManyThreads) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (int i = 0; i < 50; ++i) {
        pb::DecideRequest request = request_;
        request.set_customer_id("customer-" + std::to_string((thread + i) % 3));
        std::string answer;
        Violations violations;
        EXPECT_TRUE(service_.Decide(request, &answer, violations).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store_.Log().size(), 200u);
}

TEST_F(DecisionServiceTest, TheNextDecisionIsExplainedByWhatWasWritten) {
  const customer::ProfileWriter writer(&store_, &clock_, HashKeyFromSeed(1));
  const int slot = strategy_->features.SlotOf("plan");
  const customer::ProfileChange change{
      "customer-1", {{strategy_->features[slot].number, ValueRef::String("premium")}}, false};
  ASSERT_TRUE(writer.Upsert(change, "").ok());
  request_.set_explain(true);
  request_.add_treatment_ids("accessory");
  const pb::DecideResponse response = Decide();
  EXPECT_FALSE(response.unknown_customer());
  EXPECT_THAT(response.treatments(0).reasons(), ElementsAre("customer.plan = \"premium\" (-2.00)"));
}

}  // namespace
}  // namespace attune::service
