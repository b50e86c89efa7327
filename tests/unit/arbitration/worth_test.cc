// Rankings where what treatments are worth, or cost, is computed in the decision.

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/arbitration/arbitration.h"
#include "lib/arbitration/channel_choice.h"

namespace attune::arbitration {
namespace {

using candidates::Reason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// What is computed, by treatment and slot; what is not here can't be.
class WorthTable final : public WorthSource {
 public:
  std::optional<Worth> WorthOf(int treatment, int slot) override {
    ++asked;
    const auto found = table.find({treatment, slot});
    return found == table.end() ? std::nullopt : std::optional(found->second);
  }

  std::map<std::pair<int, int>, Worth> table;
  int asked = 0;
};

class ProductFormula final : public PriorityFormula {
 public:
  std::optional<double> Evaluate(int /*treatment*/, int /*slot*/, const Terms& terms) override {
    ++asked;
    return terms.propensity * terms.value - 2 * terms.cost;
  }

  int asked = 0;
};

class WorthTest : public ::testing::Test {
 protected:
  WorthTest() {
    catalog_.groups.resize(1);
    context_.max_treatments = 10;
  }

  // What the catalog says is not what counts.
  catalog::Treatment& AddComputed(double propensity, std::optional<Worth> worth) {
    const int index = static_cast<int>(catalog_.treatments.size());
    catalog::Treatment& treatment = catalog_.treatments.emplace_back();
    treatment.name_rank = index;
    scored_.scored.push_back({index, propensity});
    if (worth) worth_.table[{index, 0}] = *worth;
    return treatment;
  }
  std::vector<int> RankingByWorth(PriorityFormula* formula = nullptr) {
    const Computed computed = {.priority = formula, .content = nullptr, .worth = &worth_};
    Arbitrate(settings_, catalog_, context_, scored_, std::nullopt, result_, computed);
    std::vector<int> ranking;
    for (const RankedTreatment& ranked : result_.ranked) ranking.push_back(ranked.treatment);
    return ranking;
  }
  std::map<int, Reason> Dropped() const {
    std::map<int, Reason> dropped;
    for (const candidates::Rejection& r : result_.rejected) dropped[r.treatment] = r.reason;
    return dropped;
  }

