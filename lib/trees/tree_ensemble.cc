#include "lib/trees/tree_ensemble.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/trees/link.h"

namespace attune::trees {
namespace {

// LightGBM's kZeroThreshold: a single-precision constant, compared in double precision.
constexpr double kZeroThreshold = 1e-35F;
// XGBoost's OutOfRangeCat(): from here on single precision doesn't tell categories apart.
constexpr double kXgboostCategories = 16777216;

}  // namespace

// Checks a parsed model and lays it out. Not thread-safe; used once.
class EnsembleBuilder {
 public:
  explicit EnsembleBuilder(ParsedModel model) : model_(std::move(model)) {}

  absl::StatusOr<TreeEnsemble> Build() {
    if (absl::Status status = CheckShape(); !status.ok()) return status;
    ensemble_.is_categorical_.resize(model_.info.features.size());
    ensemble_.is_used_.resize(model_.info.features.size());
    ensemble_.trees_.reserve(model_.trees.size());
    for (size_t i = 0; i < model_.trees.size(); ++i) {
      if (absl::Status status = AddTree(i); !status.ok()) return status;
    }
    for (size_t i = 0; i < model_.weights.size(); ++i) {
      if (model_.weights[i] != 0) ensemble_.is_used_[i / model_.base.size()] = true;
    }
    ensemble_.info_ = std::move(model_.info);
    ensemble_.arithmetic_ = model_.arithmetic;
    ensemble_.link_ = model_.link;
    ensemble_.sigmoid_ = model_.sigmoid;
    ensemble_.averaged_over_ = model_.averaged_over;
    ensemble_.base_ = std::move(model_.base);
    ensemble_.category_bits_ = std::move(model_.category_bits);
    ensemble_.linear_terms_ = std::move(model_.linear_terms);
    ensemble_.weights_ = std::move(model_.weights);
    Pack();
    return std::move(ensemble_);
  }

 private:
  using Node = TreeEnsemble::Node;

  absl::Status CheckShape() const {
    const size_t features = model_.info.features.size();
    if (features == 0) return absl::InvalidArgumentError("the model has no features");
    if (features > kMaxFeatures) {
      return absl::InvalidArgumentError(
          absl::StrCat(features, " features; at most ", kMaxFeatures, " are supported"));
    }
    if (absl::Status status = CheckNames(); !status.ok()) return status;
    if (model_.base.empty() || model_.base.size() > kMaxOutputs) {
      return absl::InvalidArgumentError(absl::StrCat(
          model_.base.size(), " raw scores per row; 1 to ", kMaxOutputs, " are supported"));
    }
    for (const auto& numbers : {&model_.base, &model_.weights}) {
      if (std::any_of(numbers->begin(), numbers->end(),
                      [](double x) { return !std::isfinite(x); })) {
        return absl::InvalidArgumentError("a base score or a weight is not a finite number");
      }
    }
    if (!model_.weights.empty() && model_.weights.size() != features * model_.base.size()) {
      return absl::InvalidArgumentError(absl::StrCat(model_.weights.size(), " weights for ",
                                                     features, " features and ", model_.base.size(),
                                                     " raw scores"));
    }
    return absl::OkStatus();
  }

  // Inputs are found by their names.
  absl::Status CheckNames() const {
    absl::flat_hash_map<std::string_view, size_t> places;
    for (size_t i = 0; i < model_.info.features.size(); ++i) {
      const std::string& name = model_.info.features[i];
      if (name.empty()) {
        return absl::InvalidArgumentError(absl::StrCat("feature ", i, " has no name"));
      }
      const auto [place, is_new] = places.try_emplace(name, i);
      if (!is_new) {
        return absl::InvalidArgumentError(absl::StrCat("the features ", place->second, " and ", i,
                                                       " are both called ", Quoted(name)));
      }
    }
    return absl::OkStatus();
  }

  // Node `node` of tree `tree`, counted as in the file.
  static absl::Status NodeError(size_t tree, int64_t node, std::string_view message) {
    return absl::InvalidArgumentError(
        absl::StrCat("tree ", tree, ", node ", node, ": ", ToAbsl(message)));
  }

