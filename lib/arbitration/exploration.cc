#include "lib/arbitration/exploration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string_view>
#include <tuple>

#include "lib/base/hash.h"

namespace attune::arbitration {
namespace {

using Player = ExplorationScratch::Player;
using Alike = ExplorationScratch::Alike;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// How far from its mean, in deviations, a normal score is looked at: 1e-9 of it lies beyond on
// either side.
constexpr double kReach = 6;
// How wide one cell of the quadrature is, in the smallest deviation that matters there, when there
// is one arm. The best of many has a narrower density than each of them.
constexpr double kCellWidth = 1.25;
// The smallest deviation that is told from a certain score, as a part of the range of the
// quadrature.
constexpr double kSmallestDeviation = 1e-9;
// The same in the unit of the scores: densities stay far below the largest double.
constexpr double kTinyDeviation = 1e-200;
// Where the best score lies below with this chance, the rest is not worth looking at.
constexpr double kNegligible = 1e-10;

// The nodes and weights of Gauss-Legendre quadrature of order 4 on [-1, 1].
struct Node {
  double x;
  double weight;
};
constexpr Node kNodes[] = {{-0.8611363115940526, 0.3478548451374538},
                           {-0.3399810435848563, 0.6521451548625461},
                           {0.3399810435848563, 0.6521451548625461},
                           {0.8611363115940526, 0.3478548451374538}};

double Deviation(const Arm& arm) {
  return arm.deviation > kTinyDeviation && std::isfinite(arm.deviation) ? arm.deviation : 0.0;
}

// Those that have a chance: of +infinity, else the finite ones, else all. Only the finite ones
// differ in their scores.
void FindPlayers(absl::Span<const Arm> arms, std::vector<Player>& players) {
  players.clear();
  for (size_t i = 0; i < arms.size(); ++i) {
    if (arms[i].score == kInfinity) players.push_back({i, 0, 0, 0});
  }
  if (!players.empty()) return;
  for (size_t i = 0; i < arms.size(); ++i) {
    if (std::isfinite(arms[i].score)) players.push_back({i, arms[i].score, Deviation(arms[i]), 0});
  }
  if (!players.empty()) return;
  for (size_t i = 0; i < arms.size(); ++i) players.push_back({i, 0, 0, 0});
}

// The greedy choice, or, if its score is not the highest, the first of the highest.
Player& FindBest(std::vector<Player>& players, size_t greedy) {
  auto best = std::max_element(players.begin(), players.end(),
                               [](const auto& a, const auto& b) { return a.score < b.score; });
  for (auto player = players.begin(); player != players.end(); ++player) {
    if (player->arm == greedy && player->score == best->score) best = player;
  }
  return *best;
}

void FillEpsilonGreedy(double epsilon, Player& best, std::vector<Player>& players) {
  const double share = epsilon / static_cast<double>(players.size());
  for (Player& player : players) player.probability = share;
  best.probability += 1 - epsilon;
}

void Normalise(std::vector<Player>& players) {
  double sum = 0;
  for (const Player& player : players) sum += player.probability;
  for (Player& player : players) player.probability /= sum;
}

void FillSoftmax(double temperature, const Player& best, std::vector<Player>& players) {
  for (Player& player : players) {
    player.probability = std::exp((player.score - best.score) / temperature);
  }
  Normalise(players);
}

void FillSquareCb(double gamma, Player& best, std::vector<Player>& players) {
  const auto n = static_cast<double>(players.size());
  double others = 0;
  for (Player& player : players) {
    // Twice the largest double is infinity, of which 0 times is no number.
    const double gap = std::min(best.score - player.score, std::numeric_limits<double>::max());
    player.probability = 1 / (n + gamma * gap);
    if (&player != &best) others += player.probability;
  }
  best.probability = 1 - others;
}

// P(a normal score is below the point that is z deviations above its mean).
double NormalBelow(double z) { return 0.5 * std::erfc(-z * std::numbers::sqrt2 / 2); }

// P(all of them are below), given that chance of one: in log space within pow, so that no rounding
// adds up over thousands.
double AllBelow(const Alike& alike, double below) {
  const size_t count = alike.end - alike.begin;
  return count == 1 ? below : std::pow(below, static_cast<double>(count));
}

// How far down a cell that ends at x may reach: not further than the narrowest density that matters
// there bears. `cell` is in deviations.
double CellWidth(const ExplorationScratch& scratch, double lower, double x, double cell) {
  double width = x - lower;
  for (const Alike& alike : scratch.alike) {
    const double until_it_matters = x - (alike.score + kReach * alike.deviation);
    width = std::min(width, std::max(until_it_matters, cell * alike.deviation));
  }
  return width;
}

// Adds to every close player the density, times `weight`, with which it is the best and has score
// x: product of all Phi_j(x), times its own phi / Phi. Returns the product: how likely it is that
// the best of them is below x.
double AddDensities(ExplorationScratch& scratch, double x, double weight) {
  double product = 1;
  for (Alike& alike : scratch.alike) {
    const double z = (x - alike.score) / alike.deviation;
    alike.reverse_hazard = 0;
    if (z > kReach) continue;
    const double below = NormalBelow(z);
    const double density = std::exp(-z * z / 2) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
    alike.reverse_hazard = density / (below * alike.deviation);
    product *= AllBelow(alike, below);
  }
  for (Alike& alike : scratch.alike) {
    alike.probability += weight * product * alike.reverse_hazard;
  }
  return product;
}

// Where the best score lies, but for what is out of reach.
struct Range {
  double lower = -kInfinity;
  double upper = -kInfinity;
};
Range FindRange(const std::vector<Player>& players) {
  Range range;
  for (const Player& player : players) {
    range.lower = std::max(range.lower, player.score - kReach * player.deviation);
    range.upper = std::max(range.upper, player.score + kReach * player.deviation);
  }
  return range;
}

// Leaves in `close` the uncertain players whose reach is above the lowest that the best can be.
void FindClose(double lower, ExplorationScratch& scratch) {
  scratch.close.clear();
  for (size_t i = 0; i < scratch.players.size(); ++i) {
    const Player& player = scratch.players[i];
    if (player.deviation > 0 && player.score + kReach * player.deviation > lower) {
      scratch.close.push_back(i);
    }
  }
}

// Puts those of `close` that are alike together. Where all differ, they stay in their order.
void FindAlike(ExplorationScratch& scratch) {
  std::vector<size_t>& close = scratch.close;
  const std::vector<Player>& players = scratch.players;
  const auto key = [&](size_t i) { return std::tie(players[i].score, players[i].deviation); };
  std::sort(close.begin(), close.end(),
            [&](size_t a, size_t b) { return std::tuple(key(a), a) < std::tuple(key(b), b); });
  scratch.alike.clear();
  for (size_t c = 0; c < close.size(); ++c) {
    if (c == 0 || key(close[c - 1]) != key(close[c])) {
      const Player& player = players[close[c]];
      scratch.alike.push_back({c, c, player.score, player.deviation, 0, 0});
    }
    ++scratch.alike.back().end;
  }
  std::sort(scratch.alike.begin(), scratch.alike.end(),
            [&](const Alike& a, const Alike& b) { return close[a.begin] < close[b.begin]; });
}

// Gives the highest of the certain players, if there is one, the chance that all others are below.
void FillCertain(ExplorationScratch& scratch) {
  double highest = -kInfinity;
  double equals = 0;
  for (const Player& player : scratch.players) {
    if (player.deviation > 0 || player.score < highest) continue;
    equals = player.score > highest ? 1 : equals + 1;
    highest = player.score;
  }
  double chance = 1;
  for (const Alike& alike : scratch.alike) {
    chance *= AllBelow(alike, NormalBelow((highest - alike.score) / alike.deviation));
  }
  for (Player& player : scratch.players) {
    if (player.deviation == 0 && player.score == highest) player.probability = chance / equals;
  }
}

// Integrates the densities of the close players over the range, from above: where it becomes
// unlikely that the best is still lower, most players have not mattered yet.
void IntegrateDensities(const Range& range, ExplorationScratch& scratch) {
  const auto n = static_cast<double>(scratch.close.size());
  const double cell = kCellWidth / std::sqrt(std::max(1.0, 2 * std::log(n)));
  for (double x = range.upper; x > range.lower;) {
    const double half = CellWidth(scratch, range.lower, x, cell) / 2;
    double below = 0;
    for (const Node& node : kNodes) {
      below = AddDensities(scratch, x - half * (1 + node.x), half * node.weight);
    }
    // What is left may be less than a double can tell.
    if (below < kNegligible || x - 2 * half == x) break;
    x -= 2 * half;
  }
  for (const Alike& alike : scratch.alike) {
    for (size_t c = alike.begin; c < alike.end; ++c) {
      scratch.players[scratch.close[c]].probability = alike.probability;
    }
  }
}

void FillThompson(double best_score, ExplorationScratch& scratch) {
  // Far from zero a double could not tell one node from the next. The unit matters to no chance; by
  // this one every reach is finite.
  constexpr double kUnit = 0x1p-40;
  for (Player& player : scratch.players) {
    player.score = kUnit * player.score - kUnit * best_score;
    player.deviation *= kUnit;
  }
  Range range = FindRange(scratch.players);
  const double width = range.upper - range.lower;
  for (Player& player : scratch.players) {
    if (player.deviation <= kSmallestDeviation * width) player.deviation = 0;
  }
  range = FindRange(scratch.players);
  FindClose(range.lower, scratch);
  FindAlike(scratch);
  FillCertain(scratch);
  IntegrateDensities(range, scratch);
  Normalise(scratch.players);
}

// Takes the same from all that stay above the floor, until what the others need is there.
void RaiseToFloor(double floor, std::vector<Player>& players) {
  const auto n = static_cast<double>(players.size());
  if (floor <= 0) return;
  if (floor * n >= 1) {
    for (Player& player : players) player.probability = 1 / n;
    return;
  }
  // Newton's method on the convex sum of max(floor, p - taken): it climbs to the solution and is
  // there as soon as no further player falls to the floor.
  double taken = 0;
  for (;;) {
    double sum_above = 0;
    double above = 0;
    for (const Player& player : players) {
      if (player.probability - taken <= floor) continue;
      sum_above += player.probability;
      ++above;
    }
    const double needed = (sum_above + floor * (n - above) - 1) / above;
    if (!(needed > taken)) break;
    taken = needed;
  }
  for (Player& player : players) {
    player.probability = std::max(player.probability - taken, floor);
  }
}

}  // namespace

void SelectionProbabilities(const Exploration& exploration, absl::Span<const Arm> arms,
                            size_t greedy, ExplorationScratch& scratch,
                            std::vector<double>& probability) {
  std::vector<Player>& players = scratch.players;
  FindPlayers(arms, players);
  Player& best = FindBest(players, greedy);
  switch (exploration.method) {
    case Exploration::Method::kNone:
      best.probability = 1;
      break;
    case Exploration::Method::kEpsilonGreedy:
      FillEpsilonGreedy(exploration.epsilon, best, players);
      break;
    case Exploration::Method::kSoftmax:
      FillSoftmax(exploration.temperature, best, players);
      break;
    case Exploration::Method::kSquareCb:
      FillSquareCb(exploration.gamma, best, players);
      break;
    case Exploration::Method::kThompson:
      FillThompson(best.score, scratch);
      break;
  }
  if (exploration.method != Exploration::Method::kNone) RaiseToFloor(exploration.floor, players);
  probability.assign(arms.size(), 0.0);
  for (const Player& player : players) probability[player.arm] = player.probability;
}

size_t Pick(absl::Span<const double> probability, double draw) {
  double below = 0;
  size_t picked = 0;
  for (size_t i = 0; i < probability.size(); ++i) {
    if (probability[i] <= 0) continue;
    picked = i;
    below += probability[i];
    if (draw < below) break;
  }
  return picked;
}

double DrawOf(absl::Span<const uint8_t> decision_id) {
  // No secret: the id is a keyed hash already.
  constexpr HashKey kKey = {'a', 't', 't', 'u', 'n', 'e', ' ', 'e',
                            'x', 'p', 'l', 'o', 'r', 'e', ' ', '1'};
  const std::string_view id(reinterpret_cast<const char*>(decision_id.data()), decision_id.size());
  return static_cast<double>(KeyedHash64(kKey, id) >> 11) * 0x1p-53;
}

}  // namespace attune::arbitration
