// Several places in one ranking, and candidates for several channels.

#include <algorithm>
#include <cstddef>
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
#include "lib/context/context_schema.h"

namespace attune::arbitration {
namespace {

using candidates::Reason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// A treatment on the channel of a slot.
struct OnChannel {
  int treatment = 0;
  int slot = 0;
};

class PlacesTest : public ::testing::Test {
 protected:
  PlacesTest() {
    catalog_.groups.resize(3);
    context_.max_treatments = kMaxRanked;
  }

  // A treatment that is scored 1: its priority is its value.
  catalog::Treatment& Add(int group, double value) {
    const int index = static_cast<int>(catalog_.treatments.size());
    catalog::Treatment& treatment = catalog_.treatments.emplace_back();
    treatment.group = group;
    treatment.value = value;
    treatment.name_rank = index;
    scored_.scored.push_back({index, 1.0});
    return treatment;
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
  // One to three, of any groups and of any of the first channels.
  template <typename Below>
  void AddRandomPlaces(Below below, int channels) {
    for (int place = 1 + below(3); place > 0; --place) {
      std::vector<int> groups;
      for (int group = 0; group < 3; ++group) {
        if (below(2)) groups.push_back(group);
      }
      context::ChannelSet on;
      for (int channel = 0; channel < channels; ++channel) {
        if (channels == 1 || below(2)) on.set(static_cast<size_t>(channel));
      }
      AddPlace(groups, 1 + below(3), on);
    }
  }
  // Back to no treatments and no places.
  void Reset() {
    catalog_.treatments.clear();
    scored_.scored.clear();
    settings_.placements.clear();
    context_.placements.clear();
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

  bool Takes(int place, const OnChannel& one) const {
    return settings_.placements[static_cast<size_t>(place)].Takes(
        catalog_.treatments[static_cast<size_t>(one.treatment)].group,
        context_.ChannelOf(one.slot));
  }
  // Is there a place for each of them? Tries every way to seat those from the n-th on.
  bool CanAllBeSeated(const std::vector<OnChannel>& all, size_t n = 0,
                      std::map<int, int> taken = {}) const {
    if (n == all.size()) return true;
    for (int place = 0; place < static_cast<int>(settings_.placements.size()); ++place) {
      const int room = settings_.placements[static_cast<size_t>(place)].max_treatments;
      if (!Takes(place, all[n]) || taken[place] == room) continue;
      ++taken[place];
      if (CanAllBeSeated(all, n + 1, taken)) return true;
      --taken[place];
    }
    return false;
  }
  // Is what is ranked in places that take it and have room for it?
  void ExpectThatAllFit() const {
    std::map<int, int> taken;
    for (const RankedTreatment& ranked : result_.ranked) {
      const int slot = scored_.scored[static_cast<size_t>(ranked.scored)].slot;
      ASSERT_GE(ranked.place, 0);
      EXPECT_TRUE(Takes(ranked.place, {ranked.treatment, slot}));
      EXPECT_LE(++taken[ranked.place],
                settings_.placements[static_cast<size_t>(ranked.place)].max_treatments);
    }
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

TEST_F(PlacesTest, APlaceMakesRoomForWhatOnlyItTakes) {
  Add(0, 100);
  Add(1, 50);
  AddPlace({0, 1}, 1);
  AddPlace({0}, 1);
  Run();
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(1)), Pair(1, ElementsAre(0))));
  EXPECT_EQ(result_.ranked.front().treatment, 0) << "the order is that of the priorities";
}

TEST_F(PlacesTest, PlacesMakeRoomForEachOther) {
  Add(0, 100);
  Add(2, 90);
  Add(1, 80);
  AddPlace({0, 1}, 1);
  AddPlace({0, 2}, 1);
  AddPlace({2}, 1);
  Run();
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(2)), Pair(1, ElementsAre(0)),
                                    Pair(2, ElementsAre(1))));
}

