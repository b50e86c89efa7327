// The strategies of this repository: they load without an error and without a warning, and the
// example makes its point.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "lib/context/decision_request.h"
#include "lib/decision/decision_pipeline.h"
#include "tests/testing/paths.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string SourcePath(const std::string& path) { return testing::SourcePath(path); }

class ShippedStrategy : public ::testing::TestWithParam<std::string> {};

TEST_P(ShippedStrategy, LoadsWithoutAnIssue) {
  const Loaded loaded = LoadFile(SourcePath(GetParam()));
  EXPECT_THAT(loaded.Issues(), IsEmpty());
  EXPECT_NE(loaded.strategy, nullptr);
}

TEST_P(ShippedStrategy, HasAModelInUseForEveryGroupAndContentForEveryChannel) {
  const Loaded loaded = LoadFile(SourcePath(GetParam()));
  ASSERT_NE(loaded.strategy, nullptr);
  EXPECT_EQ(loaded.strategy->catalog.groups.size(), 3U);
  EXPECT_GE(loaded.strategy->catalog.treatments.size(), 12U);
  const policy::Formulas& formulas = loaded.strategy->engagement.formulas();
  for (int i = 0; i < static_cast<int>(loaded.strategy->catalog.treatments.size()); ++i) {
    const catalog::Treatment& treatment = loaded.strategy->catalog.treatments[i];
    EXPECT_TRUE(treatment.value > treatment.cost || formulas.WorthOf(i).value >= 0)
        << treatment.name;
    EXPECT_NE(loaded.strategy->models.models[static_cast<size_t>(treatment.model)].model, nullptr);
  }
}

INSTANTIATE_TEST_SUITE_P(All, ShippedStrategy,
                         ::testing::Values("deploy/example/telecom.yaml",
                                           "tests/data/telco/strategy.yaml",
                                           "tests/data/bank/strategy.yaml"),
                         [](const auto& info) {
                           const std::string folder =
                               std::filesystem::path(info.param).parent_path().filename();
                           return folder;
                         });

// columns.txt maps to features that the strategy declares.
TEST(DataStrategies, MapColumnsToDeclaredFeatures) {
  for (const std::string folder : {"telco", "bank"}) {
    const Loaded loaded = LoadFile(SourcePath("tests/data/" + folder + "/strategy.yaml"));
    ASSERT_NE(loaded.strategy, nullptr);
    std::ifstream columns(SourcePath("tests/data/" + folder + "/columns.txt"));
    int mapped = 0;
    for (std::string line; std::getline(columns, line);) {
      if (line.starts_with('#')) continue;
      const std::string feature = line.substr(line.find('=') + 1);
      EXPECT_GE(loaded.strategy->features.SlotOf(feature), 0) << folder << ": " << line;
      ++mapped;
    }
    EXPECT_EQ(mapped, loaded.strategy->features.size()) << folder;
  }
}

using Values = std::vector<std::pair<std::string_view, ValueRef>>;

// Decides with the example and returns the group and the name of each ranked treatment; only of
// those in `restriction` when there are any.
class Example {
 public:
  Example() : loaded_(LoadFile(SourcePath("deploy/example/telecom.yaml"))) {}

  std::vector<std::string> Decide(std::string_view channel, std::string_view intent,
                                  const Values& attributes, const Values& features,
                                  const std::vector<std::string_view>& restriction = {}) const {
    const Strategy& strategy = *loaded_.strategy;
    context::DecisionRequest request;
    request.customer_id = "someone";
    request.channel = channel;
    request.intent = intent;
    request.attributes = attributes;
    request.treatment_ids = restriction;
    const auto find = [&](std::string_view name) { return strategy.catalog.Find(name); };
    context::DecisionContext context;
    Violations violations;
    context::NormaliseRequest(request,
                              {strategy.context, find, strategy.arbitration.max_treatments, now(),
                               absl::InfiniteDuration()},
                              context, violations);
    EXPECT_TRUE(violations.empty()) << violations.ToStatus();
    std::vector<ValueRef> slots(strategy.features.defaults().begin(),
                                strategy.features.defaults().end());
    for (const auto& [name, value] : features) {
      slots.at(static_cast<size_t>(strategy.features.SlotOf(name))) = value;
    }
    decision::StageTimes times;
    decision::StageTimer timer(times);
    decision::PipelineResult result;
    decision::RunPipeline(strategy, stops::StopSet(), context, customer::CustomerState(), slots,
                          std::nullopt, timer, result);
    std::vector<std::string> ranked;
    for (const arbitration::RankedTreatment& entry : result.arbitration.ranked) {
      const catalog::Treatment& treatment =
          strategy.catalog.treatments[static_cast<size_t>(entry.treatment)];
      ranked.push_back(strategy.catalog.groups[static_cast<size_t>(treatment.group)].name + "/" +
                       treatment.name);
    }
    return ranked;
  }

