#include "lib/decision/decider.h"

#include <atomic>
#include <cmath>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "attune/storage/v1/event.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "lib/context/value_codec.h"
#include "lib/decision/explanation.h"
#include "lib/scoring/remote_model.h"
#include "tests/testing/fake_state_store.h"
#include "tests/testing/rejection_text.h"
#include "tests/testing/strategy_builder.h"

namespace attune::decision {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr int64_t kNowUs = 1'772'323'200'000'000;
constexpr char kId[] = "customer-1";

class DeciderTest : public ::testing::Test {
 protected:
  DeciderTest() : strategy_(testing::BuildSmallStrategy(builder_)) {
    context_.customer_id = kId;
    context_.channel = 0;
    context_.time_us = kNowUs;
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
    context_.max_treatments = 2;
  }

  absl::Status DecideInto(Decision& decision, const DecideOptions& options = {}) {
    return Decider(&store_, seed_)
        .Decide(
            *strategy_, context_, options,
            [this](const Decision&, AnswerForm, std::string* bytes) {
              ++answers_encoded_;
              *bytes = "answer " + std::to_string(answers_encoded_);
            },
            decision);
  }
  const Decision& Decide(const DecideOptions& options = {}) {
    std::destroy_at(&decision_);
    std::construct_at(&decision_);
    const absl::Status status = DecideInto(decision_, options);
    EXPECT_TRUE(status.ok()) << status;
    return decision_;
  }
  static DecideOptions DryRun(std::string_view request_id = "") {
    DecideOptions options = WithRequestId(request_id);
    options.dry_run = true;
    return options;
  }
  static DecideOptions WithRequestId(std::string_view id) {
    DecideOptions options;
    options.request_id = id;
    return options;
  }

  void SetFeatures(const std::string& features) {
    customer::RecordChange change;
    change.features = features;
    change.features_time_us = 1;
    const storage::Record before = store_.RecordOf(kId);
    std::string bytes;
    customer::EncodeRecord(*customer::CustomerState::Parse(before, kId), kId, change, bytes);
    store_.SetRecord(kId, bytes);
  }
  uint32_t FeatureNumber(std::string_view name) const {
    return strategy_->features[strategy_->features.SlotOf(name)].number;
  }
  uint32_t TreatmentNumber(std::string_view name) const {
    return strategy_->catalog.treatments[static_cast<size_t>(strategy_->catalog.Find(name))].number;
  }

  // Calls `look` with the state that the store holds.
  template <typename Look>
  void WithState(Look look) const {
    const storage::Record record = store_.RecordOf(kId);
    const auto state = customer::CustomerState::Parse(record, kId);
    ASSERT_TRUE(state.ok()) << state.status();
    look(*state);
  }
  uint64_t DecisionCount() const {
    uint64_t count = 0;
    WithState([&](const customer::CustomerState& state) { count = state.decision_count(); });
    return count;
  }

  std::vector<std::string> Ranking() const {
    std::vector<std::string> names;
    for (const auto& ranked : decision_.result.arbitration.ranked) {
      names.push_back(strategy_->catalog.treatments[static_cast<size_t>(ranked.treatment)].name);
    }
    return names;
  }
  attune::storage::v1::DecisionEvent LastEvent() const {
    attune::storage::v1::DecisionEvent event;
    const auto log = store_.Log();
    EXPECT_FALSE(log.empty());
    if (!log.empty()) {
      EXPECT_TRUE(event.ParseFromString(log.back().payload));
    }
    return event;
  }

