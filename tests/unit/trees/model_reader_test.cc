#include "lib/trees/model_reader.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/testing/mutations.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::trees {
namespace {

using ::testing::HasSubstr;

TEST(ModelReader, SaysWhatAFileIsThatItCannotRead) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "the file is empty"},
      {" \n", "the file is empty"},
      {"binf\1\2", "old binary format"},
      {"\x80\x04\x95", "pickle"},
      {"kind: linear\n", "neither a model of XGBoost"},
      {"{", "the file ends in the middle of a value"},
      {"{}", "learner: is missing; this is JSON, but no model of XGBoost"},
      {"[1, 2]", "this is JSON, but no model of XGBoost"},
      {R"({"name":"tree",
        "version":"v4", "tree_info":[)",
       "LightGBM's dump_model() gives; save the model with"},
      {R"({ "name": "tree", "version": "v4"})", "dump_model()"},
      {"[\n  { \"nodeid\": 0, \"depth\": 0,", "a dump of XGBoost's trees; save the model with"},
      {"booster[0]:\n0:[f0<0.5] yes=1,no=2", "a dump of XGBoost's trees"},
      {"tree\n", "the file ends before its first tree"},
  };
  for (const auto& [bytes, problem] : cases) {
    const absl::StatusOr<TreeEnsemble> model = ReadModel(bytes);
    ASSERT_FALSE(model.ok()) << bytes;
    EXPECT_THAT(std::string(model.status().message()), HasSubstr(problem)) << bytes;
  }
}

TEST(ModelReader, SkipsAByteOrderMark) {
  EXPECT_TRUE(ReadModel("\xEF\xBB\xBF" + XgboostText().ToString()).ok());
  EXPECT_TRUE(ReadModel("\xEF\xBB\xBF" + LightgbmText().ToString()).ok());
}

// Whatever becomes of a model's bytes: it is refused, or it can be used.
void SurvivesEveryMutation(const std::string& bytes) {
  int64_t readable = 0;
  testing::ForEachMutation(bytes, 4000, [&](const std::string& mutated) {
    const absl::StatusOr<TreeEnsemble> model = ReadModel(mutated);
    if (!model.ok()) {
      EXPECT_NE(model.status().message(), "");
      return;
    }
    ++readable;
    if (model->features() * model->raw_outputs() > 1'000'000) return;
    for (const double value : {0.0, 1.0, kMissing}) {
      const std::vector<double> row(model->features(), value);
      PredictRow(*model, row);
      std::vector<double> contributions(model->features() + 1);
      model->Contributions(row, model->raw_outputs() - 1, absl::MakeSpan(contributions));
    }
  });
  EXPECT_GT(readable, 0);
}

std::string SmallXgboost() {
  XgboostText text;
  text.objective = "multi:softprob";
  text.classes = "2";
  text.trees = {XgboostStump(0, "0.5", true, "1", "2"), XgboostCategoryStump({1, 40}, true)};
  text.tree_info = "[0, 1]";
  text.attributes = R"({"best_iteration": "0"})";
  text.of_model = R"(, "weight_drop": [1, 0.5], "iteration_indptr": [0, 2])";
  return text.ToString();
}

TEST(ModelReader, SurvivesDamagedJson) { SurvivesEveryMutation(SmallXgboost()); }

TEST(ModelReader, SurvivesDamagedUbjson) {
  std::string text = SmallXgboost();
  text.replace(text.find("NaN"), 3, "0.0");  // which the packaged reader doesn't know
  const nlohmann::json json = nlohmann::json::parse(text);
  for (const bool typed : {false, true}) {
    const std::vector<uint8_t> bytes = nlohmann::json::to_ubjson(json, typed, typed);
    SurvivesEveryMutation(std::string(bytes.begin(), bytes.end()));
  }
}

TEST(ModelReader, SurvivesDamagedText) {
  LightgbmText text;
  text.objective = "objective=binary sigmoid:1\n";
  text.trees = {
      LightgbmStump(1, "0", "cat_boundaries=0 2\ncat_threshold=1 2\n"),
      LightgbmStump(8, "0.5",
                    "is_linear=1\nleaf_const=10 20\nnum_features=2 0\n"
                    "leaf_features=1 2  \nleaf_coeff=2 3  \n"),
  };
  SurvivesEveryMutation(text.ToString());
}

}  // namespace
}  // namespace attune::trees