  Settings settings_;
  catalog::Catalog catalog_;
  context::DecisionContext context_;
  scoring::ScoredCandidates scored_;
  ArbitrationResult result_;
  WorthTable worth_;
};

TEST_F(WorthTest, ThePriorityIsOfWhatWasComputed) {
  AddComputed(0.5, Worth{100, 20});  // 30
  AddComputed(0.5, Worth{200, 10});  // 90
  AddComputed(0.1, Worth{900, 0});   // 90, and a tie is broken by value
  EXPECT_THAT(RankingByWorth(), ElementsAre(2, 1, 0));
  EXPECT_DOUBLE_EQ(result_.priority[0], 30);
  EXPECT_EQ(result_.WorthOf(catalog_.treatments[1], 1).value, 200);
  EXPECT_EQ(result_.WorthOf(catalog_.treatments[1], 1).cost, 10);
  EXPECT_EQ(worth_.asked, 3) << "once for each";
}

TEST_F(WorthTest, TheFormulaOfThePrioritySeesIt) {
  AddComputed(0.5, Worth{100, 20});  // 10
  AddComputed(0.5, Worth{60, 5});    // 20
  ProductFormula formula;
  EXPECT_THAT(RankingByWorth(&formula), ElementsAre(1, 0));
  EXPECT_DOUBLE_EQ(result_.ranked[0].priority, 20);
}

TEST_F(WorthTest, WhatCanNotBeComputedIsDropped) {
  settings_.min_propensity = 0.2;
  AddComputed(0.5, std::nullopt);
  AddComputed(0.5, Worth{10, 0});
  AddComputed(0.1, std::nullopt);
  ProductFormula formula;
  EXPECT_THAT(RankingByWorth(&formula), ElementsAre(1));
  EXPECT_THAT(Dropped(), UnorderedElementsAre(Pair(0, Reason::kValueError),
                                              Pair(2, Reason::kBelowMinPropensity)));
  EXPECT_EQ(formula.asked, 1) << "without a worth there is no priority";
  EXPECT_EQ(result_.priority[0], 0);
  EXPECT_EQ(result_.worth[0].value, 0);
}

TEST_F(WorthTest, WhatMustBeShownAndFallbacksNeedNone) {
  AddComputed(0.5, Worth{1000, 0});
  AddComputed(0.5, std::nullopt).must_show = true;
  EXPECT_THAT(RankingByWorth(), ElementsAre(1, 0));
  catalog_.treatments[0].only_as_fallback = true;
  catalog_.treatments[1].must_show = false;
  catalog_.treatments[1].only_as_fallback = true;
  settings_.fallbacks = {{1, context::ChannelSet().set()}};
  EXPECT_THAT(RankingByWorth(), ElementsAre(1));
  EXPECT_TRUE(result_.is_fallback);
  settings_.fallbacks.clear();
  EXPECT_THAT(RankingByWorth(), IsEmpty());
}

TEST_F(WorthTest, RanksWithoutAFactorAreOfWhatWasComputed) {
  AddComputed(0.9, Worth{10, 0});   // 9
  AddComputed(0.2, Worth{100, 5});  // 15; without values 0.2 - 5, without costs 20
  EXPECT_THAT(RankingByWorth(), ElementsAre(1, 0));
  const std::vector<PriorityRanks> ranks = RanksOf(settings_, catalog_, scored_, result_);
  EXPECT_EQ(ranks[0].by_priority, 1);
  EXPECT_EQ(ranks[0].without[static_cast<size_t>(Factor::kValue)], 2);
  EXPECT_EQ(ranks[0].without[static_cast<size_t>(Factor::kCost)], 1);
}

// Without values the propensities would tell the two apart, but that is not what they are ranked
// by.
TEST_F(WorthTest, RanksOfWhatMustBeShownAndIsWorthNobodyKnowsWhat) {
  AddComputed(0.5, std::nullopt).must_show = true;
  AddComputed(0.9, std::nullopt).must_show = true;
  AddComputed(0.5, Worth{1000, 0});
  EXPECT_THAT(RankingByWorth(), ElementsAre(0, 1, 2));
  EXPECT_THAT(result_.unknown_worth, ElementsAre(0, 1));
  const std::vector<PriorityRanks> ranks = RanksOf(settings_, catalog_, scored_, result_);
  EXPECT_EQ(ranks[0].without[static_cast<size_t>(Factor::kValue)], 1);
  EXPECT_EQ(ranks[1].without[static_cast<size_t>(Factor::kValue)], 2);
}

TEST_F(WorthTest, UncertaintyIsInProportionToTheComputedValue) {
  Exploration thompson;
  thompson.method = Exploration::Method::kThompson;
  thompson.evidence = 24;  // a deviation of sqrt(0.5 x 0.5 / 25) = 0.1
  settings_.explorations = {thompson};
  settings_.exploration_of_group = {0};
  AddComputed(0.5, Worth{100, 0});
  AddComputed(0.5, Worth{300, 100});  // the same 50, three times as uncertain
  RankingByWorth();
  ASSERT_EQ(result_.arms.size(), 2u);
  EXPECT_DOUBLE_EQ(result_.arms[0].deviation, 10);
  EXPECT_DOUBLE_EQ(result_.arms[1].deviation, 30);
}

TEST_F(WorthTest, TheChannelIsChosenByWhatTheTreatmentIsWorthThere) {
  AddComputed(0.5, Worth{100, 0});
  AddComputed(0.5, std::nullopt);
  AddComputed(0.5, Worth{100, 0});
  worth_.table[{0, 1}] = {200, 0};
  worth_.table[{1, 1}] = {1, 0};
  context_.open_channels = {0, 1};
  ChannelChoice memory;
  std::vector<scoring::ScoredCandidate> chosen;
  ChooseChannels(settings_, catalog_, context_, {&scored_, &scored_}, memory, chosen,
                 {.priority = nullptr, .content = nullptr, .worth = &worth_});
  std::vector<int> slots;
  for (const scoring::ScoredCandidate& candidate : chosen) slots.push_back(candidate.slot);
  EXPECT_THAT(slots, ElementsAre(1, 1, 0));
}

// Content that fails for some treatments on some channels.
class ContentBySlot final : public ContentSource {
 public:
  bool CanCompute(int treatment, int slot) override { return !failing.contains({treatment, slot}); }
  bool Compute(int treatment, int slot) override { return CanCompute(treatment, slot); }

  std::set<std::pair<int, int>> failing;
};

// Three channels with a place each, which has room for one on the first, and for two on the others.
// The second treatment is best on the first channel, where the first one is better.
class MovedWorthTest : public WorthTest {
 protected:
  MovedWorthTest() {
    context_.open_channels = {0, 1, 2};
    for (int channel = 0; channel < 3; ++channel) {
      Placement& placement = settings_.placements.emplace_back();
      placement.channels.set(static_cast<size_t>(channel));
      placement.groups.set();
      placement.max_treatments = channel == 0 ? 1 : 2;
      context_.placements.push_back(channel);
    }
    catalog_.treatments.resize(3);
    for (int t = 0; t < 3; ++t) catalog_.treatments[static_cast<size_t>(t)].name_rank = t;
    Offer(0, 0, 0.5, {200, 0});    // 100
    Offer(0, 1, 0.5, {160, 0});    // 80
    Offer(1, 1, 0.25, {200, 10});  // 40
    Offer(2, 1, 0.25, {120, 0});   // 30
    Offer(1, 2, 0.5, {120, 0});    // 60
  }

