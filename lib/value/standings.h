#ifndef ATTUNE_LIB_VALUE_STANDINGS_H_
#define ATTUNE_LIB_VALUE_STANDINGS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lib/value/quantile_sketch.h"

namespace attune::value {

// A named part of the customer base.
struct Tier {
  std::string name;
  double from_percentile = 0;  // inclusive; it ends where the next one begins
};

// The tier that the percentile lies in. Valid as long as the tiers. REQUIRES: they ascend, and the
// first begins at 0.
std::string_view TierOf(const std::vector<Tier>& tiers, double percentile);

// The customer base by each score of a strategy at one moment. Immutable once built, thread-safe.
struct Standings {
  // By index of the score. Of one that is not here nothing is known: every percentile is 50.
  std::vector<RankTable> scores;
  // By index of the score: the fingerprint of what gave the numbers, so that those of another
  // version of a model are not ranked among them. Empty: they are of whatever score is asked for.
  std::vector<std::string> fingerprints;
  // Every customer is in. Until then a percentile is that among the customers who are.
  bool complete = false;

  // The customer base by the score with this index and fingerprint; nullptr: nothing is known of
  // it.
  const RankTable* Find(size_t score, std::string_view fingerprint) const;

  double Percentile(size_t score, double value) const {
    return score < scores.size() ? scores[score].Percentile(value) : RankTable().Percentile(value);
  }
};

}  // namespace attune::value

#endif  // ATTUNE_LIB_VALUE_STANDINGS_H_
