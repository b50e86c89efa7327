// The calls of a bank, in their order: each is decided, so predicted, before its outcome is
// reported and learned. What the server said is compared with the best constant and with
// scikit-learn's logistic regression, which was fitted to all calls at once.
//
// Needs data outside of the repository, see real_data.h, and for the regression a Python with
// scikit-learn; skips without them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/absl_strings.h"
#include "tests/integration/real_data.h"
#include "tests/integration/server_fixture.h"
#include "tests/integration/subprocess.h"
#include "tests/testing/effort.h"
#include "tests/testing/paths.h"

namespace attune::service {
namespace {

constexpr char kCallsFile[] = "/data/bank/bank_additional_dev.csv.gz";
// Where the code is not optimised, only so many of them are made.
constexpr size_t kMostCalls = testing::kOptimized ? 1'000'000 : 1000;
// Calls that are under way at once: each is decided before what comes of any of them is known.
constexpr size_t kCallsAtOnce = 25;
constexpr char kTreatment[] = "term_deposit";

constexpr size_t kNumbers = 9;
constexpr size_t kCategories = 10;
// Columns, and the attributes of the strategy: the same but for one.
const std::vector<std::string>& CallColumns() {
  static const auto* const columns = new std::vector<std::string>{
      "age",           "campaign",  "pdays",       "previous", "emp_var_rate", "cons_price_idx",
      "cons_conf_idx", "euribor3m", "nr_employed", "job",      "marital",      "education",
      "default",       "housing",   "loan",        "contact",  "month",        "day_of_week",
      "poutcome"};
  return *columns;
}
std::string AttributeOf(const std::string& column) {
  return column == "default" ? "in_default" : column;
}

struct BankCall {
  v1::DecideRequest request;
  bool subscribed = false;
  // What the server answered.
  std::string decision_id;
  double propensity = -1;
};

// In nats.
double LossOf(double propensity, bool happened) {
  return -std::log(happened ? propensity : 1 - propensity);
}

class CallReplayTest : public ServerTest {
 protected:
  void SetUp() override {
    const std::string shared = SharedFolder();
    if (shared.empty()) GTEST_SKIP() << kNoSharedFolder;
    data_ = shared + kCallsFile;
    ReadCalls();
    ASSERT_FALSE(HasFailure());
    options_.strategy = testing::SourcePath("tests/data/bank/learning.yaml");
    options_.replay_clock = true;
    Start();
  }

  void ReadCalls() {
    std::vector<std::string> columns = {"row", "y"};
    columns.insert(columns.end(), CallColumns().begin(), CallColumns().end());
    ASSERT_EQ(CallColumns().size(), kNumbers + kCategories);
    ForEachCsvRow(data_, columns, [&](const auto& fields) {
      if (calls_.size() == kMostCalls) return;
      BankCall& call = calls_.emplace_back();
      call.subscribed = fields[1] == "yes";
      subscribed_ += call.subscribed ? 1 : 0;
      call.request = DecideFor(std::string(fields[0]), "phone");
      // The file has the order of the calls and not their times: a call a second.
      *call.request.mutable_time() =
          ToProtoTime(Noon() + absl::Seconds(static_cast<int64_t>(calls_.size())));
      auto& attributes = *call.request.mutable_attributes();
      for (size_t i = 0; i < CallColumns().size(); ++i) {
        const std::string_view field = fields[2 + i];
        v1::Value& value = attributes[AttributeOf(CallColumns()[i])];
        if (i >= kNumbers) {
          value = String(std::string(field));
          continue;
        }
        double number = 0;
        ASSERT_TRUE(absl::SimpleAtod(ToAbsl(field), &number)) << CallColumns()[i] << ": " << field;
        value = Double(number);
      }
    });
  }

  void DecideCalls(size_t begin, size_t end) {
    size_t next = begin;
    size_t answered = 0;
    const grpc::Status status = client().DecideStream(
        [&](v1::DecideStreamRequest& message) {
          if (next == end) return false;
          message.set_correlation_id(absl::StrCat(next));
          *message.mutable_decide() = calls_[next++].request;
          return true;
        },
        [&](const v1::DecideStreamResponse& message) {
          size_t index = 0;
          ASSERT_TRUE(absl::SimpleAtoi(message.correlation_id(), &index));
          ASSERT_EQ(message.decide().treatments_size(), 1) << message.ShortDebugString();
          ASSERT_EQ(message.decide().treatments(0).treatment_id(), kTreatment);
          calls_[index].decision_id = message.decide().decision_id();
          calls_[index].propensity = message.decide().treatments(0).propensity();
          ++answered;
        });
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(answered, end - begin);
  }

