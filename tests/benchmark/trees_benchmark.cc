// How long models of trees take. Where Debian's libxgboost-dev is installed its in-place prediction
// of the same model and rows is measured beside them, on one thread.

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "benchmark/benchmark.h"
#include "lib/trees/model_reader.h"
#include "lib/trees/packed_forest.h"

#if __has_include("xgboost/c_api.h")
#include "xgboost/c_api.h"
#define ATTUNE_HAS_XGBOOST 1
#endif

namespace attune::trees {
namespace {

constexpr int kTrees = 100;
constexpr int kDepth = 6;
constexpr int kFeatures = 50;
constexpr int kNodes = (2 << kDepth) - 1;  // of a full tree
constexpr int kSplits = kNodes / 2;
constexpr int kCategories = 16;

// Which features a model has.
enum class Kind {
  kNumbers,
  kMixed,  // every second feature is a category
};

bool IsCategorical(Kind kind, int feature) { return kind == Kind::kMixed && feature % 2 == 0; }

// A full tree with random splits, as XGBoost writes it.
std::string RandomTree(std::mt19937& random, Kind kind, int id) {
  std::vector<int> left(kNodes, -1);
  std::vector<int> right(kNodes, -1);
  std::vector<int> parents(kNodes, 2147483647);
  std::vector<int> features(kNodes);
  std::vector<int> default_left(kNodes);
  std::vector<float> conditions(kNodes);
  std::vector<int> types(kNodes);
  // Half of the categories go right.
  std::vector<int> categories;
  std::vector<int> category_nodes;
  std::vector<int> segments;
  std::vector<int> sizes;
  const std::vector<const char*> no_numbers(kNodes, "0E0");  // XGBoost tells them from integers
  std::uniform_real_distribution<float> real(-1, 1);
  for (int i = 0; i < kNodes; ++i) {
    conditions[i] = real(random);
    if (i > 0) parents[i] = (i - 1) / 2;
    if (2 * i + 2 >= kNodes) continue;
    left[i] = 2 * i + 1;
    right[i] = 2 * i + 2;
    features[i] = static_cast<int>(random() % kFeatures);
    default_left[i] = static_cast<int>(random() % 2);
    if (!IsCategorical(kind, features[i])) continue;
    types[i] = 1;
    category_nodes.push_back(i);
    segments.push_back(static_cast<int>(categories.size()));
    sizes.push_back(kCategories / 2);
    const int odd = static_cast<int>(random() % 2);
    for (int category = odd; category < kCategories; category += 2) categories.push_back(category);
  }
  const auto array = [](const char* name, const auto& values) {
    return absl::StrCat(", \"", name, "\": [", absl::StrJoin(values, ","), "]");
  };
  return absl::StrCat(R"({"tree_param": {"num_nodes": ")", kNodes, R"(", "num_feature": ")",
                      kFeatures, R"(", "num_deleted": "0", "size_leaf_vector": "0"}, "id": )", id,
                      array("left_children", left), array("right_children", right),
                      array("parents", parents), array("split_indices", features),
                      array("split_conditions", conditions), array("default_left", default_left),
                      array("split_type", types), array("sum_hessian", no_numbers),
                      array("base_weights", no_numbers), array("loss_changes", no_numbers),
                      array("categories", categories), array("categories_nodes", category_nodes),
                      array("categories_segments", segments), array("categories_sizes", sizes),
                      "}");
}

std::string RandomModel(Kind kind) {
  std::mt19937 random(7);
  std::vector<std::string> trees;
  trees.reserve(kTrees);
  for (int i = 0; i < kTrees; ++i) trees.push_back(RandomTree(random, kind, i));
  return absl::StrCat(R"({"version": [1, 7, 4], "learner": {"attributes": {}, "feature_names": [],
      "feature_types": [], "gradient_booster": {"name": "gbtree", "model": {"gbtree_model_param":
      {"num_trees": ")",
                      kTrees, R"(", "num_parallel_tree": "1", "size_leaf_vector": "0"},
      "tree_info": [)",
                      absl::StrJoin(std::vector<int>(kTrees), ","), R"(], "trees": [)",
                      absl::StrJoin(trees, ","), R"(]}}, "learner_model_param": {"base_score":
      "5E-1", "num_class": "0", "num_feature": ")",
                      kFeatures, R"(", "num_target": "1"}, "objective": {"name": "binary:logistic",
      "reg_loss_param": {"scale_pos_weight": "1"}}}})");
}

// The same trees as LightGBM writes them: split i has the children 2i + 1 and 2i + 2.
std::string RandomLightgbmModel() {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> real(-1, 1);
  std::vector<std::string> names;
  names.reserve(kFeatures);
  for (int i = 0; i < kFeatures; ++i) names.push_back(absl::StrCat("f", i));
  std::string text = absl::StrCat(
      "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=", kFeatures - 1,
      "\nobjective=binary sigmoid:1\nfeature_names=", absl::StrJoin(names, " "), "\n\n");
  for (int tree = 0; tree < kTrees; ++tree) {
    std::vector<int> left;
    std::vector<int> right;
    std::vector<int> features;
    std::vector<int> decisions;
    std::vector<double> thresholds;
    std::vector<double> leaves;
    const auto child = [](int node) { return node < kSplits ? node : kSplits - node - 1; };
    for (int i = 0; i < kSplits; ++i) {
      left.push_back(child(2 * i + 1));
      right.push_back(child(2 * i + 2));
      features.push_back(static_cast<int>(random() % kFeatures));
      decisions.push_back(8 + 2 * static_cast<int>(random() % 2));
      thresholds.push_back(real(random));
    }
    leaves.reserve(kSplits + 1);
    for (int i = 0; i <= kSplits; ++i) leaves.push_back(real(random));
    const auto line = [&text](const char* name, const auto& values) {
      absl::StrAppend(&text, name, "=", absl::StrJoin(values, " "), "\n");
    };
    absl::StrAppend(&text, "Tree=", tree, "\nnum_leaves=", kSplits + 1, "\nnum_cat=0\n");
    line("split_feature", features);
    line("threshold", thresholds);
    line("decision_type", decisions);
    line("left_child", left);
    line("right_child", right);
    line("leaf_value", leaves);
    text += "\n";
  }
  return text + "end of trees\n";
}