  testing::StrategyBuilder builder_;
  std::shared_ptr<strategy::Strategy> strategy_;
  testing::FakeStateStore store_;
  HashKey seed_ = HashKeyFromSeed(1);
  context::DecisionContext context_;
  Decision decision_;
  int answers_encoded_ = 0;
};

TEST_F(DeciderTest, DecidesForAnUnknownCustomerWithDefaults) {
  Decide();
  EXPECT_TRUE(decision_.unknown_customer);
  EXPECT_EQ(decision_.degradation, 0u);
  EXPECT_THAT(Ranking(), Not(IsEmpty()));
  for (const ValueRef& value : decision_.features) EXPECT_FALSE(value.known());
}

TEST_F(DeciderTest, DecidesWithWhatTheStoreHolds) {
  Decide(DryRun());
  EXPECT_THAT(Ranking(), ElementsAre("fast_callback", "goodwill_credit"));
  std::string features;
  AppendValue(features, FeatureNumber("monthly_charges"), ValueRef::Double(-500));
  SetFeatures(features);
  Decide(DryRun());
  EXPECT_FALSE(decision_.unknown_customer);
  EXPECT_THAT(Ranking(), ElementsAre("accessory", "fast_callback"));
}

TEST_F(DeciderTest, TheNextDecisionSeesTheFormerOne) {
  Decide();
  const std::string top = Ranking()[0];
  WithState([&](const customer::CustomerState& state) {
    EXPECT_EQ(state.decision_count(), 1u);
    const auto history = state.History();
    ASSERT_EQ(history.size(), 1u);
    EXPECT_EQ(history[0].time_ms, kNowUs / 1000);
    EXPECT_EQ(history[0].channel, strategy_->context.channels[0].number);
    EXPECT_EQ(history[0].treatment, TreatmentNumber(top));
  });
  EXPECT_EQ(LastEvent().decision_count(), 0u);
  // On another channel it is the same customer.
  context_.channel = 1;
  context_.time_us += 1'000'000;
  Decide();
  EXPECT_TRUE(decision_.unknown_customer);
  EXPECT_EQ(LastEvent().decision_count(), 1u);
  WithState([&](const customer::CustomerState& state) {
    EXPECT_EQ(state.decision_count(), 2u);
    ASSERT_EQ(state.History().size(), 2u);
    EXPECT_EQ(state.History()[1].channel, strategy_->context.channels[1].number);
  });
}

TEST_F(DeciderTest, ADecisionThatRanksNothingTakesNoPlaceInTheHistory) {
  context_.restricted = true;
  Decide();
  EXPECT_THAT(Ranking(), IsEmpty());
  WithState([&](const customer::CustomerState& state) {
    EXPECT_EQ(state.decision_count(), 1u);
    EXPECT_THAT(state.History(), IsEmpty());
  });
  EXPECT_EQ(LastEvent().selection_probability_size(), 0);
}

TEST_F(DeciderTest, ADryRunRemembersNothing) {
  Decide(DryRun("request-1"));
  EXPECT_THAT(Ranking(), Not(IsEmpty()));
  EXPECT_FALSE(store_.RecordOf(kId).found);
  EXPECT_THAT(store_.Log(), IsEmpty());
  EXPECT_EQ(store_.writes(), 0);
  EXPECT_EQ(answers_encoded_, 0);
  // And what it said is what the decision says then.
  const auto peeked = decision_.result.arbitration.ranked[0].priority;
  Decide();
  EXPECT_EQ(decision_.result.arbitration.ranked[0].priority, peeked);
}

TEST_F(DeciderTest, ADryRunDoesNotLookAtTheRequestId) {
  Decide(WithRequestId("request-1"));
  Decide(DryRun("request-1"));
  EXPECT_FALSE(decision_.answered_before);
}

TEST_F(DeciderTest, TheSameRequestGetsTheEarlierAnswer) {
  Decide(WithRequestId("request-1"));
  EXPECT_FALSE(decision_.answered_before);
  Decide();
  Decide(WithRequestId("request-2"));
  Decide(WithRequestId("request-1"));
  EXPECT_TRUE(decision_.answered_before);
  EXPECT_EQ(decision_.stored_answer, "answer 1");
  EXPECT_EQ(DecisionCount(), 3u);
  EXPECT_EQ(store_.Log().size(), 3u);
  Decide(WithRequestId("request-2"));
  EXPECT_EQ(decision_.stored_answer, "answer 2");
}

TEST_F(DeciderTest, NoAnswerIsStoredWithoutARequestId) {
  Decide();
  EXPECT_EQ(answers_encoded_, 0);
  EXPECT_EQ(LastEvent().answer(), "");
  EXPECT_EQ(LastEvent().request_hash(), 0u);
  Decide(WithRequestId("request-1"));
  EXPECT_EQ(LastEvent().answer(), "answer 1");
  EXPECT_NE(LastEvent().request_hash(), 0u);
  EXPECT_NE(LastEvent().request_fingerprint(), 0u);
}

struct OtherContentCase {
  const char* name;
  std::function<void(context::DecisionContext&, DecideOptions&)> change;
};

TEST_F(DeciderTest, TheSameRequestIdWithAnotherContentIsRefused) {
  Decide(WithRequestId("request-1"));
  const context::DecisionContext before = context_;
  const OtherContentCase cases[] = {
      {"another channel", [](auto& c, auto&) { c.channel = 1; }},
      {"another intent", [](auto& c, auto&) { c.intent = 1; }},
      {"a time of its own", [](auto&, auto& o) { o.time_given = true; }},
      {"explanations", [](auto&, auto& o) { o.explain = true; }},
      {"more treatments", [](auto& c, auto&) { c.max_treatments = 3; }},
      {"a restriction", [](auto& c, auto&) { c.restricted = true, c.restricted_to = {0}; }},
      {"a restriction to nothing", [](auto& c, auto&) { c.restricted = true; }},
      {"another attribute", [](auto& c, auto&) { c.attributes[0] = ValueRef::Double(5); }},
      {"the default of an attribute, given",
       [](auto& c, auto&) { c.attributes[1] = ValueRef::String("none"); }},
  };
  for (const OtherContentCase& c : cases) {
    context_ = before;
    DecideOptions options = WithRequestId("request-1");
    c.change(context_, options);
    EXPECT_TRUE(absl::IsAlreadyExists(DecideInto(decision_, options))) << c.name;
  }
  EXPECT_EQ(DecisionCount(), 1u);
}

TEST_F(DeciderTest, ARepeatedRequestMayComeLater) {
  Decide(WithRequestId("request-1"));
  context_.time_us += 60'000'000;  // the server's clock, not the request's time
  Decide(WithRequestId("request-1"));
  EXPECT_TRUE(decision_.answered_before);
  // A time that the request names is part of it.
  DecideOptions options = WithRequestId("request-2");
  options.time_given = true;
  Decide(options);
  context_.time_us += 1;
  EXPECT_TRUE(absl::IsAlreadyExists(DecideInto(decision_, options)));
}

TEST_F(DeciderTest, AnIdOfAnUpsertIsNotOneOfADecision) {
  Decide(WithRequestId("request-1"));
  customer::RecordChange change;
  change.request =
      customer::RememberedRequest{customer::RequestKind::kUpsert, LastEvent().request_hash(),
                                  LastEvent().request_fingerprint(), 0};
  std::string bytes;
  customer::EncodeRecord(customer::CustomerState(), kId, change, bytes);
  store_.SetRecord(kId, bytes);
  EXPECT_TRUE(absl::IsAlreadyExists(DecideInto(decision_, WithRequestId("request-1"))));
}

TEST_F(DeciderTest, AnAnswerThatHasLeftTheLogIsDecidedAnewOnce) {
  Decide(WithRequestId("request-1"));
  ASSERT_TRUE(store_.TrimLog(0).ok());
  Decide(WithRequestId("request-1"));
  EXPECT_FALSE(decision_.answered_before);
  EXPECT_EQ(DecisionCount(), 2u);
  // Now there is an answer again.
  Decide(WithRequestId("request-1"));
  EXPECT_TRUE(decision_.answered_before);
  EXPECT_EQ(decision_.stored_answer, "answer 2");
  EXPECT_EQ(DecisionCount(), 2u);
}

TEST_F(DeciderTest, ALogThatCanNotBeReadMakesADegradedAnswerAndNotASecondDecision) {
  Decide(WithRequestId("request-1"));
  store_.SetFaults({.read_log = absl::UnavailableError("down")});
  Decide(WithRequestId("request-1"));
  EXPECT_FALSE(decision_.answered_before);
  EXPECT_EQ(decision_.degradation, kNotRemembered);
  EXPECT_THAT(Ranking(), ElementsAre("fast_callback", "goodwill_credit"));
  EXPECT_EQ(DecisionCount(), 1u);
  store_.SetFaults({});
  Decide(WithRequestId("request-1"));
  EXPECT_TRUE(decision_.answered_before);
  EXPECT_EQ(decision_.stored_answer, "answer 1");
}

TEST_F(DeciderTest, NeverAnswersWithTheEventOfAnotherRequest) {
  Decide(WithRequestId("request-1"));
  const auto first = LastEvent();
  Decide(WithRequestId("request-2"));
  const uint64_t position_of_second = store_.Log().back().position;
  // A record that points to the wrong event, as after a log that was restored from elsewhere.
  customer::RecordChange change;
  change.request = customer::RememberedRequest{customer::RequestKind::kDecide, first.request_hash(),
                                               first.request_fingerprint(), 0};
  std::string bytes;
  customer::EncodeRecord(customer::CustomerState(), kId, change, bytes);
  const size_t version_byte = bytes.size() - 4;  // before an empty history
  ASSERT_EQ(bytes[version_byte], 0);
  ASSERT_LT(position_of_second, 128u);
  bytes[version_byte] = static_cast<char>(position_of_second);
  store_.SetRecord(kId, bytes);
  Decide(WithRequestId("request-1"));
  EXPECT_FALSE(decision_.answered_before);
}

TEST_F(DeciderTest, DecidesAgainAfterAConflict) {
  bool raced = false;
  store_.BeforeCommit([&] {
    if (std::exchange(raced, true)) return;
    std::string features;
    AppendValue(features, FeatureNumber("monthly_charges"), ValueRef::Double(-500));
    SetFeatures(features);
  });
  Decide();
  EXPECT_EQ(decision_.conflicts, 1u);
  EXPECT_EQ(decision_.degradation, 0u);
  EXPECT_FALSE(decision_.unknown_customer);
  EXPECT_THAT(Ranking(), ElementsAre("accessory", "fast_callback"));
  EXPECT_EQ(store_.Log().size(), 1u);
  EXPECT_EQ(DecisionCount(), 1u);
}

TEST_F(DeciderTest, ARequestThatWonTheRaceMeanwhileGetsItsAnswer) {
  bool raced = false;
  store_.BeforeCommit([&] {
    if (std::exchange(raced, true)) return;
    Decision other;
    EXPECT_TRUE(DecideInto(other, WithRequestId("request-1")).ok());
  });
  Decide(WithRequestId("request-1"));
  EXPECT_TRUE(decision_.answered_before);
  EXPECT_EQ(DecisionCount(), 1u);
}

TEST_F(DeciderTest, GivesUpAfterEndlessConflicts) {
  store_.SetFaults({.conflicts = 1'000'000});
  EXPECT_TRUE(absl::IsAborted(DecideInto(decision_)));
  EXPECT_GT(decision_.conflicts, 10u);
  EXPECT_LE(store_.writes(), 1'000);
}

TEST_F(DeciderTest, AStoreThatCanNotBeReadMakesADegradedDecision) {
  std::string features;
  AppendValue(features, FeatureNumber("monthly_charges"), ValueRef::Double(-500));
  SetFeatures(features);
  store_.SetFaults({.load = absl::UnavailableError("down")});
  Decide(WithRequestId("request-1"));
  EXPECT_EQ(decision_.degradation, kCustomerUnavailable | kNotRemembered);
  EXPECT_FALSE(decision_.unknown_customer);
  EXPECT_THAT(Ranking(), ElementsAre("fast_callback", "goodwill_credit"));  // by the defaults
  for (const ValueRef& value : decision_.features) EXPECT_FALSE(value.known());
  EXPECT_EQ(store_.writes(), 0);
}

TEST_F(DeciderTest, ADamagedRecordMakesADegradedDecisionAndIsNotOverwritten) {
  const std::string bytes[] = {"", "\x01 damaged", "\x07"};
  for (const std::string& damaged : bytes) {
    store_.SetRecord(kId, damaged);
    Decide();
    EXPECT_EQ(decision_.degradation, kCustomerDamaged | kNotRemembered);
    EXPECT_EQ(store_.RecordOf(kId).bytes, damaged);
  }
  // The same for damage among the features, where the record's frame is sound.
  store_.SetRecord(kId, std::nullopt);
  SetFeatures("\x0C\x7F");
  Decide();
  EXPECT_EQ(decision_.degradation, kCustomerDamaged | kNotRemembered);
}

TEST_F(DeciderTest, AnotherCustomersRecordUnderTheSameKeyIsNotUsed) {
  customer::RecordChange change;
  std::string bytes;
  customer::EncodeRecord(customer::CustomerState(), "customer-2", change, bytes);
  store_.SetRecord(kId, bytes);
  Decide();
  EXPECT_EQ(decision_.degradation, kCustomerDamaged | kNotRemembered);
  EXPECT_EQ(store_.RecordOf(kId).bytes, bytes);
}

TEST_F(DeciderTest, AStoreThatCanNotBeWrittenIsToldInTheAnswer) {
  store_.SetFaults({.commit = absl::ResourceExhaustedError("disk full")});
  Decide();
  EXPECT_EQ(decision_.degradation, kNotRemembered);
  EXPECT_THAT(Ranking(), ElementsAre("fast_callback", "goodwill_credit"));
  store_.SetFaults({});
  Decide();
  EXPECT_EQ(decision_.degradation, 0u);
  EXPECT_EQ(DecisionCount(), 1u);
}

TEST_F(DeciderTest, AModelThatFailsDegradesTheDecision) {
  std::string features;
  AppendValue(features, FeatureNumber("income"), ValueRef::Double(std::nan("")));
  SetFeatures(features);
  Decide();
  EXPECT_EQ(decision_.degradation, kScoreNotFinite);
  EXPECT_THAT(Ranking(), ElementsAre("accessory"));
  EXPECT_EQ(LastEvent().degradation(), kScoreNotFinite);
}

TEST_F(DeciderTest, RemembersWhichModelGaveThePropensity) {
  std::vector<scoring::NamedModel>& models = strategy_->models.models;
  models[0].model =
      std::make_unique<scoring::RemoteModel>("solve", scoring::FeatureColumns(), nullptr);
  Decide();
  EXPECT_EQ(decision_.degradation, kModelFailed);
  EXPECT_THAT(Ranking(), ElementsAre("accessory"));

  // fast_callback, goodwill_credit and accessory are scored; the first two by solve.
  models[0].on_error = {scoring::OnError::Action::kFallback, 0, 1};
  Decide();
  EXPECT_EQ(LastEvent().degradation(), kModelFailed);
  EXPECT_THAT(LastEvent().model(), ElementsAre(1, 1, 1));
  EXPECT_THAT(LastEvent().defaulted(), ::testing::IsEmpty());

  models[0].on_error = {scoring::OnError::Action::kDefaultPropensity, 0.25, -1};
  Decide();
  EXPECT_EQ(LastEvent().degradation(), kModelFailed);
  EXPECT_THAT(LastEvent().model(), ElementsAre(0, 0, 1));
  EXPECT_THAT(LastEvent().defaulted(), ElementsAre(0, 1));
  EXPECT_EQ(LastEvent().propensity(0), 0.25f);
}

TEST_F(DeciderTest, OneSeedGivesOneAnswerToTheBit) {
  std::vector<std::string> ids;
  std::vector<std::string> logs;
  for (const uint64_t seed : {7, 7, 8}) {
    testing::FakeStateStore store;
    const Decider decider(&store, HashKeyFromSeed(seed));
    Decision decision;
    std::string all;
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(decider
                      .Decide(
                          *strategy_, context_, {},
                          [](const Decision&, AnswerForm, std::string*) {}, decision)
                      .ok());
      all.append(reinterpret_cast<const char*>(decision.id.data()), decision.id.size());
    }
    ids.push_back(all);
    logs.emplace_back();
    for (const auto& entry : store.Log()) logs.back() += entry.payload;
  }
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(logs[0], logs[1]);
  EXPECT_NE(ids[0], ids[2]);
}

TEST_F(DeciderTest, IdsLeadToTheCustomerAndAreAllDifferent) {
  const customer::DecisionIds reader(seed_);
  std::set<DecisionId> ids;
  const auto decide = [&](const DecideOptions& options = {}) {
    const DecisionId& id = Decide(options).id;
    const auto parts = reader.Read(id);
    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->customer, store_.KeyOf(kId));
    EXPECT_TRUE(ids.insert(id).second);
  };
  decide();
  decide();  // the same moment, one decision more
  context_.time_us += 1;
  decide();
  decide(WithRequestId("request-1"));
  EXPECT_EQ(LastEvent().decision_id(), std::string(decision_.id.begin(), decision_.id.end()));
}

