// Several places in one ranking, and candidates for several channels.

#include <map>
#include <optional>
#include <random>
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

class PlacesTest : public ::testing::Test {
 protected:
  PlacesTest() {
    catalog_.groups.resize(3);
    context_.max_treatments = kMaxRanked;
  }

  // A treatment that is scored 1: its priority is its value.
  int Add(int group, double value) {
    const int index = static_cast<int>(catalog_.treatments.size());
    catalog::Treatment& treatment = catalog_.treatments.emplace_back();
    treatment.group = group;
    treatment.value = value;
    treatment.name_rank = index;
    scored_.scored.push_back({index, 1.0});
    return index;
  }
  // A place of these groups with so much room, which the request asks for.
  void AddPlace(const std::vector<int>& groups, int room,
                context::ChannelSet channels = context::ChannelSet().set()) {
    Placement& placement = settings_.placements.emplace_back();
    placement.channels = channels;
    placement.max_treatments = room;
    for (const int group : groups) placement.groups.set(static_cast<size_t>(group));
    context_.placements.push_back(static_cast<int>(settings_.placements.size()) - 1);
  }
  void Run(std::optional<double> draw = std::nullopt) {
    Arbitrate(settings_, catalog_, context_, scored_, draw, result_);
  }
  // The treatments of each place, best first.
  std::map<int, std::vector<int>> Filled() const {
    std::map<int, std::vector<int>> filled;
    for (const RankedTreatment& ranked : result_.ranked) {
      filled[ranked.place].push_back(ranked.treatment);
    }
    return filled;
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

TEST_F(PlacesTest, WithoutPlacesNothingIsInOne) {
  Add(0, 5);
  Run();
  EXPECT_THAT(Filled(), ElementsAre(Pair(-1, ElementsAre(0))));
}

TEST_F(PlacesTest, EachTreatmentGoesToTheFirstPlaceThatTakesItAndHasRoom) {
  for (int i = 0; i < 5; ++i) Add(0, 100 - i);
  Add(1, 50);
  AddPlace({0}, 2);
  AddPlace({0, 1}, 2);
  Run();
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(0, 1)), Pair(1, ElementsAre(2, 3))));
  EXPECT_THAT(Rejected(), ElementsAre(Pair(4, Reason::kOutranked), Pair(5, Reason::kOutranked)));
}

TEST_F(PlacesTest, ALaterPlaceIsFilledThoughAnEarlierIsFull) {
  for (int i = 0; i < 3; ++i) Add(0, 100 - i);
  Add(1, 1);
  AddPlace({0}, 1);
  AddPlace({1}, 1);
  Run();
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(0)), Pair(1, ElementsAre(3))));
}

TEST_F(PlacesTest, WhatNoPlaceTakesIsNotRanked) {
  Add(0, 100);
  Add(2, 50);
  AddPlace({2}, 3);
  Run();
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(1))));
  EXPECT_THAT(Rejected(), ElementsAre(Pair(0, Reason::kNoPlacement)));
}

TEST_F(PlacesTest, PlacesOfAGroupCountOverAllPlaces) {
  settings_.max_per_group = 2;
  for (int i = 0; i < 4; ++i) Add(0, 100 - i);
  Add(1, 1);
  AddPlace({0}, 1);
  AddPlace({0, 1}, 5);
  Run();
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(0)), Pair(1, ElementsAre(1, 4))));
  EXPECT_THAT(Rejected(), ElementsAre(Pair(2, Reason::kGroupLimitReached),
                                      Pair(3, Reason::kGroupLimitReached)));
}

TEST_F(PlacesTest, TheRequestMayAskForLess) {
  for (int i = 0; i < 4; ++i) Add(0, 100 - i);
  AddPlace({0}, 2);
  AddPlace({0}, 2);
  context_.max_treatments = 3;
  Run();
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(0, 1)), Pair(1, ElementsAre(2))));
}

TEST_F(PlacesTest, AFallbackNeedsAPlace) {
  Add(0, 10);
  Add(1, 5);
  for (catalog::Treatment& treatment : catalog_.treatments) treatment.only_as_fallback = true;
  settings_.fallbacks = {{0, context::ChannelSet().set()}, {1, context::ChannelSet().set()}};
  AddPlace({1}, 1);
  Run();
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(1))));
  EXPECT_TRUE(result_.is_fallback);
}

