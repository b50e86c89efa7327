// Rankings by a formula of the strategy, and of treatments whose content is computed.

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/arbitration/arbitration.h"
#include "lib/arbitration/channel_choice.h"

namespace attune::arbitration {
namespace {

using candidates::Reason;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class FunctionFormula final : public PriorityFormula {
 public:
  using Function = std::function<std::optional<double>(int treatment, const Terms&)>;

  std::optional<double> Evaluate(int treatment, int /*slot*/, const Terms& terms) override {
    return function(treatment, terms);
  }

  Function function = [](int, const Terms& terms) { return PriorityOf(terms, {}); };
};

class FunctionOfSlot final : public PriorityFormula {
 public:
  std::optional<double> Evaluate(int treatment, int slot, const Terms& /*terms*/) override {
    return function(treatment, slot);
  }

  std::function<std::optional<double>(int treatment, int slot)> function;
};

class ContentWithGaps final : public ContentSource {
 public:
  bool CanCompute(int treatment, int /*slot*/) override { return !missing.contains(treatment); }
  bool Compute(int treatment, int slot) override {
    computed.push_back(treatment);
    return CanCompute(treatment, slot);
  }

  std::set<int> missing;
  std::vector<int> computed;
};

class FormulaPriorityTest : public ::testing::Test {
 protected:
  FormulaPriorityTest() {
    catalog_.groups.resize(2);
    context_.max_treatments = 10;
  }

  catalog::Treatment& Add(double propensity, double value, double cost = 0, int group = 0) {
    const int index = static_cast<int>(catalog_.treatments.size());
    catalog::Treatment& treatment = catalog_.treatments.emplace_back();
    treatment.group = group;
    treatment.value = value;
    treatment.cost = cost;
    treatment.name_rank = index;
    scored_.scored.push_back({index, propensity});
    return treatment;
  }
  std::vector<int> Ranking(std::optional<double> draw = std::nullopt) {
    Arbitrate(settings_, catalog_, context_, scored_, draw, result_, {&formula_, &content_});
    std::vector<int> ranking;
    for (const RankedTreatment& ranked : result_.ranked) ranking.push_back(ranked.treatment);
    return ranking;
  }
  std::map<int, Reason> Rejected() const {
    std::map<int, Reason> rejected;
    for (const candidates::Rejection& r : result_.rejected) rejected[r.treatment] = r.reason;
    return rejected;
  }
  void FailFor(int failing) {
    formula_.function = [failing](int treatment, const Terms& terms) {
      return treatment == failing ? std::nullopt : std::optional(PriorityOf(terms, {}));
    };
  }
  void Explore(Exploration exploration) {
    settings_.explorations = {exploration};
    settings_.exploration_of_group = {0, 0};
  }

  Settings settings_;
  catalog::Catalog catalog_;
  context::DecisionContext context_;
  scoring::ScoredCandidates scored_;
  ArbitrationResult result_;
  FunctionFormula formula_;
  ContentWithGaps content_;
};

TEST_F(FormulaPriorityTest, RanksByTheFormulaOverTheTerms) {
  Add(0.5, 100, 7).lever = 1.5;
  Add(0.9, 10, 0, 1);
  settings_.context_weights.push_back(
      {1, context::ChannelSet().set(), context::IntentSet().set(), 100});
  std::vector<Terms> seen;
  formula_.function = [&](int, const Terms& terms) {
    seen.push_back(terms);
    return terms.propensity;
  };
  EXPECT_THAT(Ranking(), ElementsAre(1, 0));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].propensity, 0.5);
  EXPECT_EQ(seen[0].context_weight, 1.0);
  EXPECT_EQ(seen[0].value, 100);
  EXPECT_EQ(seen[0].lever, 1.5);
  EXPECT_EQ(seen[0].cost, 7);
  EXPECT_EQ(seen[1].context_weight, 2.0);
  EXPECT_EQ(result_.ranked[0].priority, 0.9);
  EXPECT_EQ(result_.ranked[0].context_weight, 2.0);
}

TEST_F(FormulaPriorityTest, ThresholdsTiesAndPlacesAreAsWithoutIt) {
  formula_.function = [](int, const Terms& terms) { return terms.propensity > 0.4 ? 1.0 : -1.0; };
  settings_.min_priority = 0;
  settings_.min_propensity = 0.1;
  settings_.max_per_group = 2;
  Add(0.5, 10);
  Add(0.6, 30);
  Add(0.7, 20);
  Add(0.3, 90);
  Add(0.05, 90);
  EXPECT_THAT(Ranking(), ElementsAre(1, 2));
  EXPECT_THAT(Rejected(), UnorderedElementsAre(Pair(0, Reason::kGroupLimitReached),
                                               Pair(3, Reason::kBelowMinPriority),
                                               Pair(4, Reason::kBelowMinPropensity)));
}

