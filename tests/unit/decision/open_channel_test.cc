// Decisions that leave the channel open, and those that fill places: what is remembered, logged and
// explained.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attune/storage/v1/event.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/decision/decider.h"
#include "lib/decision/explanation.h"
#include "tests/testing/fake_state_store.h"
#include "tests/testing/rejection_text.h"
#include "tests/testing/strategy_builder.h"

namespace attune::decision {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kMidnightUs = 1'772'323'200'000'000;  // 2026-03-01, a Sunday
constexpr int64_t kHourMs = 3'600'000;
constexpr char kCustomer[] = "customer-1";
constexpr int kApp = 0;
constexpr int kIvr = 1;

class OpenChannelTest : public ::testing::Test {
 protected:
  // Decides with the small strategy and what is added to it.
  void Use(const std::string& more) {
    strategy_ = builder_.BuildFromText(testing::kSmallStrategy + more,
                                       {testing::kSolveModel, testing::kSellModel});
    context_ = {};
    context_.customer_id = kCustomer;
    context_.open_channels = {kApp, kIvr};
    context_.time_us = kMidnightUs;
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
    context_.max_treatments = 2;
  }
  // On the ivr an accessory is worth most then: 0.3775 x 10 x 30 - 1 = 112. Next is the fast
  // callback, on either channel: 0.7311 x 100 - 5 = 68.
  void UseWithOffersOnTheIvr() {
    Use("");
    constexpr int kOffer = 2;
    strategy_->arbitration.context_weights.push_back(
        {kOffer, context::ChannelSet().set(kIvr), context::IntentSet().set(), 900});
  }
  absl::Status Decide(std::string_view request_id = "") {
    const auto answer = [](const Decision&, AnswerForm, std::string* bytes) { *bytes = "answer"; };
    DecideOptions options;
    options.request_id = request_id;
    return Decider(&store_, HashKeyFromSeed(1))
        .Decide(*strategy_, context_, options, answer, decision_);
  }
  // "accessory on ivr"
  std::vector<std::string> Ranking() const {
    std::vector<std::string> names;
    for (const auto& ranked : decision_.result.arbitration.ranked) {
      const int channel = context_.ChannelOf(decision_.result.SlotOf(ranked));
      names.push_back(strategy_->catalog.treatments[static_cast<size_t>(ranked.treatment)].name +
                      " on " + strategy_->context.channels[channel].name);
    }
    return names;
  }
  attune::storage::v1::DecisionEvent LastEvent() const {
    attune::storage::v1::DecisionEvent event;
    const auto log = store_.Log();
    EXPECT_FALSE(log.empty());
    EXPECT_TRUE(!log.empty() && event.ParseFromString(log.back().payload));
    return event;
  }
  uint32_t NumberOf(int channel) const { return strategy_->context.channels[channel].number; }