  void ReportCalls(size_t begin, size_t end) {
    v1::OutcomeServiceRecordOutcomesRequest message;
    for (size_t i = begin; i < end; ++i) {
      v1::OutcomeServiceRecordOutcomeRequest& outcome = *message.add_entries()->mutable_outcome();
      outcome.set_decision_id(calls_[i].decision_id);
      outcome.set_outcome(calls_[i].subscribed ? "subscribed" : "declined");
      outcome.set_source(v1::OUTCOME_SOURCE_EMPLOYEE);
      outcome.set_request_id("end of call");
      *outcome.mutable_time() = calls_[i].request.time();
    }
    const auto answer = client().RecordOutcomes(message);
    ASSERT_TRUE(answer.ok()) << answer.status.error_message();
    ASSERT_EQ(answer.response.results_size(), message.entries_size());
    for (const v1::OutcomeResult& result : answer.response.results()) {
      ASSERT_EQ(result.recorded().status(), v1::OUTCOME_STATUS_RECORDED)
          << result.ShortDebugString();
    }
  }

  std::string data_;
  std::vector<BankCall> calls_;
  int64_t subscribed_ = 0;
};

TEST_F(CallReplayTest, WhatWasServedIsNearlyAsGoodAsRegressionOnAllCalls) {
  const Stopwatch time;
  for (size_t begin = 0; begin < calls_.size(); begin += kCallsAtOnce) {
    const size_t end = std::min(calls_.size(), begin + kCallsAtOnce);
    ASSERT_NO_FATAL_FAILURE(DecideCalls(begin, end));
    ASSERT_NO_FATAL_FAILURE(ReportCalls(begin, end));
  }
  const absl::Status learned = server().LearnFromOutcomes();
  ASSERT_TRUE(learned.ok()) << learned;
  const double seconds = time.Seconds();

  const auto count = static_cast<double>(calls_.size());
  const double rate = static_cast<double>(subscribed_) / count;
  double loss = 0;
  double constant_loss = 0;
  for (const BankCall& call : calls_) {
    loss += LossOf(call.propensity, call.subscribed) / count;
    constant_loss += LossOf(rate, call.subscribed) / count;
  }
  v1::ModelServiceGetHealthRequest request;
  request.set_name("subscription");
  v1::ModelServiceGetHealthResponse health;
  grpc::ClientContext context;
  SetDeadline(context);
  const grpc::Status status = client().models().GetHealth(&context, request, &health);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(health.examples(), static_cast<int64_t>(calls_.size()));
  EXPECT_EQ(health.own().responses(), static_cast<int64_t>(calls_.size()));
  EXPECT_EQ(health.own().positives(), subscribed_);
  EXPECT_EQ(health.served().positives(), subscribed_);
  // That of the recent ones: over eight hours that is nearly all of them.
  EXPECT_NEAR(health.served().log_loss(), loss, 0.02 * loss);
  std::string report = absl::StrFormat(
      "Calls of a bank: %d, each predicted before it was learned; log-loss of what was served "
      "%.4f, "
      "of the best\nconstant %.4f",
      calls_.size(), loss, constant_loss);
  if (!testing::kOptimized) return;  // few calls teach little
  EXPECT_LT(loss, constant_loss);

  const std::string python = FindPython("numpy, sklearn");
  double batch_loss = 0;
  if (!python.empty()) {
    const RunResult fitted =
        RunProgram({python, testing::SourcePath("tests/data/train/logistic.py"), data_});
    ASSERT_EQ(fitted.status, 0) << fitted.output;
    int rows = 0;
    double fitted_constant = 0;
    ASSERT_EQ(std::sscanf(fitted.output.c_str(), "rows=%d log_loss=%lf constant_log_loss=%lf",
                          &rows, &batch_loss, &fitted_constant),
              3)
        << fitted.output;
    EXPECT_EQ(rows, static_cast<int>(calls_.size()));
    EXPECT_NEAR(fitted_constant, constant_loss, 1e-6);
    EXPECT_LE(loss, 1.03 * batch_loss);
    absl::StrAppendFormat(&report, ", of scikit-learn's logistic regression on all of them %.4f",
                          batch_loss);
  }
  absl::StrAppend(&report, ".\n\n");
  WriteFile(testing::BuildPath("learned_bank.txt"), report);
  std::printf("%sreplay=%.1fs\n", report.c_str(), seconds);
  if (python.empty()) {
    GTEST_SKIP() << "nothing to compare with but the best constant: no Python with scikit-learn is "
                    "here; tests/data/train/find_python finds or makes one, ATTUNE_TRAIN_PYTHON "
                    "names it";
  }
}

}  // namespace
}  // namespace attune::service
