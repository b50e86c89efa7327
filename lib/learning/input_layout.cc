#include "lib/learning/input_layout.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/base/codec.h"
#include "lib/base/hash.h"

namespace attune::learning {
namespace {

constexpr uint32_t kMaxKnots = 64;
constexpr uint32_t kMaxHashedWeights = 65536;

// Weights are stored under these hashes: never change the seed.
const HashKey& WeightHashKey() {
  static const HashKey key = HashKeyFromSeed(0x6C6561726E696E67);
  return key;
}

uint64_t HashOfPair(uint64_t first, uint64_t second) {
  const uint64_t pair[] = {first, second};
  return KeyedHash64(WeightHashKey(),
                     std::string_view(reinterpret_cast<const char*>(pair), sizeof pair));
}

// What stands for a value in a cross. Numbers that agree in their first two binary digits (…, 4, 6,
// 8, 12, 16, …) are one there: unlike knots that never changes, so that a pair keeps its weight.
constexpr uint64_t kMissingKey = 0;
uint64_t KeyOfNumber(double number) {
  if (std::isnan(number)) return kMissingKey;
  constexpr int kDroppedBits = 51;
  return 1 + (std::bit_cast<uint64_t>(number == 0 ? 0.0 : number) >> kDroppedBits);
}

template <typename... Args>
void Complain(std::vector<std::string>& problems, const absl::FormatSpec<Args...>& format,
              const Args&... args) {
  problems.push_back(absl::StrFormat(format, args...));
}

void CheckRange(std::string_view name, uint32_t value, uint32_t most,
                std::vector<std::string>& problems) {
  if (value >= 2 && value <= most) return;
  Complain(problems, "%s is %u; it must be 2 to %u", name.data(), value, most);
}

uint32_t WeightsOf(InputKind kind, const InputLimits& limits) {
  switch (kind) {
    case InputKind::kNumber:
      return 1 + limits.knots;
    case InputKind::kBool:
      return 3;
    case InputKind::kCategory:
      break;
  }
  return 1 + limits.category_weights;
}

uint64_t FingerprintOf(const InputLayout& layout) {
  std::string text;
  for (const InputLayout::Input& input : layout.inputs()) {
    PutBytes(text, input.name);
    PutVarint(text, static_cast<uint64_t>(input.kind));
    PutVarint(text, input.weights);
  }
  PutVarint(text, 0);  // no name is empty
  for (const InputLayout::Cross& cross : layout.crosses()) {
    PutVarint(text, cross.first_input);
    PutVarint(text, cross.second_input);
    PutVarint(text, cross.weights);
  }
  return HashOfCategory(text);
}

}  // namespace

uint64_t HashOfCategory(std::string_view text) { return KeyedHash64(WeightHashKey(), text); }

absl::StatusOr<std::shared_ptr<const InputLayout>> InputLayout::Create(
    const std::vector<InputSpec>& inputs, const std::vector<CrossSpec>& crosses,
    const InputLimits& limits) {
  std::vector<std::string> problems;
  CheckRange("knots", limits.knots, kMaxKnots, problems);
  CheckRange("category_weights", limits.category_weights, kMaxHashedWeights, problems);
  CheckRange("cross_weights", limits.cross_weights, kMaxHashedWeights, problems);
  if (inputs.size() > kMaxInputs) {
    Complain(problems, "there are %d inputs; %d are allowed", inputs.size(), kMaxInputs);
  }
  if (crosses.size() > kMaxCrosses) {
    Complain(problems, "there are %d crosses; %d are allowed", crosses.size(), kMaxCrosses);
  }
  std::shared_ptr<InputLayout> layout(new InputLayout());
  absl::flat_hash_map<std::string, uint32_t> index;
  for (const InputSpec& input : inputs) {
    if (input.name.empty()) problems.emplace_back("an input has no name");
    if (!index.try_emplace(input.name, static_cast<uint32_t>(layout->inputs_.size())).second) {
      Complain(problems, "input '%s' is there twice", input.name);
    }
    const uint32_t weights = WeightsOf(input.kind, limits);
    const uint32_t column = static_cast<uint32_t>(layout->columns_);
    layout->inputs_.push_back({input.name, input.kind, layout->weights_, weights, column});
    layout->weights_ += weights;
    if (input.kind == InputKind::kNumber) ++layout->columns_;
  }
  std::set<std::pair<uint32_t, uint32_t>> pairs;
  for (const CrossSpec& cross : crosses) {
    const auto first = index.find(cross.first);
    const auto second = index.find(cross.second);
    if (first == index.end() || second == index.end()) {
      Complain(problems, "the cross of '%s' and '%s': '%s' is no input", cross.first, cross.second,
               first == index.end() ? cross.first : cross.second);
      continue;
    }
    if (first->second == second->second) {
      Complain(problems, "'%s' is crossed with itself", cross.first);
      continue;
    }
    if (!pairs.insert(std::minmax({first->second, second->second})).second) {
      Complain(problems, "'%s' and '%s' are crossed twice", cross.first, cross.second);
    }
    layout->crosses_.push_back(
        {first->second, second->second, layout->weights_, limits.cross_weights});
    layout->weights_ += limits.cross_weights;
  }
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
  layout->fingerprint_ = FingerprintOf(*layout);
  return layout;
}

InputEncoder::InputEncoder(std::shared_ptr<const InputLayout> layout)
    : layout_(std::move(layout)), knots_(layout_->columns()) {}

InputEncoder::InputEncoder(std::shared_ptr<const InputLayout> layout,
                           std::vector<std::vector<double>> knots)
    : layout_(std::move(layout)), knots_(std::move(knots)) {}

std::vector<double> InputEncoder::KnotsOf(absl::Span<const double> sorted, size_t most) {
  std::vector<double> knots;
  for (size_t i = 0; i < sorted.size() && knots.size() <= most; ++i) {
    if (knots.empty() || sorted[i] > knots.back()) knots.push_back(sorted[i]);
  }
  if (knots.size() <= most) return knots;
  knots.clear();
  for (size_t part = 0; part < most; ++part) {
    const double quantile = sorted[(2 * part + 1) * sorted.size() / (2 * most)];
    if (knots.empty() || quantile > knots.back()) knots.push_back(quantile);
  }
  return knots;
}

void InputEncoder::Encode(absl::Span<const InputValue> values, EncodedInputs& out) const {
  out.active.clear();
  out.active.reserve(layout_->max_active());
  out.active.push_back({InputLayout::kIntercept, 1});
  const bool crossed = !layout_->crosses().empty();
  out.keys.resize(crossed ? values.size() : 0);
  for (size_t i = 0; i < values.size(); ++i) {
    const InputLayout::Input& input = layout_->inputs()[i];
    const InputValue& value = values[i];
    uint64_t key = kMissingKey;
    if (input.kind == InputKind::kCategory) {
      if (value.has_text()) key = HashOfCategory(value.text()) | 1;
      const uint64_t slot = key == kMissingKey ? 0 : 1 + (key >> 1) % (input.weights - 1);
      out.active.push_back({input.first + static_cast<uint32_t>(slot), 1});
    } else if (std::isnan(value.number())) {
      out.active.push_back({input.first, 1});
    } else {
      key = KeyOfNumber(value.number());
      if (input.kind == InputKind::kBool) {
        out.active.push_back({input.first + (value.number() != 0 ? 2u : 1u), 1});
      } else {
        EncodeNumber(input, value.number(), out);
      }
    }
    if (crossed) out.keys[i] = key;
  }
  for (const InputLayout::Cross& cross : layout_->crosses()) {
    const uint64_t hash = HashOfPair(out.keys[cross.first_input], out.keys[cross.second_input]);
    out.active.push_back({cross.first + static_cast<uint32_t>(hash % cross.weights), 1});
  }
}

void InputEncoder::EncodeNumber(const InputLayout::Input& input, double number,
                                EncodedInputs& out) const {
  const std::vector<double>& knots = knots_[input.column];
  if (knots.empty()) return;
  const KnotPosition position = PositionAmong(knots, number);
  const uint32_t weight = input.first + 1 + static_cast<uint32_t>(position.at);
  out.active.push_back({weight, position.part});
  if (position.part < 1) out.active.push_back({weight + 1, 1 - position.part});
}

KnotPosition PositionAmong(absl::Span<const double> knots, double number) {
  const auto above = std::upper_bound(knots.begin(), knots.end(), number);
  if (above == knots.begin()) return {0, 1};
  const auto at = static_cast<size_t>(above - knots.begin()) - 1;
  if (above == knots.end()) return {at, 1};
  // Halves, because the distance of two numbers may be more than the largest number.
  const double distance = *above / 2 - knots[at] / 2;
  const double part = (*above / 2 - number / 2) / distance;
  // Nearly 0 would be rounding; nothing has no part.
  return part > 0 ? KnotPosition{at, std::min(part, 1.0)} : KnotPosition{at + 1, 1};
}

std::vector<KnotShare> MoveKnots(absl::Span<const double> from, absl::Span<const double> to) {
  std::vector<KnotShare> shares;
  std::vector<double> sums(from.size());
  const auto give = [&](size_t old, size_t fresh, double share) {
    shares.push_back({old, fresh, share});
    sums[old] += share;
  };
  for (size_t fresh = 0; fresh < to.size(); ++fresh) {
    const KnotPosition position = PositionAmong(from, to[fresh]);
    give(position.at, fresh, position.part);
    if (position.part < 1) give(position.at + 1, fresh, 1 - position.part);
  }
  for (size_t old = 0; old < from.size(); ++old) {
    if (sums[old] > 0) continue;
    const KnotPosition position = PositionAmong(to, from[old]);
    give(old, position.at, position.part);
    if (position.part < 1) give(old, position.at + 1, 1 - position.part);
  }
  for (KnotShare& share : shares) share.share /= sums[share.from];
  return shares;
}

}  // namespace attune::learning
