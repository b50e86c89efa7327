// Models that others trained and published, with what the real libraries predict: ../shared/models.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "lib/trees/model_reader.h"
#include "tests/testing/paths.h"

namespace attune::trees {
namespace {

struct SharedModel {
  const char* folder;
  const char* file;
  bool expects_raw_scores;
  double tolerance;  // relative
};

// For the names of the tests.
void PrintTo(const SharedModel& model, std::ostream* out) { *out << model.folder; }

// Empty where the folder isn't there.
std::string ModelsFolder() {
  const char* named = std::getenv("ATTUNE_SHARED");
  const std::string shared = named != nullptr ? named : testing::SourcePath("../shared");
  return std::filesystem::is_directory(shared + "/models") ? shared + "/models/" : "";
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The numbers below the first row of a file without quotes; an empty cell is NaN.
std::vector<double> ReadNumbers(const std::string& path) {
  const std::string text = ReadFile(path);
  std::vector<double> numbers;
  size_t at = text.find('\n') + 1;
  while (at < text.size()) {
    const size_t end = std::min(text.find_first_of(",\n", at), text.size());
    double number = std::nan("");
    std::from_chars(text.data() + at, text.data() + end, number);
    numbers.push_back(number);
    at = end + 1;
  }
  return numbers;
}

class SharedModelTest : public ::testing::TestWithParam<SharedModel> {};

TEST_P(SharedModelTest, PredictsWhatTheLibraryPredicts) {
  if (ModelsFolder().empty()) GTEST_SKIP() << "there is no folder ../shared/models";
  const std::string folder = ModelsFolder() + GetParam().folder;
  const absl::StatusOr<TreeEnsemble> model = ReadModel(ReadFile(folder + "/" + GetParam().file));
  ASSERT_TRUE(model.ok()) << model.status();
  const std::vector<double> rows = ReadNumbers(folder + "/inputs.csv");
  const std::vector<double> expected = ReadNumbers(folder + "/expected.csv");
  ASSERT_FALSE(rows.empty());
  ASSERT_EQ(rows.size() / model->features() * model->outputs(), expected.size());
  std::vector<double> predictions(expected.size());
  if (GetParam().expects_raw_scores) {
    model->PredictRaw(rows, absl::MakeSpan(predictions));
  } else {
    model->Predict(rows, absl::MakeSpan(predictions));
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(predictions[i], expected[i], GetParam().tolerance * std::abs(expected[i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, SharedModelTest,
    ::testing::Values(SharedModel{"xgb_gbtree_agaricus", "model.json", false, 1e-6},
                      SharedModel{"xgb_gblinear_agaricus", "model.json", false, 1e-6},
                      SharedModel{"xgb_toy_categorical", "model.json", false, 1e-6},
                      SharedModel{"lgb_multiclass", "model.txt", false, 1e-12},
                      SharedModel{"lgb_dart_breast_cancer", "model.txt", false, 1e-12},
                      SharedModel{"lgb_rf_iris", "model.txt", false, 1e-12},
                      SharedModel{"lgb_kddcup99_categorical", "model.txt", true, 1e-12},
                      SharedModel{"lgb_poisson_fmtpl", "model.txt", false, 1e-12}),
    [](const auto& info) { return std::string(info.param.folder); });

}  // namespace
}  // namespace attune::trees
