#include "lib/scoring/remote_model.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/strategy_builder.h"

namespace attune::scoring {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

namespace pb = attune::strategy::v1;

// Notes what it was asked; answers the rows' first numbers.
class EchoTransport : public RemoteTransport {
 public:
  EchoTransport(size_t columns, std::vector<double>* asked) : columns_(columns), asked_(*asked) {}

  RemoteAnswer Ask(absl::Span<const double> rows, absl::Time,
                   const Predictions& predictions) override {
    asked_.assign(rows.begin(), rows.end());
    for (size_t i = 0; i < predictions.propensity.size(); ++i) {
      predictions.propensity[i] = rows[i * columns_];
      predictions.deviation[i] = 0.5;
    }
    return failure;
  }

  RemoteAnswer failure;

 private:
  const size_t columns_;
  std::vector<double>& asked_;
};

constexpr char kRemote[] = "endpoints: 'models:8001' model: 'churn' ";

// On the inputs of testing::kSmallStrategy. Treatments: 0 fast_callback (resolution), 1
// goodwill_credit (care), 2 upgrade (offer), 3 accessory (offer).
class RemoteModelTest : public ::testing::Test {
 protected:
  RemoteModelTest()
      : strategy_(builder_.BuildFromText(testing::kSmallStrategy, {})),
        names_{strategy_->features, strategy_->context, strategy_->catalog},
        features_(strategy_->features.defaults().begin(), strategy_->features.defaults().end()) {
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
  }