TEST_F(PlacesTest, OfThoseThatCanMakeRoomTheLastMoves) {
  Add(0, 100);
  Add(0, 90);
  Add(1, 80);
  AddPlace({0, 1}, 2);
  AddPlace({0}, 1);
  Run();
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(0, 2)), Pair(1, ElementsAre(1))));
}

TEST_F(PlacesTest, NobodyLosesAPlace) {
  Add(0, 100);
  Add(1, 90);
  Add(1, 80).must_show = true;
  AddPlace({0, 1}, 1);
  AddPlace({0}, 1);
  Run();
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(2)), Pair(1, ElementsAre(0))));
  EXPECT_THAT(Rejected(), ElementsAre(Pair(1, Reason::kOutranked)));
}

// Whatever is drawn keeps a place while others are seated around it.
TEST_F(PlacesTest, WhatExplorationPutsOnTopKeepsAPlace) {
  settings_.explorations = {{.method = Exploration::Method::kEpsilonGreedy, .epsilon = 1}};
  settings_.exploration_of_group = {0, 0, 0};
  Add(0, 50);
  Add(1, 90);
  Add(0, 1);
  AddPlace({0, 1}, 1);
  AddPlace({0}, 1);
  Run(0.99);
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(1)), Pair(1, ElementsAre(2))));
  EXPECT_EQ(result_.ranked.front().treatment, 2);
}

