#include "lib/trees/packed_forest.h"

#include <algorithm>
#include <bit>
#include <limits>

#if defined(__x86_64__)
#if !defined(__clang__)
// g++ 12 finds its own intrinsics uninitialized:
// https://gcc.gnu.org/bugzilla/show_bug.cgi?id=105593
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#endif

namespace attune::trees {

bool PackedForest::Fits(size_t trees, size_t depth) {
  constexpr size_t kNodeBytes = 2 * sizeof(float) + sizeof(uint32_t) + sizeof(uint64_t);
  return depth <= kMaxDepth && trees <= (kMaxBytes / kNodeBytes >> depth);
}

void PackedForest::Add(absl::Span<const Node> tree, uint32_t output) {
  outputs_.push_back(output);
  const size_t size = outputs_.size() * nodes_per_tree() + kPadding;
  thresholds_.resize(size, std::numeric_limits<float>::infinity());
  features_.resize(size);
  leaves_.resize(size);
  Fill(tree, 0, 1, 0);
  for (size_t node = nodes_.size(); node < size - kPadding; ++node) {
    nodes_.push_back(uint64_t{features_[node]} << 32 | std::bit_cast<uint32_t>(thresholds_[node]));
  }
}

// Puts node `from` of the tree at node `to` of the last packed one. A leaf above the last level
// stands on it as often as there are ways to it from there.
void PackedForest::Fill(absl::Span<const Node> tree, int64_t from, size_t to, size_t level) {
  const size_t start = (outputs_.size() - 1) * nodes_per_tree();
  const Node& node = tree[static_cast<size_t>(from)];
  if (level == depth_) {
    leaves_[start + to - nodes_per_tree()] = node.threshold;
    return;
  }
  const bool is_leaf = node.left < 0;
  if (!is_leaf) {
    thresholds_[start + to] = node.threshold;
    features_[start + to] =
        static_cast<uint32_t>(node.feature * kRows) | (node.missing_left ? kMissingLeft : 0);
  }
  Fill(tree, is_leaf ? from : node.left, 2 * to, level + 1);
  Fill(tree, is_leaf ? from : node.left + 1, 2 * to + 1, level + 1);
}

// Several trees at once: while one waits for its memory the others go on.
template <size_t kTrees>
void PackedForest::AddTreesToRow(size_t first, const float* row, float* scores) const {
  uint32_t places[kTrees];
  for (uint32_t& place : places) place = 1;
  for (size_t level = 0; level < depth_; ++level) {
    for (size_t t = 0; t < kTrees; ++t) {
      const size_t node = ((first + t) << depth_) + places[t];
      const uint32_t feature = features_[node];
      const float value = row[(feature & ~kMissingLeft) / kRows];
      const uint32_t is_missing = value != value ? 1 : 0;
      const uint32_t goes_left =
          (value <= thresholds_[node] ? 1 : 0) | (is_missing & (feature >> 31));
      places[t] = 2 * places[t] + 1 - goes_left;
    }
  }
  for (size_t t = 0; t < kTrees; ++t) {
    scores[outputs_[first + t]] += leaves_[((first + t) << depth_) + places[t] - nodes_per_tree()];
  }
}

void PackedForest::AddRow(const float* row, float* scores) const {
  constexpr size_t kAtOnce = 8;
  size_t tree = 0;
  for (; tree + kAtOnce <= outputs_.size(); tree += kAtOnce) {
    AddTreesToRow<kAtOnce>(tree, row, scores);
  }
  for (; tree < outputs_.size(); ++tree) AddTreesToRow<1>(tree, row, scores);
}

#if defined(__x86_64__)

#define ATTUNE_AVX512 __attribute__((target("avx512f,avx512dq")))

namespace {

constexpr size_t kLanes = 16;

// What the lanes find at their nodes of one level, without touching memory where 64 nodes are
// enough: they lie in registers.
struct Level {
  __m512 thresholds;
  __m512i features;
};

ATTUNE_AVX512 inline Level FindNodes(size_t level, __m512i places, const float* thresholds,
                                     const uint32_t* features) {
  if (level < 4) {
    return {_mm512_permutexvar_ps(places, _mm512_loadu_ps(thresholds)),
            _mm512_permutexvar_epi32(places, _mm512_loadu_si512(features))};
  }
  if (level == 4) {
    return {_mm512_permutexvar_ps(places, _mm512_loadu_ps(thresholds + kLanes)),
            _mm512_permutexvar_epi32(places, _mm512_loadu_si512(features + kLanes))};
  }
  if (level == 5) {
    return {_mm512_permutex2var_ps(_mm512_loadu_ps(thresholds + 2 * kLanes), places,
                                   _mm512_loadu_ps(thresholds + 3 * kLanes)),
            _mm512_permutex2var_epi32(_mm512_loadu_si512(features + 2 * kLanes), places,
                                      _mm512_loadu_si512(features + 3 * kLanes))};
  }
  return {_mm512_i32gather_ps(places, thresholds, sizeof(float)),
          _mm512_i32gather_epi32(places, features, sizeof(uint32_t))};
}

// The children that the lanes go on to; a feature's upper bit says that a missing value goes left.
ATTUNE_AVX512 inline __m512i NextPlaces(__m512i places, __m512 values, __m512 thresholds,
                                        __m512i features) {
  const __mmask16 is_less = _mm512_cmp_ps_mask(values, thresholds, _CMP_LE_OQ);
  const __mmask16 is_missing = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
  const auto goes_right =
      static_cast<__mmask16>(~(is_less | (is_missing & _mm512_movepi32_mask(features))));
  const __m512i doubled = _mm512_add_epi32(places, places);
  return _mm512_mask_add_epi32(doubled, goes_right, doubled, _mm512_set1_epi32(1));
}

// The arrays of a packed forest.
struct Arrays {
  const float* thresholds;
  const uint32_t* features;
  const float* leaves;
  const uint64_t* nodes;
  const uint32_t* outputs;
  size_t trees;
  size_t depth;
  uint32_t missing_left;  // the bit of a feature
};

template <int kBlocks>
ATTUNE_AVX512 void AddBlocks(const Arrays& forest, const float* columns, float* scores) {
  constexpr size_t kRows = PackedForest::kRows;
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i feature_bits = _mm512_set1_epi32(static_cast<int>(~forest.missing_left));
  const __m512i one = _mm512_set1_epi32(1);
  for (size_t tree = 0; tree < forest.trees; ++tree) {
    const float* thresholds = forest.thresholds + (tree << forest.depth);
    const uint32_t* features = forest.features + (tree << forest.depth);
    __m512i places[kBlocks];
    for (__m512i& place : places) place = one;
    for (size_t level = 0; level < forest.depth; ++level) {
      for (size_t b = 0; b < kBlocks; ++b) {
        const Level nodes = FindNodes(level, places[b], thresholds, features);
        const __m512i offsets =
            _mm512_add_epi32(_mm512_and_si512(nodes.features, feature_bits), lanes);
        const __m512 values = _mm512_i32gather_ps(offsets, columns + b * kLanes, sizeof(float));
        places[b] = NextPlaces(places[b], values, nodes.thresholds, nodes.features);
      }
    }
    // The places on the last level begin with the number of nodes.
    const float* leaves = forest.leaves + (tree << forest.depth);
    const __m512i first_leaf = _mm512_set1_epi32(1 << forest.depth);
    float* sums = scores + forest.outputs[tree] * kRows;
    for (size_t b = 0; b < kBlocks; ++b) {
      float* sum = sums + b * kLanes;
      const __m512 output =
          _mm512_i32gather_ps(_mm512_sub_epi32(places[b], first_leaf), leaves, sizeof(float));
      _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_loadu_ps(sum), output));
    }
  }
}

