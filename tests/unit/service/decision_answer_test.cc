#include "service/decision_answer.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "lib/scoring/score_parts.h"
#include "service/score_parts_writer.h"
#include "tests/testing/decision_message.h"
#include "tests/testing/effort.h"
#include "tests/testing/fake_state_store.h"
#include "tests/testing/large_strategy.h"
#include "tests/testing/strategy_builder.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

using google::protobuf::util::MessageDifferencer;

class AnswerEncoderTest : public ::testing::Test {
 protected:
  bool Decide(const strategy::Strategy& strategy, const context::DecisionContext& context,
              decision::Decision& decision) {
    const auto no_answer = [](const decision::Decision&, decision::AnswerForm, std::string*) {};
    return decision::Decider(&store_, HashKeyFromSeed(1))
        .Decide(strategy, context, {}, no_answer, decision)
        .ok();
  }

  // Decides in every situation and compares the two ways to make an answer. With `is_open` the
  // channel is left open, and all placements of the strategy are asked for.
  void CompareIn(const strategy::Strategy& strategy, bool is_open = false) {
    const AnswerEncoder encoder(strategy);
    decision::Decision decision;
    context::DecisionContext context;
    context.customer_id = "customer-1";
    context.attributes.assign(strategy.context.attributes.defaults().begin(),
                              strategy.context.attributes.defaults().end());
    for (int channel = 0; is_open && channel < strategy.context.channels.size(); ++channel) {
      context.open_channels.push_back(channel);
    }
    for (int placement = 0; is_open && placement < strategy.context.placements.size();
         ++placement) {
      context.placements.push_back(placement);
    }
    for (const int64_t time_us : {int64_t{0}, int64_t{999'999}, int64_t{1'772'323'200'000'001}}) {
      context.time_us = time_us;
      for (context.channel = 0; context.channel < strategy.context.channels.size();
           ++context.channel) {
        for (context.intent = 0; context.intent <= strategy.context.intents.size();
             ++context.intent) {
          for (context.max_treatments = 1; context.max_treatments <= 100;
               context.max_treatments += testing::kOptimized ? 33 : 99) {
            ASSERT_TRUE(Decide(strategy, context, decision));
            for (const bool explain : {false, true}) {
              pb::DecideResponse expected;
              testing::FillResponse(strategy, context, decision, explain, &expected);
              std::string bytes;
              encoder.Append(context, decision, explain, bytes);
              pb::DecideResponse decoded;
              ASSERT_TRUE(decoded.ParseFromString(bytes));
              EXPECT_TRUE(MessageDifferencer::Equals(decoded, expected))
                  << decoded.DebugString() << expected.DebugString();
              ++compared_;
            }
          }
        }
      }
    }
  }

  testing::FakeStateStore store_;
  int compared_ = 0;
};

TEST_F(AnswerEncoderTest, WritesWhatTheMessageHolds) {
  testing::StrategyBuilder builder;
  CompareIn(*testing::BuildSmallStrategy(builder));
  EXPECT_GT(compared_, 50);
}

TEST_F(AnswerEncoderTest, WritesWhatTheMessageHoldsOfALargeStrategy) {
  testing::StrategyBuilder builder;
  CompareIn(*testing::BuildLargeStrategy(builder, 7));
}

TEST_F(AnswerEncoderTest, WritesTheChannelAndThePlaceOfEachTreatment) {
  testing::StrategyBuilder builder;
  CompareIn(
      *builder.BuildFromText(std::string(testing::kSmallStrategy) +
                                 "placements { name: 'hero' groups: 'offer' channels: 'app' } "
                                 "placements { name: 'box' max_treatments: 2 }",
                             {testing::kSolveModel, testing::kSellModel}),
      /*is_open=*/true);
  CompareIn(*testing::BuildLargeStrategy(builder, 7), /*is_open=*/true);
}

TEST_F(AnswerEncoderTest, WritesWhatCanBeUsedFirst) {
  testing::StrategyBuilder builder;
  const auto strategy = builder.BuildFromText(
      std::string(testing::kSmallStrategy) +
          "contact { name: 'night' quiet_hours { from: '00:00' until: '23:59' } }",
      {testing::kSolveModel, testing::kSellModel});
  CompareIn(*strategy, /*is_open=*/true);
  decision::Decision decision;
  context::DecisionContext context;
  context.customer_id = "customer-1";
  context.attributes.assign(strategy->context.attributes.defaults().begin(),
                            strategy->context.attributes.defaults().end());
  context.open_channels = {0, 1};
  ASSERT_TRUE(Decide(*strategy, context, decision));
  std::string bytes;
  AnswerEncoder(*strategy).Append(context, decision, /*explain=*/false, bytes);
  pb::DecideResponse decoded;
  ASSERT_TRUE(decoded.ParseFromString(bytes));
  EXPECT_EQ(decoded.earliest().treatment_id(), "fast_callback");
  EXPECT_EQ(decoded.earliest().channel(), "app");
  EXPECT_EQ(decoded.earliest().time().seconds(), 23 * 3600 + 59 * 60);
}