TEST_F(DeciderTest, IsRememberedForOutcomesAsLongAsTheyMayCome) {
  const auto remembered = [&] {
    std::vector<customer::RememberedDecision> decisions;
    WithState([&](const customer::CustomerState& state) { decisions = state.Decisions(); });
    return decisions;
  };
  Decide();
  EXPECT_THAT(remembered(), IsEmpty()) << "the strategy declares no outcomes";
  strategy_->outcomes = context::NameTable({{"accepted", 1}});
  strategy_->decisions_kept_us = 1'000;
  const customer::RememberedDecision first{customer::DecisionIds::TagOf(Decide().id),
                                           store_.Log().back().position, kNowUs};
  EXPECT_THAT(remembered(), ElementsAre(first));
  Decide(DryRun());
  EXPECT_THAT(remembered(), ElementsAre(first));
  context_.time_us += 1'000;
  const customer::RememberedDecision second{customer::DecisionIds::TagOf(Decide().id),
                                            store_.Log().back().position, kNowUs + 1'000};
  EXPECT_THAT(remembered(), ElementsAre(first, second));
  context_.time_us += 1'001;
  Decide();
  EXPECT_EQ(remembered().size(), 1u);
}

TEST_F(DeciderTest, ADecisionThatRanksNothingPushesNoOtherOut) {
  strategy_->outcomes = context::NameTable({{"accepted", 1}});
  strategy_->decisions_kept_us = 1'000'000'000;
  const uint64_t first = customer::DecisionIds::TagOf(Decide().id);
  context_.restricted = true;
  for (size_t i = 0; i < customer::kMaxRememberedDecisions; ++i) {
    context_.time_us += 1;
    Decide();
  }
  WithState([&](const customer::CustomerState& state) {
    EXPECT_EQ(state.Decisions().size(), customer::kMaxRememberedDecisions);
    EXPECT_EQ(state.Decisions().front().tag, first);
  });
}

TEST_F(DeciderTest, TheEventHoldsWhatTheDecisionUsed) {
  std::string features;
  AppendValue(features, FeatureNumber("monthly_charges"), ValueRef::Double(80.5));
  // A feature that the strategy does not declare is kept as it was stored.
  AppendValue(features, 4'000, ValueRef::String("from another strategy"));
  SetFeatures(features);
  context_.channel = 0;
  context_.intent = 2;
  context_.attributes[0] = ValueRef::Double(90);
  context_.restricted = true;
  context_.restricted_to = {0, 1, 2};
  Decide();

  const auto event = LastEvent();
  EXPECT_EQ(event.decision_id().size(), 24u);
  EXPECT_EQ(event.time_us(), kNowUs);
  EXPECT_EQ(event.strategy_version(), strategy_->version);
  EXPECT_EQ(event.channel(), strategy_->context.channels[0].number);
  EXPECT_EQ(event.intent_plus_one(), strategy_->context.intents[1].number + 1);
  EXPECT_EQ(event.features(), features);
  std::string attributes;
  AppendValue(attributes, strategy_->context.attributes[0].number, ValueRef::Double(90));
  EXPECT_EQ(event.attributes(), attributes);
  EXPECT_THAT(event.model_versions(), ElementsAre("solve@ba9876543210", "sell@ba9876543210"));
  EXPECT_EQ(event.max_treatments(), 2u);
  EXPECT_EQ(event.degradation(), 0u);
  EXPECT_THAT(event.restricted_to(),
              ElementsAre(TreatmentNumber("fast_callback"), TreatmentNumber("goodwill_credit"),
                          TreatmentNumber("upgrade")));

  ASSERT_THAT(event.scored(),
              ElementsAre(TreatmentNumber("fast_callback"), TreatmentNumber("goodwill_credit"),
                          TreatmentNumber("upgrade")));
  ASSERT_EQ(event.propensity_size(), 3);
  EXPECT_THAT(event.model(), ElementsAre(0, 0, 1));
  std::vector<uint32_t> ranking;
  for (const auto& ranked : decision_.result.arbitration.ranked) {
    ranking.push_back(static_cast<uint32_t>(ranked.scored));
    EXPECT_EQ(event.propensity(ranked.scored),
              static_cast<float>(
                  decision_.result.scored.scored[static_cast<size_t>(ranked.scored)].propensity));
  }
  EXPECT_THAT(event.ranking(), ::testing::ElementsAreArray(ranking));
  EXPECT_EQ(event.rejected_size(), 2);
  EXPECT_EQ(event.rejected_reason_size(), 2);
  EXPECT_EQ(event.ranking_size() + event.rejected_size(),
            static_cast<int>(strategy_->catalog.treatments.size()));
  EXPECT_THAT(event.rejected_reason(),
              UnorderedElementsAre(static_cast<uint32_t>(candidates::Reason::kNotRequested),
                                   static_cast<uint32_t>(candidates::Reason::kOutranked)));
  double sum = 0;
  for (const double probability : event.selection_probability()) sum += probability;
  EXPECT_DOUBLE_EQ(sum, 1.0);
  ASSERT_EQ(event.selectable_size(), event.selection_probability_size());
  EXPECT_EQ(event.selectable(0), event.ranking(0));
}

// The encoder knows the wire format by itself; protobuf must agree with it to the byte.
TEST_F(DeciderTest, TheEventIsWhatProtobufWouldWrite) {
  std::string features;
  AppendValue(features, FeatureNumber("plan"), ValueRef::String("premium"));
  for (int situation = 0; situation < 16; ++situation) {
    context_.intent = situation & 1 ? 2 : context::kUnknownIntent;
    context_.attributes[1] = situation & 2 ? ValueRef::String("bill") : ValueRef::String("");
    context_.restricted = (situation & 4) != 0;
    context_.restricted_to.clear();
    if (context_.restricted) context_.restricted_to = {1, 3};
    if (situation & 8) SetFeatures(features);
    Decide(situation & 1 ? WithRequestId("request-" + std::to_string(situation)) : DecideOptions());
    const std::string written = store_.Log().back().payload;
    attune::storage::v1::DecisionEvent event;
    ASSERT_TRUE(event.ParseFromString(written));
    EXPECT_EQ(event.ByteSizeLong(), written.size());
    attune::storage::v1::DecisionEvent again;
    ASSERT_TRUE(again.ParseFromString(event.SerializeAsString()));
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(again, event));
    EXPECT_EQ(event.propensity_size(), event.scored_size());
    EXPECT_EQ(event.model_size(), event.scored_size());
  }
}

TEST_F(DeciderTest, TheEventBelongsToTheCustomersCommit) {
  Decide();
  const auto log = store_.Log();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log[0].customer, store_.KeyOf(kId));
  EXPECT_EQ(log[0].type, storage::EventType::kDecision);
  EXPECT_EQ(log[0].position, store_.RecordOf(kId).version.number);
  EXPECT_EQ(store_.last_durability(), storage::Durability::kProcess);
}

