#ifndef ATTUNE_LIB_TREES_PARSED_MODEL_H_
#define ATTUNE_LIB_TREES_PARSED_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace attune::trees {

// What a model is, for people. Plain data.
struct ModelInfo {
  std::string library;    // "XGBoost" or "LightGBM"
  std::string version;    // of the file: "1.4.1", "v4"; may be empty
  std::string booster;    // "gbtree", "dart", "gblinear"; "gbdt", "rf"
  std::string objective;  // as the library calls it: "binary:logistic", "multiclass num_class:5"
  size_t trees = 0;       // those that count
  size_t trees_in_file = 0;
  std::vector<std::string> features;  // unique names, in the order of the model's inputs
  bool has_names = true;              // false: the file tells none, they are f0, f1 and so on
};

// How raw scores become predictions.
enum class Link {
  kIdentity,
  kSigmoid,
  kExp,
  kSoftmax,
  kArgmax,        // one prediction: the number of the class
  kHinge,         // 1 when the raw score is positive, else 0
  kSoftplus,      // log(1 + exp(x))
  kSignedSquare,  // of models of a square root
  kSorted,        // of several quantiles: ascending
  kRising,        // of several expectiles: each is the one before it and a softplus
};

// In which numbers the library computes.
enum class Arithmetic {
  kFloat,   // XGBoost: inputs, thresholds and sums in single precision
  kDouble,  // LightGBM
};

// A node as a file has it. Of one that splits, `left` and `right` are indexes into the nodes of its
// tree; of a leaf they are -1.
struct ParsedNode {
  int64_t left = -1;
  int64_t right = -1;
  int64_t feature = 0;
  // A value that is less than or equal to it goes left.
  double threshold = 0;
  // Where a missing value goes.
  bool missing_left = false;
  // Also a zero is missing.
  bool zero_is_missing = false;
  // A value of the set goes left, every other right. The set is bits of
  // ParsedModel::category_bits, 32 per word.
  bool is_categorical = false;
  size_t categories_begin = 0;  // a word
  size_t categories_size = 0;   // words
  // Of a leaf: what it adds to the raw score.
  double output = 0;
  // How much of the training data came here; 0 when the file doesn't tell.
  double cover = 0;
  // Of a leaf that is a linear model: its terms in ParsedModel::linear_terms. It adds `constant`
  // plus the terms; when one of their features is missing, `output`.
  bool is_linear = false;
  double constant = 0;
  size_t terms_begin = 0;
  size_t terms_size = 0;

  bool is_leaf() const { return left < 0; }
};

struct ParsedTree {
  std::vector<ParsedNode> nodes;  // the first is the root
  int64_t output = 0;             // which raw score it adds to
};

// What a reader found in a file, not yet checked as a whole: TreeEnsemble::Create does that.
struct ParsedModel {
  ModelInfo info;
  Arithmetic arithmetic = Arithmetic::kDouble;
  Link link = Link::kIdentity;
  double sigmoid = 1;        // factor of the raw score in kSigmoid
  size_t averaged_over = 0;  // raw scores are divided by it; 0: they aren't
  // What each raw score begins with; as many as there are raw scores.
  std::vector<double> base;
  std::vector<ParsedTree> trees;  // those that count
  std::vector<uint32_t> category_bits;
  std::vector<std::pair<int64_t, double>> linear_terms;  // feature and coefficient
  // Of gblinear, which has no trees: a weight for each feature and raw score, by feature. Missing
  // values count nothing.
  std::vector<double> weights;
};

}  // namespace attune::trees

#endif  // ATTUNE_LIB_TREES_PARSED_MODEL_H_
