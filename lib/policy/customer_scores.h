#ifndef ATTUNE_LIB_POLICY_CUSTOMER_SCORES_H_
#define ATTUNE_LIB_POLICY_CUSTOMER_SCORES_H_

#include <cstdint>
#include <memory>
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
};

// The scores of a strategy, compiled for customers who are looked at outside of a decision.
// Immutable once built, thread-safe.
struct CustomerScores {
  std::vector<CustomerScore> scores;
  // The formula of each is the expression with its index; variables stand in the slots of their
  // features. Null when there are no scores.
  std::shared_ptr<const expression::RuleSet> rule_set;
  // A hash of all that a score is computed from but the customer: with the same one, the same
  // features have the same scores.
  std::string fingerprint;

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

 private:
  const std::vector<uint32_t> used_;  // slots that any formula looks at
  expression::Evaluator evaluator_;
  std::vector<expression::Value> slots_;
  std::vector<double> values_;
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_CUSTOMER_SCORES_H_
