#include "lib/arbitration/exploration.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/hash.h"

namespace attune::arbitration {
namespace {

using Method = Exploration::Method;
using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Pointwise;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

constexpr Method kExploring[] = {Method::kEpsilonGreedy, Method::kSoftmax, Method::kSquareCb,
                                 Method::kThompson};

Exploration EpsilonGreedy(double epsilon, double floor = 0) {
  return {.method = Method::kEpsilonGreedy, .epsilon = epsilon, .floor = floor};
}
Exploration Softmax(double temperature, double floor = 0) {
  return {.method = Method::kSoftmax, .temperature = temperature, .floor = floor};
}
Exploration SquareCb(double gamma, double floor = 0) {
  return {.method = Method::kSquareCb, .gamma = gamma, .floor = floor};
}
Exploration Thompson(double floor = 0) { return {.method = Method::kThompson, .floor = floor}; }
// With a floor and numbers that are neither greedy nor even.
Exploration Usual(Method method, double floor) {
  return {.method = method, .epsilon = 0.1, .temperature = 2, .gamma = 3, .floor = floor};
}

std::vector<double> Chances(const Exploration& exploration, const std::vector<Arm>& arms) {
  ExplorationScratch scratch;
  std::vector<double> probability;
  const auto greedy = std::max_element(
      arms.begin(), arms.end(), [](const Arm& a, const Arm& b) { return a.score < b.score; });
  SelectionProbabilities(exploration, arms, static_cast<size_t>(greedy - arms.begin()), scratch,
                         probability);
  return probability;
}

std::vector<Arm> Arms(const std::vector<double>& scores, double deviation = 1) {
  std::vector<Arm> arms;
  for (const double score : scores) arms.push_back({score, deviation});
  return arms;
}

double Sum(const std::vector<double>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0);
}

TEST(SelectionProbabilitiesTest, WithoutExplorationTheGreedyChoiceIsCertain) {
  EXPECT_THAT(Chances({}, Arms({1, 3, 2})), ElementsAre(0, 1, 0));
  EXPECT_THAT(Chances({.floor = 0.2}, Arms({1, 3, 2})), ElementsAre(0, 1, 0));
}

TEST(SelectionProbabilitiesTest, EpsilonIsSharedByAll) {
  EXPECT_THAT(Chances(EpsilonGreedy(0.3), Arms({1, 3, 2})),
              Pointwise(DoubleNear(1e-15), std::vector<double>{0.1, 0.8, 0.1}));
  EXPECT_THAT(Chances(EpsilonGreedy(0), Arms({1, 3, 2})), ElementsAre(0, 1, 0));
}

TEST(SelectionProbabilitiesTest, OneTemperatureBehindIsATimesELess) {
  const std::vector<double> chances = Chances(Softmax(5), Arms({10, 15, 20}));
  EXPECT_NEAR(chances[1] / chances[0], std::exp(1.0), 1e-12);
  EXPECT_NEAR(chances[2] / chances[1], std::exp(1.0), 1e-12);
  // Where a chance is less than a double can tell, it is 0.
  EXPECT_THAT(Chances(Softmax(1e-6), Arms({1e12, 1, 0})), ElementsAre(1, 0, 0));
}

TEST(SelectionProbabilitiesTest, SquareCbWeighsTheGapInversely) {
  EXPECT_THAT(
      Chances(SquareCb(2), Arms({1, 3, 2})),
      Pointwise(DoubleNear(1e-15), std::vector<double>{1.0 / 7, 1 - 1.0 / 7 - 1.0 / 5, 1.0 / 5}));
  EXPECT_THAT(Chances(SquareCb(0), Arms({-kInfinity, 3, 2, 1, 0})),
              Pointwise(DoubleNear(1e-15), std::vector<double>{0, 0.25, 0.25, 0.25, 0.25}));
  EXPECT_THAT(Chances(SquareCb(0), Arms({-1.7e308, 1.7e308})), ElementsAre(0.5, 0.5));
}

double NormalBelow(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

// P(a > b) of two independent normal scores.
double ChanceOfFirst(const Arm& a, const Arm& b) {
  return NormalBelow((a.score - b.score) / std::hypot(a.deviation, b.deviation));
}

TEST(SelectionProbabilitiesTest, ThompsonAgreesWithWhatIsKnownOfTwo) {
  struct Case {
    const char* name;
    Arm a, b;
    double tolerance;
  };
  const Case cases[] = {
      {"equal", {1, 2}, {1, 2}, 1e-9},
      {"alike", {1.5, 2}, {1, 2}, 1e-6},
      {"a factor of three", {4, 3}, {1, 1}, 1e-6},
      {"a factor of ten", {10, 10}, {12, 1}, 1e-6},
      {"a factor of a hundred", {100, 100}, {70, 1}, 1e-6},
      {"a factor of a million", {100, 100}, {70, 1e-4}, 1e-6},
      {"a factor that counts as certain", {100, 100}, {70, 1e-9}, 1e-6},
      {"one that is certain", {10, 0}, {9, 2}, 1e-6},
      {"one that is certain and behind", {10, 0}, {19, 3}, 1e-6},
      {"very uncertain", {1e307, 1e307}, {0, 1e307}, 1e-6},
      {"very small", {1e-190, 1e-190}, {2e-190, 3e-190}, 1e-6},
      {"one that has no chance", {10, 1}, {-1000, 1}, 1e-9},
      {"far from zero", {1e9 + 1, 2}, {1e9, 2}, 1e-6},
  };
  for (const Case& c : cases) {
    const double expected = ChanceOfFirst(c.a, c.b);
    EXPECT_THAT(Chances(Thompson(), {c.a, c.b}),
                Pointwise(DoubleNear(c.tolerance), std::vector<double>{expected, 1 - expected}))
        << c.name;
  }
}

TEST(SelectionProbabilitiesTest, ThompsonAgreesWithSamplesOfMany) {
  const std::vector<Arm> arms = {{10, 4}, {12, 2}, {11, 0.5}, {8, 6}, {3, 1}, {12, 0.1}, {-5, 9}};
  constexpr int kSamples = 400'000;
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  std::vector<double> share(arms.size());
  for (int i = 0; i < kSamples; ++i) {
    size_t best = 0;
    double best_score = -kInfinity;
    for (size_t a = 0; a < arms.size(); ++a) {
      const double score = arms[a].score + arms[a].deviation * normal(random);
      if (score > best_score) best = a;
      best_score = std::max(score, best_score);
    }
    share[best] += 1.0 / kSamples;
  }
  EXPECT_THAT(Chances(Thompson(), arms), Pointwise(DoubleNear(0.003), share));
}

TEST(SelectionProbabilitiesTest, ThompsonIsGreedyWhereNothingIsUncertain) {
  EXPECT_THAT(Chances(Thompson(), Arms({1, 3, 2}, 0)), ElementsAre(0, 1, 0));
  EXPECT_THAT(Chances(Thompson(), Arms({1, 3, 2}, kNaN)), ElementsAre(0, 1, 0));
  EXPECT_THAT(Chances(Thompson(), Arms({3, 1, 3}, -1)), ElementsAre(0.5, 0, 0.5));
}

TEST(SelectionProbabilitiesTest, OfCertainArmsOnlyTheHighestHasAChance) {
  const double below = NormalBelow(1);  // that the third stays below 10
  EXPECT_THAT(Chances(Thompson(), {{10, 0}, {9.99, 0}, {0, 10}}),
              Pointwise(DoubleNear(1e-6), std::vector<double>{below, 0, 1 - below}));
  EXPECT_THAT(
      Chances(Thompson(), {{9.99, 0}, {10, 0}, {0, 10}, {10, kNaN}, {-5, 0}}),
      Pointwise(DoubleNear(1e-6), std::vector<double>{0, below / 2, 1 - below, below / 2, 0}));
  // Where it is out of reach it has no chance either.
  EXPECT_THAT(Chances(Thompson(), {{-100, 0}, {0, 1}, {0, 1}}),
              Pointwise(DoubleNear(1e-9), std::vector<double>{0, 0.5, 0.5}));
  // Nearly certain is not certain: these two differ by a deviation.
  const std::vector<double> near = Chances(Thompson(), {{10, 1e-6}, {10 - 1e-6, 1e-6}, {0, 10}});
  EXPECT_NEAR(near[0] / (near[0] + near[1]), NormalBelow(1 / std::sqrt(2.0)), 1e-6);
}

// The chances by the trapezoidal rule with steps so small that they are as good as exact.
std::vector<double> FineChances(const std::vector<Arm>& arms) {
  constexpr double kStep = 0.01;
  std::vector<double> chances(arms.size());
  std::vector<double> density(arms.size());
  for (double x = -12; x < 20; x += kStep) {
    double product = 1;
    for (size_t i = 0; i < arms.size(); ++i) {
      const double z = (x - arms[i].score) / arms[i].deviation;
      const double below = NormalBelow(z);
      density[i] = std::exp(-z * z / 2) / std::sqrt(2 * std::acos(-1.0)) / arms[i].deviation /
                   std::max(below, 1e-300);
      product *= below;
    }
    if (product == 0) continue;
    for (size_t i = 0; i < arms.size(); ++i) chances[i] += kStep * product * density[i];
  }
  return chances;
}

TEST(SelectionProbabilitiesTest, ThompsonIsRightForManyThatAreAlike) {
  for (const size_t n : {2, 10, 50, 300, 1'000}) {
    std::vector<Arm> arms(n, Arm{0, 1});
    arms[0] = {0.25, 1.5};
    arms[1] = {-0.5, 0.75};
    const std::vector<double> chances = Chances(Thompson(), arms);
    const std::vector<double> exact = FineChances(arms);
    EXPECT_THAT(chances, Pointwise(DoubleNear(1e-6), exact)) << n;
    ASSERT_NEAR(Sum(exact), 1, 1e-6) << n;
  }
}

// Arms that differ by a few of the last bits only are integrated one by one.
TEST(SelectionProbabilitiesTest, AlikeArmsHaveTheChancesOfThoseThatAreLookedAtOneByOne) {
  constexpr int kDifferent = 7;
  for (const size_t n : {2, 30, 400, 2'000}) {
    std::vector<Arm> alike(n);
    std::vector<Arm> apart(n);
    for (size_t i = 0; i < n; ++i) {
      const auto which = static_cast<double>(i % kDifferent);
      alike[i] = {10 + 0.5 * which, 1 + 0.25 * which};
      apart[i] = alike[i];
      apart[i].deviation *= 1 + static_cast<double>(i / kDifferent) * 0x1p-52;
    }
    // One that is certain in either.
    alike.push_back({14, 0});
    apart.push_back({14, 0});
    const std::vector<double> chances = Chances(Thompson(), alike);
    EXPECT_THAT(chances, Pointwise(DoubleNear(1e-12), Chances(Thompson(), apart))) << n;
    EXPECT_NEAR(Sum(chances), 1, 1e-9) << n;
    for (size_t i = kDifferent; i < n; ++i) EXPECT_EQ(chances[i], chances[i - kDifferent]) << i;
  }
}

TEST(SelectionProbabilitiesTest, ThompsonIsRightForThousandsThatAreAlike) {
  std::vector<Arm> arms(5'000, Arm{0, 1});
  EXPECT_THAT(Chances(Thompson(), arms), Each(DoubleNear(1.0 / 5'000, 1e-12)));
  arms.back() = {1, 2};
  const std::vector<double> chances = Chances(Thompson(), arms);
  EXPECT_THAT(chances, Pointwise(DoubleNear(1e-5), FineChances(arms)));
  EXPECT_NEAR(Sum(chances), 1, 1e-9);
}

// What is certain is not integrated: its chance is right only if the sum of the integrals is.
TEST(SelectionProbabilitiesTest, TheIntegralsOfManyAddUpToWhatACertainOneLeaves) {
  const std::pair<size_t, double> cases[] = {{1, 0.5},   {2, 0.6},     {50, 2.2},
                                             {300, 2.8}, {1'000, 3.2}, {10'000, 3.8}};
  for (const auto& [n, score] : cases) {
    std::vector<Arm> arms(n, Arm{0, 1});
    arms.push_back({score, 0});
    const double below = std::pow(NormalBelow(score), static_cast<double>(n));
    EXPECT_NEAR(Chances(Thompson(), arms).back(), below, n > 1'000 ? 1e-5 : 1e-6) << n;
  }
}

TEST(SelectionProbabilitiesTest, OneArmIsCertain) {
  for (const Method method : kExploring) {
    for (const double floor : {0.0, 0.3, 1.0}) {
      for (const double score : {0.0, -7.0, kInfinity, -kInfinity, kNaN}) {
        EXPECT_THAT(Chances(Usual(method, floor), Arms({score})), ElementsAre(1.0));
      }
    }
  }
}

TEST(SelectionProbabilitiesTest, EqualScoresHaveEqualChances) {
  for (const Method method : {Method::kSoftmax, Method::kSquareCb, Method::kThompson}) {
    EXPECT_THAT(Chances(Usual(method, 0), Arms({4, 4, 4, 4})), Each(DoubleNear(0.25, 1e-12)));
  }
  EXPECT_THAT(Chances(EpsilonGreedy(0.4), Arms({4, 4, 4, 4})),
              Pointwise(DoubleNear(1e-15), std::vector<double>{0.7, 0.1, 0.1, 0.1}));
}

TEST(SelectionProbabilitiesTest, WhatIsNoScoreHasNoChanceWhateverTheFloor) {
  for (const Method method : kExploring) {
    for (const double floor : {0.0, 0.1, 1.0}) {
      const Exploration exploration = Usual(method, floor);
      const std::vector<double> finite = Chances(exploration, Arms({2, 1}));
      EXPECT_THAT(Chances(exploration, Arms({kNaN, 2, -kInfinity, 1})),
                  ElementsAre(0, finite[0], 0, finite[1]));
      const std::vector<double> equal = Chances(exploration, Arms({0, 0}));
      EXPECT_THAT(Chances(exploration, Arms({5, kInfinity, kNaN, kInfinity})),
                  ElementsAre(0, equal[0], 0, equal[1]));
      EXPECT_THAT(Chances(exploration, Arms({kNaN, -kInfinity})), ElementsAre(equal[0], equal[1]));
    }
  }
}

TEST(SelectionProbabilitiesTest, AGreedyChoiceThatIsNotTheBestIsNotBelieved) {
  ExplorationScratch scratch;
  std::vector<double> probability;
  SelectionProbabilities(EpsilonGreedy(0.2), Arms({kNaN, 1, 2}), 0, scratch, probability);
  EXPECT_THAT(probability, Pointwise(DoubleNear(1e-15), std::vector<double>{0, 0.1, 0.9}));
  // Ties are the caller's to break.
  SelectionProbabilities(EpsilonGreedy(0.2), Arms({2, 1, 2, 2}), 2, scratch, probability);
  EXPECT_THAT(probability,
              Pointwise(DoubleNear(1e-15), std::vector<double>{0.05, 0.05, 0.85, 0.05}));
}

TEST(SelectionProbabilitiesTest, AFloorOfZeroChangesNothing) {
  EXPECT_EQ(Chances(Softmax(2, 0), Arms({1, 2, 90})), Chances(Softmax(2), Arms({1, 2, 90})));
  EXPECT_EQ(Chances(Softmax(2, -0.0), Arms({1, 2, 90})), Chances(Softmax(2), Arms({1, 2, 90})));
}

TEST(SelectionProbabilitiesTest, TheFloorTakesTheSameFromAllAboveIt) {
  // 0.75, 0.25, 0 and 0 raised to 0.1: 0.2 is needed, 0.1 of each of the others.
  const double third = 2 * std::log(3.0);
  EXPECT_THAT(Chances(Softmax(2, 0.1), Arms({third, 0, -1e6, -1e6})),
              Pointwise(DoubleNear(1e-12), std::vector<double>{0.65, 0.15, 0.1, 0.1}));
  // Raised to 0.2, the second falls to the floor as well, and the first has the rest.
  EXPECT_THAT(Chances(Softmax(2, 0.2), Arms({third, 0, -1e6, -1e6})),
              Pointwise(DoubleNear(1e-12), std::vector<double>{0.4, 0.2, 0.2, 0.2}));
}

TEST(SelectionProbabilitiesTest, AFloorThatNotAllCanHaveMakesThemEqual) {
  for (const double floor : {0.25, 0.3, 1.0}) {
    EXPECT_THAT(Chances(Softmax(2, floor), Arms({9, 0, 1, 2})), Each(0.25)) << floor;
  }
}

// The nearest point of the simplex with p >= floor by its definition: whatever is moved from one
// arm to another as far as the floor allows, the distance does not shrink.
TEST(SelectionProbabilitiesTest, NoAllowedVectorIsNearerThanTheFloored) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform;
  for (int round = 0; round < 2'000; ++round) {
    const size_t n = 2 + random() % 30;
    const double floor = uniform(random) / static_cast<double>(n);
    std::vector<double> scores(n);
    for (double& score : scores) score = 20 * uniform(random);
    const std::vector<double> raw = Chances(Softmax(1.5), Arms(scores));
    const std::vector<double> floored = Chances(Softmax(1.5, floor), Arms(scores));
    ASSERT_NEAR(Sum(floored), 1, 1e-12);
    ASSERT_GE(*std::min_element(floored.begin(), floored.end()), floor);
    // The gradient of the distance is floored - raw: it is the same for all above the floor, and
    // not smaller for those on it.
    double above = -kInfinity;
    for (size_t i = 0; i < n; ++i) {
      if (floored[i] > floor) above = std::max(above, floored[i] - raw[i]);
    }
    for (size_t i = 0; i < n; ++i) {
      const double moved = floored[i] - raw[i];
      ASSERT_GE(moved, above - 1e-12);
      if (floored[i] > floor) {
        ASSERT_NEAR(moved, above, 1e-12);
      }
    }
  }
}

TEST(SelectionProbabilitiesTest, AddUpToOneWhateverTheScores) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> uniform;
  const double odd[] = {0, -0.0, kNaN, kInfinity, -kInfinity, 1e308, -1e308, 5e-324, 1e12};
  ExplorationScratch scratch;
  std::vector<double> probability;
  for (int round = 0; round < 3'000; ++round) {
    std::vector<Arm> arms(round % 50 == 0 ? 3'000 : 1 + random() % 60);
    const double scale = std::pow(10, 14 * uniform(random) - 4);
    for (Arm& arm : arms) {
      arm.score = random() % 40 == 0 ? odd[random() % std::size(odd)] : scale * uniform(random);
      arm.deviation = random() % 40 == 0 ? odd[random() % std::size(odd)]
                                         : scale * std::pow(uniform(random), 8);
    }
    Exploration exploration;
    exploration.method = kExploring[random() % std::size(kExploring)];
    exploration.epsilon = uniform(random);
    exploration.temperature = std::pow(10, 18 * uniform(random) - 6);
    exploration.gamma = random() % 10 == 0 ? 0 : std::pow(10, 18 * uniform(random) - 6);
    exploration.floor = random() % 3 == 0 ? 0 : std::pow(uniform(random), 4);
    // Thousands of uncertain arms take their time.
    if (arms.size() > 1'000 && exploration.method == Method::kThompson) arms.resize(1'000);
    SelectionProbabilities(exploration, arms, random() % arms.size(), scratch, probability);
    ASSERT_EQ(probability.size(), arms.size());
    ASSERT_NEAR(Sum(probability), 1, 1e-9) << round;
    for (const double p : probability) ASSERT_GE(p, 0.0) << round;
  }
}

TEST(PickTest, FallsOnWhatLiesUnderTheDraw) {
  const std::vector<double> probability = {0, 0.25, 0, 0.5, 0.25, 0};
  const std::pair<double, size_t> cases[] = {{0.0, 1},  {0.2499, 1}, {0.25, 3},
                                             {0.74, 3}, {0.75, 4},   {1 - 0x1p-53, 4}};
  for (const auto& [draw, picked] : cases) EXPECT_EQ(Pick(probability, draw), picked) << draw;
  // What rounding leaves over is the last one's.
  EXPECT_EQ(Pick(std::vector<double>{0.1, 0.2, 0}, 0.9), 1u);
}

TEST(DrawTest, IsAHashOfTheIdAndStaysTheSame) {
  Hash128 id{};
  EXPECT_EQ(DrawOf(id), DrawOf(id));
  const double of_zero = DrawOf(id);
  id[15] = 1;
  EXPECT_NE(DrawOf(id), of_zero);
  // What past decisions drew must stay checkable.
  EXPECT_EQ(of_zero, 0.15687479482760691);
}

// Chi-square of a million draws: the chances are what happens, for each method.
class DrawFrequencyTest : public ::testing::TestWithParam<Exploration> {};

TEST_P(DrawFrequencyTest, AMillionDrawsFallAsTheChancesSay) {
  constexpr int kDraws = 1'000'000;
  const std::vector<double> chances = Chances(GetParam(), Arms({4, 6.5, 1, 6, 5.75, 5.5, 2}, 0.75));
  std::vector<double> seen(chances.size());
  Hash128 id{};
  for (uint64_t i = 0; i < kDraws; ++i) {
    std::memcpy(id.data(), &i, sizeof i);
    ++seen[Pick(chances, DrawOf(id))];
  }
  double chi_square = 0;
  for (size_t a = 0; a < chances.size(); ++a) {
    const double expected = chances[a] * kDraws;
    if (chances[a] == 0) {
      EXPECT_EQ(seen[a], 0);
    } else if (expected < 5) {
      EXPECT_LT(seen[a], 40);  // too rare for the statistic
    } else {
      chi_square += (seen[a] - expected) * (seen[a] - expected) / expected;
    }
  }
  // 99.9 % of chi-square with 6 degrees of freedom.
  EXPECT_LT(chi_square, 22.46);
}

INSTANTIATE_TEST_SUITE_P(Methods, DrawFrequencyTest,
                         ::testing::Values(Exploration(), EpsilonGreedy(0.1), Softmax(1.5),
                                           SquareCb(4), Thompson(), EpsilonGreedy(0, 0.01),
                                           Softmax(0.2, 0.02), SquareCb(500, 0.01),
                                           Thompson(0.03)));

}  // namespace
}  // namespace attune::arbitration