// A row through kGroups times 16 trees from `first` on, of which `count` are there.
template <size_t kGroups>
ATTUNE_AVX512 void AddTrees(const Arrays& forest, size_t first, size_t count, const float* row,
                            float* scores) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i lower =
      _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i upper = _mm512_add_epi32(lower, _mm512_set1_epi32(1));
  const __m512i feature_bits = _mm512_set1_epi32(static_cast<int>(~forest.missing_left));
  const __m512i one = _mm512_set1_epi32(1);
  const __m512i last = _mm512_set1_epi32(static_cast<int>(count - 1));
  const auto depth = static_cast<unsigned>(forest.depth);
  const uint64_t* nodes = forest.nodes + (first << depth);
  __m512i trees[kGroups];
  __m512i places[kGroups];
  for (size_t g = 0; g < kGroups; ++g) {
    const __m512i tree = _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int>(g * kLanes)));
    trees[g] =
        _mm512_sll_epi32(_mm512_min_epi32(tree, last), _mm_cvtsi32_si128(static_cast<int>(depth)));
    places[g] = one;
  }
  for (size_t level = 0; level < depth; ++level) {
    for (size_t g = 0; g < kGroups; ++g) {
      const __m512i at = _mm512_add_epi32(trees[g], places[g]);
      const __m512i front =
          _mm512_i32gather_epi64(_mm512_castsi512_si256(at), nodes, sizeof(uint64_t));
      const __m512i back =
          _mm512_i32gather_epi64(_mm512_extracti32x8_epi32(at, 1), nodes, sizeof(uint64_t));
      const __m512 thresholds = _mm512_castsi512_ps(_mm512_permutex2var_epi32(front, lower, back));
      const __m512i features = _mm512_permutex2var_epi32(front, upper, back);
      static_assert(PackedForest::kRows == 64);
      const __m512i offsets = _mm512_srli_epi32(_mm512_and_si512(features, feature_bits), 6);
      const __m512 values = _mm512_i32gather_ps(offsets, row, sizeof(float));
      places[g] = NextPlaces(places[g], values, thresholds, features);
    }
  }
  const float* leaves = forest.leaves + (first << depth);
  const __m512i first_leaf = _mm512_set1_epi32(1 << depth);
  alignas(64) float outputs[kGroups * kLanes];
  for (size_t g = 0; g < kGroups; ++g) {
    const __m512i at = _mm512_add_epi32(trees[g], _mm512_sub_epi32(places[g], first_leaf));
    _mm512_store_ps(outputs + g * kLanes, _mm512_i32gather_ps(at, leaves, sizeof(float)));
  }
  for (size_t t = 0; t < count; ++t) scores[forest.outputs[first + t]] += outputs[t];
}

}  // namespace

