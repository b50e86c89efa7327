#include "lib/decision/explanation.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/context/value_codec.h"
#include "lib/scoring/remote_model.h"
#include "tests/testing/fake_state_store.h"
#include "tests/testing/rejection_text.h"
#include "tests/testing/strategy_builder.h"

namespace attune::decision {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int64_t kNowUs = 1'772'323'200'000'000;

class ExplanationTest : public ::testing::Test {
 protected:
  ExplanationTest() : strategy_(testing::BuildSmallStrategy(builder_)) {
    context_.customer_id = "customer-1";
    context_.time_us = kNowUs;
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
    context_.max_treatments = 4;
  }

  void Decide(const std::vector<std::pair<std::string, ValueRef>>& features = {}) {
    std::map<uint32_t, ValueRef> by_number;
    for (const auto& [name, value] : features) {
      by_number[strategy_->features[strategy_->features.SlotOf(name)].number] = value;
    }
    std::string encoded;
    for (const auto& [number, value] : by_number) AppendValue(encoded, number, value);
    customer::RecordChange change;
    change.features = encoded;
    std::string bytes;
    customer::EncodeRecord(customer::CustomerState(), context_.customer_id, change, bytes);
    store_.SetRecord(context_.customer_id, bytes);
    DecideOptions dry_run;
    dry_run.dry_run = true;
    dry_run.stops = &stops_;
    dry_run.ramps = ramps_;
    dry_run.ramp_place = 0.5;
    ASSERT_TRUE(Decider(&store_, HashKeyFromSeed(1))
                    .Decide(
                        *strategy_, context_, dry_run,
                        [](const Decision&, AnswerForm, std::string*) {}, decision_)
                    .ok());
  }

