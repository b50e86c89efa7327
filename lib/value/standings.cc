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

}  // namespace attune::value
