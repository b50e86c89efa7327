// The adaptive model on real customers: every one is predicted before it is learned, in the order
// of the file, and compared with logistic regression that was fitted to all of them at once.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "lib/learning/adaptive_model.h"
#include "lib/learning/model_health.h"
#include "tests/integration/real_data.h"

namespace attune::service {
namespace {

using learning::InputKind;
using learning::InputValue;

struct LearningData {
  std::string file;
  std::string label_column;
  std::string positive;
  std::vector<learning::InputSpec> inputs;
};

LearningData BankData() {
  // Without `duration`, which is known after the call only.
  LearningData data{"/data/bank/bank_additional_dev.csv.gz", "y", "yes", {}};
  for (const char* number : {"age", "campaign", "pdays", "previous", "emp_var_rate",
                             "cons_price_idx", "cons_conf_idx", "euribor3m", "nr_employed"}) {
    data.inputs.push_back({number, InputKind::kNumber});
  }
  for (const char* category : {"job", "marital", "education", "default", "housing", "loan",
                               "contact", "month", "day_of_week", "poutcome"}) {
    data.inputs.push_back({category, InputKind::kCategory});
  }
  return data;
}

LearningData TelcoData() {
  LearningData data{"/data/telco/telco_dev.csv", "Churn", "Yes", {}};
  for (const char* number : {"tenure", "MonthlyCharges", "TotalCharges"}) {
    data.inputs.push_back({number, InputKind::kNumber});
  }
  for (const char* category :
       {"gender", "SeniorCitizen", "Partner", "Dependents", "PhoneService", "MultipleLines",
        "InternetService", "OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport",
        "StreamingTV", "StreamingMovies", "Contract", "PaperlessBilling", "PaymentMethod"}) {
    data.inputs.push_back({category, InputKind::kCategory});
  }
  return data;
}

// Logistic regression on all rows, with one weight per category and one per standardised number,
// by Newton's method with a ridge of 1: as scikit-learn's with its defaults, but that the intercept
// is held back as well.
class BatchLogistic {
 public:
  explicit BatchLogistic(size_t numbers) : numbers_(numbers) {}

  // A number that is missing is its mean.
  void Add(const std::vector<double>& numbers, const std::vector<std::string>& categories,
           double label) {
    numbers_.Add(numbers);
    Row row{{IndexOf("intercept")}, numbers, label};
    for (size_t i = 0; i < categories.size(); ++i) {
      row.ones.push_back(IndexOf(absl::StrFormat("%d %s", i, categories[i])));
    }
    rows_.push_back(std::move(row));
  }

  // The mean log-loss of the rows once the weights are found.
  double Fit() {
    const size_t size = index_.size() + numbers_.size();
    std::vector<double> weights(size);
    constexpr int kSteps = 7;
    double loss = 0;
    for (int step = 0; step <= kSteps; ++step) {
      std::vector<double> gradient(size);
      std::vector<double> hessian(size * size);
      for (size_t i = 0; i < size; ++i) {
        gradient[i] = -weights[i];
        hessian[i * size + i] = 1;
      }
      loss = 0;
      for (const Row& row : rows_) {
        const std::vector<Part> parts = PartsOf(row);
        double log_odds = 0;
        for (const Part& part : parts) log_odds += weights[part.at] * part.value;
        const double p = learning::Sigmoid(log_odds);
        loss += learning::LogLoss(p, row.label);
        for (const Part& one : parts) {
          gradient[one.at] += one.value * (row.label - p);
          double* const line = &hessian[one.at * size];
          const double factor = one.value * p * (1 - p);
          for (const Part& other : parts) line[other.at] += factor * other.value;
        }
      }
      if (step < kSteps) Move(hessian, gradient, weights);
    }
    return loss / static_cast<double>(rows_.size());
  }

 private:
  struct Row {
    std::vector<size_t> ones;  // weights
    std::vector<double> numbers;
    double label = 0;
  };
  struct Part {
    size_t at = 0;
    double value = 1;
  };

  // Means and deviations of columns.
  class Columns {
   public:
    explicit Columns(size_t size) : counts_(size), sums_(size), squares_(size) {}
    void Add(const std::vector<double>& numbers) {
      for (size_t i = 0; i < numbers.size(); ++i) {
        if (std::isnan(numbers[i])) continue;
        ++counts_[i];
        sums_[i] += numbers[i];
        squares_[i] += numbers[i] * numbers[i];
      }
    }
    double Standardised(size_t i, double number) const {
      if (std::isnan(number)) return 0;
      const double mean = sums_[i] / counts_[i];
      return (number - mean) / std::sqrt(squares_[i] / counts_[i] - mean * mean);
    }
    size_t size() const { return counts_.size(); }

   private:
    std::vector<double> counts_;
    std::vector<double> sums_;
    std::vector<double> squares_;
  };

  size_t IndexOf(const std::string& name) {
    return index_.emplace(name, index_.size()).first->second;
  }

  std::vector<Part> PartsOf(const Row& row) const {
    std::vector<Part> parts;
    for (const size_t one : row.ones) parts.push_back({one, 1});
    for (size_t i = 0; i < row.numbers.size(); ++i) {
      parts.push_back({index_.size() + i, numbers_.Standardised(i, row.numbers[i])});
    }
    return parts;
  }

