#ifndef ATTUNE_LIB_VALUE_QUANTILE_SKETCH_H_
#define ATTUNE_LIB_VALUE_QUANTILE_SKETCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

namespace attune::value {

// Where values stand among all that a sketch held when this was made of it. Immutable, thread-safe.
class RankTable {
 public:
  // Of no values.
  RankTable() = default;

  // The percentile of the value, 0 to 100: the share of the values below it and half of those equal
  // to it, in percent. Never wrong by more than max_error(). Of no values: 50. Takes two binary
  // searches. REQUIRES: the value is no NaN.
  double Percentile(double value) const;

  // How many values there were.
  uint64_t count() const { return count_; }
  // By how much a percentile may be wrong at most, in percent of the values.
  double max_error() const { return max_error_; }

 private:
  friend class QuantileSketch;

  // How many values lie in nodes whose bound is at most `key`.
  struct Steps {
    std::vector<uint64_t> keys;    // ascending
    std::vector<uint64_t> counts;  // up to and with the key
    uint64_t Below(uint64_t key, bool or_equal) const;
  };

  uint64_t count_ = 0;
  double max_error_ = 0;
  Steps lower_;  // by the lowest key of the nodes
  Steps upper_;  // by the highest
};

// How numbers are distributed, in bounded memory (about 1 MiB): a q-digest (Shrivastava,
// Buragohain, Agrawal, Suri: Medians and Beyond, SenSys 2004) over the numbers' order-preserving
// 48-bit keys. Numbers that agree in 37 significant binary digits are one to it. Not thread-safe.
//
// What is counted stands at the nodes of the binary tree over all keys, each number at a node that
// covers it. While there are few numbers that is the number's own leaf; when there are too many
// nodes, those with the fewest numbers are merged into their parents, as long as these then hold at
// most count / kResolution. A percentile is wrong by at most half of what stands above a leaf: 48
// nodes of at most count / kResolution, 0.5 % with the resolution of 4800. What was added more
// often than that stays exact, whatever is around it.
//
// Numbers can be taken out again. One is taken out of the lowest node above it that holds some. It
// may have been put at a node further up; but then what was put at the lower one is covered by the
// upper one too, so each number that is left still has a node that covers it, and the bound holds
// with the count of the largest merge: max_error() tells it. It grows when most of the numbers are
// taken out; whoever keeps them then makes a new sketch.
class QuantileSketch {
 public:
  static constexpr uint64_t kResolution = 4800;
  // After a merge there are at most 3 nodes per kResolution; more are let come together so that
  // merging is seldom.
  static constexpr size_t kMaxNodes = size_t{6} * kResolution;

  // REQUIRES of both: the number is finite.
  void Add(double value);
  // False when the sketch can't hold such a number: then nothing is taken out. REQUIRES: it was
  // added; otherwise another number, near to it, may go in its place.
  bool Remove(double value);

  // Adds what the other one holds. The errors are those of both, in proportion to their counts.
  void Merge(const QuantileSketch& other);

  uint64_t count() const { return count_; }
  size_t nodes() const { return counts_.size(); }
  // As of RankTable.
  double max_error() const;

  RankTable MakeTable() const;

  // The sketch as bytes: format(1 byte, 1) varint(count) varint(largest merge) varint(nodes) node*,
  // node := varint(node - the one before) varint(count), ascending. The same sketch is always the
  // same bytes.
  std::string Encode() const;
  // DATA_LOSS: these bytes are no sketch.
  static absl::StatusOr<QuantileSketch> Decode(std::string_view bytes);

 private:
  // Merges nodes until there are at most 3 kResolution: where nothing more can be merged, any node,
  // its sibling and its parent together hold more than count / kResolution.
  void Compress();
  // One pass from the leaves to the root. False: nothing could be merged.
  bool MergeOnce();

  // By node: 1 is the root, 2n and 2n+1 are the children of n; leaves have 48 bits behind their 1.
  absl::flat_hash_map<uint64_t, uint64_t> counts_;
  uint64_t count_ = 0;
  // No node that isn't a leaf holds more.
  uint64_t largest_merge_ = 0;
};

}  // namespace attune::value

#endif  // ATTUNE_LIB_VALUE_QUANTILE_SKETCH_H_
