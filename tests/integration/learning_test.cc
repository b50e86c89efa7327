// The loop closed over gRPC: decide, show, report, and the next decision has learned from it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "prometheus/text_serializer.h"
#include "service/ctl/ctl.h"
#include "tests/integration/server_fixture.h"

namespace attune::service {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// The small strategy whose offers are predicted by a model that learns.
std::string LearningStrategy(const std::string& adaptive) {
  std::string text = Replaced(kSmallStrategy, "file: sell.yaml", "adaptive: " + adaptive);
  return Replaced(text, "models:\n", R"yaml(outcomes:
  - {name: shown, showing: true, window: 1d}
  - {name: accepted, window: 2d, final: true}
  - {name: rejected, window: 2d, final: true}
learning:
  reward: "outcome.accepted.seen ? treatment.value - treatment.cost : -treatment.cost"
models:
)yaml");
}

constexpr char kAcceptance[] = "{inputs: [customer.plan, context.channel], prior: 0.1}";

class ServerLearningTest : public ServerTest {
 protected:
  ServerLearningTest() {
    WriteStrategy(dir_.path(), LearningStrategy(kAcceptance));
    Start();
  }

  static v1::DecideRequest RequestFor(const std::string& customer, const std::string& treatment) {
    v1::DecideRequest request = DecideFor(customer, "app");
    request.add_treatment_ids(treatment);
    return request;
  }
  // What the model says of the treatment now.
  double PropensityOf(const std::string& treatment) const {
    v1::DecideRequest request = RequestFor("somebody", treatment);
    request.set_dry_run(true);
    const v1::DecideResponse answer = Decide(request);
    EXPECT_THAT(answer.treatments(), SizeIs(1));
    return answer.treatments_size() == 0 ? -1 : answer.treatments(0).propensity();
  }
  // Somebody is shown the treatment, and this becomes of it.
  void Show(const std::string& treatment, const std::string& outcome) {
    const v1::DecideResponse decision =
        Decide(RequestFor(absl::StrCat("customer ", ++customers_), treatment));
    v1::OutcomeServiceActivateRequest activate;
    activate.set_decision_id(decision.decision_id());
    const auto shown = client().Activate(activate);
    ASSERT_TRUE(shown.ok()) << shown.status.error_message();
    v1::OutcomeServiceRecordOutcomeRequest request;
    request.set_decision_id(decision.decision_id());
    request.set_treatment_id(treatment);
    request.set_outcome(outcome);
    request.set_source(v1::OUTCOME_SOURCE_CUSTOMER);
    request.set_request_id(absl::StrCat("outcome ", customers_));
    for (int retry = 0; retry < 2; ++retry) {
      const auto answer = client().RecordOutcome(request);
      ASSERT_TRUE(answer.ok()) << answer.status.error_message();
    }
  }
  void Learn() {
    const absl::Status status = server().LearnFromOutcomes();
    ASSERT_TRUE(status.ok()) << status;
  }
  v1::ModelServiceGetHealthResponse HealthOf(const std::string& model) const {
    v1::ModelServiceGetHealthRequest request;
    request.set_name(model);
    v1::ModelServiceGetHealthResponse health;
    grpc::ClientContext context;
    const grpc::Status status = client().models().GetHealth(&context, request, &health);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return health;
  }