// As many places as a strategy may have, of which each can make room in the next one only.
TEST_F(PlacesTest, RoomIsFoundAtTheEndOfALongChain) {
  constexpr int kPlaces = context::kMaxPlacements;
  catalog_.groups.resize(kPlaces);
  AddPlace({0, kPlaces - 1}, 1);
  for (int place = 1; place + 1 < kPlaces; ++place) AddPlace({place - 1, place}, 1);
  AddPlace({kPlaces - 2}, 1);
  for (int group = 0; group < kPlaces; ++group) Add(group, 1'000 - group);
  Run();
  ASSERT_EQ(result_.ranked.size(), static_cast<size_t>(kPlaces));
  for (int t = 0; t < kPlaces; ++t) {
    EXPECT_EQ(result_.ranked[static_cast<size_t>(t)].place, (t + 1) % kPlaces);
  }
}

// All subsets that can be seated in any way, within the limits.
TEST_F(PlacesTest, NoOtherSetThatFitsHasHigherPriorities) {
  std::mt19937_64 random(5);
  const auto below = [&](uint64_t limit) { return static_cast<int>(random() % limit); };
  for (int round = 0; round < 400; ++round) {
    Reset();
    settings_.max_per_group = 1 + below(4);
    context_.max_treatments = 1 + below(8);
    const int treatments = below(9);
    for (int i = 0; i < treatments; ++i) Add(below(3), 1 + below(1'000));
    AddRandomPlaces(below, 1);
    double best = 0;
    for (unsigned chosen = 0; chosen < (1u << treatments); ++chosen) {
      std::vector<OnChannel> all;
      std::map<int, int> of_group;
      double sum = 0;
      for (int t = 0; t < treatments; ++t) {
        if (((chosen >> t) & 1u) == 0) continue;
        const catalog::Treatment& treatment = catalog_.treatments[static_cast<size_t>(t)];
        all.push_back({t, 0});
        ++of_group[treatment.group];
        sum += treatment.value;
      }
      const bool is_within = std::all_of(of_group.begin(), of_group.end(), [&](const auto& count) {
        return count.second <= settings_.max_per_group;
      });
      if (!is_within || all.size() > static_cast<size_t>(context_.max_treatments)) continue;
      if (sum > best && CanAllBeSeated(all)) best = sum;
    }
    Run();
    ExpectThatAllFit();
    double sum = 0;
    for (const RankedTreatment& ranked : result_.ranked) sum += ranked.priority;
    ASSERT_EQ(sum, best) << round;
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
  // Ranks what was chosen, with the other channels to go to.
  void RunOnAll(std::optional<double> draw = std::nullopt) {
    Chosen();
    std::vector<const scoring::ScoredCandidates*> scored;
    for (const auto& one : by_slot_) scored.push_back(&one);
    Arbitrate(settings_, catalog_, context_, scored_, draw, result_, {}, scored);
  }
  // Treatment and slot of what is ranked, best first.
  std::vector<std::pair<int, int>> Ranked() const {
    std::vector<std::pair<int, int>> ranked;
    for (const RankedTreatment& one : result_.ranked) {
      ranked.emplace_back(one.treatment, scored_.scored[static_cast<size_t>(one.scored)].slot);
    }
    return ranked;
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

TEST_F(ChooseChannelsTest, OnlyWhatNoChannelHasAPlaceForIsToldSo) {
  settings_.min_propensity = 0.5;
  Add(0, 10);
  AddPlace({0}, 1, Channel(1));
  Score(0, 0, 0.9);
  Score(1, 0, 0.1);
  EXPECT_THAT(Chosen(), ElementsAre(Pair(0, 1)));
  Run();
  EXPECT_THAT(Rejected(), ElementsAre(Pair(0, Reason::kBelowMinPropensity)));
}

TEST_F(ChooseChannelsTest, WhatFindsNoRoomGoesToItsNextBestChannel) {
  Add(0, 100);
  Add(0, 50);
  AddPlace({0}, 1, Channel(0));
  AddPlace({0}, 1, Channel(1));
  AddPlace({0}, 1, Channel(2));
  Score(0, 0, 0.9);
  Score(0, 1, 0.8);
  Score(1, 1, 0.2);
  Score(2, 1, 0.4);
  RunOnAll();
  EXPECT_THAT(Ranked(), ElementsAre(Pair(0, 0), Pair(1, 2)));
  EXPECT_THAT(Filled(), ElementsAre(Pair(0, ElementsAre(0)), Pair(2, ElementsAre(1))));
  EXPECT_EQ(result_.ranked[1].priority, 0.4 * 50);
  EXPECT_EQ(scored_.scored[1].propensity, 0.4);
}

// There it stands behind those that are worth more there.
TEST_F(ChooseChannelsTest, OnItsNextBestChannelItHasItsPriorityThere) {
  Add(0, 100);
  Add(0, 90);
  Add(0, 50);
  AddPlace({0}, 1, Channel(0));
  AddPlace({0}, 1, Channel(1));
  Score(0, 0, 0.9);
  Score(0, 1, 0.8);
  Score(1, 1, 0.1);  // 9
  Score(1, 2, 0.5);  // 25
  RunOnAll();
  EXPECT_THAT(Ranked(), ElementsAre(Pair(0, 0), Pair(2, 1)));
  ASSERT_THAT(Rejected(), ElementsAre(Pair(1, Reason::kOutranked)));
  EXPECT_EQ(result_.rejected[0].slot, 0) << "told of the channel that was chosen";
  EXPECT_EQ(scored_.scored[1].propensity, 0.8);
}

TEST_F(ChooseChannelsTest, WhereItDoesNotPassTheThresholdsItDoesNotGo) {
  settings_.min_propensity = 0.5;
  Add(0, 100);
  Add(0, 50);
  AddPlace({0}, 1, Channel(0));
  AddPlace({0}, 1, Channel(1));
  Score(0, 0, 0.9);
  Score(0, 1, 0.8);
  Score(1, 1, 0.4);
  RunOnAll();
  EXPECT_THAT(Ranked(), ElementsAre(Pair(0, 0)));
  EXPECT_THAT(Rejected(), ElementsAre(Pair(1, Reason::kOutranked)));
}

TEST_F(ChooseChannelsTest, WhoHasAPlaceKeepsItsChannel) {
  Add(0, 100);
  Add(0, 50);
  AddPlace({0}, 1, Channel(0));
  AddPlace({0}, 1, Channel(1));
  Score(0, 0, 0.9);
  Score(1, 0, 0.8);
  Score(0, 1, 0.7);  // could only be shown if the first one went to the second channel
  RunOnAll();
  EXPECT_THAT(Ranked(), ElementsAre(Pair(0, 0)));
}

TEST_F(ChooseChannelsTest, ADefaultThatComesAfterAScoreDoesNotOvertake) {
  Add(0, 100);
  Add(0, 60);
  Add(0, 50);
  AddPlace({0}, 1, Channel(0));
  AddPlace({0}, 2, Channel(1));
  Score(0, 0, 0.9);
  Score(0, 1, 0.5);  // 30
  Score(1, 1, 1.0);  // 60, but no score
  by_slot_[1].scored.back().source = scoring::ScoredCandidate::Source::kDefault;
  Score(1, 2, 0.8);  // 40
  RunOnAll();
  EXPECT_THAT(Ranked(), ElementsAre(Pair(0, 0), Pair(2, 1), Pair(1, 1)));
  EXPECT_EQ(result_.ranked[2].priority, 60);
}

// The definition: the one that is worth most where it can still be tried, in any way that seats it
// with all before it.
TEST_F(ChooseChannelsTest, AgreesWithTheDefinitionOnRandomCases) {
  std::mt19937_64 random(7);
  const auto below = [&](uint64_t limit) { return static_cast<int>(random() % limit); };
  for (int round = 0; round < 400; ++round) {
    Reset();
    for (auto& one : by_slot_) one.scored.clear();
    settings_.max_per_group = 1 + below(4);
    context_.max_treatments = 1 + below(8);
    // Priorities on the channels on which each may be tried.
    std::vector<std::map<int, double>> untried(static_cast<size_t>(below(8)));
    AddRandomPlaces(below, 3);
    for (size_t t = 0; t < untried.size(); ++t) {
      Add(below(3), 64 + below(64));
      for (int slot = 0; slot < 3; ++slot) {
        if (below(3) == 0) continue;
        const double propensity = (1 + below(64)) / 64.0;  // products are exact
        Score(slot, static_cast<int>(t), propensity);
        untried[t][slot] = propensity * catalog_.treatments[t].value;
      }
    }
    std::vector<OnChannel> seated;
    std::map<int, int> of_group;
    while (seated.size() < static_cast<size_t>(context_.max_treatments)) {
      // By priority, then by value, then by name; of one treatment the first channel.
      std::optional<std::pair<double, double>> best;
      OnChannel next;
      for (size_t t = 0; t < untried.size(); ++t) {
        for (const auto& [slot, priority] : untried[t]) {
          const std::pair<double, double> key(priority, catalog_.treatments[t].value);
          if (best && key <= *best) continue;
          best = key;
          next = {static_cast<int>(t), slot};
        }
      }
      if (!best) break;
      const auto t = static_cast<size_t>(next.treatment);
      std::vector<OnChannel> with = seated;
      with.push_back(next);
      if (of_group[catalog_.treatments[t].group] == settings_.max_per_group) {
        untried[t].clear();
      } else if (CanAllBeSeated(with)) {
        seated = with;
        ++of_group[catalog_.treatments[t].group];
        untried[t].clear();
      } else {
        untried[t].erase(next.slot);
      }
    }
    RunOnAll();
    ExpectThatAllFit();
    std::vector<std::pair<int, int>> expected;
    for (const OnChannel& one : seated) expected.emplace_back(one.treatment, one.slot);
    ASSERT_EQ(Ranked(), expected) << round;
  }
}

TEST_F(ChooseChannelsTest, NothingIsChosenOfNothing) { EXPECT_THAT(Chosen(), IsEmpty()); }

}  // namespace
}  // namespace attune::arbitration
