#include "lib/trees/lightgbm_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/trees/tree_ensemble.h"

namespace attune::trees {
namespace {

// What LightGBM calls a missing value at a split.
enum MissingType { kNoneIsMissing = 0, kZeroIsMissing = 1, kNanIsMissing = 2 };

struct Objective {
  std::string_view name;
  Link link = Link::kIdentity;
  bool has_sqrt = false;  // a flag behind its name makes the prediction a square
};

constexpr Objective kObjectives[] = {
    {"regression", Link::kIdentity, true},
    {"regression_l2", Link::kIdentity, true},
    {"mean_squared_error", Link::kIdentity, true},
    {"mse", Link::kIdentity, true},
    {"l2", Link::kIdentity, true},
    {"l2_root", Link::kIdentity, true},
    {"root_mean_squared_error", Link::kIdentity, true},
    {"rmse", Link::kIdentity, true},
    {"regression_l1", Link::kIdentity, true},
    {"mean_absolute_error", Link::kIdentity, true},
    {"l1", Link::kIdentity, true},
    {"mae", Link::kIdentity, true},
    {"quantile", Link::kIdentity, true},
    {"fair", Link::kIdentity, true},
    {"mape", Link::kIdentity, true},
    {"mean_absolute_percentage_error", Link::kIdentity, true},
    {"huber"},
    {"poisson", Link::kExp},
    {"gamma", Link::kExp},
    {"tweedie", Link::kExp},
    {"binary", Link::kSigmoid},
    {"multiclass", Link::kSoftmax},
    {"softmax", Link::kSoftmax},
    {"multiclassova", Link::kSigmoid},
    {"multiclass_ova", Link::kSigmoid},
    {"ova", Link::kSigmoid},
    {"ovr", Link::kSigmoid},
    {"cross_entropy", Link::kSigmoid},
    {"xentropy", Link::kSigmoid},
    {"cross_entropy_lambda", Link::kSoftplus},
    {"xentlambda", Link::kSoftplus},
    {"lambdarank"},
    {"rank_xendcg"},
    {"xendcg"},
    {"xe_ndcg"},
    {"xe_ndcg_mart"},
    {"xendcg_mart"},
    {"custom"},
    {"none"},
    {"null"},
    {"na"},
};

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return words;
    const size_t end = std::min(text.find(' ', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

std::optional<double> ToNumber(std::string_view word) {
  if (word.starts_with('+')) word.remove_prefix(1);
  double number = 0;
  const char* end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, number);
  if (stop != end || error != std::errc()) return std::nullopt;
  return number;
}

std::optional<int64_t> ToInteger(std::string_view word) {
  int64_t number = 0;
  const char* end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, number);
  if (stop != end || error != std::errc()) return std::nullopt;
  return number;
}

// Reads one text, line by line. After the first problem everything that is read is empty or 0. Not
// thread-safe.
class LightgbmReader {
 public:
  explicit LightgbmReader(std::string_view text) : text_(text) {}

  absl::StatusOr<ParsedModel> Read() {
    NextLine();
    if (line_ != "tree") Fail("a model of LightGBM begins with the line \"tree\"");
    if (status_.ok()) ReadHeader();
    if (status_.ok()) ReadTrees();
    if (status_.ok()) ReadParameters();
    if (!status_.ok()) return status_;
    return std::move(model_);
  }

 private:
  // "name=value" and the line on which it stands.
  struct Entry {
    std::string_view value;
    int64_t line = 0;
    bool is_there() const { return line > 0; }
  };
  using Section = std::vector<std::pair<std::string_view, Entry>>;

  void FailAt(int64_t line, std::string_view message) {
    if (status_.ok()) {
      status_ = absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", ToAbsl(message)));
    }
  }
  void Fail(std::string_view message) { FailAt(line_number_, message); }

  // Takes the next line, without its end, into line_; false at the end of the text.
  bool NextLine() {
    if (at_ >= text_.size()) return false;
    const size_t end = std::min(text_.find('\n', at_), text_.size());
    line_ = text_.substr(at_, end - at_);
    if (line_.ends_with('\r')) line_.remove_suffix(1);
    at_ = end + 1;
    ++line_number_;
    return true;
  }