  void Offer(size_t slot, int treatment, double propensity, const Worth& worth) {
    by_slot_[slot].scored.push_back({treatment, propensity});
    worth_.table[{treatment, static_cast<int>(slot)}] = worth;
  }
  // Treatment and slot of what is ranked.
  std::vector<std::pair<int, int>> RankingOnAll(std::optional<double> draw = std::nullopt) {
    const Computed computed = {.priority = nullptr, .content = &content_, .worth = &worth_};
    std::vector<const scoring::ScoredCandidates*> scored;
    for (const auto& one : by_slot_) scored.push_back(&one);
    ChooseChannels(settings_, catalog_, context_, scored, memory_, scored_.scored, computed);
    Arbitrate(settings_, catalog_, context_, scored_, draw, result_, computed, scored);
    std::vector<std::pair<int, int>> ranking;
    for (const RankedTreatment& ranked : result_.ranked) {
      ranking.emplace_back(ranked.treatment,
                           scored_.scored[static_cast<size_t>(ranked.scored)].slot);
    }
    return ranking;
  }
  void ExpectThatTheSecondMovedFromTheFirstChannel() const {
    ASSERT_EQ(result_.moved.size(), 1u);
    EXPECT_EQ(result_.moved[0].scored, 1);
    EXPECT_EQ(result_.moved[0].was.slot, 0);
    EXPECT_EQ(result_.moved[0].was.propensity, 0.5);
    EXPECT_EQ(result_.moved[0].priority, 80);
    EXPECT_EQ(result_.moved[0].worth.value, 160);
    EXPECT_EQ(result_.moved[0].worth.cost, 0);
  }

  std::vector<scoring::ScoredCandidates> by_slot_{3};
  ChannelChoice memory_;
  ContentBySlot content_;
};

TEST_F(MovedWorthTest, WhatMovesIsWorthWhatItIsThereAndIsComparedByWhatItWas) {
  EXPECT_THAT(RankingOnAll(), ElementsAre(Pair(0, 0), Pair(2, 1), Pair(1, 1)));
  EXPECT_EQ(scored_.scored[1].propensity, 0.25);
  EXPECT_EQ(result_.worth[1].value, 200);
  EXPECT_EQ(result_.worth[1].cost, 10);
  EXPECT_EQ(result_.priority[1], 40);
  EXPECT_EQ(result_.ranked[2].priority, 40);
  ExpectThatTheSecondMovedFromTheFirstChannel();
  // On the channels that were chosen first it is 100, 80 and 60, and nothing costs anything.
  const std::vector<PriorityRanks> ranks = RanksOf(settings_, catalog_, scored_, result_);
  ASSERT_EQ(ranks.size(), 3u);
  EXPECT_EQ(ranks[0].by_priority, 1);
  EXPECT_EQ(ranks[1].by_priority, 3);
  EXPECT_EQ(ranks[2].by_priority, 2);
  EXPECT_EQ(ranks[2].without[static_cast<size_t>(Factor::kCost)], 2);
}

TEST_F(MovedWorthTest, ChancesAreThoseOnTheChannelsThatWereChosenFirst) {
  settings_.explorations = {{.method = Exploration::Method::kEpsilonGreedy, .epsilon = 1}};
  settings_.exploration_of_group = {0};
  EXPECT_THAT(RankingOnAll(0.9), ElementsAre(Pair(2, 1), Pair(0, 0), Pair(1, 1)));
  ExpectThatTheSecondMovedFromTheFirstChannel();
  double sum = 0;
  for (const Selectable& selectable : result_.selectable) sum += selectable.probability;
  EXPECT_EQ(result_.selectable.size(), 3u);
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_NEAR(result_.ranked[2].selection_probability, 1.0 / 3, 1e-9);
  EXPECT_THAT(RankingOnAll(0.5), ElementsAre(Pair(1, 0), Pair(2, 1)));
  EXPECT_THAT(result_.moved, IsEmpty()) << "there is no other channel for the first one";
}

TEST_F(MovedWorthTest, WhereItsContentFailsItDoesNotGo) {
  content_.failing = {{1, 1}};
  EXPECT_THAT(RankingOnAll(), ElementsAre(Pair(0, 0), Pair(2, 1), Pair(1, 2)));
  EXPECT_EQ(result_.worth[1].value, 120);
  EXPECT_EQ(result_.priority[1], 30);
  ExpectThatTheSecondMovedFromTheFirstChannel();
  content_.failing = {{1, 1}, {1, 2}};
  EXPECT_THAT(RankingOnAll(), ElementsAre(Pair(0, 0), Pair(2, 1)));
  EXPECT_THAT(Dropped(), ElementsAre(Pair(1, Reason::kOutranked)));
  EXPECT_EQ(result_.rejected[0].slot, 0);
  EXPECT_EQ(result_.worth[1].value, 160) << "it is where it was";
  EXPECT_THAT(result_.moved, IsEmpty());
}

TEST_F(WorthTest, WithoutFormulasNothingIsKept) {
  AddComputed(0.5, std::nullopt).value = 40;
  Arbitrate(settings_, catalog_, context_, scored_, std::nullopt, result_);
  EXPECT_THAT(result_.worth, IsEmpty());
  EXPECT_EQ(result_.WorthOf(catalog_.treatments[0], 0).value, 40);
}

}  // namespace
}  // namespace attune::arbitration
