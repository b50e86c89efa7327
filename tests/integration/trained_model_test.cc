// Models that XGBoost trains here, on real customers, put into the registry, named by the
// strategies in tests/data, and asked for every customer over gRPC: Attune's propensities are
// Python's.
//
// The data lie outside of the repository (real_data_test.cc says where), and so does XGBoost: the
// Python that ATTUNE_TRAIN_PYTHON names, or python3, must have it (tests/data/train/find_python).
// Where one of them is missing, the tests say that they skip.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/integration/real_data.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"
#include "tests/testing/paths.h"

namespace attune::service {
namespace {

using ::testing::HasSubstr;

struct TrainedCase {
  std::string name;          // of train.py's data set, and of the folder in tests/data
  std::string file;          // below the shared folder
  std::string stored;        // what the registry calls the model
  std::string model;         // which model of the strategy it takes the place of
  std::string features;      // what the strategy has to declare besides
  std::string group;         // of the treatment that is asked for
  std::string channel;       // on which it is
  double least_area = 0;     // under the curve, of rows that were held out
  double largest_brier = 1;  // of the same rows
};

void PrintTo(const TrainedCase& c, std::ostream* out) { *out << c.name; }

const TrainedCase kCases[] = {
    {.name = "telco",
     .file = "data/telco/telco_dev.csv",
     .stored = "churn",
     .model = "leaving",
     .features = "",
     .group = "care",
     .channel = "app",
     .least_area = 0.82,
     .largest_brier = 0.15},
    {.name = "bank",
     .file = "data/bank/bank_additional_dev.csv.gz",
     .stored = "acceptance",
     .model = "deposit_order",
     .features = "  - {name: month, type: string}\n"
                 "  - {name: day_of_week, type: string}\n"
                 "  - {name: emp_var_rate, type: double}\n"
                 "  - {name: cons_price_idx, type: double}\n"
                 "  - {name: cons_conf_idx, type: double}\n"
                 "  - {name: euribor3m, type: double}\n"
                 "  - {name: nr_employed, type: double}\n",
     .group = "deposit",
     .channel = "mobile",
     .least_area = 0.77,
     .largest_brier = 0.085},
};

constexpr double kTolerance = 1e-6;
constexpr size_t kDeciles = 10;

std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// A customer as Python knows it, and what Attune said.
struct Row {
  std::string id;
  double expected = 0;
  bool label = false;
  bool held_out = false;
  double propensity = -1;
};

std::vector<Row> ReadExpected(const std::string& path) {
  std::vector<Row> rows;
  ForEachCsvRow(path, {"id", "prediction", "label", "held_out"}, [&](const auto& fields) {
    Row& row = rows.emplace_back();
    row.id = std::string(fields[0]);
    EXPECT_TRUE(absl::SimpleAtod(std::string(fields[1]), &row.expected)) << fields[1];
    row.label = fields[2] == "1";
    row.held_out = fields[3] == "1";
  });
  return rows;
}

// The chance that a customer who did it has a higher propensity than one who did not; ties count
// half.
double AreaUnderCurve(std::vector<Row> rows) {
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return a.propensity < b.propensity; });
  double below = 0;  // that did not, with a lower propensity
  double wins = 0;
  double good = 0;
  for (size_t i = 0; i < rows.size();) {
    size_t end = i;
    double same_good = 0;
    for (; end < rows.size() && rows[end].propensity == rows[i].propensity; ++end) {
      same_good += rows[end].label ? 1 : 0;
    }
    const double same_bad = static_cast<double>(end - i) - same_good;
    wins += same_good * (below + same_bad / 2);
    below += same_bad;
    good += same_good;
    i = end;
  }
  return wins / (good * below);
}

struct Calibration {
  double brier = 0;
  double log_loss = 0;
  std::string table;  // by decile of the propensity
};

Calibration Calibrate(std::vector<Row> rows) {
  Calibration result;
  for (const Row& row : rows) {
    const double p = std::clamp(row.propensity, 1e-15, 1 - 1e-15);
    result.brier += (row.propensity - row.label) * (row.propensity - row.label);
    result.log_loss -= std::log(row.label ? p : 1 - p);
  }
  const auto count = static_cast<double>(rows.size());
  result.brier /= count;
  result.log_loss /= count;
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return a.propensity < b.propensity; });
  result.table = "decile  rows  propensity  happened\n";
  for (size_t decile = 0; decile < kDeciles; ++decile) {
    const size_t begin = rows.size() * decile / kDeciles;
    const size_t end = rows.size() * (decile + 1) / kDeciles;
    double propensity = 0;
    double happened = 0;
    for (size_t i = begin; i < end; ++i) {
      propensity += rows[i].propensity;
      happened += rows[i].label ? 1 : 0;
    }
    const auto size = static_cast<double>(end - begin);
    absl::StrAppendFormat(&result.table, "%6d%6d%12.4f%10.4f\n", decile + 1, end - begin,
                          propensity / size, happened / size);
  }
  return result;
}