  // Whether line_ stands behind the last tree; a model may have none.
  bool TreesEnd() const {
    return line_ == "end of trees" || line_ == "parameters:" ||
           line_.starts_with("feature_importances") || line_.starts_with("feature importances");
  }

  // Splits line_ at its '='; a line without one is a name.
  std::pair<std::string_view, Entry> LineEntry() const {
    const size_t split = line_.find('=');
    if (split == std::string_view::npos) return {line_, {"", line_number_}};
    return {line_.substr(0, split), {line_.substr(split + 1), line_number_}};
  }
  static Entry Find(const Section& section, std::string_view name) {
    for (auto entry = section.rbegin(); entry != section.rend(); ++entry) {
      if (entry->first == name) return entry->second;
    }
    return {};
  }
  // An entry that must be there.
  Entry Get(const Section& section, std::string_view name) {
    const Entry entry = Find(section, name);
    if (!entry.is_there()) Fail(absl::StrCat(ToAbsl(name), " is missing before this line"));
    return entry;
  }
  int64_t Integer(const Section& section, std::string_view name, int64_t least, int64_t most) {
    const Entry entry = Get(section, name);
    if (!entry.is_there()) return 0;
    const std::optional<int64_t> number = ToInteger(entry.value);
    if (number && *number >= least && *number <= most) return *number;
    FailAt(entry.line, absl::StrCat(ToAbsl(name), ": ", Quoted(entry.value),
                                    " is no whole number of ", least, " to ", most));
    return 0;
  }

  // The words of an entry, converted; as many as are expected.
  template <typename Number, typename Convert>
  std::vector<Number> Array(const Section& section, std::string_view name, size_t size,
                            Convert convert) {
    const Entry entry = Get(section, name);
    std::vector<Number> numbers;
    if (!status_.ok()) return numbers;
    const std::vector<std::string_view> words = Words(entry.value);
    if (words.size() != size) {
      FailAt(entry.line, absl::StrCat(ToAbsl(name), " has ", words.size(), " elements; ", size,
                                      " are expected"));
      return numbers;
    }
    numbers.reserve(size);
    for (const std::string_view word : words) {
      const auto number = convert(word);
      if (!number) {
        FailAt(entry.line, absl::StrCat(ToAbsl(name), ": ", Quoted(word), " is no number"));
        return {};
      }
      numbers.push_back(*number);
    }
    return numbers;
  }
  std::vector<double> Numbers(const Section& section, std::string_view name, size_t size) {
    return Array<double>(section, name, size, ToNumber);
  }
  std::vector<int64_t> Integers(const Section& section, std::string_view name, size_t size) {
    return Array<int64_t>(section, name, size, ToInteger);
  }

  void ReadHeader();
  void ReadObjective(const Entry& entry);
  void ReadTrees();
  void CheckTreeCount(const Section& header);
  bool HasLeavesOfLabels() const;
  ParsedTree ReadTree();
  void ReadSplits(const Section& section, ParsedTree& tree);
  void ReadSplit(int64_t decision, double threshold, ParsedNode& node);
  void ReadCategories(const Section& section, int64_t sets);
  void ReadLinear(const Section& section, ParsedTree& tree);
  void ReadParameters();

  const std::string_view text_;
  size_t at_ = 0;
  std::string_view line_;
  int64_t line_number_ = 0;

