#include "lib/trees/xgboost_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/trees/link.h"
#include "lib/trees/tree_ensemble.h"

namespace attune::trees {
namespace {

using Numbers = DocumentValue::Numbers;

constexpr double kXgboostCategories = 16777216;  // single precision tells no more apart

// How the mean of the training data became a raw score.
enum class Intercept { kIdentity, kLogit, kLog, kRise };

struct Objective {
  std::string_view name;
  Link link = Link::kIdentity;
  Intercept intercept = Intercept::kIdentity;
};

constexpr Objective kObjectives[] = {
    {"reg:squarederror"},
    {"reg:linear"},
    {"reg:squaredlogerror"},
    {"reg:pseudohubererror"},
    {"reg:absoluteerror"},
    {"reg:quantileerror"},
    {"reg:expectileerror", Link::kRising, Intercept::kRise},
    {"reg:logistic", Link::kSigmoid, Intercept::kLogit},
    {"binary:logistic", Link::kSigmoid, Intercept::kLogit},
    {"binary:logitraw"},
    {"binary:hinge", Link::kHinge},
    {"multi:softprob", Link::kSoftmax},
    {"multi:softmax", Link::kArgmax},
    {"count:poisson", Link::kExp, Intercept::kLog},
    {"reg:gamma", Link::kExp, Intercept::kLog},
    {"reg:tweedie", Link::kExp, Intercept::kLog},
    {"survival:cox", Link::kExp, Intercept::kLog},
    {"survival:aft", Link::kExp, Intercept::kLog},
    {"rank:pairwise"},
    {"rank:ndcg"},
    {"rank:map"},
};

const Objective* FindObjective(std::string_view name) {
  for (const Objective& objective : kObjectives) {
    if (objective.name == name) return &objective;
  }
  return nullptr;
}

// XGBoost's SoftPlusInv().
float InverseSoftplus(float y) {
  const float bounded = std::max(y, kLeastRise);
  return bounded + std::log(-std::expm1(-bounded));
}

// Reads one document. After the first problem everything that is read is empty or 0. Not
// thread-safe.
class XgboostReader {
 public:
  explicit XgboostReader(const DocumentValue& document) : document_(document) {}

  absl::StatusOr<ParsedModel> Read() {
    if (status_.ok()) ReadLearner();
    if (status_.ok()) ReadBooster();
    if (!status_.ok()) return status_;
    return std::move(model_);
  }

 private:
  // A value and where it stands: "learner.objective.name". Without a value it is absent.
  struct Field {
    const DocumentValue* value = nullptr;
    std::string path;
  };

  void Fail(std::string_view path, std::string_view message) {
    if (status_.ok()) {
      status_ = absl::InvalidArgumentError(absl::StrCat(ToAbsl(path), ": ", ToAbsl(message)));
    }
  }
  void Refuse(std::string_view path, std::string_view message) {
    if (status_.ok()) {
      status_ = absl::UnimplementedError(absl::StrCat(ToAbsl(path), ": ", ToAbsl(message)));
    }
  }