bool PackedForest::IsWide() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0;
}

void PackedForest::AddRowWide(const float* row, float* scores) const {
  constexpr size_t kAtOnce = 4 * kLanes;
  const Arrays forest = {thresholds_.data(), features_.data(), leaves_.data(), nodes_.data(),
                         outputs_.data(),    outputs_.size(),  depth_,         kMissingLeft};
  for (size_t tree = 0; tree < outputs_.size(); tree += kAtOnce) {
    const size_t count = std::min(kAtOnce, outputs_.size() - tree);
    if (count > 3 * kLanes) {
      AddTrees<4>(forest, tree, count, row, scores);
    } else if (count > 2 * kLanes) {
      AddTrees<3>(forest, tree, count, row, scores);
    } else if (count > kLanes) {
      AddTrees<2>(forest, tree, count, row, scores);
    } else {
      AddTrees<1>(forest, tree, count, row, scores);
    }
  }
}

void PackedForest::AddRowsWide(const float* columns, size_t rows, float* scores) const {
  static_assert(kRows == 4 * kLanes);
  const Arrays forest = {thresholds_.data(), features_.data(), leaves_.data(), nodes_.data(),
                         outputs_.data(),    outputs_.size(),  depth_,         kMissingLeft};
  if (rows > 3 * kLanes) return AddBlocks<4>(forest, columns, scores);
  if (rows > 2 * kLanes) return AddBlocks<3>(forest, columns, scores);
  if (rows > kLanes) return AddBlocks<2>(forest, columns, scores);
  return AddBlocks<1>(forest, columns, scores);
}

#else

bool PackedForest::IsWide() { return false; }
void PackedForest::AddRowWide(const float*, float*) const {}
void PackedForest::AddRowsWide(const float*, size_t, float*) const {}

#endif

}  // namespace attune::trees
