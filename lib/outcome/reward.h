#ifndef ATTUNE_LIB_OUTCOME_REWARD_H_
#define ATTUNE_LIB_OUTCOME_REWARD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "lib/base/issue.h"
#include "lib/expression/evaluator.h"
#include "lib/expression/limits.h"
#include "lib/expression/rule_set.h"
#include "lib/expression/value.h"

namespace attune::outcome {

// Largest reward, positive or negative: what a thousand outcomes of the largest value are worth,
// and far from what sums of rewards can't hold.
inline constexpr double kMaxReward = 1e15;

// What became of a treatment by one kind of outcome. Times are microseconds from the showing, 0 or
// more; they mean nothing where there was no such outcome.
struct OutcomeTally {
  int64_t count = 0;
  double value = 0;  // of the last one that came with one; 0: none did
  int64_t first_after_us = 0;
  int64_t last_after_us = 0;
};

// A treatment that was shown, as the formulas see it.
struct RewardInput {
  std::string_view treatment;
  std::string_view group;
  std::string_view channel;
  double value = 0;
  double cost = 0;
  absl::Span<const OutcomeTally> outcomes;  // by index of the outcome
};

struct RewardResult {
  double reward = 0;  // at most kMaxReward either way
  double good = 0;    // 0 to 1
};

// The formulas by which a strategy says what the outcomes of a treatment were worth, and whether
// they were good (strategy.proto's Learning lists what they see). Immutable, thread-safe; a
// RewardEvaluator runs them.
class Reward {
 public:
  enum class Formula : uint8_t { kReward, kGood };
  // Takes what is wrong or doubtful with a formula, and the byte of its text.
  using Report = absl::FunctionRef<void(Formula formula, size_t offset, Issue::Severity severity,
                                        std::string message)>;

  // `outcomes`: their names, by index. `good`: empty where what has a reward above 0 is good.
  // nullptr: something is wrong, which was reported.
  static std::shared_ptr<const Reward> Compile(const std::vector<std::string_view>& outcomes,
                                               std::string_view reward, std::string_view good,
                                               const expression::Limits& limits, Report report);

  // How many outcomes the formulas know.
  size_t outcomes() const { return outcomes_; }

 private:
  friend class RewardEvaluator;
  Reward() = default;

  size_t outcomes_ = 0;
  std::unique_ptr<const expression::RuleSet> rules_;
  expression::RuleId reward_ = 0;
  std::optional<expression::RuleId> good_;
};

// Runs the formulas for one treatment after the other. Not thread-safe.
class RewardEvaluator {
 public:
  // REQUIRES: reward is not null.
  explicit RewardEvaluator(std::shared_ptr<const Reward> reward);

  // nullopt: one of the formulas comes to an error, to no number, or to one out of its range, as
  // NaN is. REQUIRES: as many outcomes as the formulas know.
  std::optional<RewardResult> Evaluate(const RewardInput& input);

  // Of the last Evaluate that returned nullopt: which formula it was, and why, for people.
  Reward::Formula failed() const { return failed_; }
  const std::string& error() const { return error_; }

 private:
  // The number that a formula comes to.
  std::optional<double> Run(Reward::Formula formula, expression::RuleId rule, double min,
                            double max);

  std::shared_ptr<const Reward> reward_;
  expression::Evaluator evaluator_;
  std::vector<expression::Value> slots_;
  Reward::Formula failed_ = Reward::Formula::kReward;
  std::string error_;
};

}  // namespace attune::outcome

#endif  // ATTUNE_LIB_OUTCOME_REWARD_H_