TEST_F(DeciderTest, CommitsAsDurablyAsItIsTold) {
  DecideOptions options;
  options.durability = storage::Durability::kFlush;
  Decide(options);
  EXPECT_EQ(store_.last_durability(), storage::Durability::kFlush);
  EXPECT_EQ(store_.flushes(), 0) << "that is the caller's";
}

TEST_F(DeciderTest, GivesAnEarlierAnswerOnlyWhenItIsFlushed) {
  Decide(WithRequestId("request-1"));
  store_.SetFaults({.flush = absl::UnavailableError("the disk is gone")});
  Decide(WithRequestId("request-1"));
  EXPECT_FALSE(decision_.answered_before);
  EXPECT_TRUE(decision_.degradation & kNotRemembered);
  store_.SetFaults({});
  Decide(WithRequestId("request-1"));
  EXPECT_TRUE(decision_.answered_before);
}

TEST_F(DeciderTest, MemoryThatIsReusedLeavesNoTrace) {
  // First a decision with everything in it, then a plain one into the same memory.
  std::string features;
  AppendValue(features, FeatureNumber("plan"), ValueRef::String("premium"));
  SetFeatures(features);
  context::DecisionContext rich = context_;
  rich.restricted = true;
  rich.restricted_to = {0, 2};
  rich.intent = 2;
  rich.attributes[1] = ValueRef::String("bill");
  std::swap(rich, context_);
  Decision reused;
  ASSERT_TRUE(DecideInto(reused, WithRequestId("request-1")).ok());
  ASSERT_TRUE(DecideInto(reused, WithRequestId("request-1")).ok());
  ASSERT_TRUE(reused.answered_before);
  std::swap(rich, context_);
  context_.customer_id = "customer-2";
  ASSERT_TRUE(DecideInto(reused).ok());
  const std::string from_reused = store_.Log().back().payload;

  testing::FakeStateStore other;
  Decision fresh;
  ASSERT_TRUE(
      Decider(&other, seed_)
          .Decide(
              *strategy_, context_, {}, [](const Decision&, AnswerForm, std::string*) {}, fresh)
          .ok());
  EXPECT_FALSE(reused.answered_before);
  EXPECT_TRUE(reused.unknown_customer);
  EXPECT_EQ(reused.id, fresh.id);
  EXPECT_EQ(from_reused, other.Log().back().payload);
}

