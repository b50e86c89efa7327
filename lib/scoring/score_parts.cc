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
  double missing = Missing(parts);
  const auto add_to = [&](double& part) {
    if (missing == 0) return;
    part += missing;
    missing = Missing(parts);
  };
  add_to(parts.base);
  add_to(parts.base);  // the first time it was rounded itself
  if (parts.others != 0) {
    add_to(parts.others);
  } else if (!parts.contributions.empty()) {
    add_to(parts.contributions.back().amount);
  }
  add_to(parts.rounding);
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