  int customers_ = 0;
};

TEST_F(ServerLearningTest, WhatIsAcceptedIsMoreLikelyInTheNextDecision) {
  EXPECT_NEAR(PropensityOf("accessory"), 0.1, 0.03);
  for (int i = 0; i < 20; ++i) {
    Show("accessory", "accepted");
    Show("spring_sale", "rejected");
  }
  Learn();
  EXPECT_GT(PropensityOf("accessory"), 0.4);
  EXPECT_LT(PropensityOf("spring_sale"), 0.25);

  const v1::ModelServiceGetHealthResponse health = HealthOf("sell");
  EXPECT_EQ(health.mode(), "online");
  EXPECT_EQ(health.examples(), 40) << "each outcome once, however often it was told";
  EXPECT_EQ(health.own().responses(), 40);
  EXPECT_EQ(health.own().positives(), 20);
  EXPECT_EQ(health.served().responses(), 40);
  ASSERT_THAT(health.rates(), SizeIs(2));
  EXPECT_EQ(health.rates(0).treatment_id(), "accessory");
  EXPECT_EQ(health.rates(0).shown(), 20);
  EXPECT_EQ(health.rates(0).positives(), 20);
  EXPECT_EQ(health.rates(0).mean_reward(), 29) << "30 less the cost of 1";
  EXPECT_EQ(health.rates(1).mean_reward(), -1);
}

TEST_F(ServerLearningTest, TheSameIsKnownToTheBitAfterARestart) {
  for (int i = 0; i < 100; ++i) Show("accessory", i % 3 == 0 ? "accepted" : "rejected");
  Learn();
  const double before = PropensityOf("accessory");
  const auto health = HealthOf("sell");
  Restart();
  EXPECT_EQ(PropensityOf("accessory"), before);
  EXPECT_EQ(HealthOf("sell").SerializeAsString(), health.SerializeAsString());
  Show("accessory", "accepted");
  Learn();
  EXPECT_EQ(HealthOf("sell").examples(), 101) << "nothing is learned for a second time";
}

TEST_F(ServerLearningTest, TheThreadLearnsByItself) {
  const double before = PropensityOf("accessory");
  Show("accessory", "accepted");
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  while (PropensityOf("accessory") == before && absl::Now() < give_up) std::this_thread::yield();
  EXPECT_GT(PropensityOf("accessory"), before);
}

TEST_F(ServerLearningTest, AnotherRewardOrPriorKeepsWhatWasLearnedAndOtherInputsDoNot) {
  for (int i = 0; i < 10; ++i) Show("accessory", "accepted");
  Learn();
  RestartWith(Replaced(LearningStrategy("{inputs: [customer.plan, context.channel], prior: 0.2}"),
                       ": -treatment.cost\"", ": 0.0\""));
  EXPECT_EQ(HealthOf("sell").examples(), 10);
  EXPECT_GT(PropensityOf("accessory"), 0.5);
  RestartWith(LearningStrategy("{inputs: [customer.plan]}"));
  EXPECT_EQ(HealthOf("sell").examples(), 0);
}

TEST_F(ServerLearningTest, AShadowLearnsWhileAnotherServes) {
  RestartWith(Replaced(LearningStrategy("{mode: shadow, serve: fixed}}\n  - {name: fixed, formula: "
                                        "'0.125'"),
                       "max_treatments: 2", "max_treatments: 3"));
  for (int i = 0; i < 10; ++i) Show("accessory", "accepted");
  Learn();
  EXPECT_EQ(PropensityOf("accessory"), 0.125);
  const v1::ModelServiceGetHealthResponse health = HealthOf("sell");
  EXPECT_EQ(health.mode(), "shadow");
  EXPECT_EQ(health.examples(), 10);
  EXPECT_LT(health.own().log_loss(), health.served().log_loss()) << "the shadow is better";
}

TEST_F(ServerLearningTest, TellsOfModelsThatAreNotThere) {
  v1::ModelServiceGetHealthRequest request;
  request.set_name("sel");
  v1::ModelServiceGetHealthResponse health;
  grpc::ClientContext context;
  const grpc::Status status = client().models().GetHealth(&context, request, &health);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("did you mean \"sell\"?"));
}

TEST_F(ServerLearningTest, CtlShowsHowTheModelDoes) {
  for (int i = 0; i < 4; ++i) Show("accessory", i == 0 ? "rejected" : "accepted");
  Learn();
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  ctl::Console console{in, out, err};
  EXPECT_EQ(ctl::RunCtl({"model", "inspect", "sell", "--server",
                         absl::StrCat("127.0.0.1:", server().port())},
                        console),
            ctl::kExitOk)
      << err.str();
  EXPECT_THAT(out.str(), HasSubstr(", online: 4 responses learned"));
  EXPECT_THAT(out.str(), HasSubstr("customer.plan"));
  // 3 of 4: Wilson's interval, as of any calculator.
  EXPECT_THAT(out.str(), HasSubstr("0.7500  0.3006  0.9544"));
}

TEST_F(ServerLearningTest, MetricsTellHowItGoes) {
  Show("accessory", "accepted");
  Learn();
  const std::string scrape = prometheus::TextSerializer().Serialize(server().metrics().Collect());
  EXPECT_THAT(scrape, HasSubstr("attune_model_responses_total{model=\"sell\",of=\"own\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_model_positives_total{model=\"sell\",of=\"own\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_learner_learned_treatments_total 1\n"));
  EXPECT_THAT(scrape, HasSubstr("attune_learner_gaps_total 0\n"));
}

}  // namespace
}  // namespace attune::service