// The small strategy with these contact policies for everything.
std::shared_ptr<strategy::Strategy> WithContact(testing::StrategyBuilder& builder,
                                                const std::string& contact) {
  return builder.BuildFromText(std::string(testing::kSmallStrategy) + contact,
                               {testing::kSolveModel, testing::kSellModel});
}

constexpr char kCapOfThree[] = R"pb(
  contact {
    name: "three_a_day"
    cap {
      at_most: 3
      outcomes: "decided"
      window { seconds: 86400 }
    }
  }
)pb";

TEST_F(DeciderTest, TheEventTellsByWhatATreatmentWasRejected) {
  strategy_ = WithContact(
      builder_, std::string(kCapOfThree) +
                    "eligibility { name: 'open' when: 'true' }"
                    "suitability { name: 'no_cable' when: \"treatment.name != 'accessory'\" }");
  for (int i = 0; i < 4; ++i) Decide();
  const attune::storage::v1::DecisionEvent event = LastEvent();
  EXPECT_THAT(event.rejected(),
              ElementsAre(TreatmentNumber("fast_callback"), TreatmentNumber("goodwill_credit"),
                          TreatmentNumber("upgrade"), TreatmentNumber("accessory")));
  const auto number = [](candidates::Reason reason) { return static_cast<uint32_t>(reason); };
  EXPECT_THAT(event.rejected_reason(), ElementsAre(number(candidates::Reason::kCapReached),
                                                   number(candidates::Reason::kCapReached),
                                                   number(candidates::Reason::kIntentNotApplicable),
                                                   number(candidates::Reason::kNotSuitable)));
  // The contact policy 0 twice, nothing for the intent, the rule 1.
  EXPECT_THAT(event.rejected_rule(), ElementsAre(0, 0, 1));
  EXPECT_EQ(event.ByteSizeLong(), store_.Log().back().payload.size());
}

