#ifndef ATTUNE_LIB_POLICY_CUSTOMER_SCORES_H_
#define ATTUNE_LIB_POLICY_CUSTOMER_SCORES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "lib/context/value.h"
#include "lib/context/value_schema.h"
#include "lib/expression/environment.h"
#include "lib/expression/evaluator.h"
#include "lib/expression/rule_set.h"
#include "lib/value/standings.h"

namespace attune::policy {

// Most scores of one strategy, and most tiers of one score (strategy.proto).
inline constexpr int kMaxScores = 16;
inline constexpr int kMaxTiers = 32;

// What the business says a customer is worth, by one measure.
struct CustomerScore {
  std::string name;
  std::string description;
  std::vector<value::Tier> tiers;  // ascending, the first from 0; may be empty
  // It depends on a protected feature.
  bool is_protected = false;
  // A hash of all that it is computed from but the customer, with the formulas and models of what
  // it names: with the same one, the same features have the same score.
  std::string fingerprint;
};

// Predicts the scores that models give, of one customer after the other. Not thread-safe.
class ScorePredictor {
 public:
  virtual ~ScorePredictor() = default;

  // The score with this index of a customer with these features, one per declared feature; NaN
  // where the model fails, and it may be infinite. Allocates nothing once it is warm. REQUIRES: a
  // model gives the score.
  virtual double Predict(int score, absl::Span<const ValueRef> features) = 0;
};

// The models that give scores of a strategy, implemented where models are known. Immutable,
// thread-safe.
class ScoreModels {
 public:
  virtual ~ScoreModels() = default;

  // What it returns may outlive this object, but not the strategy.
  virtual std::unique_ptr<ScorePredictor> MakePredictor() const = 0;
};

// The scores of a strategy, compiled for customers who are looked at outside of a decision.
// Immutable once built, thread-safe.
struct CustomerScores {
  std::vector<CustomerScore> scores;
  // The formula of each is the expression with its index; variables stand in the slots of their
  // features. Null when there are no scores.
  std::shared_ptr<const expression::RuleSet> rule_set;
  // A hash of all that any score is computed from but the customer: with the same one, the same
  // features have the same scores.
  std::string fingerprint;
  // What predicts those that models give; null when formulas give all.
  std::shared_ptr<const ScoreModels> models;
  // The features that these models look at, ascending, each once.
  std::vector<int> model_features;

  // -1 when there is none of that name.
  int IndexOf(std::string_view name) const;
};

// What formulas of scores may name: the customer's features, each in its own slot.
std::shared_ptr<expression::Environment> MakeCustomerEnvironment(const ValueSchema& features);

// How definitions compute where a customer stands: functions of a decision's host, of the score's
// value and its index, and of its percentile and its index. Nobody else needs them.
inline constexpr std::string_view kPercentileFunction = "percentile_of_score";
inline constexpr std::string_view kTierFunction = "tier_of_score";
void AddScoreFunctions(expression::Environment& environment);

// Who computes the scores: an EngagementState in a decision, or a ScoreEvaluator.
enum class ScoreHost { kDecision, kEvaluator };

// Declares the value of the score with this index, which a model gives. REQUIRES:
// 0 <= score < kMaxScores.
void DeclarePredictedScore(expression::Environment& environment, std::string_view path, int score,
                           ScoreHost host);

// The prediction as expressions see it: an error when there is none.
expression::Value PredictedScore(ScorePredictor* predictor, int score,
                                 absl::Span<const ValueRef> features);

// What models predicted in one decision, whatever the channel is. Reused from decision to decision.
// Not thread-safe.
class SharedScores {
 public:
  // Forgets the decision before.
  void Reset() { known_.fill(std::nullopt); }
  // As PredictedScore, which is asked once for each score. REQUIRES: 0 <= score < kMaxScores; the
  // features are the same in each call for one decision.
  expression::Value Predicted(ScorePredictor* predictor, int score,
                              absl::Span<const ValueRef> features) {
    std::optional<expression::Value>& known = known_[static_cast<size_t>(score)];
    if (!known) known = PredictedScore(predictor, score, features);
    return *known;
  }

 private:
  std::array<std::optional<expression::Value>, kMaxScores> known_;  // by index of the score
};

// Computes all scores of one customer after the other. Not thread-safe.
class ScoreEvaluator {
 public:
  // REQUIRES: there are some scores, and they outlive this object.
  explicit ScoreEvaluator(const CustomerScores& scores);
  ScoreEvaluator(const ScoreEvaluator&) = delete;
  ScoreEvaluator& operator=(const ScoreEvaluator&) = delete;

  // The scores of a customer with these features, one per declared feature; NaN where the formula
  // fails or comes to no finite number. Valid until the next call.
  absl::Span<const double> Evaluate(absl::Span<const ValueRef> features);

  // What the variable of a score that a model gives is, while the others are computed.
  expression::Value Predicted(int score) const {
    return PredictedScore(predictor_.get(), score, features_);
  }

 private:
  const std::vector<uint32_t> used_;                 // slots that any formula looks at
  const std::unique_ptr<ScorePredictor> predictor_;  // null: formulas give all
  absl::Span<const ValueRef> features_;              // of the customer at hand
  expression::Evaluator evaluator_;
  std::vector<expression::Value> slots_;
  std::vector<double> values_;
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_CUSTOMER_SCORES_H_
