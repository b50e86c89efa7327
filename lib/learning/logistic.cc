#include "lib/learning/logistic.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace attune::learning {

double Sigmoid(double x) {
  if (x >= 0) return 1 / (1 + std::exp(-x));
  const double e = std::exp(x);
  return e / (1 + e);
}

double LogLoss(double propensity, double label) {
  constexpr double kNearest = 1e-12;
  const double p = std::clamp(propensity, kNearest, 1 - kNearest);
  return -label * std::log(p) - (1 - label) * std::log1p(-p);
}

double ModerationFactor(double variance) {
  return 1 / std::sqrt(1 + std::numbers::pi / 8 * variance);
}

Prediction Moderated(double mean, double variance) {
  constexpr double kNearest = 1e-15;
  const double moderated = mean * ModerationFactor(variance);
  const double p = std::clamp(Sigmoid(moderated), kNearest, 1 - kNearest);
  const double most = p * (1 - p);
  const double straight = most * most * variance;
  return {mean, variance, p, std::sqrt(straight * most / (straight + most))};
}

Surprise SurpriseOf(double mean, double variance, double label, double weight) {
  // The mode is where (mode - mean) / variance = weight (label - sigmoid(mode)); the left side less
  // the right one ascends, so Newton's method between bounds finds it.
  constexpr int kMaxSteps = 60;
  constexpr double kAccuracy = 1e-10;
  double low = mean - variance * weight * (1 - label);
  double high = mean + variance * weight * label;
  double mode = mean;
  for (int step = 0; step < kMaxSteps; ++step) {
    const double p = Sigmoid(mode);
    const double excess = (mode - mean) / variance - weight * (label - p);
    (excess > 0 ? high : low) = mode;
    double next = mode - excess / (1 / variance + weight * p * (1 - p));
    if (!(next > low && next < high)) next = low + (high - low) / 2;
    const double moved = std::abs(next - mode);
    mode = next;
    if (moved <= kAccuracy * (1 + std::abs(mode))) break;
  }
  const double p = Sigmoid(mode);
  return {weight * (label - p), weight * p * (1 - p)};
}

}  // namespace attune::learning
