#include "lib/decision/decision_pipeline.h"

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/context/value_codec.h"
#include "lib/scoring/remote_model.h"
#include "tests/testing/effort.h"
#include "tests/testing/strategy_builder.h"

namespace attune::decision {
namespace {

namespace pb = attune::strategy::v1;

using ::testing::ElementsAre;

constexpr const char* kContactPolicies[] = {
    "cap { at_most: 2 outcomes: 'decided' window { seconds: 100 } }",
    "cap { at_most: 1 outcomes: 'seen' window { seconds: 50 } per: SCOPE_TREATMENT }",
    "suppression { outcomes: 'seen' for { seconds: 200 } of: SCOPE_GROUP }",
    "min_gap { gap { seconds: 20 } outcomes: 'decided' outcomes: 'seen' }",
    "quiet_hours { from: '00:01' until: '00:03' }",
    "quiet_hours { from: '00:05' until: '00:03' channels: 'channel_1' }",
    "allowed_weekdays { weekdays: WEEKDAY_FRIDAY }",
    "allowed_weekdays { weekdays: WEEKDAY_THURSDAY }",
    "exclusion { groups: 'group_0' outcomes: 'seen' window { seconds: 90 } }",
};

constexpr const char* kRules[] = {
    "customer.x < 60.0",
    "derived.half > 5.0",
    "context.channel != 'channel_1' || treatment.group == 'group_0'",
    "history.treatment.count(['seen'], duration('100s')) == 0",
    "history.all.on_channel.last(['decided', 'seen']) < context.time - duration('10s')",
    "1 / (int(customer.x) - 42) < 1000",
    "customer.x in [1.0, 2.0, 3.0] || has(customer.x)",
};

// A strategy with everything drawn at random: validity, content, channels and intents, rules,
// models and formulas that fail, purposes, contact policies, fallbacks, limits. Names are unique.
std::shared_ptr<strategy::Strategy> RandomStrategy(std::mt19937_64& random,
                                                   bool computes_content = true) {
  const auto below = [&](uint64_t limit) { return static_cast<int>(random() % limit); };
  pb::Strategy file;
  file.set_name("random");
  pb::Declaration* feature = file.add_features();
  feature->set_name("x");
  feature->set_type(pb::VALUE_TYPE_DOUBLE);
  for (int i = 0; i < 3; ++i) file.add_channels()->set_name("channel_" + std::to_string(i));
  for (int i = 0; i < 4; ++i) file.add_intents()->set_name("intent_" + std::to_string(i));
  file.add_outcomes()->set_name("seen");
  pb::Purpose* purpose = file.add_purposes();
  purpose->set_name("purpose");
  purpose->set_consent(below(2) ? pb::CONSENT_OPT_IN : pb::CONSENT_OPT_OUT);
  int contact_policies = 0;
  const auto add_contact = [&](auto& owner, bool exclusions) {
    const auto kind =
        static_cast<size_t>(below(std::size(kContactPolicies) - (exclusions ? 0 : 1)));
    pb::ContactPolicy* policy = owner.add_contact();
    *policy = testing::FromText<pb::ContactPolicy>(kContactPolicies[kind]);
    policy->set_name("policy_" + std::to_string(contact_policies++));
  };
  pb::Derived* half = file.add_derived();
  half->set_name("half");
  half->set_value("customer.x / 2.0");
  int rules = 0;
  const auto add_rule = [&](auto& owner) {
    const int stage = below(3);
    pb::Rule* rule = stage == 0   ? owner.add_eligibility()
                     : stage == 1 ? owner.add_applicability()
                                  : owner.add_suitability();
    rule->set_name("rule_" + std::to_string(rules++));
    rule->set_when(kRules[below(std::size(kRules))]);
  };
  if (below(6) == 0) add_rule(file);
  if (below(4) == 0) add_contact(file, false);
  if (below(2)) file.mutable_history()->set_max_interactions(5);
  const int groups = 1 + below(4);
  for (int i = 0; i < groups; ++i) {
    pb::Group* group = file.add_groups();
    group->set_name("group_" + std::to_string(i));
    if (below(4) == 0) group->set_purpose("purpose");
    if (below(3) == 0) add_contact(*group, i > 0);
    if (below(6) == 0) add_rule(*group);
  }
  std::vector<pb::Model> models;
  const int model_count = 1 + below(4);
  for (int i = 0; i < model_count; ++i) {
    file.add_models()->set_name("model_" + std::to_string(i));
    if (below(5) == 0) {
      file.mutable_models(i)->set_formula("double(50 / (int(customer.x) % 4)) / 100.0");
      continue;
    }
    pb::LinearModel* model = models.emplace_back().mutable_linear();
    model->set_link(pb::LINK_LOGISTIC);
    model->set_intercept(below(5) - 2);
    pb::LinearTerm* term = model->add_terms();
    term->set_input("customer.x");
    // A sum of infinities of both signs: such a model fails.
    term->mutable_numeric()->set_weight(below(5) == 0 ? 1e308 : 0.1);
    if (below(2)) {
      pb::LinearTerm* other = model->add_terms();
      other->set_input("customer.x");
      other->mutable_numeric()->set_weight(below(5) == 0 ? -1e308 : 0.1);
    }
  }
  const int treatments = below(40);
  for (int i = 0; i < treatments; ++i) {
    pb::Treatment* treatment = file.add_treatments();
    treatment->set_name("treatment_" + std::to_string(i));
    treatment->set_group("group_" + std::to_string(below(static_cast<uint64_t>(groups))));
    treatment->set_model("model_" + std::to_string(below(static_cast<uint64_t>(model_count))));
    if (computes_content && below(8) == 0) {
      treatment->set_computed_value("double(60 / (int(customer.x) % 3))");
    } else {
      treatment->set_value(below(100));
    }
    treatment->set_cost(below(20));
    treatment->set_transactional(below(8) == 0);
    treatment->set_only_as_fallback(below(8) == 0);
    if (below(4) == 0) add_contact(*treatment, treatment->group() != "group_0");
    if (below(6) == 0) add_rule(*treatment);
    if (below(6) == 0) file.add_fallbacks()->set_treatment(treatment->name());
    if (below(3) == 0) treatment->mutable_valid_from()->set_seconds(below(200));
    if (below(3) == 0) treatment->mutable_valid_until()->set_seconds(200 + below(200));
    for (int c = 0; c < 3; ++c) {
      const std::string channel = "channel_" + std::to_string(c);
      if (below(4) > 0) (*treatment->mutable_content())[channel];
      if (computes_content && below(8) == 0) {
        (*(*treatment->mutable_content())[channel].mutable_computed())["computed"] =
            "10 / (int(customer.x) % 5)";
      }
      if (below(4) == 0) treatment->add_channels(channel);
    }
    for (int n = 0; n < 4; ++n) {
      if (below(6) == 0) {
        treatment->add_intents("intent_" + std::to_string(n));
      }
    }
  }
  for (int i = 0; i < 2; ++i) {
    pb::Placement* placement = file.add_placements();
    placement->set_name("placement_" + std::to_string(i));
    if (below(2)) {
      placement->add_groups("group_" + std::to_string(below(static_cast<uint64_t>(groups))));
    }
    if (below(4) == 0) placement->add_channels("channel_" + std::to_string(below(3)));
    placement->set_max_treatments(1 + below(3));
  }
  pb::Arbitration* arbitration = file.mutable_arbitration();
  if (below(2)) arbitration->set_max_per_group(1 + below(3));
  if (below(2)) {
    pb::ContextWeight* weight = arbitration->add_context_weights();
    weight->set_group("group_0");
    weight->add_channels("channel_" + std::to_string(below(3)));
    weight->set_percent(below(2) ? 50 : -50);
  }
  if (below(3) == 0) arbitration->set_min_propensity(0.5);
  if (below(3) == 0) arbitration->set_min_priority(20);
  if (below(4) == 0) {
    arbitration->set_priority(
        "propensity * context_weight * value - cost + double(10 / (int(customer.x) % 3)) + "
        "(context.channel == 'channel_1' ? 9.0 : 0.0)");
  }
  arbitration->mutable_ramp()->set_from(0.5);
  arbitration->mutable_ramp()->set_full_at(100);
  arbitration->mutable_ramp()->add_outcomes("decided");
  testing::StrategyBuilder builder;
  auto strategy = builder.Build(file, models);
  if (below(6) == 0) {
    // One that can't be asked.
    strategy->models.models[0].model =
        std::make_unique<scoring::RemoteModel>("model_0", scoring::FeatureColumns(), nullptr);
  }
  return strategy;
}

// The record of a customer with whom some of the strategy's treatments were used, as the service
// would have written it at `now_ms`.
storage::Record RandomCustomer(std::mt19937_64& random, const strategy::Strategy& strategy,
                               int64_t now_ms) {
  std::vector<customer::Interaction> interactions;
  for (uint64_t i = random() % 8; i > 0 && !strategy.catalog.treatments.empty(); --i) {
    customer::Interaction& interaction = interactions.emplace_back();
    interaction.kind = random() % 2 == 0 ? customer::InteractionKind::kDecided
                                         : customer::InteractionKind::kOutcome;
    interaction.outcome =
        interaction.kind == customer::InteractionKind::kOutcome ? strategy.outcomes[0].number : 0;
    interaction.time_ms = std::max<int64_t>(0, now_ms - static_cast<int64_t>(random() % 200'000));
    interaction.channel = strategy.context.channels[static_cast<int>(random() % 3)].number;
    interaction.treatment =
        strategy.catalog.treatments[random() % strategy.catalog.treatments.size()].number;
  }
  customer::RecordChange change;
  change.interactions = interactions;
  change.bounds = strategy.history;
  change.now_ms = now_ms;
  storage::Record record;
  record.found = true;
  customer::EncodeRecord(customer::CustomerState(), "c", change, record.bytes);
  return record;
}

// Some decisions leave the channel open, some ask for places.
void DrawChannelsAndPlacements(std::mt19937_64& random, context::DecisionContext& context) {
  if (random() % 3 == 0) {
    for (int channel = 0; channel < 3; ++channel) {
      if (random() % 3 > 0) context.open_channels.push_back(channel);
    }
    if (context.is_channel_open()) context.channel = context.open_channels.front();
  }
  if (random() % 3 == 0) {
    context.placements = {0, 1};
    if (random() % 2 == 0) context.placements = {1};
  }
}

TEST(RunPipelineTest, EveryTreatmentIsRankedOrRejectedExactlyOnce) {
  std::mt19937_64 random(1);
  PipelineResult result;  // reused, as in the service
  std::map<candidates::Reason, int> seen;
  for (int round = 0; round < testing::Effort(600); ++round) {
    const auto strategy = RandomStrategy(random);
    const auto treatments = strategy->catalog.treatments.size();
    context::DecisionContext context;
    context.channel = static_cast<int>(random() % 3);
    context.intent = static_cast<int>(random() % 5);
    context.time_us = static_cast<int64_t>(random() % 400) * 1'000'000;
    context.max_treatments = 1 + static_cast<int>(random() % 6);
    if (random() % 4 == 0 && treatments > 0) {
      context.restricted = true;
      context.restricted_to = {static_cast<int>(random() % treatments)};
    }
    DrawChannelsAndPlacements(random, context);
    const std::vector<ValueRef> features = {
        ValueRef::Double(static_cast<double>(random() % 100) * (random() % 5 == 0 ? 1e10 : 1.0)),
    };
    const storage::Record record = RandomCustomer(random, *strategy, context.time_us / 1000);
    StageTimes times;
    StageTimer timer(times);
    std::vector<stops::Change> stopped;
    if (random() % 3 == 0 && treatments > 0) {
      const size_t treatment = random() % treatments;
      stopped.emplace_back().target.name = strategy->catalog.treatments[treatment].name;
    }
    // Some customers are reached by half of what has a ramp, the others by everything.
    const evidence::RampShares shares(strategy->catalog, {});
    storage::CustomerKey key{};
    key[0] = static_cast<uint8_t>(round);
    const evidence::RampReach reach(round % 4 == 0 ? &shares : nullptr, HashKey{}, key);
    RunPipeline(*strategy, stops::StopSet(stopped, strategy->catalog), context,
                customer::CustomerState::Parse(record, "c").value(), features, std::nullopt, timer,
                result, reach);

    std::vector<int> times_seen(treatments);
    for (const auto& ranked : result.arbitration.ranked) {
      ++times_seen[static_cast<size_t>(ranked.treatment)];
      EXPECT_EQ(result.scored.scored[static_cast<size_t>(ranked.scored)].treatment,
                ranked.treatment);
    }
    result.ForEachRejection([&](const candidates::Rejection& rejection) {
      ++times_seen[static_cast<size_t>(rejection.treatment)];
      ++seen[rejection.reason];
    });
    ASSERT_EQ(times_seen, std::vector<int>(treatments, 1)) << round;
    int counted = 0;
    for (const auto& entry : result.rejected_counts.entries()) counted += entry.count;
    ASSERT_EQ(static_cast<size_t>(counted) + result.arbitration.ranked.size(), treatments);
    ASSERT_LE(result.arbitration.ranked.size(), static_cast<size_t>(context.max_treatments));
  }
  // The strategies reach every reason, or the test says little.
  if (!testing::kOptimized) return;
  for (const candidates::Reason reason : candidates::kAllReasons) {
    EXPECT_GT(seen[reason], 0) << candidates::ReasonName(reason);
  }
}

TEST(RunPipelineTest, IsAPureFunctionWhateverTheMemoryHeldBefore) {
  std::mt19937_64 random(2);
  PipelineResult reused;
  for (int round = 0; round < 100; ++round) {
    const auto strategy = RandomStrategy(random);
    context::DecisionContext context;
    context.max_treatments = 5;
    const std::vector<ValueRef> features = {ValueRef::Double(3)};
    StageTimes times;
    StageTimer timer(times);
    context.time_us = 100'000'000;
    const storage::Record record = RandomCustomer(random, *strategy, 100'000);
    const auto customer = customer::CustomerState::Parse(record, "c").value();
    RunPipeline(*strategy, stops::StopSet(), context, customer, features, std::nullopt, timer,
                reused);
    PipelineResult fresh;
    RunPipeline(*strategy, stops::StopSet(), context, customer, features, std::nullopt, timer,
                fresh);
    ASSERT_EQ(fresh.arbitration.ranked.size(), reused.arbitration.ranked.size());
    for (size_t i = 0; i < fresh.arbitration.ranked.size(); ++i) {
      ASSERT_EQ(fresh.arbitration.ranked[i].treatment, reused.arbitration.ranked[i].treatment);
      ASSERT_EQ(fresh.arbitration.ranked[i].priority, reused.arbitration.ranked[i].priority);
    }
    for (const candidates::Reason reason : candidates::kAllReasons) {
      ASSERT_EQ(fresh.rejected_counts.CountOf(reason), reused.rejected_counts.CountOf(reason));
    }
  }
}

// What an open channel comes to, with a pipeline for each channel alone: a treatment is ranked on
// the channel on which its priority is highest of all on which it contends, and nowhere else.
TEST(RunPipelineTest, AnOpenChannelRanksEachTreatmentWhereItsPriorityIsHighest) {
  std::mt19937_64 random(3);
  PipelineResult open;
  int compared = 0;
  int elsewhere = 0;
  for (int round = 0; round < testing::Effort(300); ++round) {
    // Whether content can be computed has no say in which channel it is.
    const auto strategy = RandomStrategy(random, /*computes_content=*/false);
    context::DecisionContext context;
    context.intent = static_cast<int>(random() % 5);
    context.time_us = static_cast<int64_t>(random() % 400) * 1'000'000;
    context.max_treatments = 100;
    const std::vector<ValueRef> features = {ValueRef::Double(static_cast<double>(random() % 100))};
    const storage::Record record = RandomCustomer(random, *strategy, context.time_us / 1000);
    const auto customer = customer::CustomerState::Parse(record, "c").value();
    StageTimes times;
    StageTimer timer(times);
    // By treatment: whether its score is a default everywhere, the best priority with which it
    // contends, and where.
    struct Best {
      bool is_default;
      double priority;
      int channel;
    };
    std::map<int, Best> best;
    for (context.channel = 0; context.channel < 3; ++context.channel) {
      PipelineResult alone;
      RunPipeline(*strategy, stops::StopSet(), context, customer, features, std::nullopt, timer,
                  alone);
      if (alone.arbitration.is_fallback) continue;
      for (size_t i = 0; i < alone.scored.scored.size(); ++i) {
        const auto& reason = alone.arbitration.reason[i];
        if (reason && *reason != candidates::Reason::kGroupLimitReached) continue;
        const double priority = alone.arbitration.priority[i];
        const bool is_default =
            alone.scored.scored[i].source == scoring::ScoredCandidate::Source::kDefault;
        const Best here = {is_default, priority, context.channel};
        const auto [known, is_new] = best.try_emplace(alone.scored.scored[i].treatment, here);
        const Best& there = known->second;
        if (is_new) continue;
        if (is_default != there.is_default ? there.is_default : priority > there.priority) {
          known->second = here;
        }
      }
    }
    context.channel = 0;
    context.open_channels = {0, 1, 2};
    RunPipeline(*strategy, stops::StopSet(), context, customer, features, std::nullopt, timer,
                open);
    if (open.arbitration.is_fallback) {
      EXPECT_TRUE(best.empty());
      continue;
    }
    ASSERT_EQ(open.arbitration.ranked.empty(), best.empty()) << round;
    for (const auto& ranked : open.arbitration.ranked) {
      const Best& expected = best.at(ranked.treatment);
      EXPECT_EQ(ranked.priority, expected.priority) << round;
      EXPECT_EQ(context.ChannelOf(open.SlotOf(ranked)), expected.channel) << round;
      elsewhere += expected.channel != 0 ? 1 : 0;
      ++compared;
    }
  }
  EXPECT_GT(compared, testing::Effort(300));
  EXPECT_GT(elsewhere, testing::Effort(30));
}

// On the ivr the propensity is higher and the priority has to pay for the call; for the banner it
// can't be told there. The hotline has no propensity in the app.
constexpr char kFormulasByChannel[] = R"pb(
  name: "formulas"
  channels { name: "app" }
  channels { name: "ivr" }
  groups { name: "offer" }
  models { name: "likely" formula: "context.channel == 'ivr' ? 0.875 : 0.5" }
  models { name: "by_phone" formula: "double(3 / (context.channel == 'app' ? 0 : 1)) / 4.0" }
  arbitration {
    priority: "context_weight * value * propensity - (context.channel == 'ivr' ? 30.0 : 0.0)"
              " + double(0 / (treatment.name == 'banner' && context.channel == 'ivr' ? 0 : 1))"
  }
)pb";

class ChannelFormulaTest : public ::testing::Test {
 protected:
  ChannelFormulaTest() : file_(testing::FromText<pb::Strategy>(kFormulasByChannel)) {
    context_.open_channels = {0, 1};
    context_.max_treatments = 10;
  }

  // A treatment that tells on both channels which one it is computed for.
  pb::Treatment& Add(const std::string& name, const std::string& model) {
    pb::Treatment& treatment = *file_.add_treatments();
    treatment.set_name(name);
    treatment.set_group("offer");
    treatment.set_model(model);
    treatment.set_value(100);
    for (const char* channel : {"app", "ivr"}) {
      (*(*treatment.mutable_content())[channel].mutable_computed())[std::string("on_") + channel] =
          "treatment.name + ' on ' + context.channel";
    }
    return treatment;
  }
  void Run() {
    strategy_ = builder_.Build(file_, {});
    StageTimes times;
    StageTimer timer(times);
    RunPipeline(*strategy_, stops::StopSet(), context_, customer::CustomerState(), {}, std::nullopt,
                timer, result_);
  }
  // "on_ivr: call on ivr, 57.5", best first.
  std::vector<std::string> Ranking() const {
    std::vector<std::string> ranking;
    for (const auto& ranked : result_.arbitration.ranked) {
      std::string& shown = ranking.emplace_back();
      result_.content.ForEachField(ranked.treatment,
                                   [&](std::string_view name, std::string_view text) {
                                     shown += std::string(name) + ": " + std::string(text) + ", ";
                                   });
      shown += std::to_string(ranked.priority).substr(0, 4);
    }
    return ranking;
  }

  testing::StrategyBuilder builder_;
  pb::Strategy file_;
  std::shared_ptr<strategy::Strategy> strategy_;
  context::DecisionContext context_;
  PipelineResult result_;
};

TEST_F(ChannelFormulaTest, AnOpenChannelIsChosenByTheFormulaAndShowsWhatIsComputedForIt) {
  Add("call", "likely");       // 100 x 0.5 = 50 in the app, 100 x 0.875 - 30 = 57.5 on the ivr
  Add("banner", "likely");     // 50 in the app
  Add("hotline", "by_phone");  // 100 x 0.75 - 30 = 45 on the ivr
  Run();
  EXPECT_THAT(Ranking(), ElementsAre("on_ivr: call on ivr, 57.5", "on_app: banner on app, 50.0",
                                     "on_ivr: hotline on ivr, 45.0"));
  EXPECT_EQ(result_.rejected_counts.CountOf(candidates::Reason::kScoreError), 0);
}

TEST_F(ChannelFormulaTest, TheContextWeightOfAFormulaIsThatOfTheChannel) {
  Add("call", "likely");
  pb::ContextWeight& weight = *file_.mutable_arbitration()->add_context_weights();
  weight.set_group("offer");
  weight.add_channels("app");
  weight.set_percent(20);
  Run();
  EXPECT_THAT(Ranking(), ElementsAre("on_app: call on app, 60.0"));
}

TEST_F(ChannelFormulaTest, WhatCanNotBeComputedOnTheChosenChannelIsDropped) {
  pb::Treatment& call = Add("call", "likely");
  (*(*call.mutable_content())["ivr"].mutable_computed())["fails"] =
      "1 / (context.channel == 'ivr' ? 0 : 1)";
  Add("banner", "likely");
  Run();
  EXPECT_THAT(Ranking(), ElementsAre("on_app: banner on app, 50.0"));
  EXPECT_EQ(result_.rejected_counts.CountOf(candidates::Reason::kContentError), 1);
}

TEST_F(ChannelFormulaTest, WhatFailsOnEveryChannelIsToldOnce) {
  file_.mutable_models(0)->set_formula("double(1 / (context.channel == 'none' ? 1 : 0))");
  file_.mutable_arbitration()->set_priority("double(1 / (value > 200.0 ? 1 : 0))");
  Add("call", "likely");
  Add("hotline", "by_phone");
  Run();
  EXPECT_THAT(Ranking(), ElementsAre());
  EXPECT_EQ(result_.rejected_counts.CountOf(candidates::Reason::kScoreError), 1);
  EXPECT_EQ(result_.rejected_counts.CountOf(candidates::Reason::kPriorityError), 1);
}

TEST(RunPipelineTest, OneOpenChannelIsAsGoodAsNamed) {
  std::mt19937_64 random(4);
  PipelineResult named;
  PipelineResult open;
  for (int round = 0; round < testing::Effort(200); ++round) {
    const auto strategy = RandomStrategy(random);
    context::DecisionContext context;
    context.channel = static_cast<int>(random() % 3);
    context.time_us = static_cast<int64_t>(random() % 400) * 1'000'000;
    context.max_treatments = 3;
    const std::vector<ValueRef> features = {ValueRef::Double(static_cast<double>(random() % 100))};
    const storage::Record record = RandomCustomer(random, *strategy, context.time_us / 1000);
    const auto customer = customer::CustomerState::Parse(record, "c").value();
    StageTimes times;
    StageTimer timer(times);
    RunPipeline(*strategy, stops::StopSet(), context, customer, features, std::nullopt, timer,
                named);
    context.open_channels = {context.channel};
    RunPipeline(*strategy, stops::StopSet(), context, customer, features, std::nullopt, timer,
                open);
    ASSERT_EQ(open.arbitration.ranked.size(), named.arbitration.ranked.size()) << round;
    for (size_t i = 0; i < named.arbitration.ranked.size(); ++i) {
      EXPECT_EQ(open.arbitration.ranked[i].treatment, named.arbitration.ranked[i].treatment);
      EXPECT_EQ(open.arbitration.ranked[i].priority, named.arbitration.ranked[i].priority);
    }
    for (const candidates::Reason reason : candidates::kAllReasons) {
      EXPECT_EQ(open.rejected_counts.CountOf(reason), named.rejected_counts.CountOf(reason))
          << candidates::ReasonName(reason);
    }
  }
}

TEST(StageTimerTest, GivesEachStageTheTimeSinceTheLast) {
  StageTimes times;
  StageTimer timer(times);
  timer.Finish(Stage::kCandidates);
  timer.Finish(Stage::kPolicy);
  const int64_t once = times.nanos[static_cast<size_t>(Stage::kPolicy)];
  timer.Finish(Stage::kPolicy);
  EXPECT_GE(times.nanos[static_cast<size_t>(Stage::kPolicy)], once);
  EXPECT_EQ(times.nanos[static_cast<size_t>(Stage::kScoring)], 0);
}

TEST(StageTest, NamesAreThoseOfTheFolders) {
  std::vector<std::string_view> names;
  for (int stage = 0; stage < kStages; ++stage) {
    names.push_back(StageName(static_cast<Stage>(stage)));
  }
  EXPECT_THAT(names, ElementsAre("context", "customer", "candidates", "policy", "scoring",
                                 "arbitration", "decision"));
}

}  // namespace
}  // namespace attune::decision