class CappedDeciderTest : public DeciderTest {
 protected:
  CappedDeciderTest() { strategy_ = WithContact(builder_, kCapOfThree); }
};

TEST_F(CappedDeciderTest, ACapThatIsReachedOnOneChannelHoldsOnTheOtherInTheNextDecision) {
  for (int i = 0; i < 3; ++i) {
    context_.channel = i % 2;
    Decide();
    EXPECT_THAT(Ranking(), Not(IsEmpty()));
  }
  context_.channel = 1;
  Decide();
  EXPECT_THAT(Ranking(), IsEmpty());
  candidates::Rejection by_cap;
  by_cap.reason = candidates::Reason::kCapReached;
  by_cap.contact_policy = 0;
  const RejectionCounts& counts = decision_.result.rejected_counts;
  EXPECT_EQ(counts.CountOf(candidates::Reason::kCapReached), 3);
  ASSERT_EQ(counts.entries().size(), 2u);
  EXPECT_EQ(counts.entries()[1].cause, CauseOf(*strategy_, by_cap));
  context_.time_us += int64_t{86'400'000'000};
  Decide();
  EXPECT_THAT(Ranking(), Not(IsEmpty()));
}

TEST_F(CappedDeciderTest, SixtyFourThreadsAndACapOfThreeGiveExactlyThree) {
  const Decider decider(&store_, seed_);
  std::atomic<int> offered = 0;
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&] {
      Decision decision;
      const absl::Status status = decider.Decide(
          *strategy_, context_, {}, [](const Decision&, AnswerForm, std::string*) {}, decision);
      if (!status.ok()) ++failed;
      if (!decision.result.arbitration.ranked.empty()) ++offered;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(offered, 3);
  EXPECT_EQ(DecisionCount(), 64u);
}

TEST_F(DeciderTest, AnAnswerTooLongForTheStoreIsKeptWithoutItsExplanation) {
  const auto encode = [](const Decision&, AnswerForm form, std::string* bytes) {
    *bytes = form == AnswerForm::kAsAsked ? std::string(storage::kMaxEventBytes, 'x') : "short";
  };
  DecideOptions options = WithRequestId("request-1");
  options.explain = true;
  const Decider decider(&store_, seed_);
  ASSERT_TRUE(decider.Decide(*strategy_, context_, options, encode, decision_).ok());
  EXPECT_EQ(decision_.degradation, 0u);
  EXPECT_EQ(decision_.answer.size(), storage::kMaxEventBytes) << "the caller gets all of it";
  EXPECT_EQ(LastEvent().answer(), "short");
  ASSERT_TRUE(decider.Decide(*strategy_, context_, options, encode, decision_).ok());
  EXPECT_TRUE(decision_.answered_before);
  EXPECT_EQ(decision_.stored_answer, "short");
}

TEST_F(CappedDeciderTest, ExplainsTheCapAndFromWhenItAllowsAgain) {
  for (int i = 0; i < 4; ++i) Decide();
  ASSERT_EQ(decision_.result.policy.rejected.size(), 4u);
  const testing::RejectionText explanation = testing::ExplainRejection(
      *strategy_, context_, decision_, decision_.result.policy.rejected[0]);
  EXPECT_EQ(explanation.rule, "three_a_day");
  EXPECT_EQ(explanation.values[0].value, "3");
  EXPECT_EQ(explanation.needed, "< 3");
  EXPECT_EQ(explanation.allowed_from_ms, 1'772'409'600'000);
  EXPECT_EQ(explanation.detail,
            "cap three_a_day: 3 of at most 3 within 1d; allowed again from 2026-03-02T00:00:00Z");
}

TEST_F(CappedDeciderTest, WhatCanNotBeCountedIsNotOffered) {
  testing::FakeStateStore::Faults faults;
  faults.commit = absl::UnavailableError("disk full");
  store_.SetFaults(faults);
  Decide();
  EXPECT_EQ(decision_.degradation, kNotRemembered);
  EXPECT_THAT(Ranking(), IsEmpty());
  EXPECT_TRUE(decision_.result.policy.history_incomplete);
  faults.commit = absl::OkStatus();
  faults.load = absl::UnavailableError("gone");
  store_.SetFaults(faults);
  Decide();
  EXPECT_EQ(decision_.degradation, kCustomerUnavailable | kNotRemembered);
  EXPECT_THAT(Ranking(), IsEmpty());
}

TEST_F(DeciderTest, ARampReachesTheSameCustomersInEveryDecision) {
  const int accessory = strategy_->catalog.Find("accessory");
  catalog::Ramp& ramp = strategy_->catalog.ramps.emplace_back();
  ramp.treatment = accessory;
  ramp.full_at = 100;
  strategy_->catalog.treatments[static_cast<size_t>(accessory)].ramp = 0;
  const evidence::RampShares half(strategy_->catalog, {50});
  const evidence::RampShares all(strategy_->catalog, {100});
  DecideOptions options;
  const auto is_reached = [&] {
    Decide(options);
    bool reached = true;
    for (const candidates::Rejection& rejection : decision_.result.candidates.rejected) {
      if (rejection.reason != candidates::Reason::kNotReachedYet) continue;
      EXPECT_EQ(rejection.treatment, accessory);
      reached = false;
    }
    return reached;
  };
  int reached = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string id = "customer " + std::to_string(i);
    context_.customer_id = id;
    options.ramps = &half;
    const bool is_in = is_reached();
    reached += is_in;
    context_.time_us += 1'000;
    context_.channel = 1 - context_.channel;
    ASSERT_EQ(is_reached(), is_in) << "later, on the other channel";
    store_.SetFaults({.load = absl::UnavailableError("not now")});
    ASSERT_EQ(is_reached(), is_in) << "nothing of the customer can be read";
    store_.SetFaults({});
    options.ramps = &all;
    ASSERT_TRUE(is_reached());
    options.ramps = nullptr;
    ASSERT_TRUE(is_reached());
  }
  EXPECT_NEAR(reached, 100, 36) << "five standard deviations";
}