  absl::Status status_;
  ParsedModel model_;
  Section header_;
  std::vector<size_t> set_ends_;  // of the tree that is being read, in model_.category_bits
  size_t sets_begin_ = 0;
};

void LightgbmReader::ReadObjective(const Entry& entry) {
  // Of a custom objective the file says nothing: predictions are raw scores.
  if (!entry.is_there()) return;
  model_.info.objective = std::string(entry.value);
  const std::vector<std::string_view> words = Words(entry.value);
  const Objective* found = nullptr;
  for (const Objective& objective : kObjectives) {
    if (!words.empty() && objective.name == words[0]) found = &objective;
  }
  if (found == nullptr) {
    if (status_.ok()) {
      status_ = absl::UnimplementedError(absl::StrCat("line ", entry.line, ": the objective ",
                                                      Quoted(entry.value), " is not supported"));
    }
    return;
  }
  model_.link = found->link;
  for (const std::string_view word : words) {
    if (word == "sqrt" && found->has_sqrt) model_.link = Link::kSignedSquare;
    constexpr std::string_view kSigmoid = "sigmoid:";
    if (!word.starts_with(kSigmoid)) continue;
    const std::optional<double> sigmoid = ToNumber(word.substr(kSigmoid.size()));
    if (!sigmoid || !(*sigmoid > 0)) FailAt(entry.line, "sigmoid must be greater than 0");
    model_.sigmoid = sigmoid.value_or(1);
  }
}

void LightgbmReader::ReadHeader() {
  while (!line_.starts_with("Tree=") && !TreesEnd()) {
    if (!NextLine()) return Fail("the file ends before its first tree");
    if (!line_.empty()) header_.push_back(LineEntry());
  }
  model_.info.library = "LightGBM";
  model_.info.booster = "gbdt";
  model_.info.version = std::string(Find(header_, "version").value);
  const int64_t classes = Integer(header_, "num_class", 1, kMaxOutputs);
  const int64_t outputs = Find(header_, "num_tree_per_iteration").is_there()
                              ? Integer(header_, "num_tree_per_iteration", 1, kMaxOutputs)
                              : classes;
  model_.base.resize(static_cast<size_t>(outputs));
  const int64_t last_feature =
      Integer(header_, "max_feature_idx", 0, static_cast<int64_t>(kMaxFeatures) - 1);
  const Entry names = Get(header_, "feature_names");
  for (const std::string_view name : Words(names.value)) model_.info.features.emplace_back(name);
  if (static_cast<int64_t>(model_.info.features.size()) != last_feature + 1) {
    FailAt(names.line, absl::StrCat("feature_names has ", model_.info.features.size(),
                                    " elements; ", last_feature + 1, " are expected"));
  }
  ReadObjective(Find(header_, "objective"));
}

void LightgbmReader::ReadTrees() {
  while (status_.ok() && line_.starts_with("Tree=")) {
    const size_t number = model_.trees.size();
    model_.trees.push_back(ReadTree());
    model_.trees.back().output = static_cast<int64_t>(number % model_.base.size());
    while (status_.ok() && line_.empty()) {
      if (!NextLine()) return Fail("the file ends within its trees");
    }
  }
  if (!status_.ok()) return;
  if (!TreesEnd()) return Fail("a tree or the end of the trees is expected here");
  CheckTreeCount(header_);
}

void LightgbmReader::CheckTreeCount(const Section& header) {
  const Entry sizes = Find(header, "tree_sizes");
  const size_t trees = model_.trees.size();
  if (sizes.is_there() && Words(sizes.value).size() != trees) {
    return FailAt(sizes.line, absl::StrCat("tree_sizes has ", Words(sizes.value).size(),
                                           " elements; the file has ", trees, " trees"));
  }
  const size_t outputs = model_.base.size();
  if (trees % outputs != 0) {
    return Fail(absl::StrCat(trees, " trees are no multiple of num_tree_per_iteration, ", outputs));
  }
  model_.info.trees_in_file = trees;
  model_.info.trees = trees;
  if (!Find(header, "average_output").is_there()) return;
  model_.info.booster = "rf";
  model_.averaged_over = trees / outputs;
  if (model_.info.version == "v2" && HasLeavesOfLabels()) model_.link = Link::kIdentity;
}

// Up to 2.2.2 the leaves of a random forest are means of labels, and so is its prediction. 2.2.3
// writes the same version, but its leaves are scores and the link function follows: leaves that
// can't be means of labels tell.
bool LightgbmReader::HasLeavesOfLabels() const {
  constexpr double kRounding = 1e-6;
  if (model_.link == Link::kSignedSquare) return true;  // labels may be anything
  const double most = model_.link == Link::kExp ? std::numeric_limits<double>::infinity() : 1;
  const auto is_label = [&](const ParsedNode& node) {
    return !node.is_leaf() || (node.output >= -kRounding && node.output <= most + kRounding);
  };
  return std::all_of(model_.trees.begin(), model_.trees.end(), [&](const ParsedTree& tree) {
    return std::all_of(tree.nodes.begin(), tree.nodes.end(), is_label);
  });
}

// From the line "Tree=" up to the blank line behind it.
ParsedTree LightgbmReader::ReadTree() {
  Section section;
  ParsedTree tree;
  while (status_.ok()) {
    if (!NextLine()) {
      Fail("the file ends within a tree");
      return tree;
    }
    if (line_.empty()) break;
    section.push_back(LineEntry());
  }
  // A leaf takes two bytes at least.
  const int64_t leaves = Integer(section, "num_leaves", 1, static_cast<int64_t>(text_.size()));
  const std::vector<double> outputs = Numbers(section, "leaf_value", static_cast<size_t>(leaves));
  if (!status_.ok()) return tree;
  const auto splits = static_cast<size_t>(leaves - 1);
  tree.nodes.resize(splits + static_cast<size_t>(leaves));
  for (size_t i = 0; i < outputs.size(); ++i) tree.nodes[splits + i].output = outputs[i];
  if (splits > 0) ReadSplits(section, tree);
  const Entry is_linear = Find(section, "is_linear");
  if (is_linear.is_there() && is_linear.value != "0") ReadLinear(section, tree);
  return tree;
}

void LightgbmReader::ReadSplits(const Section& section, ParsedTree& tree) {
  const size_t splits = tree.nodes.size() / 2;
  const auto leaves = static_cast<int64_t>(splits + 1);
  const std::vector<int64_t> left = Integers(section, "left_child", splits);
  const std::vector<int64_t> right = Integers(section, "right_child", splits);
  const std::vector<int64_t> features = Integers(section, "split_feature", splits);
  const std::vector<double> thresholds = Numbers(section, "threshold", splits);
  std::vector<int64_t> decisions(splits);
  if (Find(section, "decision_type").is_there()) {
    decisions = Integers(section, "decision_type", splits);
  }
  ReadCategories(section, Integer(section, "num_cat", 0, static_cast<int64_t>(splits)));
  const auto cover = [&](std::string_view name, size_t size, size_t begin) {
    if (!Find(section, name).is_there()) return;
    const std::vector<double> counts = Numbers(section, name, size);
    for (size_t i = 0; i < counts.size(); ++i) tree.nodes[begin + i].cover = counts[i];
  };
  cover("internal_count", splits, 0);
  cover("leaf_count", splits + 1, splits);
  if (!status_.ok()) return;
  // A negative child is a leaf: -1 the first one, -2 the second.
  const auto place = [&](int64_t child) {
    if (child >= -leaves && child < static_cast<int64_t>(splits)) {
      return child >= 0 ? child : static_cast<int64_t>(splits) + ~child;
    }
    Fail(absl::StrCat("a child ", child, " is neither a split nor a leaf of the tree above"));
    return int64_t{0};
  };
  for (size_t i = 0; i < splits && status_.ok(); ++i) {
    ParsedNode& node = tree.nodes[i];
    node.left = place(left[i]);
    node.right = place(right[i]);
    node.feature = features[i];
    ReadSplit(decisions[i], thresholds[i], node);
  }
}

void LightgbmReader::ReadSplit(int64_t decision, double threshold, ParsedNode& node) {
  constexpr int64_t kCategorical = 1;
  constexpr int64_t kDefaultLeft = 2;
  if (decision < 0 || decision > 15) {
    return Fail(absl::StrCat("the tree above has a decision_type of ", decision));
  }
  if ((decision & kCategorical) != 0) {
    const bool is_number = threshold >= 0 && threshold < static_cast<double>(set_ends_.size());
    if (!is_number) {
      return Fail(absl::StrCat("the tree above has no set of categories ", threshold));
    }
    // A missing value goes right, whatever the missing type of the split.
    const auto set = static_cast<size_t>(threshold);
    node.is_categorical = true;
    node.categories_begin = set == 0 ? sets_begin_ : set_ends_[set - 1];
    node.categories_size = set_ends_[set] - node.categories_begin;
    return;
  }
  node.threshold = threshold;
  const int64_t missing = decision >> 2;
  node.zero_is_missing = missing == kZeroIsMissing;
  // Where nothing is missing NaN counts as zero.
  node.missing_left = missing == kNoneIsMissing || missing > kNanIsMissing
                          ? 0 <= threshold
                          : (decision & kDefaultLeft) != 0;
}

void LightgbmReader::ReadCategories(const Section& section, int64_t sets) {
  set_ends_.clear();
  sets_begin_ = model_.category_bits.size();
  if (!status_.ok() || sets == 0) return;
  const std::vector<int64_t> boundaries =
      Integers(section, "cat_boundaries", static_cast<size_t>(sets) + 1);
  if (!status_.ok()) return;
  const int64_t line = Find(section, "cat_boundaries").line;
  if (boundaries[0] != 0 || !std::is_sorted(boundaries.begin(), boundaries.end())) {
    return FailAt(line, "cat_boundaries must begin with 0 and ascend");
  }
  for (size_t i = 1; i < boundaries.size(); ++i) {
    set_ends_.push_back(sets_begin_ + static_cast<size_t>(boundaries[i]));
  }
  for (const int64_t word :
       Integers(section, "cat_threshold", static_cast<size_t>(boundaries.back()))) {
    if (word < 0 || word > UINT32_MAX) {
      return FailAt(Find(section, "cat_threshold").line,
                    absl::StrCat("cat_threshold: ", word, " has more than 32 bits"));
    }
    model_.category_bits.push_back(static_cast<uint32_t>(word));
  }
}

void LightgbmReader::ReadLinear(const Section& section, ParsedTree& tree) {
  const size_t splits = tree.nodes.size() / 2;
  const size_t leaves = splits + 1;
  const std::vector<double> constants = Numbers(section, "leaf_const", leaves);
  const std::vector<int64_t> counts = Integers(section, "num_features", leaves);
  if (!status_.ok()) return;
  size_t total = 0;
  for (const int64_t count : counts) {
    if (count < 0 || count > static_cast<int64_t>(kMaxFeatures)) {
      return FailAt(Find(section, "num_features").line,
                    absl::StrCat("num_features: ", count, " is out of range"));
    }
    total += static_cast<size_t>(count);
  }
  const std::vector<int64_t> features = Integers(section, "leaf_features", total);
  const std::vector<double> coefficients = Numbers(section, "leaf_coeff", total);
  if (!status_.ok()) return;
  size_t term = 0;
  for (size_t i = 0; i < leaves; ++i) {
    ParsedNode& leaf = tree.nodes[splits + i];
    leaf.is_linear = true;
    leaf.constant = constants[i];
    leaf.terms_begin = model_.linear_terms.size();
    leaf.terms_size = static_cast<size_t>(counts[i]);
    for (size_t end = term + leaf.terms_size; term < end; ++term) {
      model_.linear_terms.emplace_back(features[term], coefficients[term]);
    }
  }
}

// Only the parameters tell the booster.
void LightgbmReader::ReadParameters() {
  constexpr std::string_view kBoosting = "[boosting: ";
  do {
    if (line_.starts_with(kBoosting) && line_.ends_with(']') && model_.averaged_over == 0) {
      model_.info.booster =
          std::string(line_.substr(kBoosting.size(), line_.size() - kBoosting.size() - 1));
    }
  } while (NextLine());
}

}  // namespace

absl::StatusOr<ParsedModel> ReadLightgbm(std::string_view text) {
  return LightgbmReader(text).Read();
}

}  // namespace attune::trees
