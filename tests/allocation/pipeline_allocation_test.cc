// A decision allocates nothing once its memory is warm. In a program of its own, because counting
// takes replacing operator new.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/decision/decision_pipeline.h"
#include "lib/decision/explanation.h"
#include "lib/decision/warm_up.h"
#include "lib/value/standings.h"
#include "tests/testing/allocation_counter.h"
#include "tests/testing/large_strategy.h"

namespace attune::decision {
namespace {

// Every attribute and every feature as the strategy declares its default.
context::DecisionContext DefaultContext(const strategy::Strategy& strategy) {
  context::DecisionContext context;
  context.attributes.assign(strategy.context.attributes.defaults().begin(),
                            strategy.context.attributes.defaults().end());
  return context;
}
std::vector<ValueRef> DefaultFeatures(const strategy::Strategy& strategy) {
  return {strategy.features.defaults().begin(), strategy.features.defaults().end()};
}

class PipelineAllocationTest : public ::testing::TestWithParam<int> {};

TEST(AllocationCounterTest, CountsWhatThisThreadAllocates) {
  const uint64_t before = testing::AllocationsOfThisThread();
  const auto text = std::make_unique<std::string>(1'000, 'x');
  EXPECT_EQ(testing::AllocationsOfThisThread(), before + 2);
}

TEST_P(PipelineAllocationTest, AllocatesNothingOnceItIsWarm) {
  testing::StrategyBuilder builder;
  const std::shared_ptr<strategy::Strategy> strategy =
      testing::BuildLargeStrategy(builder, GetParam());
  std::vector<std::string> customers;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    customers.push_back(testing::LargeFeatures(*strategy, seed));
  }
  std::vector<ValueRef> features(static_cast<size_t>(strategy->features.size()));
  context::DecisionContext context = DefaultContext(*strategy);
  context.time_us = 1'772'323'200'000'000;
  context.max_treatments = 3;
  PipelineResult result;
  StageTimes times;
  StageTimer timer(times);
  uint64_t warm = 0;
  for (int round = 0; round < 3; ++round) {
    if (round == 1) warm = testing::AllocationsOfThisThread();
    for (const std::string& customer : customers) {
      for (int intent = 0; intent <= testing::kLargeIntents; ++intent) {
        context.intent = intent;
        context.channel = intent % testing::kLargeChannels;
        ASSERT_TRUE(strategy->features.Decode(customer, absl::MakeSpan(features)).ok());
        RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(), features, 0.99,
                    timer, result);
        ASSERT_EQ(result.arbitration.ranked.size(), 3u);
      }
    }
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
}

// A strategy that was swapped in: what its first decisions need was allocated beforehand.
TEST_P(PipelineAllocationTest, AllocatesNothingInTheFirstDecisionAfterWarmUp) {
  testing::StrategyBuilder builder;
  const std::shared_ptr<strategy::Strategy> strategy =
      testing::BuildLargeStrategy(builder, GetParam());
  constexpr int64_t kTimeUs = 1'772'323'200'000'000;
  Decision decision;
  WarmUp(*strategy, kTimeUs, decision);
  context::DecisionContext context = DefaultContext(*strategy);
  context.time_us = kTimeUs;
  context.max_treatments = 3;
  StageTimer timer(decision.times);
  const std::vector<ValueRef> features = DefaultFeatures(*strategy);
  const uint64_t warm = testing::AllocationsOfThisThread();
  for (int intent = 0; intent <= testing::kLargeIntents; ++intent) {
    context.intent = intent;
    context.channel = intent % testing::kLargeChannels;
    RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(), features, 0.99,
                timer, decision.result);
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
  EXPECT_EQ(decision.result.arbitration.ranked.size(), 3u);
}

// With rules that ask what the customer is worth, and where the customer stands.
TEST(ScoreAllocationTest, AllocatesNothingOnceItIsWarm) {
  testing::StrategyBuilder builder;
  const std::shared_ptr<strategy::Strategy> strategy = builder.BuildFromText(
      std::string(testing::kSmallStrategy) + R"pb(
        scores {
          name: "spend"
          value: "customer.monthly_charges * 12.0"
          tiers { name: "low" }
          tiers { name: "high" from_percentile: 75 }
        }
        scores { name: "both" value: "score.spend.value + customer.income" }
        eligibility { name: "tier" when: "score.spend.tier == 'high' || treatment.group == 'care'" }
        suitability { name: "upper_half" when: "score.both.percentile >= 50.0" }
      )pb",
      {testing::kSolveModel, testing::kSellModel});
  value::QuantileSketch sketch;
  for (int i = 0; i < 1000; ++i) sketch.Add(i);
  value::Standings standings;
  standings.scores = {sketch.MakeTable(), sketch.MakeTable()};
  std::vector<ValueRef> features = DefaultFeatures(*strategy);
  context::DecisionContext context = DefaultContext(*strategy);
  context.time_us = 1'772'323'200'000'000;
  context.max_treatments = 3;
  PipelineResult result;
  StageTimes times;
  StageTimer timer(times);
  uint64_t warm = 0;
  for (int round = 0; round < 3; ++round) {
    if (round == 1) warm = testing::AllocationsOfThisThread();
    for (const double charges : {0.0, 45.0, 70.0}) {
      features[static_cast<size_t>(strategy->features.SlotOf("monthly_charges"))] =
          ValueRef::Double(charges);
      RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(), features,
                  std::nullopt, timer, result, evidence::RampReach(), &standings);
      ASSERT_EQ(result.policy.engagement.standings_told().size(), 2u);
    }
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
}

// With a score that a model gives, and values and costs that are computed from it, on one channel
// and on all.
TEST(WorthAllocationTest, AllocatesNothingOnceItIsWarm) {
  testing::StrategyBuilder builder;
  auto file = testing::FromText<strategy::v1::Strategy>(std::string(testing::kSmallStrategy) + R"pb(
    models { name: "lifetime" file: "lifetime.yaml" }
    scores { name: "years" model: "lifetime" }
    eligibility { name: "stays" when: "score.years.value > -1000.0" }
  )pb");
  file.mutable_treatments(0)->set_computed_value("score.years.value * customer.monthly_charges");
  // Of some customers it can't be computed.
  file.mutable_treatments(1)->set_computed_cost("double(100 / customer.tenure_months)");
  const std::string lifetime = R"pb(
    linear {
      link: LINK_IDENTITY
      intercept: 2
      terms {
        input: "customer.tenure_months"
        numeric { weight: 0.1 }
      }
      terms {
        input: "customer.plan"
        one_hot { weights { key: "basic" value: 1 } }
      }
    }
  )pb";
  std::vector<strategy::v1::Model> models;
  for (const std::string& model :
       {std::string(testing::kSolveModel), std::string(testing::kSellModel), lifetime}) {
    models.push_back(testing::FromText<strategy::v1::Model>(model));
  }
  const std::shared_ptr<strategy::Strategy> strategy = builder.Build(file, models);
  std::vector<ValueRef> features = DefaultFeatures(*strategy);
  context::DecisionContext context = DefaultContext(*strategy);
  context.time_us = 1'772'323'200'000'000;
  context.max_treatments = 3;
  PipelineResult result;
  StageTimes times;
  StageTimer timer(times);
  uint64_t warm = 0;
  for (int round = 0; round < 3; ++round) {
    if (round == 1) warm = testing::AllocationsOfThisThread();
    for (const int64_t months : {0, 24, 48}) {
      features[static_cast<size_t>(strategy->features.SlotOf("tenure_months"))] =
          ValueRef::Int(months);
      for (const bool is_open : {false, true}) {
        context.open_channels.clear();
        if (is_open) context.open_channels = {0, 1};
        RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(), features,
                    std::nullopt, timer, result);
        ASSERT_EQ(result.arbitration.worth.size(), result.scored.scored.size());
      }
    }
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
}

