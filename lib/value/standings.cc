#include "lib/value/standings.h"

#include <algorithm>
#include <iterator>

namespace attune::value {

std::string_view TierOf(const std::vector<Tier>& tiers, double percentile) {
  const auto above = std::upper_bound(
      tiers.begin(), tiers.end(), percentile,
      [](double wanted, const Tier& tier) { return wanted < tier.from_percentile; });
  return above == tiers.begin() ? std::string_view() : std::string_view(std::prev(above)->name);
}

const RankTable* Standings::Find(size_t score, std::string_view fingerprint) const {
  if (score >= scores.size()) return nullptr;
  if (!fingerprints.empty() && fingerprints[score] != fingerprint) return nullptr;
  return &scores[score];
}

}  // namespace attune::value
