// Formulas of a strategy in whole decisions: as models, as the priority, as content.

#include "lib/decision/formula_values.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/decision/decision_pipeline.h"
#include "lib/decision/explanation.h"
#include "lib/decision/warm_up.h"
#include "tests/testing/rejection_text.h"
#include "tests/testing/strategy_builder.h"

namespace attune::decision {
namespace {

using candidates::Reason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

// A customer of the small strategy's kind, and treatments that are added one by one.
class FormulaDecisionTest : public ::testing::Test {
 protected:
  FormulaDecisionTest()
      : file_(testing::FromText<strategy::v1::Strategy>(testing::kSmallStrategy)) {
    file_.clear_treatments();
    file_.clear_models();
    file_.mutable_arbitration()->clear_context_weights();
  }

  strategy::v1::Treatment& Add(const std::string& name, const std::string& formula) {
    strategy::v1::ModelReference& model = *file_.add_models();
    model.set_name(name);
    model.set_formula(formula);
    strategy::v1::Treatment& treatment = *file_.add_treatments();
    treatment.set_name(name);
    treatment.set_model(name);
    treatment.set_group("offer");
    treatment.set_value(100);
    (*treatment.mutable_content())["app"];
    return treatment;
  }
  static void Compute(strategy::v1::Treatment& treatment, const std::string& field,
                      const std::string& expression) {
    (*(*treatment.mutable_content())["app"].mutable_computed())[field] = expression;
  }

  // Decides with these features in place of their defaults.
  void Decide(const std::vector<std::pair<std::string, ValueRef>>& features = {}) {
    if (strategy_ == nullptr) strategy_ = builder_.Build(file_, {});
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
    context_.max_treatments = max_treatments_;
    decision_.features.assign(strategy_->features.defaults().begin(),
                              strategy_->features.defaults().end());
    for (const auto& [name, value] : features) {
      decision_.features[static_cast<size_t>(strategy_->features.SlotOf(name))] = value;
    }
    StageTimer timer(decision_.times);
    RunPipeline(*strategy_, stops::StopSet(), context_, customer::CustomerState(),
                decision_.features, std::nullopt, timer, decision_.result);
  }
  std::vector<std::string> Ranking() const {
    std::vector<std::string> names;
    for (const auto& ranked : decision_.result.arbitration.ranked) {
      names.push_back(strategy_->catalog.treatments[static_cast<size_t>(ranked.treatment)].name);
    }
    return names;
  }
  double Propensity(const std::string& name) const {
    for (const auto& scored : decision_.result.scored.scored) {
      if (scored.treatment == strategy_->catalog.Find(name)) return scored.propensity;
    }
    return -1;
  }
  // Why a treatment was dropped: "score_error: the formula ...".
  std::string WhyNot(const std::string& name) const {
    std::string why;
    decision_.result.ForEachRejection([&](const candidates::Rejection& rejection) {
      if (rejection.treatment != strategy_->catalog.Find(name)) return;
      why = std::string(candidates::ReasonName(rejection.reason)) + ": " +
            testing::ExplainRejection(*strategy_, context_, decision_, rejection).detail;
    });
    return why;
  }
  std::map<std::string, std::string> ContentOf(const std::string& name) const {
    std::map<std::string, std::string> content;
    decision_.result.content.ForEachField(strategy_->catalog.Find(name),
                                          [&](std::string_view field, std::string_view text) {
                                            content.emplace(std::string(field), std::string(text));
                                          });
    return content;
  }
  std::vector<std::string> Why(size_t rank) const {
    std::vector<std::string> reasons;
    const ExplainedModels models(*strategy_);
    ScoreExplainer scores(*strategy_, models, context_, decision_);
    ExplainRanked(*strategy_, decision_, decision_.result.arbitration.ranked[rank], scores,
                  [&](std::string_view reason) { reasons.emplace_back(reason); });
    return reasons;
  }