  // Adds the solution of matrix x = right to the weights. REQUIRES: it is positive definite.
  static void Move(std::vector<double>& matrix, std::vector<double>& right,
                   std::vector<double>& weights) {
    const size_t size = right.size();
    for (size_t pivot = 0; pivot < size; ++pivot) {
      for (size_t row = pivot + 1; row < size; ++row) {
        const double factor = matrix[row * size + pivot] / matrix[pivot * size + pivot];
        if (factor == 0) continue;
        for (size_t i = pivot; i < size; ++i) {
          matrix[row * size + i] -= factor * matrix[pivot * size + i];
        }
        right[row] -= factor * right[pivot];
      }
    }
    for (size_t row = size; row-- > 0;) {
      for (size_t i = row + 1; i < size; ++i) right[row] -= matrix[row * size + i] * right[i];
      right[row] /= matrix[row * size + row];
      weights[row] += right[row];
    }
  }

  Columns numbers_;
  absl::flat_hash_map<std::string, size_t> index_;
  std::vector<Row> rows_;
};

struct LearnedData {
  learning::HealthReport report;
  double batch_log_loss = 0;
};

// Learns all rows with what a model starts with by default.
void LearnData(const LearningData& data, LearnedData& result) {
  const auto layout = learning::InputLayout::Create(data.inputs, {}, {});
  ASSERT_TRUE(layout.ok()) << layout.status();
  auto model = learning::AdaptiveModel::Create(*layout, {});
  ASSERT_TRUE(model.ok()) << model.status();
  learning::ModelHealth health(*layout, {absl::ZeroDuration()});
  BatchLogistic batch((*layout)->columns());
  std::vector<std::string> columns = {data.label_column};
  for (const learning::InputSpec& input : data.inputs) columns.push_back(input.name);
  uint64_t id = 0;
  std::vector<InputValue> values;
  ForEachCsvRow(SharedFolder() + data.file, columns, [&](const auto& fields) {
    values.clear();
    std::vector<double> numbers;
    std::vector<std::string> categories;
    for (size_t i = 0; i < data.inputs.size(); ++i) {
      const std::string_view field = fields[i + 1];
      if (data.inputs[i].kind == InputKind::kCategory) {
        values.push_back(InputValue::Category(field));
        categories.emplace_back(field);
        continue;
      }
      double number = std::nan("");
      if (!absl::SimpleAtod({field.data(), field.size()}, &number)) number = std::nan("");
      values.push_back(InputValue::Number(number));
      numbers.push_back(number);
    }
    const double label = fields[0] == data.positive ? 1 : 0;
    batch.Add(numbers, categories, label);
    const absl::Time time = absl::FromUnixSeconds(static_cast<int64_t>(id));
    const auto predicted = model->Learn({id, time, 0, 0, label, 1, values});
    ASSERT_TRUE(predicted.ok()) << predicted.status();
    ASSERT_TRUE(health.Add({id, time, predicted->propensity, label, values}).ok());
    ++id;
  });
  result.report = health.Report();
  result.batch_log_loss = batch.Fit();
  std::cout << absl::StrFormat(
      "%s: %d rows, log-loss %.4f; of the best constant %.4f, of batch logistic regression on the "
      "same rows %.4f; AUC %.3f\n",
      data.file, result.report.responses, result.report.log_loss, result.report.constant_log_loss,
      result.batch_log_loss, result.report.auc.value_or(0.5));
}

TEST(LearningDataTest, LearnsBankCustomersNearlyAsWellAsBatchRegressionFitsThem) {
  if (SharedFolder().empty()) GTEST_SKIP() << kNoSharedFolder;
  LearnedData learned;
  const LearningData data = BankData();
  ASSERT_NO_FATAL_FAILURE(LearnData(data, learned));
  EXPECT_EQ(learned.report.responses, 28'905);
  EXPECT_LT(learned.report.log_loss, learned.report.constant_log_loss);
  EXPECT_LT(learned.report.log_loss, 1.03 * learned.batch_log_loss);
  EXPECT_GT(*learned.report.auc, 0.77);
  // On the whole it promises what comes.
  double expected = 0;
  for (const auto& bin : learned.report.calibration) expected += bin.count * bin.expected;
  EXPECT_NEAR(expected / learned.report.positives, 1, 0.05);
  // The economy changed from the first thousand calls to the last; who has a loan did not.
  ASSERT_EQ(data.inputs[8].name, "nr_employed");
  ASSERT_EQ(data.inputs[14].name, "loan");
  ASSERT_TRUE(learned.report.drift[8].has_value());
  ASSERT_TRUE(learned.report.drift[14].has_value());
  EXPECT_GT(*learned.report.drift[8], 1);
  EXPECT_LT(*learned.report.drift[14], 0.1);
}

TEST(LearningDataTest, LearnsTelephoneCustomersThoughThereAreFew) {
  if (SharedFolder().empty()) GTEST_SKIP() << kNoSharedFolder;
  LearnedData learned;
  ASSERT_NO_FATAL_FAILURE(LearnData(TelcoData(), learned));
  EXPECT_EQ(learned.report.responses, 4888);
  EXPECT_LT(learned.report.log_loss, 0.8 * learned.report.constant_log_loss);
  // What 5000 rows teach is not known when the first are predicted.
  EXPECT_LT(learned.report.log_loss, 1.06 * learned.batch_log_loss);
  EXPECT_GT(*learned.report.auc, 0.8);
}

}  // namespace
}  // namespace attune::service