  // Is one of the treatments ranked for such a customer, on any channel with any intent?
  bool EverRanks(const std::vector<std::string_view>& treatments, const Values& attributes,
                 const Values& features) const {
    std::vector<std::string_view> intents = {""};
    for (const std::string_view intent : loaded_.strategy->context.intents.Names()) {
      intents.push_back(intent);
    }
    for (const std::string_view channel : loaded_.strategy->context.channels.Names()) {
      for (const std::string_view intent : intents) {
        if (!Decide(channel, intent, attributes, features, treatments).empty()) return true;
      }
    }
    return false;
  }

  static absl::Time now() {
    return absl::FromCivil(absl::CivilDay(2026, 6, 1), absl::UTCTimeZone());
  }
  static ValueRef InDays(int days) {
    return ValueRef::Timestamp(absl::ToUnixMicros(now() + absl::Hours(24 * days)));
  }

 private:
  const Loaded loaded_;
};

// A customer with a contract that ends soon, an old DSL line and some trouble behind her.
Values SomeCustomer() {
  return {{"tenure_months", ValueRef::Int(38)},
          {"monthly_charges", ValueRef::Double(44.9)},
          {"contract_end", Example::InDays(45)},
          {"data_usage_gb", ValueRef::Double(27)},
          {"access_technology", ValueRef::String("dsl")},
          {"fiber_available", ValueRef::Bool(true)},
          {"incidents_90d", ValueRef::Int(3)},
          {"complaints_90d", ValueRef::Int(1)},
          {"nps", ValueRef::Int(6)}};
}

TEST(Example, OneCustomerInThreeSituationsGetsThreeTreatments) {
  const Example example;
  EXPECT_THAT(example.Decide("ivr", "report_outage", {{"outage_confirmed", ValueRef::Bool(true)}},
                             SomeCustomer()),
              ElementsAre("resolution/outage_status_callback", "care/personal_contact",
                          "resolution/fast_track_expert"));
  EXPECT_THAT(
      example.Decide("chat", "complain",
                     {{"sentiment", ValueRef::Double(-0.7)}, {"wait_seconds", ValueRef::Int(420)}},
                     SomeCustomer()),
      ElementsAre("care/personal_contact", "care/goodwill_credit", "resolution/fast_track_expert"));
  EXPECT_THAT(
      example.Decide("app", "browse_plans", {{"sentiment", ValueRef::Double(0.4)}}, SomeCustomer()),
      ElementsAre("offer/fiber_upgrade", "offer/plan_upgrade"));
}

// The point does not hang on one customer: whoever it is, the situation decides on the group.
TEST(Example, TheSituationDecidesOnTheGroup) {
  const Example example;
  const std::vector<Values> customers = {
      {},
      SomeCustomer(),
      {{"incidents_90d", ValueRef::Int(12)}, {"open_incidents", ValueRef::Int(2)}},
      {{"nps", ValueRef::Int(10)}, {"tenure_months", ValueRef::Int(200)}},
      {{"data_usage_gb", ValueRef::Double(80)}, {"contract_end", Example::InDays(-3)}},
      {{"complaints_90d", ValueRef::Int(6)}, {"credits_90d", ValueRef::Double(15)}},
  };
  for (const Values& customer : customers) {
    EXPECT_THAT(example.Decide("ivr", "report_outage", {{"outage_confirmed", ValueRef::Bool(true)}},
                               customer)[0],
                ::testing::StartsWith("resolution/"));
    EXPECT_THAT(
        example.Decide("chat", "complain", {{"sentiment", ValueRef::Double(-0.7)}}, customer)[0],
        ::testing::StartsWith("care/"));
    EXPECT_THAT(
        example.Decide("app", "browse_plans", {{"sentiment", ValueRef::Double(0.4)}}, customer)[0],
        ::testing::StartsWith("offer/"));
  }
}