// Every treatment has a ramp, and each customer is reached by others.
TEST(RampAllocationTest, AllocatesNothingOnceItIsWarm) {
  testing::StrategyBuilder builder;
  const std::shared_ptr<strategy::Strategy> strategy = testing::BuildLargeStrategy(builder, 3);
  catalog::Catalog& catalog = strategy->catalog;
  for (size_t t = 0; t < catalog.treatments.size(); ++t) {
    catalog.treatments[t].ramp = static_cast<int>(t);
    catalog::Ramp& ramp = catalog.ramps.emplace_back();
    ramp.treatment = static_cast<int>(t);
    ramp.full_at = 100;
  }
  const evidence::RampShares shares(catalog, std::vector<int64_t>(catalog.ramps.size(), 50));
  const std::vector<ValueRef> features = DefaultFeatures(*strategy);
  context::DecisionContext context = DefaultContext(*strategy);
  context.time_us = 1'772'323'200'000'000;
  context.max_treatments = 3;
  PipelineResult result;
  StageTimes times;
  StageTimer timer(times);
  size_t kept = 0;
  uint64_t warm = 0;
  for (int round = 0; round < 2; ++round) {
    if (round == 1) warm = testing::AllocationsOfThisThread();
    kept = 0;
    for (int i = 0; i < 100; ++i) {
      storage::CustomerKey customer{};
      customer[0] = static_cast<uint8_t>(i);
      const evidence::RampReach reach(&shares, HashKey{}, customer);
      RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(), features,
                  std::nullopt, timer, result, reach);
      kept += result.candidates.kept.size();
    }
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
  const auto treatments = static_cast<double>(catalog.treatments.size());
  EXPECT_NEAR(static_cast<double>(kept), 50 * treatments, 10 * treatments);
}

