#include "lib/arbitration/arbitration.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

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
  void Run() { Arbitrate(settings_, catalog_, context_, scored_, result_); }

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
  ArbitrationResult result_;
};

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

}  // namespace
}  // namespace attune::arbitration
