#ifndef ATTUNE_TESTS_UNIT_TREES_MODEL_TEXTS_H_
#define ATTUNE_TESTS_UNIT_TREES_MODEL_TEXTS_H_

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "lib/trees/model_reader.h"

namespace attune::trees {

inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// A tree of one split as XGBoost writes it: what is less than `condition` goes left.
inline std::string XgboostStump(int feature, const std::string& condition, bool default_left,
                                const std::string& left, const std::string& right) {
  return absl::StrCat(R"({"tree_param": {"num_nodes": "3", "size_leaf_vector": "1"},
      "left_children": [1, -1, -1], "right_children": [2, -1, -1], "split_indices": [)",
                      feature, R"(, 0, 0], "split_conditions": [)", condition, ", ", left, ", ",
                      right, R"(], "default_left": [)", default_left ? 1 : 0,
                      R"(, 0, 0], "sum_hessian": [4, 3, 1]})");
}

// A split on whether feature 0 is one of the categories, which go right.
inline std::string XgboostCategoryStump(const std::vector<int>& categories, bool default_left) {
  return absl::StrCat(R"({"tree_param": {"num_nodes": "3"}, "left_children": [1, -1, -1],
      "right_children": [2, -1, -1], "split_indices": [0, 0, 0], "split_conditions": [NaN, -1, 1],
      "default_left": [)",
                      default_left ? "true" : "false",
                      R"(, false, false], "split_type": [1, 0, 0], "categories_nodes": [0],
      "categories_segments": [0], "categories_sizes": [)",
                      categories.size(), R"(], "categories": [)", absl::StrJoin(categories, ", "),
                      "]}");
}

// What of a model of XGBoost a test wants to be different.
struct XgboostText {
  std::string objective = "reg:squarederror";
  std::string base_score = "\"0\"";
  std::string classes = "0";
  std::string features = "3";
  std::vector<std::string> trees = {XgboostStump(0, "0.5", true, "1", "2")};
  std::string tree_info = "[0]";
  std::string attributes = "{}";
  std::string version = "[3, 1, 0]";
  std::string of_model;    // further members: of the model
  std::string of_booster;  // of the booster
  std::string name = "gbtree";

  std::string Model() const {
    return absl::StrCat(R"({"gbtree_model_param": {"num_trees": ")", trees.size(),
                        R"("}, "tree_info": )", tree_info, R"(, "trees": [)",
                        absl::StrJoin(trees, ", "), "]", of_model, "}");
  }
  std::string ToString() const { return WithBooster(absl::StrCat(R"("model": )", Model())); }
  // With other members of the booster than a model.
  std::string WithBooster(const std::string& members) const {
    return absl::StrCat(R"({"version": )", version, R"(, "learner": {"attributes": )", attributes,
                        R"(, "gradient_booster": {"name": ")", name, R"(", )", members, of_booster,
                        R"(}, "learner_model_param": {"base_score": )", base_score,
                        R"(, "num_class": ")", classes, R"(", "num_feature": ")", features,
                        R"("}, "objective": {"name": ")", objective, R"("}}})");
  }
};

// A tree of one split as LightGBM writes it: what is at most the threshold goes left.
inline std::string LightgbmStump(int decision_type, const std::string& threshold,
                                 const std::string& more = "") {
  return absl::StrCat("Tree=0\nnum_leaves=2\nnum_cat=", decision_type & 1,
                      "\nsplit_feature=0\nthreshold=", threshold, "\ndecision_type=", decision_type,
                      "\nleft_child=-1\nright_child=-2\nleaf_value=-1 1\nleaf_count=1 3\n", more,
                      "shrinkage=1\n\n\n");
}

struct LightgbmText {
  std::string version = "v4";
  std::string classes = "1";
  std::string objective = "objective=regression\n";
  std::string more;  // further lines of the header
  std::vector<std::string> trees = {LightgbmStump(8 + 2, "0.5")};
  std::string end = "end of trees\n\nfeature_importances:\nparameters:\n[boosting: dart]\n";

  std::string ToString() const {
    return absl::StrCat(
        "tree\nversion=", version, "\nnum_class=", classes, "\nnum_tree_per_iteration=", classes,
        "\nlabel_index=0\nmax_feature_idx=2\n", objective, more,
        "feature_names=a b c\nfeature_infos=none none none\n\n", absl::StrJoin(trees, ""), end);
  }
};

inline TreeEnsemble MustRead(const std::string& text) {
  absl::StatusOr<TreeEnsemble> model = ReadModel(text);
  EXPECT_TRUE(model.ok()) << model.status() << "\n" << text;
  return *std::move(model);
}

// The predictions for one row.
inline std::vector<double> PredictRow(const TreeEnsemble& model, const std::vector<double>& row) {
  std::vector<double> predictions(model.outputs());
  model.Predict(row, absl::MakeSpan(predictions));
  return predictions;
}

}  // namespace attune::trees

#endif  // ATTUNE_TESTS_UNIT_TREES_MODEL_TEXTS_H_
