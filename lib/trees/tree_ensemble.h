#ifndef ATTUNE_LIB_TREES_TREE_ENSEMBLE_H_
#define ATTUNE_LIB_TREES_TREE_ENSEMBLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/trees/packed_forest.h"
#include "lib/trees/parsed_model.h"

namespace attune::trees {

// Bounds of a model; one that is larger is refused.
inline constexpr size_t kMaxFeatures = 1 << 20;
inline constexpr size_t kMaxOutputs = 1 << 14;
inline constexpr size_t kMaxNodes = 1 << 26;

// A model of XGBoost or LightGBM: decision trees whose leaves are summed up (or a linear model:
// gblinear). Predicts what the library predicts. Immutable, thread-safe.
//
// A row is one double per feature, in the order of info().features; NaN is a missing value,
// categories are their codes.
class TreeEnsemble {
 public:
  // Checks the model and lays it out for prediction. INVALID_ARGUMENT says what is wrong with
  // which node of which tree: children that aren't there, a node that is reached twice, an unknown
  // feature, a threshold or an output that is NaN; or which features have no name of their own.
  static absl::StatusOr<TreeEnsemble> Create(ParsedModel model);

  const ModelInfo& info() const { return info_; }
  Link link() const { return link_; }
  size_t features() const { return info_.features.size(); }
  // Raw scores per row.
  size_t raw_outputs() const { return base_.size(); }
  // Predictions per row: one, or one per class.
  size_t outputs() const { return link_ == Link::kArgmax ? 1 : base_.size(); }
  // Whether the model splits by category on that feature.
  bool IsCategorical(size_t feature) const { return is_categorical_[feature]; }
  // Whether a prediction ever looks at that feature: models keep the names of all that they were
  // trained with.
  bool IsUsed(size_t feature) const { return is_used_[feature]; }

  // Memory of a prediction, reused from call to call.
  struct Scratch {
    std::vector<float> numbers;
    std::vector<double> scores;
  };

  // Predictions as the library gives them, one row after the other. Allocates nothing once
  // `scratch` is warm.
  // REQUIRES: rows.size() == n * features(), predictions.size() == n * outputs().
  void Predict(absl::Span<const double> rows, absl::Span<double> predictions,
               Scratch& scratch) const;
  // The same with memory of its own.
  void Predict(absl::Span<const double> rows, absl::Span<double> predictions) const;

  // The raw scores: the sums over the leaves, before the link function; as the library gives them,
  // those of a random forest are not averaged.
  // REQUIRES: rows.size() == n * features(), scores.size() == n * raw_outputs().
  void PredictRaw(absl::Span<const double> rows, absl::Span<double> scores) const;

  // How much each feature moved raw score `output` of the row: on the way to the leaf, every split
  // moves the expected score from that of its node to that of the child. The last value is the
  // rest: what the score would be without knowing anything.
  //
  // It is the raw score of PredictRaw() (of a random forest its average) less the sum of the others
  // in their order. So all of them, summed up in their order in double precision, are that score,
  // but for two roundings: at most 2^-53 of the rest and 2^-53 of the score. Of leaves that are
  // linear models their terms count for their features, their constants for the rest. Returns that
  // score. Allocates nothing.
  // REQUIRES: row.size() == features(), contributions.size() == features() + 1,
  // output < raw_outputs().
  double Contributions(absl::Span<const double> row, size_t output,
                       absl::Span<double> contributions) const;

 private:
  friend class EnsembleBuilder;

  // A node in 16 bytes; the right child stands behind the left one.
  struct Node {
    enum Flag : uint32_t {
      kLeaf = 1,
      kLinear = 2,  // a leaf
      kCategorical = 4,
      kMissingLeft = 8,
      kZeroIsMissing = 16,
    };
    // Of a leaf its output; of a categorical split the number of the set.
    double threshold = 0;
    uint32_t feature : 24 = 0;
    uint32_t flags : 8 = 0;
    // The left child; of a linear leaf the number of its linear model.
    uint32_t left = 0;
  };
  struct CategorySet {
    size_t begin = 0;  // a word of category_bits_
    size_t size = 0;   // words
  };
  struct LinearLeaf {
    double constant = 0;
    size_t terms_begin = 0;
    size_t terms_size = 0;
  };
  struct Tree {
    uint32_t root = 0;
    uint32_t output = 0;
  };

  TreeEnsemble() = default;

  bool IsInSet(const CategorySet& set, double value) const;
  bool GoesLeft(const Node& node, double value) const;
  uint32_t LeafOf(const Tree& tree, const double* row) const;
  double LinearOutput(const Node& leaf, const double* row) const;
  double LeafOutput(const Node& leaf, const double* row) const {
    return (leaf.flags & Node::kLinear) != 0 ? LinearOutput(leaf, row) : leaf.threshold;
  }
  // The sum as the library computes it.
  double Plus(double score, double output) const {
    return arithmetic_ == Arithmetic::kFloat
               ? static_cast<double>(static_cast<float>(score) + static_cast<float>(output))
               : score + output;
  }
  void RawRow(const double* row, double* scores) const;
  void RawRows(absl::Span<const double> rows, absl::Span<double> scores, Scratch& scratch) const;
  // What PredictRaw does where the trees are packed.
  void PackedRows(absl::Span<const double> rows, absl::Span<double> scores,
                  std::vector<float>& scratch) const;
  void PackedChunk(const double* rows, size_t count, float* columns, float* sums,
                   double* scores) const;
  void AddLinear(const double* row, double* scores) const;
  // What the weight of the feature adds to raw score `output`; 0 when its value is missing.
  double LinearTerm(const double* row, size_t feature, size_t output) const;
  // Adds what the terms of a linear leaf contribute to contributions[feature].
  void AddTerms(const Node& leaf, const double* row, double scale, double* contributions) const;
  // Turns the raw scores of a row into its predictions.
  void Convert(absl::Span<double> scores) const;
  // A value as the library sees it.
  double Seen(double value) const {
    return arithmetic_ == Arithmetic::kFloat ? static_cast<double>(static_cast<float>(value))
                                             : value;
  }

  ModelInfo info_;
  Arithmetic arithmetic_ = Arithmetic::kDouble;
  Link link_ = Link::kIdentity;
  double sigmoid_ = 1;
  size_t averaged_over_ = 0;
  std::vector<double> base_;
  std::vector<Node> nodes_;  // tree by tree, level by level
  std::vector<Tree> trees_;
  std::vector<double> expected_;  // the expected output of each node
  std::vector<CategorySet> category_sets_;
  std::vector<uint32_t> category_bits_;
  std::vector<LinearLeaf> linear_leaves_;
  std::vector<std::pair<int64_t, double>> linear_terms_;
  std::vector<double> weights_;
  std::vector<bool> is_categorical_;
  std::vector<bool> is_used_;
  // The same trees, for speed, where they allow it: in single precision, of little depth, without
  // categories.
  std::optional<PackedForest> packed_;
};

}  // namespace attune::trees

#endif  // ATTUNE_LIB_TREES_TREE_ENSEMBLE_H_