TEST_F(AnswerEncoderTest, WritesWhatFormulasCameTo) {
  testing::StrategyBuilder builder;
  CompareIn(*testing::BuildLargeStrategy(builder, 7, {.models = true, .priority = true}));
  const auto strategy = builder.BuildFromText(
      std::string(testing::kSmallStrategy) + R"pb(
        models { name: "rate" formula: "double(customer.tenure_months) / 12.0" }
        treatments {
          name: "discount"
          group: "offer"
          value: 500
          model: "rate"
          content {
            key: "app"
            value {
              fields { key: "text" value: "Less to pay." }
              computed { key: "euros" value: "customer.monthly_charges / 8.0" }
              computed { key: "no_text" value: "''" }
            }
          }
          content {
            key: "ivr"
            value { computed { key: "months" value: "10 / (customer.tenure_months - 12)" } }
          }
        }
      )pb",
      {testing::kSolveModel, testing::kSellModel});
  CompareIn(*strategy);
  context::DecisionContext context;
  context.customer_id = "customer-1";
  context.max_treatments = 1;
  context.attributes.assign(strategy->context.attributes.defaults().begin(),
                            strategy->context.attributes.defaults().end());
  decision::Decision decision;
  ASSERT_TRUE(Decide(*strategy, context, decision));
  std::string bytes;
  AnswerEncoder(*strategy).Append(context, decision, false, bytes);
  pb::DecideResponse answer;
  ASSERT_TRUE(answer.ParseFromString(bytes));
  ASSERT_EQ(answer.treatments(0).treatment_id(), "discount");
  EXPECT_THAT(answer.treatments(0).content(),
              ::testing::UnorderedElementsAre(::testing::Pair("text", "Less to pay."),
                                              ::testing::Pair("euros", "2.5"),
                                              ::testing::Pair("no_text", "")));
}

// It is ranked as worth 0, for there is no priority without its cost.
TEST_F(AnswerEncoderTest, AWrittenValueDoesNotCountWhereTheCostCanNotBeComputed) {
  testing::StrategyBuilder builder;
  const auto strategy = builder.BuildFromText(std::string(testing::kSmallStrategy) + R"pb(
                                                treatments {
                                                  name: "notice"
                                                  group: "care"
                                                  value: 500
                                                  computed_cost: "-1.0"
                                                  model: "solve"
                                                  must_show: true
                                                  content { key: "app" }
                                                }
                                              )pb",
                                              {testing::kSolveModel, testing::kSellModel});
  context::DecisionContext context;
  context.customer_id = "customer-1";
  context.max_treatments = 2;
  context.attributes.assign(strategy->context.attributes.defaults().begin(),
                            strategy->context.attributes.defaults().end());
  decision::Decision decision;
  ASSERT_TRUE(Decide(*strategy, context, decision));
  std::string bytes;
  AnswerEncoder(*strategy).Append(context, decision, false, bytes);
  pb::DecideResponse answer;
  ASSERT_TRUE(answer.ParseFromString(bytes));
  ASSERT_EQ(answer.treatments_size(), 2);
  EXPECT_EQ(answer.treatments(0).treatment_id(), "notice");
  EXPECT_EQ(answer.treatments(0).value(), 0);
  EXPECT_EQ(answer.treatments(0).cost(), 0);
  EXPECT_EQ(answer.treatments(0).priority(), 0);
  EXPECT_EQ(answer.treatments(1).treatment_id(), "fast_callback");
  EXPECT_EQ(answer.treatments(1).value(), 100) << "as it is written";
}