TEST_F(DeciderTest, MeasuresItsStages) {
  Decide();
  for (const Stage stage : {Stage::kCustomer, Stage::kDecision}) {
    EXPECT_GT(decision_.times.nanos[static_cast<size_t>(stage)], 0) << StageName(stage);
  }
}

// As the small strategy, but half of the decisions put any treatment on top, each with one chance.
class ExploringDeciderTest : public DeciderTest {
 protected:
  ExploringDeciderTest() {
    strategy_->arbitration.explorations = {
        {.method = arbitration::Exploration::Method::kEpsilonGreedy, .epsilon = 0.5}};
    strategy_->arbitration.exploration_of_group = {0, 0, 0};
    context_.intent = 2;
  }
  // Decides, each time a moment later, until exploration does as it should.
  void DecideUntil(bool explored) {
    for (int i = 0; i < 1'000; ++i) {
      context_.time_us += 1'000;
      if (Decide().result.arbitration.explored() == explored) return;
    }
    FAIL() << "never";
  }
};

TEST_F(ExploringDeciderTest, ChancesAreRememberedWithTheDecision) {
  DecideUntil(true);
  const attune::storage::v1::DecisionEvent event = LastEvent();
  ASSERT_EQ(event.scored_size(), 4);
  EXPECT_THAT(event.selectable(), ElementsAre(0, 1, 2, 3));
  ASSERT_EQ(event.selection_probability_size(), 4);
  double sum = 0;
  for (const double probability : event.selection_probability()) sum += probability;
  EXPECT_NEAR(sum, 1, 1e-9);
  const arbitration::ArbitrationResult& result = decision_.result.arbitration;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(event.selection_probability(i), result.SelectionProbabilityOf(i));
    EXPECT_DOUBLE_EQ(event.selection_probability(i), i == result.greedy ? 0.625 : 0.125);
  }
  EXPECT_EQ(event.greedy_plus_one(), static_cast<uint32_t>(result.greedy) + 1);
  EXPECT_NE(event.ranking(0), static_cast<uint32_t>(result.greedy));
  // What is on top, not the greedy choice, counts as decided.
  WithState([&](const customer::CustomerState& state) {
    const std::vector<customer::Interaction> history = state.History();
    ASSERT_FALSE(history.empty());
    EXPECT_EQ(history.back().treatment, event.scored(static_cast<int>(event.ranking(0))));
  });
  DecideUntil(false);
  EXPECT_EQ(LastEvent().greedy_plus_one(), 0u);
  EXPECT_EQ(LastEvent().selection_probability_size(), 4);
}

