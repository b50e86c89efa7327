#ifndef ATTUNE_LIB_TREES_PACKED_FOREST_H_
#define ATTUNE_LIB_TREES_PACKED_FOREST_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace attune::trees {

// Trees in single precision, laid out to be walked without a branch: all are filled up to the same
// depth, so that the children of node i are 2i and 2i + 1 and nothing asks whether it is a leaf.
// Every way of walking them gives the same bits. Not thread-safe while trees are added.
class PackedForest {
 public:
  // Deeper trees, and more memory than that, aren't packed.
  static constexpr size_t kMaxDepth = 8;
  static constexpr size_t kMaxBytes = 64 << 20;
  // How many rows are walked at once, at most.
  static constexpr size_t kRows = 64;

  // One tree as it comes. `left` of a leaf is negative.
  struct Node {
    int64_t left = -1;  // the right child stands behind the left one
    uint32_t feature = 0;
    bool missing_left = false;
    float threshold = 0;  // what is at most this goes left; of a leaf its output
  };

  // Whether so many trees of that depth can be packed.
  static bool Fits(size_t trees, size_t depth);

  // An empty forest. REQUIRES: depth <= kMaxDepth.
  explicit PackedForest(size_t depth) : depth_(depth) {}

  // Adds a tree whose first node is the root. REQUIRES: it is not deeper than the forest;
  // feature < 2^24.
  void Add(absl::Span<const Node> tree, uint32_t output);

  // Adds the output of every tree, one after the other, to scores[its output].
  void AddRow(const float* row, float* scores) const;

  // Whether this machine has what the functions below need: AVX-512.
  static bool IsWide();

  // As AddRow, many trees at once. REQUIRES: IsWide().
  void AddRowWide(const float* row, float* scores) const;

  // The same for up to kRows rows: feature f of row r is columns[f * kRows + r], output o of row r
  // is scores[o * kRows + r]. Rows beyond `rows` must be there, but may hold anything.
  // REQUIRES: IsWide().
  void AddRowsWide(const float* columns, size_t rows, float* scores) const;

 private:
  // Of a node: kRows times its feature, and this bit when a missing value goes left.
  static constexpr uint32_t kMissingLeft = 1u << 31;
  // Elements behind the last tree: small trees are read in pieces of that size.
  static constexpr size_t kPadding = 16;

  size_t nodes_per_tree() const { return size_t{1} << depth_; }
  void Fill(absl::Span<const Node> tree, int64_t from, size_t to, size_t level);
  template <size_t kTrees>
  void AddTreesToRow(size_t first, const float* row, float* scores) const;

  const size_t depth_;
  // Node i of tree t stands at t * nodes_per_tree() + i; the root is node 1, nothing is at 0.
  std::vector<float> thresholds_;
  std::vector<uint32_t> features_;
  std::vector<float> leaves_;
  // The same thresholds (in the lower half) and features together, for who reads both anyway.
  std::vector<uint64_t> nodes_;
  std::vector<uint32_t> outputs_;  // of the trees
};

}  // namespace attune::trees

#endif  // ATTUNE_LIB_TREES_PACKED_FOREST_H_
