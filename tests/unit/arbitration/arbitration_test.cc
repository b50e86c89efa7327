#include "lib/arbitration/arbitration.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/hash.h"

namespace attune::arbitration {
namespace {

using candidates::Reason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class ArbitrateTest : public ::testing::Test {
 protected:
  ArbitrateTest() {
    catalog_.groups.resize(3);
    context_.max_treatments = 10;
  }

  // A scored treatment. Names are given in the order of the alphabet, backwards, so that the order
  // by name is not that by index.
  void Add(int group, double propensity, double value, double cost = 0) {
    const int index = static_cast<int>(catalog_.treatments.size());
    catalog::Treatment& treatment = catalog_.treatments.emplace_back();
    treatment.group = group;
    treatment.value = value;
    treatment.cost = cost;
    treatment.name_rank = 1'000 - index;
    scored_.scored.push_back({index, propensity});
  }
  void Weigh(int group, double percent, context::ChannelSet channels = context::ChannelSet().set(),
             context::IntentSet intents = context::IntentSet().set()) {
    settings_.context_weights.push_back({group, channels, intents, percent});
  }
  void Run() { Arbitrate(settings_, catalog_, context_, scored_, draw_, result_); }

  std::vector<int> Ranking() {
    Run();
    std::vector<int> ranking;
    for (const RankedTreatment& ranked : result_.ranked) ranking.push_back(ranked.treatment);
    return ranking;
  }
  std::map<int, Reason> Rejected() const {
    std::map<int, Reason> rejected;
    for (const candidates::Rejection& r : result_.rejected) rejected[r.treatment] = r.reason;
    return rejected;
  }

  Settings settings_;
  catalog::Catalog catalog_;
  context::DecisionContext context_;
  scoring::ScoredCandidates scored_;
  std::optional<double> draw_;
  ArbitrationResult result_;
};

TEST_F(ArbitrateTest, FindsTheBestHoweverManyBeforeThemHaveNoPlaceLeft) {
  // Of each group 20; those of the first are better than all others, those of the third worse. So
  // 19 are passed over before the second one is found, and 19 more before the third.
  for (int i = 0; i < 20; ++i) {
    Add(0, 0.5, 300 + i);
    Add(1, 0.5, 200 + i);
    Add(2, 0.5, 100 + i);
  }
  settings_.max_per_group = 1;
  for (const int wanted : {1, 2, 3, 4, 5, 60}) {
    context_.max_treatments = wanted;
    const std::vector<int> best = {57, 58, 59};
    EXPECT_EQ(Ranking(), std::vector<int>(best.begin(), best.begin() + std::min(wanted, 3)));
  }
  // Without the limit the best 20 are those of the first group.
  settings_.max_per_group = kMaxRanked;
  context_.max_treatments = 4;
  EXPECT_THAT(Ranking(), ElementsAre(57, 54, 51, 48));
}

TEST_F(ArbitrateTest, RanksNothingWhenThereIsNothing) {
  EXPECT_THAT(Ranking(), IsEmpty());
  EXPECT_THAT(result_.rejected, IsEmpty());
}

TEST_F(ArbitrateTest, PriorityIsPropensityTimesWeightTimesValueMinusCost) {
  Add(0, 0.5, 100, 3);
  Add(1, 0.25, 40, 20);
  Weigh(0, 20);
  Run();
  ASSERT_EQ(result_.ranked.size(), 2u);
  EXPECT_DOUBLE_EQ(result_.ranked[0].priority, 0.5 * 1.2 * 100 - 3);
  EXPECT_DOUBLE_EQ(result_.ranked[0].context_weight, 1.2);
  EXPECT_DOUBLE_EQ(result_.ranked[1].priority, -10);
  EXPECT_EQ(result_.ranked[1].context_weight, 1.0);
  EXPECT_THAT(result_.priority, ElementsAre(result_.ranked[0].priority, -10.0));
  EXPECT_EQ(result_.ranked[1].scored, 1);
}

TEST_F(ArbitrateTest, WeightsAddUpInPercentAndNeverFallBelowZero) {
  Add(0, 1, 100);
  Add(1, 1, 100, 5);
  Weigh(0, 50);
  Weigh(0, -20);
  Weigh(1, -80);
  Weigh(1, -80);
  Run();
  EXPECT_DOUBLE_EQ(result_.ranked[0].context_weight, 1.3);
  EXPECT_EQ(result_.ranked[1].context_weight, 0.0);
  EXPECT_EQ(result_.ranked[1].priority, -5.0);
}

TEST_F(ArbitrateTest, WeightsCountOnlyInTheirSituation) {
  Add(0, 1, 100);
  context::ChannelSet ivr;
  ivr.set(1);
  context::IntentSet outage;
  outage.set(2);
  Weigh(0, 10, ivr);
  Weigh(0, 100, context::ChannelSet().set(), outage);
  Weigh(0, 1'000, ivr, outage);
  struct Case {
    const char* name;
    int channel;
    int intent;
    double expected;
  };
  const Case cases[] = {{"neither", 0, 0, 1.0},
                        {"the channel", 1, 0, 1.1},
                        {"the intent", 0, 2, 2.0},
                        {"both", 1, 2, 12.1}};
  for (const Case& c : cases) {
    context_.channel = c.channel;
    context_.intent = c.intent;
    Run();
    EXPECT_DOUBLE_EQ(result_.ranked[0].context_weight, c.expected) << c.name;
  }
}

TEST_F(ArbitrateTest, BreaksTiesByValueAndThenByName) {
  Add(0, 0.5, 100);       // 50
  Add(0, 0.5, 100);       // 50, a name before
  Add(0, 0.25, 200);      // 50, of more value
  Add(0, 0.75, 100, 25);  // 50, as the first two, a name before
  EXPECT_THAT(Ranking(), ElementsAre(2, 3, 1, 0));
}

TEST_F(ArbitrateTest, ThresholdsLetThroughWhatReachesThem) {
  settings_.min_propensity = 0.25;
  settings_.min_priority = 10;
  Add(0, 0.25, 40);                          // 10: both just reached
  Add(0, std::nextafter(0.25, 0.0), 1'000);  // propensity missed
  Add(0, 0.25, std::nextafter(40.0, 0.0));   // priority missed
  Add(0, 0.1, 1);                            // both missed
  EXPECT_THAT(Ranking(), ElementsAre(0));
  EXPECT_THAT(Rejected(),
              ElementsAre(Pair(1, Reason::kBelowMinPropensity), Pair(2, Reason::kBelowMinPriority),
                          Pair(3, Reason::kBelowMinPropensity)));
}

TEST_F(ArbitrateTest, KeepsNegativePrioritiesWithoutABound) {
  Add(0, 0, 100, 1e12);
  EXPECT_THAT(Ranking(), ElementsAre(0));
}

TEST_F(ArbitrateTest, HoldsAtMostSoManyOfAGroup) {
  settings_.max_per_group = 2;
  for (int i = 0; i < 4; ++i) Add(0, 0.9, 100 - i);
  Add(1, 0.1, 10);
  EXPECT_THAT(Ranking(), ElementsAre(0, 1, 4));
  EXPECT_THAT(Rejected(), ElementsAre(Pair(2, Reason::kGroupLimitReached),
                                      Pair(3, Reason::kGroupLimitReached)));
}

TEST_F(ArbitrateTest, ReturnsTheBestOnly) {
  context_.max_treatments = 2;
  for (int i = 0; i < 5; ++i) Add(i % 3, 0.5, 10 * (i + 1));
  EXPECT_THAT(Ranking(), ElementsAre(4, 3));
  EXPECT_THAT(Rejected(), ElementsAre(Pair(0, Reason::kOutranked), Pair(1, Reason::kOutranked),
                                      Pair(2, Reason::kOutranked)));
}

TEST_F(ArbitrateTest, PutsTheBestOnTopForCertain) {
  for (int i = 0; i < 3; ++i) Add(0, 0.5, i);
  Run();
  EXPECT_EQ(result_.ranked[0].selection_probability, 1.0);
  EXPECT_EQ(result_.ranked[1].selection_probability, 0.0);
  EXPECT_EQ(result_.ranked[2].selection_probability, 0.0);
}

// The same by a full sort.
struct Expected {
  std::vector<int> ranking;
  std::map<int, Reason> rejected;
};
Expected BySorting(const Settings& settings, const catalog::Catalog& catalog,
                   const context::DecisionContext& context,
                   const scoring::ScoredCandidates& scored) {
  Expected expected;
  struct Entry {
    double priority;
    double value;
    int name_rank;
    int treatment;
  };
  std::vector<Entry> entries;
  for (const scoring::ScoredCandidate& candidate : scored.scored) {
    const auto& treatment = catalog.treatments[static_cast<size_t>(candidate.treatment)];
    double percent = 0;
    for (const ContextWeight& weight : settings.context_weights) {
      if (weight.group == treatment.group &&
          weight.channels[static_cast<size_t>(context.channel)] &&
          weight.intents[static_cast<size_t>(context.intent)]) {
        percent += weight.percent;
      }
    }
    const double priority =
        candidate.propensity * std::max(0.0, 1 + percent / 100) * treatment.value - treatment.cost;
    if (candidate.propensity < settings.min_propensity) {
      expected.rejected[candidate.treatment] = Reason::kBelowMinPropensity;
    } else if (priority < settings.min_priority) {
      expected.rejected[candidate.treatment] = Reason::kBelowMinPriority;
    } else {
      entries.push_back({priority, treatment.value, treatment.name_rank, candidate.treatment});
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tuple(-a.priority, -a.value, a.name_rank) <
           std::tuple(-b.priority, -b.value, b.name_rank);
  });
  std::map<int, int> of_group;
  for (const Entry& entry : entries) {
    const int group = catalog.treatments[static_cast<size_t>(entry.treatment)].group;
    if (static_cast<int>(expected.ranking.size()) == context.max_treatments) {
      expected.rejected[entry.treatment] = Reason::kOutranked;
    } else if (of_group[group] == settings.max_per_group) {
      expected.rejected[entry.treatment] = Reason::kGroupLimitReached;
    } else {
      ++of_group[group];
      expected.ranking.push_back(entry.treatment);
    }
  }
  return expected;
}

TEST_F(ArbitrateTest, AgreesWithASortOnRandomCases) {
  std::mt19937_64 random(11);
  const auto below = [&](uint64_t limit) { return static_cast<int>(random() % limit); };
  for (int round = 0; round < 1'000; ++round) {
    catalog_.treatments.clear();
    scored_.scored.clear();
    settings_ = Settings();
    // Few different numbers, so that there are ties.
    for (int i = below(40); i > 0; --i) {
      Add(below(3), below(5) / 4.0, 10 * below(4), below(3));
      if (below(5) == 0) scored_.scored.pop_back();  // dropped by an earlier stage
    }
    for (int i = below(4); i > 0; --i) {
      context::ChannelSet channels;
      channels.set(static_cast<size_t>(below(2)));
      Weigh(below(3), 50 * below(6) - 100, channels);
    }
    context_.channel = below(2);
    context_.max_treatments = 1 + below(8);
    settings_.max_per_group = 1 + below(5);
    if (below(2)) settings_.min_propensity = below(4) / 4.0;
    if (below(2)) settings_.min_priority = below(20) - 5;
    const Expected expected = BySorting(settings_, catalog_, context_, scored_);
    ASSERT_EQ(Ranking(), expected.ranking) << round;
    ASSERT_EQ(Rejected(), expected.rejected) << round;
    ASSERT_EQ(result_.ranked.size() + result_.rejected.size(), scored_.scored.size()) << round;
    ASSERT_TRUE(
        std::is_sorted(result_.rejected.begin(), result_.rejected.end(),
                       [](const auto& a, const auto& b) { return a.treatment < b.treatment; }));
    double sum = 0;
    for (const RankedTreatment& ranked : result_.ranked) sum += ranked.selection_probability;
    ASSERT_EQ(sum, result_.ranked.empty() ? 0.0 : 1.0);
  }
}

TEST_F(ArbitrateTest, TheLeverMultipliesAndTheCostIsTakenOnce) {
  Add(0, 0.5, 100, 5);
  Add(0, 0.5, 100, 5);
  catalog_.treatments[0].lever = 1.3;
  Weigh(0, 100);
  EXPECT_THAT(Ranking(), ElementsAre(0, 1));
  EXPECT_DOUBLE_EQ(result_.ranked[0].priority, 0.5 * 2 * 100 * 1.3 - 5);
  EXPECT_DOUBLE_EQ(result_.ranked[1].priority, 0.5 * 2 * 100 - 5);
}

TEST_F(ArbitrateTest, AFactorThatIsSwitchedOffCountsAsOne) {
  Add(0, 0.5, 100, 5);
  catalog_.treatments[0].lever = 1.3;
  Weigh(0, 100);
  struct Case {
    const char* name;
    std::vector<Factor> without;
    double expected;
  };
  const Case cases[] = {
      {"none", {}, 0.5 * 2 * 100 * 1.3 - 5},
      {"propensity", {Factor::kPropensity}, 2 * 100 * 1.3 - 5},
      {"context weight", {Factor::kContextWeight}, 0.5 * 100 * 1.3 - 5},
      {"value", {Factor::kValue}, 0.5 * 2 * 1.3 - 5},
      {"lever", {Factor::kLever}, 0.5 * 2 * 100 - 5},
      {"cost", {Factor::kCost}, 0.5 * 2 * 100 * 1.3},
      {"all", {Factor::kPropensity, Factor::kContextWeight, Factor::kValue, Factor::kLever}, 1 - 5},
  };
  for (const Case& c : cases) {
    settings_.without.reset();
    for (const Factor factor : c.without) settings_.without.set(static_cast<size_t>(factor));
    Run();
    EXPECT_DOUBLE_EQ(result_.ranked[0].priority, c.expected) << c.name;
  }
}

TEST_F(ArbitrateTest, WhatMustBeShownOutranksWhateverItsPriority) {
  Add(0, 0.9, 100);
  Add(1, 0.01, 1, 50);
  Add(1, 0.02, 1, 50);
  Add(0, 0.8, 100);
  catalog_.treatments[1].must_show = true;
  catalog_.treatments[2].must_show = true;
  settings_.min_propensity = 0.5;
  settings_.min_priority = 10;
  EXPECT_THAT(Ranking(), ElementsAre(2, 1, 0, 3));
  // Places hold.
  settings_.max_per_group = 1;
  EXPECT_THAT(Ranking(), ElementsAre(2, 0));
  context_.max_treatments = 1;
  EXPECT_THAT(Ranking(), ElementsAre(2));
  // Exploration puts nothing above, nor does it choose among them.
  settings_.explorations = {{.method = Exploration::Method::kEpsilonGreedy, .epsilon = 1}};
  settings_.exploration_of_group = {0, 0, 0};
  for (const double draw : {0.0, 0.3, 0.6, 0.99}) {
    draw_ = draw;
    EXPECT_THAT(Ranking(), ElementsAre(2));
    EXPECT_EQ(result_.ranked[0].selection_probability, 1);
  }
}

class RanksTest : public ArbitrateTest {
 protected:
  // Of a treatment that is ranked: in the order of the priorities, then without propensity, context
  // weight, value, lever and cost.
  std::vector<int> RanksWithout(int scored) {
    const std::vector<PriorityRanks> ranks = RanksOf(settings_, catalog_, scored_, result_);
    EXPECT_EQ(ranks.size(), result_.ranked.size());
    for (size_t r = 0; r < ranks.size(); ++r) {
      if (result_.ranked[r].scored != scored) continue;
      std::vector<int> all = {ranks[r].by_priority};
      for (const int rank : ranks[r].without) all.push_back(rank);
      return all;
    }
    return {};
  }
};

TEST_F(RanksTest, TellWhatMadeATreatmentWin) {
  Add(0, 0.9, 100, 10);  // 80: by its propensity
  Add(1, 0.2, 390, 0);   // 78: by its value
  Add(2, 0.5, 100, 0);   // 75: by its context weight
  Add(2, 0.4, 100, 0);   // 72: by its lever, too
  catalog_.treatments[3].lever = 1.2;
  Weigh(2, 50);
  context_.max_treatments = 4;
  EXPECT_THAT(Ranking(), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(RanksWithout(0), ElementsAre(1, 4, 1, 4, 1, 1));
  EXPECT_THAT(RanksWithout(1), ElementsAre(2, 1, 2, 3, 2, 2));
  EXPECT_THAT(RanksWithout(2), ElementsAre(3, 3, 3, 1, 3, 3));
  EXPECT_THAT(RanksWithout(3), ElementsAre(4, 2, 4, 2, 4, 4));
}

TEST_F(RanksTest, LeaveExplorationAndPlacesAsideAndThresholdsNot) {
  for (int i = 0; i < 5; ++i) Add(0, 0.5, 100 - 10 * i);
  Add(1, 0.9, 100);
  catalog_.treatments[5].only_as_fallback = true;
  settings_.min_priority = 35;  // the fourth reaches it
  settings_.max_per_group = 2;
  settings_.explorations = {{.method = Exploration::Method::kEpsilonGreedy, .epsilon = 1}};
  settings_.exploration_of_group = {0, 0, 0};
  draw_ = 0.99;
  EXPECT_THAT(Ranking(), ElementsAre(3, 0));
  // Without their values they are equals, and the names, which go backwards, decide.
  EXPECT_THAT(RanksWithout(3), ElementsAre(4, 4, 4, 1, 4, 4));
  EXPECT_THAT(RanksWithout(0), ElementsAre(1, 1, 1, 4, 1, 1));
}

TEST_F(RanksTest, WithoutValuesNothingIsDecidedByThem) {
  Add(0, 0.5, 10);
  Add(1, 0.5, 30);
  Add(2, 0.5, 20);
  EXPECT_THAT(Ranking(), ElementsAre(1, 2, 0));
  EXPECT_THAT(RanksWithout(0), ElementsAre(3, 3, 3, 3, 3, 3));
  EXPECT_THAT(RanksWithout(1), ElementsAre(1, 1, 1, 2, 1, 1));
  EXPECT_THAT(RanksWithout(2), ElementsAre(2, 2, 2, 1, 2, 2));
  // Where the strategy does without them, they still break the ties of the decision.
  settings_.without.set(static_cast<size_t>(Factor::kValue));
  EXPECT_THAT(Ranking(), ElementsAre(1, 2, 0));
  EXPECT_THAT(RanksWithout(1), ElementsAre(1, 1, 1, 2, 1, 1));
}

// Counted one by one for each, with ties, levers, costs and what must be shown.
TEST_F(RanksTest, AgreeWithCountingOnRandomCases) {
  std::mt19937_64 random(11);
  const auto one_of = [&](int n) { return static_cast<double>(random() % static_cast<size_t>(n)); };
  for (int round = 0; round < 200; ++round) {
    catalog_.treatments.clear();
    scored_.scored.clear();
    for (int i = 0; i < 40; ++i) {
      // Some rounds are without costs, some without levers, as most strategies are.
      Add(static_cast<int>(random() % 3), one_of(4) / 4, round % 5 == 0 ? 1 : 10 * one_of(4),
          round % 2 == 0 ? 0 : one_of(3));
      catalog_.treatments.back().lever = round % 3 == 0 ? 1 : 0.5 * one_of(4);
      catalog_.treatments.back().must_show = random() % 15 == 0;
    }
    settings_.min_priority = one_of(5);
    settings_.max_per_group = 4;
    Run();
    for (const RankedTreatment& ranked : result_.ranked) {
      const std::vector<int> ranks = RanksWithout(ranked.scored);
      for (size_t r = 0; r < ranks.size(); ++r) {
        FactorSet without;
        if (r > 0) without.set(r - 1);
        // What stands above by must_show, priority, value and name.
        const auto key = [&](int i) {
          const catalog::Treatment& t = catalog_.treatments[static_cast<size_t>(i)];
          const double priority = PriorityOf(
              {scored_.scored[static_cast<size_t>(i)].propensity, 1, t.value, t.lever, t.cost},
              without);
          const bool by_value = r != 1 + static_cast<size_t>(Factor::kValue);
          return std::tuple(t.must_show, priority, by_value ? t.value : 0, -t.name_rank);
        };
        int above = 0;
        for (int i = 0; i < 40; ++i) {
          const auto reason = result_.reason[static_cast<size_t>(i)];
          if (reason != Reason::kBelowMinPriority && key(i) > key(ranked.scored)) ++above;
        }
        ASSERT_EQ(ranks[r], above + 1) << round << " " << r;
      }
    }
  }
}

TEST_F(RanksTest, OfAFallbackAreOne) {
  Add(0, 0.5, 100);
  Add(0, 0.5, 10);
  settings_.min_priority = 1'000;
  settings_.fallbacks = {{1, context::ChannelSet().set()}};
  EXPECT_THAT(Ranking(), ElementsAre(1));
  EXPECT_THAT(RanksWithout(1), ElementsAre(1, 1, 1, 1, 1, 1));
}

TEST_F(ArbitrateTest, AFallbackIsRankedWhenNothingElseIs) {
  Add(0, 0.1, 10);
  Add(1, 0.2, 1);
  Add(1, 0.2, 2);
  catalog_.treatments[1].only_as_fallback = true;
  settings_.fallbacks = {{2, context::ChannelSet(0b10)},
                         {7, context::ChannelSet().set()},
                         {1, context::ChannelSet(0b01)}};
  EXPECT_THAT(Ranking(), ElementsAre(0, 2));
  EXPECT_FALSE(result_.is_fallback);
  EXPECT_THAT(Rejected(), ElementsAre(Pair(1, Reason::kOnlyAsFallback)));

  // The first one for the channel, whatever the thresholds say.
  settings_.min_priority = 50;
  EXPECT_THAT(Ranking(), ElementsAre(1));
  EXPECT_TRUE(result_.is_fallback);
  EXPECT_EQ(result_.ranked[0].selection_probability, 1.0);
  EXPECT_THAT(Rejected(),
              ElementsAre(Pair(0, Reason::kBelowMinPriority), Pair(2, Reason::kBelowMinPriority)));
  context_.channel = 1;
  EXPECT_THAT(Ranking(), ElementsAre(2));
  // None for the channel, or none that the policies let through.
  context_.channel = 2;
  EXPECT_THAT(Ranking(), IsEmpty());
  EXPECT_FALSE(result_.is_fallback);
}

// Five treatments of three groups: of group 0 with the priorities 50 and 40, of group 1 with 45 and
// 30, of group 2 with 20.
class ExplorationTest : public ArbitrateTest {
 protected:
  static constexpr double kFirst = 0;
  static constexpr double kLast = 1 - 0x1p-53;

  ExplorationTest() {
    Add(0, 0.5, 100);
    Add(0, 0.5, 80);
    Add(1, 0.5, 90);
    Add(1, 0.5, 60);
    Add(2, 0.5, 40);
    settings_.explorations = {{.method = Exploration::Method::kEpsilonGreedy, .epsilon = 0.5}};
    settings_.exploration_of_group = {0, 0, 0};
  }
  void ExploreGroup(size_t group, const Exploration& exploration) {
    settings_.exploration_of_group[group] = static_cast<int>(settings_.explorations.size());
    settings_.explorations.push_back(exploration);
  }
  // The chances of all, by index.
  std::vector<double> Chances() {
    Run();
    std::vector<double> chances;
    for (size_t i = 0; i < scored_.scored.size(); ++i) {
      chances.push_back(result_.SelectionProbabilityOf(static_cast<int>(i)));
    }
    return chances;
  }
  std::vector<int> RankingAt(double draw) {
    draw_ = draw;
    return Ranking();
  }
};

TEST_F(ExplorationTest, PutsOneOnTopAndLeavesTheOthersInOrder) {
  context_.max_treatments = 3;
  EXPECT_THAT(RankingAt(kFirst), ElementsAre(0, 2, 1));
  EXPECT_FALSE(result_.explored());
  // Chances lie in the order of the candidates: 0.6 for the first, 0.1 for each other.
  EXPECT_THAT(RankingAt(0.65), ElementsAre(1, 0, 2));
  EXPECT_TRUE(result_.explored());
  EXPECT_EQ(result_.greedy, 0);
  EXPECT_DOUBLE_EQ(result_.ranked[0].selection_probability, 0.1);
  EXPECT_DOUBLE_EQ(result_.ranked[1].selection_probability, 0.6);
  EXPECT_THAT(RankingAt(kLast), ElementsAre(4, 0, 2));
  EXPECT_THAT(Rejected(), ElementsAre(Pair(1, Reason::kOutranked), Pair(3, Reason::kOutranked)));
  EXPECT_THAT(Chances(), ::testing::Pointwise(::testing::DoubleEq(),
                                              std::vector<double>{0.6, 0.1, 0.1, 0.1, 0.1}));
}

TEST_F(ExplorationTest, WithoutADrawTheGreedyChoiceIsOnTopAndTheChancesAreTold) {
  EXPECT_THAT(Ranking(), ElementsAre(0, 2, 1, 3, 4));
  EXPECT_DOUBLE_EQ(result_.ranked[0].selection_probability, 0.6);
  EXPECT_DOUBLE_EQ(result_.ranked[4].selection_probability, 0.1);
}

TEST_F(ExplorationTest, WhereNobodyCouldExploreTheTopIsCertain) {
  Run();
  result_.MakeCertain();
  for (const RankedTreatment& ranked : result_.ranked) {
    EXPECT_EQ(ranked.selection_probability, ranked.scored == 0 ? 1 : 0);
    EXPECT_EQ(result_.SelectionProbabilityOf(ranked.scored), ranked.scored == 0 ? 1 : 0);
  }
  EXPECT_FALSE(result_.explored());
  settings_.min_priority = 1'000;
  Run();
  result_.MakeCertain();
  EXPECT_THAT(result_.selectable, IsEmpty());
}

TEST_F(ExplorationTest, OnlyWhoPassesTheThresholdsHasAChance) {
  settings_.min_priority = 35;
  catalog_.treatments[1].only_as_fallback = true;
  EXPECT_THAT(Chances(), ElementsAre(0.75, 0, 0.25, 0, 0));
  EXPECT_THAT(RankingAt(kLast), ElementsAre(2, 0));
}

TEST_F(ExplorationTest, PlacesOfAGroupCountFromTheTop) {
  settings_.max_per_group = 1;
  EXPECT_THAT(RankingAt(0.65), ElementsAre(1, 2, 4));
  EXPECT_EQ(result_.greedy, 0);
  EXPECT_THAT(Rejected(), ElementsAre(Pair(0, Reason::kGroupLimitReached),
                                      Pair(3, Reason::kGroupLimitReached)));
  context_.max_treatments = 1;
  EXPECT_THAT(RankingAt(kLast), ElementsAre(4));
}

TEST_F(ExplorationTest, AGroupWithItsOwnExplorationCompetesWithinItself) {
  ExploreGroup(0, {.method = Exploration::Method::kEpsilonGreedy, .epsilon = 0.2});
  EXPECT_THAT(Chances(), ::testing::Pointwise(::testing::DoubleEq(),
                                              std::vector<double>{0.9, 0.1, 0.0, 0.0, 0.0}));
  // The best is of another group: that one and those without their own compete.
  Weigh(0, -50);
  EXPECT_THAT(Chances(), ::testing::Pointwise(::testing::DoubleNear(1e-15),
                                              std::vector<double>{0, 0, 2. / 3, 1. / 6, 1. / 6}));
}

TEST_F(ExplorationTest, AGroupThatDoesNotExploreIsLeftInPeace) {
  ExploreGroup(0, {});
  EXPECT_THAT(Chances(), ElementsAre(1, 0, 0, 0, 0));
  EXPECT_THAT(RankingAt(kLast), ElementsAre(0, 2, 1, 3, 4));
  EXPECT_EQ(result_.selectable.size(), 1u);
  Weigh(0, -50);
  EXPECT_THAT(RankingAt(kLast), ElementsAre(4, 2, 3, 0, 1));
  EXPECT_EQ(result_.SelectionProbabilityOf(0), 0);
}

TEST_F(ExplorationTest, AGroupMayExploreWhereTheStrategyDoesNot) {
  settings_.explorations[0] = {};
  ExploreGroup(0, {.method = Exploration::Method::kEpsilonGreedy, .epsilon = 1});
  EXPECT_THAT(Chances(), ElementsAre(0.5, 0.5, 0, 0, 0));
  Weigh(0, -50);
  EXPECT_THAT(Chances(), ElementsAre(0, 0, 1, 0, 0));
}

TEST_F(ExplorationTest, WhatIsNotExploredIsNeitherPutOnTopNorDisplaced) {
  catalog_.treatments[1].explored = false;
  EXPECT_THAT(Chances(),
              ::testing::Pointwise(::testing::DoubleEq(),
                                   std::vector<double>{0.625, 0.0, 0.125, 0.125, 0.125}));
  catalog_.treatments[0].explored = false;
  EXPECT_THAT(Chances(), ElementsAre(1, 0, 0, 0, 0));
  EXPECT_THAT(RankingAt(kLast), ElementsAre(0, 2, 1, 3, 4));
}

TEST_F(ExplorationTest, ThompsonKnowsHowUnsureAPriorityIs) {
  // 100 EUR with 0.5 against 60 EUR with 0.8, of the same evidence.
  scored_.scored.clear();
  catalog_.treatments.clear();
  Add(0, 0.5, 100, 2);
  Add(1, 0.8, 60);
  settings_.explorations = {{.method = Exploration::Method::kThompson, .evidence = 99}};
  Weigh(1, 50);
  const double first = 100 * std::sqrt(0.5 * 0.5 / 100);
  const double second = 1.5 * 60 * std::sqrt(0.8 * 0.2 / 100);
  const double z = (1.5 * 48 - 48) / std::sqrt(first * first + second * second);
  const double chance = 0.5 * std::erfc(z / std::sqrt(2.0));
  EXPECT_THAT(Chances(), ::testing::Pointwise(::testing::DoubleNear(1e-6),
                                              std::vector<double>{chance, 1 - chance}));
}

TEST_F(ExplorationTest, ThompsonBelievesAModelThatTellsItsUncertainty) {
  // 100 EUR with 0.5, give or take 0.1, against 60 EUR with 0.8 of 99 showings. Priorities of 50
  // and 48 have deviations of 10 and of 60 x sqrt(0.8 x 0.2 / 100) = 2.4: the first is better with
  // the chance Phi(2 / sqrt(10^2 + 2.4^2)) = Phi(0.194479), of a table 0.577099.
  scored_.scored.clear();
  catalog_.treatments.clear();
  Add(0, 0.5, 100);
  Add(1, 0.8, 60);
  scored_.scored[0].deviation = 0.1;
  settings_.explorations = {{.method = Exploration::Method::kThompson, .evidence = 99}};
  EXPECT_THAT(Chances(), ::testing::Pointwise(::testing::DoubleNear(1e-5),
                                              std::vector<double>{0.577099, 0.422901}));
  // A model that is certain.
  scored_.scored[0].deviation = 0;
  scored_.scored[1].deviation = 0;
  EXPECT_THAT(Chances(), ElementsAre(1, 0));
}

TEST_F(ExplorationTest, NothingToExploreIsNoTrouble) {
  draw_ = kLast;
  settings_.min_priority = 1'000;
  EXPECT_THAT(Ranking(), IsEmpty());
  EXPECT_TRUE(result_.selectable.empty());
  EXPECT_FALSE(result_.explored());
  // A fallback is no exploration.
  settings_.fallbacks = {{3, context::ChannelSet().set()}};
  EXPECT_THAT(Ranking(), ElementsAre(3));
  EXPECT_EQ(result_.ranked[0].selection_probability, 1.0);
  EXPECT_EQ(result_.greedy, 3);
  EXPECT_FALSE(result_.explored());
}

// A million decisions whose ids differ, of which every 50th is made in full and the others by its
// chances: they are the same as long as candidates are.
TEST_F(ExplorationTest, AMillionDecisionsAgreeWithTheirChances) {
  settings_.explorations = {
      {.method = Exploration::Method::kSoftmax, .temperature = 10, .floor = 0.02}};
  const std::vector<double> chances = Chances();
  EXPECT_NEAR(chances[0] + chances[1] + chances[2] + chances[3] + chances[4], 1, 1e-9);
  std::vector<double> seen(chances.size());
  Hash128 id{};
  for (uint64_t i = 0; i < 1'000'000; ++i) {
    std::memcpy(id.data() + 8, &i, sizeof i);
    const double draw = DrawOf(id);
    const size_t picked = Pick(chances, draw);
    ++seen[picked];
    if (i % 50 != 0) continue;
    ASSERT_EQ(RankingAt(draw).front(), static_cast<int>(picked));
  }
  double chi_square = 0;
  for (size_t i = 0; i < chances.size(); ++i) {
    const double expected = chances[i] * 1'000'000;
    chi_square += (seen[i] - expected) * (seen[i] - expected) / expected;
  }
  EXPECT_LT(chi_square, 18.47);  // 99.9 % with 4 degrees of freedom
}

TEST_F(ExplorationTest, ChancesAddUpToOneInRandomCases) {
  std::mt19937_64 random(12);
  const Exploration::Method methods[] = {
      Exploration::Method::kNone, Exploration::Method::kEpsilonGreedy,
      Exploration::Method::kSoftmax, Exploration::Method::kSquareCb,
      Exploration::Method::kThompson};
  std::uniform_real_distribution<double> uniform;
  for (int round = 0; round < 1'000; ++round) {
    catalog_.treatments.clear();
    scored_.scored.clear();
    settings_.explorations.clear();
    for (uint64_t i = random() % 40; i > 0; --i) {
      Add(static_cast<int>(random() % 3), uniform(random), 100 * uniform(random));
      catalog_.treatments.back().explored = random() % 5 != 0;
    }
    for (int i = 0; i < 3; ++i) {
      settings_.explorations.push_back({.method = methods[random() % 5],
                                        .epsilon = uniform(random),
                                        .temperature = 20 * uniform(random) + 0.01,
                                        .gamma = 2 * uniform(random),
                                        .evidence = 1 + 1'000 * uniform(random),
                                        .floor = random() % 2 == 0 ? 0 : 0.05 * uniform(random)});
      settings_.exploration_of_group[static_cast<size_t>(i)] = static_cast<int>(random() % 3);
    }
    context_.max_treatments = static_cast<int>(1 + random() % 5);
    settings_.max_per_group = static_cast<int>(1 + random() % 3);
    draw_.reset();
    const std::vector<int> greedy = Ranking();
    const std::vector<int> ranking = RankingAt(uniform(random));
    ASSERT_EQ(ranking.empty(), scored_.scored.empty());
    if (ranking.empty()) continue;
    ASSERT_EQ(result_.greedy, greedy.front());
    double sum = 0;
    for (const Selectable& s : result_.selectable) sum += s.probability;
    ASSERT_NEAR(sum, 1, 1e-9);
    ASSERT_TRUE(std::is_sorted(result_.selectable.begin(), result_.selectable.end(),
                               [](const auto& a, const auto& b) { return a.scored < b.scored; }));
    ASSERT_GT(result_.ranked[0].selection_probability, 0);
    ASSERT_EQ(result_.ranked.size() + result_.rejected.size(), scored_.scored.size());
    // But for the top it is the usual order.
    for (size_t i = 2; i < result_.ranked.size(); ++i) {
      ASSERT_GE(result_.ranked[i - 1].priority, result_.ranked[i].priority);
    }
  }
}

}  // namespace
}  // namespace attune::arbitration