class TrainedModelTest : public ::testing::TestWithParam<TrainedCase> {
 protected:
  void SetUp() override {
    const std::string shared = SharedFolder();
    if (shared.empty()) GTEST_SKIP() << kNoSharedFolder;
    const std::string python = FindPython("numpy, xgboost");
    if (python.empty()) {
      GTEST_SKIP() << "no Python with XGBoost is here: tests/data/train/find_python finds or makes "
                      "one, ATTUNE_TRAIN_PYTHON names it";
    }
    const RunResult trained =
        RunProgram({python, testing::SourcePath("tests/data/train/train.py"), GetParam().name,
                    shared + "/" + GetParam().file, dir_.File("trained")});
    ASSERT_EQ(trained.status, 0) << trained.output;
    std::printf("%s", trained.output.c_str());
    rows_ = ReadExpected(dir_.File("trained/expected.csv"));
    ASSERT_GT(rows_.size(), 1000u);
    std::filesystem::copy(testing::SourcePath("tests/data/") + GetParam().name,
                          dir_.File("strategy"), std::filesystem::copy_options::recursive);
    options_.strategy = dir_.File("strategy/strategy.yaml");
    options_.data_dir = dir_.File("data");
    options_.listen = "127.0.0.1:0";
    options_.metrics_listen = "";
    options_.seed = 1;
  }

  // The strategy of tests/data with the trained model in the place of one of its own, and a
  // treatment that is always ranked, so that its propensity is seen for everybody.
  std::string TrainedStrategy() const {
    const TrainedCase& c = GetParam();
    std::string text = ReadText(options_.strategy);
    text = Replaced(text, "\nfeatures:\n", absl::StrCat("\nfeatures:\n", c.features));
    text = Replaced(text, absl::StrCat("{name: ", c.model, ", file: models/", c.model, ".yaml}"),
                    absl::StrCat("{name: ", c.model, ", stored: ", c.stored,
                                 ", inputs: ", ReadText(dir_.File("trained/inputs.yaml")), "}"));
    return Replaced(text, "\narbitration:\n",
                    absl::StrCat("\n  - {name: probe, group: ", c.group, ", model: ", c.model,
                                 ", value: 1, must_show: true, content: {", c.channel,
                                 ": {text: probe}}}\narbitration:\n"));
  }

  void Start() { server_ = std::make_unique<LocalServer>(options_, &clock_); }

  RunResult Attunectl(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), OwnProgram("attunectl"));
    arguments.insert(arguments.end(),
                     {"--server", absl::StrCat("127.0.0.1:", server_->server().port())});
    return RunProgram(arguments);
  }

  // Asks for the propensity of every customer.
  void DecideForAll() {
    size_t asked = 0;
    size_t answered = 0;
    const grpc::Status status = server_->client().DecideStream(
        [&](v1::DecideStreamRequest& message) {
          if (asked == rows_.size()) return false;
          message.set_correlation_id(absl::StrCat(asked));
          v1::DecideRequest& request = *message.mutable_decide();
          request = DecideFor(rows_[asked++].id, GetParam().channel);
          request.add_treatment_ids("probe");
          request.set_dry_run(true);
          return true;
        },
        [&](const v1::DecideStreamResponse& message) {
          size_t index = 0;
          ASSERT_TRUE(absl::SimpleAtoi(message.correlation_id(), &index));
          ASSERT_EQ(message.decide().treatments_size(), 1) << message.ShortDebugString();
          EXPECT_FALSE(message.decide().unknown_customer());
          const v1::RankedTreatment& probe = message.decide().treatments(0);
          rows_[index].propensity = probe.propensity();
          EXPECT_THAT(probe.model_version(), HasSubstr(GetParam().stored + "@"));
          ++answered;
        });
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(answered, rows_.size());
  }

  testing::TempDir dir_;
  ManualClock clock_{Noon()};
  Options options_;
  std::vector<Row> rows_;
  std::unique_ptr<LocalServer> server_;
};

TEST_P(TrainedModelTest, GivesPythonsPropensityForEveryCustomer) {
  const TrainedCase& c = GetParam();
  Start();
  const RunResult put = Attunectl({"model", "put", c.stored, dir_.File("trained/model.json"),
                                   "--comment", "trained by the test"});
  ASSERT_EQ(put.status, 0) << put.output;
  server_.reset();
  WriteFile(options_.strategy, TrainedStrategy());
  Start();
  const RunResult imported =
      Attunectl({"import", "customers", "--csv", dir_.File("trained/customers.csv"), "--id", "id"});
  ASSERT_EQ(imported.status, 0) << imported.output;
  DecideForAll();
  if (HasFatalFailure()) return;

  double worst = 0;
  size_t differences = 0;
  for (const Row& row : rows_) {
    const double error = std::fabs(row.propensity - row.expected) / row.expected;
    worst = std::max(worst, error);
    if (!(error <= kTolerance) && ++differences <= 5) {
      ADD_FAILURE() << row.id << ": Attune " << row.propensity << ", Python " << row.expected;
    }
  }
  EXPECT_EQ(differences, 0u) << "of " << rows_.size();
  std::vector<Row> held_out;
  std::copy_if(rows_.begin(), rows_.end(), std::back_inserter(held_out),
               [](const Row& row) { return row.held_out; });
  const double area = AreaUnderCurve(held_out);
  const Calibration calibration = Calibrate(held_out);
  const std::string report = absl::StrFormat(
      "%s, model %s: %d customers, largest relative difference to XGBoost %.2g\n"
      "held out: %d customers, AUC %.4f, Brier %.4f, log loss %.4f\n%s",
      c.name, c.stored, rows_.size(), worst, held_out.size(), area, calibration.brier,
      calibration.log_loss, calibration.table);
  WriteFile(testing::BuildPath(absl::StrCat("trained_model_", c.name, ".txt")), report);
  std::printf("%s", report.c_str());
  EXPECT_GT(area, c.least_area);
  EXPECT_LT(calibration.brier, c.largest_brier);
}

INSTANTIATE_TEST_SUITE_P(All, TrainedModelTest, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace attune::service
