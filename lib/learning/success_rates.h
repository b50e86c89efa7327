#ifndef ATTUNE_LIB_LEARNING_SUCCESS_RATES_H_
#define ATTUNE_LIB_LEARNING_SUCCESS_RATES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace attune::learning {

// An estimate of a probability with the interval in which it probably lies.
struct RateInterval {
  double rate = 0.5;
  double low = 0;
  double high = 1;
};

// Quantile of the standard normal distribution for 95 %.
inline constexpr double kNinetyFivePercent = 1.959963984540054;

// The share of positives with the score interval of Wilson (Probable Inference, the Law of
// Succession, and Statistical Inference, JASA 1927), which stays within 0 and 1 and tells something
// where there are no positives, or nothing else. Of nothing: 0.5 within 0 and 1.
// REQUIRES: positives <= shown; z > 0.
RateInterval WilsonInterval(uint64_t positives, uint64_t shown, double z = kNinetyFivePercent);

// What a rate is taken for, once some showings are known, and how sure that is.
struct RateEstimate {
  double mean = 0.5;
  double deviation = 0;
};

// The mean and the standard deviation of a rate that was distributed Beta(prior x strength,
// (1 - prior) x strength) before anything was shown: with n = strength + shown
//
//   mean = (prior x strength + positives) / n      deviation^2 = mean (1 - mean) / (n + 1)
//
// (Gelman et al.: Bayesian Data Analysis, 3rd edition, section 2.4). REQUIRES: positives <= shown;
// prior in [0, 1]; strength > 0.
RateEstimate EstimateRate(uint64_t positives, uint64_t shown, double prior, double strength);

// How often treatments were shown on channels and what came of it: the simplest model, and what a
// better one is compared with. Nothing is forgotten, so no pair is ever let go for another:
// kMaxPairs are far more than a strategy has treatments on channels. Not thread-safe; of one that
// nobody changes any more, many may read.
class SuccessRates {
 public:
  // Most pairs of treatment and channel.
  static constexpr size_t kMaxPairs = 100'000;
  // Of one reward, either way: sums of squares stay finite.
  static constexpr double kMaxReward = 1e12;
  // More showings of one pair are not read: a double counts so far.
  static constexpr uint64_t kMaxShown = (uint64_t{1} << 53) - 1;

  struct Counts {
    uint64_t shown = 0;
    uint64_t positives = 0;  // at most as many as shown
    double rewards = 0;      // sum
    // Sum of the squared differences of rewards from their mean, updated and merged as of Chan,
    // Golub and LeVeque (Updating Formulae and a Pairwise Algorithm for Computing Sample Variances,
    // 1979): unlike with a sum of squares nothing is lost where rewards are large and differ
    // little.
    double deviations = 0;

    // Of one showing; 0 of none.
    double MeanReward() const;
    // The standard deviation of that mean; 0 of fewer than two.
    double MeanRewardError() const;
  };

  // Counts one showing whose outcome is known. INVALID_ARGUMENT: the reward is no finite number up
  // to kMaxReward; RESOURCE_EXHAUSTED: there are kMaxPairs pairs. Then nothing is counted.
  absl::Status Add(uint32_t treatment, uint32_t channel, bool positive, double reward);

  // What was counted of the treatment on the channel, or on all of them; zeros where nothing was.
  Counts Of(uint32_t treatment, uint32_t channel) const;
  Counts Of(uint32_t treatment) const;

  // Adds what the other one counted; deviations but for rounding. RESOURCE_EXHAUSTED: there would
  // be more than kMaxPairs pairs; nothing is changed. REQUIRES: no showing was counted by both, so
  // neither is a copy of the other; it would count twice, which can't be detected.
  absl::Status Merge(const SuccessRates& other);

  // As bytes: format(1 byte, 1) varint(pairs) pair* CRC-32C(4 bytes), pair := varint(treatment)
  // varint(channel) varint(shown) varint(positives) rewards(8 bytes) deviations(8 bytes),
  // ascending.
  std::string Serialize() const;
  // DATA_LOSS: these are not such bytes, or damaged, or sums that so many rewards can't have.
  static absl::StatusOr<SuccessRates> Parse(std::string_view bytes);

  size_t pairs() const { return counts_.size(); }
  // Of all pairs together; wraps around. Two states of one object that differ have different ones.
  uint64_t showings() const { return showings_; }

 private:
  std::map<std::pair<uint32_t, uint32_t>, Counts> counts_;  // by treatment and channel
  uint64_t showings_ = 0;
};

}  // namespace attune::learning

#endif  // ATTUNE_LIB_LEARNING_SUCCESS_RATES_H_