// However much else speaks for it.
TEST(Example, NobodyIsOfferedWhatCannotBe) {
  const Example example;
  std::string segments;
  for (const char* segment : {"gamer", "home_office", "family"}) {
    AppendListElement(segments, segment);
  }
  Values eager = {{"segments", ValueRef::StringList(segments)},
                  {"contract_end", Example::InDays(20)},
                  {"data_usage_gb", ValueRef::Double(400)},
                  {"nps", ValueRef::Int(10)}};
  const auto with = [&eager](const Values& more) {
    Values all = eager;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const Values of_data = {{"sentiment", ValueRef::Double(1)},
                          {"viewed_product", ValueRef::String("data")}};
  const std::vector<std::string_view> more_data = {"plan_upgrade", "unlimited_data"};
  EXPECT_TRUE(example.EverRanks(more_data, of_data, eager));
  // Nobody with unlimited data sees more of them, whichever feature tells of it.
  const auto unlimited_plan = std::pair("plan", ValueRef::String("mobile_unlimited"));
  const auto unlimited_data = std::pair("data_allowance_gb", ValueRef::Double(1000));
  EXPECT_FALSE(example.EverRanks(more_data, of_data, with({unlimited_plan})));
  EXPECT_FALSE(example.EverRanks(more_data, of_data, with({unlimited_data})));
  EXPECT_FALSE(example.EverRanks(more_data, of_data, with({unlimited_plan, unlimited_data})));

  const Values of_home = {{"sentiment", ValueRef::Double(1)},
                          {"viewed_product", ValueRef::String("home")}};
  const auto dsl = std::pair("access_technology", ValueRef::String("dsl"));
  const auto fiber = std::pair("access_technology", ValueRef::String("fiber"));
  const auto in_the_street = std::pair("fiber_available", ValueRef::Bool(true));
  EXPECT_TRUE(example.EverRanks({"fiber_upgrade"}, of_home, with({dsl, in_the_street})));
  EXPECT_FALSE(example.EverRanks({"fiber_upgrade"}, of_home, with({dsl})));
  EXPECT_FALSE(example.EverRanks({"fiber_upgrade"}, of_home, with({fiber, in_the_street})));

  const auto outage = std::pair("outage_confirmed", ValueRef::Bool(true));
  EXPECT_TRUE(example.EverRanks({"outage_status_callback"}, {outage}, {}));
  EXPECT_FALSE(example.EverRanks({"outage_status_callback"}, {}, {}));
}

// And the customer decides within it.
TEST(Example, TheCustomerDecidesWithinTheGroup) {
  const Example example;
  const auto best_offer = [&](const Values& customer) {
    return example.Decide("app", "browse_plans", {}, customer)[0];
  };
  EXPECT_EQ(best_offer({{"data_usage_gb", ValueRef::Double(70)}}), "offer/unlimited_data");
  EXPECT_EQ(best_offer({{"device_age_months", ValueRef::Int(40)},
                        {"contract_end", Example::InDays(20)},
                        {"monthly_charges", ValueRef::Double(60)}}),
            "offer/new_phone");
  EXPECT_EQ(best_offer({{"access_technology", ValueRef::String("dsl")},
                        {"fiber_available", ValueRef::Bool(true)}}),
            "offer/fiber_upgrade");
  // Who can't pay this bill is not sold a larger one.
  EXPECT_THAT(example.Decide("app", "", {}, {{"payment_arrears", ValueRef::Double(80)}}),
              IsEmpty());
}

// Models that learn are tried beside those that decide.
TEST(Example, LearnsInTheShadow) {
  const Loaded loaded = LoadFile(SourcePath("deploy/example/telecom.yaml"));
  ASSERT_NE(loaded.strategy, nullptr);
  const Strategy& strategy = *loaded.strategy;
  EXPECT_NE(strategy.attribution, nullptr);
  const std::map<std::string, std::string> served = {{"plan_upgrade", "offer_upgrade"},
                                                     {"unlimited_data", "offer_unlimited"}};
  std::map<std::string, std::string> seen;
  for (const AdaptiveUse& use : strategy.adaptive) {
    EXPECT_EQ(use.mode, AdaptiveUse::Mode::kShadow);
    for (const catalog::Treatment& treatment : strategy.catalog.treatments) {
      const auto index = static_cast<size_t>(strategy.catalog.Find(treatment.name));
      if (!use.treatments[index]) continue;
      seen[treatment.name] = strategy.models.models[static_cast<size_t>(treatment.model)].name;
    }
  }
  EXPECT_EQ(seen, served);
}

}  // namespace
}  // namespace attune::strategy