// Whatever is drawn stands on top, in a place that takes it, and only what a place takes is drawn.
TEST_F(PlacesTest, ExplorationDrawsAmongThoseThatHaveAPlace) {
  settings_.explorations = {{.method = Exploration::Method::kEpsilonGreedy, .epsilon = 1}};
  settings_.exploration_of_group = {0, 0, 0};
  settings_.max_per_group = 1;
  for (int i = 0; i < 3; ++i) Add(0, 100 - i);
  Add(1, 10);
  Add(2, 1'000);
  AddPlace({1}, 1);
  AddPlace({0}, 1);
  std::set<int> drawn;
  for (int i = 0; i < 100; ++i) {
    Run(i / 100.0);
    ASSERT_EQ(result_.ranked.size(), 2u);
    drawn.insert(result_.ranked.front().treatment);
    double sum = 0;
    for (const Selectable& selectable : result_.selectable) sum += selectable.probability;
    EXPECT_NEAR(sum, 1, 1e-9);
    EXPECT_NEAR(result_.ranked.front().selection_probability, 0.25, 1e-9);
  }
  EXPECT_THAT(drawn, UnorderedElementsAre(0, 1, 2, 3));
}

// The ranks among all contenders are not the places in the ranking.
TEST_F(PlacesTest, RanksCountThoseThatFoundNoRoom) {
  for (int i = 0; i < 3; ++i) Add(0, 100 - i);
  Add(1, 1);
  AddPlace({0}, 1);
  AddPlace({1}, 1);
  Run();
  const std::vector<PriorityRanks> ranks = RanksOf(settings_, catalog_, scored_, result_);
  ASSERT_EQ(ranks.size(), 2u);
  EXPECT_EQ(ranks[0].by_priority, 1);
  EXPECT_EQ(ranks[1].by_priority, 4);
}

// The definition, treatment by treatment.
TEST_F(PlacesTest, AgreesWithTheDefinitionOnRandomCases) {
  std::mt19937_64 random(5);
  const auto below = [&](uint64_t limit) { return static_cast<int>(random() % limit); };
  for (int round = 0; round < 500; ++round) {
    catalog_.treatments.clear();
    scored_.scored.clear();
    settings_.placements.clear();
    context_.placements.clear();
    settings_.max_per_group = 1 + below(4);
    const int treatments = below(20);
    for (int i = 0; i < treatments; ++i)
      Add(below(3), 1'000 - i);  // the order is that of the index
    for (int place = 1 + below(3); place > 0; --place) {
      std::vector<int> groups;
      for (int group = 0; group < 3; ++group) {
        if (below(2)) groups.push_back(group);
      }
      AddPlace(groups, 1 + below(3));
    }
    std::map<int, std::vector<int>> expected;
    std::map<int, int> of_group;
    for (int t = 0; t < treatments; ++t) {
      const int group = catalog_.treatments[static_cast<size_t>(t)].group;
      if (of_group[group] == settings_.max_per_group) continue;
      for (int p = 0; p < static_cast<int>(settings_.placements.size()); ++p) {
        const Placement& place = settings_.placements[static_cast<size_t>(p)];
        const auto found = expected.find(p);
        const size_t taken = found == expected.end() ? 0 : found->second.size();
        if (!place.groups[static_cast<size_t>(group)] ||
            taken == static_cast<size_t>(place.max_treatments)) {
          continue;
        }
        expected[p].push_back(t);
        ++of_group[group];
        break;
      }
    }
    Run();
    ASSERT_EQ(Filled(), expected) << round;
    ASSERT_EQ(result_.ranked.size() + result_.rejected.size(), static_cast<size_t>(treatments));
  }
}

class ChooseChannelsTest : public PlacesTest {
 protected:
  ChooseChannelsTest() { context_.open_channels = {0, 1, 2}; }

  // Scores the treatment on the channel of the slot.
  void Score(int slot, int treatment, double propensity) {
    by_slot_[static_cast<size_t>(slot)].scored.push_back({treatment, propensity});
  }
  // Treatment and slot of each candidate.
  std::vector<std::pair<int, int>> Chosen() {
    std::vector<const scoring::ScoredCandidates*> scored;
    for (const auto& one : by_slot_) scored.push_back(&one);
    ChooseChannels(settings_, catalog_, context_, scored, memory_, scored_.scored);
    std::vector<std::pair<int, int>> chosen;
    for (const auto& one : scored_.scored) chosen.emplace_back(one.treatment, one.slot);
    return chosen;
  }
  static context::ChannelSet Channel(int channel) {
    return context::ChannelSet().set(static_cast<size_t>(channel));
  }

  std::vector<scoring::ScoredCandidates> by_slot_{3};
  ChannelChoice memory_;
};

TEST_F(ChooseChannelsTest, TheHighestPriorityWinsThenTheFirstChannel) {
  Add(0, 10);
  Add(0, 10);
  Add(0, 10);
  Score(0, 0, 0.5);
  Score(1, 0, 0.7);
  Score(2, 0, 0.7);
  Score(0, 1, 0.5);
  Score(2, 1, 0.5);
  EXPECT_THAT(Chosen(), ElementsAre(Pair(0, 1), Pair(1, 0)));
  EXPECT_EQ(scored_.scored[0].propensity, 0.7);
}

TEST_F(ChooseChannelsTest, ContextWeightsAreThoseOfTheChannel) {
  Add(0, 10);
  settings_.context_weights = {{0, Channel(2), context::IntentSet().set(), 100}};
  Score(0, 0, 0.5);
  Score(2, 0, 0.4);
  EXPECT_THAT(Chosen(), ElementsAre(Pair(0, 2)));
  Run();
  ASSERT_EQ(result_.ranked.size(), 1u);
  EXPECT_DOUBLE_EQ(result_.ranked[0].context_weight, 2);
  EXPECT_DOUBLE_EQ(result_.ranked[0].priority, 0.4 * 2 * 10);
}

TEST_F(ChooseChannelsTest, AChannelOnWhichItPassesTheThresholdsIsBetter) {
  Add(0, 10);
  settings_.min_propensity = 0.5;
  settings_.context_weights = {{0, Channel(0), context::IntentSet().set(), 900}};
  Score(0, 0, 0.4);  // priority 40, below the threshold
  Score(1, 0, 0.6);  // priority 6
  EXPECT_THAT(Chosen(), ElementsAre(Pair(0, 1)));
}

TEST_F(ChooseChannelsTest, ADefaultNeverBeatsAScore) {
  Add(0, 10);
  Score(0, 0, 0.9);
  by_slot_[0].scored.back().source = scoring::ScoredCandidate::Source::kDefault;
  Score(1, 0, 0.6);
  EXPECT_THAT(Chosen(), ElementsAre(Pair(0, 1)));
  settings_.min_propensity = 0.7;
  EXPECT_THAT(Chosen(), ElementsAre(Pair(0, 0))) << "only there it contends";
}

TEST_F(ChooseChannelsTest, AFallbackIsUsedWhereItIsTheFirst) {
  Add(0, 10);
  catalog_.treatments[0].only_as_fallback = true;
  settings_.fallbacks = {{0, Channel(2)}, {0, context::ChannelSet().set()}};
  Score(0, 0, 0.9);
  Score(2, 0, 0.1);
  EXPECT_THAT(Chosen(), ElementsAre(Pair(0, 2)));
  Run();
  EXPECT_TRUE(result_.is_fallback);
}

TEST_F(ChooseChannelsTest, AChannelWithAPlaceIsBetter) {
  Add(0, 10);
  AddPlace({0}, 1, Channel(1));
  Score(0, 0, 0.9);
  Score(1, 0, 0.1);
  EXPECT_THAT(Chosen(), ElementsAre(Pair(0, 1)));
  Run();
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(0))));
}

TEST_F(ChooseChannelsTest, NothingIsChosenOfNothing) { EXPECT_THAT(Chosen(), IsEmpty()); }

}  // namespace
}  // namespace attune::arbitration