// All treatments are worth most on the first channel; there is one place on each.
TEST(OpenChannelAllocationTest, AllocatesNothingOnceItIsWarm) {
  testing::StrategyBuilder builder;
  const std::shared_ptr<strategy::Strategy> strategy =
      testing::BuildLargeStrategy(builder, 3, {.models = false, .priority = true, .values = true});
  for (size_t channel = 0; channel < testing::kLargeChannels; ++channel) {
    arbitration::Placement& placement = strategy->arbitration.placements.emplace_back();
    placement.channels.set(channel);
    placement.groups.set();
  }
  const std::vector<ValueRef> features = DefaultFeatures(*strategy);
  context::DecisionContext context = DefaultContext(*strategy);
  context.time_us = 1'772'323'200'000'000;
  context.max_treatments = 100;
  context.placements = {0, 1, 2, 3};
  for (int channel = 0; channel < testing::kLargeChannels; ++channel) {
    context.open_channels.push_back(channel);
  }
  PipelineResult result;
  StageTimes times;
  StageTimer timer(times);
  uint64_t warm = 0;
  for (int round = 0; round < 3; ++round) {
    if (round == 1) warm = testing::AllocationsOfThisThread();
    for (int intent = 0; intent <= testing::kLargeIntents; ++intent) {
      context.intent = intent;
      RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(), features, 0.99,
                  timer, result);
      ASSERT_EQ(result.arbitration.ranked.size(), 4u);
      ASSERT_EQ(result.arbitration.moved.size(), 3u) << "only one stays on the first channel";
    }
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
}

// With each method of exploration, and a floor.
class ExplorationAllocationTest
    : public ::testing::TestWithParam<arbitration::Exploration::Method> {};

