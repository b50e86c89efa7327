#include "lib/learning/success_rates.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_format.h"
#include "lib/base/codec.h"
#include "lib/storage/crc32c.h"

namespace attune::learning {
namespace {

constexpr uint8_t kRatesFormat = 1;

void AddCounts(const SuccessRates::Counts& from, SuccessRates::Counts& to) {
  if (from.shown == 0) return;
  const auto count = static_cast<double>(from.shown);
  const auto before = static_cast<double>(to.shown);
  const double apart = from.MeanReward() - to.MeanReward();
  to.deviations += from.deviations + apart * apart * (before / (before + count)) * count;
  to.shown += from.shown;
  to.positives += from.positives;
  to.rewards += from.rewards;
}

// Whether they are what rewards of so many showings can add up to.
bool AreSums(const SuccessRates::Counts& counts) {
  if (counts.shown > SuccessRates::kMaxShown || counts.positives > counts.shown) return false;
  constexpr double kForRounding = 2;
  constexpr double kMost = SuccessRates::kMaxReward;
  const double shown = kForRounding * static_cast<double>(counts.shown);
  return std::abs(counts.rewards) <= shown * kMost && counts.deviations >= 0 &&
         counts.deviations <= shown * kMost * kMost;
}

}  // namespace

RateInterval WilsonInterval(uint64_t positives, uint64_t shown, double z) {
  if (shown == 0) return {};
  const auto n = static_cast<double>(shown);
  const double rate = static_cast<double>(positives) / n;
  const double z2 = z * z / n;
  const double middle = (rate + z2 / 2) / (1 + z2);
  const double half = z / (1 + z2) * std::sqrt(rate * (1 - rate) / n + z2 / (4 * n));
  // At the ends the bound is exact, but for rounding.
  return {rate, positives == 0 ? 0 : std::max(0.0, middle - half),
          positives == shown ? 1 : std::min(1.0, middle + half)};
}

RateEstimate EstimateRate(uint64_t positives, uint64_t shown, double prior, double strength) {
  const double n = strength + static_cast<double>(shown);
  const double mean = (prior * strength + static_cast<double>(positives)) / n;
  return {mean, std::sqrt(mean * (1 - mean) / (n + 1))};
}

double SuccessRates::Counts::MeanReward() const {
  return shown == 0 ? 0 : rewards / static_cast<double>(shown);
}

double SuccessRates::Counts::MeanRewardError() const {
  if (shown < 2) return 0;
  const auto n = static_cast<double>(shown);
  return std::sqrt(deviations / (n - 1) / n);
}

absl::Status SuccessRates::Add(uint32_t treatment, uint32_t channel, bool positive, double reward) {
  if (!(std::abs(reward) <= kMaxReward)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the reward is %g; it must be a number from %g to %g", reward, -kMaxReward, kMaxReward));
  }
  const std::pair<uint32_t, uint32_t> pair(treatment, channel);
  if (counts_.size() >= kMaxPairs && !counts_.contains(pair)) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("the rates of %d treatments and channels are all that is kept", kMaxPairs));
  }
  AddCounts({1, positive ? uint64_t{1} : uint64_t{0}, reward, 0}, counts_[pair]);
  ++showings_;
  return absl::OkStatus();
}

SuccessRates::Counts SuccessRates::Of(uint32_t treatment, uint32_t channel) const {
  const auto found = counts_.find({treatment, channel});
  return found == counts_.end() ? Counts() : found->second;
}

SuccessRates::Counts SuccessRates::Of(uint32_t treatment) const {
  Counts sum;
  for (auto at = counts_.lower_bound({treatment, 0});
       at != counts_.end() && at->first.first == treatment; ++at) {
    AddCounts(at->second, sum);
  }
  return sum;
}

absl::Status SuccessRates::Merge(const SuccessRates& other) {
  const auto is_new = [this](const auto& entry) { return !counts_.contains(entry.first); };
  const auto added = std::count_if(other.counts_.begin(), other.counts_.end(), is_new);
  if (counts_.size() + static_cast<size_t>(added) > kMaxPairs) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "together there are rates of more than %d treatments and channels", kMaxPairs));
  }
  for (const auto& [pair, counts] : other.counts_) {
    const Counts copy = counts;  // the other may be this one
    AddCounts(copy, counts_[pair]);
    showings_ += copy.shown;
  }
  return absl::OkStatus();
}

std::string SuccessRates::Serialize() const {
  std::string out;
  PutFixed(out, kRatesFormat);
  PutVarint(out, counts_.size());
  for (const auto& [pair, counts] : counts_) {
    PutVarint(out, pair.first);
    PutVarint(out, pair.second);
    PutVarint(out, counts.shown);
    PutVarint(out, counts.positives);
    PutFixed(out, counts.rewards);
    PutFixed(out, counts.deviations);
  }
  PutFixed(out, storage::Crc32c(out));
  return out;
}

absl::StatusOr<SuccessRates> SuccessRates::Parse(std::string_view bytes) {
  const absl::Status damaged = absl::DataLossError("stored success rates are damaged");
  if (bytes.size() < sizeof(uint32_t)) return damaged;
  const std::string_view body = bytes.substr(0, bytes.size() - sizeof(uint32_t));
  ByteReader checksum(bytes.substr(body.size()));
  if (checksum.Fixed<uint32_t>() != storage::Crc32c(body)) return damaged;
  ByteReader reader(body);
  if (reader.Fixed<uint8_t>() != kRatesFormat) return damaged;
  const uint64_t pairs = reader.Varint();
  if (pairs > kMaxPairs) return damaged;
  SuccessRates rates;
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  for (uint64_t i = 0; i < pairs; ++i) {
    const uint64_t treatment = reader.Varint();
    const uint64_t channel = reader.Varint();
    Counts counts;
    counts.shown = reader.Varint();
    counts.positives = reader.Varint();
    counts.rewards = reader.Fixed<double>();
    counts.deviations = reader.Fixed<double>();
    if (!reader.ok() || treatment > kMost || channel > kMost || !AreSums(counts)) return damaged;
    const std::pair pair(static_cast<uint32_t>(treatment), static_cast<uint32_t>(channel));
    if (!rates.counts_.empty() && pair <= rates.counts_.rbegin()->first) return damaged;
    rates.showings_ += counts.shown;
    rates.counts_.emplace_hint(rates.counts_.end(), pair, counts);
  }
  if (!reader.ok() || !reader.done()) return damaged;
  return rates;
}

}  // namespace attune::learning