  // A model with these inputs, and what was reported.
  std::unique_ptr<RemoteModel> Make(const std::string& inputs) {
    const auto remote = testing::FromText<pb::Remote>(kRemote + inputs);
    RemoteSettings settings = SettingsOf(remote, report_);
    FeatureColumns columns = RemoteModel::ColumnsOf(remote, names_, inputs_, report_);
    EXPECT_THAT(issues_, IsEmpty());
    auto transport = std::make_unique<EchoTransport>(columns.size(), &asked_);
    transport_ = transport.get();
    return std::make_unique<RemoteModel>(
        "churn", std::move(columns),
        std::make_shared<RemoteScorer>(std::move(settings), std::move(transport), &clock_));
  }
  ModelFailure Predict(const Model& model, const std::vector<int>& treatments) {
    inputs_.Fill(strategy_->context, context_, features_, frame_);
    propensity_.assign(treatments.size(), -7);
    deviation_.assign(treatments.size(), kUnknownDeviation);
    return model.PredictBatch({frame_, treatments},
                              {absl::MakeSpan(propensity_), absl::MakeSpan(deviation_)}, scratch_);
  }
  std::vector<std::pair<std::string, std::string>> IssuesOf(const std::string& remote) {
    issues_.clear();
    const auto message = testing::FromText<pb::Remote>(remote);
    SettingsOf(message, report_);
    RemoteModel::ColumnsOf(message, names_, inputs_, report_);
    return issues_;
  }

  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  const InputNames names_;
  InputTable inputs_;
  context::DecisionContext context_;
  std::vector<ValueRef> features_;
  InputFrame frame_;
  ModelScratch scratch_;
  ManualClock clock_{absl::UnixEpoch()};
  std::vector<double> asked_;
  EchoTransport* transport_ = nullptr;
  std::vector<double> propensity_, deviation_;
  std::vector<std::pair<std::string, std::string>> issues_;
  const ReportIssue report_ = [this](std::string_view path, std::string message) {
    issues_.emplace_back(std::string(path), std::move(message));
  };
};

TEST_F(RemoteModelTest, AsksOnceForAllTreatments) {
  const auto model = Make(
      "inputs { feature: 'g' input: 'treatment.group' codes { key: 'care' value: 0.25 } "
      "codes { key: 'offer' value: 0.75 } } "
      "inputs { feature: 'tenure' input: 'customer.tenure_months' }");
  features_[static_cast<size_t>(strategy_->features.SlotOf("tenure_months"))] = ValueRef::Int(24);
  EXPECT_EQ(Predict(*model, {1, 2, 3}), ModelFailure::kNone);
  EXPECT_THAT(asked_, ElementsAre(0.25, 24, 0.75, 24, 0.75, 24));
  EXPECT_THAT(propensity_, ElementsAre(0.25, 0.75, 0.75));
  EXPECT_THAT(deviation_, Each(0.5));
}

TEST_F(RemoteModelTest, SendsOneRowWhereTreatmentsAreNotToldApart) {
  const auto model = Make("inputs { feature: 'wait' input: 'context.attributes.wait_s' }");
  context_.attributes[0] = ValueRef::Double(0.375);
  EXPECT_EQ(Predict(*model, {0, 1, 3}), ModelFailure::kNone);
  EXPECT_THAT(asked_, ElementsAre(0.375));
  EXPECT_THAT(propensity_, Each(0.375));
  EXPECT_THAT(deviation_, Each(0.5));
  EXPECT_EQ(Predict(*model, {}), ModelFailure::kNone);
}

TEST_F(RemoteModelTest, DependsOnTheChannelOnlyWhereAnInputDoes) {
  const std::string tenure = "inputs { feature: 'tenure' input: 'customer.tenure_months' } ";
  EXPECT_FALSE(Make(tenure)->DependsOnChannel());
  EXPECT_FALSE(Make(tenure + "inputs { feature: 'care' input: 'treatment.group' equals: 'care' }")
                   ->DependsOnChannel());
  EXPECT_TRUE(Make(tenure + "inputs { feature: 'app' input: 'context.channel' equals: 'app' }")
                  ->DependsOnChannel());
}

TEST_F(RemoteModelTest, WhatIsNotKnownIsMissing) {
  const auto model = Make("inputs { feature: 'tenure' input: 'customer.tenure_months' }");
  Predict(*model, {0});
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_TRUE(std::isnan(asked_[0])) << "in spite of the declared default";
}

TEST_F(RemoteModelTest, SaysHowItFailed) {
  const auto model = Make("deadline_ms: 30 inputs { feature: 'vip' input: 'customer.vip' }");
  transport_->failure = {ModelFailure::kTimeout, "late"};
  EXPECT_EQ(Predict(*model, {0, 1}), ModelFailure::kTimeout);
  EXPECT_EQ(scratch_.failure_text, "late");
  EXPECT_EQ(model->FailureText(ModelFailure::kTimeout),
            "did not answer within 30 ms, or within what the caller's deadline left");
  std::vector<double> propensity(2);
  model->Predict(frame_, {0, 1}, absl::MakeSpan(propensity), scratch_);
  EXPECT_TRUE(std::isnan(propensity[0]) && std::isnan(propensity[1]));
  EXPECT_EQ(model->Noun(), "remote model churn");
  EXPECT_TRUE(model->Waits());
}

TEST_F(RemoteModelTest, WithoutAConnectionNothingIsAsked) {
  const RemoteModel model("churn", FeatureColumns(), nullptr);
  EXPECT_EQ(Predict(model, {0}), ModelFailure::kNotAsked);
}

TEST_F(RemoteModelTest, FillsInTheDefaults) {
  const RemoteSettings settings = SettingsOf(testing::FromText<pb::Remote>(kRemote), report_);
  EXPECT_EQ(settings.deadline, absl::Milliseconds(20));
  EXPECT_EQ(settings.max_concurrent, 64);
  EXPECT_EQ(settings.channels, 1);
  EXPECT_EQ(settings.input_tensor, "input-0");
  EXPECT_FALSE(settings.is_double);
  EXPECT_FALSE(settings.deviation_output.has_value());
  EXPECT_EQ(settings.breaker, (CircuitBreaker::Options{5, absl::Seconds(1)}));
}

TEST_F(RemoteModelTest, ReportsEveryProblem) {
  EXPECT_THAT(IssuesOf(""), ElementsAre(Pair("remote.endpoints", HasSubstr("needs endpoints")),
                                        Pair("remote.model", HasSubstr("is required")),
                                        Pair("remote.inputs", HasSubstr("needs inputs"))));
  const std::string input = "inputs { feature: 'x' input: 'customer.vip' } ";
  EXPECT_THAT(
      IssuesOf("endpoints: 'models' endpoints: 'http://a:1' endpoints: 'a:0' endpoints: 'a:70000' "
               "model: 'm' " +
               input),
      ElementsAre(Pair("remote.endpoints[0]", HasSubstr("must be host:port")),
                  Pair("remote.endpoints[1]", HasSubstr("must be host:port")),
                  Pair("remote.endpoints[2]", HasSubstr("must be host:port")),
                  Pair("remote.endpoints[3]", HasSubstr("must be host:port"))));
  EXPECT_THAT(
      IssuesOf(kRemote + input +
               "output: -1 deviation_output: 10000 deadline_ms: 0 max_concurrent: 1001 "
               "channels: 17 breaker { failures: 0 open_ms: 3600001 }"),
      ElementsAre(Pair("remote.output", "must be between 0 and 9999, not -1"),
                  Pair("remote.deviation_output", "must be between 0 and 9999, not 10000"),
                  Pair("remote.deadline_ms", "must be between 1 and 10000, not 0"),
                  Pair("remote.max_concurrent", "must be between 1 and 1000, not 1001"),
                  Pair("remote.channels", "must be between 1 and 16, not 17"),
                  Pair("remote.breaker.failures", "must be between 1 and 1000, not 0"),
                  Pair("remote.breaker.open_ms", "must be between 1 and 3600000, not 3600001")));
  EXPECT_THAT(IssuesOf(kRemote + input + input + "inputs { input: 'customer.plan' }"),
              ElementsAre(Pair("remote.inputs[1].feature", HasSubstr("is listed twice")),
                          Pair("remote.inputs[2].feature", HasSubstr("is required")),
                          Pair("remote.inputs[2]", HasSubstr("is of type string"))));
}

}  // namespace
}  // namespace attune::scoring