TEST_F(FormulaPriorityTest, DropsWhatTheFormulaCanNotTellOf) {
  Add(0.5, 100);
  Add(0.5, 10);
  FailFor(0);
  EXPECT_THAT(Ranking(), ElementsAre(1));
  EXPECT_THAT(Rejected(), ElementsAre(Pair(0, Reason::kPriorityError)));
  EXPECT_EQ(result_.priority[0], 0);
}

TEST_F(FormulaPriorityTest, WhatMustBeShownNeedsNoPriority) {
  Add(0.5, 100).must_show = true;
  Add(0.5, 10);
  FailFor(0);
  EXPECT_THAT(Ranking(), ElementsAre(0, 1));
  EXPECT_EQ(result_.ranked[0].priority, 0);
}

TEST_F(FormulaPriorityTest, AFallbackNeedsNoPriority) {
  Add(0.5, 100).only_as_fallback = true;
  settings_.fallbacks = {{0, context::ChannelSet().set()}};
  FailFor(0);
  EXPECT_THAT(Ranking(), ElementsAre(0));
  EXPECT_TRUE(result_.is_fallback);
}

TEST_F(FormulaPriorityTest, RanksWithoutAFactorPutANeutralOneIntoTheFormula) {
  // By the formula value x sqrt(propensity) - 2 x cost: 30 - 20 = 10, 40 - 0 = 40, 9 - 0 = 9.
  // Without propensity 20, 50 and 9 (its propensity is 1 anyway); without value 0.75 - 20, 0.8 and
  // 1; without costs 30, 40 and 9.
  formula_.function = [](int, const Terms& terms) {
    return terms.value * std::sqrt(terms.propensity) - 2 * terms.cost;
  };
  Add(0.5625, 40, 10);
  Add(0.64, 50);
  Add(1, 9);
  EXPECT_THAT(Ranking(), ElementsAre(1, 0, 2));
  const auto ranks = RanksOf(settings_, catalog_, scored_, result_, &formula_);
  ASSERT_EQ(ranks.size(), 3u);
  EXPECT_THAT(ranks[0].without, ElementsAre(1, 1, 2, 1, 1));
  EXPECT_THAT(ranks[1].without, ElementsAre(2, 2, 3, 2, 2));
  EXPECT_THAT(ranks[2].without, ElementsAre(3, 3, 1, 3, 3));
  EXPECT_EQ(ranks[1].by_priority, 2);
}

// A formula that is the default one draws with the chances of the default one.
TEST_F(FormulaPriorityTest, ThompsonSamplingTakesTheSlopeOfTheFormula) {
  Add(0.5, 100, 3);
  Add(0.3, 150, 1, 1);
  Add(0.05, 900);
  Add(1, 44);  // certain
  Explore({.method = Exploration::Method::kThompson, .evidence = 50});
  ArbitrationResult expected;
  Arbitrate(settings_, catalog_, context_, scored_, std::nullopt, expected);
  Ranking();
  ASSERT_EQ(result_.selectable.size(), expected.selectable.size());
  for (size_t i = 0; i < expected.selectable.size(); ++i) {
    EXPECT_EQ(result_.selectable[i].scored, expected.selectable[i].scored);
    EXPECT_NEAR(result_.selectable[i].probability, expected.selectable[i].probability, 1e-6);
  }
}

TEST_F(FormulaPriorityTest, AFormulaWithoutThePropensityIsCertainToThompson) {
  formula_.function = [](int, const Terms& terms) { return terms.value; };
  Add(0.5, 100);
  Add(0.5, 99);
  Explore({.method = Exploration::Method::kThompson, .evidence = 50});
  EXPECT_THAT(Ranking(0.999), ElementsAre(0, 1));
  EXPECT_NEAR(result_.SelectionProbabilityOf(0), 1.0, 1e-9);
}