  catalog::Treatment& Treatment(std::string_view name) {
    return strategy_->catalog.treatments[static_cast<size_t>(strategy_->catalog.Find(name))];
  }
  // The sentence for a rejected treatment; empty when it was ranked.
  std::string WhyNot(std::string_view name) {
    std::string sentence;
    decision_.result.ForEachRejection([&](const candidates::Rejection& rejection) {
      if (rejection.treatment == strategy_->catalog.Find(name)) {
        sentence = testing::ExplainRejection(*strategy_, context_, decision_, rejection).detail;
      }
    });
    return sentence;
  }
  std::vector<std::string> Why(std::string_view name) {
    for (const auto& ranked : decision_.result.arbitration.ranked) {
      if (ranked.treatment == strategy_->catalog.Find(name)) {
        std::vector<std::string> reasons;
        const ExplainedModels models(*strategy_);
        ScoreExplainer scores(*strategy_, models, context_, decision_);
        ExplainRanked(*strategy_, decision_, ranked, scores,
                      [&](std::string_view reason) { reasons.emplace_back(reason); });
        return reasons;
      }
    }
    return {"not ranked"};
  }

  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  testing::FakeStateStore store_;
  stops::StopSet stops_;
  const evidence::RampShares* ramps_ = nullptr;
  context::DecisionContext context_;
  Decision decision_;
};

TEST_F(ExplanationTest, SaysWhyATreatmentWasNoCandidate) {
  context_.channel = 1;
  Treatment("fast_callback").valid_from_us = kNowUs + 1'000'000;
  Treatment("goodwill_credit").valid_until_us = kNowUs;
  context_.restricted = true;
  context_.restricted_to = {0, 1, 2};
  Decide();
  EXPECT_EQ(WhyNot("fast_callback"),
            "is valid from 2026-03-01T00:00:01+00:00; decided for 2026-03-01T00:00:00+00:00");
  EXPECT_EQ(WhyNot("goodwill_credit"),
            "was valid until 2026-03-01T00:00:00+00:00; decided for 2026-03-01T00:00:00+00:00");
  EXPECT_EQ(WhyNot("upgrade"), "has no content for the channel ivr");
  EXPECT_EQ(WhyNot("accessory"), "the request asks for other treatments only");
}

TEST_F(ExplanationTest, SaysWhoStoppedATreatmentAndWhy) {
  stops::Change one;
  one.target = {stops::Target::Kind::kTreatment, "upgrade"};
  one.by = "ann";
  one.because = "The price is wrong.";
  one.time_us = kNowUs;
  stops::Change group = one;
  group.target = {stops::Target::Kind::kGroup, "offer"};
  group.by = "bob";
  stops_ = stops::StopSet({one, group}, strategy_->catalog);
  Decide();
  EXPECT_EQ(WhyNot("upgrade"),
            "is stopped by ann since 2026-03-01T00:00:00+00:00: The price is wrong.");
  EXPECT_EQ(WhyNot("accessory"),
            "its group offer is stopped by bob since 2026-03-01T00:00:00+00:00: The price is "
            "wrong.");
}

TEST_F(ExplanationTest, SaysHowFarARampHasCome) {
  catalog::Ramp& ramp = strategy_->catalog.ramps.emplace_back();
  ramp.treatment = strategy_->catalog.Find("accessory");
  ramp.from = 0.02;
  ramp.full_at = 1000;
  ramp.counted = "shown, decided";
  Treatment("accessory").ramp = 0;
  const evidence::RampShares begun(strategy_->catalog, {100});
  ramps_ = &begun;
  Decide();
  EXPECT_EQ(WhyNot("accessory"),
            "reaches 11.8 % of the customers by now and not this one: has 100 of the 1000 (shown, "
            "decided) that make it reach everybody");
  const evidence::RampShares further(strategy_->catalog, {600});
  ramps_ = &further;
  Decide();
  EXPECT_EQ(WhyNot("accessory"), "");
}

TEST_F(ExplanationTest, SaysWhyATreatmentDoesNotApply) {
  Treatment("fast_callback").channels.reset();
  Decide();
  EXPECT_EQ(WhyNot("fast_callback"), "does not apply on the channel app");
  EXPECT_EQ(WhyNot("upgrade"), "does not apply when the intent is not known");
  context_.intent = 1;
  Decide();
  EXPECT_EQ(WhyNot("upgrade"), "does not apply when the intent is report_outage");
}

TEST_F(ExplanationTest, SaysThatPlacesAreTakenByWhatMustBeShown) {
  Treatment("accessory").must_show = true;
  context_.max_treatments = 1;
  Decide();
  EXPECT_THAT(WhyNot("fast_callback"),
              ::testing::EndsWith("; treatments that must be shown fill the only place"));
}

TEST_F(ExplanationTest, SaysThatPlacesOfAGroupAreTakenByWhatMustBeShown) {
  Treatment("accessory").must_show = true;
  Treatment("goodwill_credit").group = Treatment("accessory").group;
  strategy_->arbitration.max_per_group = 1;
  context_.intent = 2;
  Decide();
  EXPECT_EQ(WhyNot("upgrade"),
            "priority 123.5; treatments of its group that must be shown fill its 1 place");
  strategy_->arbitration.max_per_group = 2;
  Decide();
  EXPECT_THAT(WhyNot("goodwill_credit"),
              ::testing::EndsWith("; better treatments of its group, and those that must be shown, "
                                  "fill its 2 places"));
  // What must be shown itself stands behind better ones.
  Treatment("upgrade").must_show = true;
  strategy_->arbitration.max_per_group = 1;
  Decide();
  EXPECT_EQ(WhyNot("accessory"), "priority 17.67; better treatments of its group fill its 1 place");
}

TEST_F(ExplanationTest, SaysWhatExplorationPutThere) {
  arbitration::Settings& settings = strategy_->arbitration;
  settings.explorations = {
      {.method = arbitration::Exploration::Method::kEpsilonGreedy, .epsilon = 1}};
  settings.exploration_of_group = {0, 0, 0};
  const auto decide_until_on_top = [&](std::string_view name) {
    do {
      context_.time_us += 1'000;
      Decide();
    } while (decision_.result.arbitration.ranked[0].treatment != strategy_->catalog.Find(name));
  };
  context_.intent = 2;
  context_.max_treatments = 1;
  decide_until_on_top("accessory");
  ASSERT_NE(DisplacedTreatment(*strategy_, decision_), nullptr);
  EXPECT_EQ(DisplacedTreatment(*strategy_, decision_)->name, "upgrade");
  EXPECT_THAT(WhyNot("upgrade"),
              ::testing::EndsWith("; exploration put accessory in the only place, with 17.67"));
  // The greedy choice has the other of two places; what is better than the top has none.
  context_.max_treatments = 2;
  decide_until_on_top("accessory");
  EXPECT_EQ(WhyNot("goodwill_credit"),
            "priority 27.35; the last of the 2 ranked has 123.5, and exploration gave a place to "
            "accessory, with 17.67");
  decide_until_on_top("goodwill_credit");
  EXPECT_EQ(WhyNot("accessory"), "priority 17.67; the last of the 2 ranked has 123.5");
  context_.max_treatments = 4;
  settings.max_per_group = 1;
  decide_until_on_top("accessory");
  EXPECT_THAT(WhyNot("upgrade"),
              ::testing::EndsWith(
                  "; exploration put accessory on top, which fills the place of their group"));
  decide_until_on_top("upgrade");
  EXPECT_EQ(DisplacedTreatment(*strategy_, decision_), nullptr);
  EXPECT_EQ(WhyNot("accessory"), "priority 17.67; better treatments of its group fill its 1 place");
}

TEST_F(ExplanationTest, SaysWhatArbitrationCompared) {
  strategy_->arbitration.max_per_group = 1;
  strategy_->arbitration.min_priority = 2;
  strategy_->arbitration.min_propensity = 0.1;
  context_.intent = 2;
  context_.max_treatments = 1;
  Decide({{"income", ValueRef::Double(1'000)}});
  EXPECT_EQ(WhyNot("goodwill_credit"), "priority 42.85; the last of the 1 ranked has 123.5");
  Decide({{"income", ValueRef::Double(-1'300)}});
  EXPECT_EQ(WhyNot("goodwill_credit"), "priority 1.4 is below the minimum of 2");
  Decide({{"income", ValueRef::Double(-3'000)}});
  EXPECT_EQ(WhyNot("goodwill_credit"), "propensity 0.01799 is below the minimum of 0.1");
  context_.max_treatments = 4;
  Decide();
  EXPECT_EQ(WhyNot("accessory"), "priority 17.67; better treatments of its group fill its 1 place");
}

TEST_F(ExplanationTest, NamesTheModelThatFailed) {
  Decide({{"income", ValueRef::Double(std::numeric_limits<double>::quiet_NaN())}});
  EXPECT_EQ(WhyNot("fast_callback"),
            "the model solve@ba9876543210 gave a score that is not finite");
}

TEST_F(ExplanationTest, NamesWhatMovedTheScoreMostFirst) {
  context_.intent = 2;
  Decide({{"plan", ValueRef::String("premium")}, {"vip", ValueRef::Bool(true)}});
  EXPECT_THAT(Why("accessory"),
              ElementsAre("customer.plan = \"premium\" (-2.00)",
                          "context.intent = browse_plans (+1.00)", "customer.vip = true (+0.30)"));
}

TEST(StrongestInputsTest, HaveAllTheirTermsAndEqualsStandInTheOrderOfTheModel) {
  testing::StrategyBuilder builder;
  const auto strategy = builder.BuildFromText(testing::kSmallStrategy,
                                              {testing::kSolveModel, R"pb(
                                                 linear {
                                                   link: LINK_LOGISTIC
                                                   terms {
                                                     input: "customer.tenure_months"
                                                     numeric { weight: 0.5 mean: 11 scale: 1 }
                                                   }
                                                   terms {
                                                     input: "customer.monthly_charges"
                                                     numeric { weight: -0.5 mean: 19 scale: 1 }
                                                   }
                                                   terms {
                                                     input: "customer.plan"
                                                     one_hot { other: 0.3 }
                                                   }
                                                   terms {
                                                     input: "customer.plan"
                                                     one_hot { other: 0.3 }
                                                   }
                                                   terms {
                                                     input: "treatment.name"
                                                     one_hot { other: 2 }
                                                   }
                                                 })pb"});
  context::DecisionContext context;
  context.time_us = kNowUs;
  context.attributes.assign(strategy->context.attributes.defaults().begin(),
                            strategy->context.attributes.defaults().end());
  context.max_treatments = 4;
  Decision decision;
  decision.features.assign(strategy->features.defaults().begin(),
                           strategy->features.defaults().end());
  StageTimer timer(decision.times);
  RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(), decision.features,
              std::nullopt, timer, decision.result);
  std::vector<std::string> reasons;
  for (const auto& ranked : decision.result.arbitration.ranked) {
    if (ranked.treatment != strategy->catalog.Find("accessory")) continue;
    const ExplainedModels models(*strategy);
    ScoreExplainer scores(*strategy, models, context, decision);
    ExplainRanked(*strategy, decision, ranked, scores,
                  [&](std::string_view reason) { reasons.emplace_back(reason); });
  }
  EXPECT_THAT(reasons, ElementsAre("treatment.name = accessory (+2.00)",
                                   "customer.plan = \"basic\" (default) (+0.60)",
                                   "customer.tenure_months = 12 (default) (+0.50)"));
}

TEST_F(ExplanationTest, MarksDefaultsAndLeavesOutWhatMovedNothing) {
  Decide();
  EXPECT_THAT(Why("accessory"), ElementsAre("customer.plan = \"basic\" (default) (+0.50)"));
}

TEST_F(ExplanationTest, NeverPrintsAProtectedValue) {
  context_.attributes[0] = ValueRef::Double(90);
  Decide({{"income", ValueRef::Double(98'765.5)}});
  EXPECT_THAT(Why("goodwill_credit"),
              ElementsAre("customer.income = (protected)", "context.attributes.wait_s = 90 (+0.75)",
                          "treatment.group = care (-0.50)"));
  for (const char* treatment : {"fast_callback", "goodwill_credit", "accessory"}) {
    for (const std::string& reason : Why(treatment)) EXPECT_THAT(reason, Not(HasSubstr("98765")));
  }
  for (const char* treatment : {"fast_callback", "goodwill_credit", "upgrade", "accessory"}) {
    EXPECT_THAT(WhyNot(treatment), Not(HasSubstr("98765")));
  }
}

TEST_F(ExplanationTest, GivesAFewReasonsOnly) {
  context_.attributes[0] = ValueRef::Double(90);
  Decide({{"income", ValueRef::Double(3'000)}, {"monthly_charges", ValueRef::Double(40)}});
  EXPECT_EQ(Why("goodwill_credit").size(), kMaxReasons);
}

TEST_F(ExplanationTest, PrintsHostileStringsQuoted) {
  Decide({{"plan", ValueRef::String("basic\n\x1b[31m")}});
  EXPECT_THAT(Why("accessory"), ElementsAre("customer.plan = \"basic\\x0a\\x1b[31m\" (-1.00)"));
}

// What outlives the strategy of an explanation.
struct Said {
  std::string rule;
  std::string detail;
  std::optional<int64_t> allowed_from_ms;
};

// What is said of the first rejection of a customer in Sydney, where that is protected.
Said ExplainInSydney(const std::string& contact, bool decided_before) {
  testing::StrategyBuilder builder;
  const auto strategy =
      builder.BuildFromText(std::string(testing::kSmallStrategy) +
                                "features { name: 'zone' type: VALUE_TYPE_STRING protected: true }"
                                "history { time_zone_feature: 'zone' }" +
                                contact,
                            {testing::kSolveModel, testing::kSellModel});
  context::DecisionContext context;
  context.customer_id = "customer-1";
  context.time_us = kNowUs + int64_t{43'200'000'000};
  context.attributes.assign(strategy->context.attributes.defaults().begin(),
                            strategy->context.attributes.defaults().end());
  Decision decision;
  decision.features.assign(strategy->features.defaults().begin(),
                           strategy->features.defaults().end());
  decision.features[static_cast<size_t>(strategy->features.SlotOf("zone"))] =
      ValueRef::String("Australia/Sydney");
  const customer::Interaction decided{
      .time_ms = context.time_us / 1000 - 1,
      .treatment = strategy->catalog.treatments[0].number,
  };
  customer::RecordChange change;
  if (decided_before) change.interactions = absl::MakeConstSpan(&decided, 1);
  change.now_ms = context.time_us / 1000;
  storage::Record record;
  record.found = true;
  customer::EncodeRecord(customer::CustomerState(), context.customer_id, change, record.bytes);
  StageTimer timer(decision.times);
  RunPipeline(*strategy, stops::StopSet(), context,
              customer::CustomerState::Parse(record, context.customer_id).value(),
              decision.features, std::nullopt, timer, decision.result);
  const testing::RejectionText explanation = testing::ExplainRejection(
      *strategy, context, decision, decision.result.policy.rejected.at(0));
  return {explanation.rule, explanation.detail, explanation.allowed_from_ms};
}

TEST(ProtectedTimeZoneTest, IsNotToldByAQuietHour) {
  const Said explanation = ExplainInSydney(
      "contact { name: 'night' because: 'Sleep.'"
      "          quiet_hours { from: '01:00' until: '00:59' } }",
      false);
  EXPECT_EQ(explanation.detail,
            "night: not at this time of the customer's day or week, by a time zone that is "
            "protected (Sleep.)");
  EXPECT_EQ(explanation.rule, "night");
  EXPECT_FALSE(explanation.allowed_from_ms.has_value());
}

TEST(ProtectedTimeZoneTest, IsNotToldByACapThatEndsInAQuietHour) {
  const std::string cap =
      "contact { name: 'once' cap { at_most: 1 outcomes: 'decided' window { seconds: 3600 }"
      "                             per: SCOPE_ALL } }";
  const Said explanation = ExplainInSydney(
      cap + "contact { name: 'night' quiet_hours { from: '00:01' until: '00:00' } }", true);
  EXPECT_EQ(explanation.rule, "once");
  EXPECT_FALSE(explanation.allowed_from_ms.has_value());
  EXPECT_THAT(explanation.detail, Not(HasSubstr("allowed again")));
  EXPECT_TRUE(ExplainInSydney(cap, true).allowed_from_ms.has_value());
}

// What is said of the first rejection of a customer of whom nothing is known, where the small
// strategy has this as well.
testing::RejectionText ExplainWith(const std::string& more) {
  testing::StrategyBuilder builder;
  const auto strategy = builder.BuildFromText(testing::kSmallStrategy + more,
                                              {testing::kSolveModel, testing::kSellModel});
  context::DecisionContext context;
  context.customer_id = "customer-1";
  context.time_us = kNowUs;
  context.attributes.assign(strategy->context.attributes.defaults().begin(),
                            strategy->context.attributes.defaults().end());
  Decision decision;
  decision.features.assign(strategy->features.defaults().begin(),
                           strategy->features.defaults().end());
  StageTimer timer(decision.times);
  RunPipeline(*strategy, stops::StopSet(), context, customer::CustomerState(), decision.features,
              std::nullopt, timer, decision.result);
  return testing::ExplainRejection(*strategy, context, decision,
                                   decision.result.policy.rejected.at(0));
}

TEST(LongExplanationTest, NamesTheFirstValuesOnly) {
  constexpr int kFeatures = 40;
  std::string features;
  std::string sum = "0";
  for (int i = 0; i < kFeatures; ++i) {
    const std::string name = "count_" + std::to_string(i);
    features += "features { name: '" + name +
                "' type: VALUE_TYPE_INT default { int_value: " + std::to_string(i) + " } }\n";
    sum += " + customer." + name;
  }
  const testing::RejectionText text =
      ExplainWith(features + "eligibility { name: 'many' when: '" + sum + " > 1000' }");
  ASSERT_EQ(text.values.size(), kMaxShownValues);
  for (size_t i = 0; i < kMaxShownValues; ++i) {
    const testing::RejectionText::Value& value = text.values[i];
    EXPECT_EQ(value.name, "customer.count_" + std::to_string(i));
    EXPECT_EQ(value.value, std::to_string(i));
    EXPECT_TRUE(value.is_default);
  }
  // The sentence has all of them, as it is short enough: 0 + 1 + ... + 39 = 780.
  EXPECT_THAT(text.detail, HasSubstr("customer.count_39 = 39"));
  EXPECT_THAT(text.detail, ::testing::EndsWith(" = 780, needed > 1000"));
  EXPECT_EQ(text.needed, "> 1000");
}

TEST(LongExplanationTest, CutsWhatWasNeededAndTheNearestChange) {
  // One of these words would be enough, and each is told.
  std::string when;
  std::string needed;
  std::string change;
  for (int i = 10; i < 30; ++i) {
    const std::string word = "\"" + std::string(60, 'w') + std::to_string(i) + "\"";
    when += (i == 10 ? "customer.word == " : " || customer.word == ") + word;
    needed += (i == 10 ? "" : " or ") + word;
    change += (i == 10 ? "customer.word == " : " || customer.word == ") + word;
  }
  const auto cut = [](const std::string& text) {
    return text.substr(0, kMaxShownBytes - 3) + "...";
  };
  const testing::RejectionText text = ExplainWith(
      "features { name: 'word' type: VALUE_TYPE_STRING default { string_value: 'x' } }"
      "eligibility { name: 'words' when: '" +
      when + "' }");
  ASSERT_GT(needed.size(), kMaxShownBytes);
  EXPECT_EQ(text.needed, cut(needed));
  EXPECT_EQ(text.nearest_change, cut(change));
  EXPECT_EQ(text.expression, cut(when));
  ASSERT_EQ(text.values.size(), 1u);
  EXPECT_EQ(text.values[0].value, "\"x\"");
}

TEST_F(ExplanationTest, SaysWhatOnErrorDid) {
  using Action = scoring::OnError::Action;
  std::vector<scoring::NamedModel>& models = strategy_->models.models;
  models[0].model =
      std::make_unique<scoring::RemoteModel>("solve", scoring::FeatureColumns(), nullptr);
  models[0].on_error = {Action::kDefaultPropensity, 0.05, -1};
  Decide();
  EXPECT_THAT(Why("fast_callback"),
              ElementsAre("on_error: default propensity 0.05, since the model solve@ba9876543210 "
                          "is not asked here"));
  models[0].on_error = {Action::kFallback, 0, 1};
  Decide();
  const std::vector<std::string> reasons = Why("fast_callback");
  ASSERT_GE(reasons.size(), 2u) << "what moved the fallback's score comes after it";
  EXPECT_EQ(reasons[0],
            "on_error: the model sell@ba9876543210, since the model solve@ba9876543210 is not "
            "asked here");
  models[0].on_error = {};
  Decide();
  EXPECT_EQ(WhyNot("fast_callback"), "the model solve@ba9876543210 is not asked here");
  models[0].on_error = {Action::kFallback, 0, 1};
  models[1].model =
      std::make_unique<scoring::RemoteModel>("sell", scoring::FeatureColumns(), nullptr);
  Decide();
  EXPECT_EQ(WhyNot("fast_callback"),
            "the model solve@ba9876543210 is not asked here, and its fallback sell@ba9876543210 is "
            "not asked here");
}

TEST_F(ExplanationTest, EveryRejectionHasASentence) {
  Decide();
  for (const candidates::Reason reason : candidates::kAllReasons) {
    if (NamesARule(reason)) continue;
    EXPECT_THAT(testing::ExplainRejection(*strategy_, context_, decision_, {0, reason}).detail,
                Not(IsEmpty()));
  }
}

}  // namespace
}  // namespace attune::decision