  std::string SplitProblem(const ParsedTree& tree, const ParsedNode& node) const {
    const auto size = static_cast<int64_t>(tree.nodes.size());
    for (const int64_t child : {node.left, node.right}) {
      if (child < 0 || child >= size) {
        return absl::StrCat("there is no node ", child, "; the tree has ", size, " nodes");
      }
    }
    const auto features = static_cast<int64_t>(model_.info.features.size());
    if (node.feature < 0 || node.feature >= features) {
      return absl::StrCat("there is no feature ", node.feature, "; the model has ", features);
    }
    if (!node.is_categorical && std::isnan(node.threshold)) return "the threshold is NaN";
    return "";
  }

  std::string LeafProblem(const ParsedNode& node) const {
    if (!std::isfinite(node.output)) return "the output of the leaf is not a finite number";
    if (!node.is_linear) return "";
    if (!std::isfinite(node.constant)) return "the constant of the leaf is not a finite number";
    const auto features = static_cast<int64_t>(model_.info.features.size());
    for (size_t i = 0; i < node.terms_size; ++i) {
      const auto& [feature, coefficient] = model_.linear_terms[node.terms_begin + i];
      if (feature < 0 || feature >= features) {
        return absl::StrCat("there is no feature ", feature, "; the model has ", features);
      }
      if (!std::isfinite(coefficient)) return "a coefficient of the leaf is not a finite number";
    }
    return "";
  }

  // Appends the nodes of a tree level by level, so that both children of a node lie together.
  absl::Status AddTree(size_t number) {
    const ParsedTree& tree = model_.trees[number];
    if (tree.nodes.empty()) return NodeError(number, 0, "the tree has no nodes");
    if (tree.output < 0 || tree.output >= static_cast<int64_t>(model_.base.size())) {
      return NodeError(number, 0,
                       absl::StrCat("the tree adds to raw score ", tree.output, "; the model has ",
                                    model_.base.size()));
    }
    if (ensemble_.nodes_.size() + tree.nodes.size() > kMaxNodes) {
      return NodeError(number, 0, absl::StrCat("the model has more than ", kMaxNodes, " nodes"));
    }
    const size_t root = ensemble_.nodes_.size();
    reached_.assign(tree.nodes.size(), false);
    order_.assign(1, 0);
    levels_.assign(1, 0);
    reached_[0] = true;
    for (size_t i = 0; i < order_.size(); ++i) {
      const ParsedNode& node = tree.nodes[static_cast<size_t>(order_[i])];
      const std::string problem = node.is_leaf() ? LeafProblem(node) : SplitProblem(tree, node);
      if (!problem.empty()) return NodeError(number, order_[i], problem);
      ensemble_.nodes_.push_back(Convert(node, root + order_.size()));
      if (node.is_leaf()) continue;
      for (const int64_t child : {node.left, node.right}) {
        if (reached_[static_cast<size_t>(child)]) {
          return NodeError(number, order_[i],
                           absl::StrCat("its child ", child, " is reached a second time"));
        }
        reached_[static_cast<size_t>(child)] = true;
        order_.push_back(child);
        levels_.push_back(levels_[i] + 1);
      }
    }
    depths_.push_back(levels_.back());  // nodes stand level by level
    AddExpectations(tree, root);
    ensemble_.trees_.push_back({static_cast<uint32_t>(root), static_cast<uint32_t>(tree.output)});
    return absl::OkStatus();
  }

  Node Convert(const ParsedNode& node, size_t left) {
    Node result;
    if (node.is_leaf()) {
      result.threshold = node.output;
      result.flags = Node::kLeaf;
      if (node.is_linear) {
        result.flags |= Node::kLinear;
        result.left = static_cast<uint32_t>(ensemble_.linear_leaves_.size());
        ensemble_.linear_leaves_.push_back({node.constant, node.terms_begin, node.terms_size});
        for (size_t i = 0; i < node.terms_size; ++i) {
          const int64_t feature = model_.linear_terms[node.terms_begin + i].first;
          ensemble_.is_used_[static_cast<size_t>(feature)] = true;
        }
      }
      return result;
    }
    result.threshold = node.threshold;
    result.feature = static_cast<uint32_t>(node.feature) & 0xFFFFFF;
    ensemble_.is_used_[static_cast<size_t>(node.feature)] = true;
    result.left = static_cast<uint32_t>(left);
    if (node.missing_left) result.flags |= Node::kMissingLeft;
    if (node.zero_is_missing) result.flags |= Node::kZeroIsMissing;
    if (node.is_categorical) {
      result.flags |= Node::kCategorical;
      result.threshold = static_cast<double>(ensemble_.category_sets_.size());
      ensemble_.category_sets_.push_back({node.categories_begin, node.categories_size});
      ensemble_.is_categorical_[static_cast<size_t>(node.feature)] = true;
    }
    return result;
  }