TEST_F(ExploringDeciderTest, WhoHasTheEventCanCheckThePick) {
  for (int i = 0; i < 100; ++i) {
    context_.time_us += 1'000;
    Decide();
    const attune::storage::v1::DecisionEvent event = LastEvent();
    const std::vector<double> chances(event.selection_probability().begin(),
                                      event.selection_probability().end());
    DecisionId id;
    ASSERT_EQ(event.decision_id().size(), id.size());
    std::copy(event.decision_id().begin(), event.decision_id().end(), id.begin());
    const size_t picked = arbitration::Pick(chances, arbitration::DrawOf(id));
    ASSERT_EQ(event.ranking(0), event.selectable(static_cast<int>(picked)));
  }
}

TEST_F(ExploringDeciderTest, TheSameIdGivesTheSamePick) {
  DecideUntil(true);
  context_.time_us += 1'000;
  // The same id, because nothing is remembered in between.
  std::set<std::vector<std::string>> rankings;
  std::set<DecisionId> ids;
  for (int i = 0; i < 10; ++i) {
    ids.insert(Decide(DryRun()).id);
    rankings.insert(Ranking());
  }
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(rankings.size(), 1u);
}

TEST_F(ExploringDeciderTest, ARetryGetsTheFirstPick) {
  Decide(WithRequestId("once"));
  const auto log = store_.Log().size();
  context_.time_us += 1'000;
  for (int i = 0; i < 10; ++i) {
    Decide(WithRequestId("once"));
    EXPECT_TRUE(decision_.answered_before);
    EXPECT_EQ(decision_.stored_answer, "answer 1");
  }
  EXPECT_EQ(store_.Log().size(), log);
}

// Nobody could learn from it: the chances would be in no event.
TEST_F(ExploringDeciderTest, WhatCanNotBeRememberedIsNotExplored) {
  struct Case {
    const char* name;
    testing::FakeStateStore::Faults faults;
  };
  const Case cases[] = {
      {"the record can't be read", {.load = absl::UnavailableError("gone")}},
      {"the record is damaged", {.load = absl::DataLossError("damaged")}},
      {"the decision can't be written", {.commit = absl::ResourceExhaustedError("disk full")}},
  };
  for (const Case& c : cases) {
    store_.SetFaults(c.faults);
    for (int i = 0; i < 100; ++i) {
      context_.time_us += 1'000;
      Decide();
      ASSERT_TRUE(decision_.degradation & kNotRemembered) << c.name;
      const arbitration::ArbitrationResult& result = decision_.result.arbitration;
      ASSERT_FALSE(result.explored()) << c.name;
      ASSERT_FALSE(result.ranked.empty()) << c.name;
      ASSERT_EQ(result.ranked[0].selection_probability, 1) << c.name;
      ASSERT_EQ(result.ranked[1].selection_probability, 0) << c.name;
      ASSERT_EQ(result.selectable.size(), 1u) << c.name;
    }
  }
  EXPECT_THAT(store_.Log(), IsEmpty());
  store_.SetFaults({});
  DecideUntil(true);
}

TEST_F(ExploringDeciderTest, ATestOfAStrategySeesTheGreedyChoice) {
  DecideOptions greedy;
  greedy.greedy = true;
  for (int i = 0; i < 100; ++i) {
    context_.time_us += 1'000;
    Decide(greedy);
    ASSERT_FALSE(decision_.result.arbitration.explored());
    ASSERT_DOUBLE_EQ(decision_.result.arbitration.ranked[0].selection_probability, 0.625);
  }
}

}  // namespace
}  // namespace attune::decision
