#include "lib/scoring/score_parts.h"

#include <algorithm>
#include <cmath>

namespace attune::scoring {
namespace {

// Keeps the largest contributions, sorted, and sums up the others.
void KeepLargest(ScoreParts& parts) {
  std::vector<Contribution>& contributions = parts.contributions;
  std::erase_if(contributions, [](const Contribution& c) { return c.amount == 0; });
  std::stable_sort(contributions.begin(), contributions.end(),
                   [](const Contribution& a, const Contribution& b) {
                     return std::fabs(a.amount) > std::fabs(b.amount);
                   });
  parts.others = 0;
  for (size_t i = kMaxContributions; i < contributions.size(); ++i) {
    parts.others += contributions[i].amount;
  }
  if (contributions.size() > kMaxContributions) contributions.resize(kMaxContributions);
}

// What the sum is short of.
double Missing(const ScoreParts& parts) { return parts.score - SumOf(parts); }

void MakeExact(ScoreParts& parts) {
  parts.rounding = 0;
  // The first time the base itself is rounded.
  for (int i = 0; i < 2; ++i) parts.base += Missing(parts);
  if (parts.others != 0) {
    parts.others += Missing(parts);
  } else if (!parts.contributions.empty()) {
    parts.contributions.back().amount += Missing(parts);
  }
  parts.rounding = Missing(parts);
}

}  // namespace

double SumOf(const ScoreParts& parts) {
  double sum = parts.base;
  for (const Contribution& contribution : parts.contributions) sum += contribution.amount;
  sum += parts.others;
  return sum + parts.rounding;
}

bool Arrange(ScoreParts& parts) {
  const bool is_finite = std::isfinite(parts.score) && std::isfinite(parts.base) &&
                         std::all_of(parts.contributions.begin(), parts.contributions.end(),
                                     [](const Contribution& c) { return std::isfinite(c.amount); });
  if (!is_finite) return false;
  KeepLargest(parts);
  MakeExact(parts);
  return std::isfinite(parts.base) && std::isfinite(parts.others) && SumOf(parts) == parts.score;
}

}  // namespace attune::scoring