  testing::StrategyBuilder builder_;
  std::shared_ptr<strategy::Strategy> strategy_;
  testing::FakeStateStore store_;
  context::DecisionContext context_;
  Decision decision_;
};

TEST_F(OpenChannelTest, IsRememberedOnTheChannelOfTheFirst) {
  UseWithOffersOnTheIvr();
  ASSERT_TRUE(Decide().ok());
  EXPECT_THAT(Ranking(), ElementsAre("accessory on ivr", "fast_callback on app"));
  EXPECT_EQ(decision_.result.ChannelOf(context_), kIvr);
  const storage::Record record = store_.RecordOf(kCustomer);
  const auto state = customer::CustomerState::Parse(record, kCustomer);
  ASSERT_TRUE(state.ok()) << state.status();
  std::vector<customer::Interaction> history;
  ASSERT_TRUE(state->ReadHistory(history));
  ASSERT_THAT(history, SizeIs(1));
  EXPECT_EQ(history[0].channel, NumberOf(kIvr));
}

TEST_F(OpenChannelTest, TheEventSaysWhichChannelsWereOpenAndWhichWereChosen) {
  UseWithOffersOnTheIvr();
  ASSERT_TRUE(Decide().ok());
  const auto event = LastEvent();
  EXPECT_EQ(event.channel(), NumberOf(kIvr));
  EXPECT_THAT(event.open_channels(), ElementsAre(NumberOf(kApp), NumberOf(kIvr)));
  // fast_callback, goodwill_credit, accessory; upgrade is for another intent.
  EXPECT_THAT(event.scored_channel(), ElementsAre(0u, 0u, 1u));
  EXPECT_EQ(event.rejected_channel_size(), event.rejected_size());
  EXPECT_EQ(event.rejected_size(), 2);
  context_.open_channels.clear();
  context_.channel = kApp;
  ASSERT_TRUE(Decide().ok());
  EXPECT_THAT(LastEvent().open_channels(), IsEmpty());
  EXPECT_THAT(LastEvent().scored_channel(), IsEmpty());
}

TEST_F(OpenChannelTest, ExplorationDrawsAmongTreatmentsEachOnItsChannel) {
  UseWithOffersOnTheIvr();
  strategy_->arbitration.explorations = {
      {.method = arbitration::Exploration::Method::kEpsilonGreedy, .epsilon = 1}};
  strategy_->arbitration.exploration_of_group = {0, 0, 0};
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Decide().ok());
    // Six pairs of a treatment and a channel are allowed; three treatments compete.
    ASSERT_THAT(decision_.result.arbitration.selectable, SizeIs(3));
    for (const auto& selectable : decision_.result.arbitration.selectable) {
      EXPECT_NEAR(selectable.probability, 1.0 / 3, 1e-9);
    }
    const std::string top = Ranking().front();
    EXPECT_TRUE(top == "accessory on ivr" || top == "fast_callback on app" ||
                top == "goodwill_credit on app")
        << top;
    EXPECT_EQ(LastEvent().channel(), NumberOf(top == "accessory on ivr" ? kIvr : kApp));
  }
}

// A model that waits for another process, and says whether the channel matters.
class CountedModel : public scoring::Model {
 public:
  CountedModel(bool depends_on_channel, int* asked)
      : depends_on_channel_(depends_on_channel), asked_(*asked) {}

  void Predict(const scoring::InputFrame&, absl::Span<const int>, absl::Span<double> propensity,
               scoring::ModelScratch&) const override {
    ++asked_;
    for (double& one : propensity) one = 0.5;
  }
  bool Waits() const override { return true; }
  bool DependsOnChannel() const override { return depends_on_channel_; }

 private:
  const bool depends_on_channel_;
  int& asked_;
};

class WaitingModelsTest : public OpenChannelTest, public ::testing::WithParamInterface<bool> {};

TEST_P(WaitingModelsTest, AreAskedOncePerChannelOnlyWhereItMatters) {
  Use("");
  int asked = 0;
  for (scoring::NamedModel& model : strategy_->models.models) {
    model.model = std::make_unique<CountedModel>(GetParam(), &asked);
  }
  ASSERT_TRUE(Decide().ok());
  EXPECT_EQ(asked, GetParam() ? 4 : 2) << "two models, two channels";
  EXPECT_THAT(decision_.result.scored.scored, SizeIs(3));
  for (const auto& scored : decision_.result.scored.scored) EXPECT_EQ(scored.propensity, 0.5);
}

INSTANTIATE_TEST_SUITE_P(Models, WaitingModelsTest, ::testing::Bool());

TEST_F(OpenChannelTest, ARetryHasTheSameChannelsAndPlaces) {
  Use("placements { name: 'hero' } placements { name: 'strip' }");
  ASSERT_TRUE(Decide("r").ok());
  ASSERT_TRUE(Decide("r").ok());
  EXPECT_TRUE(decision_.answered_before);
  context_.placements = {0};
  EXPECT_TRUE(absl::IsAlreadyExists(Decide("r")));
  context_.placements.clear();
  context_.open_channels = {kApp};
  EXPECT_TRUE(absl::IsAlreadyExists(Decide("r")));
  context_.open_channels.clear();
  EXPECT_TRUE(absl::IsAlreadyExists(Decide("r"))) << "a named channel is another request";
  context_.open_channels = {kApp, kIvr};
  context_.placements = {0, 1};
  ASSERT_TRUE(Decide("s").ok());
  context_.placements = {1, 0};
  EXPECT_TRUE(absl::IsAlreadyExists(Decide("s"))) << "the order of the places counts";
}