  // The expected output of a node is the mean of its children's, weighted by their cover.
  void AddExpectations(const ParsedTree& tree, size_t root) {
    ensemble_.expected_.resize(root + order_.size());
    for (size_t i = order_.size(); i-- > 0;) {
      const Node& node = ensemble_.nodes_[root + i];
      double& expected = ensemble_.expected_[root + i];
      if ((node.flags & Node::kLeaf) != 0) {
        expected = node.threshold;
        continue;
      }
      const auto cover = [&](size_t place) {
        return std::max(tree.nodes[static_cast<size_t>(order_[place - root])].cover, 0.0);
      };
      const double left = cover(node.left);
      const double right = cover(node.left + 1);
      const double share =
          left + right > 0 && std::isfinite(left + right) ? left / (left + right) : 0.5;
      expected =
          share * ensemble_.expected_[node.left] + (1 - share) * ensemble_.expected_[node.left + 1];
    }
  }

  // Packs the trees where they can be.
  void Pack() {
    const size_t depth = *std::max_element(depths_.begin(), depths_.end());
    if (ensemble_.arithmetic_ != Arithmetic::kFloat || !ensemble_.category_sets_.empty() ||
        ensemble_.trees_.empty() || !PackedForest::Fits(ensemble_.trees_.size(), depth)) {
      return;
    }
    ensemble_.packed_.emplace(depth);
    std::vector<PackedForest::Node> nodes;
    for (size_t i = 0; i < ensemble_.trees_.size(); ++i) {
      const auto& [root, output] = ensemble_.trees_[i];
      const size_t end =
          i + 1 < ensemble_.trees_.size() ? ensemble_.trees_[i + 1].root : ensemble_.nodes_.size();
      nodes.clear();
      for (size_t place = root; place < end; ++place) {
        const Node& node = ensemble_.nodes_[place];
        const bool is_leaf = (node.flags & Node::kLeaf) != 0;
        nodes.push_back({is_leaf ? -1 : int64_t{node.left} - root, node.feature,
                         (node.flags & Node::kMissingLeft) != 0,
                         static_cast<float>(node.threshold)});
      }
      ensemble_.packed_->Add(nodes, output);
    }
  }

