#include "lib/learning/logistic.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "gtest/gtest.h"

namespace attune::learning {
namespace {

struct SigmoidMoments {
  double mean = 0;
  double deviation = 0;
};

// Of sigmoid(x), x normally distributed: sums over a fine grid.
SigmoidMoments IntegrateSigmoid(double mean, double variance) {
  constexpr int kSteps = 4000;
  constexpr double kReach = 8;
  double weights = 0;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i <= kSteps; ++i) {
    const double z = -kReach + 2 * kReach * i / kSteps;
    const double weight = std::exp(-z * z / 2);
    const double p = 1 / (1 + std::exp(-(mean + z * std::sqrt(variance))));
    weights += weight;
    sum += weight * p;
    squares += weight * p * p;
  }
  sum /= weights;
  return {sum, std::sqrt(squares / weights - sum * sum)};
}

TEST(LogisticTest, TheSigmoidNeverOverflows) {
  EXPECT_EQ(Sigmoid(0), 0.5);
  EXPECT_NEAR(Sigmoid(2), 0.8807970779778823, 1e-15);
  EXPECT_NEAR(Sigmoid(-2), 0.11920292202211755, 1e-15);
  EXPECT_EQ(Sigmoid(1e308), 1);
  EXPECT_EQ(Sigmoid(-1e308), 0);
}

TEST(LogisticTest, LogLossIsFiniteAndKnowsSoftLabels) {
  EXPECT_NEAR(LogLoss(0.8, 1), -std::log(0.8), 1e-15);
  EXPECT_NEAR(LogLoss(0.8, 0), -std::log(0.2), 1e-15);
  EXPECT_NEAR(LogLoss(0.8, 0.25), -0.25 * std::log(0.8) - 0.75 * std::log(0.2), 1e-15);
  EXPECT_NEAR(LogLoss(0, 1), 12 * std::numbers::ln10, 1e-9);
  EXPECT_NEAR(LogLoss(1, 0), 12 * std::numbers::ln10, 1e-3);
}

TEST(LogisticTest, WithoutVarianceThePropensityIsTheSigmoidAndCertain) {
  const Prediction prediction = Moderated(-1.5, 0);
  EXPECT_DOUBLE_EQ(prediction.propensity, Sigmoid(-1.5));
  EXPECT_EQ(prediction.deviation, 0);
}

TEST(LogisticTest, PropensityAndDeviationAreNearTheIntegrals) {
  for (const double mean : {-5.0, -3.0, -1.0, 0.0, 2.0}) {
    for (const double variance : {0.01, 0.1, 0.5, 1.0, 2.0}) {
      const SigmoidMoments exact = IntegrateSigmoid(mean, variance);
      const Prediction prediction = Moderated(mean, variance);
      EXPECT_NEAR(prediction.propensity, exact.mean, 0.012) << mean << " " << variance;
      EXPECT_NEAR(prediction.deviation, exact.deviation, 0.2 * exact.deviation + 0.003)
          << mean << " " << variance;
    }
  }
}

TEST(LogisticTest, HugeMeansAndVariancesGivePropensitiesWithinZeroAndOne) {
  for (const double mean : {-1e308, -1e3, 0.0, 1e3, 1e308}) {
    for (const double variance : {0.0, 1.0, 1e6, 1e308}) {
      const Prediction prediction = Moderated(mean, variance);
      EXPECT_GT(prediction.propensity, 0);
      EXPECT_LT(prediction.propensity, 1);
      EXPECT_GE(prediction.deviation, 0);
      EXPECT_LE(prediction.deviation, 0.5);
    }
  }
}

TEST(LogisticTest, ASurpriseIsTakenAtTheMode) {
  for (const double mean : {-30.0, -2.0, 0.0, 0.7, 30.0}) {
    for (const double variance : {1e-9, 0.3, 40.0, 3000.0}) {
      for (const double label : {0.0, 0.3, 1.0}) {
        for (const double weight : {1e-6, 1.0, 1000.0}) {
          const Surprise surprise = SurpriseOf(mean, variance, label, weight);
          // The mode, as the slope tells it, solves its equation.
          const double mode = mean + variance * surprise.slope;
          EXPECT_NEAR(surprise.slope, weight * (label - Sigmoid(mode)), 1e-5 * weight)
              << mean << " " << variance << " " << label << " " << weight;
          const double p = label - surprise.slope / weight;
          EXPECT_NEAR(surprise.curvature, weight * p * (1 - p), 1e-9 * weight);
        }
      }
    }
  }
}

}  // namespace
}  // namespace attune::learning