TEST_F(OpenChannelTest, TheEventSaysWhichPlaceEachTreatmentIsIn) {
  Use("placements { name: 'care_box' groups: 'care' } placements { name: 'hero' }");
  context_.open_channels.clear();
  context_.placements = {1, 0};
  context_.max_treatments = 100;
  ASSERT_TRUE(Decide().ok());
  EXPECT_THAT(Ranking(), ElementsAre("fast_callback on app", "goodwill_credit on app"));
  const auto event = LastEvent();
  EXPECT_THAT(event.placements(), ElementsAre("hero", "care_box"));
  EXPECT_THAT(event.ranking_placement(), ElementsAre(0u, 1u));
}

// The hotline, the fourth that is scored, is worth 0.7311 x 90 = 66 on the app, where the fast
// callback is worth 68, and 58 on the ivr, more than all others.
TEST_F(OpenChannelTest, TheEventSaysFromWhichChannelATreatmentMoved) {
  Use(R"pb(
    placements { name: "hero" channels: "app" }
    placements { name: "line" channels: "ivr" }
    treatments {
      name: "hotline"
      group: "resolution"
      model: "solve"
      computed_value: "context.channel == 'app' ? 90.0 : 80.0"
      content { key: "app" }
      content { key: "ivr" }
    }
  )pb");
  context_.placements = {0, 1};
  ASSERT_TRUE(Decide().ok());
  EXPECT_THAT(Ranking(), ElementsAre("fast_callback on app", "hotline on ivr"));
  const auto event = LastEvent();
  ASSERT_EQ(event.scored_size(), 4);
  EXPECT_EQ(event.scored_channel(3), 1u);
  EXPECT_EQ(event.value(3), 80);
  EXPECT_THAT(event.moved(), ElementsAre(3u));
  EXPECT_THAT(event.moved_from_channel(), ElementsAre(0u));
  EXPECT_THAT(event.moved_propensity(), ElementsAre(event.propensity(3)));
  EXPECT_THAT(event.moved_value(), ElementsAre(90));
  EXPECT_THAT(event.moved_cost(), ElementsAre(0));
}

TEST_F(OpenChannelTest, ARejectionIsExplainedWithWhatItsChannelSaw) {
  Use(R"pb(
    treatments {
      name: "hotline"
      group: "care"
      model: "solve"
      content { key: "ivr" }
      suitability { name: "not_here" when: "context.channel == 'app'" }
    }
  )pb");
  ASSERT_TRUE(Decide().ok());
  const int hotline = strategy_->catalog.Find("hotline");
  std::optional<candidates::Rejection> rejection;
  decision_.result.ForEachRejection([&](const candidates::Rejection& one) {
    if (one.treatment == hotline) rejection = one;
  });
  ASSERT_TRUE(rejection);
  EXPECT_EQ(rejection->reason, candidates::Reason::kNotSuitable)
      << "on the ivr it came further than on the app, which can't carry it";
  EXPECT_EQ(rejection->slot, 1);
  const auto text = testing::ExplainRejection(*strategy_, context_, decision_, *rejection);
  ASSERT_THAT(text.values, SizeIs(1));
  EXPECT_EQ(text.values[0].name, "context.channel");
  EXPECT_THAT(text.values[0].value, HasSubstr("ivr"));
}

TEST_F(OpenChannelTest, AFormulaIsExplainedWithWhatItsChannelSaw) {
  Use(R"pb(
    models { name: "fails" formula: "double(1 / (context.channel == 'ivr' ? 0 : 1))" }
    treatments {
      name: "hotline"
      group: "care"
      model: "fails"
      content { key: "ivr" }
    }
  )pb");
  ASSERT_TRUE(Decide().ok());
  std::optional<candidates::Rejection> rejection;
  decision_.result.ForEachRejection([&](const candidates::Rejection& one) {
    if (one.treatment == strategy_->catalog.Find("hotline")) rejection = one;
  });
  ASSERT_TRUE(rejection);
  EXPECT_EQ(rejection->reason, candidates::Reason::kScoreError);
  EXPECT_EQ(rejection->slot, 1);
  const auto text = testing::ExplainRejection(*strategy_, context_, decision_, *rejection);
  EXPECT_THAT(text.detail, HasSubstr("division by zero; context.channel = "));
  EXPECT_THAT(text.detail, HasSubstr("ivr"));
}