  static Field Optional(const Field& parent, std::string_view name) {
    Field field;
    field.path =
        parent.path.empty() ? std::string(name) : absl::StrCat(parent.path, ".", ToAbsl(name));
    if (parent.value != nullptr) field.value = parent.value->Find(name);
    return field;
  }
  Field Member(const Field& parent, std::string_view name) {
    Field field = Optional(parent, name);
    if (field.value == nullptr) Fail(field.path, "is missing");
    return field;
  }
  std::string Text(const Field& field) {
    if (field.value == nullptr) return "";
    if (const std::string* text = field.value->text()) return *text;
    Fail(field.path, "must be a text");
    return "";
  }
  // An array of numbers of that size.
  const Numbers& NumbersOf(const Field& field, std::optional<size_t> size) {
    static const Numbers* const none = new Numbers();
    if (field.value == nullptr) return *none;
    const Numbers* numbers = field.value->numbers();
    if (numbers == nullptr) {
      Fail(field.path, "must be an array of numbers");
      return *none;
    }
    if (size && numbers->size() != *size) {
      Fail(field.path,
           absl::StrCat("has ", numbers->size(), " elements; ", *size, " are expected"));
      return *none;
    }
    return *numbers;
  }
  // A whole number of 0 to `most`, as a number or, as XGBoost writes its parameters, as text.
  int64_t Count(const Field& field, int64_t most) {
    if (field.value == nullptr) return 0;
    double number = -1;
    if (const double* value = field.value->number()) number = *value;
    if (const std::string* text = field.value->text()) {
      const char* end = text->data() + text->size();
      if (std::from_chars(text->data(), end, number).ptr != end) number = -1;
    }
    return Integer(number, field.path, 0, most);
  }
  int64_t Integer(double number, std::string_view path, int64_t least, int64_t most) {
    if (number >= static_cast<double>(least) && number <= static_cast<double>(most) &&
        number == std::floor(number)) {
      return static_cast<int64_t>(number);
    }
    Fail(path, absl::StrCat(number, " is no whole number of ", least, " to ", most));
    return 0;
  }
  int64_t IntegerAt(const Numbers& numbers, size_t index, const std::string& path, int64_t least,
                    int64_t most) {
    const double number = numbers[index];
    if (number >= static_cast<double>(least) && number <= static_cast<double>(most) &&
        number == std::floor(number)) {
      return static_cast<int64_t>(number);
    }
    return Integer(number, absl::StrCat(path, "[", index, "]"), least, most);
  }

  void ReadLearner();
  void ReadVersion();
  void ReadFeatures(const Field& learner);
  void ReadBaseScore(const Field& base_score);
  std::vector<double> BaseScores(const Field& base_score);
  double Margin(double base_score, std::string_view path);
  void TakeRises();

  void ReadBooster();
  void ReadLinear(const Field& booster);
  void ReadTrees(const Field& model, const Field& weight_drop);
  std::vector<float> TreeWeights(const Field& weight_drop, size_t trees,
                                 const std::vector<size_t>& iteration_ends);
  std::vector<size_t> IterationEnds(const Field& model, size_t trees);
  size_t TreesThatCount(size_t trees, const std::vector<size_t>& iteration_ends);
  ParsedTree ReadTree(const Field& field, float weight);
  void ReadCategories(const Field& field, ParsedTree& tree);
  void ReadCategorySet(const Numbers& categories, const std::string& path, size_t begin,
                       size_t size, ParsedNode& node);