TEST_P(ExplorationAllocationTest, AllocatesNothingOnceItIsWarm) {
  testing::StrategyBuilder builder;
  const std::shared_ptr<strategy::Strategy> strategy = testing::BuildLargeStrategy(builder, 3);
  strategy->arbitration.explorations = {
      {.method = GetParam(), .epsilon = 0.1, .gamma = 1, .evidence = 100, .floor = 0.001}};
  strategy->arbitration.exploration_of_group = {0, 0, 0};
  std::vector<ValueRef> features = DefaultFeatures(*strategy);
  context::DecisionContext context = DefaultContext(*strategy);
  context.time_us = 1'772'323'200'000'000;
  context.max_treatments = 3;
  PipelineResult result;
  StageTimes times;
  StageTimer timer(times);
  uint64_t warm = 0;
  for (int round = 0; round < 5; ++round) {
    if (round == 1) warm = testing::AllocationsOfThisThread();
    for (const double draw : {0.0, 0.5, 0.99}) {
      RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(), features, draw,
                  timer, result);
      ASSERT_GT(result.arbitration.selectable.size(), 40u);
    }
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
}

INSTANTIATE_TEST_SUITE_P(Methods, ExplorationAllocationTest,
                         ::testing::Values(arbitration::Exploration::Method::kEpsilonGreedy,
                                           arbitration::Exploration::Method::kSoftmax,
                                           arbitration::Exploration::Method::kSquareCb,
                                           arbitration::Exploration::Method::kThompson));

// With formulas as models and as the priority, which explores by its slope.
TEST(FormulaAllocationTest, EvaluatingFormulasAllocatesNothingOnceItIsWarm) {
  testing::StrategyBuilder builder;
  const std::shared_ptr<strategy::Strategy> strategy =
      testing::BuildLargeStrategy(builder, 10, {.models = true, .priority = true});
  strategy->arbitration.explorations = {
      {.method = arbitration::Exploration::Method::kThompson, .evidence = 100, .floor = 0.001}};
  strategy->arbitration.exploration_of_group = {0, 0, 0};
  std::vector<std::string> customers;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    customers.push_back(testing::LargeFeatures(*strategy, seed));
  }
  std::vector<ValueRef> features(static_cast<size_t>(strategy->features.size()));
  context::DecisionContext context = DefaultContext(*strategy);
  context.time_us = 1'772'323'200'000'000;
  context.max_treatments = 3;
  PipelineResult result;
  StageTimes times;
  StageTimer timer(times);
  uint64_t warm = 0;
  for (int round = 0; round < 3; ++round) {
    if (round == 1) warm = testing::AllocationsOfThisThread();
    for (const std::string& customer : customers) {
      ASSERT_TRUE(strategy->features.Decode(customer, absl::MakeSpan(features)).ok());
      RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(), features, 0.99,
                  timer, result);
      ASSERT_EQ(result.arbitration.ranked.size(), 3u);
    }
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
}

constexpr char kContact[] = R"pb(
  outcomes { name: "shown" }
  history { time_zone_feature: "plan" }
  contact {
    name: "cap"
    cap { at_most: 3 outcomes: "decided" window { seconds: 604800 } per: SCOPE_TREATMENT }
  }
  contact {
    name: "silence"
    suppression { after: 2 outcomes: "shown" window { seconds: 86400 } for { seconds: 864000 } }
  }
  contact {
    name: "night"
    quiet_hours { from: "21:00" until: "20:00" }
  }
)pb";

constexpr char kRules[] = R"pb(
  outcomes { name: "shown" }
  history { time_zone_feature: "plan" }
  derived { name: "spend" value: "customer.monthly_charges * 12.0" }
  eligibility {
    name: "history"
    when: "history.treatment.count(['decided', 'shown'], duration('168h')) < 100 && "
          "history.all.on_channel.last(['shown']) <= context.time"
  }
  applicability {
    name: "text"
    when: "context.channel in ['app', 'web'] && treatment.name != customer.plan && "
          "context.local_time.getHours() >= 0"
  }
  suitability {
    name: "numbers"
    when: "derived.spend > 1.0 && customer.tenure_months < 1000 && "
          "customer.interests.exists(i, i == 'garden')"
  }
)pb";