TEST_F(OpenChannelTest, TellsWhatCanBeUsedFirst) {
  Use(R"pb(
    contact {
      name: "calls"
      quiet_hours { from: "00:00" until: "09:00" channels: "ivr" }
    }
    contact {
      name: "app"
      quiet_hours { from: "00:00" until: "11:00" channels: "app" }
    }
  )pb");
  ASSERT_TRUE(Decide().ok());
  EXPECT_THAT(Ranking(), IsEmpty());
  const std::optional<Opportunity>& earliest = decision_.result.earliest;
  ASSERT_TRUE(earliest);
  // Of the three that the ivr can carry it has the highest value.
  EXPECT_EQ(earliest->treatment, strategy_->catalog.Find("fast_callback"));
  EXPECT_EQ(context_.ChannelOf(earliest->slot), kIvr);
  EXPECT_EQ(earliest->time_ms, kMidnightUs / 1000 + 9 * kHourMs);
  context_.time_us += 12 * kHourMs * 1000;
  ASSERT_TRUE(Decide().ok());
  EXPECT_THAT(Ranking(), SizeIs(2));
  EXPECT_FALSE(decision_.result.earliest) << "something is ranked";
}

TEST_F(OpenChannelTest, AFallbackDoesNotHideWhatComesFirst) {
  Use(R"pb(
    treatments {
      name: "survey"
      group: "care"
      value: 10
      model: "sell"
      contact {
        name: "night"
        quiet_hours { from: "00:00" until: "09:00" }
      }
      content {
        key: "app"
        value { fields { key: "text" value: "How are we doing?" } }
      }
    }
    treatments {
      name: "menu"
      group: "care"
      value: 1
      model: "sell"
      only_as_fallback: true
      content {
        key: "app"
        value { fields { key: "text" value: "What can we do?" } }
      }
    }
    fallbacks { treatment: "menu" }
  )pb");
  const int survey = strategy_->catalog.Find("survey");
  context_.restricted = true;
  context_.restricted_to = {survey, strategy_->catalog.Find("menu")};
  ASSERT_TRUE(Decide().ok());
  EXPECT_THAT(Ranking(), ElementsAre("menu on app"));
  ASSERT_TRUE(decision_.result.earliest);
  EXPECT_EQ(decision_.result.earliest->treatment, survey);
  EXPECT_EQ(decision_.result.earliest->time_ms, kMidnightUs / 1000 + 9 * kHourMs);
}

TEST_F(OpenChannelTest, WhatIsNoLongerValidThenIsNoOpportunity) {
  Use("contact { name: 'night' quiet_hours { from: '00:00' until: '09:00' } }");
  for (catalog::Treatment& treatment : strategy_->catalog.treatments) {
    treatment.valid_until_us = kMidnightUs + 9 * kHourMs * 1000;
  }
  ASSERT_TRUE(Decide().ok());
  EXPECT_FALSE(decision_.result.earliest);
  const auto accessory = static_cast<size_t>(strategy_->catalog.Find("accessory"));
  ++strategy_->catalog.treatments[accessory].valid_until_us;
  ASSERT_TRUE(Decide().ok());
  ASSERT_TRUE(decision_.result.earliest);
  EXPECT_EQ(decision_.result.earliest->treatment, static_cast<int>(accessory));
}

TEST_F(OpenChannelTest, WhenDoesNotTellAProtectedTimeZone) {
  Use(R"pb(
    features { name: "zone" type: VALUE_TYPE_STRING protected: true }
    history { time_zone_feature: "zone" }
    contact {
      name: "night"
      quiet_hours { from: "00:00" until: "09:00" }
    }
  )pb");
  ASSERT_TRUE(Decide().ok());
  EXPECT_THAT(Ranking(), IsEmpty());
  EXPECT_FALSE(decision_.result.earliest);
}

TEST_F(OpenChannelTest, TheNextDecisionForgetsTheOpenOne) {
  UseWithOffersOnTheIvr();
  ASSERT_TRUE(Decide().ok());
  context_.open_channels.clear();
  context_.channel = kApp;
  ASSERT_TRUE(Decide().ok());
  EXPECT_THAT(Ranking(), ElementsAre("fast_callback on app", "goodwill_credit on app"));
  EXPECT_EQ(decision_.result.open_channels, 0u);
  EXPECT_EQ(decision_.result.ChannelOf(context_), kApp);
}

}  // namespace
}  // namespace attune::decision