  const DocumentValue& document_;
  absl::Status status_;
  ParsedModel model_;
  const Objective* objective_ = nullptr;
  Field attributes_;
  int64_t version_ = 0;  // 3004001 for 3.4.1
  std::vector<double> base_scores_;
};

void XgboostReader::ReadVersion() {
  const Field version = Optional({&document_, ""}, "version");
  if (version.value == nullptr) return;
  const Numbers& numbers = NumbersOf(version, 3);
  if (!status_.ok()) return;
  for (size_t i = 0; i < numbers.size(); ++i) {
    version_ = version_ * 1000 + IntegerAt(numbers, i, version.path, 0, 999);
  }
  model_.info.version = absl::StrJoin(numbers, ".");
}

void XgboostReader::ReadLearner() {
  model_.info.library = "XGBoost";
  model_.arithmetic = Arithmetic::kFloat;
  ReadVersion();
  const Field learner = Member({&document_, ""}, "learner");
  const Field name = Member(Member(learner, "objective"), "name");
  model_.info.objective = Text(name);
  objective_ = FindObjective(model_.info.objective);
  if (objective_ == nullptr) {
    Refuse(name.path,
           absl::StrCat("the objective ", Quoted(model_.info.objective), " is not supported"));
    return;
  }
  model_.link = objective_->link;
  constexpr int64_t kSorts = 3'004'000;
  if (objective_->name == "reg:quantileerror" && version_ >= kSorts) model_.link = Link::kSorted;
  attributes_ = Optional(learner, "attributes");
  const Field parameters = Member(learner, "learner_model_param");
  const int64_t classes = Count(Member(parameters, "num_class"), kMaxOutputs);
  const int64_t targets = Count(Optional(parameters, "num_target"), kMaxOutputs);
  model_.base.resize(static_cast<size_t>(std::max({classes, targets, int64_t{1}})));
  const Field features = Member(parameters, "num_feature");
  model_.info.features.resize(static_cast<size_t>(Count(features, kMaxFeatures)));
  ReadFeatures(learner);
  ReadBaseScore(Member(parameters, "base_score"));
}

void XgboostReader::ReadFeatures(const Field& learner) {
  std::vector<std::string>& features = model_.info.features;
  const Field names = Optional(learner, "feature_names");
  const Numbers* none = names.value == nullptr ? nullptr : names.value->numbers();
  if (names.value == nullptr || (none != nullptr && none->empty())) {
    model_.info.has_names = false;
    for (size_t i = 0; i < features.size(); ++i) features[i] = absl::StrCat("f", i);
    return;
  }
  const DocumentValue::List* list = names.value->list();
  if (list == nullptr) return Fail(names.path, "must be an array of texts");
  if (list->size() != features.size()) {
    return Fail(names.path,
                absl::StrCat("has ", list->size(), " elements; num_feature is ", features.size()));
  }
  for (size_t i = 0; i < features.size(); ++i) {
    features[i] = Text({&(*list)[i], absl::StrCat(names.path, "[", i, "]")});
  }
}

// 5E-1, "5E-1", "[2.35E-1]", "(0.1,0.2)" or an array.
std::vector<double> XgboostReader::BaseScores(const Field& base_score) {
  if (base_score.value == nullptr) return {};
  if (const Numbers* numbers = base_score.value->numbers()) return *numbers;
  if (const double* number = base_score.value->number()) return {*number};
  std::string text = Text(base_score);
  absl::StripAsciiWhitespace(&text);
  if (text.size() >= 2 && text.front() == '(' && text.back() == ')') {
    text.front() = '[';
    text.back() = ']';
  }
  const absl::StatusOr<DocumentValue> parsed = ParseJson(text);
  if (parsed.ok() && parsed->number() != nullptr) return {*parsed->number()};
  if (parsed.ok() && parsed->numbers() != nullptr) return *parsed->numbers();
  Fail(base_score.path, absl::StrCat(Quoted(text), " is neither a number nor a list of numbers"));
  return {};
}

double XgboostReader::Margin(double base_score, std::string_view path) {
  constexpr float kLeast = 1e-6F;  // XGBoost's kRtEps
  const auto score = static_cast<float>(base_score);
  if (!std::isfinite(score)) Fail(path, "must be a finite number");
  switch (objective_->intercept) {
    case Intercept::kIdentity:
    case Intercept::kRise:
      return score;
    case Intercept::kLogit:
      if (!(score >= 0 && score <= 1)) Fail(path, absl::StrCat(score, " must lie in 0 to 1"));
      return -std::log(1.0F / std::clamp(score, kLeast, 1.0F - kLeast) - 1.0F);
    case Intercept::kLog:
      if (!(score > 0)) Fail(path, absl::StrCat(score, " must be greater than 0"));
      return std::log(score);
  }
  return score;
}

void XgboostReader::ReadBaseScore(const Field& base_score) {
  const std::vector<double> scores = BaseScores(base_score);
  if (!status_.ok()) return;
  if (scores.size() != 1 && scores.size() != model_.base.size()) {
    return Fail(base_score.path, absl::StrCat("has ", scores.size(), " elements; the model has ",
                                              model_.base.size(), " outputs"));
  }
  for (size_t i = 0; i < model_.base.size(); ++i) {
    model_.base[i] = Margin(scores.size() == 1 ? scores[0] : scores[i], base_score.path);
  }
  if (objective_->intercept == Intercept::kRise) TakeRises();
}

// Of several expectiles all but the first have as their margin by how much they are above the one
// before: what the link turns back.
void XgboostReader::TakeRises() {
  for (size_t i = model_.base.size() - 1; i > 0; --i) {
    const float rise = static_cast<float>(model_.base[i]) - static_cast<float>(model_.base[i - 1]);
    model_.base[i] = InverseSoftplus(rise - kLeastRise);
  }
}

void XgboostReader::ReadBooster() {
  const Field booster = Member(Member({&document_, ""}, "learner"), "gradient_booster");
  const Field name = Member(booster, "name");
  model_.info.booster = Text(name);
  if (model_.info.booster == "gblinear") return ReadLinear(Member(booster, "model"));
  if (model_.info.booster != "gbtree" && model_.info.booster != "dart") {
    return Refuse(name.path,
                  absl::StrCat("the booster ", Quoted(model_.info.booster), " is not supported"));
  }
  // Up to 3.2 dart holds a gbtree; then its weights stand beside the model, later in it.
  const Field inner = Optional(booster, "gbtree");
  const Field model = Member(inner.value == nullptr ? booster : inner, "model");
  Field weights = Optional(booster, "weight_drop");
  if (weights.value == nullptr) weights = Optional(model, "weight_drop");
  if (weights.value != nullptr) model_.info.booster = "dart";
  if (status_.ok()) ReadTrees(model, weights);
}

void XgboostReader::ReadLinear(const Field& model) {
  const Field field = Member(model, "weights");
  const size_t outputs = model_.base.size();
  const size_t features = model_.info.features.size();
  const Numbers& weights = NumbersOf(field, (features + 1) * outputs);
  if (!status_.ok()) return;
  // The last weights are the biases. XGBoost adds the first base score to each of them.
  const double base = model_.base[0];
  for (size_t i = 0; i < outputs; ++i) {
    model_.base[i] = static_cast<float>(weights[features * outputs + i]) + static_cast<float>(base);
  }
  model_.weights.assign(weights.begin(),
                        weights.begin() + static_cast<ptrdiff_t>(features * outputs));
}

// The number of trees up to the end of each iteration; empty when the file doesn't tell.
std::vector<size_t> XgboostReader::IterationEnds(const Field& model, size_t trees) {
  std::vector<size_t> ends;
  const Field field = Optional(model, "iteration_indptr");
  if (field.value != nullptr) {
    const Numbers& numbers = NumbersOf(field, std::nullopt);
    for (size_t i = 0; i < numbers.size() && status_.ok(); ++i) {
      const auto least = static_cast<int64_t>(ends.empty() ? 0 : ends.back());
      const int64_t end = IntegerAt(numbers, i, field.path, least, static_cast<int64_t>(trees));
      if (i > 0) ends.push_back(static_cast<size_t>(end));
    }
    return ends;
  }
  const Field parallel = Optional(Optional(model, "gbtree_model_param"), "num_parallel_tree");
  if (parallel.value == nullptr) return ends;
  const size_t layer =
      std::max<size_t>(1, static_cast<size_t>(Count(parallel, INT32_MAX))) * model_.base.size();
  for (size_t end = layer; end <= trees; end += layer) ends.push_back(end);
  return ends;
}

size_t XgboostReader::TreesThatCount(size_t trees, const std::vector<size_t>& iteration_ends) {
  const Field best = Optional(attributes_, "best_iteration");
  if (best.value == nullptr) return trees;
  const auto iteration = static_cast<size_t>(Count(best, INT32_MAX));
  if (!iteration_ends.empty()) {
    return iteration < iteration_ends.size() ? iteration_ends[iteration] : trees;
  }
  // Old files don't tell how many trees an iteration has; this attribute counts them per output.
  const Field limit = Optional(attributes_, "best_ntree_limit");
  const size_t rounds =
      limit.value == nullptr ? iteration + 1 : static_cast<size_t>(Count(limit, INT32_MAX));
  return std::min(trees, rounds * model_.base.size());
}

std::vector<float> XgboostReader::TreeWeights(const Field& weight_drop, size_t trees,
                                              const std::vector<size_t>& iteration_ends) {
  std::vector<float> weights(trees, 1.0F);
  if (weight_drop.value == nullptr) return weights;
  const Numbers& numbers = NumbersOf(weight_drop, std::nullopt);
  if (numbers.size() == trees) {
    std::copy(numbers.begin(), numbers.end(), weights.begin());
  } else if (numbers.size() == iteration_ends.size()) {
    for (size_t tree = 0, iteration = 0; tree < trees && iteration < numbers.size(); ++tree) {
      while (iteration + 1 < numbers.size() && tree >= iteration_ends[iteration]) ++iteration;
      weights[tree] = static_cast<float>(numbers[iteration]);
    }
  } else {
    Fail(weight_drop.path, absl::StrCat("has ", numbers.size(), " elements for ", trees, " trees"));
  }
  return weights;
}

void XgboostReader::ReadTrees(const Field& model, const Field& weight_drop) {
  const Field trees = Member(model, "trees");
  if (!status_.ok()) return;
  const DocumentValue::List empty;
  const DocumentValue::List* list = trees.value->list();
  if (list == nullptr && trees.value->numbers() != nullptr && trees.value->numbers()->empty()) {
    list = &empty;
  }
  if (list == nullptr) return Fail(trees.path, "must be an array of trees");
  const Field declared = Optional(Member(model, "gbtree_model_param"), "num_trees");
  const int64_t count = Count(declared, INT32_MAX);
  if (declared.value != nullptr && count != static_cast<int64_t>(list->size())) {
    return Fail(trees.path, absl::StrCat("has ", list->size(), " elements; num_trees is ", count));
  }
  const Field info = Member(model, "tree_info");
  const Numbers& outputs = NumbersOf(info, list->size());
  const std::vector<size_t> ends = IterationEnds(model, list->size());
  const std::vector<float> weights = TreeWeights(weight_drop, list->size(), ends);
  model_.info.trees_in_file = list->size();
  model_.info.trees = TreesThatCount(list->size(), ends);
  if (!status_.ok()) return;
  model_.trees.reserve(model_.info.trees);
  for (size_t i = 0; i < model_.info.trees && status_.ok(); ++i) {
    model_.trees.push_back(
        ReadTree({&(*list)[i], absl::StrCat(trees.path, "[", i, "]")}, weights[i]));
    model_.trees.back().output =
        IntegerAt(outputs, i, info.path, 0, static_cast<int64_t>(model_.base.size()) - 1);
  }
}

ParsedTree XgboostReader::ReadTree(const Field& field, float weight) {
  ParsedTree tree;
  const Field parameters = Member(field, "tree_param");
  if (Count(Optional(parameters, "size_leaf_vector"), INT32_MAX) > 1) {
    Refuse(field.path, "trees of several outputs (multi_output_tree) are not supported");
    return tree;
  }
  const Field left_field = Member(field, "left_children");
  const Numbers& left = NumbersOf(left_field, std::nullopt);
  const size_t size = left.size();
  const Field right_field = Member(field, "right_children");
  const Numbers& right = NumbersOf(right_field, size);
  const Field feature_field = Member(field, "split_indices");
  const Numbers& features = NumbersOf(feature_field, size);
  const Field condition_field = Member(field, "split_conditions");
  const Numbers& conditions = NumbersOf(condition_field, size);
  const Numbers& default_left = NumbersOf(Member(field, "default_left"), size);
  const Field cover_field = Optional(field, "sum_hessian");
  const Numbers& cover =
      NumbersOf(cover_field, cover_field.value == nullptr ? std::nullopt : std::optional(size));
  const int64_t nodes = Count(Member(parameters, "num_nodes"), INT32_MAX);
  if (nodes != static_cast<int64_t>(size)) {
    Fail(left_field.path, absl::StrCat("has ", size, " elements; num_nodes is ", nodes));
  }
  if (!status_.ok()) return tree;
  tree.nodes.resize(size);
  const auto last = static_cast<int64_t>(size) - 1;
  for (size_t i = 0; i < size && status_.ok(); ++i) {
    ParsedNode& node = tree.nodes[i];
    if (i < cover.size()) node.cover = cover[i];
    node.left = IntegerAt(left, i, left_field.path, -1, last);
    const auto condition = static_cast<float>(conditions[i]);
    if (node.is_leaf()) {
      node.output = condition * weight;
      continue;
    }
    node.right = IntegerAt(right, i, right_field.path, 0, last);
    node.feature = IntegerAt(features, i, feature_field.path, 0,
                             static_cast<int64_t>(model_.info.features.size()) - 1);
    node.missing_left = default_left[i] != 0;
    // In single precision x < condition is x <= the number before it.
    node.threshold = std::nextafter(condition, -std::numeric_limits<float>::infinity());
  }
  ReadCategories(field, tree);
  return tree;
}

void XgboostReader::ReadCategories(const Field& field, ParsedTree& tree) {
  const Field type_field = Optional(field, "split_type");
  if (type_field.value == nullptr || !status_.ok()) return;
  const Numbers& types = NumbersOf(type_field, tree.nodes.size());
  const Field node_field = Member(field, "categories_nodes");
  const Numbers& nodes = NumbersOf(node_field, std::nullopt);
  const Field begin_field = Member(field, "categories_segments");
  const Numbers& begins = NumbersOf(begin_field, nodes.size());
  const Field size_field = Member(field, "categories_sizes");
  const Numbers& sizes = NumbersOf(size_field, nodes.size());
  const Field categories_field = Member(field, "categories");
  const Numbers& categories = NumbersOf(categories_field, std::nullopt);
  if (!status_.ok()) return;
  const auto count = static_cast<int64_t>(categories.size());
  for (size_t i = 0; i < nodes.size() && status_.ok(); ++i) {
    const int64_t place =
        IntegerAt(nodes, i, node_field.path, 0, static_cast<int64_t>(tree.nodes.size()) - 1);
    const int64_t begin = IntegerAt(begins, i, begin_field.path, 0, count);
    const int64_t size = IntegerAt(sizes, i, size_field.path, 1, count - begin);
    ParsedNode& node = tree.nodes[static_cast<size_t>(place)];
    if (!status_.ok() || node.is_leaf()) continue;
    ReadCategorySet(categories, categories_field.path, static_cast<size_t>(begin),
                    static_cast<size_t>(size), node);
  }
  for (size_t i = 0; i < types.size() && status_.ok(); ++i) {
    const ParsedNode& node = tree.nodes[i];
    if (!node.is_leaf() && (types[i] != 0) != node.is_categorical) {
      Fail(absl::StrCat(type_field.path, "[", i, "]"), "does not agree with categories_nodes");
    }
  }
}

// The categories of the set go right; so that of ours, which go left, the children are swapped.
void XgboostReader::ReadCategorySet(const Numbers& categories, const std::string& path,
                                    size_t begin, size_t size, ParsedNode& node) {
  if (node.is_categorical) return Fail(path, "a node has two sets of categories");
  int64_t largest = 0;
  for (size_t i = begin; i < begin + size; ++i) {
    largest = std::max(
        largest, IntegerAt(categories, i, path, 0, static_cast<int64_t>(kXgboostCategories) - 1));
  }
  const size_t words = static_cast<size_t>(largest) / 32 + 1;
  if (model_.category_bits.size() + words > kMaxCategoryWords) {
    Fail(path, absl::StrCat("the sets of categories take more than ", kMaxCategoryWords, " words"));
  }
  if (!status_.ok()) return;
  node.is_categorical = true;
  node.categories_begin = model_.category_bits.size();
  node.categories_size = words;
  model_.category_bits.resize(node.categories_begin + words);
  for (size_t i = begin; i < begin + size; ++i) {
    const auto category = static_cast<size_t>(categories[i]);
    model_.category_bits[node.categories_begin + category / 32] |= uint32_t{1} << (category % 32);
  }
  std::swap(node.left, node.right);
  node.missing_left = !node.missing_left;
}

}  // namespace

absl::StatusOr<ParsedModel> ReadXgboost(const DocumentValue& document) {
  return XgboostReader(document).Read();
}

}  // namespace attune::trees