// 40 interactions with the small strategy's treatments, and a customer with a time zone.
void ExpectNoAllocations(const char* policies) {
  testing::StrategyBuilder builder;
  const std::shared_ptr<strategy::Strategy> strategy = builder.BuildFromText(
      std::string(testing::kSmallStrategy) + policies, {testing::kSolveModel, testing::kSellModel});
  constexpr int64_t kNowMs = 1'772'323'200'000;
  std::vector<customer::Interaction> interactions;
  for (int64_t i = 0; i < 40; ++i) {
    interactions.push_back(
        {i % 2 == 0 ? customer::InteractionKind::kDecided : customer::InteractionKind::kOutcome,
         kNowMs - i * 3'600'000, 0, static_cast<uint32_t>(i % 4), 0});
  }
  customer::RecordChange change;
  change.interactions = interactions;
  change.now_ms = kNowMs;
  storage::Record record;
  record.found = true;
  customer::EncodeRecord(customer::CustomerState(), "c", change, record.bytes);
  const auto customer = customer::CustomerState::Parse(record, "c").value();
  std::vector<ValueRef> features = DefaultFeatures(*strategy);
  features[static_cast<size_t>(strategy->features.SlotOf("plan"))] =
      ValueRef::String("Australia/Sydney");
  context::DecisionContext context = DefaultContext(*strategy);
  context.time_us = kNowMs * 1000;
  PipelineResult result;
  StageTimes times;
  StageTimer timer(times);
  uint64_t warm = 0;
  for (int round = 0; round < 5; ++round) {
    if (round == 1) warm = testing::AllocationsOfThisThread();
    RunPipeline(*strategy, stops::StopSet(), context, customer, features, std::nullopt, timer,
                result);
    ASSERT_EQ(result.policy.rejected.size(), 4u);
  }
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
}

TEST(PolicyAllocationTest, CountingAHistoryAllocatesNothingOnceItIsWarm) {
  ExpectNoAllocations(kContact);
}

TEST(PolicyAllocationTest, EvaluatingRulesAllocatesNothingOnceItIsWarm) {
  ExpectNoAllocations(kRules);
}

TEST(ExplanationAllocationTest, ExplainingARejectionByARuleAllocatesNothingOnceItIsWarm) {
  testing::StrategyBuilder builder;
  const std::shared_ptr<strategy::Strategy> strategy = builder.BuildFromText(
      std::string(testing::kSmallStrategy) + R"pb(
        eligibility {
          name: "loyal"
          when: "customer.tenure_months > 100 || customer.monthly_charges > 5000.5"
          because: "For those who have been with us for years."
        }
      )pb",
      {testing::kSolveModel, testing::kSellModel});
  context::DecisionContext context = DefaultContext(*strategy);
  Decision decision;
  decision.features.assign(strategy->features.defaults().begin(),
                           strategy->features.defaults().end());
  StageTimer timer(decision.times);
  RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(), decision.features,
              std::nullopt, timer, decision.result);
  ASSERT_EQ(decision.result.policy.rejected.size(), 4u);
  RejectionExplainer explainer(*strategy, context, decision);
  std::string text;
  text.reserve(1 << 16);
  const auto explain_all = [&] {
    text.clear();
    TextBuffer buffer(text);
    for (const candidates::Rejection& rejection : decision.result.policy.rejected) {
      if (rejection.reason != candidates::Reason::kNotEligible) continue;
      explainer.Explain(rejection);
      explainer.AppendDetail(buffer);
      explainer.AppendExpression(buffer);
      for (const policy::RuleValue& value : explainer.values()) buffer += value.text;
      explainer.AppendNeeded(buffer);
      explainer.AppendNearestChange(buffer);
    }
  };
  explain_all();
  const std::string first = text;
  const uint64_t warm = testing::AllocationsOfThisThread();
  explain_all();
  EXPECT_EQ(testing::AllocationsOfThisThread(), warm);
  EXPECT_EQ(text, first);
  EXPECT_GT(text.size(), 600u);
}

INSTANTIATE_TEST_SUITE_P(Models, PipelineAllocationTest, ::testing::Values(1, 10, 50));

}  // namespace
}  // namespace attune::decision
