// Models that XGBoost itself trains here, with what it predicts. Built where Debian's
// libxgboost-dev is installed.

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "lib/trees/model_reader.h"
#include "tests/unit/trees/model_texts.h"
#include "xgboost/c_api.h"

namespace attune::trees {
namespace {

constexpr size_t kRows = 300;
constexpr size_t kFeatures = 6;
constexpr int kClasses = 3;

void Check(int result) { ASSERT_EQ(result, 0) << XGBGetLastError(); }

struct FreeBooster {
  void operator()(BoosterHandle booster) const { XGBoosterFree(booster); }
};
struct FreeMatrix {
  void operator()(DMatrixHandle matrix) const { XGDMatrixFree(matrix); }
};
using Booster = std::unique_ptr<void, FreeBooster>;
using Matrix = std::unique_ptr<void, FreeMatrix>;

struct Table {
  std::vector<float> values;
  std::vector<float> labels;
};

Table RandomTable(bool has_missing, bool has_classes) {
  std::mt19937 random(20261122);
  std::uniform_real_distribution<float> real(-1, 1);
  Table table;
  for (size_t row = 0; row < kRows; ++row) {
    float sum = 0;
    for (size_t feature = 0; feature < kFeatures; ++feature) {
      const float value = real(random);
      sum += value;
      const bool is_missing = has_missing && random() % 5 == 0;
      table.values.push_back(is_missing ? static_cast<float>(kMissing) : value);
    }
    const int label = static_cast<int>(std::floor(sum + 1.5F + real(random) / 2));
    table.labels.push_back(static_cast<float>(std::min(std::max(label, 0), kClasses - 1)));
    // Of two classes, or of how likely one is: 0 or 1.
    if (!has_classes && table.labels.back() > 1) table.labels.back() = 1;
  }
  return table;
}

// Booster, objective, whether values are missing.
using Case = std::tuple<const char*, const char*, bool>;

class XgboostLibraryTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const auto& [booster, objective, has_missing] = GetParam();
    const bool has_classes = std::string(objective).starts_with("multi:");
    table_ = RandomTable(has_missing, has_classes);
    // A gamma is never 0.
    if (std::string(objective) == "reg:gamma") {
      for (float& label : table_.labels) label += 0.5F;
    }
    DMatrixHandle matrix = nullptr;
    Check(XGDMatrixCreateFromMat_omp(table_.values.data(), kRows, kFeatures,
                                     static_cast<float>(kMissing), &matrix, /*nthread=*/1));
    matrix_.reset(matrix);
    Check(XGDMatrixSetFloatInfo(matrix, "label", table_.labels.data(), kRows));
    BoosterHandle handle = nullptr;
    Check(XGBoosterCreate(&matrix, 1, &handle));
    booster_.reset(handle);
    const std::pair<const char*, const char*> parameters[] = {
        {"nthread", "1"},   {"booster", booster}, {"objective", objective},
        {"max_depth", "4"}, {"seed", "7"},        {"base_score", "0.3"},
        {"eta", "0.3"},     {"rate_drop", "0.3"}, {"verbosity", "0"},
    };
    for (const auto& [name, value] : parameters) Check(XGBoosterSetParam(handle, name, value));
    if (has_classes) Check(XGBoosterSetParam(handle, "num_class", absl::StrCat(kClasses).c_str()));
    for (int round = 0; round < 12; ++round) Check(XGBoosterUpdateOneIter(handle, round, matrix));
  }

  std::string Save(const std::string& format) const {
    bst_ulong size = 0;
    const char* bytes = nullptr;
    const std::string options = absl::StrCat(R"({"format": ")", format, R"("})");
    Check(XGBoosterSaveModelToBuffer(booster_.get(), options.c_str(), &size, &bytes));
    return {bytes, size};
  }

  // Type 0 are predictions, 1 raw scores, 3 approximate contributions.
  std::vector<double> Expected(int type) const {
    const std::string options = absl::StrCat(
        R"({"type": )", type,
        R"(, "training": false, "iteration_begin": 0, "iteration_end": 0, "strict_shape": false})");
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* predictions = nullptr;
    Check(XGBoosterPredictFromDMatrix(booster_.get(), matrix_.get(), options.c_str(), &shape,
                                      &dimensions, &predictions));
    size_t size = 1;
    for (bst_ulong i = 0; i < dimensions; ++i) size *= shape[i];
    return {predictions, predictions + size};
  }

  Table table_;
  Matrix matrix_;
  Booster booster_;
};

void ExpectSame(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], 1e-6 * std::abs(expected[i])) << i;
  }
}

TEST_P(XgboostLibraryTest, PredictsWhatTheLibraryPredicts) {
  const std::vector<double> rows(table_.values.begin(), table_.values.end());
  for (const char* format : {"json", "ubj"}) {
    SCOPED_TRACE(format);
    const TreeEnsemble model = MustRead(Save(format));
    std::vector<double> scores(kRows * model.raw_outputs());
    model.PredictRaw(rows, absl::MakeSpan(scores));
    ExpectSame(scores, Expected(1));
    std::vector<double> predictions(kRows * model.outputs());
    model.Predict(rows, absl::MakeSpan(predictions));
    ExpectSame(predictions, Expected(0));
  }
}

TEST_P(XgboostLibraryTest, ContributesWhatTheLibraryApproximates) {
  if (std::string(std::get<1>(GetParam())) == "binary:hinge") {
    GTEST_SKIP() << "its covers are too small for the single precision of the library";
  }
  const std::vector<double> expected = Expected(3);
  const TreeEnsemble model = MustRead(Save("json"));
  const std::vector<double> rows(table_.values.begin(), table_.values.end());
  const size_t outputs = model.raw_outputs();
  ASSERT_EQ(expected.size(), kRows * outputs * (kFeatures + 1));
  std::vector<double> contributions(kFeatures + 1);
  for (size_t i = 0; i < kRows * outputs; ++i) {
    model.Contributions(absl::MakeConstSpan(rows).subspan(i / outputs * kFeatures, kFeatures),
                        i % outputs, absl::MakeSpan(contributions));
    for (size_t feature = 0; feature <= kFeatures; ++feature) {
      // The library sums up in single precision.
      ASSERT_NEAR(contributions[feature], expected[i * (kFeatures + 1) + feature], 1e-4)
          << i << ", " << feature;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, XgboostLibraryTest,
    ::testing::Combine(::testing::Values("gbtree", "dart", "gblinear"),
                       ::testing::Values("reg:squarederror", "reg:logistic", "reg:pseudohubererror",
                                         "binary:logistic", "binary:logitraw", "binary:hinge",
                                         "multi:softprob", "multi:softmax", "count:poisson",
                                         "reg:gamma", "reg:tweedie"),
                       ::testing::Bool()),
    [](const auto& info) {
      std::string name = absl::StrCat(std::get<0>(info.param), "_", std::get<1>(info.param),
                                      std::get<2>(info.param) ? "_missing" : "");
      for (char& c : name) {
        if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '_';
      }
      return name;
    });

}  // namespace
}  // namespace attune::trees
