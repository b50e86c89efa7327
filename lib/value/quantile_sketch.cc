#include "lib/value/quantile_sketch.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/status/status.h"
#include "lib/base/codec.h"

namespace attune::value {
namespace {

constexpr uint8_t kFormat = 1;
constexpr int kKeyBits = 48;
constexpr uint64_t kFirstLeaf = uint64_t{1} << kKeyBits;

// Ascends with the number: the bits of an IEEE 754 number ascend with its magnitude, so those of
// negative ones are turned over.
uint64_t KeyOf(double value) {
  const auto bits = std::bit_cast<uint64_t>(value == 0 ? 0.0 : value);  // there is one zero
  constexpr uint64_t kSign = uint64_t{1} << 63;
  const uint64_t ordered = (bits & kSign) != 0 ? ~bits : bits | kSign;
  return ordered >> (64 - kKeyBits);
}

int DepthOf(uint64_t node) { return std::bit_width(node) - 1; }

uint64_t LowestKeyOf(uint64_t node) { return (node << (kKeyBits - DepthOf(node))) - kFirstLeaf; }
uint64_t HighestKeyOf(uint64_t node) {
  return LowestKeyOf(node) + ((uint64_t{1} << (kKeyBits - DepthOf(node))) - 1);
}

}  // namespace

uint64_t RankTable::Steps::Below(uint64_t key, bool or_equal) const {
  const auto end = or_equal ? std::upper_bound(keys.begin(), keys.end(), key)
                            : std::lower_bound(keys.begin(), keys.end(), key);
  return end == keys.begin() ? 0 : counts[static_cast<size_t>(end - keys.begin()) - 1];
}

double RankTable::Percentile(double value) const {
  if (count_ == 0) return 50;
  const uint64_t key = KeyOf(value);
  // What surely lies below, and what does not surely lie above: the middle of both.
  const uint64_t below = upper_.Below(key, /*or_equal=*/false);
  const uint64_t not_above = lower_.Below(key, /*or_equal=*/true);
  return 50.0 * (static_cast<double>(below) + static_cast<double>(not_above)) /
         static_cast<double>(count_);
}

void QuantileSketch::Add(double value) {
  ++counts_[kFirstLeaf | KeyOf(value)];
  ++count_;
  if (counts_.size() > kMaxNodes) Compress();
}

bool QuantileSketch::Remove(double value) {
  for (uint64_t node = kFirstLeaf | KeyOf(value); node != 0; node >>= 1) {
    const auto found = counts_.find(node);
    if (found == counts_.end()) continue;
    if (--found->second == 0) counts_.erase(found);
    --count_;
    if (count_ == 0) largest_merge_ = 0;
    return true;
  }
  return false;
}

void QuantileSketch::Merge(const QuantileSketch& other) {
  // A copy, for the other may be this one.
  const std::vector<std::pair<uint64_t, uint64_t>> added(other.counts_.begin(),
                                                         other.counts_.end());
  largest_merge_ += other.largest_merge_;
  count_ += other.count_;
  for (const auto& [node, count] : added) counts_[node] += count;
  if (counts_.size() > kMaxNodes) Compress();
}

double QuantileSketch::max_error() const {
  if (count_ == 0) return 0;
  // Half of what stands at the nodes above a leaf.
  return std::min(
      50.0, 50.0 * kKeyBits * static_cast<double>(largest_merge_) / static_cast<double>(count_));
}

void QuantileSketch::Compress() {
  // A parent that is merged itself makes room for children that were left before.
  while (counts_.size() > size_t{3} * kResolution && MergeOnce()) {
  }
}

bool QuantileSketch::MergeOnce() {
  bool merged = false;
  const uint64_t most = count_ / kResolution;
  std::vector<std::vector<uint64_t>> by_depth(kKeyBits + 1);
  for (const auto& [node, count] : counts_) {
    by_depth[static_cast<size_t>(DepthOf(node))].push_back(node);
  }
  // From the leaves to the root, so that what is merged may be merged again.
  for (size_t depth = kKeyBits; depth > 0; --depth) {
    for (const uint64_t node : by_depth[depth]) {
      const auto found = counts_.find(node);
      if (found == counts_.end()) continue;  // went with its sibling
      const auto sibling = counts_.find(node ^ 1);
      const auto parent = counts_.find(node >> 1);
      uint64_t together = found->second;
      if (sibling != counts_.end()) together += sibling->second;
      if (parent != counts_.end()) together += parent->second;
      if (together > most) continue;
      const bool is_new = parent == counts_.end();
      merged = true;
      counts_.erase(node);
      counts_.erase(node ^ 1);
      counts_[node >> 1] = together;
      largest_merge_ = std::max(largest_merge_, together);
      if (is_new) by_depth[depth - 1].push_back(node >> 1);
    }
  }
  return merged;
}

RankTable QuantileSketch::MakeTable() const {
  const auto sorted_by = [this](auto key_of) {
    std::vector<std::pair<uint64_t, uint64_t>> steps;
    steps.reserve(counts_.size());
    for (const auto& [node, count] : counts_) steps.emplace_back(key_of(node), count);
    std::sort(steps.begin(), steps.end());
    RankTable::Steps result;
    uint64_t sum = 0;
    for (const auto& [key, count] : steps) {
      sum += count;
      result.keys.push_back(key);
      result.counts.push_back(sum);
    }
    return result;
  };
  RankTable table;
  table.count_ = count_;
  table.max_error_ = max_error();
  table.lower_ = sorted_by(LowestKeyOf);
  table.upper_ = sorted_by(HighestKeyOf);
  return table;
}

std::string QuantileSketch::Encode() const {
  std::vector<std::pair<uint64_t, uint64_t>> nodes(counts_.begin(), counts_.end());
  std::sort(nodes.begin(), nodes.end());
  std::string bytes;
  bytes.push_back(static_cast<char>(kFormat));
  PutVarint(bytes, count_);
  PutVarint(bytes, largest_merge_);
  PutVarint(bytes, nodes.size());
  uint64_t before = 0;
  for (const auto& [node, count] : nodes) {
    PutVarint(bytes, node - before);
    PutVarint(bytes, count);
    before = node;
  }
  return bytes;
}

absl::StatusOr<QuantileSketch> QuantileSketch::Decode(std::string_view bytes) {
  const absl::Status damaged = absl::DataLossError("a stored quantile sketch is malformed");
  ByteReader reader(bytes);
  QuantileSketch sketch;
  if (reader.Fixed<uint8_t>() != kFormat) return damaged;
  sketch.count_ = reader.Varint();
  sketch.largest_merge_ = reader.Varint();
  const uint64_t nodes = reader.Varint();
  if (!reader.ok() || nodes > kMaxNodes) return damaged;
  uint64_t node = 0;
  uint64_t left = sketch.count_;
  for (uint64_t i = 0; i < nodes; ++i) {
    const uint64_t step = reader.Varint();
    const uint64_t count = reader.Varint();
    if (!reader.ok() || step == 0 || step >= 2 * kFirstLeaf - node) return damaged;
    if (count == 0 || count > left) return damaged;
    node += step;
    left -= count;
    if (node < kFirstLeaf && count > sketch.largest_merge_) return damaged;
    sketch.counts_[node] = count;
  }
  if (left != 0 || !reader.done()) return damaged;
  return sketch;
}

}  // namespace attune::value