TEST_F(AnswerEncoderTest, WritesTheChancesOfAllAndTheGreedyChoice) {
  testing::StrategyBuilder builder;
  const auto strategy = testing::BuildSmallStrategy(builder);
  strategy->arbitration.explorations = {
      {.method = arbitration::Exploration::Method::kEpsilonGreedy, .epsilon = 1}};
  strategy->arbitration.exploration_of_group = {0, 0, 0};
  CompareIn(*strategy);
  context::DecisionContext context;
  context.customer_id = "customer-1";
  context.max_treatments = 1;
  context.attributes.assign(strategy->context.attributes.defaults().begin(),
                            strategy->context.attributes.defaults().end());
  int displaced = 0;
  for (int i = 0; i < 50; ++i) {
    context.time_us += 1'000;
    decision::Decision decision;
    ASSERT_TRUE(Decide(*strategy, context, decision));
    std::string bytes;
    AnswerEncoder(*strategy).Append(context, decision, true, bytes);
    pb::DecideResponse answer;
    ASSERT_TRUE(answer.ParseFromString(bytes));
    ASSERT_EQ(answer.treatments_size(), 1);
    double sum = answer.treatments(0).selection_probability();
    for (const auto& rejected : answer.rejected_treatments()) {
      sum += rejected.selection_probability();
    }
    ASSERT_NEAR(sum, 1, 1e-9);
    if (answer.greedy_treatment_id().empty()) continue;
    ++displaced;
    ASSERT_EQ(answer.greedy_treatment_id(), "fast_callback");
    ASSERT_NE(answer.treatments(0).treatment_id(), "fast_callback");
  }
  EXPECT_GT(displaced, 10);
  EXPECT_LT(displaced, 50);
}

constexpr char kRules[] = R"pb(
  eligibility { name: "not_care" when: "treatment.group != 'care'" }
  suitability {
    name: "broken"
    when: "treatment.name != 'upgrade' || 1 / (customer.tenure_months - 12) > 0"
  }
  contact {
    name: "pause"
    cap {
      at_most: 1
      outcomes: "decided"
      window { seconds: 60 }
    }
  }
)pb";

TEST_F(AnswerEncoderTest, WritesByWhichRuleTreatmentsWereDropped) {
  testing::StrategyBuilder builder;
  const auto strategy = builder.BuildFromText(std::string(testing::kSmallStrategy) + kRules,
                                              {testing::kSolveModel, testing::kSellModel});
  CompareIn(*strategy);
  context::DecisionContext context;
  context.customer_id = "customer-1";
  context.intent = 2;  // browse_plans
  context.time_us = 1'772'323'200'000'001;
  context.attributes.assign(strategy->context.attributes.defaults().begin(),
                            strategy->context.attributes.defaults().end());
  decision::Decision decision;
  ASSERT_TRUE(Decide(*strategy, context, decision));
  std::string bytes;
  AnswerEncoder(*strategy).Append(context, decision, /*explain=*/false, bytes);
  pb::DecideResponse decoded;
  ASSERT_TRUE(decoded.ParseFromString(bytes));
  std::vector<std::string> counts;
  for (const pb::RejectedCount& count : decoded.rejected_counts()) {
    counts.push_back(count.reason() + "/" + count.rule() + "=" + std::to_string(count.count()));
  }
  EXPECT_THAT(counts, ::testing::ElementsAre("not_eligible/not_care=1", "rule_error/broken=1",
                                             "cap_reached/pause=2"));
}

TEST_F(AnswerEncoderTest, WritesEveryKindOfDegradation) {
  testing::StrategyBuilder builder;
  store_.SetFaults({.load = absl::UnavailableError("down")});
  CompareIn(*testing::BuildSmallStrategy(builder));
}

// As many treatments as a strategy may have, with the longest names, each dropped by its own rule.
TEST_F(AnswerEncoderTest, AnExplanationStaysWithinWhatClientsTake) {
  auto file = testing::FromText<strategy::v1::Strategy>(R"pb(
    name: "longest"
    channels { name: "app" }
    models { name: "m" file: "m.yaml" }
  )pb");
  const std::string group(64, 'g');
  file.add_groups()->set_name(group);
  constexpr int kTreatments = 10'000;
  for (int i = 0; i < kTreatments; ++i) {
    std::string name = "t" + std::to_string(i);
    name.resize(64, '_');
    strategy::v1::Treatment* treatment = file.add_treatments();
    treatment->set_name(name);
    treatment->set_group(group);
    treatment->set_model("m");
    (*treatment->mutable_content())["app"];
    strategy::v1::Rule* rule = treatment->add_eligibility();
    rule->set_name("r" + name.substr(1));
    rule->set_when("context.channel == 'web'");
    rule->set_because(std::string(1024, 'b'));
  }
  testing::StrategyBuilder builder;
  const auto strategy = builder.Build(
      file, {testing::FromText<strategy::v1::Model>("linear { link: LINK_LOGISTIC }")});
  context::DecisionContext context;
  context.customer_id = "customer-1";
  context.max_treatments = 3;
  decision::Decision decision;
  ASSERT_TRUE(Decide(*strategy, context, decision));
  std::string bytes;
  AnswerEncoder(*strategy).Append(context, decision, /*explain=*/true, bytes);
  EXPECT_LT(bytes.size(), 4u << 20);
  pb::DecideResponse answer;
  ASSERT_TRUE(answer.ParseFromString(bytes));
  EXPECT_TRUE(answer.explanation_incomplete());
  EXPECT_LT(answer.rejected_treatments_size(), kTreatments);
  EXPECT_EQ(answer.rejected_counts_size(), kTreatments);
}