TEST_F(FormulaPriorityTest, ATreatmentWithoutContentMakesWayForTheNext) {
  Add(0.9, 100);
  Add(0.8, 100);
  Add(0.7, 100);
  Add(0.6, 100);
  context_.max_treatments = 2;
  content_.missing = {0};
  EXPECT_THAT(Ranking(), ElementsAre(1, 2));
  EXPECT_THAT(Rejected(),
              UnorderedElementsAre(Pair(0, Reason::kContentError), Pair(3, Reason::kOutranked)));
  // What is not ranked is not computed.
  EXPECT_THAT(content_.computed, ElementsAre(0, 1, 2));
  EXPECT_EQ(result_.greedy, 1);
  EXPECT_EQ(result_.ranked[0].selection_probability, 1.0);
  const auto ranks = RanksOf(settings_, catalog_, scored_, result_, &formula_);
  EXPECT_EQ(ranks[0].by_priority, 1);
}

TEST_F(FormulaPriorityTest, ItTakesNoPlaceOfItsGroup) {
  Add(0.9, 100);
  Add(0.8, 100);
  settings_.max_per_group = 1;
  content_.missing = {0};
  EXPECT_THAT(Ranking(), ElementsAre(1));
}

TEST_F(FormulaPriorityTest, ItTakesNoPlaceOfTheRequest) {
  Add(0.9, 100);
  Add(0.8, 100);
  Placement& placement = settings_.placements.emplace_back();
  placement.channels.set();
  placement.groups.set();
  context_.placements = {0};
  content_.missing = {0};
  EXPECT_THAT(Ranking(), ElementsAre(1));
  EXPECT_EQ(result_.ranked[0].place, 0);
}

TEST_F(FormulaPriorityTest, TheChannelIsChosenByTheFormula) {
  Add(0.5, 100);                   // worth more on the second channel
  Add(0.5, 100);                   // the formula can't tell there
  Add(0.5, 100).must_show = true;  // it contends on both, with 0 where the formula can't tell
  Add(0.5, 100).must_show = true;  // and with less than that on the first channel
  context_.open_channels = {1, 0};
  const std::map<int, std::vector<std::optional<double>>> told = {
      {0, {1, 2}}, {1, {1, std::nullopt}}, {2, {1, std::nullopt}}, {3, {-1, std::nullopt}}};
  FunctionOfSlot formula;
  formula.function = [&](int treatment, int slot) {
    return told.at(treatment)[static_cast<size_t>(slot)];
  };
  ChannelChoice memory;
  std::vector<scoring::ScoredCandidate> chosen;
  ChooseChannels(settings_, catalog_, context_, {&scored_, &scored_}, memory, chosen, {&formula});
  std::vector<int> slots;
  for (const scoring::ScoredCandidate& candidate : chosen) slots.push_back(candidate.slot);
  EXPECT_THAT(slots, ElementsAre(1, 0, 0, 1));
}

TEST_F(FormulaPriorityTest, ItHasNoChanceInAnExploration) {
  Add(0.9, 100);
  Add(0.8, 100);
  Add(0.7, 100);
  content_.missing = {0};
  Explore({.method = Exploration::Method::kEpsilonGreedy, .epsilon = 1});
  EXPECT_THAT(Ranking(0.1), ElementsAre(1, 2));
  EXPECT_EQ(result_.SelectionProbabilityOf(0), 0);
  EXPECT_DOUBLE_EQ(result_.SelectionProbabilityOf(1), 0.5);
  EXPECT_DOUBLE_EQ(result_.SelectionProbabilityOf(2), 0.5);
  EXPECT_EQ(result_.greedy, 1);
  EXPECT_THAT(Ranking(0.9), ElementsAre(2, 1));
  EXPECT_THAT(Rejected(), Contains(Pair(0, Reason::kContentError)));
}

TEST_F(FormulaPriorityTest, AFallbackWithoutContentMakesWayForTheNextOne) {
  Add(0.9, 100).only_as_fallback = true;
  Add(0.8, 100).only_as_fallback = true;
  settings_.fallbacks = {{0, context::ChannelSet().set()}, {1, context::ChannelSet().set()}};
  content_.missing = {0};
  EXPECT_THAT(Ranking(), ElementsAre(1));
  EXPECT_TRUE(result_.is_fallback);
  content_.missing = {0, 1};
  EXPECT_THAT(Ranking(), IsEmpty());
  EXPECT_FALSE(result_.is_fallback);
  EXPECT_THAT(Rejected(),
              ElementsAre(Pair(0, Reason::kContentError), Pair(1, Reason::kContentError)));
}

}  // namespace
}  // namespace attune::arbitration
