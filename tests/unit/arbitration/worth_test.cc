// Rankings where what treatments are worth, or cost, is computed in the decision.

#include <map>
#include <optional>
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

TEST_F(WorthTest, WithoutFormulasNothingIsKept) {
  AddComputed(0.5, std::nullopt).value = 40;
  Arbitrate(settings_, catalog_, context_, scored_, std::nullopt, result_);
  EXPECT_THAT(result_.worth, IsEmpty());
  EXPECT_EQ(result_.WorthOf(catalog_.treatments[0], 0).value, 40);
}

}  // namespace
}  // namespace attune::arbitration