  testing::StrategyBuilder builder_;
  strategy::v1::Strategy file_;
  std::shared_ptr<strategy::Strategy> strategy_;
  context::DecisionContext context_;
  int max_treatments_ = 10;
  Decision decision_;
};

TEST_F(FormulaDecisionTest, AModelThatIsAFormulaGivesThePropensity) {
  Add("by_tenure", "double(customer.tenure_months) / 100.0");
  Add("by_treatment", "treatment.name == 'by_treatment' ? 0.75 : 0.0");
  Add("whole", "1");
  Add("too_much", "customer.monthly_charges");
  Decide({{"tenure_months", ValueRef::Int(40)}});
  EXPECT_DOUBLE_EQ(Propensity("by_tenure"), 0.4);
  EXPECT_EQ(Propensity("by_treatment"), 0.75);
  EXPECT_EQ(Propensity("whole"), 1);
  EXPECT_EQ(Propensity("too_much"), 1);
  EXPECT_THAT(Ranking(), ElementsAre("too_much", "whole", "by_treatment", "by_tenure"));
  Decide({{"tenure_months", ValueRef::Int(90)}});
  EXPECT_DOUBLE_EQ(Propensity("by_tenure"), 0.9);
}

TEST_F(FormulaDecisionTest, TheVersionOfAFormulaIsAHashOfItsText) {
  Add("one", "0.5");
  Add("other", "0.25");
  Add("same", "0.5");
  Decide();
  const auto hash = [&](size_t model) {
    const std::string& version = strategy_->models.models[model].version;
    return version.substr(version.find('@'));
  };
  EXPECT_EQ(strategy_->models.models[0].version, "one" + hash(0));
  EXPECT_EQ(hash(0).size(), 1u + 12u);
  EXPECT_EQ(hash(0), hash(2));
  EXPECT_NE(hash(0), hash(1));
}

TEST_F(FormulaDecisionTest, AModelThatCanNotBeEvaluatedDropsItsTreatmentsAndSaysWhy) {
  Add("ratio", "double(4 / customer.tenure_months) / 8.0");
  Add("odds", "customer.monthly_charges / (customer.monthly_charges - 20.0)");
  Decide({{"tenure_months", ValueRef::Int(0)}, {"monthly_charges", ValueRef::Double(20)}});
  EXPECT_THAT(Ranking(), IsEmpty());
  EXPECT_EQ(decision_.result.rejected_counts.CountOf(Reason::kScoreError), 1);
  EXPECT_EQ(decision_.result.rejected_counts.CountOf(Reason::kScoreNotFinite), 1);
  EXPECT_THAT(WhyNot("ratio"), HasSubstr("score_error: the formula of the model ratio@"));
  EXPECT_THAT(WhyNot("ratio"),
              HasSubstr("can't be evaluated: division by zero; customer.tenure_months = 0"));
  EXPECT_THAT(WhyNot("odds"), HasSubstr("score_not_finite: the formula of the model odds@"));
  EXPECT_THAT(WhyNot("odds"), HasSubstr("customer.monthly_charges = 20"));
}

TEST_F(FormulaDecisionTest, ReasonsAreWhatTheFormulaLookedAt) {
  Add("a", "customer.vip && customer.tenure_months > 3 ? 0.5 : customer.monthly_charges / 100.0");
  Add("b", "0.125");
  Decide({{"vip", ValueRef::Bool(true)}, {"tenure_months", ValueRef::Int(5)}});
  EXPECT_THAT(Ranking(), ElementsAre("a", "b"));
  ASSERT_EQ(Why(0).size(), 3u);
  EXPECT_EQ(Why(0)[0], "customer.vip = true");
  EXPECT_EQ(Why(0)[1], "customer.tenure_months = 5");
  EXPECT_THAT(Why(0)[2], HasSubstr("customer.monthly_charges = 20"));
  EXPECT_THAT(Why(0)[2], HasSubstr(" (default)"));
  EXPECT_THAT(Why(1), ElementsAre("the formula of its model looks at nothing"));
}

TEST_F(FormulaDecisionTest, NothingTellsAProtectedValue) {
  Add("a", "customer.income / 5000.0");
  Compute(Add("b", "0.1"), "each", "1000 / int(customer.income - 471.25)");
  Decide({{"income", ValueRef::Double(471.25)}});
  EXPECT_THAT(Why(0), ElementsAre("customer.income = (protected)"));
  EXPECT_THAT(WhyNot("b"), HasSubstr("customer.income is hidden"));
  EXPECT_THAT(WhyNot("b"), Not(HasSubstr("471")));
}

TEST_F(FormulaDecisionTest, ThePriorityIsTheFormulaOverItsTermsAndAllThatRulesSee) {
  file_.mutable_arbitration()->set_priority(
      "propensity * context_weight * value * lever - cost + double(customer.tenure_months)");
  strategy::v1::Treatment& dear = Add("dear", "0.5");
  dear.set_cost(30);
  dear.set_lever(50);
  Add("cheap", "0.5").set_value(80);
  strategy::v1::ContextWeight& weight = *file_.mutable_arbitration()->add_context_weights();
  weight.set_group("offer");
  weight.set_percent(100);
  Decide({{"tenure_months", ValueRef::Int(7)}});
  EXPECT_THAT(Ranking(), ElementsAre("dear", "cheap"));
  const auto& ranked = decision_.result.arbitration.ranked;
  EXPECT_DOUBLE_EQ(ranked[0].priority, 0.5 * 2 * 100 * 1.5 - 30 + 7);
  EXPECT_DOUBLE_EQ(ranked[1].priority, 0.5 * 2 * 80 + 7);
}

TEST_F(FormulaDecisionTest, AnIntIsAPriorityToo) {
  file_.mutable_arbitration()->set_priority("treatment.name == 'last' ? 1 : 2");
  Add("last", "0.9");
  Add("first", "0.1");
  Decide();
  EXPECT_THAT(Ranking(), ElementsAre("first", "last"));
}

TEST_F(FormulaDecisionTest, APriorityThatFailsDropsTheTreatmentAndSaysWhy) {
  file_.mutable_arbitration()->set_priority(
      "treatment.name == 'a' ? value / (propensity - 0.5) : value");
  Add("a", "0.5");
  Add("b", "0.5");
  Decide();
  EXPECT_THAT(Ranking(), ElementsAre("b"));
  EXPECT_THAT(WhyNot("a"), HasSubstr("priority_error: the formula of the priority comes to "));
  EXPECT_THAT(WhyNot("a"), HasSubstr("propensity = 0.5"));
  EXPECT_THAT(WhyNot("a"), HasSubstr("value = 100"));
}

TEST_F(FormulaDecisionTest, ComputesContentOfWhatIsRanked) {
  strategy::v1::Treatment& first = Add("first", "0.9");
  Compute(first, "queue", "customer.vip ? 'vip' : 'standard'");
  Compute(first, "discount", "math.least(customer.monthly_charges / 10.0, 7.5)");
  Compute(first, "months", "customer.tenure_months + 1");
  Compute(first, "is_new", "customer.tenure_months < 3");
  Compute(Add("second", "0.5"), "queue", "'second'");
  max_treatments_ = 1;
  Decide({{"vip", ValueRef::Bool(true)},
          {"monthly_charges", ValueRef::Double(50)},
          {"tenure_months", ValueRef::Int(2)}});
  EXPECT_THAT(ContentOf("first"), ElementsAre(Pair("discount", "5"), Pair("is_new", "true"),
                                              Pair("months", "3"), Pair("queue", "vip")));
  EXPECT_THAT(ContentOf("second"), IsEmpty());
  Decide({{"monthly_charges", ValueRef::Double(80)}});
  EXPECT_EQ(ContentOf("first")["discount"], "7.5");
  EXPECT_EQ(ContentOf("first")["queue"], "standard");
}

TEST_F(FormulaDecisionTest, ContentIsComputedForItsChannel) {
  strategy::v1::Treatment& treatment = Add("a", "0.5");
  Compute(treatment, "text", "'app'");
  (*(*treatment.mutable_content())["ivr"].mutable_computed())["prompt"] = "'ivr'";
  Decide();
  EXPECT_THAT(ContentOf("a"), ElementsAre(Pair("text", "app")));
  context_.channel = 1;
  Decide();
  EXPECT_THAT(ContentOf("a"), ElementsAre(Pair("prompt", "ivr")));
}

TEST_F(FormulaDecisionTest, ContentThatCanNotBeComputedMakesWayForTheNext) {
  strategy::v1::Treatment& first = Add("first", "0.9");
  Compute(first, "a", "'fine'");
  Compute(first, "b", "10 / customer.tenure_months");
  Add("second", "0.5");
  max_treatments_ = 1;
  Decide();
  EXPECT_THAT(Ranking(), ElementsAre("first"));
  Decide({{"tenure_months", ValueRef::Int(0)}});
  EXPECT_THAT(Ranking(), ElementsAre("second"));
  EXPECT_THAT(ContentOf("first"), IsEmpty());
  EXPECT_EQ(WhyNot("first"),
            "content_error: the content \"b\" can't be evaluated: division by zero; "
            "customer.tenure_months = 0");
  EXPECT_EQ(decision_.result.rejected_counts.CountOf(Reason::kContentError), 1);
}

TEST_F(FormulaDecisionTest, ComputedContentIsBounded) {
  strategy::v1::Treatment& treatment = Add("a", "0.5");
  // Twelve times doubled, one byte has 4096.
  std::string doubled = "customer.plan";
  for (int i = 0; i < 12; ++i) {
    doubled = "cel.bind(t, " + doubled + ", t + t)";
  }
  Compute(treatment, "text", doubled);
  Decide({{"plan", ValueRef::String("x")}});
  EXPECT_EQ(ContentOf("a")["text"], std::string(policy::kMaxComputedBytes, 'x'));
  Decide({{"plan", ValueRef::String("xy")}});
  EXPECT_THAT(Ranking(), IsEmpty());
  EXPECT_EQ(WhyNot("a"),
            "content_error: the content \"text\" has 8192 bytes; at most 4096 are allowed");
}

TEST_F(FormulaDecisionTest, ValueAndCostAreComputedForTheCustomer) {
  strategy::v1::Treatment& dear = Add("dear", "0.5");
  dear.set_computed_value("customer.monthly_charges * 12.0");
  dear.set_computed_cost("customer.vip ? 30 : 0");  // an int is as good
  Add("plain", "0.5").set_cost(5);
  Decide({{"monthly_charges", ValueRef::Double(10)}});
  EXPECT_THAT(Ranking(), ElementsAre("dear", "plain"));
  EXPECT_DOUBLE_EQ(decision_.result.arbitration.ranked[0].priority, 60);  // 0.5 x 120
  EXPECT_DOUBLE_EQ(decision_.result.arbitration.ranked[1].priority, 45);  // 0.5 x 100 - 5
  EXPECT_THAT(Why(0), ElementsAre("the formula of its model looks at nothing",
                                  "value 120 is customer.monthly_charges * 12.0; "
                                  "customer.monthly_charges = 10",
                                  "cost 0 is customer.vip ? 30 : 0; customer.vip = false "
                                  "(default)"));
  EXPECT_THAT(Why(1), ElementsAre("the formula of its model looks at nothing"));
  Decide({{"monthly_charges", ValueRef::Double(10)}, {"vip", ValueRef::Bool(true)}});
  EXPECT_THAT(Ranking(), ElementsAre("plain", "dear"));
  EXPECT_DOUBLE_EQ(decision_.result.arbitration.ranked[1].priority, 30);
}

TEST_F(FormulaDecisionTest, ValuesSeeTheTreatmentAndTheSituation) {
  for (const char* name : {"a", "b"}) {
    Add(name, "0.5")
        .set_computed_value("treatment.name == 'a' && context.channel == 'app' ? 80.0 : 50.0");
  }
  Decide();
  EXPECT_DOUBLE_EQ(decision_.result.arbitration.ranked[0].priority, 40);
  EXPECT_DOUBLE_EQ(decision_.result.arbitration.ranked[1].priority, 25);
}

TEST_F(FormulaDecisionTest, AValueThatCanNotBeUsedDropsTheTreatmentAndSaysWhy) {
  Add("fails", "0.5").set_computed_value("100 / customer.tenure_months");
  Add("negative", "0.5").set_computed_cost("customer.monthly_charges - 30.0");
  Add("too_large", "0.5").set_computed_value("customer.monthly_charges * 1e12");
  Add("not_a_number", "0.5").set_computed_value("0.0 / (customer.monthly_charges - 20.0)");
  strategy::v1::Treatment& shown = Add("must_be_shown", "0.5");
  shown.set_computed_value("100 / customer.tenure_months");
  shown.set_computed_cost("7.0");
  shown.set_must_show(true);
  Decide({{"tenure_months", ValueRef::Int(0)}, {"monthly_charges", ValueRef::Double(20)}});
  EXPECT_THAT(Ranking(), ElementsAre("must_be_shown"));
  EXPECT_EQ(decision_.result.rejected_counts.CountOf(Reason::kValueError), 4);
  EXPECT_EQ(WhyNot("fails"),
            "value_error: the value \"100 / customer.tenure_months\" can't be evaluated: division "
            "by zero; customer.tenure_months = 0; it must be 0 to 1e+12");
  EXPECT_EQ(WhyNot("negative"),
            "value_error: the cost \"customer.monthly_charges - 30.0\" comes to -10; "
            "customer.monthly_charges = 20; it must be 0 to 1e+12");
  EXPECT_THAT(WhyNot("too_large"), HasSubstr(" comes to "));
  EXPECT_THAT(WhyNot("not_a_number"), HasSubstr(" comes to NaN"));
  EXPECT_EQ(decision_.result.arbitration.ranked[0].priority, 0);
  ASSERT_EQ(Why(0).size(), 3u);
  EXPECT_THAT(Why(0)[1], HasSubstr("value 0, for not all can be computed: 100 / "));
  EXPECT_THAT(Why(0)[2], HasSubstr("cost 0, for not all can be computed: 7.0"));
}

TEST_F(FormulaDecisionTest, TheLimitItselfIsAValue) {
  Add("largest", "1").set_computed_value("1e12");
  Add("beyond", "1").set_computed_value("1.000001e12");
  Decide();
  EXPECT_THAT(Ranking(), ElementsAre("largest"));
}

TEST_F(FormulaDecisionTest, NoReasonOfAValueTellsAProtectedOne) {
  Add("a", "0.5").set_computed_value("customer.income > 100.0 ? 50.0 : 60.0");
  Add("b", "0.5").set_computed_value("customer.income - 471.25");
  Decide({{"income", ValueRef::Double(470.5)}});
  EXPECT_THAT(Why(0)[1], HasSubstr("customer.income = (protected)"));
  EXPECT_THAT(WhyNot("b"), HasSubstr("customer.income is hidden"));
  EXPECT_THAT(Why(0)[1], HasSubstr("value 50 by a formula; "));
  for (const char* hidden : {"470", "471", "0.75"}) {
    EXPECT_THAT(WhyNot("b"), Not(HasSubstr(hidden)));
  }
}

TEST_F(FormulaDecisionTest, ThePriorityFailsWithTheValuesThatWereComputed) {
  file_.mutable_arbitration()->set_priority("1.0 / (value - 120.0) + cost");
  strategy::v1::Treatment& a = Add("a", "0.5");
  a.set_computed_value("customer.monthly_charges * 12.0");
  a.set_computed_cost("3.0");
  Decide({{"monthly_charges", ValueRef::Double(10)}});
  EXPECT_THAT(WhyNot("a"), HasSubstr("priority_error: "));
  EXPECT_THAT(WhyNot("a"), HasSubstr("value = 120"));
  EXPECT_THAT(WhyNot("a"), HasSubstr("cost = 3"));
}

TEST_F(FormulaDecisionTest, WhatIsNotRememberedIsToldOfFormulasToo) {
  file_.mutable_history()->set_max_interactions(1);
  file_.add_outcomes()->set_name("shown");
  Add("a", "history.all.count(['shown'], duration('24h')) > 0 ? 0.1 : 0.2");
  strategy_ = builder_.Build(file_, {});
  EXPECT_EQ(strategy_->engagement.longest_window_ms(), 24 * 3'600'000);
  context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                             strategy_->context.attributes.defaults().end());
  decision_.features.assign(strategy_->features.defaults().begin(),
                            strategy_->features.defaults().end());
  StageTimer timer(decision_.times);
  RunPipeline(*strategy_, stops::StopSet(), context_, customer::CustomerState::Unavailable(),
              decision_.features, std::nullopt, timer, decision_.result);
  EXPECT_TRUE(decision_.result.policy.history_incomplete);
  EXPECT_THAT(WhyNot("a"), HasSubstr("score_error"));
}

TEST_F(FormulaDecisionTest, IsWarmedUp) {
  strategy::v1::Treatment& treatment = Add("a", "double(customer.tenure_months) / 100.0");
  Compute(treatment, "text", "customer.plan");
  (*treatment.mutable_content())["ivr"];
  file_.mutable_arbitration()->set_priority("propensity");
  strategy_ = builder_.Build(file_, {});
  WarmUp(*strategy_, 0, decision_);
  EXPECT_FALSE(decision_.result.scored.scored.empty());
}

TEST(ComputedContentTest, TakesNoMoreThanARankingMayHave) {
  const policy::ComputedField field{.treatment = 3, .channel = 0, .name = "text", .formula = 0};
  ComputedContent content;
  const std::string text(policy::kMaxComputedBytes, 'x');
  size_t added = 0;
  while (content.Add(field, text)) ++added;
  EXPECT_EQ(added, policy::kMaxComputedBytesInAll / policy::kMaxComputedBytes);
  content.Truncate(1);
  EXPECT_EQ(content.size(), 1u);
  EXPECT_TRUE(content.Add(field, "y"));
  std::vector<std::string> texts;
  content.ForEachField(3, [&](std::string_view name, std::string_view value) {
    EXPECT_EQ(name, "text");
    texts.emplace_back(value);
  });
  EXPECT_THAT(texts, ElementsAre(text, "y"));
  content.ForEachField(2, [](std::string_view, std::string_view) { ADD_FAILURE(); });
  content.Clear();
  EXPECT_EQ(content.size(), 0u);
}

}  // namespace
}  // namespace attune::decision