  ParsedModel model_;
  TreeEnsemble ensemble_;
  std::vector<size_t> depths_ = {0};  // of the trees
  std::vector<size_t> levels_;        // of the nodes of order_
  std::vector<bool> reached_;         // nodes of the tree that is being added, by place in the file
  std::vector<int64_t> order_;        // the same nodes in the order in which they are laid out
};

absl::StatusOr<TreeEnsemble> TreeEnsemble::Create(ParsedModel model) {
  return EnsembleBuilder(std::move(model)).Build();
}

bool TreeEnsemble::IsInSet(const CategorySet& set, double value) const {
  // LightGBM cuts off what stands behind the point, also of -0.5; XGBoost takes no negative number.
  const bool is_code = arithmetic_ == Arithmetic::kFloat
                           ? value >= 0 && value < kXgboostCategories
                           : value > -1 && value < std::numeric_limits<int32_t>::max();
  if (!is_code) return false;
  const auto code = static_cast<uint32_t>(static_cast<int32_t>(value));
  return code / 32 < set.size && ((category_bits_[set.begin + code / 32] >> (code % 32)) & 1) != 0;
}

inline bool TreeEnsemble::GoesLeft(const Node& node, double value) const {
  if (std::isnan(value) || ((node.flags & Node::kZeroIsMissing) != 0 && value >= -kZeroThreshold &&
                            value <= kZeroThreshold)) {
    return (node.flags & Node::kMissingLeft) != 0;
  }
  if ((node.flags & Node::kCategorical) != 0) {
    return IsInSet(category_sets_[static_cast<size_t>(node.threshold)], value);
  }
  return value <= node.threshold;
}

inline uint32_t TreeEnsemble::LeafOf(const Tree& tree, const double* row) const {
  uint32_t place = tree.root;
  while ((nodes_[place].flags & Node::kLeaf) == 0) {
    const Node& node = nodes_[place];
    place = node.left + (GoesLeft(node, Seen(row[node.feature])) ? 0 : 1);
  }
  return place;
}

double TreeEnsemble::LinearOutput(const Node& leaf, const double* row) const {
  const LinearLeaf& linear = linear_leaves_[leaf.left];
  double output = linear.constant;
  for (size_t i = 0; i < linear.terms_size; ++i) {
    const auto& [feature, coefficient] = linear_terms_[linear.terms_begin + i];
    const double value = row[feature];
    if (std::isnan(value)) return leaf.threshold;
    output += coefficient * value;
  }
  return output;
}

double TreeEnsemble::LinearTerm(const double* row, size_t feature, size_t output) const {
  if (std::isnan(row[feature])) return 0;
  return static_cast<float>(row[feature]) *
         static_cast<float>(weights_[feature * base_.size() + output]);
}

void TreeEnsemble::AddLinear(const double* row, double* scores) const {
  for (size_t feature = 0; feature < features(); ++feature) {
    if (std::isnan(row[feature])) continue;
    for (size_t output = 0; output < base_.size(); ++output) {
      scores[output] = Plus(scores[output], LinearTerm(row, feature, output));
    }
  }
}

void TreeEnsemble::RawRow(const double* row, double* scores) const {
  std::copy(base_.begin(), base_.end(), scores);
  if (!weights_.empty()) AddLinear(row, scores);
  for (const Tree& tree : trees_) {
    double& score = scores[tree.output];
    score = Plus(score, LeafOutput(nodes_[LeafOf(tree, row)], row));
  }
}

void TreeEnsemble::Convert(absl::Span<double> scores) const {
  if (averaged_over_ > 0) {
    for (double& score : scores) score /= static_cast<double>(averaged_over_);
  }
  ApplyLink(link_, arithmetic_, sigmoid_, scores);
}

// Up to PackedForest::kRows rows at once.
void TreeEnsemble::PackedChunk(const double* rows, size_t count, float* columns, float* sums,
                               double* scores) const {
  constexpr size_t kRows = PackedForest::kRows;
  const size_t outputs = raw_outputs();
  for (size_t row = 0; row < count; ++row) {
    const double* values = rows + row * features();
    for (size_t feature = 0; feature < features(); ++feature) {
      columns[feature * kRows + row] = static_cast<float>(values[feature]);
    }
  }
  for (size_t output = 0; output < outputs; ++output) {
    std::fill_n(sums + output * kRows, kRows, static_cast<float>(base_[output]));
  }
  packed_->AddRowsWide(columns, count, sums);
  for (size_t row = 0; row < count; ++row) {
    for (size_t output = 0; output < outputs; ++output) {
      scores[row * outputs + output] = sums[output * kRows + row];
    }
  }
}

void TreeEnsemble::PackedRows(absl::Span<const double> rows, absl::Span<double> scores,
                              std::vector<float>& scratch) const {
  // With fewer rows turning them into columns doesn't pay.
  constexpr size_t kFewRows = 6;
  const size_t count = scores.size() / raw_outputs();
  const bool is_wide = PackedForest::IsWide();
  const bool in_chunks = count >= kFewRows && is_wide;
  const size_t width = in_chunks ? PackedForest::kRows : 1;
  scratch.resize((features() + raw_outputs()) * width);
  float* columns = scratch.data();
  float* sums = columns + features() * width;
  for (size_t first = 0; first < count;) {
    const double* row = rows.data() + first * features();
    double* score = scores.data() + first * raw_outputs();
    const size_t step = std::min(count - first, width);
    if (in_chunks) {
      PackedChunk(row, step, columns, sums, score);
    } else {
      std::transform(row, row + features(), columns,
                     [](double value) { return static_cast<float>(value); });
      std::transform(base_.begin(), base_.end(), sums,
                     [](double base) { return static_cast<float>(base); });
      if (is_wide) {
        packed_->AddRowWide(columns, sums);
      } else {
        packed_->AddRow(columns, sums);
      }
      std::copy_n(sums, raw_outputs(), score);
    }
    first += step;
  }
}

void TreeEnsemble::RawRows(absl::Span<const double> rows, absl::Span<double> scores,
                           Scratch& scratch) const {
  if (packed_) return PackedRows(rows, scores, scratch.numbers);
  for (size_t i = 0; i * features() < rows.size(); ++i) {
    RawRow(rows.data() + i * features(), scores.data() + i * raw_outputs());
  }
}

void TreeEnsemble::PredictRaw(absl::Span<const double> rows, absl::Span<double> scores) const {
  Scratch scratch;
  RawRows(rows, scores, scratch);
}

void TreeEnsemble::Predict(absl::Span<const double> rows, absl::Span<double> predictions) const {
  Scratch scratch;
  Predict(rows, predictions, scratch);
}

void TreeEnsemble::Predict(absl::Span<const double> rows, absl::Span<double> predictions,
                           Scratch& scratch) const {
  if (link_ != Link::kArgmax) {
    RawRows(rows, predictions, scratch);
    for (size_t i = 0; i < predictions.size(); i += raw_outputs()) {
      Convert(predictions.subspan(i, raw_outputs()));
    }
    return;
  }
  constexpr size_t kRows = PackedForest::kRows;
  for (size_t first = 0; first < predictions.size(); first += kRows) {
    const size_t count = std::min(kRows, predictions.size() - first);
    scratch.scores.resize(count * raw_outputs());
    const absl::Span<double> scores = absl::MakeSpan(scratch.scores);
    RawRows(rows.subspan(first * features(), count * features()), scores, scratch);
    for (size_t i = 0; i < count; ++i) {
      Convert(scores.subspan(i * raw_outputs(), raw_outputs()));
      predictions[first + i] = scores[i * raw_outputs()];
    }
  }
}

void TreeEnsemble::AddTerms(const Node& leaf, const double* row, double scale,
                            double* contributions) const {
  const LinearLeaf& linear = linear_leaves_[leaf.left];
  const absl::Span<const std::pair<int64_t, double>> terms =
      absl::MakeConstSpan(linear_terms_).subspan(linear.terms_begin, linear.terms_size);
  const bool falls_back = std::any_of(
      terms.begin(), terms.end(), [&](const auto& term) { return std::isnan(row[term.first]); });
  if (falls_back) return;
  for (const auto& [feature, coefficient] : terms) {
    contributions[feature] += scale * coefficient * row[feature];
  }
}

// Sums up the leaves on the way, exactly as RawRow() does for this output.
double TreeEnsemble::Contributions(absl::Span<const double> row, size_t output,
                                   absl::Span<double> contributions) const {
  std::fill(contributions.begin(), contributions.end(), 0.0);
  const double scale = averaged_over_ == 0 ? 1 : 1 / static_cast<double>(averaged_over_);
  double score = base_[output];
  for (size_t feature = 0; feature < features() && !weights_.empty(); ++feature) {
    contributions[feature] = LinearTerm(row.data(), feature, output);
    score = Plus(score, contributions[feature]);
  }
  for (const Tree& tree : trees_) {
    if (tree.output != output) continue;
    uint32_t place = tree.root;
    while ((nodes_[place].flags & Node::kLeaf) == 0) {
      const Node& node = nodes_[place];
      const uint32_t child = node.left + (GoesLeft(node, Seen(row[node.feature])) ? 0 : 1);
      contributions[node.feature] += scale * (expected_[child] - expected_[place]);
      place = child;
    }
    const Node& leaf = nodes_[place];
    score = Plus(score, LeafOutput(leaf, row.data()));
    if ((leaf.flags & Node::kLinear) != 0) {
      AddTerms(leaf, row.data(), scale, contributions.data());
    }
  }
  if (averaged_over_ > 0) score /= static_cast<double>(averaged_over_);
  double sum = 0;
  for (size_t feature = 0; feature < features(); ++feature) sum += contributions[feature];
  contributions[features()] = score - sum;
  return score;
}

}  // namespace attune::trees