// As many treatments as a ranking may have, each with as many contributions as are told, of inputs
// with long names and values.
TEST_F(AnswerEncoderTest, PartsOfScoresStayWithinTheirLimit) {
  auto file = testing::FromText<strategy::v1::Strategy>(R"pb(
    name: "wide"
    channels { name: "app" }
    groups { name: "g" }
    models { name: "m" file: "m.yaml" }
  )pb");
  auto model = testing::FromText<strategy::v1::Model>("linear { link: LINK_LOGISTIC }");
  for (size_t i = 0; i < scoring::kMaxContributions; ++i) {
    strategy::v1::Declaration* feature = file.add_features();
    std::string name = "f" + std::to_string(i);
    name.resize(64, '_');
    feature->set_name(name);
    feature->set_type(strategy::v1::VALUE_TYPE_STRING_LIST);
    for (int element = 0; element < 3; ++element) {
      feature->mutable_default_()->mutable_list_value()->add_values(std::string(90, 'x'));
    }
    strategy::v1::LinearTerm* term = model.mutable_linear()->add_terms();
    term->set_input("customer." + name);
    term->mutable_one_hot()->set_other(0.001 * static_cast<double>(i + 1));
  }
  constexpr int kRanked = 100;
  for (int i = 0; i < kRanked; ++i) {
    strategy::v1::Treatment* treatment = file.add_treatments();
    treatment->set_name("t" + std::to_string(i));
    treatment->set_group("g");
    treatment->set_value(1);
    treatment->set_model("m");
    (*treatment->mutable_content())["app"];
  }
  testing::StrategyBuilder builder;
  const auto strategy = builder.Build(file, {model});
  context::DecisionContext context;
  context.customer_id = "customer-1";
  context.max_treatments = kRanked;
  decision::Decision decision;
  ASSERT_TRUE(Decide(*strategy, context, decision));
  std::string bytes;
  AnswerEncoder(*strategy).Append(context, decision, /*explain=*/true, bytes);
  pb::DecideResponse answer;
  ASSERT_TRUE(answer.ParseFromString(bytes));
  ASSERT_EQ(answer.treatments_size(), kRanked);
  EXPECT_TRUE(answer.explanation_incomplete());
  size_t size = 0;
  int told = 0;
  for (const pb::RankedTreatment& treatment : answer.treatments()) {
    EXPECT_EQ(treatment.reasons_size(), 3);
    if (!treatment.has_score_parts()) continue;
    EXPECT_EQ(treatment.treatment_id(), answer.treatments(told).treatment_id()) << "a gap";
    ++told;
    size = treatment.score_parts().ByteSizeLong();
    EXPECT_EQ(treatment.score_parts().contributions_size(),
              static_cast<int>(scoring::kMaxContributions));
  }
  EXPECT_GT(told, 10);
  EXPECT_LT(told, kRanked);
  EXPECT_LT(static_cast<size_t>(told - 1) * size, kMaxScorePartsBytes);
  EXPECT_LT(bytes.size(), 4u << 20);
  context.max_treatments = told;
  ASSERT_TRUE(Decide(*strategy, context, decision));
  bytes.clear();
  AnswerEncoder(*strategy).Append(context, decision, /*explain=*/true, bytes);
  ASSERT_TRUE(answer.ParseFromString(bytes));
  EXPECT_FALSE(answer.explanation_incomplete());
}

TEST(AppendStreamResponseTest, WrapsAnAnswer) {
  pb::DecideResponse answer;
  answer.set_decision_id(std::string(300, 'x'));
  for (const char* id : {"", "call-7"}) {
    std::string bytes;
    AppendStreamResponse(id, answer.SerializeAsString(), &bytes);
    pb::DecideStreamResponse wrapped;
    ASSERT_TRUE(wrapped.ParseFromString(bytes));
    EXPECT_EQ(wrapped.correlation_id(), id);
    EXPECT_TRUE(MessageDifferencer::Equals(wrapped.decide(), answer));
  }
}

TEST(SerializeStablyTest, SortsMapsAndAppendsNothing) {
  pb::RankedTreatment treatment;
  for (const char* key : {"c", "a", "b"}) (*treatment.mutable_content())[key] = "x";
  std::string bytes;
  SerializeStably(treatment, &bytes);
  EXPECT_EQ(bytes,
            "\x1A\x06\n\x01"
            "a\x12\x01x\x1A\x06\n\x01"
            "b\x12\x01x\x1A\x06\n\x01"
            "c\x12\x01x");
}

}  // namespace
}  // namespace attune::service
