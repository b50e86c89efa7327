#include "lib/evidence/ramp_shares.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace attune::evidence {
namespace {

// Keeps this use of the seed apart from the others.
constexpr std::string_view kPurpose = "ramp";
constexpr int kNumberBytes = 4;
// Doubles have so many bits: each of these numbers stands for one of [0, 1).
constexpr int kUnusedBits = 64 - 53;
constexpr double kUnit = 0x1p-53;

}  // namespace

double ShareOf(const catalog::Ramp& ramp, int64_t evidence) {
  // What rounding could leave just below or above.
  if (evidence >= ramp.full_at) return 1;
  const double done =
      static_cast<double>(std::max<int64_t>(evidence, 0)) / static_cast<double>(ramp.full_at);
  return std::min(1.0, ramp.from + (1 - ramp.from) * done);
}

double PlaceOf(const HashKey& seed, const storage::CustomerKey& customer, uint32_t treatment) {
  std::array<char, kPurpose.size() + kNumberBytes + sizeof customer> input;
  char* out = std::copy(kPurpose.begin(), kPurpose.end(), input.data());
  for (int i = 0; i < kNumberBytes; ++i) *out++ = static_cast<char>(treatment >> (8 * i) & 0xFF);
  std::copy(customer.begin(), customer.end(), out);
  const uint64_t hash = KeyedHash64(seed, {input.data(), input.size()});
  return static_cast<double>(hash >> kUnusedBits) * kUnit;
}

RampShares::RampShares(const catalog::Catalog& catalog, std::vector<int64_t> evidence)
    : evidence_(std::move(evidence)) {
  evidence_.resize(catalog.ramps.size());
  shares_.reserve(catalog.ramps.size());
  for (size_t i = 0; i < catalog.ramps.size(); ++i) {
    shares_.push_back(ShareOf(catalog.ramps[i], evidence_[i]));
  }
}

}  // namespace attune::evidence
