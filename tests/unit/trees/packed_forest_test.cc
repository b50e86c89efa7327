#include "lib/trees/packed_forest.h"

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::trees {
namespace {

constexpr size_t kFeatures = 7;
constexpr size_t kOutputs = 3;

// A tree of at most that depth, level by level.
std::vector<PackedForest::Node> RandomTree(std::mt19937& random, size_t depth) {
  std::uniform_real_distribution<float> real(-1, 1);
  std::vector<PackedForest::Node> nodes(1);
  std::vector<size_t> levels = {0};
  for (size_t i = 0; i < nodes.size(); ++i) {
    nodes[i].threshold = real(random);
    if (levels[i] == depth || random() % 6 == 0) continue;
    nodes[i].left = static_cast<int64_t>(nodes.size());
    nodes[i].feature = static_cast<uint32_t>(random() % kFeatures);
    nodes[i].missing_left = random() % 2 == 0;
    nodes.resize(nodes.size() + 2);
    levels.insert(levels.end(), 2, levels[i] + 1);
  }
  return nodes;
}

float Walk(const std::vector<PackedForest::Node>& tree, const float* row) {
  size_t place = 0;
  while (tree[place].left >= 0) {
    const PackedForest::Node& node = tree[place];
    const float value = row[node.feature];
    const bool goes_left = std::isnan(value) ? node.missing_left : value <= node.threshold;
    place = static_cast<size_t>(node.left) + (goes_left ? 0 : 1);
  }
  return tree[place].threshold;
}

TEST(PackedForest, EveryWayOfWalkingGivesTheSameBits) {
  std::mt19937 random(20261122);
  std::uniform_real_distribution<float> real(-1, 1);
  for (size_t depth = 0; depth <= PackedForest::kMaxDepth; ++depth) {
    for (const size_t trees : {1, 8, 15, 16, 17, 33, 70}) {
      PackedForest forest(depth);
      std::vector<std::vector<PackedForest::Node>> source;
      for (size_t t = 0; t < trees; ++t) {
        source.push_back(RandomTree(random, depth));
        forest.Add(source.back(), static_cast<uint32_t>(t % kOutputs));
      }
      const size_t rows = 1 + random() % PackedForest::kRows;
      std::vector<float> columns(kFeatures * PackedForest::kRows);
      for (float& value : columns) {
        value = random() % 4 == 0 ? static_cast<float>(kMissing) : real(random);
      }
      std::vector<float> sums(kOutputs * PackedForest::kRows, 0.5F);
      if (PackedForest::IsWide()) forest.AddRowsWide(columns.data(), rows, sums.data());
      for (size_t r = 0; r < rows; ++r) {
        std::vector<float> row(kFeatures);
        for (size_t f = 0; f < kFeatures; ++f) row[f] = columns[f * PackedForest::kRows + r];
        std::vector<float> expected(kOutputs, 0.5F);
        for (size_t t = 0; t < trees; ++t) expected[t % kOutputs] += Walk(source[t], row.data());
        std::vector<float> scores(kOutputs, 0.5F);
        forest.AddRow(row.data(), scores.data());
        EXPECT_EQ(scores, expected) << depth << " " << trees;
        if (!PackedForest::IsWide()) continue;
        scores.assign(kOutputs, 0.5F);
        forest.AddRowWide(row.data(), scores.data());
        EXPECT_EQ(scores, expected) << depth << " " << trees;
        for (size_t o = 0; o < kOutputs; ++o) {
          EXPECT_EQ(sums[o * PackedForest::kRows + r], expected[o]) << depth << " " << trees;
        }
      }
    }
  }
}

TEST(PackedForest, IsBounded) {
  EXPECT_TRUE(PackedForest::Fits(10'000, 6));
  EXPECT_FALSE(PackedForest::Fits(1, PackedForest::kMaxDepth + 1));
  EXPECT_FALSE(PackedForest::Fits(1'000'000, PackedForest::kMaxDepth));
}

}  // namespace
}  // namespace attune::trees