template <typename Number>
std::vector<Number> RandomRows(int64_t count, Kind kind = Kind::kNumbers) {
  std::mt19937 random(11);
  std::uniform_real_distribution<float> real(-1, 1);
  std::vector<Number> rows(static_cast<size_t>(count * kFeatures));
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool is_category = IsCategorical(kind, static_cast<int>(i % kFeatures));
    rows[i] = is_category ? static_cast<float>(random() % kCategories) : real(random);
  }
  return rows;
}

void Predict(benchmark::State& state, const std::string& text, Kind kind) {
  const auto model = ReadModel(text);
  if (!model.ok()) return state.SkipWithError(model.status().ToString().c_str());
  const std::vector<double> rows = RandomRows<double>(state.range(0), kind);
  std::vector<double> predictions(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    model->Predict(rows, absl::MakeSpan(predictions));
    benchmark::DoNotOptimize(predictions.data());
  }
}

void BM_Predict(benchmark::State& state) {
  Predict(state, RandomModel(Kind::kNumbers), Kind::kNumbers);
}
BENCHMARK(BM_Predict)->Arg(1)->Arg(50)->Unit(benchmark::kMicrosecond);

// Not packed: these are walked node by node.
void BM_PredictCategories(benchmark::State& state) {
  Predict(state, RandomModel(Kind::kMixed), Kind::kMixed);
}
BENCHMARK(BM_PredictCategories)->Arg(1)->Arg(50)->Unit(benchmark::kMicrosecond);

void BM_PredictLightgbm(benchmark::State& state) {
  Predict(state, RandomLightgbmModel(), Kind::kNumbers);
}
BENCHMARK(BM_PredictLightgbm)->Arg(1)->Arg(50)->Unit(benchmark::kMicrosecond);

PackedForest RandomForest() {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> real(-1, 1);
  PackedForest forest(kDepth);
  std::vector<PackedForest::Node> tree(kNodes);
  for (int number = 0; number < kTrees; ++number) {
    for (int i = 0; i < kNodes; ++i) {
      const auto feature = static_cast<uint32_t>(random() % kFeatures);
      tree[static_cast<size_t>(i)] = {i < kSplits ? 2 * i + 1 : -1, feature, random() % 2 == 0,
                                      real(random)};
    }
    forest.Add(tree, 0);
  }
  return forest;
}

// The sum of one row as a machine without AVX-512 makes it.
void BM_PortableRow(benchmark::State& state) {
  const PackedForest forest = RandomForest();
  const std::vector<float> row = RandomRows<float>(1);
  for (auto _ : state) {
    float score = 0;
    forest.AddRow(row.data(), &score);
    benchmark::DoNotOptimize(score);
  }
}
BENCHMARK(BM_PortableRow)->Unit(benchmark::kMicrosecond);

void BM_Contributions(benchmark::State& state) {
  const auto model = ReadModel(RandomModel(Kind::kNumbers));
  if (!model.ok()) return state.SkipWithError(model.status().ToString().c_str());
  const std::vector<double> row = RandomRows<double>(1);
  std::vector<double> contributions(kFeatures + 1);
  for (auto _ : state) {
    model->Contributions(row, 0, absl::MakeSpan(contributions));
    benchmark::DoNotOptimize(contributions.data());
  }
}
BENCHMARK(BM_Contributions)->Unit(benchmark::kMicrosecond);

#ifdef ATTUNE_HAS_XGBOOST

void BM_Libxgboost(benchmark::State& state) {
  BoosterHandle booster = nullptr;
  DMatrixHandle proxy = nullptr;
  const std::string model = RandomModel(Kind::kNumbers);
  if (XGBoosterCreate(nullptr, 0, &booster) != 0 || XGProxyDMatrixCreate(&proxy) != 0 ||
      XGBoosterLoadModelFromBuffer(booster, model.data(), model.size()) != 0 ||
      XGBoosterSetParam(booster, "nthread", "1") != 0) {
    return state.SkipWithError(XGBGetLastError());
  }
  const std::vector<float> rows = RandomRows<float>(state.range(0));
  const std::string array = absl::StrCat(R"({"data": [)", reinterpret_cast<uintptr_t>(rows.data()),
                                         R"(, true], "shape": [)", state.range(0), ", ", kFeatures,
                                         R"(], "typestr": "<f4", "version": 3})");
  constexpr char kOptions[] =
      R"({"type": 0, "missing": NaN, "iteration_begin": 0, "iteration_end": 0,
          "strict_shape": false, "cache_id": 0})";
  for (auto _ : state) {
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* predictions = nullptr;
    if (XGBoosterPredictFromDense(booster, array.c_str(), kOptions, proxy, &shape, &dimensions,
                                  &predictions) != 0) {
      return state.SkipWithError(XGBGetLastError());
    }
    benchmark::DoNotOptimize(predictions);
  }
  XGDMatrixFree(proxy);
  XGBoosterFree(booster);
}
BENCHMARK(BM_Libxgboost)->Arg(1)->Arg(50)->Unit(benchmark::kMicrosecond);

#endif

}  // namespace
}  // namespace attune::trees
