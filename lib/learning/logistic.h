#ifndef ATTUNE_LIB_LEARNING_LOGISTIC_H_
#define ATTUNE_LIB_LEARNING_LOGISTIC_H_

namespace attune::learning {

// What a model says of one treatment in one situation.
struct Prediction {
  // Of the linear predictor (log-odds), which is taken to be normally distributed.
  double mean = 0;
  double variance = 0;
  // The expected probability of a positive, above 0 and below 1, and its standard deviation.
  double propensity = 0.5;
  double deviation = 0;
};

// 1 / (1 + exp(-x)), without overflow.
double Sigmoid(double x);

// -ln of what was predicted for the label in [0, 1]: the log-loss of one example, in nats. A
// propensity nearer to 0 or 1 than 1e-12 counts as that, so that the loss is finite.
double LogLoss(double propensity, double label);

// By what Moderated multiplies the mean of log-odds with this variance: 1 / sqrt(1 + pi / 8
// variance), above 0 and at most 1.
double ModerationFactor(double variance);

// The prediction of log-odds with this mean and variance.
// - propensity: sigmoid(mean x ModerationFactor(variance)), the moderated output of MacKay (The
//   Evidence Framework Applied to Classification Networks, 1992).
// - deviation^2: 1 / (1 / a + 1 / b), a = (propensity (1 - propensity))^2 variance being that of a
//   straight line of the slope there, which is right for small variances, and b = propensity
//   (1 - propensity) the largest that a probability with that expectation can have.
Prediction Moderated(double mean, double variance);

// What one example says of log-odds that are distributed N(mean, variance): Laplace's approximation
// around the most probable log-odds once the example is known.
struct Surprise {
  // By how much the mean moves, per unit of variance: weight (label - sigmoid(mode)).
  double slope = 0;
  // The precision that the example adds: weight sigmoid(mode) (1 - sigmoid(mode)).
  double curvature = 0;
};
// REQUIRES: variance > 0; weight > 0; label in [0, 1].
Surprise SurpriseOf(double mean, double variance, double label, double weight);

}  // namespace attune::learning

#endif  // ATTUNE_LIB_LEARNING_LOGISTIC_H_
