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

#if __has_include("xgboost/c_api.h")
#include "xgboost/c_api.h"
#define ATTUNE_HAS_XGBOOST 1
#endif

namespace attune::trees {
namespace {

constexpr int kTrees = 100;
constexpr int kDepth = 6;
constexpr int kFeatures = 50;

// A full tree with random splits, as XGBoost writes it.
std::string RandomTree(std::mt19937& random, int id) {
  constexpr int kNodes = (2 << kDepth) - 1;
  std::vector<int> left(kNodes, -1);
  std::vector<int> right(kNodes, -1);
  std::vector<int> parents(kNodes, 2147483647);
  std::vector<int> features(kNodes);
  std::vector<int> default_left(kNodes);
  std::vector<float> conditions(kNodes);
  const std::vector<int> zeros(kNodes);
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
  }
  const auto array = [](const char* name, const auto& values) {
    return absl::StrCat(", \"", name, "\": [", absl::StrJoin(values, ","), "]");
  };
  return absl::StrCat(R"({"tree_param": {"num_nodes": ")", kNodes, R"(", "num_feature": ")",
                      kFeatures, R"(", "num_deleted": "0", "size_leaf_vector": "0"}, "id": )", id,
                      array("left_children", left), array("right_children", right),
                      array("parents", parents), array("split_indices", features),
                      array("split_conditions", conditions), array("default_left", default_left),
                      array("split_type", zeros), array("sum_hessian", no_numbers),
                      array("base_weights", no_numbers), array("loss_changes", no_numbers),
                      R"(, "categories": [], "categories_nodes": [], "categories_segments": [],
                      "categories_sizes": []})");
}

std::string RandomModel() {
  std::mt19937 random(7);
  std::vector<std::string> trees;
  trees.reserve(kTrees);
  for (int i = 0; i < kTrees; ++i) trees.push_back(RandomTree(random, i));
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

template <typename Number>
std::vector<Number> RandomRows(int64_t count) {
  std::mt19937 random(11);
  std::uniform_real_distribution<float> real(-1, 1);
  std::vector<Number> rows(static_cast<size_t>(count * kFeatures));
  for (Number& value : rows) value = real(random);
  return rows;
}

void BM_Predict(benchmark::State& state) {
  const auto model = ReadModel(RandomModel());
  if (!model.ok()) return state.SkipWithError(model.status().ToString().c_str());
  const std::vector<double> rows = RandomRows<double>(state.range(0));
  std::vector<double> predictions(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    model->Predict(rows, absl::MakeSpan(predictions));
    benchmark::DoNotOptimize(predictions.data());
  }
}
BENCHMARK(BM_Predict)->Arg(1)->Arg(50)->Unit(benchmark::kMicrosecond);

void BM_Contributions(benchmark::State& state) {
  const auto model = ReadModel(RandomModel());
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
  const std::string model = RandomModel();
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
